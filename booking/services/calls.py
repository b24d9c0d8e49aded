"""What other programs are owed about appointments: owed with the change, claimed, settled.

As with messages (`outbox`), a row says that something is due and nothing of what is said. Of one
appointment one call to an address is under way at a time, and one that a newer has overtaken is
dropped: what arrives is what holds, in the order in which it came to hold.
"""

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hmac import digest
from typing import Any
from uuid import uuid4

from cryptography.fernet import InvalidToken
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, aliased, contains_eager, joinedload

from booking.messages.foreign.questions import Post
from booking.models import Appointment, Event, OwedCall, Webhook
from booking.models.base import table_of
from booking.services import audit
from booking.services.links import Keys

LEASE = timedelta(seconds=60)
"""Longer than any call takes."""
BACKOFF = tuple(timedelta(seconds=each) for each in (15, 60, 300, 1200, 3600))
GIVE_UP_AFTER = timedelta(hours=24)
PAUSE_AFTER = timedelta(days=3)
"""An address that takes nothing for so long is told nothing more until somebody has looked."""
GONE = 410
"""The other side says that it wants to be told nothing more."""
SECRET_PREFIX = "whsec_"  # noqa: S105 (what every secret begins with)
UNREADABLE = "Its address can no longer be opened. Remove it and add it again."
EVENTS = {
    "book": Event.BOOKED,
    "override": Event.BOOKED,
    "reschedule": Event.RESCHEDULED,
    "undo": Event.RESCHEDULED,
    "relocate": Event.RESCHEDULED,
    "cancel": Event.CANCELLED,
    "arrive": Event.ATTENDANCE,
    "fulfil": Event.ATTENDANCE,
    "miss": Event.ATTENDANCE,
    "unmark": Event.ATTENDANCE,
}
"""Of which changes programs are told, by the verb of the history."""

_OTHER = aliased(OwedCall)
_WEBHOOKS = table_of(Webhook).c
_LISTENING = select(_WEBHOOKS.id, _WEBHOOKS.events).where(_WEBHOOKS.paused_at.is_(None))


@dataclass(frozen=True)
class Claimed:
    """A call that is ours to make until the lease runs out."""

    call: int
    lease: str
    post: Post = field(repr=False)


def owe(session: Session, appointment: Appointment, verb: str, *, now: datetime) -> None:
    """Owe every address that wants it word of a change, in the transaction of the change.

    Where nobody is to be told this costs one look at an empty table.
    """
    event = EVENTS.get(verb)
    if event is None:
        return
    for webhook, wanted in session.execute(_LISTENING).all():
        if event in wanted.split():
            session.add(
                OwedCall(
                    webhook_id=webhook,
                    appointment_id=appointment.id,
                    event=event,
                    message_id=f"msg_{uuid4().hex}",
                    due_at=now,
                    next_attempt_at=now,
                )
            )


def anything_due(session: Session, *, now: datetime) -> bool:
    """Whether `claim` may find something; a read, so that idle workers take no lock."""
    return session.scalar(_due(now).with_only_columns(OwedCall.id).limit(1)) is not None


def claim(session: Session, *, keys: Keys, hosts: Collection[str], now: datetime) -> Claimed | None:
    """Take the next call that is due, for `LEASE`, and write what it says; None when none is.

    Args:
        hosts: Names that may lie in the clinic's own network.
    """
    next_due = (
        _due(now)
        .order_by(OwedCall.next_attempt_at, OwedCall.id)
        .limit(1)
        .options(contains_eager(OwedCall.webhook), joinedload(OwedCall.appointment))
        .execution_options(populate_existing=True)
        .with_for_update(of=OwedCall, skip_locked=True)
    )
    while (call := session.scalar(next_due)) is not None:
        if _is_overtaken(session, call):
            call.settled_at = now
            session.flush()
            continue
        call.lease, call.leased_until = secrets.token_hex(16), now + LEASE
        call.attempts += 1
        body = written(call.webhook, call.event, call.due_at, _facts(call.appointment))
        try:
            post = signed(call.webhook, call.message_id, body, keys=keys, hosts=hosts, now=now)
        except InvalidToken:  # sealed under a secret that is known no more
            call.webhook.last_error = UNREADABLE
            _pause(session, call.webhook, keys, now)
            continue
        return Claimed(call.id, call.lease, post)
    return None


def took(session: Session, claimed: Claimed, *, now: datetime) -> None:
    """Settle what the other side has taken."""
    call = _released(session, claimed, settled_at=now, sent_at=now)
    if call is not None:
        webhook = call.webhook
        webhook.sent_at, webhook.failing_since, webhook.rest_until = now, None, None
        webhook.failures, webhook.last_error = 0, ""


def refused(
    session: Session, claimed: Claimed, status: int | None, error: str, *, keys: Keys, now: datetime
) -> None:
    """Try again later, for a day; an address that fails for days is told nothing more.

    That stands in the audit trail, as what staff do with an address does.

    The address rests as well, so that one that hangs does not keep the others waiting with each
    of its calls.
    """
    call = _released(session, claimed, next_attempt_at=now)
    if call is None:
        return
    webhook = call.webhook
    webhook.failing_since = webhook.failing_since or now
    webhook.rest_until = now + BACKOFF[min(webhook.failures, len(BACKOFF) - 1)]
    webhook.failures += 1
    webhook.last_error = error
    wait = BACKOFF[min(call.attempts, len(BACKOFF)) - 1]
    if now + wait > call.due_at + GIVE_UP_AFTER:
        call.settled_at = call.failed_at = now
    else:
        call.next_attempt_at = now + wait
    if status == GONE or now - webhook.failing_since >= PAUSE_AFTER:
        _pause(session, webhook, keys, now)


def written(webhook: Webhook, event: str, at: datetime, data: dict[str, Any]) -> bytes:
    """The body: what has happened, and what holds now."""
    if not webhook.with_patient:
        data = {name: value for name, value in data.items() if name != "patient"}
    body = {"type": event, "timestamp": _text(at), "data": data}
    return json.dumps(body, separators=(",", ":")).encode()


def signed(
    webhook: Webhook,
    message_id: str,
    body: bytes,
    *,
    keys: Keys,
    hosts: Collection[str],
    now: datetime,
) -> Post:
    """A request in the form of Standard Webhooks; while two secrets hold, both have signed."""
    stamp = str(int(now.timestamp()))
    sealed = [webhook.sealed_secret]
    if webhook.former_sealed_secret and webhook.former_until and now < webhook.former_until:
        sealed.append(webhook.former_sealed_secret)
    message = f"{message_id}.{stamp}.".encode() + body
    signatures = [_signature(keys.seal.decrypt(each).decode(), message) for each in sealed]
    return Post(
        address=keys.seal.decrypt(webhook.sealed_url).decode(),
        headers={
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": " ".join(signatures),
        },
        body=body.decode(),
        hosts=tuple(hosts),
    )


def _due(now: datetime) -> Any:
    under_way = select(_OTHER.id).where(
        _OTHER.appointment_id == OwedCall.appointment_id,
        _OTHER.webhook_id == OwedCall.webhook_id,
        _OTHER.settled_at.is_(None),
        _OTHER.leased_until > now,
    )
    return (
        select(OwedCall)
        .join(OwedCall.webhook)
        .where(
            OwedCall.settled_at.is_(None),
            OwedCall.next_attempt_at <= now,
            Webhook.paused_at.is_(None),
            or_(Webhook.rest_until.is_(None), Webhook.rest_until <= now),
            ~under_way.exists(),
        )
    )


def _is_overtaken(session: Session, call: OwedCall) -> bool:
    newer = select(OwedCall.id).where(
        OwedCall.appointment_id == call.appointment_id,
        OwedCall.webhook_id == call.webhook_id,
        OwedCall.id > call.id,
    )
    return session.scalar(newer.limit(1)) is not None


def _facts(appointment: Appointment) -> dict[str, Any]:
    """What holds now; who comes is left out again unless it is wanted."""
    erased = appointment.erased_at is not None
    patient = {
        "name": appointment.patient_name,
        "email": appointment.patient_email or None,
        "phone": appointment.patient_phone,
    }
    return {
        "reference": appointment.reference,
        "status": str(appointment.status),
        "service": appointment.service.slug,
        "practitioner": appointment.practitioner.slug,
        "start": _text(appointment.start_at),
        "end": _text(appointment.end_at),
        "sequence": appointment.sequence,
        "patient": None if erased else patient,
    }


def _signature(secret: str, message: bytes) -> str:
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    return "v1," + b64encode(digest(key, message, "sha256")).decode()


def _released(session: Session, claimed: Claimed, **values: object) -> OwedCall | None:
    """Compare and set: only the holder of the lease may change the row; None if it is not ours."""
    ours = update(OwedCall).where(OwedCall.id == claimed.call, OwedCall.lease == claimed.lease)
    changed = session.execute(
        ours.values(lease=None, leased_until=None, **values).returning(OwedCall.id)
    )
    if changed.first() is None:
        return None
    return session.get(OwedCall, claimed.call, populate_existing=True)


def _pause(session: Session, webhook: Webhook, keys: Keys, now: datetime) -> None:
    webhook.paused_at = now
    session.flush()
    waiting = (OwedCall.webhook_id == webhook.id, OwedCall.settled_at.is_(None))
    session.execute(update(OwedCall).where(*waiting).values(settled_at=now, failed_at=now))
    subject = f"webhook-{webhook.id}"
    audit.note(session, "webhook.pause", keys=keys, actor="system", now=now, subject=subject)


def _text(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
