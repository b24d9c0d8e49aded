"""The patient's own page of an appointment: see, move, cancel or keep it, put it in a calendar.

A link from the mail opens it. Looking changes nothing, since mail scanners look too.
"""

import json

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.lifecycle import Status, Verb, after
from booking.domain.refusals import SlotTaken, TooLate, WrongState
from booking.messages import invitation, links
from booking.models import Appointment
from booking.models.database import db, transaction
from booking.services.appointments import (
    appointment_by_token,
    cancel_appointment,
    patient_may_change,
    reschedule_appointment,
)
from booking.services.correspondence import appointment_facts, clinic_facts
from booking.services.inbox import check_keepable, keep_appointment
from booking.services.owing import newest_to_patient
from booking.services.own_data import own_data
from booking.services.waitlist import is_waiting, open_offer
from booking.web import fields
from booking.web.errors import note_guard
from booking.web.forms import ButtonForm, CancelForm, RescheduleForm
from booking.web.limits import count_with, limit_bookings, limit_holds
from booking.web.moving import move_page
from booking.web.state import booking, clinic, now
from booking.web.times import read_query

bp = Blueprint("patient", __name__, url_prefix="/appointments/<token>")


@bp.get("")
def appointment(token: str) -> ResponseReturnValue:
    """The appointment: what, when, where, how to prepare, and what can be done with it."""
    found = appointment_by_token(db.session(), token)
    facts = appointment_facts(
        found, keys=booking().house.keys, base_url=booking().settings.base_url, now=now()
    )
    return render_template(
        "patient/appointment.html",
        appointment=found,
        token=token,
        over=found.start_at <= now(),
        may_change=patient_may_change(found, now=now()),
        button=ButtonForm(),
        offer=open_offer(db.session(), found, now=now()),
        waiting=is_waiting(db.session(), found, now=now()),
        mail=newest_to_patient(db.session(), found),
        google=links.google_calendar_url(facts),
        outlook_live=links.outlook_live_url(facts),
        outlook_office=links.outlook_office_url(facts),
    )


@bp.get("/invite.ics")
def invite(token: str) -> ResponseReturnValue:
    """The event for a calendar app that takes files (METHOD:PUBLISH)."""
    found = appointment_by_token(db.session(), token)
    facts = appointment_facts(
        found, keys=booking().house.keys, base_url=booking().settings.base_url, now=now()
    )
    house = clinic_facts(clinic(), booking().settings.mail_from, language=facts.language)
    body = invitation.download(house, facts)
    response = Response(body, content_type="text/calendar; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="appointment.ics"'
    return response


@bp.get("/reschedule")
def reschedule_times(token: str) -> ResponseReturnValue:
    """The times to which it can be moved, and the question once another than its own is chosen."""
    found = _changeable(token)
    form = RescheduleForm()
    form.start.data = request.args.get("start", "")
    whom = form.practitioner.data = read_query(request.args, found.service).practitioner
    its_own = fields.utc_text(found.start_at), found.practitioner.slug
    if (form.start.data, whom or found.practitioner.slug) == its_own:  # or it was moved there
        return redirect(url_for(".appointment", token=token, kept=1))
    return _move_page(found, token, form)


@bp.post("/reschedule")
@limit_bookings
def reschedule(token: str) -> ResponseReturnValue:
    """Move it: 303 to its page, 409 with other times if the slot is gone."""
    form = RescheduleForm()
    if not form.validate_on_submit():
        return _move_page(_changeable(token), token, form), 422
    try:
        with transaction() as session:
            reschedule_appointment(
                session,
                appointment_by_token(session, token),
                form.wanted,
                booking().house,
                now=now(),
                practitioner=form.practitioner.data or None,
            )
            count_with(session)
    except SlotTaken as refusal:
        note_guard(refusal)
        return _move_page(_changeable(token), token, form, taken=True), 409
    return redirect(url_for(".appointment", token=token, moved=1), 303)


@bp.get("/cancel")
def cancel_form(token: str) -> ResponseReturnValue:
    """The question before it is cancelled."""
    return _cancel_page(token, CancelForm())


@bp.post("/cancel")
def cancel(token: str) -> ResponseReturnValue:
    """Cancel it: 303 to its page, for whoever pressed the button twice as well."""
    form = CancelForm()
    if not form.validate_on_submit():
        return _cancel_page(token, form), 422
    try:
        with transaction() as session:
            cancel_appointment(
                session,
                appointment_by_token(session, token),
                booking().house,
                now=now(),
                reason=form.reason.checked,
            )
    except WrongState:
        if appointment_by_token(db.session(), token).status != Status.CANCELLED:
            raise
    return redirect(url_for(".appointment", token=token), 303)


@bp.post("/data")
@limit_holds
def data(token: str) -> ResponseReturnValue:
    """What we know of the patient through this appointment, as a file."""
    with transaction() as session:
        found = own_data(session, appointment_by_token(session, token), booking().house, now=now())
    body = json.dumps(found, indent=2, ensure_ascii=False)
    response = Response(body + "\n", content_type="application/json; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="appointment-data.json"'
    return response


@bp.get("/keep")
def keep_form(token: str) -> ResponseReturnValue:
    """The question whether it is kept, for whose calendar said no."""
    return _keep_page(token, ButtonForm())


@bp.post("/keep")
def keep(token: str) -> ResponseReturnValue:
    """Keep it: 303 to its page."""
    form = ButtonForm()
    if not form.validate_on_submit():
        return _keep_page(token, form), 422
    with transaction() as session:
        keep_appointment(session, appointment_by_token(session, token), booking().house, now=now())
    return redirect(url_for(".appointment", token=token, kept=1), 303)


def _changeable(token: str) -> Appointment:
    """The appointment, while its patient may change it.

    Raises:
        WrongState, TooLate: if not; the error page says which and whom to call.
    """
    found = appointment_by_token(db.session(), token)
    after(found.status, Verb.RESCHEDULE)
    if not patient_may_change(found, now=now()):
        raise TooLate
    return found


def _keep_page(token: str, form: ButtonForm) -> str:
    found = appointment_by_token(db.session(), token)
    check_keepable(found, now=now())
    return render_template(
        "patient/keep.html",
        appointment=found,
        token=token,
        form=form,
        may_change=patient_may_change(found, now=now()),
    )


def _cancel_page(token: str, form: CancelForm) -> str:
    found = _changeable(token)
    return render_template("patient/cancel.html", appointment=found, token=token, form=form)


def _move_page(found: Appointment, token: str, form: RescheduleForm, *, taken: bool = False) -> str:
    """The times to move to: the same practitioner's first, in the patient's own zone."""
    args = request.args.copy()
    args.setdefault("practitioner", found.practitioner.slug)
    args.setdefault("tz", found.patient_timezone)
    query = read_query(args, found.service)
    return move_page("patient/reschedule.html", found, form, query, taken=taken, token=token)
