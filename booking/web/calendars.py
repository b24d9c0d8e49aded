"""The staff's page of calendars: what can be subscribed to, and what is read from others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from booking.models import BusyCalendar, Feed, Practitioner, Resource
from booking.models.database import db, transaction
from booking.services import busy, feeds
from booking.web.forms import ButtonForm, CalendarForm
from booking.web.gate import is_mine, own_practitioner
from booking.web.schedule import the_act
from booking.web.state import booking, now

bp = Blueprint("calendars", __name__, url_prefix="/staff/calendars")


@dataclass(frozen=True)
class Card:
    """One practitioner or room on the page."""

    resource: Resource
    feed: Feed | None
    token: str | None
    calendars: list[BusyCalendar]


@bp.get("/")
def page() -> ResponseReturnValue:
    """Every practitioner and room with its address, and the calendars that are read."""
    session, keys = db.session(), booking().house.keys
    known, read = feeds.feeds(session), busy.calendars(session)
    return render_template(
        "staff/calendars.html",
        cards=[_card(each, known.get(each.id), read) for each in _resources(session)],
        hosts={each.id: busy.host_of(each, keys) for each in read},
        times=busy.times_ahead(session, now=now()),
        base_url=booking().settings.base_url,
        button=ButtonForm(),
    )


@bp.post("/<slug>/feed")
def renew(slug: str) -> ResponseReturnValue:
    """Make an address, or another one: the one before ends."""

    def act(session: Session) -> None:
        _check_mine(session, slug)
        if feeds.renew_feed(session, slug, keys=booking().house.keys, now=now()) is None:
            abort(404)
        the_act().note(session, "feed.renew", slug)

    return _act(act, "The address is new. One that was used before has ended.")


@bp.post("/<slug>/feed/end")
def end(slug: str) -> ResponseReturnValue:
    """End an address."""

    def act(session: Session) -> None:
        _check_mine(session, slug)
        feeds.end_feed(session, slug)
        the_act().note(session, "feed.end", slug)

    return _act(act, "The address has ended.")


@bp.get("/<slug>/add")
def add_form(slug: str) -> ResponseReturnValue:
    """The form for another calendar of a practitioner's own."""
    return _add_page(_practitioner(db.session(), slug), _form())


@bp.post("/<slug>/add")
def add(slug: str) -> ResponseReturnValue:
    """Read it from now on: 303 to the page, 422 if the form is wrong."""
    form = _form()
    if not form.validate_on_submit():
        return _add_page(_practitioner(db.session(), slug), form), 422
    with transaction() as session:
        practitioner = _practitioner(session, slug)
        keys = booking().house.keys
        busy.add_calendar(session, practitioner, form.calendar(), keys=keys, now=now())
        the_act().note(session, "calendar.add", slug)
    flash("Added. It will be read within a minute.")
    return redirect(url_for(".page"), 303)


@bp.post("/read/<int(max=2147483647):calendar>/check")
def check(calendar: int) -> ResponseReturnValue:
    """Let it be read at once."""

    def act(session: Session) -> None:
        _check_mine_is_read(session, calendar)
        busy.check_now(session, calendar, now=now())

    return _act(act, "It will be read within a minute.")


@bp.post("/read/<int(max=2147483647):calendar>/remove")
def remove(calendar: int) -> ResponseReturnValue:
    """Read it no more, and forget what it said."""

    def act(session: Session) -> None:
        _check_mine_is_read(session, calendar)
        busy.remove_calendar(session, calendar)
        the_act().note(session, "calendar.remove", f"calendar-{calendar}")

    return _act(act, "Removed.")


def _act(act: Callable[[Session], None], told: str) -> ResponseReturnValue:
    """Do one thing in one transaction, then go back to the page."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    with transaction() as session:
        act(session)
    flash(told)
    return redirect(url_for(".page"), 303)


def _card(resource: Resource, feed: Feed | None, read: Sequence[BusyCalendar]) -> Card:
    token = feeds.token_of_feed(feed, booking().house.keys) if feed else None
    return Card(resource, feed, token, [each for each in read if each.resource_id == resource.id])


def _resources(session: Session) -> list[Resource]:
    return [each for each in feeds.resources(session) if is_mine(each.id)]


def _check_mine(session: Session, slug: str) -> None:
    """To a clinician nobody else has a feed."""
    if own_practitioner() is not None:
        _practitioner(session, slug)


def _check_mine_is_read(session: Session, calendar: int) -> None:
    found = session.get(BusyCalendar, calendar)
    if found is not None and not is_mine(found.resource_id):
        abort(404)


def _practitioner(session: Session, slug: str) -> Practitioner:
    found = feeds.practitioner(session, slug)
    if found is None or not is_mine(found.id):
        abort(404)
    return found


def _form() -> CalendarForm:
    return CalendarForm(hosts=booking().settings.calendar_hosts)


def _add_page(practitioner: Practitioner, form: CalendarForm) -> str:
    return render_template("staff/calendar_add.html", practitioner=practitioner, form=form)
