"""The clinic's words: kept by staff, and shown as a calendar will show them."""

from email import message_from_bytes

import pytest
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar
from sqlalchemy import select

from booking.models import AuditEntry, Clinic
from booking.models.database import db
from tests.builders import Mailbox, the_service
from tests.integration.test_schedule import post
from tests.pages import page_of
from tests.visits import a_link, a_member_of_staff, deliver, get, sign_in

TEXTS = "/staff/schedule/texts/"
SAID = {"name": "First consultation", "summary": "", "event_title": "Meeting", "preparation": ""}


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    """A browser in which a member of staff is signed in."""
    a_member_of_staff()
    sign_in(client)
    return client


def test_what_a_calendar_will_show_is_what_an_invitation_says(
    sqlite_app: Flask, desk: FlaskClient, mailbox: Mailbox
) -> None:
    page = get(desk, f"{TEXTS}visit")
    shown = page_of(post(desk, page, page.address, **SAID)).all("section")[0].text
    post(desk, page, page.address, save="y", **SAID)

    a_link("Tue 09:00")
    deliver(sqlite_app)

    (mail,) = mailbox.to("sam@mail.example")
    parts = message_from_bytes(mail.content).walk()
    (ics, *_) = (part for part in parts if part.get_content_type() == "text/calendar")
    payload = ics.get_payload(decode=True)
    assert isinstance(payload, bytes)
    event = Calendar.from_ical(payload).walk("VEVENT")[0]
    assert str(event["summary"]) == "Meeting"
    for word in (event["summary"], event["location"], event["organizer"].params["CN"]):
        assert str(word) in shown


def test_looking_first_saves_nothing_and_keeps_what_was_typed(desk: FlaskClient) -> None:
    page = get(desk, f"{TEXTS}visit")

    shown = page_of(post(desk, page, page.address, **SAID))

    assert shown.form("").values()["event_title"] == "Meeting"
    db.session.rollback()
    assert the_service(db.session(), "visit").event_title == "Appointment"


def test_the_clinics_words_are_changed_and_the_trail_names_the_fields(desk: FlaskClient) -> None:
    page = get(desk, TEXTS)
    typed = page.form("").values() | {"neutral_name": "Harbor", "crisis_phone": "911"}

    post(desk, page, TEXTS, **typed)

    db.session.rollback()
    clinic = db.session.get_one(Clinic, 1)
    assert (clinic.neutral_name, clinic.crisis_phone) == ("Harbor", "911")
    query = select(AuditEntry.subject, AuditEntry.fields).where(AuditEntry.action == "texts.change")
    assert [tuple(row) for row in db.session.execute(query)] == [
        ("clinic", "neutral_name crisis_phone")
    ]


@pytest.mark.parametrize(
    ("path", "typed", "sentence"),
    [
        (TEXTS, {"neutral_name": ""}, "The neutral name is missing."),
        (f"{TEXTS}visit", {"event_title": ""}, "The title is missing."),
        (f"{TEXTS}visit", {"event_title": "x" * 61}, "up to 60 characters"),
    ],
)
def test_a_text_that_cannot_be_is_said_where_it_stands(
    desk: FlaskClient, path: str, typed: dict[str, str], sentence: str
) -> None:
    page = get(desk, path)

    answer = post(desk, page, path, **page.form("").values() | typed | {"save": "y"})

    assert answer.status_code == 422
    assert any(sentence in each.text for each in page_of(answer).alerts())
