"""One's own account: sessions and password."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.pages import page_of
from tests.visits import DESK, PASSWORD, a_member_of_staff, get, rows, send, sign_in

ACCOUNT = "/staff/account/"
CHOSEN = "seven odd ducks on a pond"


@pytest.fixture
def other(client: FlaskClient, sqlite_app: Flask) -> FlaskClient:
    """Another browser of the same member of staff; both are signed in."""
    a_member_of_staff()
    a_member_of_staff("kim@clinic.example")
    second = sqlite_app.test_client()
    sign_in(client)
    sign_in(second)
    return second


def is_in(client: FlaskClient) -> bool:
    return client.get("/staff/").status_code == 200


def change(client: FlaskClient, present: str = PASSWORD, password: str = CHOSEN) -> int:
    """Change the password by the form; the status of the answer."""
    page = get(client, ACCOUNT)
    return send(client, page, "/password", present=present, password=password).status_code


def test_one_sees_where_one_is_signed_in(client: FlaskClient, other: FlaskClient) -> None:
    page = get(client, ACCOUNT)

    assert len(page.all("li", class_="entry")) == 2
    assert page.text.count("Here") == 1
    assert get(other, ACCOUNT).text.count("Here") == 1


def test_one_signs_out_everywhere_else(
    client: FlaskClient, other: FlaskClient, sqlite_app: Flask
) -> None:
    """T-56; nobody else is signed out by it."""
    kim = sqlite_app.test_client()
    sign_in(kim, "kim@clinic.example")

    send(client, get(client, ACCOUNT), "/others/end")

    assert is_in(client)
    assert not is_in(other)
    assert is_in(kim)


def test_a_new_password_ends_the_other_sessions(client: FlaskClient, other: FlaskClient) -> None:
    """T-56."""
    assert change(client) == 303

    assert is_in(client)
    assert not is_in(other)
    assert sign_in(other).status_code == 422
    assert sign_in(other, DESK, CHOSEN).status_code == 302
    assert CHOSEN not in repr(rows())


def test_who_does_not_know_the_present_password_changes_nothing(
    client: FlaskClient, other: FlaskClient
) -> None:
    before = rows()["staff_user"]

    answer = send(
        client, get(client, ACCOUNT), "/password", present="a guess that is wrong", password=CHOSEN
    )

    assert answer.status_code == 422
    assert "That is not your present password." in page_of(answer).alerts()[0].text
    assert rows()["staff_user"] == before
    assert is_in(other)


@pytest.mark.parametrize("password", ["short", "passwordpassword", DESK])
def test_a_new_password_that_is_guessed_soon_is_refused(
    client: FlaskClient, other: FlaskClient, password: str
) -> None:
    assert change(client, password=password) == 422

    assert is_in(other)
