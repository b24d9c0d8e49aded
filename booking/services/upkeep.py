"""Forgetting what has had its time, a little with each beat of the worker."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from booking.models import (
    AccountLink,
    AddressChange,
    Hold,
    IdempotencyKey,
    LinkRequest,
    OwedCall,
    RateCounter,
    SpentChallenge,
    StaffSession,
)
from booking.services.accounts import SESSION_LIFE
from booking.services.allocation import lock_held
from booking.services.lost_links import PAUSE

CALL_LIFE = timedelta(days=30)
"""How long it is known what programs were told, and what they did not take."""
KEY_LIFE = timedelta(hours=24)
HOLD_REST = timedelta(hours=1)
"""What dead holds take goes with who wants it; this is for themselves, and what nobody wants."""


def forget_what_expired(session: Session, *, now: datetime) -> None:
    """Remove old keys, counters, staff sessions and links; each search follows an index.

    The holds first, since that locks what they take: who books waits for a key that goes before
    they lock anything.
    """
    _forget_holds(session, now)
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < now - KEY_LIFE))
    _forget_counters(session, now)
    session.execute(delete(LinkRequest).where(LinkRequest.asked_at <= now - PAUSE))
    session.execute(delete(AddressChange).where(AddressChange.expires_at < now))
    session.execute(delete(SpentChallenge).where(SpentChallenge.expires_at < now))
    session.execute(delete(AccountLink).where(AccountLink.expires_at <= now))
    session.execute(delete(StaffSession).where(StaffSession.created_at < now - SESSION_LIFE))
    session.execute(delete(OwedCall).where(OwedCall.settled_at < now - CALL_LIFE))


def _forget_holds(session: Session, now: datetime) -> None:
    dead = Hold.expires_at < now - HOLD_REST
    lock_held(session, dead)
    session.execute(delete(Hold).where(dead))


def _forget_counters(session: Session, now: datetime) -> None:
    """Those on which nobody counts just now: who counts on several has locked them in another
    order, so the two would wait for each other."""
    over = select(RateCounter.key).where(RateCounter.expires_at < now)
    forgetting = delete(RateCounter).where(
        RateCounter.key.in_(over.with_for_update(skip_locked=True))
    )
    session.execute(forgetting, execution_options={"synchronize_session": False})
