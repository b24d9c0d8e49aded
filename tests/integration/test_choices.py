"""What patients choose: a mistyped address is asked about, names and titles are their own."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.builders import Mailbox
from tests.pages import page_of
from tests.readings import event, has_event, subjects
from tests.visits import (
    SAM,
    a_member_of_staff,
    book,
    deliver,
    form_path,
    get,
    rows,
    send,
    sign_in,
    the_appointment,
)

CHOICES = {
    "call_name": "Alex",
    "event_title": "Dentist, probably",
    "may_text": "y",
    "carer_name": "Kim Rivers",
    "carer_phone": "(212) 555-0188",
}


def test_an_address_that_looks_mistyped_is_asked_about_once(client: FlaskClient) -> None:
    typed = SAM | {"email": "sam@gmial.com"}

    asked = send(client, get(client, form_path()), "/book", **typed)

    assert asked.status_code == 422
    page = page_of(asked)
    assert "Did you mean sam@gmail.com?" in page.alerts()[0].text
    assert page.form("/book").values()["email"] == "sam@gmial.com"
    assert rows()["appointment"] == []
    assert send(client, page, "/book").status_code == 303
    assert the_appointment().patient_email == "sam@gmial.com"


def test_another_mistyped_address_is_asked_about_too(client: FlaskClient) -> None:
    page = page_of(book(client, email="sam@gmial.com"))

    asked = send(client, page, "/book", email="sam@yahooo.com")

    assert asked.status_code == 422
    assert "sam@yahoo.com" in page_of(asked).alerts()[0].text


def test_what_was_chosen_is_shown_to_who_chose_it(client: FlaskClient) -> None:
    page = get(client, book(client, "Mon 10:00", **CHOICES).location)

    assert "When we call, we ask for Alex." in page.text
    assert "Booked by Kim Rivers, phone (212) 555-0188." in page.text
    assert "“Dentist, probably”" in page.text


def test_what_was_chosen_is_shown_where_staff_dial(client: FlaskClient) -> None:
    assert book(client, "Mon 10:00", **CHOICES).status_code == 303
    a_member_of_staff()
    sign_in(client)

    listed = get(client, "/staff/").text
    one = get(client, f"/staff/appointments/{the_appointment().reference}").text

    assert "ask for Alex" in listed
    assert "may send a text" in listed
    assert "booked by Kim Rivers, (212) 555-0188" in listed
    for words in ("On the phone ask for Alex.", "may send a text", "Kim Rivers", "(212) 555-0188"):
        assert words in one


def test_only_their_own_calendar_says_what_they_chose(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox
) -> None:
    path = book(client, **CHOICES).location

    deliver(sqlite_app)

    [mail] = mailbox.to(SAM["email"])
    assert event(mail)["SUMMARY"] == "Dentist, probably"
    assert subjects(mailbox) == ["Confirmed"]
    with_events = [each for each in mailbox.mails if has_event(each) and each is not mail]
    assert not any("Dentist" in str(event(each)["SUMMARY"]) for each in with_events)
    assert "Dentist, probably" in get(client, path).text


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"carer_phone": "(212) 555-0188"}, "carer_phone"),
        ({"carer_name": "Kim", "carer_phone": "12"}, "carer_phone"),
        ({"event_title": "x\u202ey"}, "event_title"),
        ({"call_name": "=?utf-8?q?hi?="}, "call_name"),
    ],
)
def test_what_is_wrong_among_the_choices_is_in_sight(
    client: FlaskClient, typed: dict[str, str], field: str
) -> None:
    answer = book(client, **typed)

    page = page_of(answer)
    assert answer.status_code == 422
    assert f"#{field}" in [each.get("href") for each in page.alerts()[0].all("a")]
    assert page.all("details")[0].get("open") is not None


@pytest.mark.parametrize(
    "title",
    [
        "Pay at https://evil.example/now",
        "Pay at evil.example",
        "see www.evil",
        "bit.ly/3xYz",
        "evil。example",
        "write to eve@mail.example",
        "mailto:eve",
        "Call +1 (900) 555-0199",
        "call 9 0 0 5 5 5",
        "tel:911",
        "\\\\files",
    ],
)
def test_nobody_can_make_the_clinic_send_a_link_or_a_number_to_another(
    client: FlaskClient, title: str
) -> None:
    """T-29: the address may be a stranger's, and the name of the event is mailed to it."""
    answer = book(client, event_title=title)

    assert answer.status_code == 422
    assert "Use words only" in page_of(answer).alerts()[0].text


@pytest.mark.parametrize(
    "title", ["Dr. Who's visit", "Walk, 5 km", "12:30 with A. B.", "Café 4/5 ¿sí?", "Arzt…"]
)
def test_plain_words_can_be_the_name_of_the_event(client: FlaskClient, title: str) -> None:
    book(client, event_title=title)

    assert the_appointment().event_title == title
