"""The second step after the password, and proving again who one is before what matters most."""

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user
from flask_security.utils import verify_password
from sqlalchemy.orm import Session

from booking.models.database import db, transaction
from booking.services import accounts, second_steps
from booking.services.passkeys import PasskeyRefused
from booking.services.people import Deed
from booking.services.second_steps import Proof
from booking.web import passkeys, sessions
from booking.web.forms import ButtonForm
from booking.web.gate import signed_in_name
from booking.web.limits import limit_codes, limit_sign_ins
from booking.web.passwords import normal, renew_if_former
from booking.web.state import booking, now
from booking.web.step_forms import NO_ANSWER, CodeForm, ConfirmForm, PasskeyForm

bp = Blueprint("steps", __name__, url_prefix="/staff/account")

WRONG_CODE = "This code is not right, or was used already. Wait for the next one, then try again."
WRONG_PASSWORD = "That is not your password."  # noqa: S105 (a sentence)
TOO_MANY = "That was wrong too often, so you are signed out. Sign in again."


@bp.get("/step")
def page() -> ResponseReturnValue:
    """Where the code is asked for, or a passkey."""
    return _onwards() if sessions.is_whole() else _step(CodeForm())


@bp.post("/step")
@limit_codes
def code() -> ResponseReturnValue:
    """Take the code: 303 onwards, 422 if it is wrong; a few wrong ones end the session."""
    if sessions.is_whole():
        return _onwards()
    form = CodeForm()
    if not form.validate_on_submit():
        return _step(form), 422
    ended = False
    with transaction() as work:
        accounts.hold(work, sessions.key())  # guesses are looked at one by one
        user = second_steps.owner(work, signed_in_name())
        proof = second_steps.take_code(work, user, form.code.checked, deed())
        if proof is Proof.NOTHING:
            ended = _count_wrong(work, "code")
        else:
            sessions.proved(work, second_step=True)
            left = second_steps.codes_left(work, user)
    if proof is Proof.NOTHING:
        form.code.errors = [WRONG_CODE]
        return _signed_out() if ended else (_step(form), 422)
    if proof is Proof.RECOVERY_CODE:
        flash(f"You used a recovery code; {left} are left. Make new ones on your account page.")
    return _onwards()


@bp.post("/step/passkey")
@limit_codes
def passkey() -> ResponseReturnValue:
    """Take a passkey instead: 303 onwards, 422 if it is not taken."""
    if sessions.is_whole():
        return _onwards()
    form = CodeForm()
    if _took_passkey(second_step=True):
        return _onwards()
    form.code.errors = [NO_ANSWER]
    return _step(form), 422


@bp.get("/confirm")
def confirm_form() -> ResponseReturnValue:
    """Ask for the password again, or for a passkey."""
    return _confirm(ConfirmForm())


@bp.post("/confirm")
@limit_sign_ins
def confirm() -> ResponseReturnValue:
    """Go on where one was stopped: 303, 422 if the password is wrong."""
    form = ConfirmForm()
    if form.validate_on_submit():
        renew_if_former(signed_in_name(), form.password.data or "")
        known = str(current_user.password)
        if verify_password(normal(form.password.data or ""), known):
            with transaction() as work:
                sessions.proved(work)
                sessions.note(work, "session.confirm", signed_in_name(), fields=("password",))
            return _onwards()
        with transaction() as work:
            ended = _count_wrong(work, "password")
        if ended:
            return _signed_out()
        form.password.errors = [WRONG_PASSWORD]
    return _confirm(form), 422


@bp.post("/confirm/passkey")
@limit_sign_ins
def confirm_passkey() -> ResponseReturnValue:
    """The same by a passkey."""
    if _took_passkey(second_step=False):
        return _onwards()
    form = ConfirmForm()
    form.password.errors = [NO_ANSWER]
    return _confirm(form), 422


def deed() -> Deed:
    """Who acts here, and when."""
    return Deed(signed_in_name(), now(), booking().house)


def _took_passkey(*, second_step: bool) -> bool:
    form = PasskeyForm()
    if not form.validate_on_submit():
        return False
    me = signed_in_name()
    try:
        with transaction() as work:
            user = passkeys.prove(work, form)
            if user.email != me:
                raise PasskeyRefused
            sessions.proved(work, second_step=second_step)
            if second_step:
                second_steps.note_passkey_used(work, user, deed())
            else:
                sessions.note(work, "session.confirm", me, fields=("passkey",))
    except PasskeyRefused:
        passkeys.note_failure(f"person-{current_user.id}", "passkey")
        return False
    return True


def _count_wrong(work: Session, what: str) -> bool:
    """Count a wrong answer, here and for the limits; whether it has ended the session."""
    g.wrong_answer = True
    ended = accounts.note_wrong_answer(work, sessions.key())
    subject = f"person-{current_user.id}"
    sessions.note(work, "sign_in.failed", "system", subject=subject, fields=(what,))
    return ended


def _signed_out() -> ResponseReturnValue:
    session.clear()
    flash(TOO_MANY)
    return redirect(url_for("security.login"), 303)


def _step(form: CodeForm) -> str:
    has_passkeys = bool(second_steps.passkeys_of(db.session(), current_user))
    return render_template(
        "staff/step.html",
        form=form,
        has_app=current_user.app_sealed is not None,
        has_passkeys=has_passkeys,
        **_around(),
    )


def _confirm(form: ConfirmForm) -> str:
    has_passkeys = bool(second_steps.passkeys_of(db.session(), current_user))
    return render_template(
        "staff/confirm.html",
        form=form,
        address=signed_in_name(),
        has_passkeys=has_passkeys and sessions.is_whole(),
        **_around(),
    )


def _around() -> dict[str, object]:
    return {
        "next": sessions.safe_path(_asked_for()),
        "button": ButtonForm(formdata=None),
        "origin": booking().settings.passkey_origin,
    }


def _onwards() -> ResponseReturnValue:
    return redirect(sessions.safe_path(_asked_for()), 303)


def _asked_for() -> str | None:
    return request.form.get("next") or request.args.get("next")
