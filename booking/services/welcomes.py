"""The mails that carry invitations to members of staff: owed by the invitation itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session, joinedload

from booking.models import AccountLink

LEASE = timedelta(minutes=2)
"""How long whoever sends one is left alone; after a crash another tries again."""
PAUSES = tuple(timedelta(minutes=each) for each in (1, 5, 15, 60))


@dataclass(frozen=True)
class Claimed:
    """One mail that is ours to send; another attempt of somebody else has another number."""

    link: int
    attempt: int


def anything_due(session: Session, *, now: datetime) -> bool:
    """Whether a claim is worth a transaction."""
    return session.scalar(_due(now).limit(1)) is not None


def claim(session: Session, *, now: datetime) -> AccountLink | None:
    """Take the next mail that is due, for `LEASE`; None when none is."""
    query = select(AccountLink).where(AccountLink.id.in_(_due(now).limit(1)))
    query = query.options(joinedload(AccountLink.user, innerjoin=True))
    found = session.scalar(query.with_for_update(of=AccountLink, skip_locked=True))
    if found is not None:
        found.attempts += 1
        found.next_attempt_at = now + LEASE
    return found


def settle_sent(session: Session, claimed: Claimed, *, now: datetime) -> None:
    """The relay has taken it."""
    _settle(session, claimed, next_attempt_at=None, sent_at=now, last_error="")


def give_up(session: Session, claimed: Claimed, error: str) -> None:
    """It will never go through: the page of people says so."""
    _settle(session, claimed, next_attempt_at=None, last_error=error)


def postpone(session: Session, claimed: Claimed, error: str, *, now: datetime) -> None:
    """Try again later, for as long as the link is good."""
    pause = PAUSES[min(claimed.attempt, len(PAUSES)) - 1]
    _settle(session, claimed, next_attempt_at=now + pause, last_error=error)


def _due(now: datetime) -> Select[int]:
    return (
        select(AccountLink.id)
        .where(AccountLink.next_attempt_at <= now, AccountLink.expires_at > now)
        .order_by(AccountLink.next_attempt_at)
    )


def _settle(session: Session, claimed: Claimed, **values: object) -> None:
    """Compare and set: an attempt that took longer than its lease counts no more."""
    session.execute(
        update(AccountLink)
        .where(AccountLink.id == claimed.link, AccountLink.attempts == claimed.attempt)
        .values(**values)
    )
