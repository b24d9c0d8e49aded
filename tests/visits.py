"""What visitors and staff do, step by step, in the words of a test."""

from functools import cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from flask_security.utils import hash_password
from sqlalchemy import inspect, select
from werkzeug.test import TestResponse

from booking.models import Appointment, Role, User
from booking.models.database import db, transaction
from booking.services.accounts import create_user
from booking.services.links import token_of
from booking.web.fields import utc_text
from booking.worker import worker_of
from tests.builders import HOUSE, NOW, an_appointment, at
from tests.pages import Page, page_of

DESK = "desk@clinic.example"
PASSWORD = "calm-water-under-the-bridge"
SAM = {
    "name": "Sam Rivers",
    "email": "sam@mail.example",
    "phone": "(212) 555-0123",
    "email_consent": "y",
}
COUNTERS = frozenset({"rate_counter", "heartbeat"})
TRAIL = frozenset({"audit_entry", "audit_head"})


def get(client: FlaskClient, path: str, status: int = 200) -> Page:
    """The page at an address."""
    response = client.get(path)
    assert response.status_code == status, (path, response.status_code)
    return page_of(response)


def send(client: FlaskClient, page: Page, ending: str = "", **typed: str) -> TestResponse:
    """Fill in the form whose action ends so, and press its button."""
    form = page.form(ending)
    return client.post(form.get("action") or page.address, data=form.values() | typed)


def form_path(start: str = "Tue 09:00", service: str = "visit", **more: str) -> str:
    """The address of the booking form for a slot."""
    rest = "".join(f"&{name}={value}" for name, value in more.items())
    return f"/services/{service}/book?start={utc_text(at(start))}{rest}"


def book(
    client: FlaskClient, start: str = "Tue 09:00", service: str = "visit", **typed: str
) -> TestResponse:
    """Book as a visitor does; the answer to the button."""
    return send(client, get(client, form_path(start, service)), "/book", **SAM | typed)


def a_booked_page(client: FlaskClient, start: str = "Tue 09:00", service: str = "visit") -> str:
    """Book, and give back the address of the appointment's page."""
    response = book(client, start, service)
    assert response.status_code == 303, response.status_code
    return response.location


def a_link(start: str = "Tue 09:00", **more: Any) -> str:
    """The address of a fresh appointment's page, made without a visit."""
    with transaction() as session:
        made = an_appointment(session, start, **more)
        return f"/appointments/{token_of(made, HOUSE.keys)}"


def a_reference(start: str = "Tue 09:00", **more: Any) -> str:
    """What staff know a fresh appointment by."""
    with transaction() as session:
        return an_appointment(session, start, **more).reference


def the_appointment() -> Appointment:
    """The newest appointment as it is stored now."""
    db.session.rollback()
    return db.session.scalars(select(Appointment).order_by(Appointment.id.desc()).limit(1)).one()


def a_member_of_staff(
    email: str = DESK,
    *,
    active: bool = True,
    role: Role = Role.ADMINISTRATOR,
    practitioner: str = "",
) -> None:
    """Somebody who may sign in."""
    with transaction() as session:
        made = create_user(session, email, _hashed(), now=NOW, role=role, practitioner=practitioner)
        made.active = active


@cache
def _hashed() -> str:
    """Made once: it is slow by design."""
    return str(hash_password(PASSWORD))


def disable(email: str = DESK) -> None:
    """Take somebody's access away."""
    with transaction() as session:
        session.scalars(select(User).where(User.email == email)).one().active = False


def sign_in(client: FlaskClient, email: str = DESK, password: str = PASSWORD) -> TestResponse:
    """Sign in by the form; who was in before, and is not any more, starts afresh."""
    client.get("/staff/")
    return send(client, get(client, "/login"), "/login", email=email, password=password)


def deliver(app: Flask) -> None:
    """Let the worker deliver all that is due."""
    worker_of(app).turn()
    db.session.rollback()


def rows(*, besides: frozenset[str] = frozenset()) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that the database holds."""
    db.session.rollback()
    found: dict[str, list[tuple[Any, ...]]] = {}
    tables = sorted(set(inspect(db.engine).get_table_names()) - besides)
    for name in tables:
        lines = db.session.connection().exec_driver_sql(f'SELECT * FROM "{name}"')  # noqa: S608
        found[name] = sorted((tuple(line) for line in lines), key=repr)
    db.session.rollback()
    return found
