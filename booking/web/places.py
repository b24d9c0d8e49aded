"""The staff's pages of the places where patients are met."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.models import Location
from booking.models.database import db, transaction
from booking.services import clinic_settings, places, schedules
from booking.services.places import TellsPatients
from booking.web.clinic_forms import PlaceForm
from booking.web.forms import ButtonForm
from booking.web.schedule import carried, shown, the_act
from booking.web.state import booking
from booking.web.translating import in_languages

bp = Blueprint("places", __name__, url_prefix="/staff/schedule/places")


@bp.get("/")
def page() -> ResponseReturnValue:
    """All places, with what is met there."""
    session = db.session()
    services = clinic_settings.services(session)
    found = schedules.locations(session)
    return render_template(
        "staff/schedule/places.html",
        places=found,
        met={
            each.id: [s.name for s in services if s.mode == "in_person" and s.location is each]
            for each in found
        },
    )


@bp.get("/new")
def add_form() -> ResponseReturnValue:
    """The form for another."""
    return _form_page(in_languages(PlaceForm), None)


@bp.post("/new")
def add() -> ResponseReturnValue:
    """Add it."""
    form = in_languages(PlaceForm)
    if not form.validate_on_submit():
        return _form_page(form, None), 422
    with transaction() as session:
        places.add_place(session, form.details(), act=the_act())
    flash("Added. Now choose it in the rules of services, and in opening hours.")
    return redirect(url_for(".page"), 303)


@bp.get("/<int(max=2147483647):number>")
def change_form(number: int) -> ResponseReturnValue:
    """One place, to be changed."""
    place = _place(number)
    return _form_page(in_languages(PlaceForm, obj=place), place)


@bp.post("/<int(max=2147483647):number>")
def change(number: int) -> ResponseReturnValue:
    """Change it, or ask first, if patients will be told."""
    place, form = _place(number), in_languages(PlaceForm)
    if not form.validate_on_submit():
        return _form_page(form, place), 422
    if "back" in request.form:
        return _form_page(form, place)
    seen, house = request.form.get("seen", ""), booking().house
    try:
        with transaction() as session:
            told = places.change_place(
                session, _place(number), form.details(), house, seen=seen, act=the_act()
            )
    except TellsPatients as question:
        return _question(form, _place(number), question)
    flash("Saved. Who has an appointment there is being told by email." if told else "Saved.")
    return redirect(url_for(".page"), 303)


def _question(form: PlaceForm, place: Location, question: TellsPatients) -> ResponseReturnValue:
    """Say who will be told, with the form for the second post."""
    asked_before = "seen" in request.form
    page = render_template(
        "staff/schedule/place_question.html",
        place=place,
        address=form.details().address,
        concerned=question.concerned,
        to_call=shown(question.concerned.to_call),
        seen=places.fingerprint(place, form.details()),
        carried=carried(),
        asked_before=asked_before,
        button=ButtonForm(),
    )
    return page, 409 if asked_before else 200


def _form_page(form: PlaceForm, place: Location | None) -> str:
    return render_template("staff/schedule/place.html", form=form, place=place)


def _place(number: int) -> Location:
    found = db.session().get(Location, number)
    if found is None:
        abort(404)
    return found
