"""Owed messages: written with what makes them due, claimed by a lease, settled once."""

import secrets
from datetime import datetime, timedelta
from random import Random
from uuid import uuid4

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session, aliased, contains_eager

from booking.domain.lifecycle import Status
from booking.models import Appointment, Audience, Clinic, Heartbeat, Kind, OwedMessage, SentMessage

LEASE = timedelta(seconds=60)
"""Longer than one transaction with a relay can take, shorter than anybody minds after a crash."""
GIVE_UP_AFTER = timedelta(hours=48)
BACKOFF = tuple(timedelta(minutes=each) for each in (1, 5, 15, 60))


def owe(
    session: Session, appointment: Appointment, kind: Kind, *, now: datetime, wait: timedelta
) -> None:
    """Owe everyone concerned a message about the appointment as it is after this change.

    Args:
        wait: How long a change may still be taken back; the messages are held until then.
    """
    session.flush()
    for audience in _audiences(session, appointment):
        session.add(_message(appointment, kind, audience, due_at=now + wait))


def owe_again(session: Session, appointment: Appointment, *, now: datetime) -> None:
    """Send the patient once more what holds now, under the same SEQUENCE."""
    copies = session.scalar(
        select(func.count()).where(
            OwedMessage.appointment_id == appointment.id,
            OwedMessage.audience == Audience.PATIENT,
        )
    )
    kind = Kind.CANCELLED if appointment.status == Status.CANCELLED else Kind.CONFIRMED
    if kind == Kind.CONFIRMED and appointment.sequence > 0:
        kind = Kind.RESCHEDULED
    message = _message(appointment, kind, Audience.PATIENT, due_at=now)
    message.copy = copies or 0
    session.add(message)


def new_holder() -> str:
    """A name for a worker and all its successors, of whom one at a time is alive."""
    return secrets.token_hex(8)


def inherit(session: Session, holder: str) -> None:
    """Let go of what a dead worker of the same name had claimed, before its leases run out."""
    session.execute(
        update(OwedMessage)
        .where(OwedMessage.settled_at.is_(None), OwedMessage.lease.startswith(holder))
        .values(lease=None, leased_until=None)
    )


def claim(session: Session, *, now: datetime, holder: str) -> OwedMessage | None:
    """Take the next message that is due, for `LEASE`; None when nothing is.

    Of one appointment and audience only one message is under way at a time, so that an older
    revision can never overtake a newer one. The appointment is locked along with the message:
    a change of it comes wholly before this reading or wholly after the lease.
    """
    query = (
        select(OwedMessage)
        .join(OwedMessage.appointment)
        .where(*_due(now))
        .order_by(OwedMessage.next_attempt_at, OwedMessage.id)
        .limit(1)
        .options(contains_eager(OwedMessage.appointment))
        .execution_options(populate_existing=True)
        .with_for_update(of=[OwedMessage, Appointment], skip_locked=True)
    )
    message = session.scalar(query)
    if message is not None:
        message.lease = holder + secrets.token_hex(8)
        message.leased_until = now + LEASE
        message.attempts += 1
        if message.audience == Audience.PATIENT:
            _stamp(message.appointment, now)
    return message


def is_stale(message: OwedMessage) -> bool:
    """Whether the appointment has moved on since the message was owed."""
    return message.sequence != message.appointment.sequence


def settle_sent(
    session: Session, message: OwedMessage, lease: str, sealed: bytes, *, now: datetime
) -> None:
    """Record that the relay took the message, and keep the sealed copy."""
    if not _settle(session, message, lease, now, sent_at=now, last_error=""):
        return  # our lease ran out; whoever sends it again will settle it
    session.add(SentMessage(outbox_id=message.id, sealed=sealed))
    appointment = message.appointment
    if message.audience == Audience.PATIENT:
        told = appointment.told_sequence
        appointment.told_sequence = (
            message.sequence if told is None else max(told, message.sequence)
        )


def drop(session: Session, message: OwedMessage, lease: str, *, now: datetime) -> None:
    """Settle a message that has become untrue or unneeded without sending it."""
    _settle(session, message, lease, now)


def give_up(
    session: Session, message: OwedMessage, lease: str, error: str, *, now: datetime
) -> None:
    """Turn a message that cannot be delivered into a task for a person."""
    _settle(session, message, lease, now, failed_at=now, last_error=error)


def postpone(
    session: Session, message: OwedMessage, lease: str, error: str, *, now: datetime
) -> None:
    """Try again later, for two days or until the appointment begins; then give up."""
    wait = BACKOFF[min(message.attempts, len(BACKOFF)) - 1] * Random().uniform(0.8, 1.2)  # noqa: S311
    if now + wait > min(message.due_at + GIVE_UP_AFTER, message.appointment.start_at):
        give_up(session, message, lease, error, now=now)
    else:
        _release(session, message, lease, next_attempt_at=now + wait, last_error=error)


def put_back(session: Session, message: OwedMessage, lease: str, *, now: datetime) -> None:
    """Return a message to the end of the line: the relay was down, which is not its fault.

    The attempt does not count. The others go first, lest one at which the relay always breaks
    off keeps them from leaving.
    """
    _release(session, message, lease, attempts=message.attempts - 1, next_attempt_at=now)


def beat(session: Session, *, now: datetime, relay_error: str | None) -> None:
    """Leave the worker's sign of life, and since when the relay has refused everything."""
    heart = session.get(Heartbeat, "worker") or Heartbeat(name="worker", relay_error="")
    heart.beat_at = now
    heart.relay_error = relay_error or ""
    heart.relay_down_since = (heart.relay_down_since or now) if relay_error else None
    session.add(heart)


def anything_due(session: Session, *, now: datetime) -> bool:
    """Whether `claim` may find something; a read, so that idle workers take no lock."""
    return session.scalar(select(OwedMessage.id).where(*_due(now)).limit(1)) is not None


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        OwedMessage.settled_at.is_(None),
        OwedMessage.next_attempt_at <= now,
        or_(OwedMessage.leased_until.is_(None), OwedMessage.leased_until <= now),
        ~_another_under_way(now),
    )


def _another_under_way(now: datetime) -> ColumnElement[bool]:
    other = aliased(OwedMessage)
    return (
        select(other.id)
        .where(
            other.appointment_id == OwedMessage.appointment_id,
            other.audience == OwedMessage.audience,
            other.settled_at.is_(None),
            other.leased_until > now,
        )
        .exists()
    )


def _stamp(appointment: Appointment, now: datetime) -> None:
    """The DTSTAMP of the message to come: later than any before (RFC 5546 §2.1.5)."""
    now = now.replace(microsecond=0)
    before = appointment.told_at
    appointment.told_at = now if before is None else max(now, before + timedelta(seconds=1))


def _settle(
    session: Session, message: OwedMessage, lease: str, now: datetime, **values: object
) -> bool:
    return _release(session, message, lease, settled_at=now, **values)


def _release(session: Session, message: OwedMessage, lease: str, **values: object) -> bool:
    """Compare and set: only the holder of the lease may change the row."""
    changed = session.execute(
        update(OwedMessage)
        .where(OwedMessage.id == message.id, OwedMessage.lease == lease)
        .values(lease=None, leased_until=None, **values)
        .returning(OwedMessage.id)
    )
    return changed.first() is not None


def _audiences(session: Session, appointment: Appointment) -> list[Audience]:
    clinic = session.get_one(Clinic, 1)
    staff = [Audience.STAFF] if clinic.staff_email else []
    practitioner = [Audience.PRACTITIONER] if appointment.practitioner.email else []
    return [Audience.PATIENT, *practitioner, *staff]


def _message(
    appointment: Appointment, kind: Kind, audience: Audience, *, due_at: datetime
) -> OwedMessage:
    return OwedMessage(
        appointment=appointment,
        sequence=appointment.sequence,
        kind=kind,
        audience=audience,
        message_id=uuid4().hex,
        due_at=due_at,
        next_attempt_at=due_at,
    )
