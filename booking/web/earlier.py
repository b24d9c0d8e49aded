"""The patient's way to an earlier time: asking to be told, and answering an offer."""

from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from booking.domain.refusals import SlotTaken, WrongState
from booking.models import Appointment
from booking.models.database import db, transaction
from booking.services import waitlist
from booking.services.appointments import PATIENT, appointment_by_token, patient_may_change
from booking.web.errors import note_guard
from booking.web.forms import ButtonForm
from booking.web.limits import limit_bookings
from booking.web.state import booking, clinic, now
from booking.web.waiting_form import WaitingForm

bp = Blueprint("earlier", __name__, url_prefix="/appointments/<token>")


@bp.get("/earlier")
def form(token: str) -> ResponseReturnValue:
    """When an earlier time would suit; what was said before is filled in."""
    found = appointment_by_token(db.session(), token)
    return _page(found, token, WaitingForm.of(found, waitlist.entry_of(db.session(), found)))


@bp.post("/earlier")
@limit_bookings
def join(token: str) -> ResponseReturnValue:
    """Put the patient on the list: 303 to the appointment's page, 422 if the form is wrong, 409 for
    whom nothing more will be offered."""
    found = appointment_by_token(db.session(), token)
    if waitlist.has_had_all(db.session(), found):
        return _page(found, token, WaitingForm.of(found, None)), 409
    filled = WaitingForm.of(found, None)
    if not filled.validate_on_submit():
        return _page(found, token, filled), 422
    waiting = filled.waiting(found)
    with transaction() as session:
        mine = appointment_by_token(session, token)
        waitlist.join(session, mine, waiting, booking().house, now=now())
    return redirect(url_for("patient.appointment", token=token), 303)


@bp.post("/earlier/leave")
def leave(token: str) -> ResponseReturnValue:
    """Take the patient off the list: 303 to the appointment's page."""
    button = ButtonForm()
    if not button.validate_on_submit():
        found = appointment_by_token(db.session(), token)
        said = WaitingForm.of(found, waitlist.entry_of(db.session(), found), formdata=None)
        return _page(found, token, said, button.faults()), 422
    with transaction() as session:
        found = appointment_by_token(session, token)
        waitlist.leave(session, found, booking().house, actor=PATIENT, now=now())
    return redirect(url_for("patient.appointment", token=token, kept=1), 303)


@bp.get("/offer")
def offer(token: str) -> ResponseReturnValue:
    """The time that is offered, beside the present one; who has taken it sees the appointment."""
    found, session = appointment_by_token(db.session(), token), db.session()
    if waitlist.has_taken(session, found) and not waitlist.open_offer(session, found, now=now()):
        return redirect(url_for("patient.appointment", token=token))
    return _offer_page(token)


@bp.post("/offer/take")
@limit_bookings
def take(token: str) -> ResponseReturnValue:
    """Move the appointment there: 303 to its page; 409 if the time is gone all the same."""

    def act(session: Session, found: Appointment) -> None:
        waitlist.accept(session, found, booking().house, now=now())

    try:
        return _act(token, act, moved=1)
    except SlotTaken as refusal:
        note_guard(refusal)
        return _offer_page(token, gone=True), 409


@bp.post("/offer/decline")
def decline(token: str) -> ResponseReturnValue:
    """Let it go to the next who waits."""

    def act(session: Session, found: Appointment) -> None:
        waitlist.decline(session, found, booking().house, now=now())

    return _act(token, act, kept=1)


def _act(
    token: str, act: Callable[[Session, Appointment], None], **news: Any
) -> ResponseReturnValue:
    """Do one thing and show the appointment; whoever is too late finds the offer's page."""
    if not ButtonForm().validate_on_submit():
        return _offer_page(token, expired="csrf"), 422
    try:
        with transaction() as session:
            act(session, appointment_by_token(session, token))
    except WrongState:
        return _offer_page(token), 409
    return redirect(url_for("patient.appointment", token=token, **news), 303)


def _offer_page(token: str, **more: object) -> str:
    found = appointment_by_token(db.session(), token)
    return render_template(
        "patient/offer.html",
        appointment=found,
        token=token,
        offer=waitlist.open_offer(db.session(), found, now=now()),
        waiting=waitlist.is_waiting(db.session(), found, now=now()),
        may_change=patient_may_change(found, now=now()),
        button=ButtonForm(),
        **more,
    )


def _page(
    found: Appointment,
    token: str,
    filled: WaitingForm,
    faults: Sequence[tuple[str, str]] = (),
) -> str:
    session = db.session()
    return render_template(
        "patient/earlier.html",
        appointment=found,
        token=token,
        form=filled,
        faults=filled.faults() or faults,
        waiting=waitlist.is_waiting(session, found, now=now()),
        had_all=waitlist.has_had_all(session, found),
        over=found.start_at <= now() or found.status != "booked",
        may_change=patient_may_change(found, now=now()),
        button=ButtonForm(),
        clock=waitlist.clock_of(found, clinic()).key,
    )
