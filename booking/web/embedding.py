"""The times in a frame of the clinic's own website: which pages, which sites, and no cookie.

Only what shows no person can be framed; a time that is chosen leads out of the frame, to a form
with an address bar above it. The script itself is served to everybody, since it opens nothing.
"""

from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue

from booking.web.state import booking

bp = Blueprint("embedding", __name__)

FRAMED = frozenset({"public.services", "public.service_times"})
"""The pages that may stand in a frame."""


def install(app: Flask) -> None:
    """Carry the frame along from page to page, and let templates ask."""
    app.url_defaults(_stay_in_the_frame)
    app.jinja_env.globals["embedded"] = embedded


@bp.get("/embed.js")
def script() -> ResponseReturnValue:
    """The script that a website names, under an address that stays the same."""
    answer = current_app.send_static_file("embed.js")
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer


def embedded() -> bool:
    """Whether this page is asked for in a frame, by a site that may have it there."""
    asked = request.endpoint in FRAMED and request.args.get("embed") == "1"
    return asked and bool(booking().settings.embed_origins)


def allow_frame(response: Response, policy: str) -> None:
    """Let the clinic's websites, and nobody else, put this page into a frame."""
    origins = " ".join(booking().settings.embed_origins)
    allowed = policy.replace("frame-ancestors 'none'", f"frame-ancestors {origins}")
    response.headers["Content-Security-Policy"] = allowed
    del response.headers["X-Frame-Options"]  # it knows no list of sites, and CSP goes before it


def _stay_in_the_frame(endpoint: str, values: dict[str, Any]) -> None:
    if endpoint in FRAMED and request and embedded():
        values.setdefault("embed", 1)
