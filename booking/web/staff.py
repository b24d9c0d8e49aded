"""The staff's pages: what is coming, one appointment, and what can be done with it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from cryptography.fernet import InvalidToken
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Status, Verb
from booking.domain.refusals import SlotTaken, WrongState
from booking.models import Appointment
from booking.models.database import db, transaction
from booking.services import agenda, busy, inbox, webhooks
from booking.services.appointments import (
    cancel_appointment,
    its_day_has_come,
    lock,
    note_attendance,
    reschedule_appointment,
)
from booking.services.desk import notes, undoable
from booking.services.owing import owe_again
from booking.services.readdressing import correct_address
from booking.web import fields
from booking.web.day import state
from booking.web.errors import note_guard
from booking.web.forms import AddressForm, ButtonForm, CancelForm, NoteForm, RescheduleForm
from booking.web.gate import is_mine, own_practitioner, signed_in_name, visible_appointment
from booking.web.moving import move_page
from booking.web.permissions import may
from booking.web.sessions import safe_path
from booking.web.state import booking, clinic, now
from booking.web.times import Query, read_query
from booking.web.trail import saw

bp = Blueprint("staff", __name__, url_prefix="/staff")

ATTENDANCE = {
    "arrive": (Verb.ARRIVE, "Noted: arrived."),
    "fulfil": (Verb.FULFIL, "Noted: seen."),
    "miss": (Verb.MISS, "Noted: did not come. The time is free again."),
    "unmark": (Verb.UNMARK, "Taken back: it is booked, as before."),
}
"""What can be noted, and what the page says then."""
TOLD = "The patient is being told by email."
CALL = "There is no email address: please call the patient."


@bp.get("/")
def upcoming() -> ResponseReturnValue:
    """The coming days, today first; above them what wants a person's attention."""
    session, zone = db.session(), clinic().zone
    today = now().astimezone(zone).date()
    first = fields.date_or_none(request.args.get("from")) or today
    practitioners = [each for each in agenda.practitioners(session) if is_mine(each.id)]
    own = own_practitioner()
    asked = request.args.get("practitioner")
    chosen = asked if asked in {each.slug for each in practitioners} else None
    saw("day.read", f"{first}/{agenda.DAYS_AHEAD}")
    days = agenda.upcoming(session, first, zone, practitioner=chosen, only=own)
    return render_template(
        "staff/upcoming.html",
        days=days,
        following=_following(days.values()) if first == today else None,
        first=first,
        today=today,
        earlier=first - timedelta(days=agenda.DAYS_AHEAD),
        later=first + timedelta(days=agenda.DAYS_AHEAD),
        chosen=chosen,
        practitioners=practitioners,
        not_reached=agenda.not_reached(session, only=own),
        waiting_since=agenda.waiting_since(session, now=now()),
        relay=agenda.relay_trouble(session),
        mail_waiting=inbox.waiting(session, now=now(), only=own),
        mailbox_trouble=inbox.mailbox_trouble(session, now=now()),
        calendars_failing=[
            each for each in busy.failing(session, now=now()) if is_mine(each.resource_id)
        ],
        webhooks_failing=webhooks.failing(session, now=now()) if may("programs") else [],
        state=state(),
        button=ButtonForm(),
    )


def _following(days: Iterable[Sequence[Appointment]]) -> Appointment | None:
    """Who is there or comes next, of whom one still waits for."""
    coming = (each for entries in days for each in entries)
    awaited = (each for each in coming if each.status in (Status.BOOKED, Status.ARRIVED))
    return next((each for each in awaited if each.end_at > now()), None)


@bp.get("/appointments/<reference>")
def appointment(reference: str) -> ResponseReturnValue:
    """One appointment: the person, what happened, what was sent."""
    session = db.session()
    found = visible_appointment(session, reference)
    saw("appointment.read", reference)
    house = booking().house
    last = undoable(session, found, house, now=now())
    return render_template(
        "staff/appointment.html",
        appointment=found,
        undoable=last.at + house.undo if last else None,
        its_day=its_day_has_come(session, found, now=now()),
        notes=notes(session, found, house),
        note_form=NoteForm(),
        history=agenda.history(session, found),
        messages=agenda.messages(session, found),
        mails=inbox.received(session, found, house),
        button=ButtonForm(),
    )


@bp.post("/appointments/<reference>/<any(arrive, fulfil, miss, unmark):verb>")
def attendance(reference: str, verb: str) -> ResponseReturnValue:
    """Note that the patient arrived, was seen, or did not come; or take that back."""
    noted, told = ATTENDANCE[verb]

    def note(session: Session, found: Appointment) -> None:
        actor = signed_in_name()
        note_attendance(session, found, noted, booking().house, actor=actor, now=now())

    undo = url_for(".attendance", reference=reference, verb="unmark")
    try:
        return _act(reference, note, told=told, undo=None if noted == Verb.UNMARK else undo)
    except SlotTaken as refusal:  # it did not come, so its time was on offer again
        note_guard(refusal)
        flash("Nothing was changed: its time was given to somebody else meanwhile.")
        return redirect(url_for(".appointment", reference=reference), 303)


@bp.get("/appointments/<reference>/cancel")
def cancel_form(reference: str) -> ResponseReturnValue:
    """The question before staff cancel."""
    return _cancel_page(reference, CancelForm())


@bp.post("/appointments/<reference>/cancel")
def cancel(reference: str) -> ResponseReturnValue:
    """Cancel; the patient is told by mail."""
    form = CancelForm()
    if not form.validate_on_submit():
        return _cancel_page(reference, form), 422

    def act(session: Session, found: Appointment) -> None:
        cancel_appointment(
            session,
            found,
            booking().house,
            now=now(),
            reason=form.reason.checked,
            actor=signed_in_name(),
        )

    return _act(reference, act, told="Cancelled.", tells=True)


@bp.get("/appointments/<reference>/reschedule")
def reschedule_times(reference: str) -> ResponseReturnValue:
    """The free times to which it can be moved."""
    form = RescheduleForm()
    found = visible_appointment(db.session(), reference)
    form.start.data = request.args.get("start", "")
    form.practitioner.data = _move_query(found).practitioner
    return _move_page(found, form)


@bp.post("/appointments/<reference>/reschedule")
def reschedule(reference: str) -> ResponseReturnValue:
    """Move it; the patient is told by mail."""
    form = RescheduleForm()
    if not form.validate_on_submit():
        found = visible_appointment(db.session(), reference)
        return _move_page(found, form), 422

    def act(session: Session, found: Appointment) -> None:
        reschedule_appointment(
            session,
            found,
            form.wanted,
            booking().house,
            now=now(),
            practitioner=form.practitioner.data or None,
            actor=signed_in_name(),
        )

    try:
        return _act(reference, act, told="Moved.", tells=True)
    except SlotTaken as refusal:
        note_guard(refusal)
        found = visible_appointment(db.session(), reference)
        return _move_page(found, form, taken=True), 409


@bp.post("/appointments/<reference>/resend")
def resend(reference: str) -> ResponseReturnValue:
    """Send the patient once more what holds now."""

    def act(session: Session, found: Appointment) -> None:
        lock(session, found)  # two who press at once send two mails, one after the other
        owe_again(session, found, now=now())
        agenda.mark_handled(session, found, now=now())

    return _act(reference, act, told="The message is being sent again.")


@bp.get("/appointments/<reference>/address")
def address_form(reference: str) -> ResponseReturnValue:
    """The address on file, to be corrected."""
    found = visible_appointment(db.session(), reference)
    return _address_page(found, AddressForm(data={"email": found.patient_email}))


@bp.post("/appointments/<reference>/address")
def address(reference: str) -> ResponseReturnValue:
    """Write to another address from now on."""
    form = AddressForm()
    if not form.validate_on_submit():
        return _address_page(visible_appointment(db.session(), reference), form), 422

    def act(session: Session, found: Appointment) -> None:
        house, email = booking().house, form.email.checked
        correct_address(session, found, email, house, actor=signed_in_name(), now=now())
        agenda.mark_handled(session, found, now=now())

    return _act(reference, act, told="The invitation is being sent to the new address.")


@bp.post("/appointments/<reference>/handled")
def handled(reference: str) -> ResponseReturnValue:
    """Take it off the list of patients who were not reached."""

    def act(session: Session, found: Appointment) -> None:
        agenda.mark_handled(session, found, now=now())

    return _act(reference, act, told="Taken off the list.", back=url_for(".upcoming"))


@bp.get("/appointments/<reference>/messages/<int(max=2147483647):message>")
def message(reference: str, message: int) -> ResponseReturnValue:
    """A mail as it left, opened from its sealed copy."""
    found = visible_appointment(db.session(), reference)
    copy = agenda.sent_copy(db.session(), found, message)
    if copy is None:
        abort(404)
    try:
        content = booking().house.keys.seal.decrypt(copy.sealed)
    except InvalidToken:  # sealed under a secret that is known no more
        abort(404)
    mail = message_from_bytes(content, policy=policy.default)
    assert isinstance(mail, EmailMessage)  # noqa: S101 (what the default policy makes)
    saw("message.read", reference)
    return render_template(
        "staff/message.html",
        appointment=found,
        headers=_headers(mail),
        text=_part(mail, "text/plain"),
        event=_part(mail, "text/calendar"),
    )


def _act(
    reference: str,
    act: Callable[[Session, Appointment], Any],
    *,
    told: str,
    tells: bool = False,
    back: str | None = None,
    undo: str | None = None,
) -> ResponseReturnValue:
    """Do one thing in one transaction, then go back to where the button was.

    Args:
        tells: It concerns the patient, who hears of it by email, or else has to be called.
        undo: The address that takes it back with one press, shown beside what was done.
    """
    if not ButtonForm().validate_on_submit():
        abort(400)
    try:
        with transaction() as session:
            found = visible_appointment(session, reference)
            act(session, found)
            stays = is_mine(found.practitioner_id)
            if tells:
                told += f" {TOLD if found.patient_email else CALL}"
    except WrongState:
        told, undo = "Nothing was changed: the appointment is already in another state.", None
        stays = True
    flash(told, undo or "message")
    page = url_for(".appointment", reference=reference) if stays else url_for(".upcoming")
    asked = request.form.get("back")
    return redirect(back or (safe_path(asked) if asked and stays else page), 303)


def _cancel_page(reference: str, form: CancelForm) -> str:
    found = visible_appointment(db.session(), reference)
    saw("appointment.read", reference)
    return render_template("staff/cancel.html", appointment=found, form=form)


def _address_page(found: Appointment, form: AddressForm) -> str:
    saw("appointment.read", found.reference)
    return render_template("staff/address.html", appointment=found, form=form)


def _move_page(found: Appointment, form: RescheduleForm, *, taken: bool = False) -> str:
    saw("appointment.read", found.reference)
    query = _move_query(found)
    return move_page("staff/reschedule.html", found, form, query, taken=taken)


def _move_query(found: Appointment) -> Query:
    """The times to move to: with the same practitioner unless another, or anyone, is asked for,
    and from the appointment's own day on unless another month or day is."""
    args = request.args.copy()
    args.setdefault("practitioner", found.practitioner.slug)
    if "month" not in args and found.start_at > now():
        args.setdefault("day", found.start_at.astimezone(clinic().zone).date().isoformat())
    query = read_query(args, found.service)
    return query if query.practitioner else replace(query, practitioner="")


def _headers(mail: EmailMessage) -> list[tuple[str, str]]:
    shown = ("From", "To", "Subject", "Date", "Message-ID")
    return [(name, str(mail[name])) for name in shown if mail[name]]


def _part(mail: EmailMessage, kind: str) -> str | None:
    for part in mail.walk():
        if part.get_content_type() == kind:
            return str(part.get_content())
    return None
