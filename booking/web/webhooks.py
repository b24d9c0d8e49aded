"""The page of webhooks: which other programs are told when an appointment changes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cryptography.fernet import InvalidToken
from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from booking.messages.foreign.apart import post_apart
from booking.messages.foreign.faults import CalendarFault
from booking.models import Webhook
from booking.models.database import db, transaction
from booking.services import webhooks
from booking.services.api_keys import RenewedMeanwhile
from booking.services.calls import UNREADABLE
from booking.services.people import Deed
from booking.services.webhooks import UnknownWebhook
from booking.web.forms import ButtonForm
from booking.web.gate import signed_in_name
from booking.web.program_forms import EVENTS, RenewForm, WebhookForm
from booking.web.state import booking, now

bp = Blueprint("webhooks", __name__, url_prefix="/staff/webhooks")

ONE = "/<int(max=2147483647):number>"


@bp.get("/")
def page() -> ResponseReturnValue:
    """Every address, with what it is told and whether it takes it."""
    session, keys = db.session(), booking().house.keys
    found = webhooks.webhooks(session)
    return render_template(
        "staff/webhooks.html",
        webhooks=found,
        hosts={each.id: webhooks.host_of(each, keys) for each in found},
        counts=webhooks.counts(session),
        nothing=webhooks.Count(),
        events=EVENTS,
        button=ButtonForm(),
    )


@bp.get("/new")
def add_form() -> ResponseReturnValue:
    """The form for another address."""
    return render_template("staff/webhook_add.html", form=_form())


@bp.post("/new")
def add() -> ResponseReturnValue:
    """Tell it from now on, and show its secret this once; 422 if the form is wrong."""
    form = _form()
    if not form.validate_on_submit():
        return render_template("staff/webhook_add.html", form=form), 422
    with transaction() as session:
        made, secret = webhooks.add(session, form.webhook(), _deed())
        return _shown(made, secret)


@bp.get(f"{ONE}/renew")
def renew_form(number: int) -> ResponseReturnValue:
    """The question when the secret before is to end."""
    found = _webhook(number)
    return _renew_page(found, RenewForm(data={"seen": found.renewed_at.isoformat()}))


@bp.post(f"{ONE}/renew")
def renew(number: int) -> ResponseReturnValue:
    """Make another secret and show it this once; what was renewed meanwhile is left alone."""
    form = RenewForm()
    if not form.validate_on_submit():
        return _renew_page(_webhook(number), form), 422
    try:
        with _known(), transaction() as session:
            made, secret = webhooks.renew(session, number, form.last, form.overlap_wanted, _deed())
            return _shown(made, secret)
    except RenewedMeanwhile:
        flash("Nothing was changed: the secret was renewed meanwhile.")
        return redirect(url_for(".page"), 303)


@bp.post(f"{ONE}/test")
def test(number: int) -> ResponseReturnValue:
    """Send something about nobody, now, and say what came back."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    found, hosts = _webhook(number), booking().settings.calendar_hosts
    try:
        post = webhooks.trial(found, booking().house.keys, hosts, now=now())
        db.session.rollback()  # nothing is held while the other side thinks
        told = f"The other side answered {post_apart(post)}."
    except InvalidToken:
        told = UNREADABLE
    except CalendarFault as fault:
        told = fault.text
    flash(f"The test was sent. {told}")
    return redirect(url_for(".page"), 303)


@bp.post(f"{ONE}/resume")
def resume(number: int) -> ResponseReturnValue:
    """Tell it again of what changes from now on."""
    return _act(
        lambda session: webhooks.resume(session, number, _deed()),
        "It is told again of what changes from now on.",
    )


@bp.post(f"{ONE}/remove")
def remove(number: int) -> ResponseReturnValue:
    """Tell it nothing more."""
    return _act(
        lambda session: webhooks.remove(session, number, _deed()),
        "Removed. It is told nothing more.",
    )


def _act(act: Callable[[Session], None], told: str) -> ResponseReturnValue:
    """Do one thing in one transaction, then go back to the page."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    with _known(), transaction() as session:
        act(session)
    flash(told)
    return redirect(url_for(".page"), 303)


@contextmanager
def _known() -> Iterator[None]:
    """404 for an address that is not there."""
    try:
        yield
    except UnknownWebhook:
        abort(404)


def _webhook(number: int) -> Webhook:
    with _known():
        return webhooks.webhook(db.session(), number)


def _shown(made: Webhook, secret: str) -> str:
    host = webhooks.host_of(made, booking().house.keys)
    return render_template("staff/webhook_made.html", webhook=made, host=host, secret=secret)


def _renew_page(found: Webhook, form: RenewForm) -> str:
    host = webhooks.host_of(found, booking().house.keys)
    return render_template("staff/webhook_renew.html", host=host, form=form)


def _form() -> WebhookForm:
    return WebhookForm(hosts=booking().settings.calendar_hosts)


def _deed() -> Deed:
    return Deed(signed_in_name(), now(), booking().house)
