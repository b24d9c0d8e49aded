"""Closed by default: what is not on the public list needs a member of staff who is signed in, or,
for programs, a key.

Also the headers of every answer, and the one log line of every request.
"""

import secrets
import time
from http import HTTPStatus

import structlog
from flask import (
    Flask,
    Response,
    abort,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_security import current_user
from sqlalchemy.orm import Session

from booking.domain.refusals import UnknownAppointment
from booking.models import Appointment
from booking.services.appointments import appointment_by_reference
from booking.web import embedding, keyed, permissions, sessions
from booking.web.state import booking, now

log = structlog.get_logger("web")

PUBLIC = frozenset(
    {
        "api.appointment",
        "api.book",
        "api.cancel",
        "api.reschedule",
        "api.services",
        "api.slots",
        "contact.change",
        "contact.confirm",
        "contact.form",
        "contact.question",
        "contact.stop",
        "earlier.decline",
        "earlier.form",
        "earlier.join",
        "earlier.leave",
        "earlier.offer",
        "earlier.take",
        "embedding.script",
        "erasure.keep",
        "erasure.question",
        "erasure.wish",
        "feeds.feed",
        "fhir.locations",
        "fhir.manifest",
        "fhir.schedules",
        "fhir.slots",
        "inbound.replies",
        "join.form",
        "join.join",
        "look.colours",
        "look.logo",
        "styleguide.page",
        "lost.ask",
        "lost.form",
        "reference.openapi",
        "reference.page",
        "ops.healthz",
        "ops.metrics",
        "ops.readyz",
        "ops.robots",
        "passkeys.options",
        "passkeys.sign_in",
        "patient.appointment",
        "patient.cancel",
        "patient.cancel_form",
        "patient.data",
        "patient.invite",
        "patient.keep",
        "patient.keep_form",
        "patient.reschedule",
        "patient.reschedule_times",
        "public.book",
        "public.booking_form",
        "public.hold",
        "public.let_go",
        "public.service_times",
        "public.services",
        "security.login",
        "static",
    }
)
"""Every endpoint that answers without sign-in; a test holds this list and the routes together."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Of every answer, also of those that no page makes."""
KEPT = {
    "api.slots": "private, max-age=0, must-revalidate",
    "fhir.locations": "public, max-age=0, must-revalidate",
    "fhir.manifest": "public, max-age=0, must-revalidate",
    "fhir.schedules": "public, max-age=0, must-revalidate",
    "fhir.slots": "public, max-age=0, must-revalidate",
    "reference.openapi": "public, max-age=0, must-revalidate",
    "embedding.script": "public, max-age=3600",
    "static": "public, max-age=31536000, immutable",
    "look.colours": "public, max-age=31536000, immutable",
    "look.logo": "public, max-age=31536000, immutable",
    "feeds.feed": "private, max-age=0, must-revalidate",
}
"""Answers that a browser or a calendar app may keep; every other one is forgotten at once."""
LARGER_BODIES = {"look.put_logo": 200 * 1024}
"""What may be sent where a file is; everywhere else 64 KiB are the most."""
UNATTENDED = "X-Unattended"
"""Sent by a page that looks by itself whether something has changed: nobody touched it."""


def install(app: Flask) -> None:
    """Put the gate before every request, and its marks on every answer."""
    app.before_request(_begin)
    app.before_request(_gate)
    permissions.install(app)
    app.after_request(_headers)
    app.after_request(_log)
    sessions.install(app)


def signed_in_name() -> str:
    """Who acts, for the history."""
    return str(current_user.email)


def own_practitioner() -> int | None:
    """Whose appointments alone a clinician sees; None for who sees everybody's."""
    found: int | None = current_user.practitioner_id
    return found


def is_mine(practitioner: int | None) -> bool:
    """Whether what belongs to that practitioner is for the eyes of who is signed in."""
    return own_practitioner() in (None, practitioner)


def visible_appointment(work: Session, reference: str) -> Appointment:
    """The appointment that staff know by this reference.

    Raises:
        UnknownAppointment: if there is none, or if it is not for the eyes of who asks.
    """
    found = appointment_by_reference(work, reference)
    if not is_mine(found.practitioner_id):
        raise UnknownAppointment
    return found


def _begin() -> None:
    if request.endpoint in LARGER_BODIES:
        request.max_content_length = LARGER_BODIES[request.endpoint]
    g.began = time.perf_counter()
    g.request_id = secrets.token_hex(8)
    if "\0" in request.path:
        abort(404)  # nothing is called so, and PostgreSQL refuses even to look


def _gate() -> ResponseReturnValue | None:
    if request.endpoint is None or request.endpoint in PUBLIC:
        return None
    if keyed.is_asked():
        return keyed.refusal()
    found = sessions.signed()
    if found is not None:
        if UNATTENDED not in request.headers:
            session[sessions.SEEN_AT] = now().timestamp()
        return sessions.unfinished(found) or _role(request.endpoint) or sessions.stale(found)
    session.clear()
    if request.method in ("GET", "HEAD"):
        return redirect(url_for("security.login", next=request.full_path.rstrip("?")))
    return redirect(url_for("security.login"), 303)


def _role(endpoint: str) -> ResponseReturnValue | None:
    return None if permissions.may_open(endpoint) else _refused()


def _refused() -> ResponseReturnValue:
    """A page in plain words: the person is known, but this is not theirs to do.

    Who may only read the audit is led there from the first page, where everybody arrives.
    """
    if request.endpoint == "staff.upcoming" and permissions.may_open("audit.page"):
        return redirect(url_for("audit.page"))
    return make_response(render_template("staff/refused.html"), HTTPStatus.FORBIDDEN)


def _headers(response: Response) -> Response:
    headers = response.headers
    headers.update(ALWAYS)
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if embedding.embedded():
        embedding.allow_frame(response, POLICY)
    headers["X-Request-Id"] = g.get("request_id", "")
    if booking().settings.secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    kept = KEPT.get(request.endpoint or "") if response.status_code < 400 else None
    headers["Cache-Control"] = kept or "no-store"
    if not (kept and request.endpoint == "static"):
        found = response.status_code < 400 and not _is_private()
        headers["X-Robots-Tag"] = "index" if found else "noindex"
    return response


def _is_private() -> bool:
    return request.endpoint not in ("public.services", "public.service_times")


def _log(response: Response) -> Response:
    """One line for each request: the rule it matched, never the path, which may hold a key."""
    log.info(
        "request",
        id=g.get("request_id"),
        method=request.method,
        route=str(request.url_rule) if request.url_rule else "unknown",
        status=response.status_code,
        ms=round((time.perf_counter() - g.get("began", time.perf_counter())) * 1000, 1),
    )
    return response
