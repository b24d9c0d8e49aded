"""One quiet page of numbers, and the same as a file for a spreadsheet."""

import csv
from io import StringIO

from flask import Blueprint, Response, render_template
from flask.typing import ResponseReturnValue

from booking.models import Practitioner
from booking.models.database import db
from booking.services import agenda, numbers
from booking.services.numbers import Week
from booking.web.state import clinic, now
from booking.web.trail import saw

bp = Blueprint("numbers", __name__, url_prefix="/staff/numbers")

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula (CWE-1236)."""
COUNTS = ("booked", "seen", "cancelled", "missed")


@bp.get("/")
def page() -> ResponseReturnValue:
    """The last weeks in small charts, each with its table."""
    practitioners, weeks = _read()
    return render_template(
        "staff/numbers.html",
        weeks=weeks,
        practitioners=practitioners,
        counts=COUNTS,
        most=max((week.booked for week in weeks), default=0),
    )


@bp.get("/weeks.csv")
def export() -> ResponseReturnValue:
    """The same as CSV (RFC 4180); no cell can be taken for a formula.

    It begins with the mark by which Excel knows UTF-8: without it a name with an accent is garbled.
    """
    practitioners, weeks = _read()
    saw("numbers.export")
    lines = StringIO(newline="")
    writer = csv.writer(lines)
    names = [f"{each.name}, % full" for each in practitioners]
    writer.writerow(map(plain_cell, ["week", *COUNTS, "days ahead", *names]))
    for week in weeks:
        counts = [getattr(week, name) for name in COUNTS]
        full = [week.full(each.id) for each in practitioners]
        writer.writerow(map(plain_cell, [week.first, *counts, week.days_ahead, *full]))
    response = Response(
        lines.getvalue().encode("utf-8-sig"), content_type="text/csv; charset=utf-8"
    )
    response.headers["Content-Disposition"] = 'attachment; filename="weeks.csv"'
    return response


def plain_cell(value: object) -> str:
    """A cell that a spreadsheet shows as it is."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULAS) else text


def _read() -> tuple[list[Practitioner], list[Week]]:
    session = db.session()
    practitioners = list(agenda.practitioners(session))
    return practitioners, numbers.weeks(session, clinic(), practitioners, now=now())
