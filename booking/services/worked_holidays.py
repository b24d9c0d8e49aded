"""Public holidays: they close the clinic by themselves, unless it is said to be open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.domain.lifecycle import OCCUPYING
from booking.domain.openings import local_day
from booking.domain.public_holidays import public_holidays
from booking.models import Appointment, Clinic, HolidayOverride
from booking.services import closures
from booking.services.allocation import lock_all
from booking.services.schedules import Act, put


@dataclass(frozen=True)
class Holiday:
    """A public holiday and what the clinic makes of it."""

    day: date
    name: str
    is_open: bool


def coming(session: Session, clinic: Clinic, *, today: date) -> Sequence[Holiday]:
    """The public holidays of the clinic's country and region until the end of next year."""
    worked = set(session.scalars(select(HolidayOverride.on_date)))
    known = [
        (day, name)
        for year in (today.year, today.year + 1)
        for day, name in public_holidays(clinic.country, clinic.region, year).items()
    ]
    return [Holiday(day, name, day in worked) for day, name in known if day >= today]


def open_on(session: Session, day: date, *, act: Act) -> None:
    """Be open on a public holiday; it is offered as the opening hours say."""
    if session.get(HolidayOverride, day) is None:
        session.add(HolidayOverride(on_date=day))
        session.flush()
        act.note(session, "holiday.open", day.isoformat())


def move_to(
    session: Session, clinic: Clinic, country: str, region: str | None, *, act: Act
) -> list[date]:
    """Keep the public holidays of another country or region from now on.

    A day that becomes a holiday while people are booked on it stays open, as if it had been said
    of it: nobody is to find a closed door.

    Returns:
        Those days, in order.

    Raises:
        ValueError: if the country or the region is not known.
    """
    lock_all(session)  # a booking is judged wholly by the old holidays, or by the new ones
    coming = select(Appointment.start_at).where(
        Appointment.start_at >= act.now, Appointment.status.in_(OCCUPYING)
    )
    booked = sorted({each.astimezone(clinic.zone).date() for each in session.scalars(coming)})
    kept = [
        day
        for day in booked
        if day in public_holidays(country, region, day.year)
        and day not in public_holidays(clinic.country, clinic.region, day.year)
    ]
    changed = put(clinic, {"country": country, "region": region})
    session.flush()
    for day in kept:
        open_on(session, day, act=act)
    if changed:
        act.note(session, "clinic.change", "clinic", changed)
    return kept


def close_on(session: Session, clinic: Clinic, day: date, *, act: Act) -> None:
    """Be closed on a public holiday after all.

    Raises:
        Undecided: if appointments are booked on it by now; a closure asks about each.
    """
    closures.require_nobody(session, local_day(day, clinic.zone))
    override = session.get(HolidayOverride, day)
    if override is not None:
        session.delete(override)
        act.note(session, "holiday.close", day.isoformat())
