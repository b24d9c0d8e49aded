"""Signing in with a passkey alone: the device has it and has recognised its owner, so it is both
steps. Also the questions and answers that other pages share."""

import secrets
from base64 import urlsafe_b64encode
from datetime import datetime

from flask import Blueprint, Response, redirect, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_security.utils import login_user
from sqlalchemy.orm import Session
from webauthn.helpers import base64url_to_bytes

from booking.models import User
from booking.models.database import transaction
from booking.services import passkeys
from booking.services.passkeys import CHALLENGE_BYTES, CHALLENGE_LIFE, PasskeyRefused, Site
from booking.web import sessions
from booking.web.limits import limit_sign_ins
from booking.web.sessions import CHALLENGE, PASSKEY
from booking.web.state import booking, clinic, now
from booking.web.step_forms import PasskeyForm

bp = Blueprint("passkeys", __name__, url_prefix="/login/passkey")


@bp.get("")
def options() -> ResponseReturnValue:
    """What the browser is to sign, as JSON; whose passkey it may be is not asked."""
    return as_json(passkeys.options_to_prove(site(), new_challenge()))


@bp.post("")
@limit_sign_ins
def sign_in() -> ResponseReturnValue:
    """Let the owner of the passkey in: 303 to where they wanted to go, 422 if it is not taken."""
    form = PasskeyForm()
    if form.validate_on_submit():
        try:
            with transaction() as work:
                user = prove(work, form)
                known = user.active and user.joined_at is not None
            if known and login_user(user, authn_via=[PASSKEY]):
                return redirect(sessions.safe_path(request.form.get("next")), 303)
        except PasskeyRefused:
            pass
        note_failure("unknown", "passkey")
    return render_template("staff/passkey_refused.html"), 422


def site() -> Site:
    """For whom our passkeys are."""
    return Site(booking().settings.passkey_origin, clinic().neutral_name)


def work_here() -> bool:
    """Whether this page stands at the address that passkeys belong to."""
    return request.host_url.rstrip("/") == booking().settings.passkey_origin


def new_challenge() -> bytes:
    """A question that is good once, for some minutes; the signed cookie keeps it."""
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    until = (now() + CHALLENGE_LIFE).timestamp()
    session[CHALLENGE] = [urlsafe_b64encode(challenge).decode(), until]
    return challenge


def challenge() -> bytes:
    """The question that was put to this browser.

    Raises:
        PasskeyRefused: if there is none, or it has grown too old.
    """
    kept = session.pop(CHALLENGE, None)
    if not kept or now() > datetime.fromtimestamp(kept[1], now().tzinfo):
        raise PasskeyRefused
    return base64url_to_bytes(kept[0])


def prove(work: Session, form: PasskeyForm) -> User:
    """Whose passkey has answered.

    Raises:
        PasskeyRefused: if the answer proves nothing.
    """
    return passkeys.prove(work, site(), form.answer.data or "", challenge(), now=now())


def as_json(text: str) -> Response:
    """Options for the browser."""
    return Response(text, content_type="application/json")


def note_failure(subject: str, what: str) -> None:
    """Leave a trace of a way in that was refused; whom a stranger named is not written down."""
    with transaction() as work:
        sessions.note(work, "sign_in.failed", "system", subject=subject, fields=(what,))
