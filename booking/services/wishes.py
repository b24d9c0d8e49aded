"""Wishes to book: the same one twice is one, and one contact has only so many."""

import hmac
from datetime import datetime
from hashlib import sha256

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Status
from booking.domain.refusals import KeyReused, TooManyAppointments
from booking.models import Appointment, Clinic, IdempotencyKey
from booking.services.links import Keys
from booking.services.requests import BookingRequest


def remember(
    session: Session, service: str, request: BookingRequest, keys: Keys, *, now: datetime
) -> IdempotencyKey | None:
    """Take the key of a wish: a second holder waits for the first, then finds its appointment.

    Raises:
        KeyReused: if the key was used for another wish.
    """
    if request.key is None:
        return None
    key = _stored(request.key)
    digests = [each.hex() for each in keys.digests("wish", request.canonical(service))]
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert
    values = {"key": key, "body_digest": digests[0], "created_at": now}
    session.execute(insert(IdempotencyKey).values(**values).on_conflict_do_nothing())
    wish = session.get_one(IdempotencyKey, key)
    if not any(hmac.compare_digest(wish.body_digest, each) for each in digests):
        raise KeyReused
    return wish


def made_by(session: Session, key: str) -> Appointment | None:
    """The appointment that a key has booked already, as it is now."""
    query = select(Appointment).join(
        IdempotencyKey, IdempotencyKey.appointment_id == Appointment.id
    )
    return session.scalar(query.where(IdempotencyKey.key == _stored(key)))


def check_contact(
    session: Session, clinic: Clinic, request: BookingRequest, *, now: datetime
) -> None:
    """Refuse an address that holds as many coming appointments as one may.

    A telephone number does not count: with an address of their own and the number of another,
    anybody could find out, and nobody hear, that somebody has an appointment here.

    Raises:
        TooManyAppointments: if so.
    """
    _lock_contact(session, request)
    query = select(func.count()).where(
        Appointment.email_key == request.patient.email.lower(),
        Appointment.start_at > now,
        Appointment.status == Status.BOOKED,
    )
    if (session.scalar(query) or 0) >= clinic.appointments_per_contact:
        raise TooManyAppointments


def _stored(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _lock_contact(session: Session, request: BookingRequest) -> None:
    """Two bookings with one address wait for each other, whatever they book.

    On SQLite they do already: one transaction writes at a time.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    digest = sha256(f"contact:{request.patient.email.lower()}".encode()).digest()
    number = int.from_bytes(digest[:8], signed=True)
    session.execute(select(func.pg_advisory_xact_lock(number)))
