"""Day, week and month of the practitioners, with links where a caller could still come."""

from calendar import monthrange
from datetime import date, timedelta

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from booking.domain.openings import local_day
from booking.domain.timeline import Span
from booking.models import Practitioner
from booking.models.database import db
from booking.services import agenda
from booking.services.day import Column, Gap, loads, plan
from booking.web import fields
from booking.web.forms import ButtonForm
from booking.web.gate import is_mine
from booking.web.state import clinic, now
from booking.web.trail import saw

bp = Blueprint("day", __name__, url_prefix="/staff/day")


@bp.get("/")
def page() -> ResponseReturnValue:
    """Who comes today, or on the day asked for."""
    day = _day()
    saw("day.read", day.isoformat())
    return _page("staff/day.html", day, _of_the_day(day))


@bp.get("/sheet")
def sheet() -> ResponseReturnValue:
    """The same on paper, a page for each practitioner: initials only unless all is asked for."""
    day, full = _day(), request.args.get("full") == "1"
    saw("sheet.full" if full else "sheet.read", day.isoformat())
    return _page("staff/sheet.html", day, _of_the_day(day), full=full)


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
        is_gap=lambda each: isinstance(each, Gap),
        button=ButtonForm(),
        **more,
    )
