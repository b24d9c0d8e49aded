"""The staff's pages of how long personal data are kept, and of erasing those of one appointment."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.refusals import WrongState
from booking.models import Appointment, Clinic
from booking.models.database import db, transaction
from booking.services import retention
from booking.web.clinic_forms import RetentionForm
from booking.web.forms import ButtonForm
from booking.web.gate import signed_in_name, visible_appointment
from booking.web.schedule import the_act
from booking.web.state import booking, clinic, now

bp = Blueprint("retention", __name__, url_prefix="/staff")


@bp.get("/schedule/data/")
def rules_form() -> ResponseReturnValue:
    """How long personal data are kept, and what goes next."""
    return _rules_page(RetentionForm(obj=clinic()))


@bp.post("/schedule/data/")
def rules() -> ResponseReturnValue:
    """Show what other rules would erase, then let them be so."""
    form = RetentionForm()
    if not form.validate_on_submit():
        return _rules_page(form), 422
    if request.form.get("save") != _seen(form.rules()):  # only what was shown is saved
        return _rules_page(form, shown=form.rules())
    with transaction() as session:
        house = session.get_one(Clinic, 1)
        retention.change_rules(session, house, form.rules(), act=the_act())
    flash("Saved.")
    return redirect(url_for(".rules_form"), 303)


@bp.get("/appointments/<reference>/erase")
def one_form(reference: str) -> ResponseReturnValue:
    """The question before the data of one appointment go."""
    return _one_page(visible_appointment(db.session(), reference), ButtonForm())


@bp.post("/appointments/<reference>/erase")
def one(reference: str) -> ResponseReturnValue:
    """Erase them now: 303 to the appointment, 409 while something is in the way."""
    button = ButtonForm()
    found = visible_appointment(db.session(), reference)
    if not button.validate_on_submit():
        return _one_page(found, button), 422
    try:
        with transaction() as session:
            found = visible_appointment(session, reference)
            retention.erase(session, found, booking().house, actor=signed_in_name(), now=now())
    except WrongState:
        return _one_page(visible_appointment(db.session(), reference), button), 409
    flash("Erased.")
    return redirect(url_for("staff.appointment", reference=reference), 303)


def _rules_page(form: RetentionForm, shown: retention.Rules | None = None) -> str:
    session = db.session()
    return render_template(
        "staff/schedule/data.html",
        form=form,
        next=retention.forecast(session, retention.rules_of(clinic()), now=now()),
        shown=retention.forecast(session, shown, now=now()) if shown else None,
        seen=_seen(shown) if shown else "",
        house=clinic(),
    )


def _one_page(found: Appointment, button: ButtonForm) -> str:
    hindrance = retention.hindrance(db.session(), found, now=now())
    return render_template("staff/erase.html", appointment=found, form=button, hindrance=hindrance)


def _seen(rules: retention.Rules) -> str:
    """What the button to save says of the rules whose outcome was shown beside it."""
    return f"{rules.erase_after_days} {rules.erase_on_wish_after_days}"
