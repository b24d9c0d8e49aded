"""The times in a frame of the clinic's own website: which pages, which sites, and no cookie.

Only what shows no person can be framed; a time that is chosen leads out of the frame, to a form
with an address bar above it. The script itself is served to everybody, since it opens nothing.
"""

from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue

from booking.messages.languages import LANGUAGES
from booking.web.state import booking

bp = Blueprint("embedding", __name__)

FRAMED = frozenset({"public.services", "public.service_times"})
"""The pages that may stand in a frame."""
LED_TO = frozenset({"public.booking_form", "lost.form"})
"""The pages to which it leads."""


def install(app: Flask) -> None:
    """Carry the frame and its language from page to page, and let templates ask."""
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


def carried() -> dict[str, str]:
    """What each link in the frame says of it; nothing outside of one.

    A frame has no cookie, so the language that its website wants stands in every address.
    """
    if not embedded():
        return {}
    language = request.args.get("lang")
    return {"embed": "1"} | ({"lang": language} if language in LANGUAGES else {})


def allow_frame(response: Response, policy: str) -> None:
    """Let the clinic's websites, and nobody else, put this page into a frame."""
    origins = " ".join(booking().settings.embed_origins)
    allowed = policy.replace("frame-ancestors 'none'", f"frame-ancestors {origins}")
    response.headers["Content-Security-Policy"] = allowed
    del response.headers["X-Frame-Options"]  # it knows no list of sites, and CSP goes before it


def _stay_in_the_frame(endpoint: str, values: dict[str, Any]) -> None:
    if endpoint not in FRAMED | LED_TO or not request:
        return
    for name, value in carried().items():
        if name == "lang" or endpoint in FRAMED:
            values.setdefault(name, value)
