"""Staff sign-in, by Flask-Security: one kept library for the password and its session."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, abort, make_response, request, session
from flask_security import LoginForm, Security, SQLAlchemyUserDatastore
from flask_wtf import CSRFProtect
from sqlalchemy import select

from booking.models import User
from booking.models.database import db, transaction
from booking.services.accounts import SESSION_LIFE, SHORTEST_PASSWORD
from booking.settings import Settings
from booking.web import sessions
from booking.web.limits import limit_sign_ins
from booking.web.passwords import renew_if_former
from booking.web.state import booking


class SignInForm(LoginForm):
    """The library's, for passwords that may have been hashed under a former secret."""

    def validate(self, **kwargs: Any) -> bool:
        """Whether it lets somebody in."""
        renew_if_former(_plain(self.email.data or "") or "", self.password.data or "")
        return bool(super().validate(**kwargs))


security = Security()
csrf = CSRFProtect()


def configure(app: Flask, settings: Settings) -> None:
    """Set what decides who gets in and for how long."""
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=list(settings.former_secret_keys),
        # The library of the forms knows no fallbacks; itsdangerous signs with the last of several.
        WTF_CSRF_SECRET_KEY=[*reversed(settings.former_secret_keys), settings.secret_key],
        SECURITY_PASSWORD_SALT=settings.secret_key,
        SECURITY_PASSWORD_HASH="argon2",  # noqa: S106 (the name of a scheme)
        SECURITY_PASSWORD_SCHEMES=["argon2"],
        SECURITY_PASSWORD_LENGTH_MIN=SHORTEST_PASSWORD,
        SECURITY_PASSWORD_NORMALIZE_FORM="NFKC",  # noqa: S106 (a form of Unicode)
        SECURITY_RETURN_GENERIC_RESPONSES=True,
        SECURITY_POST_LOGIN_VIEW="/staff/",
        SECURITY_POST_LOGOUT_VIEW="/login",
        SECURITY_UNAUTHORIZED_VIEW=None,
        SECURITY_LOGIN_USER_TEMPLATE="staff/login.html",
        SECURITY_FLASH_MESSAGES=False,
        SECURITY_CLI_USERS_NAME=False,  # they would change accounts past the audit trail
        SECURITY_CLI_ROLES_NAME=False,
        SECURITY_USER_IDENTITY_ATTRIBUTES=[{"email": {"mapper": _plain, "case_insensitive": True}}],
        SECURITY_DEFAULT_REMEMBER_ME=False,
        SESSION_COOKIE_NAME="__Host-session" if settings.secure else "session",
        SESSION_COOKIE_SECURE=settings.secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION_LIFE,
        SECURITY_FRESHNESS=timedelta(days=-1),  # nothing asks for the password again: no /verify
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session: a form may take its time
        WTF_CSRF_SSL_STRICT=False,  # it wants the Referer that our own policy leaves out
    )


def install(app: Flask) -> None:
    """Register the library; its views are ours to limit and to gate."""
    csrf.init_app(app)
    # What a role may do is said in web/permissions.py: the library has no model of roles.
    datastore = SQLAlchemyUserDatastore(db, User, None)  # type: ignore[arg-type]
    security.init_app(app, datastore, register_blueprint=True, login_form=SignInForm)
    app.jinja_env.globals["passkey_origin"] = lambda: booking().settings.passkey_origin
    view = app.view_functions["security.login"]
    app.view_functions["security.login"] = limit_sign_ins(_unprocessable_unless_in(view))


def _unprocessable_unless_in(view: Callable[..., Any]) -> Callable[[], Response]:
    """A sign-in that failed answers 422, as every other form of ours that comes back."""

    @wraps(view)
    def sign_in() -> Response:
        if request.is_json:
            abort(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)  # the form is the one way in
        answer = make_response(view())
        if request.method == "POST" and answer.status_code == HTTPStatus.OK:
            answer.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
            if sessions.SESSION_KEY not in session:
                _note_failure()
        return answer

    return sign_in


def _note_failure() -> None:
    """Leave a trace of a sign-in that failed: of whom, if there is an account; a stranger's
    address is not written down. It costs the same either way, so its time tells nothing (T-17)."""
    typed = _plain(request.form.get("email", "")) or ""
    with transaction() as work:
        known = work.scalar(select(User.id).where(User.email == typed))
        subject = f"person-{known}" if known else "unknown"
        sessions.note(work, "sign_in.failed", "system", subject=subject, fields=("password",))


def _plain(identity: str) -> str | None:
    """An address as it is typed; anything odd finds nobody."""
    plain = identity.strip().lower()
    return plain if "@" in plain and plain.isascii() and plain.isprintable() else None
