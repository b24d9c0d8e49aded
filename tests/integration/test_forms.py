"""What people type, kindly or not: understood, or refused with a sentence and given back."""

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking.models import Clinic
from booking.models.database import transaction
from booking.worker.lost_links import LinkAnswerer
from tests.builders import Clock, Mailbox
from tests.pages import page_of
from tests.readings import told
from tests.visits import SAM, book, deliver, form_path, get, rows, send, the_appointment

KIND = [
    ("name", "  Zoë   O’Neil-Łukasz "),
    ("name", "李小龍"),
    ("name", "José"),
    ("name", "👩‍👩‍👧 Kim"),
    ("name", "x" * 120),
    ("name", "Robert'); DROP TABLE appointment;--"),
    ("name", "{{7*7}} %s {0} ${x} <b>"),
    ("email", " Sam.Rivers+clinic@Mail.Example "),
    ("email", "o'neil@mail.example"),
    ("phone", "212-555-0123"),
    ("phone", "+44 20 7946 0123"),
    ("phone", "(212) 555‑0123"),
]
UNKIND = [
    ("name", ""),
    ("name", "   "),
    ("name", "x" * 121),
    ("name", "x" * 60000),
    ("name", "Sam\r\nBcc: victim@mail.example"),
    ("name", "Sam\nX"),
    ("name", "Sam\u2028X"),
    ("name", "Sam\u0085X"),
    ("name", "Sam\x0bX"),
    ("name", "Sam\x00X"),
    ("name", "Sam\x1b[31mX"),
    ("name", "=?utf-8?q?hi=0ABcc:_x@y?="),
    ("name", "=?utf-8?b?aGkKQmNjOiB4QHk=?="),
    ("name", "Sam\u202eX"),
    ("name", "Sam\u2066X"),
    ("name", "Sam\u061cX"),
    ("name", "Sam\ufeffX"),
    ("email", ""),
    ("email", "sam"),
    ("email", "sam@"),
    ("email", "@mail.example"),
    ("email", "sam@mail"),
    ("email", "sam@mail.example\r\nRCPT TO:<victim@mail.example>"),
    ("email", "sam@mail.example\nBcc: victim@mail.example"),
    ("email", "sam@mail.example,victim@mail.example"),
    ("email", "sam@mail.example victim@mail.example"),
    ("email", "sam@mail.example;victim@mail.example"),
    ("email", "Sam <sam@mail.example>"),
    ("email", "sam(comment)@mail.example"),
    ("email", '"sam rivers"@mail.example'),
    ("email", "sam@[127.0.0.1]"),
    ("email", "sam@127.0.0.1"),
    ("email", "friends:sam@mail.example;"),
    ("email", "=?utf-8?q?sam?=@mail.example"),
    ("email", "sam@mail..example"),
    ("email", "sàm@mail.example"),
    ("email", "sam@mäil.example"),
    ("email", "sam%0d%0a@mail.example\x00"),
    ("email", "x" * 65 + "@mail.example"),
    ("email", "sam@" + "m" * 250 + ".example"),
    ("phone", "12"),
    ("phone", "call me"),
    ("phone", "1" * 50),
    ("phone", "212 555 0123 ext. 4"),
    ("phone", "javascript:alert(1)"),
]


HELD = frozenset({"hold", "occupancy", "time_version"})
"""The time is kept for whoever mends the form."""


@pytest.mark.parametrize(("field", "text"), KIND)
def test_what_people_are_called_and_reached_by_is_taken(
    client: FlaskClient, field: str, text: str
) -> None:
    answer = book(client, **{field: text})

    assert answer.status_code == 303
    assert get(client, answer.location)


@pytest.mark.parametrize(("field", "text"), UNKIND)
def test_what_cannot_be_meant_is_refused_with_a_sentence_and_given_back(
    client: FlaskClient, field: str, text: str
) -> None:
    """T-23 to T-26: nothing typed is stored, everything comes back."""
    before = rows(besides=HELD)

    answer = book(client, **{field: text})

    assert answer.status_code == 422
    page = page_of(answer)
    links = page.alerts()[0].all("a")
    assert [each.get("href") for each in links] == [f"#{field}"]
    assert links[0].text.endswith(".")
    assert page.all("input", id=field)[0].get("aria-invalid") == "true"
    assert page.form("/book").values()["name"] == (text if field == "name" else SAM["name"])
    assert rows(besides=HELD) == before


def test_a_name_is_stored_as_one_would_write_it(client: FlaskClient) -> None:
    book(client, name="  Zoe\u0308 Rivers ")

    assert the_appointment().patient_name == "Zo\u00eb Rivers"


def test_an_address_keeps_its_capitals_but_is_known_without(client: FlaskClient) -> None:
    book(client, email="Sam.Rivers@Mail.Example")

    assert the_appointment().patient_email == "Sam.Rivers@mail.example"
    assert the_appointment().email_key == "sam.rivers@mail.example"


def test_percent_signs_are_only_percent_signs(client: FlaskClient) -> None:
    """T-23: what was encoded twice is decoded once."""
    answer = book(client, name="Sam%0d%0aBcc: victim@mail.example")

    assert answer.status_code == 303
    assert the_appointment().patient_name == "Sam%0d%0aBcc: victim@mail.example"


def test_bytes_that_are_no_text_are_harmless(client: FlaskClient) -> None:
    values = get(client, form_path()).form("/book").values() | SAM
    body = "&".join(f"{name}={value}" for name, value in values.items() if name != "name")
    hostile = body.encode() + b"&name=%ff%fe%ED%A0%80&a[b]=c&name=second"

    answer = client.post(
        form_path(), data=hostile, content_type="application/x-www-form-urlencoded"
    )

    assert answer.status_code in (303, 422)


def test_a_form_can_also_come_in_parts(client: FlaskClient) -> None:
    values = get(client, form_path()).form("/book").values() | SAM

    answer = client.post(form_path(), data=values, content_type="multipart/form-data")

    assert answer.status_code == 303


def test_fields_that_we_did_not_ask_for_are_left_aside(client: FlaskClient) -> None:
    """T-65: nobody sets a status, an owner or a buffer by naming it."""
    extra = {"status": "fulfilled", "id": "77", "room_id": "9", "sequence": "5", "uid": "mine"}

    answer = book(client, **extra, duration="1", minimum_notice="0", patient_name="Eve", price="0")

    made = the_appointment()
    assert answer.status_code == 303
    assert (made.status, made.sequence, made.patient_name) == ("booked", 0, "Sam Rivers")
    assert made.id != 77
    assert made.uid != "mine"


def test_a_body_that_is_too_long_is_refused(client: FlaskClient) -> None:
    """T-79."""
    page = get(client, form_path())

    answer = send(client, page, "/book", **SAM | {"name": "x" * 70000})

    assert answer.status_code == 413
    assert page_of(answer).heading == "That was too long"


def test_a_form_of_very_many_parts_is_refused(client: FlaskClient) -> None:
    values = {f"field{number}": "x" for number in range(60)}

    answer = client.post(form_path(), data=values, content_type="multipart/form-data")

    assert answer.status_code == 413


def test_a_known_address_is_answered_like_a_fresh_one(client: FlaskClient) -> None:
    """T-15."""
    book(client, "Tue 09:00")

    known = get(client, book(client, "Wed 09:00").location)
    fresh = get(client, book(client, "Fri 09:00", email="new@mail.example", phone="").location)

    assert known.heading == fresh.heading
    assert [each.text for each in known.all("h2")] == [each.text for each in fresh.all("h2")]


def test_a_contact_holds_only_so_many_appointments(sqlite_app: Flask, client: FlaskClient) -> None:
    """T-75: by address; those cancelled do not count."""
    assert sqlite_app.extensions["booking"].house.limits is False
    _limit_contacts(sqlite_app)
    first = book(client, "Tue 09:00")
    book(client, "Tue 10:00")

    other_number = book(client, "Wed 09:00", phone="(212) 555-0199")
    same_address = book(client, "Wed 09:00", phone="", email="SAM@mail.example")
    send(client, get(client, f"{first.location}/cancel"), "")
    after = book(client, "Wed 09:00")

    assert (other_number.status_code, same_address.status_code) == (409, 409)
    assert "We could not book this time online" in page_of(same_address).alerts()[0].text
    assert page_of(same_address).form("/book").values()["email"] == "SAM@mail.example"
    assert after.status_code == 303


def test_nobody_learns_by_a_number_that_somebody_comes_here(
    sqlite_app: Flask, client: FlaskClient
) -> None:
    """T-15: with an address of their own and the number of another."""
    _limit_contacts(sqlite_app)
    book(client, "Tue 09:00")
    book(client, "Tue 10:00")

    probe = book(client, "Wed 09:00", email="eve@mail.example")

    assert probe.status_code == 303


@pytest.mark.parametrize("by_api", [False, True], ids=["form", "api"])
def test_who_tries_an_address_until_it_is_full_is_heard_by_its_owner(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox, clock: Clock, by_api: bool
) -> None:
    """T-15: that it is full has to be said, but not behind its owner's back."""
    _limit_contacts(sqlite_app)
    book(client, "Tue 09:00")
    book(client, "Wed 09:00")
    deliver(sqlite_app)
    mailbox.mails.clear()
    body = {
        "service": "visit",
        "start": "2026-11-27T14:00:00Z",
        "patient": {"name": "Eve", "email": SAM["email"]},
        "email_consent": True,
    }

    refused = (
        client.post("/api/v1/appointments", json=body) if by_api else book(client, "Fri 09:00")
    )
    LinkAnswerer(clock=clock).turn()
    deliver(sqlite_app)

    assert refused.status_code == 409
    assert told(mailbox) == [("REQUEST", 0)] * 2


def _limit_contacts(app: Flask) -> None:
    """Two appointments for each contact, as in real life."""
    state = app.extensions["booking"]
    app.extensions["booking"] = replace(state, house=replace(state.house, limits=True))
    with transaction() as session:
        session.get_one(Clinic, 1).appointments_per_contact = 2
