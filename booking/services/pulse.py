"""How the service is doing, in four small statements: for those who watch it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import String, column, func, select, table
from sqlalchemy.orm import Session

from booking.models import Heartbeat, OwedCall, OwedMessage, schema

SILENCE = timedelta(seconds=120)
"""The worker rests up to a minute when the relay is down; twice that is a death."""
_REVISIONS = select(column("version_num", String())).select_from(table("alembic_version"))


@dataclass(frozen=True)
class Pulse:
    """What can be told of a service without telling of anybody."""

    unsent: int
    """Messages that are due and have neither left nor been given up."""
    oldest_unsent: timedelta
    """For how long the oldest of them has been due."""
    unsent_calls: int
    """What other programs are owed, and have not taken yet."""
    last_turn: timedelta | None
    """How long ago the worker gave its last sign of life; None if it never did."""
    schema_current: bool

    @property
    def worker_alive(self) -> bool:
        return is_alive(self.last_turn)


def read_pulse(session: Session, *, now: datetime) -> Pulse:
    """Feel it: one statement each for the outbox, other programs, the worker and the schema."""
    unsent, oldest = _unsent(session, now)
    return Pulse(
        unsent=unsent,
        oldest_unsent=now - oldest if oldest else timedelta(),
        unsent_calls=_unsent_calls(session),
        last_turn=last_turn(session, now=now),
        schema_current=set(session.scalars(_REVISIONS)) == {schema.newest()},
    )


def is_alive(last_turn: timedelta | None) -> bool:
    """Whether a worker of which this is known still works."""
    return last_turn is not None and last_turn < SILENCE


def last_turn(session: Session, *, now: datetime) -> timedelta | None:
    """How long ago the worker gave its last sign of life; None if it never did."""
    heart = session.get(Heartbeat, "worker")
    return now - heart.beat_at if heart else None


def _unsent(session: Session, now: datetime) -> tuple[int, datetime | None]:
    """The index leads to what is not settled, which is as long as the future, not the past."""
    query = select(func.count(), func.min(OwedMessage.due_at)).where(
        OwedMessage.settled_at.is_(None), OwedMessage.due_at <= now
    )
    count, oldest = session.execute(query).one()
    return count, oldest


def _unsent_calls(session: Session) -> int:
    query = select(func.count(OwedCall.id)).where(OwedCall.settled_at.is_(None))
    return session.scalar(query) or 0
