"""The patient's own change of address and number, and the question to a new address."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from booking.domain.refusals import TooManyChanges, UnknownAppointment
from booking.models import Mode
from booking.models.database import db, transaction
from booking.services import contact_changes
from booking.services.appointments import appointment_by_token
from booking.services.links import token_of
from booking.web import fields, languages
from booking.web.forms import ButtonForm, ContactForm
from booking.web.limits import limit_bookings
from booking.web.state import booking, clinic, now

bp = Blueprint("contact", __name__)


@bp.get("/appointments/<token>/contact")
def form(token: str) -> ResponseReturnValue:
    """Where the patient is written to and called."""
    found = appointment_by_token(db.session(), token)
    filled = _form(found.service.mode == Mode.PHONE)
    filled.email.data = found.patient_email
    if found.patient_phone:
        filled.phone.data = fields.phone_words(found.patient_phone, clinic().country)
    filled.may_leave_message.data = found.may_leave_message
    filled.may_text.data = found.may_text
    return _page(token, filled)


@bp.post("/appointments/<token>/contact")
@limit_bookings
def change(token: str) -> ResponseReturnValue:
    """Call the number from now on, and ask the address: 303 to this page, 422 if the form is wrong,
    409 once an address was asked for too often."""
    found = appointment_by_token(db.session(), token)
    filled = _form(found.service.mode == Mode.PHONE)
    if not filled.validate_on_submit():
        return _page(token, filled), 422
    try:
        with transaction() as session:
            mine, house = appointment_by_token(session, token), booking().house
            before = mine.patient_phone
            contact_changes.change_calls(session, mine, filled.calls(), house, now=now())
            contact_changes.ask_for_address(session, mine, filled.email.checked, house, now=now())
            changed = before != mine.patient_phone
    except TooManyChanges:
        return _page(token, filled, too_many=True), 409
    return redirect(url_for(".form", token=token, saved=1, phone=1 if changed else None), 303)


@bp.post("/appointments/<token>/contact/stop")
def stop(token: str) -> ResponseReturnValue:
    """Keep the address on file."""
    with transaction() as session:
        found = appointment_by_token(session, token)
        contact_changes.stop(session, found, booking().house, now=now())
    return redirect(url_for(".form", token=token, stopped=1), 303)


@bp.get("/addresses/<token>")
def question(token: str) -> ResponseReturnValue:
    """Shall we write to this address? It names the address, and nothing of the appointment."""
    try:
        return _question(token, ButtonForm())
    except UnknownAppointment:
        return _spent()


@bp.post("/addresses/<token>")
def confirm(token: str) -> ResponseReturnValue:
    """Write there from now on: 303 to the appointment's page."""
    button = ButtonForm()
    try:
        if not button.validate_on_submit():
            return _question(token, button), 422
        with transaction() as session:
            found = contact_changes.confirm_address(session, token, booking().house, now=now())
            key = token_of(found, booking().house.keys)
    except UnknownAppointment:
        return _spent()
    return redirect(url_for("patient.appointment", token=key, confirmed=1), 303)


def _form(phone_needed: bool) -> ContactForm:
    return ContactForm(country=clinic().country, phone_needed=phone_needed)


def _page(token: str, filled: ContactForm, *, too_many: bool = False) -> str:
    found = appointment_by_token(db.session(), token)
    return render_template(
        "patient/contact.html",
        appointment=found,
        token=token,
        form=filled,
        waiting=contact_changes.pending(db.session(), found, now=now()),
        over=found.start_at <= now() or found.status != "booked",
        button=ButtonForm(),
        too_many=too_many,
    )


def _spent() -> ResponseReturnValue:
    """The link was used, is too old or is none: who guesses is not told which, nor by an address
    that stands on the page."""
    languages.on_an_error(look=True)
    return render_template("patient/address.html", change=None, form=ButtonForm()), 404


def _question(token: str, button: ButtonForm) -> str:
    change = contact_changes.change_by_token(db.session(), token, now=now())
    return render_template("patient/address.html", change=change, form=button)
