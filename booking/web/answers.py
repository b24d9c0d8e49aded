"""Mails that came in, as staff see them: what was said, and what can be done about it."""

from collections.abc import Callable

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from booking.domain.refusals import SlotTaken, UnknownMail, WrongState
from booking.models import ReceivedMail
from booking.models.database import db, transaction
from booking.services import inbox
from booking.web.errors import note_guard
from booking.web.forms import ButtonForm
from booking.web.gate import is_mine, own_practitioner, signed_in_name
from booking.web.state import booking, now
from booking.web.trail import saw

bp = Blueprint("answers", __name__, url_prefix="/staff/mail/<int(max=2147483647):mail>")

NOTHING_TO_DECIDE = "Nothing was changed: there is nothing to decide any more."


@bp.get("")
def show(mail: int) -> ResponseReturnValue:
    """One mail: who wrote what, which appointment it is about, and the buttons."""
    return _page(mail)


@bp.post("/accept")
def accept(mail: int) -> ResponseReturnValue:
    """Move the appointment to the proposed time; 409 if somebody else has that."""

    def act(session: Session) -> str:
        house, actor = booking().house, signed_in_name()
        moved = inbox.accept_proposal(session, mail, house, actor=actor, now=now())
        return url_for("staff.appointment", reference=moved.reference)

    try:
        return _act(mail, act, told="Moved. The patient is being told by email.")
    except SlotTaken as refusal:
        note_guard(refusal)
        return _page(mail, taken=True), 409


@bp.post("/decline")
def decline(mail: int) -> ResponseReturnValue:
    """Leave the appointment where it is; the patient is told by mail."""

    def act(session: Session) -> str:
        kept = inbox.decline_proposal(session, mail, actor=signed_in_name(), now=now())
        return url_for("staff.appointment", reference=kept.reference)

    return _act(mail, act, told="Left as it is. The patient is being told by email.")


@bp.post("/done")
def done(mail: int) -> ResponseReturnValue:
    """Take the mail off the list of what waits."""

    def act(session: Session) -> str:
        inbox.handle(session, mail, actor=signed_in_name(), now=now())
        return url_for("staff.upcoming")

    return _act(mail, act, told="Taken off the list.")


def _act(mail: int, act: Callable[[Session], str], *, told: str) -> ResponseReturnValue:
    """Do one thing in one transaction, then go where it leads."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    try:
        with transaction() as session:
            _visible(session, mail)
            there = act(session)
    except WrongState:
        told, there = NOTHING_TO_DECIDE, url_for(".show", mail=mail)
    flash(told)
    return redirect(there, 303)


def _page(number: int, *, taken: bool = False) -> str:
    session = db.session()
    mail = _visible(session, number)
    saw("mail.read", str(number))
    said = inbox.opened(mail, booking().house)
    return render_template(
        "staff/mail.html",
        mail=mail,
        said=said,
        comment=inbox.comment_of(said),
        undecided=inbox.is_undecided(mail),
        is_free=inbox.can_be_had(session, mail, now=now()),
        taken=taken,
        button=ButtonForm(),
    )


def _visible(session: Session, number: int) -> ReceivedMail:
    """A mail for the eyes of who asks: a clinician's is about an own appointment."""
    mail = inbox.mail_by_id(session, number)
    if own_practitioner() is not None:
        about = mail.appointment
        if about is None or not is_mine(about.practitioner_id):
            raise UnknownMail
    return mail
