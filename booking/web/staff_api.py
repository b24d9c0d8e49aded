"""The API for other programs of the clinic: what the desk sees and does, with a key.

The gate has looked at the key before any of this runs (`keyed`). Whatever is read or changed is in
the audit trail under the key's name.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from booking.domain.lifecycle import Verb
from booking.domain.openings import local_day
from booking.domain.refusals import NotOffered, SlotTaken
from booking.domain.timeline import Span
from booking.models import Appointment, HealthcareService, Mode, Resource, Scope
from booking.models.database import db, transaction
from booking.services import agenda, desk, finding
from booking.services.appointments import (
    appointment_by_reference,
    cancel_appointment,
    note_attendance,
    reschedule_appointment,
)
from booking.services.finding import Listing
from booking.services.requests import BookingRequest, PatientDetails
from booking.web import fields
from booking.web.contract import (
    AttendanceBody,
    CallerBody,
    CancelBody,
    MoveBody,
    StaffAppointmentAnswer,
    StaffAppointmentsAnswer,
    StaffBookingBody,
    StaffPatientAnswer,
)
from booking.web.exchange import (
    Checks,
    Invalid,
    checked,
    day,
    idempotency_key,
    invalid,
    practitioner_answer,
    read_body,
    taken,
    written,
)
from booking.web.keyed import asker
from booking.web.limits import limit_keys
from booking.web.operations.shapes import MOST_DAYS, MOST_LISTED
from booking.web.state import booking, clinic, now
from booking.web.trail import saw

bp = Blueprint("staff_api", __name__, url_prefix="/api/v1/staff")
bp.register_error_handler(Invalid, invalid)

VERBS = {
    "arrived": Verb.ARRIVE,
    "fulfilled": Verb.FULFIL,
    "noshow": Verb.MISS,
    "booked": Verb.UNMARK,
}
"""What leads to each state of attendance."""


@bp.get("/appointments")
@limit_keys
def appointments() -> ResponseReturnValue:
    """The appointments of some days, in order of time, some at a time."""
    first, last = day("from"), day("to")
    if not timedelta() <= last - first < timedelta(days=MOST_DAYS):
        raise Invalid({"to": [f"From 'from' on, at most {MOST_DAYS} days can be asked for."]})
    zone = clinic().zone
    wanted = Listing(
        span=Span(local_day(first, zone).start, local_day(last, zone).until),
        practitioner=_practitioner(),
        service=_service(),
        after=_after(),
    )
    found = finding.listed(db.session(), wanted, MOST_LISTED + 1)
    shown, more = found[:MOST_LISTED], len(found) > MOST_LISTED
    saw("appointment.list", f"{first}/{(last - first).days + 1}")
    answers = [_answer(each) for each in shown]
    return written(
        StaffAppointmentsAnswer(appointments=answers, next=_place(shown[-1]) if more else None)
    )


@bp.get("/appointments/<reference>")
@limit_keys
def appointment(reference: str) -> ResponseReturnValue:
    """The appointment that staff know by this reference."""
    found = appointment_by_reference(db.session(), reference)
    saw("appointment.read", found.reference)
    return written(_answer(found))


@bp.post("/appointments")
@limit_keys
def book() -> ResponseReturnValue:
    """Book by the rules of the desk: 201; 409 with alternatives if the time cannot be had."""
    body = read_body(StaffBookingBody)
    wish = _wish(body)
    try:
        with transaction() as session:
            made = desk.book_for_caller(
                session, body.service, wish, booking().house, actor=asker().actor, now=now()
            )
            answer = _answer(made)
    except SlotTaken as refusal:
        return taken(refusal, _named(body.service), body.practitioner, wish.start)
    place = f"{booking().settings.base_url}/api/v1/staff/appointments/{answer.reference}"
    return written(answer), 201, {"Location": place}


@bp.post("/appointments/<reference>/reschedule")
@limit_keys
def reschedule(reference: str) -> ResponseReturnValue:
    """Move it to another free start, whatever the cut-off for patients is."""
    body = read_body(MoveBody)
    start = checked("start", fields.instant, body.start)
    try:
        with transaction() as session:
            found = appointment_by_reference(session, reference)
            reschedule_appointment(
                session,
                found,
                start,
                booking().house,
                now=now(),
                practitioner=body.practitioner,
                actor=asker().actor,
            )
            return written(_answer(found))
    except SlotTaken as refusal:
        found = appointment_by_reference(db.session(), reference)
        return taken(refusal, found.service, body.practitioner, start)


@bp.post("/appointments/<reference>/cancel")
@limit_keys
def cancel(reference: str) -> ResponseReturnValue:
    """Cancel it, whatever the cut-off for patients is."""
    body = read_body(CancelBody, optional=True)
    reason = checked(
        "reason",
        lambda text: fields.several_lines(text, longest=500, what="The reason"),
        body.reason,
    )
    with transaction() as session:
        found = appointment_by_reference(session, reference)
        actor = asker().actor
        cancel_appointment(session, found, booking().house, now=now(), reason=reason, actor=actor)
        return written(_answer(found))


@bp.post("/appointments/<reference>/attendance")
@limit_keys
def attendance(reference: str) -> ResponseReturnValue:
    """Note that the patient arrived, was seen or did not come, or take that back."""
    verb = VERBS[read_body(AttendanceBody).status]
    try:
        with transaction() as session:
            found = appointment_by_reference(session, reference)
            actor = asker().actor
            note_attendance(session, found, verb, booking().house, actor=actor, now=now())
            return written(_answer(found))
    except SlotTaken as refusal:  # it was missed, so its time was on offer again
        found = appointment_by_reference(db.session(), reference)
        return taken(refusal, found.service, None, found.start_at)


def _wish(body: StaffBookingBody) -> BookingRequest:
    """Check every value and say all that is wrong at once."""
    check = Checks()
    start = check("start", fields.instant, body.start)
    patient = _patient(body.patient, check)
    if _named(body.service).mode == Mode.PHONE and not body.patient.phone:
        check.errors["patient.phone"] = ["The service is by telephone: a number is needed."]
    check.done()
    return BookingRequest(
        start=start,
        practitioner=body.practitioner,
        patient=patient,
        key=idempotency_key(f"key-{asker().number}"),
    )


def _patient(given: CallerBody, check: Checks) -> PatientDetails:
    phone, country, zone = None, clinic().country, clinic().timezone
    name = check("patient.name", fields.person_name, given.name)
    email = check("patient.email", fields.email_address, given.email) if given.email else ""
    if given.phone:
        read = fields.phone_number
        phone = check("patient.phone", lambda text: read(text, country), given.phone)
    elif not given.email:
        check.errors["patient.phone"] = ["Without an email address a number is needed."]
    if given.timezone:
        zone = check("patient.timezone", fields.timezone_name, given.timezone)
    return PatientDetails(
        name=name,
        email=email,
        phone=phone,
        timezone=zone,
        may_leave_message=given.may_leave_message and phone is not None,
        language=check("patient.language", fields.language, given.language),
    )


def _named(slug: str) -> HealthcareService:
    """The service of that name, those for staff alone included.

    Raises:
        NotOffered: if there is none.
    """
    found = next((each for each in finding.services(db.session()) if each.slug == slug), None)
    if found is None:
        raise NotOffered
    return found


def _service() -> int | None:
    """Which service's appointments are asked for; None for all."""
    slug = request.args.get("service")
    return None if slug is None else _one_of(finding.services(db.session()), "service", slug)


def _practitioner() -> int | None:
    """Whose appointments are asked for; None for everybody's."""
    slug = request.args.get("practitioner")
    if slug is None:
        return None
    return _one_of(agenda.everybody(db.session()), "practitioner", slug)


def _one_of(there: Sequence[HealthcareService | Resource], name: str, slug: str) -> int:
    found = next((each.id for each in there if each.slug == slug), None)
    if found is None:
        raise Invalid({name: ["There is none of that name."]})
    return found


def _after() -> tuple[datetime, str] | None:
    """Where the page before ended."""
    text = request.args.get("after")
    if text is None:
        return None
    start, _, reference = text.partition("_")
    instant = fields.instant_or_none(start)
    if instant is None or not (len(reference) == 8 and reference.isalnum()):
        raise Invalid({"after": ["Send what the answer before gave as 'next'."]})
    return instant, reference


def _place(last: Appointment) -> str:
    return f"{fields.utc_text(last.start_at)}_{last.reference}"


def _answer(found: Appointment) -> StaffAppointmentAnswer:
    return StaffAppointmentAnswer(
        reference=found.reference,
        status=found.status,
        service=found.service.slug,
        start=fields.utc_text(found.start_at),
        end=fields.utc_text(found.end_at),
        sequence=found.sequence,
        practitioner=practitioner_answer(found.practitioner),
        room=found.room.slug if found.room else None,
        created_at=fields.utc_text(found.created_at),
        updated_at=fields.utc_text(found.updated_at),
        patient=_patient_answer(found),
    )


def _patient_answer(found: Appointment) -> StaffPatientAnswer | None:
    """A key that may only write learns of nobody what it did not know."""
    if Scope.READ not in asker().scopes or found.erased_at is not None:
        return None
    return StaffPatientAnswer(
        name=found.patient_name,
        email=found.patient_email or None,
        phone=found.patient_phone,
        may_leave_message=found.may_leave_message,
        timezone=found.patient_timezone,
        language=found.language,
    )
