"""Day, week and month of the practitioners, with links where a caller could still come."""

from calendar import monthrange
from datetime import date, datetime, timedelta

from flask import Blueprint, abort, jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.openings import local_day
from booking.domain.timeline import Span
from booking.models import Practitioner
from booking.models.database import db
from booking.services import agenda
from booking.services.availability import load_diary
from booking.services.day import Column, Gap, loads, plan
from booking.web import fields
from booking.web.filters import clock
from booking.web.forms import ButtonForm
from booking.web.gate import is_mine, visible_appointment
from booking.web.state import booking, clinic, now
from booking.web.trail import saw

bp = Blueprint("day", __name__, url_prefix="/staff/day")

MOVES_ON = 300
"""Seconds after which the present has moved on, and who comes next may be somebody else."""


@bp.get("/")
def page() -> ResponseReturnValue:
    """Who comes today, or on the day asked for."""
    day = _day()
    saw("day.read", day.isoformat())
    return _page("staff/day.html", day, _of_the_day(day))


@bp.get("/sheet")
def sheet() -> ResponseReturnValue:
    """The same on paper, a page for each practitioner, with initials only."""
    day = _day()
    saw("sheet.read", day.isoformat())
    return _page("staff/sheet.html", day, _of_the_day(day), full=False)


@bp.get("/sheet/full")
def full_sheet_form() -> ResponseReturnValue:
    """The question before the names are shown."""
    return render_template("staff/sheet_question.html", day=_day(), button=ButtonForm())


@bp.post("/sheet/full")
def full_sheet() -> ResponseReturnValue:
    """The sheet with full names, which the audit trail notes."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    day = _day()
    saw("sheet.full", day.isoformat())
    return _page("staff/sheet.html", day, _of_the_day(day), full=True)


@bp.get("/week")
def week() -> ResponseReturnValue:
    """A week of one practitioner."""
    day = _day()
    monday = day - timedelta(days=day.weekday())
    practitioners = _visible(monday, 7)
    asked = request.args.get("practitioner")
    chosen = next((each for each in practitioners if each.slug == asked), None)
    shown = [chosen] if chosen else practitioners[:1]
    saw("day.read", f"{monday.isoformat()}/7")
    columns = plan(db.session(), clinic(), monday, shown, now=now(), days=7)
    return _page(
        "staff/week.html",
        monday,
        columns,
        chosen=shown[0] if shown else None,
        practitioners=practitioners,
        last_week=monday - timedelta(days=7),
        next_week=monday + timedelta(days=7),
    )


@bp.get("/pulse")
def pulse() -> ResponseReturnValue:
    """What a page compares with what it shows; it says nothing about anybody."""
    return jsonify(state=state())


@bp.get("/starts/<reference>")
def starts(reference: str) -> ResponseReturnValue:
    """The free times of a day or a week to which an appointment can be dragged."""
    found = visible_appointment(db.session(), reference)
    first, zone = _day(), clinic().zone
    last = first + timedelta(days=6 if request.args.get("days") == "7" else 0)
    span = Span(local_day(first, zone).start, local_day(last, zone).until)
    diary = load_diary(db.session(), clinic(), found.service, span, now=now(), ignoring=found.id)
    slugs = {each.id: each.slug for each in found.service.practitioners if is_mine(each.id)}
    return jsonify(
        starts=[
            _target(reference, slot.start, slugs[practitioner])
            for slot in diary.slots()
            for practitioner in slot.practitioners
            if practitioner in slugs
        ]
    )


@bp.get("/month")
def month() -> ResponseReturnValue:
    """A month as a picture: how full each day is."""
    today = now().astimezone(clinic().zone).date()
    first = fields.date_or_none(request.args.get("month"), form="%Y-%m") or today.replace(day=1)
    days = monthrange(first.year, first.month)[1]
    load = loads(db.session(), clinic(), first, days, _visible(first, days), now=now())
    return _page(
        "staff/month.html",
        first,
        [],
        load=load,
        blanks=first.weekday(),
        last_month=(first - timedelta(days=1)).replace(day=1),
        next_month=(first + timedelta(days=days)),
    )


def state() -> str:
    """A text that is another one when a page of the day would show something else."""
    minutes = int(now().timestamp()) // MOVES_ON
    parts = (*agenda.versions(db.session()), minutes)
    return booking().house.keys.digest("state", repr(parts).encode()).hex()[:16]


def _target(reference: str, start: datetime, practitioner: str) -> dict[str, object]:
    """A time as the script wants it: where it stands, and the page that asks before it moves."""
    zone, at = clinic().timezone, fields.utc_text(start)
    return {
        "start": {"at": at, "day": start.astimezone(clinic().zone).date().isoformat()},
        "practitioner": practitioner,
        "text": clock(start, zone),
        "href": url_for(
            "staff.reschedule_times", reference=reference, start=at, practitioner=practitioner
        ),
    }


def _day() -> date:
    today = now().astimezone(clinic().zone).date()
    return fields.date_or_none(request.args.get("on")) or today


def _visible(first: date, days: int) -> list[Practitioner]:
    """Those whose appointments on these days are for the eyes of who asks."""
    zone = clinic().zone
    within = Span(
        local_day(first, zone).start, local_day(first + timedelta(days=days - 1), zone).until
    )
    return [each for each in agenda.practitioners(db.session(), within=within) if is_mine(each.id)]


def _of_the_day(day: date) -> list[Column]:
    return plan(db.session(), clinic(), day, _visible(day, 1), now=now())


def _page(template: str, day: date, columns: list[Column], **more: object) -> str:
    return render_template(
        template,
        day=day,
        today=now().astimezone(clinic().zone).date(),
        before=day - timedelta(days=1),
        after=day + timedelta(days=1),
        columns=columns,
        state=state(),
        is_gap=lambda each: isinstance(each, Gap),
        button=ButtonForm(),
        **more,
    )
