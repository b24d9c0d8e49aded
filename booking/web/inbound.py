"""Where a mail gateway hands over what came in: one signed request for each mail."""

import hmac

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from booking.messages.incoming import understand
from booking.models.database import transaction
from booking.services.replies import receive
from booking.web.errors import problem
from booking.web.state import booking, now

bp = Blueprint("inbound", __name__, url_prefix="/api/v1")

SIGNATURE = "Booking-Signature"
LARGEST_MAIL = 2 * 1024 * 1024
OLDEST = 300
"""Seconds that a signature is good for, and that the two clocks may differ."""
KINDS = frozenset({"message/rfc822", "application/octet-stream"})
"""What no form of a web page can send without asking first."""


@bp.post("/replies")
def replies() -> ResponseReturnValue:
    """Store a raw mail: 204, also when it is known already."""
    key = booking().settings.inbound_key
    if key is None:
        return problem(404, "not_found")
    if request.mimetype not in KINDS:
        return problem(415, "unsupported_media_type")
    request.max_content_length = LARGEST_MAIL
    raw = request.get_data(cache=False)
    if not _is_signed(key, raw):
        answer = problem(401, "bad_signature")
        answer.headers["WWW-Authenticate"] = SIGNATURE
        return answer
    incoming = understand(raw)
    with transaction() as session:
        receive(session, incoming, raw, booking().house, now=now())
    stored = Response(status=204)
    del stored.headers["Content-Type"]
    return stored


def _is_signed(key: str, body: bytes) -> bool:
    """Whether the header reads `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">` and is fresh."""
    header = request.headers.get(SIGNATURE, "")[:300]
    pairs = (each.partition("=") for each in header.split(","))
    fields = {name.strip(): value.strip() for name, _, value in pairs}
    time = fields.get("t", "")
    if not (time.isascii() and time.isdigit() and len(time) <= 12):
        return False
    expected = hmac.new(key.encode(), f"{time}.".encode() + body, "sha256").hexdigest()
    given = fields.get("v1", "").encode("utf-8", "replace")
    is_fresh = abs(now().timestamp() - int(time)) <= OLDEST
    return hmac.compare_digest(expected.encode(), given) and is_fresh
