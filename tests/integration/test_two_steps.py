"""The second step: nobody comes in with a password alone."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.models import AuditEntry
from booking.models.database import db, transaction
from booking.services import people
from tests.builders import HOUSE, Clock, Mailbox
from tests.conftest import a_running_app, settings_for
from tests.pages import page_of
from tests.second_steps import (
    ACCOUNT,
    APP,
    PASSKEY,
    RECOVERY,
    STEP,
    code,
    enter,
    recovery_codes,
    secret_of,
    set_up_app,
)
from tests.visits import DESK, PASSWORD, a_member_of_staff, get, rows, send, sign_in

STAFF = "/staff/"
KIM = "kim@clinic.example"


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
def secret(desk: FlaskClient, clock: Clock) -> str:
    """The front desk has an app; what it shares with us."""
    return set_up_app(desk, clock)


def is_in(client: FlaskClient) -> bool:
    return client.get(STAFF).status_code == 200


def actions(action: str) -> list[tuple[str, str]]:
    """Who did it in which way, in the audit."""
    db.session.rollback()
    query = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.number)
    found = [(each.actor, each.fields) for each in db.session.scalars(query)]
    db.session.rollback()
    return found


def another(app: Flask, email: str = DESK) -> FlaskClient:
    """Another browser that has given the password, of the front desk if nobody else's."""
    client = app.test_client()
    sign_in(client, email)
    return client


def test_who_has_no_second_step_can_do_nothing_but_set_one_up(desk: FlaskClient) -> None:
    choice = desk.get("/staff/people/")

    assert choice.location.startswith(f"{ACCOUNT}second-step")
    assert get(desk, choice.location).heading == "Set up a second step"
    for path in (STAFF, ACCOUNT, RECOVERY, STEP, "/staff/search?q=a", "/staff/numbers/weeks.csv"):
        assert desk.get(path).location.startswith(f"{ACCOUNT}second-step"), path
    token = get(desk, APP).form("/app").values()["csrf_token"]
    answer = desk.post("/staff/people/invite", data={"csrf_token": token, "email": KIM})
    assert answer.location.startswith(f"{ACCOUNT}second-step")
    assert KIM not in repr(rows())


def test_an_app_is_set_up_with_its_first_code(desk: FlaskClient, clock: Clock) -> None:
    set_up_app(desk, clock)

    codes = recovery_codes(desk)
    assert len(set(codes)) == 10
    send(desk, get(desk, RECOVERY), "/kept")
    assert desk.get(RECOVERY).location == ACCOUNT
    assert is_in(desk)
    assert "Authenticator app" in get(desk, ACCOUNT).text
    assert actions("second_step.add") == [(DESK, "app")]
    assert not any(each.replace("-", "") in repr(rows()) or each in repr(rows()) for each in codes)


def test_the_picture_says_what_stands_below_it(desk: FlaskClient) -> None:
    before = rows()

    first, second = secret_of(get(desk, APP)), secret_of(get(desk, APP))
    picture = desk.get(f"{APP}/picture.svg")

    assert first == second
    assert picture.mimetype == "image/svg+xml"
    assert picture.headers["Cache-Control"] == "no-store"
    assert rows() == before


def test_a_wrong_first_code_sets_nothing_up(desk: FlaskClient, clock: Clock) -> None:
    page = get(desk, APP)

    answer = send(desk, page, "/app", code=code(secret_of(page), clock, steps=9))

    assert answer.status_code == 422
    assert secret_of(page_of(answer)) == secret_of(page)
    assert not is_in(desk)


def test_the_secret_is_sealed_in_the_database_and_in_the_cookie(
    desk: FlaskClient, clock: Clock
) -> None:
    shown = secret_of(get(desk, APP))
    with desk.session_transaction() as cookie:
        assert shown not in repr(dict(cookie))

    secret = set_up_app(desk, clock)

    assert secret == shown
    assert secret not in repr(rows())


def test_a_password_alone_opens_nothing_where_there_is_a_second_step(
    strict: Flask, secret: str
) -> None:
    assert secret
    thief = another(strict)

    for path in (STAFF, ACCOUNT, APP, PASSKEY, f"{ACCOUNT}confirm", f"{ACCOUNT}second-step"):
        assert thief.get(path).location.startswith(STEP), path
    token = get(thief, STEP).form("/step").values()["csrf_token"]
    for path in ("app", "app/remove", "recovery", "confirm", "password", "others/end"):
        answer = thief.post(f"{ACCOUNT}{path}", data={"csrf_token": token, "code": "000000"})
        assert answer.location.startswith(STEP), path


def test_the_code_of_the_app_lets_in_where_one_wanted_to_go(
    strict: Flask, secret: str, clock: Clock
) -> None:
    other = another(strict)
    asked = other.get("/staff/day/?on=2026-11-24")

    answer = send(other, get(other, asked.location), "/step", code=code(secret, clock))

    assert (answer.status_code, answer.location) == (303, "/staff/day/?on=2026-11-24")
    assert is_in(other)
    assert actions("second_step.use") == [(DESK, "app")]


def test_nobody_is_led_away_after_the_second_step(strict: Flask, secret: str, clock: Clock) -> None:
    """T-50."""
    other = another(strict)

    page = get(other, STEP)
    answer = send(other, page, "/step", code=code(secret, clock), next="/\\evil.example")

    assert answer.location == STAFF


def test_a_code_works_once(strict: Flask, secret: str, clock: Clock) -> None:
    """T-60: also for who has seen it being typed, and for one that is older."""
    seen, older = code(secret, clock), code(secret, clock, steps=-1)
    assert enter(another(strict), seen).status_code == 303

    thief = another(strict)

    assert enter(thief, seen).status_code == 422
    assert enter(thief, older).status_code == 422
    assert not is_in(thief)


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_clock_may_be_off_by_half_a_minute(
    strict: Flask, secret: str, clock: Clock, steps: int, taken: bool
) -> None:
    clock.forward(minutes=5)
    other = another(strict)

    answer = enter(other, code(secret, clock, steps=steps))

    assert (answer.status_code == 303) is taken


def test_what_is_no_code_opens_nothing(strict: Flask, secret: str) -> None:
    assert secret
    other = another(strict)

    for typed in ("", "abcdef", "12345", "١٢٣٤٥٦", "0" * 41, "\x00"):
        assert enter(other, typed).status_code == 422, typed

    assert not is_in(other)


def test_a_recovery_code_works_once_however_it_is_written(
    desk: FlaskClient, strict: Flask, secret: str
) -> None:
    assert secret
    first, second = recovery_codes(desk)[:2]
    other, thief = another(strict), another(strict)

    assert enter(other, first.lower().replace("-", " ").replace("0", "o")).status_code == 303
    assert enter(thief, first).status_code == 422
    assert enter(thief, second).status_code == 303
    assert "8 are left" in get(thief, STAFF).text
    assert actions("recovery.use") == [(DESK, "")] * 2


def test_new_recovery_codes_end_those_from_before(
    desk: FlaskClient, strict: Flask, secret: str
) -> None:
    assert secret
    old = recovery_codes(desk)

    send(desk, get(desk, ACCOUNT), "/recovery")

    new = recovery_codes(desk)
    other = another(strict)
    assert not set(old) & set(new)
    assert enter(other, old[0]).status_code == 422
    assert enter(other, new[0]).status_code == 303


def test_new_recovery_codes_are_shown_for_a_quarter_of_an_hour(
    desk: FlaskClient, secret: str, clock: Clock
) -> None:
    assert secret
    clock.forward(minutes=10)
    assert len(recovery_codes(desk)) == 10

    clock.forward(minutes=6)

    assert desk.get(RECOVERY).location == ACCOUNT


def test_the_codes_of_one_are_no_use_to_another(
    desk: FlaskClient, strict: Flask, secret: str, clock: Clock
) -> None:
    """And a secret that somebody with the database puts into another's row opens nothing."""
    a_member_of_staff(KIM)
    set_up_app(another(strict, KIM), clock)
    mine = recovery_codes(desk)[0]
    with db.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE staff_user SET app_sealed = (SELECT app_sealed FROM staff_user WHERE id = 1)"
        )
    kim = another(strict, KIM)

    assert enter(kim, mine).status_code == 422
    assert enter(kim, code(secret, clock)).status_code == 422


def test_each_step_gives_the_session_another_key(strict: Flask, secret: str, clock: Clock) -> None:
    """T-55: a copy of the cookie from before opens nothing after."""
    other = another(strict)
    get(other, STEP)
    copied = other.get_cookie("session")
    assert copied

    enter(other, code(secret, clock))

    thief = strict.test_client()
    thief.set_cookie("session", copied.value)
    assert is_in(other)
    assert thief.get(STAFF).location.startswith("/login")


def test_a_browser_that_was_in_with_the_password_alone_has_to_take_the_new_step(
    app: Flask, clock: Clock
) -> None:
    """Where it is optional, as in the demo; on each database."""
    a_member_of_staff()
    client, other = another(app), another(app)
    assert is_in(other)

    set_up_app(client, clock)

    assert is_in(client)
    assert other.get(STAFF).location.startswith(STEP)
    for _ in range(5):
        answer = enter(other, "000000")
    assert answer.location == "/login"


def test_the_last_second_step_stays_where_it_is_required(desk: FlaskClient, secret: str) -> None:
    assert secret
    send(desk, get(desk, ACCOUNT), "/app/remove")

    assert "Add another one first" in get(desk, ACCOUNT).text
    assert actions("second_step.remove") == []


def test_where_it_is_optional_the_last_one_goes_and_its_codes_with_it(
    sqlite_app: Flask, client: FlaskClient, clock: Clock
) -> None:
    a_member_of_staff()
    sign_in(client)
    set_up_app(client, clock)

    send(client, get(client, ACCOUNT), "/app/remove")

    assert rows()["recovery_code"] == []
    assert is_in(another(sqlite_app))
    assert actions("second_step.remove") == [(DESK, "app")]


def test_who_is_half_in_can_sign_out(strict: Flask, secret: str) -> None:
    assert secret
    other = another(strict)

    send(other, get(other, STEP), "/logout")

    assert other.get(STEP).location.startswith("/login")


def test_the_first_administrator_is_led_to_a_second_step(
    sqlite_url: str, clock: Clock, mailbox: Mailbox
) -> None:
    settings = settings_for(sqlite_url, BOOKING_TWO_STEPS="required")
    for app in a_running_app(settings, clock, mailbox):
        with transaction() as session:
            token = people.first_link(session, HOUSE.keys, now=clock())
        client = app.test_client()
        send(client, get(client, f"/join/{token}"), "", name="Kim", email=KIM, password=PASSWORD)
        sign_in(client, KIM)
        assert client.get(STAFF).location.startswith(f"{ACCOUNT}second-step")

        set_up_app(client, clock)

        assert is_in(client)
