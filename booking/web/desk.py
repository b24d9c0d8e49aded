"""What the desk does all day: book a caller, find somebody, take a change back, write a note."""

from datetime import datetime, timedelta
from secrets import token_urlsafe
from urllib.parse import urlencode

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from booking.domain.reasons import Reason
from booking.domain.refusals import KeyReused, NotOffered, SlotTaken, WrongState
from booking.domain.slots import Slot
from booking.domain.timeline import Span
from booking.messages.hygiene import one_line
from booking.models import HealthcareService, Practitioner, WaitlistEntry
from booking.models.database import db, transaction
from booking.services import agenda, desk, finding, waitlist
from booking.services.day import starts_within
from booking.services.explanations import explanations
from booking.web import fields
from booking.web.errors import note_guard
from booking.web.filters import HIDDEN_NAMES, wall
from booking.web.forms import ButtonForm, CallerForm, NoteForm
from booking.web.gate import is_mine, own_practitioner, signed_in_name, visible_appointment
from booking.web.sessions import safe_path
from booking.web.state import booking, clinic, now
from booking.web.times import alternatives
from booking.web.trail import saw

bp = Blueprint("desk", __name__, url_prefix="/staff")

TOLD = "Booked. The patient is being told by email."
NOT_TOLD = "Booked. There is no email address: no invitation is sent, so tell the patient the time."
Offers = list[tuple[HealthcareService, list[datetime]]]
A_DAY = timedelta(days=1)
GAP = ("from", "until")
"""The ends of the gap in the day that somebody followed, as instants."""
FILTERS = ("status", "from", "to")
LONGEST_SEARCH = 120
PREFILLED = ("service", "practitioner", "day", "time")


@bp.get("/book")
def caller() -> ResponseReturnValue:
    """The form for somebody on the telephone; a gap in the day fills in when and with whom."""
    given = {name: request.args.get(name, "") for name in PREFILLED}
    offers = _offers(given["practitioner"])
    if offers and not given["service"]:
        service, starts = offers[0]
        given |= {"service": service.slug, "time": wall(starts[0], clinic().timezone)}
    return _caller_page(_form(**given), offers=offers)


@bp.post("/book")
def book_caller() -> ResponseReturnValue:
    """Book: 303 to the appointment; 422 if the form is wrong, 409 if the time cannot be had."""
    form = _form()
    if own_practitioner() is not None:  # a clinician's callers come to that clinician
        form.practitioner.data = next((each.slug for each in _colleagues()), "")
    nearest = fields.instant_or_none(request.form.get("instead"))
    if nearest:
        form.take(nearest)
    if not form.validate_on_submit():
        return _caller_page(form), 422
    try:
        with transaction() as work:
            made = desk.book_for_caller(
                work,
                form.service.data or "",
                form.request(),
                booking().house,
                actor=signed_in_name(),
                now=now(),
                anyway=bool(form.anyway.data),
            )
            reference, has_address = made.reference, bool(made.patient_email)
    except SlotTaken as refusal:
        note_guard(refusal)
        return _caller_page(form, taken=True), 409
    except NotOffered:
        form.service.errors = ["Choose a service, and somebody who offers it."]
        return _caller_page(form), 422
    except KeyReused:
        form.key.data = token_urlsafe(24)
        return _caller_page(form), 422
    flash(TOLD if has_address else NOT_TOLD)
    return redirect(url_for("staff.appointment", reference=reference), 303)


@bp.post("/appointments/<reference>/undo")
def undo(reference: str) -> ResponseReturnValue:
    """Take the last cancellation or move back, before anybody is told of it."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    stays = True
    try:
        with transaction() as work:
            found = visible_appointment(work, reference)
            desk.undo(work, found, booking().house, actor=signed_in_name(), now=now())
            stays = is_mine(found.practitioner_id)
        told = "Taken back. Nobody was told of the change."
    except WrongState:
        told = "Nothing was changed: it is too late to take this back."
    except SlotTaken:
        told = "Nothing was changed: its time was given to somebody else meanwhile."
    flash(told)
    if not stays:  # it is a colleague's again, and a clinician sees it no more
        return redirect(url_for("staff.upcoming"), 303)
    return redirect(url_for("staff.appointment", reference=reference), 303)


@bp.post("/appointments/<reference>/notes")
def write_note(reference: str) -> ResponseReturnValue:
    """Keep a note; it is for staff only."""
    form = NoteForm()
    if not form.validate_on_submit():
        for _, sentence in form.faults():
            flash(sentence)
        return redirect(url_for("staff.appointment", reference=reference), 303)
    with transaction() as work:
        found = visible_appointment(work, reference)
        text, house = form.text.checked, booking().house
        desk.write_note(work, found, text, house, actor=signed_in_name(), now=now())
    flash("The note is kept.")
    return redirect(url_for("staff.appointment", reference=reference) + "#notes", 303)


@bp.post("/names")
def names() -> ResponseReturnValue:
    """Show initials in the lists of this browser, or names again."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    session[HIDDEN_NAMES] = not session.get(HIDDEN_NAMES)
    return redirect(safe_path(request.form.get("back")), 303)


@bp.get("/search")
def search() -> ResponseReturnValue:
    """Appointments by status and day, which the address may say; what is typed it may not."""
    asked = any(request.args.get(name) for name in FILTERS)
    return _found(request.args, "", asked=asked)


@bp.post("/search")
def find() -> ResponseReturnValue:
    """The same by name, e-mail, phone or reference; no address names a person (T-87)."""
    text = one_line(request.form.get("q", ""))[:LONGEST_SEARCH]
    if not text:
        kept = [(name, request.form[name]) for name in FILTERS if request.form.get(name)]
        return redirect(f"{url_for('.search')}?{urlencode(kept)}", 303)
    return _found(request.form, text, asked=True)


def _found(asked_for: "MultiDict[str, str]", text: str, *, asked: bool) -> str:
    wanted = finding.Search(
        text=text,
        status=asked_for.get("status", ""),
        first=fields.date_or_none(asked_for.get("from")),
        last=fields.date_or_none(asked_for.get("to")),
        only=own_practitioner(),
    )
    found = finding.find(db.session(), wanted, clinic().zone, now=now()) if asked else None
    if found:
        saw("appointment.search")
    return render_template("staff/search.html", found=found, wanted=wanted, button=ButtonForm())


def _form(**given: object) -> CallerForm:
    return CallerForm(country=clinic().country, timezone=clinic().zone, data=given or None)


def _offers(practitioner: str) -> Offers | None:
    """What could be booked in the gap that was followed; None where none was."""
    whose = next((each for each in _colleagues() if each.slug == practitioner), None)
    start, until = (fields.instant_or_none(request.args.get(name, "")) for name in GAP)
    if whose is None or start is None or until is None or not start < until <= start + A_DAY:
        return None
    found = starts_within(db.session(), clinic(), whose, Span(start, until), now=now())
    return [(service, starts) for service, starts in found if starts]


def _waiting(offers: Offers, practitioner: str) -> list[tuple[WaitlistEntry, datetime]]:
    """Who waits for an earlier time and could have one of these, each with the first of them."""
    whose = next((each.id for each in _colleagues() if each.slug == practitioner), 0)
    starts = {service.id: each for service, each in offers}
    found = []
    for entry in waitlist.waiting_now(db.session(), now=now()):
        times = starts.get(entry.appointment.service_id, [])
        glad = [each for each in times if waitlist.suits(entry, each, whose, clinic())]
        if glad and is_mine(entry.appointment.practitioner_id):
            saw("appointment.read", entry.appointment.reference)
            found.append((entry, glad[0]))
    return found


def _caller_page(form: CallerForm, *, taken: bool = False, offers: Offers | None = None) -> str:
    services = finding.services(db.session())
    return render_template(
        "staff/book.html",
        form=form,
        services=services,
        practitioners=_colleagues(),
        anyone=own_practitioner() is None,
        offers=offers,
        waiting=_waiting(offers, form.practitioner.data or "") if offers else [],
        gap={name: request.args.get(name) for name in GAP},
        taken=taken,
        nearest=_nearest(services, form) if taken else [],
        reasons=_reasons(services, form) if taken else [],
    )


def _colleagues() -> list[Practitioner]:
    """With whom who asks may book somebody."""
    return [each for each in agenda.practitioners(db.session()) if is_mine(each.id)]


def _nearest(services: list[HealthcareService], form: CallerForm) -> list[Slot]:
    service = _service(services, form)
    who = form.practitioner.data or None
    return alternatives(service, who, form.start) if service else []


def _reasons(services: list[HealthcareService], form: CallerForm) -> list[tuple[str, Reason]]:
    """Why it cannot begin then, with whom was asked for."""
    service, who = _service(services, form), form.practitioner.data
    if service is None:
        return []
    day = form.start.astimezone(clinic().zone).date()
    return [
        (each.practitioner.name, stretch.reason)
        for each in explanations(
            db.session(), clinic(), service, day, now=now(), anyway=bool(form.anyway.data)
        )
        for stretch in each.spans
        if stretch.reason and who in ("", each.practitioner.slug)
        if stretch.span.start <= form.start < stretch.span.until
    ]


def _service(services: list[HealthcareService], form: CallerForm) -> HealthcareService | None:
    return next((each for each in services if each.slug == form.service.data), None)
