"""The session of who is signed in: its row, how far it goes, and when it was proved last."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Flask, current_app, flash, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import user_logged_out
from flask_security import current_user
from flask_security.signals import user_authenticated
from sqlalchemy.orm import Session

from booking.models import User
from booking.models.database import db, transaction
from booking.services import accounts, audit
from booking.services.accounts import IDLE_LIFE, Reach, SessionEnded
from booking.web.devices import device_of
from booking.web.state import booking, now

SESSION_KEY, SEEN_AT = "staff_session", "seen_at"
CHALLENGE, APP_SECRET, CODES = "challenge", "app_secret", "recovery_codes"
"""What the cookie keeps for the length of a ceremony; secrets in it are sealed."""
PASSKEY = "webauthn"
"""The way in that is both steps at once."""
SAFE = ("GET", "HEAD", "OPTIONS")
LOOKING, ACTING = timedelta(minutes=15), timedelta(minutes=30)
"""How old a proof may be for a page, and for its button: a form that was opened in time can be
sent, since a session that stands idle for longer than their difference has ended anyway."""
ASK_AGAIN = frozenset(
    {
        "day.full_sheet",
        "day.full_sheet_form",
        "keys.end",
        "keys.make",
        "keys.make_form",
        "keys.page",
        "keys.renew",
        "keys.renew_form",
        "retention.one",
        "retention.one_form",
        "retention.rules",
        "retention.rules_form",
        "numbers.export",
        "people.disable",
        "people.enable",
        "people.invite",
        "people.invite_again",
        "people.invite_form",
        "people.page",
        "people.reset_second_step",
        "people.role",
        "people.role_form",
        "second.add_app",
        "second.add_passkey",
        "second.app",
        "second.choose",
        "second.new_codes",
        "second.passkey",
        "second.passkey_options",
        "second.picture",
        "second.remove_app",
        "second.remove_passkey",
        "webhooks.add",
        "webhooks.add_form",
        "webhooks.page",
        "webhooks.remove",
        "webhooks.renew",
        "webhooks.renew_form",
        "webhooks.resume",
        "webhooks.test",
    }
)
"""What asks who is there again when nobody has proved it for a while."""
NOT_YET = "Nothing was changed yet. Confirm that it is you, then press the button again."
PAGE_OF = {each: f"{each}.page" for each in ("keys", "people", "webhooks")}
"""Where the buttons stand that have no page of their own; elsewhere it is that of the account."""
LEADS_TO = {
    Reach.SECOND_STEP: (
        "steps.page",
        frozenset({"steps.page", "steps.code", "steps.passkey", "security.logout"}),
    ),
    Reach.SETTING_UP: (
        "second.choose",
        frozenset(
            {
                "second.choose",
                "second.app",
                "second.add_app",
                "second.picture",
                "second.passkey",
                "second.passkey_options",
                "second.add_passkey",
                "steps.confirm",
                "steps.confirm_form",
                "security.logout",
            }
        ),
    ),
}
"""Where a session is led that is not whole yet, and all that it can open."""


@dataclass(frozen=True)
class Signed:
    """Who is signed in, as far as they are."""

    reach: Reach
    confirmed_at: datetime | None


def install(app: Flask) -> None:
    """Begin and end our rows with the library's sessions; let buttons come back to their page."""
    app.jinja_env.globals["here"] = here
    user_authenticated.connect(_signed_in, app)
    user_logged_out.connect(_signed_out, app)
    app.register_error_handler(SessionEnded, _ended)


def signed() -> Signed | None:
    """Who is signed in; None unless account, session row and clock all agree."""
    key, seen_at = session.get(SESSION_KEY), session.get(SEEN_AT)
    if not (current_user.is_authenticated and isinstance(key, str) and isinstance(seen_at, float)):
        return None
    if now() - datetime.fromtimestamp(seen_at, now().tzinfo) > IDLE_LIFE:
        return None
    found = accounts.find_session(db.session(), current_user, key, now=now())
    if found is None:
        return None
    row, has_second_step = found
    required = booking().settings.two_steps
    far = accounts.reach(row, has_second_step=has_second_step, required=required)
    g.signed = Signed(far, row.confirmed_at)
    return g.signed  # type: ignore[no-any-return]


def is_whole() -> bool:
    """Whether the session of this request goes everywhere that its owner may go."""
    found: Signed = g.signed
    return found.reach is Reach.EVERYTHING


def unfinished(found: Signed) -> ResponseReturnValue | None:
    """The way to what has to be done first, where the session cannot open what it asks for."""
    if found.reach not in LEADS_TO:
        return None
    first, may_open = LEADS_TO[found.reach]
    return None if request.endpoint in may_open else _by_way_of(first)


def stale(found: Signed) -> ResponseReturnValue | None:
    """The way to proving it again, where the last proof is too old for what is asked for."""
    if request.endpoint not in ASK_AGAIN or _is_fresh(found):
        return None
    if request.method not in SAFE:
        flash(NOT_YET)
    return _by_way_of("steps.confirm_form")


def key() -> str:
    """The key of this session."""
    return str(session[SESSION_KEY])


def proved(work: Session, *, second_step: bool = False) -> None:
    """Go on under a new key, and a new token for forms: whoever has copied the old ones is out.

    Raises:
        SessionEnded: if the session has ended meanwhile.
    """
    renewed = accounts.prove_again(work, key(), now=now(), second_step=second_step)
    g.pop("csrf_token", None)
    session.pop("csrf_token", None)
    session[SESSION_KEY] = renewed


def safe_path(text: str | None) -> str:
    """Where to go on: a page of the staff, and nothing else whatever the address says."""
    plain = text is not None and text.isascii() and text.isprintable() and "\\" not in text
    return text if text and plain and text.startswith("/staff/") else url_for("staff.upcoming")


def here() -> str:
    """The address of the page that is shown, filters included, for buttons that come back to it;
    nothing where only a button leads to it."""
    if request.method in SAFE:
        return request.full_path.rstrip("?")
    rule = request.url_rule
    return request.path if rule and _has_page(rule.rule) else ""


def _is_fresh(found: Signed) -> bool:
    allowed = LOOKING if request.method in SAFE else ACTING
    return found.confirmed_at is not None and now() - found.confirmed_at <= allowed


def _by_way_of(endpoint: str) -> ResponseReturnValue:
    """Lead there, and from there back to what was asked for, or to the page of its button."""
    page = here() or url_for(PAGE_OF.get(request.blueprint or "", "account.page"))
    return redirect(url_for(endpoint, next=page), 302 if request.method in SAFE else 303)


def _has_page(rule: str) -> bool:
    rules = current_app.url_map.iter_rules()
    return any(each.rule == rule and "GET" in (each.methods or ()) for each in rules)


def _signed_in(
    _app: Flask, user: User, authn_via: list[str] | None = None, **_more: object
) -> None:
    """Open a row for the new session, so that it can be ended from our side."""
    device = device_of(request.headers.get("User-Agent", ""))
    both = authn_via == [PASSKEY]
    with transaction() as work:
        begun = accounts.open_session(work, user, now=now(), device=device, second_step=both)
        note(work, "sign_in", user.email, fields=("passkey",) if both else ("password",))
    for name in (CHALLENGE, APP_SECRET, CODES, "csrf_token"):
        session.pop(name, None)  # whatever was planted there before
    session[SESSION_KEY], session[SEEN_AT] = begun, now().timestamp()


def _signed_out(_app: Flask, user: User, **_more: object) -> None:
    """End the session here and in every copy of its cookie."""
    ended = session.get(SESSION_KEY)
    if isinstance(ended, str):
        with transaction() as work:
            accounts.close_session(work, ended)
            note(work, "sign_out", user.email)
    session.clear()


def _ended(_gone: SessionEnded) -> ResponseReturnValue:
    """Another request has ended it meanwhile."""
    session.clear()
    return redirect(url_for("security.login"), 303)


def note(
    work: Session, action: str, who: str, *, subject: str = "", fields: tuple[str, ...] = ()
) -> None:
    """Add an entry about a sign-in to the audit trail."""
    keys = booking().house.keys
    audit.note(work, action, keys=keys, actor=who, now=now(), subject=subject, fields=fields)
