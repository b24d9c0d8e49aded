"""The staff's page of those who wait for an earlier time."""

from collections.abc import Callable

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from booking.domain.refusals import WrongState
from booking.models import Appointment, Outcome
from booking.models.database import db, transaction
from booking.services import waitlist
from booking.web.forms import ButtonForm
from booking.web.gate import is_mine, signed_in_name, visible_appointment
from booking.web.month import PARTS
from booking.web.schedule_forms import DAYS
from booking.web.state import booking, now
from booking.web.trail import saw

bp = Blueprint("waitlist", __name__, url_prefix="/staff/waitlist")


@bp.get("/")
def page() -> ResponseReturnValue:
    """Everybody who waits, in the order of their turn, with what they were offered."""
    entries = [
        each
        for each in waitlist.waiting_now(db.session(), now=now())
        if is_mine(each.appointment.practitioner_id)
    ]
    saw("waitlist.read")
    return render_template(
        "staff/waitlist.html",
        entries=entries,
        most=waitlist.MOST_OFFERS,
        DAYS=DAYS,
        PARTS=PARTS,
        button=ButtonForm(),
    )


@bp.post("/<reference>/skip")
def skip(reference: str) -> ResponseReturnValue:
    """Take an open offer back: the time goes to the next."""

    def act(session: Session, found: Appointment) -> None:
        house = booking().house
        waitlist.decline(session, found, house, now=now(), outcome=Outcome.SKIPPED)

    return _act(reference, act, "Skipped. The time goes to the next who waits.")


@bp.post("/<reference>/remove")
def remove(reference: str) -> ResponseReturnValue:
    """Take somebody off the list."""

    def act(session: Session, found: Appointment) -> None:
        waitlist.leave(session, found, booking().house, actor=signed_in_name(), now=now())

    return _act(reference, act, "Taken off the list.")


def _act(
    reference: str, act: Callable[[Session, Appointment], None], told: str
) -> ResponseReturnValue:
    if not ButtonForm().validate_on_submit():
        abort(400)
    try:
        with transaction() as session:
            act(session, visible_appointment(session, reference))
    except WrongState:
        told = "Nothing was changed: nothing is offered any more."
    flash(told)
    return redirect(url_for(".page"), 303)
