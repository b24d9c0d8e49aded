"""The page of people: who may do what here, and who is invited."""

import secrets
from collections.abc import Callable

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_security.utils import hash_password
from sqlalchemy.orm import Session

from booking.models import Role, User
from booking.models.database import db, transaction
from booking.services import agenda, api_keys, people, second_steps
from booking.services.accounts import AccountExists, NobodyToBe
from booking.services.people import Deed, LastAdministrator, OwnAccess, UnknownPerson
from booking.web.forms import ButtonForm
from booking.web.gate import signed_in_name
from booking.web.people_forms import ROLES, InviteForm, StandingForm
from booking.web.state import booking, now

bp = Blueprint("people", __name__, url_prefix="/staff/people")

ONE = "/<int(max=2147483647):person>"
NOT_YOUR_OWN = "Nothing was changed: your own access is for another administrator to change."
NOT_HERE = "That practitioner sees nobody any more. Choose another."
NOT_THE_LAST = "Nothing was changed: the clinic needs at least one administrator."


@bp.get("/")
def page() -> ResponseReturnValue:
    """Everybody, with role and state."""
    session = db.session()
    return render_template(
        "staff/people.html",
        people=people.people(session),
        invitations=people.invitations(session),
        names={each.id: each.name for each in agenda.practitioners(session)},
        roles={role: words.partition(":")[0] for role, words in ROLES.items()},
        me=signed_in_name(),
        button=ButtonForm(),
    )


@bp.get("/invite")
def invite_form() -> ResponseReturnValue:
    """The form for somebody new."""
    return render_template("staff/person_invite.html", form=_invite_form())


@bp.post("/invite")
def invite() -> ResponseReturnValue:
    """Owe them the mail: 303 to the page, 422 if the form is wrong."""
    form = _invite_form()
    if form.validate_on_submit():
        nobodys = hash_password(secrets.token_urlsafe(32))
        try:
            with transaction() as session:
                people.invite(session, form.email.checked, form.standing(), nobodys, _deed())
        except AccountExists:
            form.email.errors = ["This address has an account already."]
        except NobodyToBe:
            form.practitioner.errors = [NOT_HERE]
        else:
            flash("Invited. The mail leaves within a minute, and its link works for 48 hours.")
            return redirect(url_for(".page"), 303)
    return render_template("staff/person_invite.html", form=form), 422


@bp.get(ONE)
def role_form(person: int) -> ResponseReturnValue:
    """What somebody may do, to be changed."""
    found = _person(db.session(), person)
    known = {each.id: each.slug for each in agenda.practitioners(db.session())}
    form = _role_form(role=found.role, practitioner=known.get(found.practitioner_id or 0, ""))
    return _role_page(found, form)


@bp.post(ONE)
def role(person: int) -> ResponseReturnValue:
    """Let them do that from now on: 303 to the page, 422 if the form is wrong."""
    form = _role_form()
    if not form.validate_on_submit():
        found = _person(db.session(), person)
        return _role_page(found, form), 422
    stays = form.standing().role == Role.ADMINISTRATOR
    return _act(
        lambda session: people.change_role(session, person, form.standing(), _deed()),
        "Changed. It holds at once." + ("" if stays else _resting(person)),
    )


@bp.post(f"{ONE}/disable")
def disable(person: int) -> ResponseReturnValue:
    """Take their access away; every session of theirs ends."""
    return _act(
        lambda session: people.disable(session, person, _deed()),
        "Disabled. Every session of theirs has ended." + _resting(person),
    )


@bp.post(f"{ONE}/enable")
def enable(person: int) -> ResponseReturnValue:
    """Give it back."""
    return _act(lambda session: people.enable(session, person, _deed()), "They can sign in again.")


@bp.post(f"{ONE}/second-step/remove")
def reset_second_step(person: int) -> ResponseReturnValue:
    """Take the second steps of who has lost the device away; every session of theirs ends."""
    return _act(
        lambda session: second_steps.reset(session, person, _deed()),
        "Their second step is removed, and they are signed out. They set up another when they "
        "sign in.",
    )


@bp.post(f"{ONE}/invite")
def invite_again(person: int) -> ResponseReturnValue:
    """Send another link; the one before ends."""
    return _act(
        lambda session: people.invite_again(session, person, _deed()),
        "A new mail leaves within a minute. The link before has ended.",
    )


def _act(act: Callable[[Session], User], told: str) -> ResponseReturnValue:
    """Do one thing in one transaction, then go back to the page."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    try:
        with transaction() as session:
            act(session)
    except UnknownPerson:
        abort(404)
    except NobodyToBe:
        told = f"Nothing was changed. {NOT_HERE}"
    except OwnAccess:
        told = NOT_YOUR_OWN
    except LastAdministrator:
        told = NOT_THE_LAST
    flash(told)
    return redirect(url_for(".page"), 303)


def _resting(person: int) -> str:
    """Which programs stand still, since the person has seen their keys."""
    names = api_keys.resting(db.session(), person)
    if not names:
        return ""
    return f" These keys rest until another administrator renews them: {', '.join(names)}."


def _person(session: Session, number: int) -> User:
    try:
        return people.person(session, number)
    except UnknownPerson:
        abort(404)


def _role_page(found: User, form: StandingForm) -> str:
    return render_template(
        "staff/person.html",
        person=found,
        form=form,
        button=ButtonForm(formdata=None),
        has_second_step=second_steps.exists(db.session(), found),
    )


def _deed() -> Deed:
    return Deed(signed_in_name(), now(), booking().house)


def _invite_form() -> InviteForm:
    return InviteForm(agenda.practitioners(db.session()))


def _role_form(**more: object) -> StandingForm:
    return StandingForm(agenda.practitioners(db.session()), data=more or None)
