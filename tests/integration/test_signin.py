"""Who gets in, for how long, and what becomes of every copy of a cookie."""

from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.builders import Clock
from tests.pages import page_of
from tests.visits import (
    DESK,
    PASSWORD,
    a_member_of_staff,
    a_reference,
    disable,
    get,
    rows,
    send,
    sign_in,
)

STAFF = "/staff/"
ELSEWHERE = (
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https://evil.example",
    "http://127.0.0.1:8000@evil.example",
    "https://evil.example/staff/",
    "javascript:alert(1)",
    "data:text/html,x",
    "/\t/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/%09/evil.example",
    "//evil%2eexample",
    "/\x00/evil.example",
    "/..//evil.example",
    "/.//evil.example",
    "evil.example",
    "@evil.example",
    "//127.0.0.1:8000.evil.example",
    "http:///evil.example",
    "\r\nLocation: https://evil.example",
    "/staff/\r\nSet-Cookie: a=b",
)


@pytest.fixture(autouse=True)
def desk(sqlite_app: Flask) -> None:
    """Somebody who may sign in."""
    assert sqlite_app
    a_member_of_staff()


def is_in(client: FlaskClient) -> bool:
    """Whether the staff's first page opens."""
    return client.get(STAFF).status_code == 200


def cookie_of(client: FlaskClient) -> str:
    found = client.get_cookie("session")
    return found.value if found else ""


def test_the_right_password_opens_the_staffs_page(client: FlaskClient) -> None:
    answer = sign_in(client)

    assert (answer.status_code, answer.location) == (302, "/staff/")
    assert get(client, STAFF).heading == "Upcoming appointments"


def test_capitals_in_the_address_do_not_matter(client: FlaskClient) -> None:
    assert sign_in(client, "Desk@Clinic.Example").status_code == 302


@pytest.mark.parametrize(
    ("email", "password"),
    [
        (DESK, "wrong-password-entirely"),
        ("nobody@clinic.example", PASSWORD),
        ("", ""),
        (DESK, ""),
        ("desk", PASSWORD),
        (f"{DESK}\x00", PASSWORD),
        ("désk@clinic.example", PASSWORD),
        (DESK, "x" * 60000),
        ("' OR 1=1 --@x", PASSWORD),
    ],
)
def test_every_failure_reads_the_same(client: FlaskClient, email: str, password: str) -> None:
    """T-17: nobody learns which addresses exist."""
    answer = sign_in(client, email, password)

    page = page_of(answer)
    assert page.alerts()[0].text == (
        "We could not sign you in Check the email address and the password, then try again."
    )
    assert page.form("/login").values()["password"] == ""
    assert not is_in(client)


def test_a_disabled_member_of_staff_is_refused_like_a_stranger(client: FlaskClient) -> None:
    disable()

    answer = sign_in(client)

    assert answer.status_code == 422
    assert "We could not sign you in" in page_of(answer).text


def test_who_is_disabled_is_out_at_once(client: FlaskClient) -> None:
    """T-56."""
    sign_in(client)

    disable()

    assert not is_in(client)


def test_signing_out_ends_every_copy_of_the_cookie(client: FlaskClient, sqlite_app: Flask) -> None:
    """T-56."""
    sign_in(client)
    thief = sqlite_app.test_client()
    thief.set_cookie("session", cookie_of(client))
    assert is_in(thief)

    answer = send(client, get(client, STAFF), "/logout")

    assert answer.location == "/login"
    assert not is_in(client)
    assert not is_in(thief)


def test_signing_out_in_one_place_leaves_the_other(client: FlaskClient, sqlite_app: Flask) -> None:
    sign_in(client)
    other = sqlite_app.test_client()
    sign_in(other)

    send(client, get(client, STAFF), "/logout")

    assert is_in(other)


def test_a_quarter_of_an_hour_without_a_sign_of_life_is_the_end(
    client: FlaskClient, clock: Clock
) -> None:
    """T-57."""
    sign_in(client)
    clock.forward(minutes=14)
    assert is_in(client)
    clock.forward(minutes=14)
    assert is_in(client)

    clock.forward(minutes=15, seconds=1)

    assert not is_in(client)


def test_twelve_hours_are_the_end_however_busy(client: FlaskClient, clock: Clock) -> None:
    """T-57."""
    sign_in(client)
    for _ in range(12 * 6 - 1):
        clock.forward(minutes=10)
        assert is_in(client)

    clock.forward(minutes=10)

    assert not is_in(client)


def test_an_old_copy_of_the_cookie_grows_idle_by_itself(
    client: FlaskClient, sqlite_app: Flask, clock: Clock
) -> None:
    sign_in(client)
    old = cookie_of(client)
    clock.forward(minutes=10)
    assert is_in(client)
    clock.forward(minutes=10)

    thief = sqlite_app.test_client()
    thief.set_cookie("session", old)

    assert is_in(client)
    assert not is_in(thief)


def test_a_session_begun_by_somebody_else_does_not_become_mine(
    client: FlaskClient, sqlite_app: Flask
) -> None:
    """T-55: the cookie from before the sign-in opens nothing after it."""
    get(client, "/login")
    planted = cookie_of(client)

    sign_in(client)

    thief = sqlite_app.test_client()
    thief.set_cookie("session", planted)
    assert cookie_of(client) != planted
    assert not is_in(thief)


def test_a_cookie_that_was_changed_opens_nothing(client: FlaskClient, sqlite_app: Flask) -> None:
    sign_in(client)
    value = cookie_of(client)
    thief = sqlite_app.test_client()

    for forged in (
        value[:-5] + ("A" if value[-5] != "A" else "B") + value[-4:],
        value[1:],
        "e30.x.y",
        "x",
    ):
        thief.set_cookie("session", forged)
        assert not is_in(thief)


def test_the_database_holds_no_key_that_opens_a_session(client: FlaskClient) -> None:
    sign_in(client)
    with client.session_transaction() as session:
        key = session["staff_session"]

    assert key not in repr(rows())
    assert PASSWORD not in repr(rows())
    assert "$argon2id$" in repr(rows()["staff_user"])


def test_one_is_led_to_where_one_wanted_to_go(client: FlaskClient) -> None:
    reference = a_reference()
    wanted = f"/staff/appointments/{reference}?from=x"
    asked = client.get(wanted)

    answer = send(client, get(client, asked.location), "/login", email=DESK, password=PASSWORD)

    assert answer.location == wanted


def test_nobody_is_led_away(sqlite_app: Flask) -> None:
    """T-50: by the address or by the form's own field."""
    for there in ELSEWHERE:
        client = sqlite_app.test_client()
        page = page_of(client.get("/login", query_string={"next": there}))

        answer = send(client, page, "/login", email=DESK, password=PASSWORD, next=there)

        assert page.form("/login").get("action") == "/login"
        target = (answer.location or "/").replace("\t", "").replace("\\", "/").strip()
        assert urlsplit(urljoin("http://localhost/login", target)).netloc == "localhost", there
        assert "Set-Cookie: a" not in str(answer.headers)


def test_signing_in_needs_our_own_form(client: FlaskClient) -> None:
    """T-45: a login that another site starts is refused."""
    answer = client.post("/login", data={"email": DESK, "password": PASSWORD})

    assert answer.status_code == 400
    assert page_of(answer).heading == "This page was open for too long"
    assert not is_in(client)


def test_who_is_in_already_is_led_on(client: FlaskClient) -> None:
    sign_in(client)

    assert client.get("/login").location == "/staff/"


def test_the_token_of_an_api_opens_no_staff_page(client: FlaskClient) -> None:
    page = get(client, "/login")
    token = page.form("/login").values()["csrf_token"]
    answer = client.post(
        "/login?include_auth_token",
        json={"email": DESK, "password": PASSWORD},
        headers={"X-CSRFToken": token},
    )
    client.delete_cookie("session")

    found = (answer.get_json() or {}).get("response", {}).get("user", {})
    header = {"Authentication-Token": found.get("authentication_token", "none")}

    assert client.get(STAFF, headers=header).status_code == 302
    assert client.get(STAFF, auth=(DESK, PASSWORD)).status_code == 302
