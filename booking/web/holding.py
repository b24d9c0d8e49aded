"""What this browser holds while its form is filled in: known by the visit in its session."""

from datetime import datetime

from flask import session

from booking.domain.refusals import NotOffered, SlotTaken
from booking.models.database import db, transaction
from booking.services import holds
from booking.web.limits import address, network
from booking.web.state import booking, now


def hold(service: str, start: datetime, practitioner: str | None) -> None:
    """Hold a slot for this browser if it can be had; whoever gets no hold can still book."""
    if "visit" not in session:  # it never opened a form: it would share a hold with its likes
        return
    visitor = holds.Visitor(keys(), address(), network())
    try:
        with transaction() as work:
            holds.hold_slot(work, service, start, practitioner, visitor, now=now())
    except (SlotTaken, NotOffered):
        return


def own_hold() -> int | None:
    """What this browser holds, by id: its time is free for it.

    Only the visit tells: a mark in the cookie comes with the answer to "hold this", and a form
    that is sent before that answer is there would find its own time taken.
    """
    if "visit" not in session:  # it never opened a form, and shall not pay for looking
        return None
    return holds.held_by(db.session(), *keys(), now=now())


def let_go() -> None:
    """Free what this browser holds."""
    if "visit" in session:
        with transaction() as work:
            holds.let_go(work, *keys())


def keys() -> tuple[bytes, ...]:
    """Under which keys this browser may hold something."""
    visit = str(session.get("visit", ""))
    return booking().house.keys.digests("hold", visit.encode()) if visit else ()
