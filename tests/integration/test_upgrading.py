"""A clinic that began with the first release takes the newest, and works on with what it has."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import select

from booking.app import create_app
from booking.models import Appointment, OwedMessage, SentMessage
from booking.models.base import Base
from booking.models.database import db, transaction
from booking.services import invariants
from booking.services.appointments import appointment_by_token, reschedule_appointment
from booking.services.links import token_of
from tests import postgres
from tests.builders import HOUSE, Clock, Mailbox, an_appointment, at
from tests.conftest import settings_for
from tests.visits import deliver, get, sign_in

RELEASES = Path(__file__).parent.parent / "releases"
MONDAY_AT_NINE = at("Mon 09:10")
OWED = ["lee@mail.example", "new@mail.example", "pat@mail.example"]
"""Whom the first release had still to tell: of a move, of a booking, and of a cancellation."""


@pytest.fixture(params=["sqlite", "postgresql"])
def first_release(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database as the first release left it."""
    written = (RELEASES / f"first-{request.param}.sql").read_text()
    if request.param == "sqlite":
        with closing(sqlite3.connect(tmp_path / "booking.db")) as connection:
            connection.executescript(written)
        yield f"sqlite:///{tmp_path}/booking.db"
        return
    server = request.getfixturevalue("postgres_server")
    name = f"first_release_{os.getpid()}"
    url = postgres.make_database(server, name)
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute(written.encode())
    yield url
    postgres.drop_database(server, name)


@pytest.fixture
def upgraded(first_release: str, mailbox: Mailbox) -> Iterator[Flask]:
    """The newest release on that database."""
    clock = Clock(MONDAY_AT_NINE)
    app = create_app(settings_for(first_release), clock=clock, transport=mailbox)
    with app.app_context():
        upgrade()
        yield app
        db.session.remove()
        db.engine.dispose()


def appointments() -> dict[str, str]:
    """The status of each, by who comes and when."""
    found = db.session.scalars(select(Appointment).order_by(Appointment.start_at))
    return {f"{each.patient_email} {each.start_at:%d %H:%M}": each.status for each in found}


@pytest.mark.usefixtures("upgraded")
def test_the_schema_is_the_newest_and_the_invariants_hold() -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []

    found = list(invariants.check(db.session(), HOUSE.keys, now=MONDAY_AT_NINE))

    assert {each.what: each.faults for each in found if each.faults} == {}


@pytest.mark.usefixtures("upgraded")
def test_every_appointment_is_there_as_it_was() -> None:
    assert appointments() == {
        "kim@mail.example 24 14:00": "booked",
        "sam@mail.example 25 16:00": "booked",
        "pat@mail.example 25 20:00": "cancelled",
        "kim@mail.example 27 14:00": "booked",
        "lee@mail.example 27 15:00": "booked",
        "new@mail.example 27 18:00": "booked",
    }


def test_links_that_were_mailed_still_open_their_page(upgraded: Flask) -> None:
    for appointment in db.session.scalars(select(Appointment)).all():
        token = token_of(appointment, HOUSE.keys)
        assert appointment_by_token(db.session(), token) is appointment
        get(upgraded.test_client(), f"/appointments/{token}")


@pytest.mark.usefixtures("upgraded")
def test_mails_that_were_sealed_can_be_read() -> None:
    mails = [
        HOUSE.keys.seal.decrypt(each.sealed) for each in db.session.scalars(select(SentMessage))
    ]

    assert len(mails) == 2
    assert all(b"\nSubject: " in each for each in mails)


def test_what_was_owed_is_sent_and_nothing_is_sent_again(upgraded: Flask, mailbox: Mailbox) -> None:
    deliver(upgraded)
    told = [each.recipient for each in mailbox.mails]

    assert sorted(each for each in told if each.endswith("@mail.example")) == OWED
    waiting = select(OwedMessage).where(OwedMessage.settled_at.is_(None))
    assert db.session.scalars(waiting).all() == []


def test_life_goes_on(upgraded: Flask, mailbox: Mailbox) -> None:
    deliver(upgraded)
    mailbox.mails.clear()
    with transaction() as session:
        an_appointment(session, "Mon 15:00", service="video", email="later@mail.example")
        old = session.scalars(
            select(Appointment).where(Appointment.patient_email == "sam@mail.example")
        ).one()
        before = old.sequence
        reschedule_appointment(session, old, at("Wed 13:00"), HOUSE, now=MONDAY_AT_NINE)
    deliver(upgraded)

    sam = db.session.scalars(
        select(Appointment).where(Appointment.patient_email == "sam@mail.example")
    ).one()
    assert sam.sequence == before + 1
    told = {each.recipient for each in mailbox.mails}
    assert {"later@mail.example", "sam@mail.example"} <= told
    faults = [
        each.faults for each in invariants.check(db.session(), HOUSE.keys, now=MONDAY_AT_NINE)
    ]
    assert not any(faults)


def test_staff_sign_in_with_the_password_that_they_had(upgraded: Flask) -> None:
    client = upgraded.test_client()

    answer = sign_in(client, "desk@clinic.example", "quiet-harbor-in-the-morning")

    assert answer.status_code == 302
    get(client, "/staff/")
