"""The staff's pages of the rooms."""

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.models import Room
from booking.models.database import db, transaction
from booking.services import clinic_settings, rooms, schedules
from booking.services.rooms import StillBooked
from booking.web.clinic_forms import RoomForm
from booking.web.forms import ButtonForm
from booking.web.schedule import carried, shown, the_act

bp = Blueprint("rooms", __name__, url_prefix="/staff/schedule/rooms")


@bp.get("/")
def page() -> ResponseReturnValue:
    """All rooms, with where they are and what takes them."""
    session = db.session()
    services = clinic_settings.services(session)
    found = rooms.rooms(session)
    return render_template(
        "staff/schedule/rooms.html",
        rooms=found,
        places={each.id: each.name for each in schedules.locations(session)},
        taken_by={each.id: [s.name for s in services if each in s.resources] for each in found},
    )


@bp.get("/new")
def add_form() -> ResponseReturnValue:
    """The form for another."""
    return _form_page(_form(), None)


@bp.post("/new")
def add() -> ResponseReturnValue:
    """Add it."""
    form = _form()
    if not form.validate_on_submit():
        return _form_page(form, None), 422
    with transaction() as session:
        rooms.add_room(session, form.details(), act=the_act())
    flash("Added. Now tick it in the rules of the services that take place in it.")
    return redirect(url_for(".page"), 303)


@bp.get("/<slug>")
def change_form(slug: str) -> ResponseReturnValue:
    """One room, to be changed."""
    room = _room(slug)
    return _form_page(_form(obj=room, data={"location": str(room.location_id or "")}), room)


@bp.post("/<slug>")
def change(slug: str) -> ResponseReturnValue:
    """Change it, or ask first about the appointments in it."""
    room, form = _room(slug), _form()
    if not form.validate_on_submit():
        return _form_page(form, room), 422
    if "back" in request.form:
        return _form_page(form, room)
    known = request.form.getlist("shown")
    try:
        with transaction() as session:
            rooms.change_room(session, _room(slug), form.details(), known=known, act=the_act())
    except StillBooked as question:
        return _question(_room(slug), question)
    flash("Saved.")
    return redirect(url_for(".page"), 303)


def _question(room: Room, question: StillBooked) -> ResponseReturnValue:
    """Show who lies in it, with the form for the second post."""
    asked_before = "shown" in request.form
    page = render_template(
        "staff/schedule/room_question.html",
        room=room,
        hit=shown(question.references),
        carried=[each for each in carried() if each[0] != "shown"],
        asked_before=asked_before,
        button=ButtonForm(),
    )
    return page, 409 if asked_before else 200


def _form(**more: Any) -> RoomForm:
    return RoomForm(schedules.locations(db.session()), **more)


def _form_page(form: RoomForm, room: Room | None) -> str:
    return render_template("staff/schedule/room.html", form=form, room=room)


def _room(slug: str) -> Room:
    found = rooms.room(db.session(), slug)
    if found is None:
        abort(404)
    return found
