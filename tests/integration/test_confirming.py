"""Proving again who one is; sessions one by one; a second step that was lost."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.models import AuditEntry, Role
from booking.models.database import db
from tests.authenticator import Device
from tests.builders import Clock
from tests.integration.test_signin import ELSEWHERE
from tests.pages import page_of
from tests.second_steps import (
    ACCOUNT,
    APP,
    CONFIRM,
    LOCAL,
    confirm,
    post,
    set_up_app,
    set_up_passkey,
)
from tests.visits import DESK, PASSWORD, a_member_of_staff, get, rows, send, sign_in

PEOPLE = "/staff/people/"
KIM = "kim@clinic.example"
MATTERS_MOST = (
    PEOPLE,
    f"{PEOPLE}invite",
    f"{PEOPLE}1",
    "/staff/numbers/weeks.csv",
    "/staff/day/sheet/full",
    APP,
    f"{ACCOUNT}passkeys/new",
)
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    """An administrator who is signed in."""
    a_member_of_staff()
    sign_in(client)
    return client


def later(client: FlaskClient, clock: Clock, minutes: int) -> None:
    """Time passes, and the session is in use."""
    while minutes:
        clock.forward(minutes=min(minutes, 10))
        minutes -= min(minutes, 10)
        assert client.get(ACCOUNT).status_code == 200


def is_in(client: FlaskClient) -> bool:
    return client.get("/staff/").status_code == 200


def who_and_what() -> Iterator[tuple[str, str]]:
    db.session.rollback()
    for each in db.session.scalars(select(AuditEntry)).all():
        yield each.action, each.subject
    db.session.rollback()


@pytest.mark.parametrize(
    "path",
    [
        PEOPLE,
        f"{PEOPLE}invite",
        f"{PEOPLE}1",
        "/staff/numbers/weeks.csv",
        "/staff/day/sheet/full",
        APP,
        f"{ACCOUNT}passkeys/new",
    ],
)
def test_what_matters_most_asks_again_after_a_quarter_of_an_hour(
    desk: FlaskClient, clock: Clock, path: str
) -> None:
    assert desk.get(path).status_code == 200
    later(desk, clock, 15)
    assert desk.get(path).status_code == 200
    later(desk, clock, 1)

    asked = desk.get(path).location

    assert asked.startswith(CONFIRM)
    answer = confirm(desk, asked, PASSWORD)
    assert (answer.status_code, answer.location) == (303, path)
    assert desk.get(path).status_code == 200
    assert ("session.confirm", "") in who_and_what()


@pytest.mark.parametrize("path", ["/staff/", "/staff/day/sheet", "/staff/numbers/", ACCOUNT])
def test_the_work_of_the_day_is_not_interrupted(desk: FlaskClient, clock: Clock, path: str) -> None:
    later(desk, clock, 60)

    assert desk.get(path).status_code == 200


def test_a_form_that_was_opened_in_time_can_be_sent(desk: FlaskClient, clock: Clock) -> None:
    later(desk, clock, 14)
    page = get(desk, f"{PEOPLE}invite")
    clock.forward(minutes=14)

    assert send(desk, page, "", email=KIM).location == PEOPLE

    assert KIM in repr(rows()["staff_user"])


def test_a_button_that_comes_too_late_changes_nothing_and_says_so(
    desk: FlaskClient, clock: Clock
) -> None:
    page = get(desk, f"{PEOPLE}invite")
    later(desk, clock, 31)

    answer = send(desk, page, "", email=KIM)

    assert answer.location == f"{CONFIRM}?next={PEOPLE}invite"
    assert "Nothing was changed yet." in get(desk, answer.location).text
    assert KIM not in repr(rows()["staff_user"])


def test_a_button_without_a_page_of_its_own_leads_back_to_its_list(
    desk: FlaskClient, clock: Clock
) -> None:
    a_member_of_staff(KIM)
    page = get(desk, PEOPLE)
    later(desk, clock, 31)

    assert send(desk, page, "/2/disable").location == f"{CONFIRM}?next={PEOPLE}"


def test_who_may_not_open_a_page_is_not_asked_for_it(sqlite_app: Flask, clock: Clock) -> None:
    a_member_of_staff(role=Role.SCHEDULER)
    client = sqlite_app.test_client()
    sign_in(client)
    later(client, clock, 20)

    assert client.get(PEOPLE).status_code == 403


def test_a_wrong_password_confirms_nothing_and_five_end_the_session(
    desk: FlaskClient, clock: Clock
) -> None:
    later(desk, clock, 16)
    for _ in range(4):
        answer = confirm(desk, CONFIRM, "a guess that is wrong")
        assert answer.status_code == 422
        assert "That is not your password." in page_of(answer).alerts()[0].text
    assert desk.get(PEOPLE).location.startswith(CONFIRM)

    assert confirm(desk, CONFIRM, "a guess that is wrong").location == "/login"

    assert not is_in(desk)


def test_confirming_gives_the_session_another_key(desk: FlaskClient, sqlite_app: Flask) -> None:
    """T-55."""
    get(desk, CONFIRM)
    copied = desk.get_cookie("session")
    assert copied

    confirm(desk, CONFIRM, PASSWORD)

    thief = sqlite_app.test_client()
    thief.set_cookie("session", copied.value)
    assert is_in(desk)
    assert not is_in(thief)


def test_a_passkey_confirms_as_well(desk: FlaskClient, clock: Clock) -> None:
    device = Device()
    set_up_passkey(desk, device)
    later(desk, clock, 16)
    page = get(desk, f"{LOCAL}{CONFIRM}?next={PEOPLE}")
    options = desk.get(f"{LOCAL}/login/passkey").get_json()

    answer = post(desk, page, f"{CONFIRM}/passkey", answer=device.sign(options))

    assert answer.location == PEOPLE
    assert desk.get(PEOPLE).status_code == 200


def test_nobody_is_led_away_after_confirming(desk: FlaskClient) -> None:
    """T-50."""
    for there in ELSEWHERE:
        page = page_of(desk.get(CONFIRM, query_string={"next": there}))
        assert page.form("/confirm").values()["next"] == "/staff/", there

    answer = send(desk, page, "/confirm", password=PASSWORD, next="//evil.example")

    assert answer.location == "/staff/"


def test_one_session_is_ended_by_itself(desk: FlaskClient, sqlite_app: Flask) -> None:
    a_member_of_staff(KIM)
    second, third, kim = (sqlite_app.test_client() for _ in range(3))
    second.environ_base["HTTP_USER_AGENT"] = FIREFOX
    sign_in(second)
    sign_in(third)
    sign_in(kim, KIM)
    page = get(desk, ACCOUNT)
    row = next(each for each in page.all("li") if "Firefox on Windows" in each.text)

    desk.post(row.all("form")[0].get("action"), data=page.form("/logout").values())

    assert not is_in(second)
    assert all(is_in(each) for each in (desk, third, kim))


def test_nobody_ends_the_session_of_another(desk: FlaskClient, sqlite_app: Flask) -> None:
    a_member_of_staff(KIM)
    kim, other = sqlite_app.test_client(), sqlite_app.test_client()
    sign_in(kim, KIM)
    sign_in(other)
    forms = get(desk, ACCOUNT).all("form")
    path = next(each.get("action") for each in forms if "/sessions/" in each.get("action"))

    kim.post(path, data=get(kim, ACCOUNT).form("/logout").values())

    assert is_in(other)


def test_an_administrator_removes_the_second_step_of_who_lost_it(
    desk: FlaskClient, sqlite_app: Flask, clock: Clock
) -> None:
    a_member_of_staff(KIM)
    kim = sqlite_app.test_client()
    sign_in(kim, KIM)
    set_up_app(kim, clock)

    send(desk, get(desk, f"{PEOPLE}2"), "/second-step/remove")

    assert not is_in(kim)
    assert sign_in(kim, KIM).status_code == 302
    assert is_in(kim)
    assert ("second_step.reset", "person-2") in who_and_what()
    assert rows()["recovery_code"] == []


def test_nobody_resets_their_own_second_step(desk: FlaskClient, clock: Clock) -> None:
    set_up_app(desk, clock)
    token = get(desk, PEOPLE).form("/logout").values()

    desk.post(f"{PEOPLE}1/second-step/remove", data=token)

    assert "your own access is for another" in get(desk, PEOPLE).text
    assert "Authenticator app" in get(desk, ACCOUNT).text


def test_the_last_administrator_is_let_in_again_from_the_console(
    desk: FlaskClient, sqlite_app: Flask, clock: Clock
) -> None:
    set_up_app(desk, clock)
    run = sqlite_app.test_cli_runner().invoke

    done = run(args=["reset-second-step", DESK.upper()])
    unknown = run(args=["reset-second-step", "nobody@clinic.example"])

    assert (done.exit_code, unknown.exit_code) == (0, 1), done.output
    assert not is_in(desk)
    sign_in(desk)
    assert is_in(desk)
