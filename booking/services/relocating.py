"""Another place for appointments that are booked: the address, the video link, or how one meets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Status
from booking.models import Appointment, Audience, HealthcareService, Kind, Told
from booking.services.agenda import with_names
from booking.services.allocation import mark_changed
from booking.services.appointments import House, forget_answer, mark_moved, record
from booking.services.owing import owe_patient, owe_staff_what_waits
from booking.services.schedules import Act
from booking.services.telling import NOTHING, PLACE, place_of


@dataclass(frozen=True)
class Reach:
    """How many coming appointments a change of place concerns."""

    told: int
    """Who is told by mail."""
    to_call: list[str]
    """The references of those who have no address, and must be called."""

    @property
    def anybody(self) -> bool:
        """Whether it concerns anybody at all."""
        return bool(self.told or self.to_call)


def reach(session: Session, services: Iterable[HealthcareService], *, now: datetime) -> Reach:
    """Whom a change of the place of these services concerns."""
    found = coming(session, Appointment.service_id.in_([each.id for each in services]), now=now)
    to_call = [each.reference for each in found if not each.patient_email]
    return Reach(told=len(found) - len(to_call), to_call=to_call)


def coming(session: Session, which: ColumnElement[bool], *, now: datetime) -> Sequence[Appointment]:
    """The coming appointments that are booked, of those that are asked for, in order of time."""
    query = select(Appointment).where(
        which, Appointment.status == Status.BOOKED, Appointment.start_at > now
    )
    return session.scalars(query.order_by(Appointment.start_at).options(*with_names())).all()


def relocate(
    session: Session,
    services: Iterable[HealthcareService],
    former: Mapping[int, str],
    house: House,
    *,
    act: Act,
) -> int:
    """Owe everybody booked an updated invitation where the place is another; gives how many.

    Staff are told nothing: their mails name no place.

    The services and what they take are locked by now (`lock_all`), and have their new place.

    Args:
        former: What `place_of` said of each service before, by id.
    """
    concerned = [each for each in services if former[each.id] != place_of(each)]
    for service in concerned:
        _note_what_they_knew(session, service, former[service.id], act.now)
    found = _locked(session, [each.id for each in concerned], act.now)
    for each in found:
        answer = each.partstat, each.answered_at
        forget_answer(each)  # it was to the old place
        mark_moved(session, each, act.now)
        mark_changed(session, each)
        owe_patient(session, each, Kind.RESCHEDULED, now=act.now, wait=house.undo)
        owe_staff_what_waits(session, each)
        record(session, house, each, "relocate", act.actor, act.now, former=answer)
    return len(found)


def _note_what_they_knew(
    session: Session, service: HealthcareService, place: str, now: datetime
) -> None:
    """Add the place of before to what was told without one: that it was this, they know.

    Also of what is cancelled, since that can be taken back.
    """
    query = select(Told).join(Appointment, Appointment.id == Told.appointment_id)
    query = query.where(
        Appointment.service_id == service.id,
        Appointment.start_at > now,
        Told.audience == Audience.PATIENT,
        Told.state.is_not(None),
        Told.state != NOTHING,
        Told.state.not_like(f"%{PLACE}%"),
    )
    for told in session.scalars(query):
        told.state = f"{told.state}{PLACE}{place}"
    session.flush()


def _locked(session: Session, services: Iterable[int], now: datetime) -> Sequence[Appointment]:
    query = select(Appointment).where(
        Appointment.service_id.in_(services),
        Appointment.status == Status.BOOKED,
        Appointment.start_at > now,
    )
    locking = query.order_by(Appointment.id).with_for_update(of=Appointment)
    return session.scalars(locking.execution_options(populate_existing=True)).all()
