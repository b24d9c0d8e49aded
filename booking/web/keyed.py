"""Programs that ask by a key: which key opens which address, closed by default.

Nothing here looks at a cookie: a member of staff who is signed in opens none of it, and no key
opens a page.
"""

from http import HTTPStatus

from flask import Response, g, request

from booking.models import Scope
from booking.models.database import db, transaction
from booking.services import api_keys
from booking.services.api_keys import Asker
from booking.web.errors import problem
from booking.web.state import clinic, now

NEEDED: dict[str, Scope] = {
    "staff_api.appointment": Scope.READ,
    "staff_api.appointments": Scope.READ,
    "staff_api.attendance": Scope.WRITE,
    "staff_api.book": Scope.WRITE,
    "staff_api.cancel": Scope.WRITE,
    "staff_api.reschedule": Scope.WRITE,
}
"""What each address needs; one without a line opens for no key."""


def is_asked() -> bool:
    """Whether the request is for what a key opens, and nothing else does."""
    return request.blueprint == "staff_api"


def asker() -> Asker:
    """Whose key the request brought."""
    found: Asker = g.asker
    return found


def refusal() -> Response | None:
    """Nothing if the request brings a key that may do what it asks for (RFC 6750 §3.1)."""
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        return _refused(HTTPStatus.UNAUTHORIZED, "bad_key", "Bearer")
    found = api_keys.asker_of(db.session(), given.token, now=now())
    if found is None:
        return _refused(HTTPStatus.UNAUTHORIZED, "bad_key", 'Bearer error="invalid_token"')
    needed = NEEDED.get(request.endpoint or "")
    if needed is None or needed not in found.scopes:
        way = f'Bearer error="insufficient_scope", scope="{needed or ""}"'
        return _refused(HTTPStatus.FORBIDDEN, "insufficient_scope", way)
    g.asker = found
    _note_use(found)
    return None


def _refused(status: HTTPStatus, code: str, way: str) -> Response:
    answer = problem(status, code)
    answer.headers["WWW-Authenticate"] = way
    return answer


def _note_use(found: Asker) -> None:
    """Once a day, so that a program that asks all day writes no more than others."""
    today = now().astimezone(clinic().zone).date()
    if found.last_used_on != today:
        with transaction() as session:
            api_keys.note_use(session, found, today=today)
