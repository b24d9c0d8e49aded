"""The API, version 1: JSON in and out, instants in UTC, errors as RFC 9457.

It uses no cookie, so no other site can act through a visitor's browser; and it reads only
`application/json`, which no form of another site can send.
"""

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from booking.domain.openings import local_day
from booking.domain.refusals import NotOffered, SlotTaken, TooManyAppointments
from booking.domain.slots import Slot
from booking.domain.timeline import Span
from booking.models import Appointment, HealthcareService, Mode, Visibility
from booking.models.database import db, transaction
from booking.services.appointments import (
    appointment_by_token,
    book_appointment,
    cancel_appointment,
    reschedule_appointment,
)
from booking.services.links import token_of
from booking.services.requests import BookingRequest, PatientDetails
from booking.web import fields
from booking.web.contract import (
    AppointmentAnswer,
    BookingBody,
    CancelBody,
    LinksAnswer,
    RescheduleBody,
    ServiceAnswer,
    ServicesAnswer,
    SlotsAnswer,
)
from booking.web.exchange import (
    Checks,
    Invalid,
    argument,
    checked,
    day,
    idempotency_key,
    invalid,
    practitioner_answer,
    read_body,
    slot_answers,
    taken,
    written,
)
from booking.web.limits import count_with, limit_bookings
from booking.web.lost import mail_links_again
from booking.web.operations.shapes import MOST_DAYS
from booking.web.state import booking, clinic, now, service_on_offer
from booking.web.times import practitioner_ids

bp = Blueprint("api", __name__, url_prefix="/api/v1")
bp.register_error_handler(Invalid, invalid)


@bp.get("/services")
def services() -> ResponseReturnValue:
    """What anybody can book; named in the language that `lang` asks for, if it is there."""
    asked = request.args.get("lang")
    language = checked("lang", fields.language, asked) if asked is not None else ""
    query = select(HealthcareService).where(HealthcareService.visibility == Visibility.PUBLIC)
    found = db.session.scalars(query.order_by(HealthcareService.position, HealthcareService.id))
    return written(ServicesAnswer(services=[_service_answer(each, language) for each in found]))


@bp.get("/slots")
def slots() -> ResponseReturnValue:
    """The free slots of some days, both ends included; 304 while they are what the asker has."""
    service = _service(argument("service"))
    first, last = day("from"), day("to")
    zone = fields.zone_of(_zone_argument(), clinic().timezone)
    if last < first:
        raise Invalid({"to": ["must not be before 'from'."]})
    if last - first >= timedelta(days=MOST_DAYS):
        raise Invalid({"to": [f"At most {MOST_DAYS} days can be asked for at once."]})
    practitioner = request.args.get("practitioner")
    asked = practitioner_ids(service, practitioner)
    if asked == []:
        raise NotOffered
    span = Span(local_day(first, zone).start, local_day(last, zone).until)
    found = booking().memory.offer(db.session(), clinic(), service, now=now(), practitioners=asked)
    slugs = {each.id: each.slug for each in service.practitioners}
    key = (
        "slots",
        found.version,
        found.offer.within(span),
        zone.key,
        service.slug,
        (*slugs.items(),),
    )
    tag = booking().house.keys.digest("slots-version", repr(key).encode()).hex()[:32]
    if request.if_none_match.contains_weak(tag):
        answer = Response(status=304)
    else:
        body = booking().texts.or_else(
            key, lambda: _slots_json(found.offer.slots(span), service, zone)
        )
        answer = Response(body, content_type="application/json")
    answer.set_etag(tag)
    return answer


def _slots_json(slots: Sequence[Slot], service: HealthcareService, zone: ZoneInfo) -> str:
    return SlotsAnswer(
        service=service.slug, timezone=zone.key, slots=slot_answers(slots, service)
    ).model_dump_json()


@bp.post("/appointments")
@limit_bookings
def book() -> ResponseReturnValue:
    """Book a slot: 201; 409 with alternatives if it is gone; 422 if something is wrong."""
    body = read_body(BookingBody)
    service = _service(body.service, in_short=True)
    wish = _wish(body, service)
    try:
        with transaction() as session:
            made = book_appointment(session, service.slug, wish, booking().house, now=now())
            answer = _appointment_answer(made)
            count_with(session)
    except SlotTaken as refusal:
        return taken(refusal, service, body.practitioner, wish.start)
    except TooManyAppointments:
        mail_links_again(wish.patient.email)
        raise
    return written(answer), 201, {"Location": answer.links.self}


@bp.get("/appointments/<token>")
def appointment(token: str) -> ResponseReturnValue:
    """The appointment that a token opens."""
    return written(_appointment_answer(appointment_by_token(db.session(), token)))


@bp.post("/appointments/<token>/reschedule")
@limit_bookings
def reschedule(token: str) -> ResponseReturnValue:
    """Move it to another free start."""
    body = read_body(RescheduleBody)
    start = checked("start", fields.instant, body.start)
    try:
        with transaction() as session:
            found = appointment_by_token(session, token)
            reschedule_appointment(session, found, start, booking().house, now=now())
            count_with(session)
            return written(_appointment_answer(found))
    except SlotTaken as refusal:
        found = appointment_by_token(db.session(), token)
        return taken(refusal, found.service, None, start)


@bp.post("/appointments/<token>/cancel")
def cancel(token: str) -> ResponseReturnValue:
    """Cancel it."""
    body = read_body(CancelBody, optional=True)
    reason = checked(
        "reason",
        lambda text: fields.several_lines(text, longest=500, what="The reason"),
        body.reason,
    )
    with transaction() as session:
        found = appointment_by_token(session, token)
        cancel_appointment(session, found, booking().house, now=now(), reason=reason)
        return written(_appointment_answer(found))


def _wish(body: BookingBody, service: HealthcareService) -> BookingRequest:
    """Check every value and say all that is wrong at once."""
    check = Checks()
    patient = body.patient
    country = clinic().country
    start = check("start", fields.instant, body.start)
    name = check("patient.name", fields.person_name, patient.name)
    email = check("patient.email", fields.email_address, patient.email)
    phone = None
    if patient.phone or service.mode == Mode.PHONE:
        phone = check(
            "patient.phone", lambda text: fields.phone_number(text, country), patient.phone
        )
    zone = clinic().timezone
    if patient.timezone:
        zone = check("patient.timezone", fields.timezone_name, patient.timezone)
    language = check("patient.language", fields.language, patient.language)
    if not body.email_consent:
        check.errors["email_consent"] = ["The patient must agree to be told by email."]
    if body.practitioner is not None and practitioner_ids(service, body.practitioner) == []:
        check.errors["practitioner"] = ["Nobody of that name offers this service."]
    check.done()
    return BookingRequest(
        start=start,
        practitioner=body.practitioner,
        patient=PatientDetails(
            name=name,
            email=email,
            phone=phone,
            timezone=zone,
            may_leave_message=patient.may_leave_message and phone is not None,
            language=language,
        ),
        key=idempotency_key("api"),
    )


def _service(slug: str, *, in_short: bool = False) -> HealthcareService:
    found = service_on_offer(slug, in_short=in_short)
    if found is None:
        raise NotOffered
    return found


def _zone_argument() -> str | None:
    name = request.args.get("tz")
    return checked("tz", fields.timezone_name, name) if name else None


def _service_answer(service: HealthcareService, language: str) -> ServiceAnswer:
    return ServiceAnswer(
        slug=service.slug,
        name=service.text("name", language),
        duration_minutes=service.duration // timedelta(minutes=1),
        mode=service.mode,
        practitioners=[practitioner_answer(each) for each in service.practitioners],
    )


def _appointment_answer(appointment: Appointment) -> AppointmentAnswer:
    token = token_of(appointment, booking().house.keys)
    base = booking().settings.base_url
    return AppointmentAnswer(
        token=token,
        status=appointment.status,
        service=appointment.service.slug,
        start=fields.utc_text(appointment.start_at),
        end=fields.utc_text(appointment.end_at),
        sequence=appointment.sequence,
        practitioner=practitioner_answer(appointment.practitioner),
        links=LinksAnswer(
            self=f"{base}/api/v1/appointments/{token}",
            manage=f"{base}/appointments/{token}",
            invite=f"{base}/appointments/{token}/invite.ics",
        ),
    )
