"""What staff look at: the coming days, and what wants a person's attention."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload
from sqlalchemy.orm.strategy_options import _AbstractLoad

from booking.domain.lifecycle import Status
from booking.domain.openings import local_day
from booking.domain.timeline import Span
from booking.models import (
    Appointment,
    AppointmentEvent,
    Audience,
    BusyTime,
    Closure,
    HealthcareService,
    Heartbeat,
    OwedMessage,
    Practitioner,
    ReceivedMail,
    Resource,
    SentMessage,
)

DAYS_AHEAD = 14
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
LATE = timedelta(minutes=2)
"""A message that waits longer than this is worth a word to staff."""


def upcoming(
    session: Session,
    first: date,
    zone: ZoneInfo,
    *,
    practitioner: str | None = None,
    only: int | None = None,
    among: Sequence[int] | None = None,
    days: int = DAYS_AHEAD,
) -> dict[date, list[Appointment]]:
    """The appointments of some days from `first` on, by local day; cancelled ones left out.

    Args:
        only: The practitioner whose appointments may be seen, where not everybody's may.
        among: The practitioners who are looked at, where it is not everybody.
    """
    start = local_day(first, zone).start
    until = local_day(first + timedelta(days=days), zone).start
    query = (
        select(Appointment)
        .where(
            Appointment.start_at >= start,
            Appointment.start_at < until,
            Appointment.status != Status.CANCELLED,
        )
        .order_by(Appointment.start_at, Appointment.id)
        .options(*with_names())
    )
    if practitioner:
        query = query.join(Appointment.practitioner).where(Practitioner.slug == practitioner)
    if only is not None:
        query = query.where(Appointment.practitioner_id == only)
    if among is not None:
        query = query.where(Appointment.practitioner_id.in_(among))
    found: dict[date, list[Appointment]] = {}
    for appointment in session.scalars(query):
        day = appointment.start_at.astimezone(zone).date()
        found.setdefault(day, []).append(appointment)
    return found


def not_reached(session: Session, *, only: int | None = None) -> Sequence[OwedMessage]:
    """Messages to patients that could not be delivered and that nobody has dealt with yet.

    Args:
        only: The practitioner whose appointments may be seen, where not everybody's may.
    """
    query = (
        select(OwedMessage)
        .where(
            OwedMessage.failed_at.is_not(None),
            OwedMessage.handled_at.is_(None),
            OwedMessage.audience == Audience.PATIENT,
        )
        .order_by(OwedMessage.failed_at)
        .options(joinedload(OwedMessage.appointment).options(*with_names()))
    )
    if only is not None:
        mine = OwedMessage.appointment.has(Appointment.practitioner_id == only)
        query = query.where(mine)
    return session.scalars(query).all()


def waiting_since(session: Session, *, now: datetime) -> datetime | None:
    """Since when the oldest message has been due, if that is longer than it should be."""
    query = _due_before(now - LATE).order_by(OwedMessage.due_at).limit(1)
    return session.scalar(query)


def relay_trouble(session: Session) -> Heartbeat | None:
    """The worker's last word, where the relay refuses everything."""
    heart = session.get(Heartbeat, "worker")
    return heart if heart and heart.relay_down_since else None


def versions(session: Session) -> tuple[int | None, ...]:
    """Numbers of which one rises whenever what staff look at has changed, in one statement."""
    unhandled = select(func.count(OwedMessage.id)).where(
        OwedMessage.failed_at > LONG_AGO,  # a span of the index, where "is not null" reads all
        OwedMessage.handled_at.is_(None),
    )
    newest = (
        select(func.sum(Resource.version)),
        select(func.max(AppointmentEvent.id)),
        select(func.max(ReceivedMail.id)),
        select(func.max(BusyTime.id)),
        select(func.max(Closure.id)),
        unhandled,
    )
    row = session.execute(select(*(each.scalar_subquery() for each in newest))).one()
    return tuple(row)


def practitioners(session: Session, *, within: Span | None = None) -> Sequence[Practitioner]:
    """All who see patients, by name.

    Args:
        within: Also those who take no new patients but still have some to see in this time.
    """
    shown: ColumnElement[bool] = Practitioner.active.expression
    if within is not None:
        still = select(Appointment.practitioner_id).where(
            Appointment.start_at >= within.start,
            Appointment.start_at < within.until,
            Appointment.status != Status.CANCELLED,
        )
        shown = or_(shown, Practitioner.id.in_(still))
    return session.scalars(select(Practitioner).where(shown).order_by(Practitioner.name)).all()


def everybody(session: Session) -> list[Practitioner]:
    """All who see patients or did, by name."""
    return list(session.scalars(select(Practitioner).order_by(Practitioner.name)))


def history(session: Session, appointment: Appointment) -> Sequence[AppointmentEvent]:
    """What happened to an appointment, oldest first."""
    query = select(AppointmentEvent).where(AppointmentEvent.appointment_id == appointment.id)
    return session.scalars(query.order_by(AppointmentEvent.id)).all()


def messages(session: Session, appointment: Appointment) -> Sequence[OwedMessage]:
    """The messages that an appointment owes or owed, oldest first."""
    query = select(OwedMessage).where(OwedMessage.appointment_id == appointment.id)
    return session.scalars(query.order_by(OwedMessage.id)).all()


def sent_copy(session: Session, appointment: Appointment, message: int) -> SentMessage | None:
    """The sealed mail of one of the appointment's own messages, as it left."""
    query = (
        select(SentMessage)
        .join(OwedMessage, OwedMessage.id == SentMessage.outbox_id)
        .where(OwedMessage.id == message, OwedMessage.appointment_id == appointment.id)
    )
    return session.scalar(query)


def mark_handled(session: Session, appointment: Appointment, *, now: datetime) -> None:
    """Take an appointment off the "not reached" list."""
    query = select(OwedMessage).where(
        OwedMessage.appointment_id == appointment.id,
        OwedMessage.failed_at.is_not(None),
        OwedMessage.handled_at.is_(None),
    )
    for message in session.scalars(query):
        message.handled_at = now


def _due_before(instant: datetime) -> Select[datetime]:
    return select(OwedMessage.due_at).where(
        OwedMessage.settled_at.is_(None), OwedMessage.due_at < instant
    )


def with_names() -> tuple[_AbstractLoad, ...]:
    """What a line of a list shows besides the appointment itself, in as many statements always."""
    return (
        joinedload(Appointment.service).lazyload(HealthcareService.resources),
        selectinload(Appointment.practitioner),
        selectinload(Appointment.room),
    )
