"""Public holidays: they close the clinic by themselves, unless it is said to be open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.domain.openings import local_day
from booking.domain.public_holidays import public_holidays
from booking.models import Clinic, HolidayOverride
from booking.services import closures
from booking.services.schedules import Act


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
