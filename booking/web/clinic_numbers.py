"""The staff's page of the clinic's habits."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from booking.models import Clinic
from booking.models.database import transaction
from booking.services import clinic_numbers
from booking.web.clinic_forms import ClinicNumbersForm
from booking.web.schedule import the_act
from booking.web.state import clinic

bp = Blueprint("clinic_numbers", __name__, url_prefix="/staff/schedule/clinic")


@bp.get("/")
def page() -> ResponseReturnValue:
    """What holds for the whole clinic."""
    return _page(ClinicNumbersForm(obj=clinic()))


@bp.post("/")
def change() -> ResponseReturnValue:
    """Let it be so from now on."""
    form = ClinicNumbersForm()
    if not form.validate_on_submit():
        return _page(form), 422
    with transaction() as session:
        house = session.get_one(Clinic, 1)
        clinic_numbers.change_numbers(session, house, form.numbers(), act=the_act())
    flash("Saved.")
    return redirect(url_for(".page"), 303)


def _page(form: ClinicNumbersForm) -> str:
    return render_template("staff/schedule/clinic.html", form=form, house=clinic())
