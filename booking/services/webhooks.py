"""Addresses of other programs that are told of appointments: added, renewed, resumed, removed."""

import secrets
from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

from cryptography.fernet import InvalidToken
from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from booking.messages.foreign.questions import Post
from booking.models import Event, OwedCall, Webhook
from booking.services import audit, calls
from booking.services.api_keys import RenewedMeanwhile
from booking.services.links import Keys
from booking.services.people import Deed

WORRYING = timedelta(days=1)
"""An address that takes nothing for so long is worth a word to staff."""
EXAMPLE = {
    "reference": "TEST0000",
    "status": "booked",
    "service": "test",
    "practitioner": "test",
    "start": "2000-01-01T09:00:00Z",
    "end": "2000-01-01T09:30:00Z",
    "sequence": 0,
    "patient": {"name": "Test", "email": "test@example.org", "phone": None},
}
"""What a test says; nobody is meant."""


class UnknownWebhook(Exception):
    """There is none of this number."""


@dataclass(frozen=True)
class NewWebhook:
    """An address that somebody wants to be told."""

    address: str = field(repr=False)
    events: Collection[Event]
    with_patient: bool


@dataclass(frozen=True)
class Count:
    """How the calls to an address stand."""

    waiting: int = 0
    given_up: int = 0


def webhooks(session: Session) -> Sequence[Webhook]:
    """All, in the order in which they were added."""
    return session.scalars(select(Webhook).order_by(Webhook.id)).all()


def webhook(session: Session, number: int) -> Webhook:
    """The one of this number.

    Raises:
        UnknownWebhook: if there is none.
    """
    found = session.get(Webhook, number)
    if found is None:
        raise UnknownWebhook
    return found


def counts(session: Session) -> dict[int, Count]:
    """How many calls wait, and how many were given up in the last 30 days, by address."""
    waiting = func.count().filter(OwedCall.settled_at.is_(None))
    query = select(OwedCall.webhook_id, waiting, func.count(OwedCall.failed_at))
    return {
        row[0]: Count(row[1], row[2])
        for row in session.execute(query.group_by(OwedCall.webhook_id))
    }


def failing(session: Session, *, now: datetime) -> Sequence[Webhook]:
    """Those that staff should look at: paused, or taking nothing for more than a day."""
    late = Webhook.failing_since <= now - WORRYING
    query = select(Webhook).where(or_(Webhook.paused_at.is_not(None), late))
    return session.scalars(query.order_by(Webhook.id)).all()


def add(session: Session, new: NewWebhook, deed: Deed) -> tuple[Webhook, str]:
    """Tell it of what changes from now on; its secret is told this once."""
    secret = _new_secret()
    seal = deed.house.keys.seal
    made = Webhook(
        sealed_url=seal.encrypt(new.address.encode()),
        sealed_secret=seal.encrypt(secret.encode()),
        events=" ".join(each for each in Event if each in new.events),
        with_patient=new.with_patient,
        created_at=deed.now,
        renewed_at=deed.now,
    )
    session.add(made)
    session.flush()
    more = ("with_patient",) if new.with_patient else ()
    _note(session, "webhook.add", made, deed, (*made.events.split(), *more))
    return made, secret


def renew(
    session: Session, number: int, seen: datetime, overlap: timedelta, deed: Deed
) -> tuple[Webhook, str]:
    """Give it another secret; the one before signs as well for the overlap.

    Raises:
        UnknownWebhook: if there is none.
        RenewedMeanwhile: if somebody has renewed it since `seen`.
    """
    found = _locked(session, number)
    if found.renewed_at != seen:
        raise RenewedMeanwhile
    secret = _new_secret()
    found.former_sealed_secret = found.sealed_secret if overlap else None
    found.former_until = deed.now + overlap if overlap else None
    found.sealed_secret = deed.house.keys.seal.encrypt(secret.encode())
    found.renewed_at = deed.now
    session.flush()
    _note(session, "webhook.renew", found, deed)
    return found, secret


def resume(session: Session, number: int, deed: Deed) -> None:
    """Tell it again of what changes from now on; what it missed is not made up for.

    Raises:
        UnknownWebhook: if there is none.
    """
    found = _locked(session, number)
    found.paused_at = found.failing_since = found.rest_until = None
    found.failures, found.last_error = 0, ""
    session.flush()
    _note(session, "webhook.resume", found, deed)


def remove(session: Session, number: int, deed: Deed) -> None:
    """Tell it nothing more, and forget what it is owed.

    Raises:
        UnknownWebhook: if there is none.
    """
    found = _locked(session, number)
    session.execute(delete(OwedCall).where(OwedCall.webhook_id == number))
    session.delete(found)
    session.flush()
    _note(session, "webhook.remove", found, deed)


def trial(found: Webhook, keys: Keys, hosts: Collection[str], *, now: datetime) -> Post:
    """A signed request about nobody.

    Raises:
        InvalidToken: if its address was sealed under a secret that is known no more.
    """
    body = calls.written(found, "test", now, EXAMPLE)
    return calls.signed(found, f"msg_{uuid4().hex}", body, keys=keys, hosts=hosts, now=now)


def host_of(found: Webhook, keys: Keys) -> str:
    """All of its address that is shown again; empty once it cannot be unsealed."""
    try:
        return urlsplit(keys.seal.decrypt(found.sealed_url).decode()).hostname or ""
    except InvalidToken:
        return ""


def _locked(session: Session, number: int) -> Webhook:
    session.get(Webhook, number, with_for_update=True, populate_existing=True)
    return webhook(session, number)


def _new_secret() -> str:
    return calls.SECRET_PREFIX + b64encode(secrets.token_bytes(32)).decode()


def _note(
    session: Session, action: str, found: Webhook, deed: Deed, fields: tuple[str, ...] = ()
) -> None:
    audit.note(
        session,
        action,
        keys=deed.house.keys,
        actor=deed.actor,
        now=deed.now,
        subject=f"webhook-{found.id}",
        fields=fields,
    )
