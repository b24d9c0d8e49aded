"""What the desk does for patients: books callers, takes changes back, writes notes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.fernet import InvalidToken
from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Verb, after
from booking.domain.refusals import SlotTaken, WrongState
from booking.models import (
    Appointment,
    AppointmentEvent,
    AppointmentNote,
    Clinic,
    Kind,
)
from booking.services import audit
from booking.services.allocation import asked_for, choose, lock_service, occupy, release
from booking.services.appointments import (
    House,
    book_place,
    lock,
    mark_moved,
    record,
)
from booking.services.owing import owe
from booking.services.requests import BookingRequest
from booking.services.wishes import has_made, remember

UNREADABLE = "…"
"""Stands for a note that was sealed under a secret that is known no more."""


@dataclass(frozen=True)
class Note:
    """A note as staff read it."""

    at: datetime
    author: str
    text: str


def book_for_caller(
    session: Session,
    service_slug: str,
    request: BookingRequest,
    house: House,
    *,
    actor: str,
    now: datetime,
    anyway: bool = False,
) -> Appointment:
    """Book for somebody on the telephone, and owe the confirmation if they have an address.

    Args:
        anyway: Book also outside of notice, horizon and opening hours, with the practitioner who
            is named; never over another appointment, in a closure or when their own calendar says
            that they are busy. It is noted in the audit trail.

    Raises:
        SlotTaken: if no free slot begins then.
        NotOffered: if the service or the practitioner does not exist.
        KeyReused: if the form's key was used for another wish.
    """
    former = remember(session, service_slug, request, house.keys, now=now)
    if former is not None:
        return session.get_one(Appointment, former)
    service = lock_service(session, service_slug, staff=True)
    asked = asked_for(service, request.practitioner)
    if request.start <= now:
        raise SlotTaken
    clinic = session.get_one(Clinic, 1)
    place = choose(session, clinic, service, request.start, asked, now=now, anyway=anyway)
    verb = "override" if anyway else "book"
    made = book_place(session, service, request, place, house, verb=verb, actor=actor, now=now)
    has_made(session, request, made)
    return made


def undoable(
    session: Session, appointment: Appointment, house: House, *, now: datetime
) -> AppointmentEvent | None:
    """The last change, if it is a cancellation or a move that can still be taken back."""
    newest = _events(session, appointment, 1)
    if not newest or newest[0].verb not in (Verb.CANCEL, Verb.RESCHEDULE):
        return None
    event = newest[0]
    return event if now < event.at + house.undo and appointment.start_at > now else None


def undo(
    session: Session, appointment: Appointment, house: House, *, actor: str, now: datetime
) -> Appointment:
    """Take the last cancellation or move back before anybody was told of it.

    Raises:
        WrongState: if there is nothing to take back, or it is too late for that.
        SlotTaken: if its time was given to another meanwhile.
    """
    service = lock(session, appointment)
    change = undoable(session, appointment, house, now=now)
    if change is None:
        raise WrongState("There is nothing to take back.")
    before = _events(session, appointment, 2)[-1]
    if before.practitioner_id is None:  # written before that was remembered
        raise WrongState("There is nothing to take back.")
    appointment.status = after(appointment.status, Verb.UNDO)
    length = appointment.end_at - appointment.start_at  # the service's may be another by now
    appointment.start_at, appointment.end_at = before.start_at, before.start_at + length
    appointment.practitioner_id = before.practitioner_id
    appointment.room_id = before.room_id
    appointment.cancel_reason = ""
    if change.answer_before is not None:  # it holds again: it was to the time before
        appointment.partstat = change.answer_before
        appointment.answered_at = change.answered_before_at
    mark_moved(session, appointment, now)
    release(session, appointment)
    occupy(session, appointment, service, now=now)
    owe(session, appointment, Kind.RESCHEDULED, now=now, wait=house.undo)
    record(session, house, appointment, Verb.UNDO, actor, now)
    return appointment


def write_note(
    session: Session,
    appointment: Appointment,
    text: str,
    house: House,
    *,
    actor: str,
    now: datetime,
) -> None:
    """Keep a note for staff, sealed."""
    sealed = house.keys.seal.encrypt(text.encode())
    session.add(AppointmentNote(appointment_id=appointment.id, at=now, author=actor, sealed=sealed))
    audit.note(
        session,
        "note.write",
        keys=house.keys,
        actor=actor,
        now=now,
        subject=appointment.reference,
    )


def notes(session: Session, appointment: Appointment, house: House) -> Sequence[Note]:
    """The notes about an appointment, oldest first."""
    query = select(AppointmentNote).where(AppointmentNote.appointment_id == appointment.id)
    found = session.scalars(query.order_by(AppointmentNote.id))
    return [Note(each.at, each.author, _opened(each, house)) for each in found]


def _opened(note: AppointmentNote, house: House) -> str:
    try:
        return house.keys.seal.decrypt(note.sealed).decode()
    except InvalidToken:
        return UNREADABLE


def _events(session: Session, appointment: Appointment, count: int) -> Sequence[AppointmentEvent]:
    """The newest lines of its history, newest first."""
    query = select(AppointmentEvent).where(AppointmentEvent.appointment_id == appointment.id)
    return session.scalars(query.order_by(AppointmentEvent.id.desc()).limit(count)).all()
