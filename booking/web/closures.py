"""The staff's pages of closures: what is closed, and what becomes of the appointments in it."""

from collections.abc import Sequence
from datetime import date

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.public_holidays import public_holidays
from booking.models import Appointment, Clinic, Closure
from booking.models.database import db, transaction
from booking.services import closures, worked_holidays
from booking.services.closures import Decision, Undecided
from booking.web import fields
from booking.web.clinic_forms import HolidaysForm
from booking.web.filters import date_text
from booking.web.forms import ButtonForm
from booking.web.schedule import the_act
from booking.web.schedule_forms import ClosureForm
from booking.web.state import booking, clinic, now
from booking.web.trail import saw

bp = Blueprint("closures", __name__, url_prefix="/staff/schedule/closures")

STILL_BOOKED = (
    "Nothing was changed: appointments are booked on that day. "
    "Close the day here, and decide about each."
)
STAYS_OPEN = (
    "Saved. People are booked on {}: the clinic is open then, though it is a holiday now. "
    "Close the day here if it shall not be."
)
CANCELLED = "Closed. Who was cancelled is told by email; whom to call instead stands below."


@bp.get("/")
def page() -> ResponseReturnValue:
    """What is closed now or will be."""
    session = db.session()
    return render_template(
        "staff/schedule/closures.html",
        closures=closures.closures(session, now=now()),
        names={each.id: each.name for each in closures.resources(session)},
        button=ButtonForm(),
    )


@bp.get("/new")
def closure_form() -> ResponseReturnValue:
    """The form for another; a link from the day fills in who and when."""
    return _form_page(_form(who=request.args.get("who", ""), first=request.args.get("first", "")))


@bp.post("/new")
def close() -> ResponseReturnValue:
    """Close: 303 to the closure, or first the question what becomes of appointments in it."""
    form = _form()
    if not form.validate_on_submit():
        return _form_page(form), 422
    if "back" in request.form:
        return _form_page(form)
    house = booking().house
    try:
        with transaction() as session:
            decisions = _decisions()
            made = closures.close(session, form.wanted(), decisions, house, act=the_act())
            number = made.id
    except Undecided as question:
        return _question(form, question.references)
    flash(CANCELLED if Decision.CANCEL in decisions.values() else "Closed.")
    return redirect(url_for(".closure", number=number), 303)


@bp.get("/<int(max=2147483647):number>")
def closure(number: int) -> ResponseReturnValue:
    """One closure, with the appointments in its time and whom to call."""
    session, found = db.session(), _closure(number)
    within = closures.within(session, found)
    _saw(within)
    names = {each.id: each.name for each in closures.resources(session)}
    return render_template(
        "staff/schedule/closure.html",
        closure=found,
        who=names.get(found.resource_id or 0),
        appointments=within,
        to_call=closures.to_call(session, within),
        button=ButtonForm(),
    )


@bp.post("/<int(max=2147483647):number>/remove")
def remove(number: int) -> ResponseReturnValue:
    """Open again."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    with transaction() as session:
        closures.open_again(session, _closure(number), act=the_act())
    flash("Removed: the time is offered again. What was cancelled stays cancelled.")
    return redirect(url_for(".page"), 303)


@bp.get("/holidays")
def holidays() -> ResponseReturnValue:
    """The public holidays to come, open or closed."""
    return _holidays_page(HolidaysForm(obj=clinic()))


@bp.post("/holidays")
def choose_holidays() -> ResponseReturnValue:
    """Keep those of another country or region."""
    form = HolidaysForm()
    if not form.validate_on_submit():
        return _holidays_page(form), 422
    with transaction() as session:
        house = session.get_one(Clinic, 1)
        country, region = form.country.data or "", form.region.data or None
        kept = worked_holidays.move_to(session, house, country, region, act=the_act())
    flash(STAYS_OPEN.format(", ".join(map(date_text, kept))) if kept else "Saved.")
    return redirect(url_for(".holidays"), 303)


@bp.post("/holidays/<on>/open")
def holiday_open(on: str) -> ResponseReturnValue:
    """Be open on a public holiday."""
    day = _holiday(on)
    with transaction() as session:
        worked_holidays.open_on(session, day, act=the_act())
    flash("Open: that day is offered as the opening hours say.")
    return redirect(url_for(".holidays"), 303)


@bp.post("/holidays/<on>/close")
def holiday_close(on: str) -> ResponseReturnValue:
    """Be closed on it after all, if nobody is booked by now."""
    day, house = _holiday(on), clinic()
    try:
        with transaction() as session:
            worked_holidays.close_on(session, house, day, act=the_act())
    except Undecided:
        flash(STILL_BOOKED)
        return redirect(url_for(".closure_form", first=day.isoformat()), 303)
    flash("Closed.")
    return redirect(url_for(".holidays"), 303)


def _holiday(on: str) -> date:
    """The public holiday of that date."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    day, house = fields.date_or_none(on), clinic()
    if day is None or day not in public_holidays(house.country, house.region, day.year):
        abort(404)
    return day


def _holidays_page(form: HolidaysForm) -> str:
    house = clinic()
    today = now().astimezone(house.zone).date()
    return render_template(
        "staff/schedule/holidays.html",
        holidays=worked_holidays.coming(db.session(), house, today=today),
        form=form,
        button=ButtonForm(),
    )


def _decisions() -> dict[str, Decision]:
    """What was said about each, by reference: one by one, or for all that were shown."""
    shown, for_all = request.form.getlist("shown"), request.form.get("for_all", "")
    said = {each: for_all or request.form.get(f"decide-{each}", "") for each in shown}
    return {each: Decision(what) for each, what in said.items() if what in set(Decision)}


def _question(form: ClosureForm, references: list[str]) -> ResponseReturnValue:
    """Ask what becomes of each; what was said already stays said."""
    hit = closures.appointments(db.session(), references)
    _saw(hit)
    asked_before = "shown" in request.form
    page = render_template(
        "staff/schedule/closing.html",
        form=form,
        hit=hit,
        decisions=_decisions(),
        asked_before=asked_before,
    )
    return page, 422 if asked_before else 200


def _saw(appointments: Sequence[Appointment]) -> None:
    for each in appointments:
        saw("appointment.read", each.reference)


def _form(**given: str) -> ClosureForm:
    return ClosureForm(closures.resources(db.session()), clinic().zone, data=given or None)


def _form_page(form: ClosureForm) -> str:
    return render_template("staff/schedule/closure_form.html", form=form)


def _closure(number: int) -> Closure:
    found = db.session().get(Closure, number)
    if found is None:
        abort(404)
    return found
