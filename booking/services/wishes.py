"""Wishes to book: the same one twice is one, and one contact has only so many."""

import hmac
from datetime import datetime
from hashlib import sha256
from typing import cast

from sqlalchemy import BigInteger, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session, load_only

from booking.domain.lifecycle import Status
from booking.domain.refusals import KeyReused, TooManyAppointments
from booking.models import Appointment, Clinic, IdempotencyKey
from booking.models.base import table_of
from booking.services.links import Keys
from booking.services.requests import BookingRequest

_KEYS = table_of(IdempotencyKey)
_REMEMBER = {
    "sqlite": sqlite_insert(_KEYS).on_conflict_do_nothing().returning(_KEYS.c.key),
    "postgresql": postgres_insert(_KEYS).on_conflict_do_nothing().returning(_KEYS.c.key),
}
_HAS_MADE = (
    update(_KEYS)
    .where(_KEYS.c.key == bindparam("mine"))
    .values(appointment_id=bindparam("appointment_id"))
)
_COMING = (
    select(func.count())
    .where(
        Appointment.email_key == bindparam("address"),
        Appointment.start_at > bindparam("now"),
        Appointment.status == Status.BOOKED,
    )
    .scalar_subquery()
)
_WAIT = select(func.pg_advisory_xact_lock(bindparam("number", type_=BigInteger)))
_CLINIC_AND_COMING = (
    select(Clinic, _COMING)
    .where(Clinic.id == 1)
    .options(
        load_only(  # what a booking goes by
            Clinic.appointments_per_contact,
            Clinic.timezone,
            Clinic.country,
            Clinic.region,
            Clinic.staff_email,
        )
    )
)


def remember(
    session: Session, service: str, request: BookingRequest, keys: Keys, *, now: datetime
) -> int | None:
    """Take the key of a wish: a second holder waits for the first, then finds its appointment.

    Returns:
        The id of the appointment that the wish has made already.

    Raises:
        KeyReused: if the key was used for another wish.
    """
    if request.key is None:
        return None
    key = _stored(request.key)
    digests = [each.hex() for each in keys.digests("wish", request.canonical(service))]
    values = {"key": key, "body_digest": digests[0], "created_at": now}
    remembering = _REMEMBER[session.get_bind().dialect.name]
    while session.scalar(remembering, values) is None:
        wish = session.get(IdempotencyKey, key)
        if wish is None:  # a day old, and forgotten just now: it is anybody's again
            continue
        if not any(hmac.compare_digest(wish.body_digest, each) for each in digests):
            raise KeyReused
        return wish.appointment_id
    return None


def has_made(session: Session, request: BookingRequest, made: Appointment) -> None:
    """Write down what the wish has made, for whoever comes with its key again."""
    if request.key is not None:
        session.execute(_HAS_MADE, {"mine": _stored(request.key), "appointment_id": made.id})


def made_by(session: Session, key: str) -> Appointment | None:
    """The last appointment that a key has booked already, as it is now."""
    query = select(Appointment).join(
        IdempotencyKey, IdempotencyKey.appointment_id == Appointment.id
    )
    last = None
    while (found := session.scalar(query.where(IdempotencyKey.key == _stored(key)))) is not None:
        last, key = found, after(key, found)
    return last


def after(key: str | None, made: Appointment) -> str:
    """The key of the same wish once more, when what it has made was given back: one for all who
    press the button then."""
    return f"{key} {made.id}"


def check_contact(session: Session, request: BookingRequest, *, now: datetime) -> Clinic:
    """Refuse an address that holds as many coming appointments as one may.

    A telephone number does not count: with an address of their own and the number of another,
    anybody could find out, and nobody hear, that somebody has an appointment here.

    Returns:
        The clinic, whose rule this is, as it is now.

    Raises:
        TooManyAppointments: if so.
    """
    _lock_contact(session, request)
    asked = {"address": request.patient.email.lower(), "now": now}
    found = session.execute(_CLINIC_AND_COMING, asked).one()
    clinic, coming = cast(tuple[Clinic, int], found)
    if coming >= clinic.appointments_per_contact:
        raise TooManyAppointments
    return clinic


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
    session.execute(_WAIT, {"number": number})
