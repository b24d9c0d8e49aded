"""What calendar apps subscribe to: read again and again, so unchanged it costs next to nothing."""

from flask import Blueprint, Response, abort, request

from booking.messages.feed import feed as rendered
from booking.models.database import db
from booking.services import feeds
from booking.web.state import booking, clinic, now

bp = Blueprint("feeds", __name__, url_prefix="/feeds")


@bp.get("/<token>.ics")
def feed(token: str) -> Response:
    """The subscription; 304 without a body while it is what the asker has (RFC 9110 §13.1.2)."""
    session = db.session()
    found = feeds.feed_by_token(session, token)
    if found is None:
        abort(404)
    state = booking()
    view = feeds.View(
        feed=found,
        clinic=clinic(),
        today=now().astimezone(clinic().zone).date(),
        keys=state.house.keys,
        base_url=state.settings.base_url,
        mail_from=state.settings.mail_from,
    )
    tag = feeds.version_of(view)
    if request.if_none_match.contains_weak(tag):
        response = Response(status=304)
    else:
        body = rendered(feeds.facts_of_feed(session, view))
        response = Response(body, content_type="text/calendar; charset=utf-8")
        response.headers["Content-Disposition"] = 'inline; filename="appointments.ics"'
    response.set_etag(tag)
    return response
