"""Finding somebody by what they say, and no trace of it in an address or in the trail."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking.models.database import db
from booking.services import finding
from tests.builders import NEW_YORK, NOW
from tests.pages import page_of
from tests.visits import a_member_of_staff, a_reference, get, rows, send, sign_in


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    a_member_of_staff()
    sign_in(client)
    return client


def found(client: FlaskClient, text: str) -> str:
    """What the page says when somebody looks for that."""
    return page_of(send(client, get(client, "/staff/search"), "/staff/search", q=text)).text


@pytest.mark.parametrize(
    "text", ["rivers", "SAM", "sam@mail", "555-0123", "0123", "riv", "sam rivers", "02125550123"]
)
def test_a_patient_is_found_by_what_they_say(desk: FlaskClient, text: str) -> None:
    a_reference("Tue 09:00")
    a_reference("Wed 09:00", name="Robin Fields", email="robin@x.example", phone="+12125550177")

    page = found(desk, text)

    assert "Sam Rivers" in page
    assert "Robin Fields" not in page


def test_letters_of_every_alphabet_are_found_in_either_case(app: Flask) -> None:
    assert app
    a_reference(name="Ödön ÉLŐ")

    who = finding.find(db.session(), finding.Search(text="öDÖN élő"), NEW_YORK, now=NOW)

    assert [each.patient_name for each in who] == ["Ödön ÉLŐ"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("José Álvarez", "jose alvarez"),
        ("Jose Alvarez", "José"),
        ("Łukasz Żak", "lukasz zak"),
        ("Søren Ødegård", "soren odegard"),
        ("Nguyễn Thị Ánh", "NGUYEN THI ANH"),
        ("Zoë O’Hara", "Zoe\u0308"),
        ("山田 がく", "がく"),
        ("D. (Dee) Lee", "(dee"),
    ],
)
def test_a_name_is_found_with_and_without_its_accents(app: Flask, name: str, said: str) -> None:
    assert app
    a_reference(name=name)
    a_reference("Wed 09:00", name="Robin Fields", email="robin@x.example")

    who = finding.find(db.session(), finding.Search(text=said), NEW_YORK, now=NOW)

    assert [each.patient_name for each in who] == [name]


def test_an_appointment_is_found_by_its_reference(desk: FlaskClient) -> None:
    reference = a_reference()

    assert "Sam Rivers" in found(desk, reference.lower())


def test_state_and_days_stand_in_the_address_and_what_was_typed_does_not(desk: FlaskClient) -> None:
    a_reference("Tue 09:00")
    form = get(desk, "/staff/search")

    filtered = send(desk, form, "/staff/search", status="booked", **{"from": "2026-11-24"})

    assert filtered.status_code == 303
    assert filtered.location.endswith("?status=booked&from=2026-11-24")
    assert "Sam Rivers" in get(desk, filtered.location).text
    assert "Sam Rivers" not in get(desk, "/staff/search?q=rivers").text


@pytest.mark.parametrize("text", ["%", "_", "\\", "x" * 3000, "a\0b", "'--"])
def test_odd_searches_find_nothing_and_break_nothing(desk: FlaskClient, text: str) -> None:
    a_reference()

    assert "Nothing was found." in found(desk, text)


def test_the_search_itself_is_not_written_down(desk: FlaskClient) -> None:
    a_reference()
    found(desk, "rivers")

    assert "rivers" not in repr(rows()["audit_entry"]).lower()
