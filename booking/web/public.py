"""What anybody may see: the services, their free times, and the way to book one."""

from dataclasses import replace
from datetime import datetime
from functools import partial
from secrets import token_urlsafe

from flask import Blueprint, Response, abort, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from booking.domain.lifecycle import Status
from booking.domain.refusals import KeyReused, NotOffered, SlotTaken, TooManyAppointments
from booking.models import HealthcareService, Mode, Visibility
from booking.models.database import db, transaction
from booking.services.appointments import book_appointment
from booking.services.links import token_of
from booking.services.wishes import after, made_by
from booking.web import fields, holding, lost
from booking.web.errors import note_guard
from booking.web.forms import BookingForm
from booking.web.limits import count_with, limit_bookings, limit_holds
from booking.web.state import booking, clinic, now, service_on_offer
from booking.web.times import Query, alternatives, read_query, still_free, times
from booking.web.zones import zone_choices

bp = Blueprint("public", __name__)


@bp.get("/")
def services() -> ResponseReturnValue:
    """What can be booked, once there is a clinic."""
    clinic()
    query = select(HealthcareService).where(HealthcareService.visibility == Visibility.PUBLIC)
    offered = db.session.scalars(query.order_by(HealthcareService.position, HealthcareService.id))
    return render_template("public/services.html", services=offered.all())


@bp.get("/services/<slug>")
def service_times(slug: str) -> ResponseReturnValue:
    """The free times of a service, a month and a day at a time."""
    service = _service(slug)
    query = read_query(request.args, service)
    return render_template(
        "public/times.html",
        service=service,
        times=times(service, query),
        zones=zone_choices(query.zone.key, clinic().timezone),
    )


@bp.get("/services/<slug>/book")
def booking_form(slug: str) -> ResponseReturnValue:
    """The form for one slot; a time that is none leads back to the times; one's own says so."""
    service = _service(slug)
    query = read_query(request.args, service)
    try:
        start = fields.instant(request.args.get("start", ""))
    except ValueError:
        return redirect(url_for(".service_times", slug=slug), 303)
    form = _form(service)
    form.start.data = fields.utc_text(start)
    form.practitioner.data, form.timezone.data = query.practitioner, query.tz
    form.key.data = _key(service, start)
    if not still_free(service, query.practitioner, start):
        mine = made_by(db.session(), form.wish_key)
        if mine is not None and (mine.status, mine.start_at) == (Status.BOOKED, start):
            # Without a link: whoever comes to this browser next may press the back button too.
            return _form_page(service, form, start, mine=True)
        return _taken(service, form, start)
    return _form_page(service, form, start)


@bp.post("/services/<slug>/book")
def book(slug: str) -> ResponseReturnValue:
    """Book, or show the form again as it was typed: in another language, 200."""
    return _again(slug) if "again" in request.args else _book(slug)


def _again(slug: str) -> ResponseReturnValue:
    service = _service(slug)
    form = _form(service)
    start = fields.instant_or_none(form.start.data)
    if start is None:
        return redirect(url_for(".service_times", slug=slug), 303)
    return _form_page(service, form, start)


@limit_bookings
def _book(slug: str) -> ResponseReturnValue:
    """Book the chosen slot: 303 to its page, 422 if the form is wrong, 409 if it is gone."""
    service = _service(slug, in_short=True)
    form = _form(service)
    if not form.validate_on_submit():
        start = getattr(form.start, "checked", None)
        if start is not None and "csrf_token" not in form.errors:
            # The form takes a little longer: its time is kept meanwhile.
            holding.hold(slug, start, form.practitioner.data or None)
        return _form_page(_service(slug), form, start), 422
    wish, house = form.request(), booking().house
    try:
        with transaction() as work:
            theirs = holding.keys()
            made = partial(book_appointment, work, slug, house=house, now=now(), freeing=theirs)
            appointment = made(wish)
            while (appointment.status, appointment.start_at) != (Status.BOOKED, wish.start):
                # An old wish of this browser, cancelled or moved since: this is a new one, and the
                # same however often the button is pressed.
                wish = replace(wish, key=after(wish.key, appointment))
                appointment = made(wish)
            token = token_of(appointment, house.keys)
            count_with(work)
    except SlotTaken as refusal:
        note_guard(refusal)
        return _taken(_service(slug), form, wish.start)
    except NotOffered:  # the practitioner has gone since the page was opened
        form.practitioner.data = ""
        return _taken(_service(slug), form, wish.start)
    except TooManyAppointments:
        lost.mail_links_again(wish.patient.email)
        return _form_page(_service(slug), form, wish.start, too_many=True), 409
    except KeyReused:
        form.key.data = token_urlsafe(24)  # whoever means it can press the button again
        return _form_page(_service(slug), form, wish.start, used=True), 422
    return redirect(url_for("patient.appointment", token=token), 303)


@bp.post("/services/<slug>/hold")
@limit_holds
def hold(slug: str) -> ResponseReturnValue:
    """Keep the slot while its form is filled in: 204, whether or not it can be kept."""
    start = fields.instant_or_none(request.form.get("start"))
    if start is not None:
        holding.hold(slug, start, request.form.get("practitioner") or None)
    return _nothing()


@bp.post("/let-go")
def let_go() -> ResponseReturnValue:
    """Free what is held when the page is left: 204."""
    holding.let_go()
    return _nothing()


def _nothing() -> Response:
    answer = Response(status=204)
    del answer.headers["Content-Type"]
    return answer


def _service(slug: str, *, in_short: bool = False) -> HealthcareService:
    """The service of that name, or 404; the staff's own are not there for the public."""
    return service_on_offer(slug, in_short=in_short) or abort(404)


def _form(service: HealthcareService) -> BookingForm:
    return BookingForm(
        country=clinic().country,
        phone_needed=service.mode == Mode.PHONE,
        default_timezone=clinic().timezone,
    )


def _key(service: HealthcareService, start: datetime) -> str:
    """The same whenever this browser opens the form of one slot: going back books nothing more."""
    visit = session.setdefault("visit", token_urlsafe(16))
    slot = f"{visit} {service.slug} {fields.utc_text(start)}"
    return booking().house.keys.digest("form", slot.encode()).hex()


def _as_query(form: BookingForm) -> "MultiDict[str, str]":
    """The choices that travelled with the form, read as if they stood in the address."""
    return MultiDict({"practitioner": form.practitioner.data or "", "tz": form.timezone.data or ""})


def _form_page(
    service: HealthcareService,
    form: BookingForm,
    start: datetime | None,
    **more: object,
) -> str:
    query = read_query(_as_query(form), service)
    chosen = next((p for p in service.practitioners if p.slug == query.practitioner), None)
    return render_template(
        "public/book.html",
        service=service,
        form=form,
        query=query,
        start=start,
        end=start + service.duration if start else None,
        practitioner=chosen,
        back=_back(service, query, start),
        **more,
    )


def _back(service: HealthcareService, query: Query, start: datetime | None) -> str:
    """The times from which this one was chosen, its day open."""
    day = start.astimezone(query.zone).date().isoformat() if start else None
    who, tz = query.practitioner, query.tz
    return url_for(".service_times", slug=service.slug, practitioner=who, tz=tz, day=day)


def _taken(service: HealthcareService, form: BookingForm, start: datetime) -> ResponseReturnValue:
    """The form as it was typed, with the nearest free times to choose from."""
    practitioner = read_query(_as_query(form), service).practitioner
    found = alternatives(service, practitioner, start)
    form.start.data = fields.utc_text(found[0].start) if found else ""
    return _form_page(service, form, start, taken=True, alternatives=found), 409
