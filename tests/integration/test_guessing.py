"""Guessing: codes and passwords are tried out a few times, and then no more."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask
from flask_security import core
from flask_security.utils import hash_password
from sqlalchemy import select

from booking.models import AuditEntry
from booking.models.database import db, transaction
from booking.services import second_steps
from booking.services.accounts import create_user
from booking.services.people import Deed
from booking.services.second_steps import Proof
from tests.builders import HOUSE, NOW, Clock, Mailbox
from tests.conftest import a_running_app, settings_for
from tests.integration.test_two_steps import actions, another, desk, is_in, secret, strict
from tests.pages import page_of
from tests.second_steps import HALF_A_MINUTE, STEP, code, enter, set_up_app
from tests.visits import DESK, PASSWORD, a_member_of_staff, get, rows, send, sign_in

__all__ = ["desk", "secret", "strict"]


def test_five_wrong_codes_end_the_session_and_the_right_one_comes_too_late(
    strict: Flask, secret: str, clock: Clock
) -> None:
    thief = another(strict)
    page = get(thief, STEP)
    for _ in range(4):
        assert enter(thief, "000000").status_code == 422

    answer = enter(thief, "000000")

    assert (answer.status_code, answer.location) == (303, "/login")
    assert "wrong too often" in get(thief, "/login").text
    assert send(thief, page, "/step", code=code(secret, clock)).location.startswith("/login")
    assert actions("sign_in.failed") == [("system", "code")] * 5


def test_a_right_code_begins_the_count_anew(strict: Flask, secret: str, clock: Clock) -> None:
    other = another(strict)
    for _ in range(4):
        enter(other, "000000")

    assert enter(other, code(secret, clock)).status_code == 303

    assert is_in(other)


def test_of_two_who_use_one_code_at_once_one_is_let_in(app: Flask, clock: Clock) -> None:
    """T-60, on each database: the second waits for the first, and comes too late."""
    a_member_of_staff()
    shared = second_steps.new_app_secret()
    with transaction() as work:
        desk = second_steps.owner(work, DESK)
        assert second_steps.add_app(work, desk, shared, code(shared, clock), Deed(DESK, NOW, HOUSE))
    later, start = NOW + HALF_A_MINUTE, Barrier(4)
    shown = code(shared, clock, steps=1)

    def use(_number: int) -> Proof:
        with app.app_context():
            start.wait()
            with transaction() as work:
                owner = second_steps.owner(work, DESK)
                return second_steps.take_code(work, owner, shown, Deed(DESK, later, HOUSE))

    with ThreadPoolExecutor(4) as threads:
        proofs = list(threads.map(use, range(4)))

    assert sorted(proofs) == [Proof.APP, *[Proof.NOTHING] * 3]


def test_codes_are_not_tried_out_from_many_places(
    sqlite_url: str, clock: Clock, mailbox: Mailbox
) -> None:
    """T-59: who knows the password has thirty guesses an hour, from wherever they come."""
    settings = settings_for(sqlite_url, BOOKING_TWO_STEPS="required", BOOKING_RATE_LIMITS="on")
    for app in a_running_app(settings, clock, mailbox):
        a_member_of_staff()
        set_up_app(another(app), clock)
        answers = Counter[int]()
        for place in range(7):
            thief = app.test_client()
            thief.environ_base["REMOTE_ADDR"] = f"198.51.{place}.7"
            sign_in(thief)
            for _ in range(5):
                page = thief.get(STEP)
                if page.status_code == 200:
                    answers[send(thief, page_of(page), "/step", code="000000").status_code] += 1

    assert answers == {422: 24, 303: 6, 429: 5}


def test_one_place_has_ten_guesses(sqlite_url: str, clock: Clock, mailbox: Mailbox) -> None:
    """T-59: counted together with wrong passwords."""
    settings = settings_for(sqlite_url, BOOKING_TWO_STEPS="required", BOOKING_RATE_LIMITS="on")
    for app in a_running_app(settings, clock, mailbox):
        a_member_of_staff()
        set_up_app(another(app), clock)
        for _ in range(2):
            thief = another(app)
            for _ in range(5):
                enter(thief, "000000")

        refused = sign_in(app.test_client())

    assert refused.status_code == 429


def test_a_wrong_password_is_noted_without_the_address_of_a_stranger(strict: Flask) -> None:
    client = strict.test_client()

    sign_in(client, DESK, "not the password at all")
    sign_in(client, "stranger@mail.example", "not the password at all")

    db.session.rollback()
    query = select(AuditEntry.subject).where(AuditEntry.action == "sign_in.failed")
    assert db.session.scalars(query.order_by(AuditEntry.number)).all() == ["person-1", "unknown"]
    assert "stranger" not in repr(rows())


@pytest.mark.parametrize("former", [(), ("a-former-secret-that-is-long-enough-0123456789",)])
def test_a_sign_in_that_fails_takes_as_long_whoever_is_tried(
    sqlite_url: str, clock: Clock, mailbox: Mailbox, former: tuple[str, ...]
) -> None:
    """T-17: where there is no password one is hashed all the same; here hashing costs something."""
    secrets = {"BOOKING_FORMER_SECRET_KEYS": "\n".join(former)} if former else {}
    costly = {"argon2__rounds": 4, "argon2__memory_cost": 8192, "argon2__parallelism": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(core._default_config, "PASSWORD_HASH_PASSLIB_OPTIONS", costly)
        for app in a_running_app(settings_for(sqlite_url, **secrets), clock, mailbox):
            hashed = str(hash_password(PASSWORD))
            with transaction() as session:
                create_user(session, DESK, hashed, now=NOW)
                create_user(session, "gone@clinic.example", hashed, now=NOW).active = False
            tried = {
                each: seconds(app, each) for each in (DESK, "gone@clinic.example", "x@y.example")
            }

    assert min(tried.values()) > 0.6 * max(tried.values()), tried


def seconds(app: Flask, email: str) -> float:
    """What a wrong password for an address costs; the quickest of some tries."""
    client = app.test_client()
    page = get(client, "/login")

    def once() -> float:
        began = time.process_time()
        send(client, page, "/login", email=email, password="not-the-password-at-all")
        return time.process_time() - began

    return min(once() for _ in range(4))
