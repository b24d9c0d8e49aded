"""Reads of patients' data, noted in the audit trail before the page leaves.

A view says what it shows; that is written in one transaction after the view. A page whose reading
cannot be written down is not shown.
"""

from flask import Flask, Response, current_app, g
from flask_security import current_user

from booking.models.database import Busy, transaction
from booking.services import audit
from booking.web import keyed
from booking.web.state import booking, now

ASKS_AGAIN = (409, 422)
"""A form that comes back shows what it did before; a page that is missing or refused, nothing."""


def install(app: Flask) -> None:
    """Write down what each request has read."""
    app.after_request(_write)


def saw(action: str, subject: str = "") -> None:
    """Note that the member of staff who asks, or the program, is shown this.

    Args:
        action: What was read, as `appointment.read`.
        subject: Which: a reference, or the days of a list; never a person's name or number.
    """
    g.setdefault("reads", []).append((action, subject))


def _write(response: Response) -> Response:
    reads = g.pop("reads", [])
    if not reads or (response.status_code >= 400 and response.status_code not in ASKS_AGAIN):
        return response
    keys, actor = booking().house.keys, _who()
    try:
        with transaction() as session:
            for action, subject in reads:
                audit.note(session, action, keys=keys, actor=actor, now=now(), subject=subject)
    except Busy as busy:
        return current_app.make_response(current_app.handle_user_exception(busy))
    return response


def _who() -> str:
    """The program whose key was shown, or else the member of staff who is signed in."""
    return keyed.asker().actor if keyed.is_asked() else str(current_user.email)
