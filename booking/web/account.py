"""One's own account: second steps, where one is signed in, and another password."""

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user
from flask_security.utils import hash_password, verify_password
from sqlalchemy.orm import Session

from booking.models.database import db, transaction
from booking.services import accounts, audit, second_steps
from booking.web import sessions
from booking.web.forms import ButtonForm
from booking.web.gate import signed_in_name
from booking.web.limits import limit_sign_ins
from booking.web.passwords import normal, renew_if_former
from booking.web.people_forms import PasswordForm
from booking.web.state import booking, now

bp = Blueprint("account", __name__, url_prefix="/staff/account")

MARK = 16
"""How much of a session's digest tells it from the others of its owner."""
WRONG = "That is not your present password."


@bp.get("/")
def page() -> ResponseReturnValue:
    """Second steps, the sessions that are open, this one marked, and the form for a password."""
    return _page(PasswordForm(address=signed_in_name()))


@bp.post("/password")
@limit_sign_ins
def password() -> ResponseReturnValue:
    """Take another password: 303 to the page, 422 if the form is wrong. Other sessions end."""
    form = PasswordForm(address=signed_in_name())
    if form.validate_on_submit():
        renew_if_former(signed_in_name(), form.present.data or "")
        known = str(current_user.password)
        if verify_password(normal(form.present.data or ""), known):
            hashed = hash_password(form.chosen)
            with transaction() as work:
                accounts.change_password(work, signed_in_name(), hashed)
                accounts.close_others(work, signed_in_name(), sessions.key())
                _note(work, "password.change")
            flash("Your password is changed. Every other session of yours has ended.")
            return redirect(url_for(".page"), 303)
        form.present.errors = [WRONG]
    return _page(form), 422


@bp.post(f"/sessions/<string(length={MARK}):mark>/end")
def end_one(mark: str) -> ResponseReturnValue:
    """Sign out in one place, known by the beginning of its session's digest."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    with transaction() as work:
        accounts.close_one(work, signed_in_name(), mark)
        _note(work, "session.end")
    flash("You are signed out there.")
    return redirect(url_for(".page"), 303)


@bp.post("/others/end")
def end_others() -> ResponseReturnValue:
    """Sign out everywhere else."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    with transaction() as work:
        accounts.close_others(work, signed_in_name(), sessions.key())
        _note(work, "session.end")
    flash("You are signed out everywhere else.")
    return redirect(url_for(".page"), 303)


def _page(form: PasswordForm) -> str:
    work = db.session()
    return render_template(
        "staff/account.html",
        form=form,
        sessions=accounts.open_sessions(work, signed_in_name(), now=now()),
        mine=accounts.digest_of(sessions.key()),
        mark=MARK,
        button=ButtonForm(formdata=None),
        has_app=current_user.app_sealed is not None,
        passkeys=second_steps.passkeys_of(work, current_user),
        codes_left=second_steps.codes_left(work, current_user),
        required=booking().settings.two_steps,
    )


def _note(work: Session, action: str) -> None:
    audit.note(work, action, keys=booking().house.keys, actor=signed_in_name(), now=now())
