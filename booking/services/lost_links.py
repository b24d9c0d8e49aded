"""Whoever has lost the mail of their appointment gets it again, at the address on file only.

Asking writes the same row for every address, known or not; the worker looks afterwards whether
anybody has it. So neither the answer nor its time tells a stranger who comes here (T-15, T-16).
"""

from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Status
from booking.models import Appointment, LinkRequest
from booking.services.links import Keys
from booking.services.owing import owe_again

PAUSE = timedelta(hours=1)
"""How long one address waits until it can be asked for again: nobody's mailbox is flooded."""
MOST_AT_ONCE = 5


def ask_again(session: Session, email: str, *, keys: Keys, now: datetime) -> None:
    """Note that the links of an address are wanted; within the pause nothing more comes of it."""
    email_key = email.lower()
    digest = keys.digest("link-request", email_key.encode())
    known = session.get(LinkRequest, digest)
    if known is None or known.asked_at <= now - PAUSE:
        session.merge(LinkRequest(digest=digest, email_key=email_key, asked_at=now))


def anybody_waits(session: Session) -> bool:
    """Whether `answer_all` is worth a transaction."""
    return session.scalar(_waiting().limit(1)) is not None


def answer_all(session: Session, *, now: datetime) -> int:
    """Owe everybody who asked the mails of their coming appointments; how many are owed."""
    owed = 0
    for asked in session.scalars(_waiting().with_for_update(skip_locked=True)):
        query = select(Appointment).where(
            Appointment.email_key == asked.email_key,
            Appointment.start_at > now,
            Appointment.status == Status.BOOKED,
        )
        for appointment in session.scalars(
            query.order_by(Appointment.start_at).limit(MOST_AT_ONCE)
        ):
            owe_again(session, appointment, now=now)
            owed += 1
        asked.email_key = ""
    return owed


def _waiting() -> Select[LinkRequest]:
    return select(LinkRequest).where(LinkRequest.email_key != "")
