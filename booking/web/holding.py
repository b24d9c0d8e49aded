"""What this browser holds while its form is filled in: known by the visit in its session."""

from datetime import datetime

from flask import session
from sqlalchemy.orm import Session

from booking.domain.refusals import NotOffered, SlotTaken
from booking.models.database import db, transaction
from booking.services import holds
from booking.web.limits import address, network
from booking.web.state import booking, now

HOLDING = "holding"
"""In the session while something may be held, so that nobody else pays for looking."""


def hold(service: str, start: datetime, practitioner: str | None) -> None:
    """Hold a slot for this browser if it can be had; whoever gets no hold can still book."""
    visitor = holds.Visitor(_key(), address(), network())
    try:
        with transaction() as work:
            holds.hold_slot(work, service, start, practitioner, visitor, now=now())
    except (SlotTaken, NotOffered):
        return
    session[HOLDING] = True


def own_hold() -> int | None:
    """What this browser holds, by id: its time is free for it."""
    if not session.get(HOLDING):
        return None
    return holds.held_by(db.session(), _key(), now=now())


def let_go(work: Session) -> None:
    """Free what this browser holds, in a transaction that is under way."""
    if session.pop(HOLDING, None):
        holds.let_go(work, _key())


def _key() -> bytes:
    visit = str(session.get("visit", ""))
    return booking().house.keys.digest("hold", visit.encode())
