"""An appointment's life: booked, moved, cancelled, arrived, fulfilled, missed.

Every function locks before it looks. Resources are locked in the order of their ids, then the
contact or the appointment, so that two changes can wait for each other but never in a circle.
"""

import hmac
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_bytes
from uuid import uuid4

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from booking.domain.lifecycle import OCCUPYING, Partstat, Status, Verb, after, may_change
from booking.domain.openings import local_day
from booking.domain.refusals import (
    KeyReused,
    NotOffered,
    SlotTaken,
    TooLate,
    TooManyAppointments,
    UnknownAppointment,
)
from booking.domain.slots import least_busy
from booking.domain.timeline import Span
from booking.models import (
    Appointment,
    AppointmentEvent,
    Clinic,
    HealthcareService,
    IdempotencyKey,
    Kind,
    Occupancy,
    Practitioner,
    Resource,
    Visibility,
)
from booking.services.availability import load_diary
from booking.services.links import NONCE_BYTES, Keys, new_reference, token_digest
from booking.services.outbox import owe
from booking.services.requests import BookingRequest

MINUTE = timedelta(minutes=1)
PATIENT = "patient"


@dataclass(frozen=True)
class House:
    """The habits of the installation that a change of an appointment follows."""

    keys: Keys
    undo: timedelta
    """How long messages wait, so that a change taken back sends nothing."""
    limits: bool = True
    """Whether one contact may hold only so many coming appointments."""


def book_appointment(
    session: Session, service_slug: str, request: BookingRequest, house: House, *, now: datetime
) -> Appointment:
    """Book the slot that the patient asks for, and owe the confirmation.

    A request whose key was used before gives the appointment of that time.

    Raises:
        SlotTaken: if no free slot begins then.
        NotOffered: if the service or the practitioner cannot be booked online.
        TooManyAppointments: if the contact already holds as many as one may.
        KeyReused: if the key was used for another wish.
    """
    wish = _remember(session, service_slug, request, house, now)
    if wish is not None and wish.appointment_id is not None:
        return session.get_one(Appointment, wish.appointment_id)
    service = _locked_service(session, service_slug)
    clinic = session.get_one(Clinic, 1)
    if house.limits:
        _check_contact(session, clinic, request, now)
    practitioners = _asked_for(service, request.practitioner)
    practitioner, room = _take(session, clinic, service, request.start, practitioners, now=now)
    appointment = _new(service, request, house.keys, now)
    appointment.practitioner_id, appointment.room_id = practitioner, room
    session.add(appointment)
    session.flush()
    _occupy(session, appointment, service)
    if wish is not None:
        wish.appointment_id = appointment.id
    _record(session, appointment, "book", PATIENT, now)
    owe(session, appointment, Kind.CONFIRMED, now=now, wait=house.undo)
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
    service = _locked_service(session, appointment.service.slug, staff=True)
    _lock(session, appointment)
    after(appointment.status, Verb.RESCHEDULE)
    _check_cutoff(appointment, service, actor, now)
    if start == appointment.start_at and practitioner in (None, appointment.practitioner.slug):
        return appointment
    asked = _asked_for(service, practitioner)
    clinic = session.get_one(Clinic, 1)
    chosen, room = _take(
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
    appointment.partstat = Partstat.NEEDS_ACTION  # the answer was to the old time
    _change(session, appointment, now)
    _free(session, appointment)
    _occupy(session, appointment, service)
    _record(session, appointment, "reschedule", actor, now)
    owe(session, appointment, Kind.RESCHEDULED, now=now, wait=house.undo)
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
    _lock(session, appointment)
    status = after(appointment.status, Verb.CANCEL)
    _check_cutoff(appointment, appointment.service, actor, now)
    appointment.status = status
    appointment.cancel_reason = reason
    _change(session, appointment, now)
    _free(session, appointment)
    _record(session, appointment, "cancel", actor, now)
    owe(session, appointment, Kind.CANCELLED, now=now, wait=house.undo)
    return appointment


def note_attendance(
    session: Session, appointment: Appointment, verb: Verb, *, actor: str, now: datetime
) -> Appointment:
    """Record that the patient arrived, was seen (fulfil) or did not come (miss).

    The calendar is not told: nothing about when or where has changed.

    Raises:
        WrongState: if the appointment cannot go that way.
        SlotTaken: if a missed appointment is corrected after its time was given to another.
    """
    _lock(session, appointment)
    held = appointment.status in OCCUPYING
    appointment.status = after(appointment.status, verb)
    if appointment.status in OCCUPYING and not held:
        _occupy(session, appointment, appointment.service)
    elif held and appointment.status not in OCCUPYING:
        _free(session, appointment)
    appointment.updated_at = now
    _record(session, appointment, verb, actor, now)
    return appointment


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


def _locked_service(session: Session, slug: str, *, staff: bool = False) -> HealthcareService:
    """The service and all that it may take, locked: a second booking waits, then sees the first."""
    query = select(HealthcareService).where(HealthcareService.slug == slug)
    query = query.with_for_update(of=HealthcareService, key_share=True)
    service = session.scalar(query.execution_options(populate_existing=True))
    if service is None or (service.visibility == Visibility.STAFF and not staff):
        raise NotOffered
    wanted = [each.id for each in service.resources]
    locking = select(Resource.id).where(Resource.id.in_(wanted)).order_by(Resource.id)
    session.execute(locking.with_for_update(key_share=True)).all()
    return service


def _lock(session: Session, appointment: Appointment) -> None:
    session.refresh(appointment, with_for_update={"of": Appointment})


def _remember(
    session: Session, service: str, request: BookingRequest, house: House, now: datetime
) -> IdempotencyKey | None:
    """Take the key of a wish: a second holder waits for the first, then finds its appointment.

    Raises:
        KeyReused: if the key was used for another wish.
    """
    if request.key is None:
        return None
    key = sha256(request.key.encode("utf-8", "surrogatepass")).hexdigest()
    digest = house.keys.digest("wish", request.canonical(service)).hex()
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert
    values = {"key": key, "body_digest": digest, "created_at": now}
    session.execute(insert(IdempotencyKey).values(**values).on_conflict_do_nothing())
    wish = session.get_one(IdempotencyKey, key)
    if not hmac.compare_digest(wish.body_digest, digest):
        raise KeyReused
    return wish


def _check_contact(
    session: Session, clinic: Clinic, request: BookingRequest, now: datetime
) -> None:
    _lock_contact(session, request)
    contact = [Appointment.email_key == request.patient.email.lower()]
    if request.patient.phone:
        contact.append(Appointment.patient_phone == request.patient.phone)
    query = select(func.count()).where(
        or_(*contact), Appointment.start_at > now, Appointment.status == Status.BOOKED
    )
    if (session.scalar(query) or 0) >= clinic.appointments_per_contact:
        raise TooManyAppointments


def _lock_contact(session: Session, request: BookingRequest) -> None:
    """Two bookings of one contact wait for each other, whatever they book.

    On SQLite they do already: one transaction writes at a time.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    names = filter(None, (request.patient.email.lower(), request.patient.phone))
    digests = (sha256(f"contact:{each}".encode()).digest() for each in names)
    for number in sorted(int.from_bytes(each[:8], signed=True) for each in digests):
        session.execute(select(func.pg_advisory_xact_lock(number)))


def _check_cutoff(
    appointment: Appointment, service: HealthcareService, actor: str, now: datetime
) -> None:
    if actor == PATIENT and not may_change(
        appointment.start_at, now=now, cutoff=service.change_cutoff
    ):
        raise TooLate


def _asked_for(service: HealthcareService, slug: str | None) -> list[int]:
    asked = [each.id for each in service.practitioners if slug in (None, each.slug)]
    if not asked:
        raise NotOffered
    return asked


def _take(
    session: Session,
    clinic: Clinic,
    service: HealthcareService,
    start: datetime,
    practitioners: Sequence[int],
    *,
    now: datetime,
    ignoring: Appointment | None = None,
    favourite: int | None = None,
) -> tuple[int, int | None]:
    """Choose who and where for a start, by the same question that the page asked.

    Raises:
        SlotTaken: if no slot on offer begins then.
    """
    diary = load_diary(
        session,
        clinic,
        service,
        Span(start, start + MINUTE),
        now=now,
        practitioners=practitioners,
        ignoring=ignoring.id if ignoring else None,
    )
    free = next((slot.practitioners for slot in diary.slots() if slot.start == start), ())
    if not free:
        raise SlotTaken
    if favourite in free:
        practitioner = favourite
    elif len(free) == 1:
        practitioner = free[0]
    else:
        practitioner = _fairest(session, clinic, free, start)
    rooms = diary.rooms_free_at(start)
    if ignoring and ignoring.room_id in rooms:
        return practitioner, ignoring.room_id
    return practitioner, rooms[0] if rooms else None


def _fairest(session: Session, clinic: Clinic, free: Sequence[int], start: datetime) -> int:
    """Among those free: fewest appointments that day, then whoever was last chosen longest ago."""
    day = local_day(start.astimezone(clinic.zone).date(), clinic.zone)
    held = select(Appointment.practitioner_id).where(
        Appointment.practitioner_id.in_(free),
        Appointment.start_at >= day.start,
        Appointment.start_at < day.until,
        Appointment.status.in_(OCCUPYING),
    )
    newest = select(func.max(Appointment.id)).where(Appointment.practitioner_id == Practitioner.id)
    turns = select(Practitioner.id, newest.scalar_subquery()).where(Practitioner.id.in_(free))
    last_chosen = {each: turn or 0 for each, turn in session.execute(turns)}
    return least_busy(free, Counter(session.scalars(held)), last_chosen)


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
        service=service,
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
        consented_at=now,
        created_at=now,
        updated_at=now,
    )


def _occupy(session: Session, appointment: Appointment, service: HealthcareService) -> None:
    """Write the rows that the database will not let overlap.

    Raises:
        SlotTaken: if the database refused; the locks above should have seen it first.
    """
    for resource in filter(None, (appointment.practitioner_id, appointment.room_id)):
        session.add(
            Occupancy(
                resource_id=resource,
                appointment_id=appointment.id,
                blocked_from=appointment.start_at - service.buffer_before,
                blocked_until=appointment.end_at + service.buffer_after,
            )
        )
    try:
        session.flush()
    except IntegrityError as error:
        if "occupancy_overlap" not in str(error.orig):
            raise
        raise SlotTaken from error


def _free(session: Session, appointment: Appointment) -> None:
    for row in session.scalars(select(Occupancy).where(Occupancy.appointment_id == appointment.id)):
        session.delete(row)
    session.flush()


def _change(session: Session, appointment: Appointment, now: datetime) -> None:
    """Mark a change that calendars must hear of (RFC 5546 §2.1.4)."""
    appointment.sequence += 1
    appointment.updated_at = now
    session.flush()


def _record(
    session: Session, appointment: Appointment, verb: str, actor: str, now: datetime
) -> None:
    session.add(
        AppointmentEvent(
            appointment_id=appointment.id,
            at=now,
            verb=verb,
            actor=actor,
            start_at=appointment.start_at,
        )
    )
