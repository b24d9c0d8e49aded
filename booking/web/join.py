"""Where a link leads that opens once: a member of staff sets up their own sign-in."""

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from booking.models.database import db, transaction
from booking.services import people
from booking.services.people import LinkEnded
from booking.web.people_forms import JoinForm
from booking.web.state import booking, now

bp = Blueprint("join", __name__, url_prefix="/join")


@bp.get("/<token>")
def form(token: str) -> ResponseReturnValue:
    """The form; looking uses nothing up. 404 if the link has ended."""
    return render_template("staff/join.html", form=_form(token))


@bp.post("/<token>")
def join(token: str) -> ResponseReturnValue:
    """Let them in: 303 to the sign-in, 422 if the form is wrong, 404 if the link has ended."""
    filled = _form(token)
    if not filled.validate_on_submit():
        return render_template("staff/join.html", form=filled), 422
    newcomer = filled.newcomer()
    try:
        with transaction() as session:
            people.join(session, token, newcomer, booking().house, now=now())
    except LinkEnded:
        abort(404)
    flash("Your sign-in is set up. You can sign in now.")
    return redirect(url_for("security.login"), 303)


def _form(token: str) -> JoinForm:
    try:
        link = people.open_link(db.session(), token, now=now())
    except LinkEnded:
        abort(404)
    return JoinForm(invited=link.user.email if link.user else None)
