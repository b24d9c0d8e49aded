"""The way back for whoever has lost the mail of their appointment."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.models.database import transaction
from booking.services.lost_links import ask_again
from booking.web.forms import LostForm
from booking.web.limits import limit_lost_links
from booking.web.state import booking, clinic, now

bp = Blueprint("lost", __name__, url_prefix="/find")


@bp.get("")
def form() -> ResponseReturnValue:
    """The form; once it was sent, the same words for everybody."""
    clinic()
    return render_template("public/find.html", form=LostForm(), asked="asked" in request.args)


@bp.post("")
@limit_lost_links
def ask() -> ResponseReturnValue:
    """Let the links be mailed to the address, if it has any: 303 always, 422 if it is none."""
    filled = LostForm()
    if not filled.validate_on_submit():
        return render_template("public/find.html", form=filled, asked=False), 422
    mail_links_again(filled.email.checked)
    return redirect(url_for(".form", asked=1), 303)


def mail_links_again(email: str) -> None:
    """Let the links of an address be mailed to it, if it has any."""
    with transaction() as session:
        ask_again(session, email, keys=booking().house.keys, now=now())
