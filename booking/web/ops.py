"""For those who keep the service running."""

from datetime import timedelta

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from booking.models import Heartbeat
from booking.models.database import db
from booking.web.state import now

bp = Blueprint("ops", __name__)

SILENCE = timedelta(seconds=120)
"""The worker rests up to a minute when the relay is down; twice that is a death."""


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Whether this process answers."""
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Whether the database answers and the worker is alive; 503 if not."""
    heart = db.session.get(Heartbeat, "worker")
    alive = heart is not None and now() - heart.beat_at < SILENCE
    answer = jsonify(status="ok" if alive else "worker_silent", database="ok", worker=alive)
    return answer, 200 if alive else 503


@bp.get("/robots.txt")
def robots() -> ResponseReturnValue:
    """What search engines may read: the services and their times."""
    text = "User-agent: *\nDisallow: /appointments/\nDisallow: /staff/\nDisallow: /api/\n"
    return Response(text, content_type="text/plain; charset=utf-8")
