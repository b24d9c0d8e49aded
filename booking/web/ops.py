"""For those who keep the service running."""

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from booking.models.database import db
from booking.services import pulse
from booking.web.state import now

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


@bp.get("/robots.txt")
def robots() -> ResponseReturnValue:
    """What search engines may read: the services and their times."""
    text = "User-agent: *\nDisallow: /appointments/\nDisallow: /staff/\nDisallow: /api/\n"
    return Response(text, content_type="text/plain; charset=utf-8")
