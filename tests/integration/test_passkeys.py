"""Passkeys: made, used as the second step or as both, and what is not taken for one."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.models import AuditEntry, Passkey
from booking.models.database import db, transaction
from booking.services import upkeep
from tests.authenticator import Device
from tests.builders import Clock, Mailbox
from tests.conftest import a_running_app, settings_for
from tests.pages import page_of
from tests.second_steps import (
    ACCOUNT,
    LOCAL,
    PASSKEY,
    STEP,
    passkey_sign_in,
    post,
    set_up_app,
    set_up_passkey,
)
from tests.visits import DESK, a_member_of_staff, disable, get, rows, send, sign_in

STAFF = "/staff/"
KIM = "kim@clinic.example"
NO_ANSWERS = (
    *("", "x", "[]", "{}", "null", "[" * 9000, '{"id": "a", "rawId": "a"}', '{"rawId": 1}'),
    *('{"rawId": "é", "response": {}}', '{"rawId": "AA", "response": []}'),
    '{"rawId": "AA", "response": {"userHandle": "é"}}',
)


@pytest.fixture
def strict(sqlite_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[Flask]:
    """A clinic where everybody has a second step."""
    settings = settings_for(sqlite_url, BOOKING_TWO_STEPS="required")
    for app in a_running_app(settings, clock, mailbox):
        a_member_of_staff()
        yield app


@pytest.fixture
def desk(strict: Flask) -> FlaskClient:
    """The front desk, who has given the password."""
    client = strict.test_client()
    sign_in(client)
    return client


@pytest.fixture
def device(desk: FlaskClient) -> Device:
    """The phone of the front desk, with a passkey."""
    made = Device()
    assert set_up_passkey(desk, made).status_code == 303
    return made


def is_in(client: FlaskClient) -> bool:
    return client.get(STAFF).status_code == 200


def use_as_second_step(client: FlaskClient, device: Device) -> int:
    page = get(client, f"{LOCAL}{STEP}")
    options = client.get(f"{LOCAL}/login/passkey").get_json()
    return post(client, page, f"{STEP}/passkey", answer=device.sign(options)).status_code


def actions() -> list[tuple[str, str]]:
    db.session.rollback()
    found = [(e.action, e.fields) for e in db.session.scalars(select(AuditEntry))]
    db.session.rollback()
    return found


def test_a_passkey_is_a_second_step(desk: FlaskClient, device: Device) -> None:
    assert device
    assert is_in(desk)
    assert "My phone" in get(desk, ACCOUNT).text
    assert ("second_step.add", "passkey") in actions()
    assert len(rows()["recovery_code"]) == 10


def test_who_has_a_passkey_signs_in_with_it_alone(strict: Flask, device: Device) -> None:
    client = strict.test_client()

    answer = passkey_sign_in(client, device, next="/staff/day/")

    assert (answer.status_code, answer.location) == (303, "/staff/day/")
    assert is_in(client)
    assert ("sign_in", "passkey") in actions()
    assert "last used on" in get(client, ACCOUNT).text


def test_each_database_keeps_passkeys(app: Flask) -> None:
    a_member_of_staff()
    client, device = app.test_client(), Device()
    sign_in(client)
    set_up_passkey(client, device)

    assert [passkey_sign_in(app.test_client(), device).status_code for _ in range(2)] == [303] * 2

    assert not is_in(app.test_client())


def test_nobody_is_led_away_by_a_passkey(strict: Flask, device: Device) -> None:
    """T-50."""
    for there in ("//evil.example", "/\\evil.example", "https://evil.example"):
        answer = passkey_sign_in(strict.test_client(), device, next=there)
        assert answer.location == STAFF


def test_it_is_the_second_step_after_the_password(strict: Flask, device: Device) -> None:
    client = strict.test_client()
    sign_in(client)
    assert not is_in(client)

    assert use_as_second_step(client, device) == 303

    assert is_in(client)
    assert ("second_step.use", "passkey") in actions()


def test_the_browser_is_asked_for_passkeys_of_every_kind(desk: FlaskClient) -> None:
    get(desk, f"{LOCAL}{PASSKEY}")
    options = desk.get(f"{LOCAL}{PASSKEY}/options").get_json()

    assert options["rp"]["id"] == "localhost"
    assert options["authenticatorSelection"] == {
        "requireResidentKey": True,
        "residentKey": "required",
        "userVerification": "required",
    }
    assert DESK not in options["user"]["id"]


def test_an_answer_is_taken_once(strict: Flask, device: Device) -> None:
    """Also from a copy of the cookie that holds the question, and of a device that counts not."""
    client, thief = strict.test_client(), strict.test_client()
    page = get(client, f"{LOCAL}/login")
    options = client.get(f"{LOCAL}/login/passkey").get_json()
    device.count = -1
    seen = device.sign(options)
    copied = client.get_cookie("session")
    assert copied
    assert post(client, page, "/login/passkey", answer=seen).status_code == 303

    thief.set_cookie("session", copied.value)

    assert post(thief, page, "/login/passkey", answer=seen).status_code == 422
    assert not is_in(thief)


def test_a_question_grows_old(strict: Flask, device: Device, clock: Clock) -> None:
    client = strict.test_client()
    page = get(client, f"{LOCAL}/login")
    answer = device.sign(client.get(f"{LOCAL}/login/passkey").get_json())

    clock.forward(minutes=5, seconds=1)

    assert post(client, page, "/login/passkey", answer=answer).status_code == 422


def test_what_was_asked_is_forgotten_in_time(strict: Flask, device: Device, clock: Clock) -> None:
    passkey_sign_in(strict.test_client(), device)
    assert rows()["spent_challenge"]

    clock.forward(minutes=6)
    with transaction() as session:
        upkeep.forget_what_expired(session, now=clock())

    assert rows()["spent_challenge"] == []


def test_an_answer_to_another_site_is_not_taken(strict: Flask, device: Device) -> None:
    device.origin = "https://localhost.evil.example"

    assert passkey_sign_in(strict.test_client(), device).status_code == 422


def test_a_device_that_has_not_recognised_its_owner_is_not_taken(
    strict: Flask, device: Device
) -> None:
    device.verified = False

    assert passkey_sign_in(strict.test_client(), device).status_code == 422


def test_a_copy_of_a_key_that_counts_is_noticed(strict: Flask, device: Device) -> None:
    assert passkey_sign_in(strict.test_client(), device).status_code == 303
    device.count = 0

    assert passkey_sign_in(strict.test_client(), device).status_code == 422


def test_a_passkey_that_we_do_not_know_opens_nothing(strict: Flask, device: Device) -> None:
    stranger = Device(handle=device.handle)

    answer = passkey_sign_in(strict.test_client(), stranger)

    assert answer.status_code == 422
    assert page_of(answer).alerts()[0].text.startswith("We could not sign you in")
    assert ("sign_in.failed", "passkey") in actions()


def test_another_key_under_a_known_name_opens_nothing(strict: Flask, device: Device) -> None:
    forger = Device(credential=device.credential, handle=device.handle)

    assert passkey_sign_in(strict.test_client(), forger).status_code == 422


def test_the_passkey_of_somebody_else_is_not_my_second_step(strict: Flask, device: Device) -> None:
    a_member_of_staff(KIM)
    kim, thief = strict.test_client(), strict.test_client()
    sign_in(kim, KIM)
    own = Device()
    set_up_passkey(kim, own)
    sign_in(thief)

    assert use_as_second_step(thief, own) == 422

    assert not is_in(thief)
    assert use_as_second_step(thief, device) == 303


def test_what_is_no_answer_opens_nothing(strict: Flask, device: Device) -> None:
    assert device
    client = strict.test_client()
    page = get(client, f"{LOCAL}/login")

    for answer in NO_ANSWERS:
        client.get(f"{LOCAL}/login/passkey")
        assert post(client, page, "/login/passkey", answer=answer).status_code == 422, answer[:50]


def test_what_is_no_passkey_is_not_added(desk: FlaskClient) -> None:
    page = get(desk, f"{LOCAL}{PASSKEY}")

    for answer in NO_ANSWERS:
        desk.get(f"{LOCAL}{PASSKEY}/options")
        refused = post(desk, page, PASSKEY, answer=answer, name="x")
        assert refused.status_code == 422, answer[:50]

    assert rows()["passkey"] == []


def test_one_device_is_not_added_twice(desk: FlaskClient, device: Device) -> None:
    assert set_up_passkey(desk, device).status_code == 422

    assert len(rows()["passkey"]) == 1


def test_who_is_disabled_does_not_come_in_with_a_passkey(strict: Flask, device: Device) -> None:
    disable()

    assert passkey_sign_in(strict.test_client(), device).status_code == 422


def test_a_passkey_that_was_removed_opens_nothing(
    desk: FlaskClient, strict: Flask, device: Device, clock: Clock
) -> None:
    send(desk, get(desk, ACCOUNT), "/passkeys/1/remove")
    assert "Add another one first" in get(desk, ACCOUNT).text
    set_up_app(desk, clock)

    send(desk, get(desk, ACCOUNT), "/passkeys/1/remove")

    assert rows()["passkey"] == []
    assert passkey_sign_in(strict.test_client(), device).status_code == 422


def test_nobody_removes_the_passkey_of_another(strict: Flask, device: Device) -> None:
    assert device
    a_member_of_staff(KIM)
    kim = strict.test_client()
    sign_in(kim, KIM)
    set_up_passkey(kim, Device())
    token = get(kim, ACCOUNT).form("/logout").values()["csrf_token"]

    answer = kim.post(f"{ACCOUNT}passkeys/1/remove", data={"csrf_token": token})

    assert answer.status_code == 404
    db.session.rollback()
    assert len(db.session.scalars(select(Passkey)).all()) == 2


def test_at_an_address_without_a_name_it_says_where_passkeys_work(desk: FlaskClient) -> None:
    assert "so they work under http://localhost:8000 only" in get(desk, PASSKEY).text


@pytest.mark.parametrize(
    ("base", "origin"),
    [
        ("https://book.example.org", "https://book.example.org"),
        ("https://Book.example.org:8443", "https://book.example.org:8443"),
        ("http://127.0.0.1:9000", "http://localhost:9000"),
    ],
)
def test_passkeys_belong_to_the_name_of_the_service(base: str, origin: str) -> None:
    assert settings_for("sqlite:///x.db", BOOKING_BASE_URL=base).passkey_origin == origin


def test_outside_of_the_demo_two_steps_are_required(sqlite_url: str) -> None:
    real = {"BOOKING_DEMO": "0", "BOOKING_BASE_URL": LOCAL, "BOOKING_RATE_LIMITS": "on"}

    assert settings_for(sqlite_url, **real).two_steps
    assert not settings_for(sqlite_url).two_steps
    assert not settings_for(sqlite_url, **real, BOOKING_TWO_STEPS="optional").two_steps
    with pytest.raises(Exception, match="BOOKING_TWO_STEPS"):
        settings_for(sqlite_url, BOOKING_TWO_STEPS="maybe")
