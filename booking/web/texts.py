"""The staff's pages of the clinic's words, with what a calendar will show of them."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.models import Clinic, HealthcareService
from booking.models.database import db, transaction
from booking.services import clinic_settings, texts
from booking.services.texts import Shown
from booking.web.schedule import the_act
from booking.web.schedule_forms import ClinicTextsForm, ServiceTextsForm
from booking.web.state import booking, clinic, now
from booking.web.translating import in_languages, twin

bp = Blueprint("texts", __name__, url_prefix="/staff/schedule/texts")


@bp.get("/")
def page() -> ResponseReturnValue:
    """The clinic's own words, and the way to those of each service."""
    return _clinic_page(in_languages(ClinicTextsForm, obj=clinic()))


@bp.post("/")
def change() -> ResponseReturnValue:
    """Say it so from now on."""
    form = in_languages(ClinicTextsForm)
    if not form.validate_on_submit():
        return _clinic_page(form), 422
    with transaction() as session:
        texts.change_clinic(session, session.get_one(Clinic, 1), form.texts(), act=the_act())
    flash("Saved.")
    return redirect(url_for(".page"), 303)


@bp.get("/<slug>")
def service_form(slug: str) -> ResponseReturnValue:
    """What is said of one service."""
    service = _service(slug)
    return _service_page(service, in_languages(ServiceTextsForm, obj=service))


@bp.post("/<slug>")
def service_change(slug: str) -> ResponseReturnValue:
    """Say it so from now on, or show first what a calendar would make of it."""
    form = in_languages(ServiceTextsForm)
    if not form.validate_on_submit():
        return _service_page(_service(slug), form), 422
    if "save" not in request.form:
        return _service_page(_service(slug), form)
    with transaction() as session:
        texts.change_service(session, _service(slug), form.texts(), act=the_act())
    flash("Saved.")
    return redirect(url_for(".service_form", slug=slug), 303)


def _clinic_page(form: ClinicTextsForm) -> str:
    services = clinic_settings.services(db.session())
    return render_template(
        "staff/schedule/texts.html", form=form, services=services, texts_lack=texts.lacks
    )


def _service_page(service: HealthcareService, form: ServiceTextsForm) -> str:
    return render_template(
        "staff/schedule/service_texts.html",
        service=service,
        form=form,
        shown=_shown(service, form, clinic().language),
        shown_elsewhere=[
            (each.name, _shown(service, form, each.tag)) for each in form.in_other_languages()
        ],
    )


def _shown(service: HealthcareService, form: ServiceTextsForm, language: str) -> Shown:
    """What a calendar will show of an appointment in a language, with the titles of the form."""
    own = service.event_title if form.event_title.errors else form.event_title.data or ""
    field = form[twin("event_title", language)] if language in form.languages else form.event_title
    title = own if field.errors else (field.data or "").strip() or own
    return texts.calendar_shows(
        clinic(),
        service,
        title,
        language=language,
        mail_from=booking().settings.mail_from,
        now=now(),
    )


def _service(slug: str) -> HealthcareService:
    found = [each for each in clinic_settings.services(db.session()) if each.slug == slug]
    if not found:
        abort(404)
    return found[0]
