"""What goes wrong, told to people as a page and to programs as RFC 9457 problem+json."""

import time
from http import HTTPStatus

import structlog
from flask import Flask, Response, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from werkzeug.exceptions import HTTPException, SecurityError

from booking.domain.refusals import (
    KeyReused,
    NotOffered,
    Refusal,
    SlotTaken,
    TooLate,
    TooManyAppointments,
    UnknownAppointment,
    UnknownMail,
    WrongState,
)
from booking.models.database import Away, Busy, end_reading, is_away, is_busy
from booking.web import languages
from booking.web.contract import Problem
from booking.web.limits import limiter
from booking.web.state import NoClinic, clinic

log = structlog.get_logger("web")

STATUS_OF: dict[type[Refusal], int] = {
    SlotTaken: 409,
    WrongState: 409,
    TooManyAppointments: 409,
    KeyReused: 422,
    TooLate: 403,
    NotOffered: 404,
    UnknownAppointment: 404,
    UnknownMail: 404,
}
"""The one table from a rule's refusal to HTTP."""

TITLES = {
    "slot_taken": "That time is no longer free.",
    "wrong_state": "The appointment can no longer be changed in this way.",
    "too_many_appointments": "This address already holds as many appointments as one may.",
    "key_reused": "This idempotency key was used for another request.",
    "too_late": "It is too late to change this appointment online.",
    "not_offered": "No such service or practitioner can be booked online.",
    "not_found": "There is nothing here.",
    "invalid": "Some values are missing or wrong.",
    "bad_key": "No key was sent, or one that opens nothing here.",
    "insufficient_scope": "This key may not do that.",
    "bad_signature": "The signature is missing, wrong or too old.",
}
CODES = {413: "request_entity_too_large"}
"""Codes that newer Pythons would make otherwise: they call this status by another name."""
RETRY_AFTER = 2
"""Seconds until a busy database is worth another try."""


def problem(status: int, code: str) -> Response:
    """An RFC 9457 answer; `code` stays the same for programs, the title is for people."""
    return told(Problem(status=status, code=code, title=title_of(status, code)))


def told(problem: Problem) -> Response:
    """The answer that carries a problem."""
    body, kind = problem.model_dump_json(), "application/problem+json"
    return Response(body, problem.status, content_type=kind)


def title_of(status: int, code: str) -> str:
    """What a code means, for people."""
    return TITLES.get(code) or HTTPStatus(status).phrase


def install(app: Flask) -> None:
    """Answer every refusal and fault in the form that the asker reads."""
    app.register_error_handler(Refusal, _refusal)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Busy, _busy)
    app.register_error_handler(Away, _away)
    app.register_error_handler(NoConnectionFree, _no_connection)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(NoClinic, _no_clinic)
    app.register_error_handler(Exception, _bug)


def note_guard(refusal: SlotTaken) -> None:
    """Leave a trace where the database had to refuse what the locks should have seen."""
    if refusal.__cause__ is not None:
        log.error("overlap_guard_held", request=g.get("request_id"))


def _refusal(refusal: Refusal) -> ResponseReturnValue:
    if isinstance(refusal, SlotTaken):
        note_guard(refusal)
    return _answer(STATUS_OF[type(refusal)], refusal.code)


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None:
        return error.get_response()
    if isinstance(error, SecurityError):  # under a name that is not ours no page can be linked
        return Response("Bad Request\n", 400, content_type="text/plain; charset=utf-8")
    status = error.code or 500
    answer = _answer(status, CODES.get(status) or _code_of(HTTPStatus(status)))
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            answer.headers[name] = value
    if limiter.current_limit and status == HTTPStatus.TOO_MANY_REQUESTS:
        rest = limiter.current_limit.reset_at - time.time()
        answer.headers["Retry-After"] = str(max(1, int(rest)))  # it is rounded up
    return answer


def _code_of(status: HTTPStatus) -> str:
    return status.phrase.lower().replace(" ", "_")


def _csrf(_error: CSRFError) -> ResponseReturnValue:
    return _answer(400, "form_expired")


def _busy(_error: Busy) -> ResponseReturnValue:
    return _later(_answer(503, "busy"))


def _no_connection(_error: NoConnectionFree) -> ResponseReturnValue:
    return _later(_answer(503, "busy", look="clinic" in g))  # looking would be one more to wait


def _later(answer: Response) -> Response:
    answer.headers["Retry-After"] = str(RETRY_AFTER)
    return answer


def _away(error: Away) -> ResponseReturnValue:
    return _no_database(error.__cause__)


def _no_database(error: BaseException | None) -> ResponseReturnValue:
    cause = type(getattr(error, "orig", error)).__name__
    log.error("database_away", error=cause, request=g.get("request_id"))
    return _later(_answer(503, "away", look=False))  # looking would be waiting once more


def _database(error: DBAPIError) -> ResponseReturnValue:
    if is_away(error):
        return _no_database(error)
    if not isinstance(error, OperationalError):
        return _bug(error)
    if not is_busy(error):
        log.error("database_failed", error=type(error.orig).__name__, request=g.get("request_id"))
    return _busy(Busy())


def _no_clinic(_error: NoClinic) -> ResponseReturnValue:
    return _answer(503, "no_clinic")


def _bug(error: Exception) -> ResponseReturnValue:
    log.error("bug", error=type(error).__name__, where=_where(error), request=g.get("request_id"))
    return _answer(500, "internal_error")


def _where(error: Exception) -> list[str]:
    """File and line of each frame: enough to find the bug, with no value of any variable."""
    found, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append(f"{code.co_filename.rpartition('booking/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return found[-8:]


def _answer(status: int, code: str, *, look: bool = True) -> Response:
    """The page or problem of an error, without the clinic's words where we may not look."""
    end_reading()
    if request.path.startswith("/api/"):
        return problem(status, code)
    known = look and _clinic_known()
    languages.on_an_error(look=known)
    kept = {"clinic_known": known, "again": _typed(status)}
    body = render_template("error.html", status=status, code=code, **kept)
    return Response(body, status=status, content_type="text/html; charset=utf-8")


def _typed(status: int) -> list[tuple[str, str]]:
    """What a patient has sent, where it is worth sending again: going back would lose it.

    A page that no cache may keep comes back empty.
    """
    if request.method != "POST" or request.blueprint not in languages.PATIENTS:
        return []
    later = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
    return list(request.form.items(multi=True)) if status in later else []


def _clinic_known() -> bool:
    """Whether the page can show the clinic's words; the database may be what failed."""
    try:
        clinic()
    except Exception:  # whatever it was, the page does without
        end_reading()
        return False
    return True
