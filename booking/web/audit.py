"""The auditor's page: who saw and did what, and whether the trail is whole."""

from datetime import date, datetime, timedelta

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from booking.domain.openings import local_day
from booking.messages.hygiene import one_line
from booking.models.database import db
from booking.services import audit
from booking.web import fields
from booking.web.state import booking, clinic

bp = Blueprint("audit", __name__, url_prefix="/staff/audit")

LONGEST_WORD = 254
NAMES = ("actor", "action", "subject", "from", "to")


@bp.get("/")
def page() -> ResponseReturnValue:
    """The newest entries, by who, what, which and when; older ones page by page."""
    wanted = _filter()
    found = audit.entries(db.session(), wanted)
    return render_template(
        "staff/audit.html",
        entries=found,
        asked={name: request.args.get(name, "")[:LONGEST_WORD] for name in NAMES},
        older=found[-1].number if len(found) == audit.MOST_SHOWN else None,
        breaks=list(audit.verify(db.session(), booking().house.keys)) if _check() else None,
    )


def _check() -> bool:
    return request.args.get("check") == "1"


def _filter() -> audit.Filter:
    number = request.args.get("before", "")
    return audit.Filter(
        actor=one_line(request.args.get("actor", ""))[:LONGEST_WORD],
        action=one_line(request.args.get("action", ""))[:LONGEST_WORD],
        subject=one_line(request.args.get("subject", ""))[:LONGEST_WORD],
        since=_beginning(fields.date_or_none(request.args.get("from"))),
        until=_beginning(_next(fields.date_or_none(request.args.get("to")))),
        before=int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None,
    )


def _beginning(day: date | None) -> datetime | None:
    return local_day(day, clinic().zone).start if day else None


def _next(day: date | None) -> date | None:
    return day + timedelta(days=1) if day else None
