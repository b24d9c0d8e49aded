"""An appointment's life: booked, moved, cancelled, arrived, fulfilled, missed.

Every function locks before it looks. Resources are locked in the order of their ids, then the
contact or the appointment, so that two changes can wait for each other but never in a circle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_bytes
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.domain.lifecycle import OCCUPYING, Partstat, Status, Verb, after, may_change
from booking.domain.refusals import TooLate, UnknownAppointment, WrongState
from booking.models import (
    Appointment,
    AppointmentEvent,
    Clinic,
    HealthcareService,
    Kind,
)
from booking.models.base import write, write_and_keep
from booking.services import audit, calls
from booking.services.allocation import (
    asked_for,
    choose,
    lock_service,
    mark_changed,
    occupy,
    release,
)
from booking.services.holds import let_go_for
from booking.services.links import NONCE_BYTES, Keys, new_reference, token_digest
from booking.services.owing import (
    owe,
    take_back,
)
from booking.services.requests import BookingRequest
from booking.services.wishes import check_contact, has_made, remember

PATIENT = "patient"


@dataclass(frozen=True)
class House:
    """The habits of the installation that a change of an appointment follows."""

    keys: Keys
    undo: timedelta
    """How long messages wait, so that a change taken back sends nothing."""
    deadline: timedelta = timedelta(hours=2)
    """How long a time is kept for somebody on the waiting list to whom it was offered."""
    limits: bool = True
    """Whether one contact may hold only so many coming appointments."""


def book_appointment(
    session: Session,
    service_slug: str,
    request: BookingRequest,
    house: House,
    *,
    now: datetime,
    freeing: Sequence[bytes] = (),
) -> Appointment:
    """Book the slot that the patient asks for, and owe the confirmation.

    A request whose key was used before gives the appointment of that time.

    Args:
        freeing: The keys under which the patient may hold a slot: it makes way for this.

    Raises:
        SlotTaken: if no free slot begins then.
        NotOffered: if the service or the practitioner cannot be booked online.
        TooManyAppointments: if the contact already holds as many as one may.
        KeyReused: if the key was used for another wish.
    """
    former = remember(session, service_slug, request, house.keys, now=now)
    if former is not None:
        return session.get_one(Appointment, former)
    service = let_go_for(session, service_slug, *freeing)
    if house.limits:
        clinic = check_contact(session, request, now=now)
    else:
        clinic = session.get_one(Clinic, 1)
    practitioners = asked_for(service, request.practitioner)
    place = choose(session, clinic, service, request.start, practitioners, now=now)
    made = book_place(session, service, request, place, house, verb="book", actor=PATIENT, now=now)
    has_made(session, request, made)
    return made


def book_place(
    session: Session,
    service: HealthcareService,
    request: BookingRequest,
    place: tuple[int, int | None],
    house: House,
    *,
    verb: str,
    actor: str,
    now: datetime,
) -> Appointment:
    """Write an appointment with a practitioner and in a room that are locked and were chosen.

    Raises:
        SlotTaken: if the database refused.
    """
    appointment = _new(service, request, house.keys, now)
    appointment.practitioner_id, appointment.room_id = place
    write_and_keep(session, appointment)
    occupy(session, appointment, service, now=now)
    owe(session, appointment, Kind.CONFIRMED, now=now, wait=house.undo)
    record(session, house, appointment, verb, actor, now)
    return appointment


def reschedule_appointment(
    session: Session,
    appointment: Appointment,
    start: datetime,
    house: House,
    *,
    now: datetime,
    practitioner: str | None = None,
    actor: str = PATIENT,
) -> Appointment:
    """Move an appointment to another free slot of its service, and owe the update.

    Unless somebody else is asked for, the practitioner stays when free then. Moving it to where
    it already is changes nothing and tells nobody.

    Raises:
        SlotTaken: if no free slot begins then; the appointment keeps its time.
        WrongState: if it is not booked any more.
        TooLate: if a patient asks within the cut-off.
    """
    service = lock(session, appointment)
    after(appointment.status, Verb.RESCHEDULE)
    _check_cutoff(appointment, service, actor, now)
    if start == appointment.start_at and practitioner in (None, appointment.practitioner.slug):
        return appointment
    # Who has gone meanwhile has no free slot: the appointment, unlike a service, is there.
    asked = [each.id for each in service.practitioners if practitioner in (None, each.slug)]
    clinic = session.get_one(Clinic, 1)
    chosen, room = choose(
        session,
        clinic,
        service,
        start,
        asked,
        now=now,
        ignoring=appointment,
        favourite=appointment.practitioner_id,
    )
    appointment.practitioner_id, appointment.room_id = chosen, room
    appointment.start_at, appointment.end_at = start, start + service.duration
    former = appointment.partstat, appointment.answered_at
    forget_answer(appointment)  # it was to the old time
    mark_moved(session, appointment, now)
    release(session, appointment)
    occupy(session, appointment, service, now=now)
    owe(session, appointment, Kind.RESCHEDULED, now=now, wait=house.undo)
    record(session, house, appointment, "reschedule", actor, now, former=former)
    return appointment


def cancel_appointment(
    session: Session,
    appointment: Appointment,
    house: House,
    *,
    now: datetime,
    reason: str = "",
    actor: str = PATIENT,
) -> Appointment:
    """Cancel an appointment, free its time, and owe the cancellation.

    Raises:
        WrongState: if it is not booked any more.
        TooLate: if a patient asks within the cut-off.
    """
    lock(session, appointment)
    status = after(appointment.status, Verb.CANCEL)
    _check_cutoff(appointment, appointment.service, actor, now)
    appointment.status = status
    appointment.cancel_reason = reason
    mark_moved(session, appointment, now)
    release(session, appointment)
    if not take_back(session, appointment, now=now):
        owe(session, appointment, Kind.CANCELLED, now=now, wait=house.undo)
    record(session, house, appointment, "cancel", actor, now)
    return appointment


def note_attendance(
    session: Session,
    appointment: Appointment,
    verb: Verb,
    house: House,
    *,
    actor: str,
    now: datetime,
) -> Appointment:
    """Record that the patient arrived, was seen (fulfil) or did not come (miss), or take it back.

    The calendar is not told: nothing about when or where has changed.

    Raises:
        WrongState: if the appointment cannot go that way, or its day has not come yet.
        SlotTaken: if a missed appointment is corrected after its time was given to another.
    """
    lock(session, appointment)
    if verb != Verb.UNMARK and not its_day_has_come(session, appointment, now=now):
        raise WrongState("Nobody can have come before the day.")
    held = appointment.status in OCCUPYING
    appointment.status = after(appointment.status, verb)
    if appointment.status in OCCUPYING and not held:
        occupy(session, appointment, appointment.service, now=now)
    elif held and appointment.status not in OCCUPYING:
        release(session, appointment)
    else:
        mark_changed(session, appointment)
    appointment.updated_at = now
    record(session, house, appointment, verb, actor, now)
    return appointment


def its_day_has_come(session: Session, appointment: Appointment, *, now: datetime) -> bool:
    """Whether it is the appointment's day at the clinic, or later: before, nobody can have come."""
    zone = session.get_one(Clinic, 1).zone
    return appointment.start_at.astimezone(zone).date() <= now.astimezone(zone).date()


def appointment_by_token(session: Session, token: str) -> Appointment:
    """The appointment that a patient's link opens.

    Raises:
        UnknownAppointment: if no link that is valid now reads so.
    """
    query = select(Appointment).where(Appointment.link_digest == token_digest(token))
    found = session.scalar(query)
    if found is None:
        raise UnknownAppointment
    return found


def appointment_by_reference(session: Session, reference: str) -> Appointment:
    """The appointment that staff know by this reference.

    Raises:
        UnknownAppointment: if there is none.
    """
    found = session.scalar(select(Appointment).where(Appointment.reference == reference))
    if found is None:
        raise UnknownAppointment
    return found


def patient_may_change(appointment: Appointment, *, now: datetime) -> bool:
    """Whether the patient's own page offers to move or cancel."""
    cutoff = appointment.service.change_cutoff
    return appointment.status == Status.BOOKED and may_change(
        appointment.start_at, now=now, cutoff=cutoff
    )


def lock(session: Session, appointment: Appointment) -> HealthcareService:
    """Let no other change of it come in between until this transaction ends; gives its service.

    What it may take is locked before it, as in a booking: two that want both never wait for each
    other. So is what it has, also of who does not offer its service any more.
    """
    has = [*filter(None, (appointment.practitioner_id, appointment.room_id))]
    service = lock_service(session, appointment.service.slug, staff=True, has=has)
    session.refresh(appointment, with_for_update={"of": Appointment})
    return service


def record(
    session: Session,
    house: House,
    appointment: Appointment,
    verb: str,
    actor: str,
    now: datetime,
    *,
    former: tuple[Partstat, datetime | None] | None = None,
) -> None:
    """Add a line to the appointment's history, and to the audit trail; the last of every change.

    Programs that are to be told of it are owed that here.

    Args:
        former: What the calendar had answered, and when, if the change made that void.
    """
    answer_before, answered_before_at = former or (None, None)
    line = {
        "appointment_id": appointment.id,
        "at": now,
        "verb": verb,
        "actor": actor,
        "start_at": appointment.start_at,
        "practitioner_id": appointment.practitioner_id,
        "room_id": appointment.room_id,
        "answer_before": answer_before,
        "answered_before_at": answered_before_at,
    }
    write(session, AppointmentEvent, line)
    calls.owe(session, appointment, verb, now=now)
    audit.note(
        session,
        f"appointment.{verb}",
        keys=house.keys,
        actor=actor,
        now=now,
        subject=appointment.reference,
    )


def forget_answer(appointment: Appointment) -> None:
    """Take back what the calendar said: it was about something else."""
    appointment.partstat, appointment.answered_at = Partstat.NEEDS_ACTION, None


def _check_cutoff(
    appointment: Appointment, service: HealthcareService, actor: str, now: datetime
) -> None:
    if actor == PATIENT and not may_change(
        appointment.start_at, now=now, cutoff=service.change_cutoff
    ):
        raise TooLate


def _new(
    service: HealthcareService, request: BookingRequest, keys: Keys, now: datetime
) -> Appointment:
    nonce, patient = token_bytes(NONCE_BYTES), request.patient
    return Appointment(
        reference=new_reference(),
        uid=str(uuid4()),
        link_nonce=nonce,
        link_version=1,
        link_digest=token_digest(keys.patient_token(nonce, 1)),
        service_id=service.id,
        start_at=request.start,
        end_at=request.start + service.duration,
        status=Status.BOOKED,
        sequence=0,
        partstat=Partstat.NEEDS_ACTION,
        patient_name=patient.name,
        patient_email=patient.email,
        email_key=patient.email.lower(),
        patient_phone=patient.phone,
        patient_timezone=patient.timezone,
        may_leave_message=patient.may_leave_message,
        may_text=patient.may_text,
        call_name=patient.call_name,
        carer_name=patient.carer_name,
        carer_phone=patient.carer_phone,
        event_title=patient.event_title,
        language=patient.language,
        consented_at=now,
        created_at=now,
        updated_at=now,
    )


def mark_moved(session: Session, appointment: Appointment, now: datetime) -> None:
    """Mark a change that calendars must hear of (RFC 5546 §2.1.4)."""
    appointment.sequence += 1
    appointment.updated_at = now
    session.flush()
