"""Whoever has lost the mail of their appointment gets it again, and nobody else learns anything."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking.models.database import transaction
from booking.services.appointments import cancel_appointment
from booking.worker.lost_links import LinkAnswerer
from tests.builders import HOUSE, NOW, Clock, Mailbox, an_appointment
from tests.pages import page_of
from tests.readings import told
from tests.visits import deliver, get, rows, send

SAMS = "sam@mail.example"


@pytest.fixture
def booked(sqlite_app: Flask, mailbox: Mailbox) -> Flask:
    """Sam has an appointment, and lost the mail about it."""
    with transaction() as session:
        an_appointment(session, "Wed 10:00")
    deliver(sqlite_app)
    mailbox.mails.clear()
    return sqlite_app


def ask(app: Flask, client: FlaskClient, clock: Clock, email: str = SAMS) -> str:
    """Ask for the links of an address, let the worker work, and read the page that answers."""
    answer = send(client, get(client, "/find"), "/find", email=email)
    assert answer.status_code == 303
    LinkAnswerer(clock=clock).turn()
    deliver(app)
    return get(client, answer.location).text


def test_the_mail_comes_again_to_the_address_on_file(
    booked: Flask, client: FlaskClient, clock: Clock, mailbox: Mailbox
) -> None:
    ask(booked, client, clock, "SAM@mail.example")

    assert told(mailbox) == [("REQUEST", 0)]
    assert {each.recipient for each in mailbox.mails} == {SAMS}


def test_a_mistyped_address_is_asked_about_before_a_mail_is_waited_for(client: FlaskClient) -> None:
    asked = page_of(send(client, get(client, "/find"), "/find", email="sam@gmial.com"))

    assert "Did you mean sam@gmail.com?" in asked.alerts()[0].text
    assert send(client, asked, "/find").status_code == 303


def test_the_answer_is_the_same_for_an_address_that_nobody_has(
    booked: Flask, client: FlaskClient, clock: Clock, mailbox: Mailbox
) -> None:
    known = ask(booked, client, clock)
    before = len(mailbox.mails)

    unknown = ask(booked, client, clock, "nobody@mail.example")

    assert unknown == known
    assert len(mailbox.mails) == before
    kept = [(email, len(digest)) for digest, email, _ in rows()["link_request"]]
    assert kept == [("", 32), ("", 32)], "no address stays behind"


def test_nobodys_mailbox_is_flooded(
    booked: Flask, client: FlaskClient, clock: Clock, mailbox: Mailbox
) -> None:
    for _ in range(3):
        ask(booked, client, clock)
    assert len(mailbox.mails) == 1

    clock.now = NOW + timedelta(hours=1)
    ask(booked, client, clock)

    assert len(mailbox.mails) == 2


def test_what_is_over_or_cancelled_is_not_mailed(
    booked: Flask, client: FlaskClient, clock: Clock, mailbox: Mailbox
) -> None:
    with transaction() as session:
        gone = an_appointment(session, "Fri 14:00", service="video", email="gone@mail.example")
        cancel_appointment(session, gone, HOUSE, now=NOW)
    deliver(booked)
    mailbox.mails.clear()
    ask(booked, client, clock, "gone@mail.example")
    clock.forward(days=4)

    ask(booked, client, clock)

    assert mailbox.mails == []


def test_what_is_no_address_is_said_at_the_field(client: FlaskClient) -> None:
    answer = send(client, get(client, "/find"), "/find", email="sam@@mail")

    assert answer.status_code == 422
    assert page_of(answer).form("/find").values()["email"] == "sam@@mail"
