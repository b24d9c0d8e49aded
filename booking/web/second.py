"""Setting up a second step, and taking it away: an authenticator app, passkeys, recovery codes."""

from collections.abc import Callable
from io import BytesIO

import segno
from cryptography.fernet import InvalidToken
from flask import Blueprint, Response, abort, flash, redirect, render_template, session, url_for
from flask import request as asked
from flask.typing import ResponseReturnValue
from flask_security import current_user
from sqlalchemy.orm import Session

from booking.models import User
from booking.models.database import db, transaction
from booking.services import accounts, second_steps
from booking.services import passkeys as made_passkeys
from booking.services.passkeys import PasskeyRefused
from booking.services.second_steps import LastSecondStep, SecondStepFirst, UnknownSecondStep
from booking.web import passkeys, sessions
from booking.web.devices import device_of
from booking.web.forms import ButtonForm
from booking.web.gate import signed_in_name
from booking.web.sessions import APP_SECRET, CODES
from booking.web.state import booking, clinic, now
from booking.web.step_forms import NO_ANSWER, CodeForm, NewPasskeyForm
from booking.web.steps import deed

bp = Blueprint("second", __name__, url_prefix="/staff/account")

Act = Callable[[Session, User], None]
WRONG_CODE = "This is not the code that the app shows now. Check the clock of the phone, try again."
CODES_LIFE = 15 * 60
"""Seconds for which new recovery codes can be looked at."""
THE_LAST = "Nothing was changed: everybody here has a second step. Add another one first."


@bp.get("/second-step")
def choose() -> ResponseReturnValue:
    """Which kind it is to be."""
    return render_template("staff/second_step.html", **_around())


@bp.get("/app")
def app() -> ResponseReturnValue:
    """The picture for the app, and the field for its first code."""
    return _app_page(CodeForm())


@bp.get("/app/picture.svg")
def picture() -> ResponseReturnValue:
    """The secret as an app reads it: a file of our own, never kept, since pages hold no data."""
    address = second_steps.app_address(_secret(), signed_in_name(), clinic().neutral_name)
    drawn = BytesIO()
    segno.make_qr(address).save(drawn, kind="svg", scale=6, dark="#000", light="#fff")
    return Response(drawn.getvalue(), content_type="image/svg+xml")


@bp.post("/app")
def add_app() -> ResponseReturnValue:
    """Take the app once it has shown a right code: 303 onwards, 422 if it has not."""
    form = CodeForm()
    if not form.validate_on_submit():
        return _app_page(form), 422
    try:
        with transaction() as work:
            user = _owner(work)
            taken = second_steps.add_app(work, user, _secret(), form.code.checked, deed())
            codes = _added(work, user) if taken else []
    except SecondStepFirst:
        return redirect(url_for("steps.page"), 303)
    if not taken:
        form.code.errors = [WRONG_CODE]
        return _app_page(form), 422
    session.pop(APP_SECRET, None)
    return _onwards(codes)


@bp.post("/app/remove")
def remove_app() -> ResponseReturnValue:
    """Ask for its codes no more."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    return _remove(lambda work, user: second_steps.remove_app(work, user, deed(), **_required()))


@bp.get("/passkeys/new")
def passkey() -> ResponseReturnValue:
    """The form for a passkey, which a script of ours has the browser make."""
    device = device_of(asked.headers.get("User-Agent", ""))
    return _passkey_page(NewPasskeyForm(data={"name": device}))


@bp.get("/passkeys/new/options")
def passkey_options() -> ResponseReturnValue:
    """What the browser is to make, as JSON."""
    known = second_steps.passkeys_of(db.session(), current_user)
    challenge = passkeys.new_challenge()
    options = made_passkeys.options_to_make(passkeys.site(), current_user, challenge, known)
    return passkeys.as_json(options)


@bp.post("/passkeys/new")
def add_passkey() -> ResponseReturnValue:
    """Take what the browser has made: 303 onwards, 422 if it is not right."""
    form = NewPasskeyForm()
    if not form.validate_on_submit():
        return _passkey_page(form), 422
    try:
        with transaction() as work:
            user, site = _owner(work), passkeys.site()
            challenge, answer = passkeys.challenge(), form.answer.data or ""
            made = made_passkeys.made(work, site, answer, challenge, now=now())
            second_steps.add_passkey(work, user, made, form.name.checked, deed())
            codes = _added(work, user)
    except SecondStepFirst:
        return redirect(url_for("steps.page"), 303)
    except PasskeyRefused:
        form.answer.errors = [NO_ANSWER]
        return _passkey_page(form), 422
    return _onwards(codes)


@bp.post("/passkeys/<int(max=2147483647):number>/remove")
def remove_passkey(number: int) -> ResponseReturnValue:
    """Take it no more."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    return _remove(
        lambda work, user: second_steps.remove_passkey(work, user, number, deed(), **_required())
    )


@bp.get("/recovery")
def codes() -> ResponseReturnValue:
    """The new recovery codes, until one says that they are kept; then never again."""
    shown = _codes_to_show()
    if not shown:
        return redirect(url_for("account.page"))
    return render_template("staff/recovery.html", codes=shown, **_around())


@bp.post("/recovery")
def new_codes() -> ResponseReturnValue:
    """Make new recovery codes; those from before end."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    with transaction() as work:
        user = second_steps.owner(work, signed_in_name())
        made = second_steps.new_codes(work, user, deed()) if second_steps.exists(work, user) else []
    return _onwards(made)


@bp.post("/recovery/kept")
def codes_kept() -> ResponseReturnValue:
    """They are kept elsewhere now: forget them."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    session.pop(CODES, None)
    return redirect(url_for("staff.upcoming"), 303)


def _owner(work: Session) -> User:
    """Who sets up a second step, locked.

    Raises:
        SecondStepFirst: if there is one already, which this session has not taken.
    """
    accounts.hold(work, sessions.key())  # the session before its owner, as everywhere
    user = second_steps.owner(work, signed_in_name())
    if not sessions.is_whole() and second_steps.exists(work, user):
        raise SecondStepFirst
    return user


def _added(work: Session, user: User) -> list[str]:
    """The session is whole from now on; the recovery codes, where there are none yet."""
    sessions.proved(work, second_step=True)
    return [] if second_steps.codes_left(work, user) else second_steps.new_codes(work, user, deed())


def _onwards(codes: list[str]) -> ResponseReturnValue:
    if not codes:
        flash("Your second step is set up.")
        return redirect(url_for("account.page"), 303)
    session[CODES] = _seal("\n".join(codes))
    return redirect(url_for(".codes"), 303)


def _remove(act: Act) -> ResponseReturnValue:
    told = "Removed."
    try:
        with transaction() as work:
            act(work, second_steps.owner(work, signed_in_name()))
    except LastSecondStep:
        told = THE_LAST
    except UnknownSecondStep:
        abort(404)
    flash(told)
    return redirect(url_for("account.page"), 303)


def _required() -> dict[str, bool]:
    return {"required": booking().settings.two_steps}


def _secret() -> str:
    """The secret that is being set up: sealed in the cookie, so that looking stores nothing."""
    seal = booking().house.keys.second_step_seal
    try:
        return seal.decrypt(session.get(APP_SECRET, "")).decode()
    except InvalidToken:
        secret = second_steps.new_app_secret()
        session[APP_SECRET] = _seal(secret)
        return secret


def _seal(text: str) -> str:
    seal = booking().house.keys.second_step_seal
    return seal.encrypt_at_time(text.encode(), int(now().timestamp())).decode()


def _codes_to_show() -> list[str]:
    seal = booking().house.keys.second_step_seal
    at = int(now().timestamp())
    try:
        text = seal.decrypt_at_time(session.get(CODES, ""), ttl=CODES_LIFE, current_time=at)
    except InvalidToken:
        return []
    return text.decode().split("\n")


def _app_page(form: CodeForm) -> str:
    secret = _secret()
    groups = [secret[each : each + 4] for each in range(0, len(secret), 4)]
    return render_template("staff/app.html", form=form, secret=" ".join(groups), **_around())


def _passkey_page(form: NewPasskeyForm) -> str:
    return render_template("staff/passkey.html", form=form, **_around())


def _around() -> dict[str, object]:
    return {
        "button": ButtonForm(formdata=None),
        "whole": sessions.is_whole(),
        "origin": booking().settings.passkey_origin,
        "works_here": passkeys.work_here(),
    }
