"""For those who keep the service running."""

import hmac

from flask import Blueprint, Response, abort, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from booking.models.database import db
from booking.services import pulse
from booking.web.metrics import exposition
from booking.web.state import booking, now

bp = Blueprint("ops", __name__)


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Whether this process answers."""
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Whether the database answers and the worker is alive; 503 if not."""
    alive = pulse.is_alive(pulse.last_turn(db.session(), now=now()))
    answer = jsonify(status="ok" if alive else "worker_silent", database="ok", worker=alive)
    return answer, 200 if alive else 503


@bp.get("/metrics")
def metrics() -> ResponseReturnValue:
    """How the service is doing, for Prometheus: 404 where no token is set, 401 without it."""
    token = booking().settings.metrics_token
    if token is None:
        abort(404)
    if not _bears(token):
        refused = Response("Unauthorized\n", 401, content_type="text/plain; charset=utf-8")
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused
    felt = pulse.read_pulse(db.session(), now=now())
    text = exposition(current_app, felt)
    return Response(text, content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _bears(token: str) -> bool:
    """Whether the request brings the token (RFC 6750 §2.1); how long this takes tells nothing."""
    given = request.authorization
    if given is None or given.type != "bearer" or given.token is None:
        return False
    return hmac.compare_digest(token.encode(), given.token.encode("utf-8", "replace"))


@bp.get("/robots.txt")
def robots() -> ResponseReturnValue:
    """What search engines may read: the services and their times."""
    text = "User-agent: *\nDisallow: /appointments/\nDisallow: /staff/\nDisallow: /api/\n"
    return Response(text, content_type="text/plain; charset=utf-8")
