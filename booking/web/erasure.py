"""The patient's wish to have their data erased, and the way back from it."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from booking.domain.refusals import WrongState
from booking.models.database import db, transaction
from booking.services import retention
from booking.services.appointments import appointment_by_token, patient_may_change
from booking.web.forms import ButtonForm
from booking.web.state import booking, clinic, now

bp = Blueprint("erasure", __name__, url_prefix="/appointments/<token>/erase")


@bp.get("")
def question(token: str) -> ResponseReturnValue:
    """What is erased, and from when on; who has yet to come must cancel first."""
    return _question(token, ButtonForm())


@bp.post("")
def wish(token: str) -> ResponseReturnValue:
    """Promise it: 303 to the same page, which says when; 409 for what is yet to come."""
    button = ButtonForm()
    if not button.validate_on_submit():
        return _question(token, button), 422
    try:
        with transaction() as session:
            found = appointment_by_token(session, token)
            retention.wish_erasure(session, found, booking().house, now=now())
    except WrongState:
        return _question(token, button), 409
    return redirect(url_for(".question", token=token), 303)


@bp.post("/keep")
def keep(token: str) -> ResponseReturnValue:
    """Take the wish back, for as long as there is something to keep: 303 to the same page."""
    button = ButtonForm()
    if not button.validate_on_submit():
        return _question(token, button), 422
    with transaction() as session:
        found = appointment_by_token(session, token)
        retention.unwish_erasure(session, found, booking().house, now=now())
    return redirect(url_for(".question", token=token), 303)


def _question(token: str, button: ButtonForm) -> str:
    found = appointment_by_token(db.session(), token)
    try:
        when = found.erase_at or retention.erasable_from(clinic(), found, now=now())
    except WrongState:
        when = None
    return render_template(
        "patient/erase.html",
        appointment=found,
        token=token,
        form=button,
        when=when,
        may_change=patient_may_change(found, now=now()),
    )
