"""The staff's pages of the services: by which rules each is booked.

A change is shown before it is made, as with hours: the same form is sent twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.openings import local_day
from booking.domain.timeline import Span
from booking.models import HealthcareService
from booking.models.database import db, transaction
from booking.services import clinic_settings, closures, schedules, service_rules
from booking.services.schedules import ChangedMeanwhile
from booking.services.service_rules import ServiceRules
from booking.web import fields
from booking.web.forms import ButtonForm
from booking.web.schedule import FORESEEN, carried, shown, the_act
from booking.web.service_forms import (
    A_NEW_ONE,
    VISIBILITIES,
    RulesForm,
    as_typed,
    in_words,
)
from booking.web.state import booking, clinic, now

bp = Blueprint("services", __name__, url_prefix="/staff/schedule/services")


@dataclass(frozen=True)
class Difference:
    """One rule that would be another, in words."""

    label: str
    before: str
    after: str


@bp.get("/")
def page() -> ResponseReturnValue:
    """All services in their order."""
    return render_template(
        "staff/schedule/services.html",
        services=clinic_settings.services(db.session()),
        VISIBILITIES=VISIBILITIES,
    )


@bp.get("/new")
def add_form() -> ResponseReturnValue:
    """The form for another."""
    last = len(clinic_settings.services(db.session())) + 1
    given = {"position": str(last)}
    match schedules.locations(db.session()):
        case [only]:
            given["location"] = str(only.id)
    return _form_page(_new_form(data=A_NEW_ONE | given), None)


@bp.post("/new")
def add() -> ResponseReturnValue:
    """Add it, once what it would offer was seen; 303 to its texts."""
    form = _new_form()
    if not form.validate_on_submit():
        return _form_page(form, None), 422
    if "back" in request.form:
        return _form_page(form, None)
    if "save" not in request.form:
        return _preview(form, None)
    try:
        with transaction() as session:
            made = service_rules.add_service(
                session, form.name.checked, form.rules(), seen=_seen(), act=the_act()
            )
            slug = made.slug
    except ChangedMeanwhile:
        return _preview(form, None, stale=True), 409
    flash("Added. Now say what patients read of it.")
    return redirect(url_for("texts.service_form", slug=slug), 303)


@bp.get("/<slug>")
def rules_form(slug: str) -> ResponseReturnValue:
    """The rules of one service, to be changed."""
    service = _service(slug)
    rules = service_rules.rules_of(db.session(), service)
    return _form_page(_form(service, data=as_typed(rules)), service)


@bp.post("/<slug>")
def rules(slug: str) -> ResponseReturnValue:
    """Change them, once what that does was seen."""
    service = _service(slug)
    form = _form(service)
    if not form.validate_on_submit():
        return _form_page(form, service), 422
    if "back" in request.form:
        return _form_page(form, service)
    if "save" not in request.form:
        return _preview(form, service)
    try:
        with transaction() as session:
            told = service_rules.change_rules(
                session, _service(slug), form.rules(), booking().house, seen=_seen(), act=the_act()
            )
    except ChangedMeanwhile:
        return _preview(form, _service(slug), stale=True), 409
    flash("Saved. Who has an appointment is being told by email." if told else "Saved.")
    return redirect(url_for(".page"), 303)


def _preview(form: RulesForm, service: HealthcareService | None, *, stale: bool = False) -> str:
    """What would be offered over two weeks, with the form in it for the second post."""
    session, house, then = db.session(), clinic(), form.rules()
    before = service_rules.rules_of(session, service) if service else None
    first = fields.date_or_none(request.form.get("first")) or now().astimezone(house.zone).date()
    start = local_day(first, house.zone).start
    span = Span(start, start + FORESEEN)
    foreseen = service_rules.foresee(session, house, service, then, span, now=now())
    return render_template(
        "staff/schedule/service_preview.html",
        service=service,
        name=service.name if service else form["name"].data,
        foreseen=foreseen,
        to_call=shown(foreseen.concerned.to_call) if foreseen.concerned else [],
        differences=_differences(form, before, then) if before else [],
        first=first,
        last=first + FORESEEN - timedelta(days=1),
        seen=service_rules.fingerprint(before, then),
        rules=then,
        stale=stale,
        carried=carried(),
        button=ButtonForm(),
    )


def _differences(form: RulesForm, before: ServiceRules, then: ServiceRules) -> list[Difference]:
    stored = as_typed(before)
    return [
        Difference(form[name].label.text, in_words(form, name, stored), in_words(form, name))
        for name in service_rules.differences(before, then)
    ]


def _form_page(form: RulesForm, service: HealthcareService | None) -> str:
    return render_template("staff/schedule/service.html", form=form, service=service)


def _form(service: HealthcareService, **more: Any) -> RulesForm:
    others = [each for each in clinic_settings.services(db.session()) if each.id != service.id]
    return RulesForm(*_choices(), others, fresh=False, **more)


def _new_form(**more: Any) -> RulesForm:
    return RulesForm(*_choices(), clinic_settings.services(db.session()), fresh=True, **more)


def _choices() -> tuple[Sequence[Any], Sequence[Any]]:
    session = db.session()
    return schedules.locations(session), closures.resources(session)


def _seen() -> str:
    return request.form.get("seen", "")


def _service(slug: str) -> HealthcareService:
    found = clinic_settings.services(db.session())
    service = next((each for each in found if each.slug == slug), None)
    if service is None:
        abort(404)
    return service
