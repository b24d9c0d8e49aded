"""Owed messages: claimed by a lease, sent outside of any transaction, settled once.

What is owed to whom is in `owing`; what a message says when it leaves, in `telling`.
"""

import secrets
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import BindParameter, bindparam, or_, select, update
from sqlalchemy.orm import Session, aliased, contains_eager, joinedload

from booking.models import Appointment, Heartbeat, OwedMessage, SentMessage
from booking.models.base import Instant
from booking.services.telling import came_back, has_left

LEASE = timedelta(seconds=60)
"""Longer than one transaction with a relay can take, shorter than anybody minds after a crash."""
GIVE_UP_AFTER = timedelta(hours=48)
BACKOFF = tuple(timedelta(minutes=each) for each in (1, 5, 15, 60))

_NOW: BindParameter[datetime] = bindparam("now", type_=Instant())
_OTHER = aliased(OwedMessage)
_ANOTHER_UNDER_WAY = (
    select(_OTHER.id)
    .where(
        _OTHER.appointment_id == OwedMessage.appointment_id,
        _OTHER.audience == OwedMessage.audience,
        _OTHER.settled_at.is_(None),
        _OTHER.leased_until > _NOW,
    )
    .exists()
)
_DUE = (
    OwedMessage.settled_at.is_(None),
    OwedMessage.next_attempt_at <= _NOW,
    or_(OwedMessage.leased_until.is_(None), OwedMessage.leased_until <= _NOW),
    ~_ANOTHER_UNDER_WAY,
)
# Made once: putting them together costs more than asking them.
_ANY_DUE = select(OwedMessage.id).where(*_DUE).limit(1)
_NEXT_DUE = (
    select(OwedMessage)
    .join(OwedMessage.appointment)
    .where(*_DUE)
    .order_by(OwedMessage.next_attempt_at, OwedMessage.id)
    .limit(1)
    .options(contains_eager(OwedMessage.appointment))
    .execution_options(populate_existing=True)
    .with_for_update(of=[OwedMessage, Appointment], skip_locked=True)
)
_WITH_ITS_APPOINTMENT = (
    select(OwedMessage)
    .where(OwedMessage.id == bindparam("message"))
    .options(joinedload(OwedMessage.appointment))
)


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
    message = session.scalar(_NEXT_DUE, {"now": now})
    if message is not None:
        message.lease = holder + secrets.token_hex(8)
        message.leased_until = now + LEASE
        message.attempts += 1
    return message


def held(session: Session, message: int) -> OwedMessage:
    """A message that is under way, and its appointment as it is now."""
    return session.scalars(_WITH_ITS_APPOINTMENT, {"message": message}).one()


def settle_sent(
    session: Session, message: OwedMessage, lease: str, sealed: bytes, *, now: datetime
) -> None:
    """Record that the relay took the message, and keep the sealed copy."""
    if not _settle(session, message, lease, now, sent_at=now, last_error=""):
        return  # our lease ran out; whoever sends it again will settle it
    session.add(SentMessage(outbox_id=message.id, sealed=sealed))
    has_left(session, message)


def drop(session: Session, message: OwedMessage, lease: str, *, now: datetime) -> None:
    """Settle a message that has become untrue or unneeded without sending it."""
    _settle(session, message, lease, now)


def give_up(
    session: Session, message: OwedMessage, lease: str, error: str, *, now: datetime
) -> None:
    """Turn a message that cannot be delivered into a task for a person.

    Whom a former address cannot be told of, nobody needs to be told.
    """
    failed_at = None if message.former_id else now
    _settle(session, message, lease, now, failed_at=failed_at, last_error=error)


def bounced(session: Session, message: OwedMessage, error: str, *, now: datetime) -> bool:
    """Mark a message that had left as not reached, since another relay sent it back.

    Returns:
        Whether that is news; one that was about another address, or failed before, is none.
    """
    if message.former_id or message.failed_at:
        return False
    _settle_for_good(session, message, now, failed_at=now, last_error=error)
    came_back(session, message)
    return True


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
    return session.scalar(_ANY_DUE, {"now": now}) is not None


def _settle_for_good(
    session: Session, message: OwedMessage, now: datetime, **values: object
) -> None:
    """Settle whoever holds the lease: what comes back has left, whether we know it or not."""
    session.execute(
        update(OwedMessage)
        .where(OwedMessage.id == message.id)
        .values(lease=None, leased_until=None, settled_at=message.settled_at or now, **values)
    )


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
