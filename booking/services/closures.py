"""Closing the clinic, a practitioner or a room: never over an appointment without a decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import or_ as either
from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Status
from booking.domain.timeline import Span
from booking.models import (
    Appointment,
    Audience,
    Closure,
    OwedMessage,
    Resource,
)
from booking.services.agenda import with_names
from booking.services.allocation import lock_all
from booking.services.appointments import House, cancel_appointment
from booking.services.schedules import Act

DAY = timedelta(days=1)
WHOLE_CLINIC = "clinic"


class Decision(StrEnum):
    """What becomes of an appointment within a closure."""

    KEEP = "keep"
    CANCEL = "cancel"


class Undecided(Exception):
    """Appointments lie in the time, and nobody has said what becomes of each."""

    def __init__(self, references: list[str]) -> None:
        super().__init__()
        self.references = references


@dataclass(frozen=True)
class NewClosure:
    """What is to be closed, and when."""

    resource: str | None
    """The slug of a practitioner or a room; nobody's for the whole clinic."""
    span: Span
    reason: str


def resources(session: Session) -> Sequence[Resource]:
    """Whom and what one can close: practitioners first, then rooms, each by name."""
    return session.scalars(select(Resource).order_by(Resource.kind, Resource.name)).all()


def closures(session: Session, *, now: datetime) -> Sequence[Closure]:
    """What is closed now or will be, the first to begin first."""
    query = select(Closure).where(Closure.ends_at > now)
    return session.scalars(query.order_by(Closure.starts_at, Closure.id)).all()


def close(
    session: Session,
    wanted: NewClosure,
    decisions: Mapping[str, Decision],
    house: House,
    *,
    act: Act,
) -> Closure:
    """Close, and do with each appointment in that time what was decided; all or nothing.

    Args:
        decisions: By the reference of the appointment. Those that are kept stay as they are.

    Raises:
        Undecided: if an appointment has no decision, also one that was booked meanwhile.
            Nothing is changed.
    """
    resource = _lock(session, wanted.resource)
    hit = _hit(session, wanted.span, resource, lock=True)
    if any(each.reference not in decisions for each in hit):
        raise Undecided([each.reference for each in hit])
    made = Closure(
        resource_id=resource.id if resource else None,
        starts_at=wanted.span.start,
        ends_at=wanted.span.until,
        reason=wanted.reason,
    )
    session.add(made)
    for each in hit:
        if decisions[each.reference] == Decision.CANCEL:
            cancel_appointment(session, each, house, now=act.now, actor=act.actor)
    session.flush()
    act.note(session, "closure.add", wanted.resource or WHOLE_CLINIC)
    return made


def require_nobody(session: Session, span: Span) -> None:
    """Let no booking come in between, and see that none of the clinic's is in that time.

    Raises:
        Undecided: if there is one.
    """
    _lock(session, None)
    hit = _hit(session, span, None)
    if hit:
        raise Undecided([each.reference for each in hit])


def open_again(session: Session, closure: Closure, *, act: Act) -> None:
    """Take a closure away: what it held back is offered again."""
    resource = session.get(Resource, closure.resource_id) if closure.resource_id else None
    session.delete(closure)
    act.note(session, "closure.remove", resource.slug if resource else WHOLE_CLINIC)


def appointments(session: Session, references: Sequence[str]) -> Sequence[Appointment]:
    """The appointments of these references, in order of time."""
    query = select(Appointment).where(Appointment.reference.in_(references))
    return session.scalars(query.order_by(Appointment.start_at).options(*with_names())).all()


def within(session: Session, closure: Closure) -> Sequence[Appointment]:
    """The appointments in a closure's time that were kept or cancelled, in order of time."""
    resource = session.get(Resource, closure.resource_id) if closure.resource_id else None
    statuses = (Status.BOOKED, Status.CANCELLED)
    return _hit(session, closure.span, resource, statuses=statuses)


def to_call(session: Session, appointments: Sequence[Appointment]) -> set[int]:
    """The ids of those whom no mail tells: without an address, or not reached."""
    unreached = select(OwedMessage.appointment_id).where(
        OwedMessage.appointment_id.in_([each.id for each in appointments]),
        OwedMessage.audience == Audience.PATIENT,
        OwedMessage.failed_at.is_not(None),
        OwedMessage.handled_at.is_(None),
    )
    without = {each.id for each in appointments if not each.patient_email}
    return without | set(session.scalars(unreached))


def _lock(session: Session, slug: str | None) -> Resource | None:
    """Let no booking of that time come in between.

    All services, since one that is cancelled may be of a service that its practitioner no longer
    offers.
    """
    lock_all(session)
    return _resource(session, slug)


def _resource(session: Session, slug: str | None) -> Resource | None:
    if slug is None:
        return None
    return session.scalars(select(Resource).where(Resource.slug == slug)).one()


def _hit(
    session: Session,
    span: Span,
    resource: Resource | None,
    *,
    statuses: tuple[Status, ...] = (Status.BOOKED,),
    lock: bool = False,
) -> Sequence[Appointment]:
    # No appointment is longer than a day, so the index on its beginning bounds the search.
    query = select(Appointment).where(
        Appointment.status.in_(statuses),
        Appointment.start_at > span.start - DAY,
        Appointment.start_at < span.until,
        Appointment.end_at > span.start,
    )
    if resource is not None:
        query = query.where(
            either(Appointment.practitioner_id == resource.id, Appointment.room_id == resource.id)
        )
    if lock:
        locking = query.order_by(Appointment.id).with_for_update(of=Appointment)
        session.scalars(locking.execution_options(populate_existing=True)).all()
    return session.scalars(query.order_by(Appointment.start_at).options(*with_names())).all()
