"""The page of keys: which other programs of the clinic may ask here, and for what."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from booking.models import ApiKey
from booking.models.database import db, transaction
from booking.services import api_keys
from booking.services.api_keys import NameTaken, RenewedMeanwhile, UnknownKey
from booking.services.people import Deed
from booking.web.forms import ButtonForm
from booking.web.gate import signed_in_name
from booking.web.program_forms import SCOPES, KeyForm, RenewForm
from booking.web.state import booking, clinic, now

bp = Blueprint("keys", __name__, url_prefix="/staff/keys")

ONE = "/<int(max=2147483647):number>"


@bp.get("/")
def page() -> ResponseReturnValue:
    """Every key, with what it may do and whether it is used."""
    found = api_keys.keys(db.session())
    return render_template(
        "staff/keys.html",
        keys=found,
        states={each.id: api_keys.state(each, now=now()) for each in found},
        scopes=SCOPES,
        button=ButtonForm(),
    )


@bp.get("/new")
def make_form() -> ResponseReturnValue:
    """The form for a new key."""
    return render_template("staff/key_make.html", form=_form())


@bp.post("/new")
def make() -> ResponseReturnValue:
    """Make it and show it this once; 422 if the form is wrong.

    The answer is the page itself, so that the key is kept nowhere on its way; sent again, it finds
    its name taken.
    """
    form = _form()
    if form.validate_on_submit():
        try:
            with transaction() as session:
                made, token = api_keys.make(session, form.key(), _deed())
                return _shown(made, token)
        except NameTaken:
            form.name.errors = [
                "There is or was a key of this name. The audit trail needs another."
            ]
    return render_template("staff/key_make.html", form=form), 422


@bp.get(f"{ONE}/renew")
def renew_form(number: int) -> ResponseReturnValue:
    """The question when the key before is to end."""
    found = _key(number)
    return _renew_page(found, RenewForm(data={"seen": found.renewed_at.isoformat()}))


@bp.post(f"{ONE}/renew")
def renew(number: int) -> ResponseReturnValue:
    """Make another and show it this once; what was renewed meanwhile is left alone."""
    form = RenewForm()
    if not form.validate_on_submit():
        return _renew_page(_key(number), form), 422
    try:
        with _known(), transaction() as session:
            made, token = api_keys.renew(session, number, form.last, form.overlap_wanted, _deed())
            return _shown(made, token)
    except RenewedMeanwhile:
        flash("Nothing was changed: the key was renewed meanwhile.")
        return redirect(url_for(".page"), 303)


@bp.post(f"{ONE}/end")
def end(number: int) -> ResponseReturnValue:
    """End it at once and for good."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    with _known(), transaction() as session:
        api_keys.end(session, number, _deed())
    flash("Ended. Whatever asks with this key is refused from now on.")
    return redirect(url_for(".page"), 303)


@contextmanager
def _known() -> Iterator[None]:
    """404 for a key that is not there, or has ended."""
    try:
        yield
    except UnknownKey:
        abort(404)


def _key(number: int) -> ApiKey:
    with _known():
        return api_keys.key(db.session(), number)


def _shown(made: ApiKey, token: str) -> str:
    return render_template("staff/key_made.html", key=made, token=token)


def _renew_page(found: ApiKey, form: RenewForm) -> str:
    works = api_keys.state(found, now=now()) == "works"
    return render_template("staff/key_renew.html", key=found, form=form, works=works)


def _form() -> KeyForm:
    return KeyForm(zone=clinic().zone, today=now().astimezone(clinic().zone).date())


def _deed() -> Deed:
    return Deed(signed_in_name(), now(), booking().house)
