"""How often one may: counted together by every process, and never against somebody else."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient
from sqlalchemy import event, select, text
from werkzeug.test import TestResponse

from booking.app import create_app
from booking.models import RateCounter, database
from booking.models.database import db, transaction
from booking.services import upkeep
from booking.web import limits
from booking.web.limits import network
from tests.builders import Clock, Mailbox, at
from tests.conftest import a_running_app, settings_for
from tests.holding import held
from tests.integration.test_queries import watched
from tests.pages import CheckedClient, page_of
from tests.visits import DESK, PASSWORD, a_link, a_member_of_staff, get, rows, send, sign_in

STARTS = [
    f"{day} {hour:02}:{minute:02}"
    for day in ("Tue", "Wed", "Fri")
    for hour in (9, 10, 11, 13, 14, 15, 16)
    for minute in (0, 30)
]


@pytest.fixture
def limited(sqlite_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[Flask]:
    """The app with its limits on."""
    settings = settings_for(sqlite_url, BOOKING_RATE_LIMITS="on")
    yield from a_running_app(settings, clock, mailbox)


def visitor(app: Flask, address: str = "198.51.100.7") -> FlaskClient:
    """A client at an address of the network."""
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = address
    return client


def book(client: FlaskClient, number: int, email: str | None = None, week: int = 0) -> TestResponse:
    """Book one of many slots by the API."""
    start = at(STARTS[number % len(STARTS)], week=week + number // len(STARTS))
    return client.post(
        "/api/v1/appointments",
        json={
            "service": "video",
            "start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "patient": {"name": "Sam", "email": email or f"sam{number}@mail.example"},
            "email_consent": True,
        },
    )


def test_a_flood_from_one_address_is_stopped(limited: Flask) -> None:
    """T-76."""
    client = visitor(limited)
    statuses = [book(client, number).status_code for number in range(31)]

    assert statuses == [201] * 30 + [429]
    assert book(visitor(limited, "203.0.113.9"), 31).status_code == 201


def test_who_is_stopped_is_told_in_the_right_form(limited: Flask) -> None:
    client = visitor(limited)
    for number in range(30):
        book(client, number)

    api = book(client, 31)
    page = get(client, "/services/visit/book?start=2026-12-01T14:00:00Z")
    form = send(client, page, "/book", name="Sam Rivers")

    assert (api.status_code, api.content_type) == (429, "application/problem+json")
    assert 0 < int(api.headers["Retry-After"]) <= 3600
    assert api.get_json()["code"] == "too_many_requests"
    assert form.status_code == 429
    assert page_of(form).heading == "Too many tries"
    again = page_of(form).form().values()
    assert again["name"] == "Sam Rivers", "what was typed can be sent again"


def test_a_flood_from_a_whole_network_is_stopped(limited: Flask) -> None:
    """T-76: every address of it a little."""
    statuses = [
        book(visitor(limited, f"198.51.100.{number}"), number).status_code for number in range(42)
    ]
    statuses += [
        book(visitor(limited, f"198.51.100.{number}"), number, week=2).status_code
        for number in range(84)
    ]

    assert statuses.count(201) == 120
    assert statuses[-1] == 429
    assert book(visitor(limited, "203.0.113.9"), 83, week=2).status_code in (201, 409)


def test_one_mailbox_is_not_bombed_from_many_addresses(limited: Flask) -> None:
    """T-77: whatever capitals it is written in."""
    statuses = [
        book(visitor(limited, f"203.0.{number}.9"), number, email="Victim@mail.example").status_code
        for number in range(6)
    ]

    again = book(visitor(limited, "192.0.2.1"), 7, email="victim@MAIL.example")

    assert set(statuses) <= {201, 409}
    assert again.status_code in (409, 429)


def test_asking_for_lost_links_tells_nothing_and_keeps_nobody_from_booking(
    limited: Flask,
) -> None:
    """T-16, T-77: as many questions for an address that has just booked as for any other."""
    assert book(visitor(limited, "192.0.2.1"), 0, email="patient@mail.example").status_code == 201

    answers = {
        email: [ask_for_link(visitor(limited, f"198.51.{each}.7"), email) for each in range(7)]
        for email in ("patient@mail.example", "nobody@mail.example")
    }

    assert answers["patient@mail.example"] == answers["nobody@mail.example"] == [303] * 6 + [429]
    assert book(visitor(limited, "192.0.2.1"), 1, email="nobody@mail.example").status_code == 201


def ask_for_link(client: FlaskClient, email: str) -> int:
    return send(client, get(client, "/find"), "/find", email=email).status_code


def test_moving_to_and_fro_does_not_bomb_a_mailbox(limited: Flask) -> None:
    """T-77: each move is a mail."""
    path = f"/api/v1{a_link('Tue 09:00', service='video')}/reschedule"
    client = visitor(limited)

    moves = [
        client.post(path, json={"start": f"{at(STARTS[number]):%Y-%m-%dT%H:%M:%SZ}"}).status_code
        for number in range(1, 8)
    ]

    assert moves == [200] * 6 + [429]


def test_many_patients_who_move_do_not_stop_each_other(limited: Flask) -> None:
    links = [
        a_link(each, service="video", email=f"{each}@x.example".replace(" ", "").replace(":", ""))
        for each in STARTS[:8]
    ]

    for number, link in enumerate(links):
        client = visitor(limited, f"203.0.{number}.9")
        start = f"{at(STARTS[20 + number]):%Y-%m-%dT%H:%M:%SZ}"
        answer = client.post(f"/api/v1{link}/reschedule", json={"start": start})
        assert answer.status_code == 200, number


def test_what_was_refused_does_not_count(limited: Flask) -> None:
    client = visitor(limited)
    for _ in range(40):
        assert client.post("/api/v1/appointments", json={}).status_code == 422

    assert book(client, 1).status_code == 201


def test_an_appointment_counts_three_times_in_its_own_transaction(limited: Flask) -> None:
    commits: list[object] = []
    event.listen(db.engine, "commit", commits.append)

    with watched() as statements:
        assert book(visitor(limited), 0).status_code == 201

    counting = [each for each, _ in statements.asked if "rate_counter" in each]
    assert [each.split()[0] for each in counting] == ["SELECT", "INSERT"]
    hits = db.session.connection().exec_driver_sql("SELECT hits FROM rate_counter").all()
    assert ([*hits], len(commits)) == ([(1,), (1,), (1,)], 1)


def test_the_counters_of_a_request_are_looked_up_at_once(limited: Flask) -> None:
    """Under the very names by which the library asks for each: else it would ask again."""
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))

    assert book(visitor(limited), 0).status_code == 201
    assert asks_for_links(limited).status_code == 303

    assert sum("FROM rate_counter" in each for each in asked) == 2


def test_what_is_not_booked_after_all_is_not_counted(limited: Flask) -> None:
    def breaks(_connection: object) -> None:
        raise RuntimeError("The power fails.")

    client = visitor(limited)
    limited.testing = False  # as in life, where a fault is an answer
    event.listen(db.engine, "commit", breaks)
    assert book(client, 0).status_code == 500
    event.remove(db.engine, "commit", breaks)

    assert rows_of_counters() == []
    assert book(client, 0).status_code == 201
    assert rows_of_counters() == [1, 1, 1]


def rows_of_counters() -> list[int]:
    db.session.rollback()  # SQLite would go on showing what it showed before
    return [*db.session.scalars(select(RateCounter.hits))]


def test_what_was_done_is_answered_so_although_it_cannot_be_counted(
    limited: Flask, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    with ExitStack() as until_then:

        @limited.after_request
        def somebody_writes(response: Response) -> Response:
            if request.method == "POST":
                until_then.enter_context(held(sqlite_url))
            return response

        assert asks_for_links(limited).status_code == 303

    assert rows_of_counters() == []


def test_what_was_done_is_answered_so_although_the_counters_are_broken(limited: Flask) -> None:
    @limited.after_request
    def breaks(response: Response) -> Response:
        if request.method == "POST":
            with transaction() as session:
                session.execute(text("ALTER TABLE rate_counter RENAME TO elsewhere"))
        return response

    assert asks_for_links(limited).status_code == 303


def asks_for_links(app: Flask) -> TestResponse:
    client = visitor(app)
    return send(client, get(client, "/find"), "/find", email="sam@mail.example")


def test_who_counts_and_who_forgets_counters_do_not_wait_for_each_other(app: Flask) -> None:
    """One wants the first and then the second, the other found the second first."""
    now, counting = datetime.now(UTC), threading.Event()
    for key in ("second", "first"):
        with transaction() as session:
            session.add(RateCounter(key=key, hits=1, expires_at=now - timedelta(minutes=1)))

    def slowly(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("INSERT INTO rate_counter") and not counting.is_set():
            counting.set()
            time.sleep(0.5)  # long enough for the other to forget what it can

    def counts() -> None:
        with app.app_context():
            limits._count_all([limits._Hit("first", 60, 1), limits._Hit("second", 60, 1)])

    def forgets() -> None:
        with app.app_context(), transaction() as session:
            upkeep.forget_what_expired(session, now=now)

    event.listen(db.engine, "after_cursor_execute", slowly)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(counts)
        counting.wait(5)
        second = threads.submit(forgets)

    assert (first.exception(), second.exception()) == (None, None)
    assert [each[:2] for each in rows()["rate_counter"]] == [("first", 1), ("second", 1)]


def test_limits_count_across_processes(limited: Flask, clock: Clock, mailbox: Mailbox) -> None:
    settings = limited.extensions["booking"].settings
    other = create_app(settings, clock=clock, transport=mailbox)
    other.test_client_class = CheckedClient
    clients = [visitor(limited), visitor(other)]

    statuses = [book(clients[number % 2], number).status_code for number in range(31)]

    assert statuses == [201] * 30 + [429]
    with other.app_context():
        db.engine.dispose()


def test_guessing_a_password_is_slowed_down_where_it_comes_from(limited: Flask) -> None:
    """T-59: a stranger locks out nobody but the stranger."""
    a_member_of_staff()
    stranger, desk = visitor(limited), visitor(limited, "203.0.113.9")
    page = get(stranger, "/login")

    guesses = [
        send(stranger, page, "/login", email=DESK, password=f"guess-number-{number}-of-many")
        for number in range(11)
    ]

    assert [each.status_code for each in guesses] == [422] * 10 + [429]
    assert page_of(guesses[-1]).heading == "Too many tries"
    refused = send(stranger, page, "/login", email=DESK, password=PASSWORD)
    assert refused.status_code == 429
    assert sign_in(desk).status_code == 302


def test_signing_in_rightly_is_never_slowed_down(limited: Flask) -> None:
    a_member_of_staff()

    for _ in range(12):
        assert sign_in(visitor(limited)).status_code == 302


def test_the_counters_name_nobody(limited: Flask) -> None:
    book(visitor(limited), 1)
    db.session.rollback()

    lines = db.session.connection().exec_driver_sql("SELECT key FROM rate_counter").all()

    assert len(lines) == 3
    assert "198.51" not in repr(lines)
    assert "sam" not in repr(lines)


def test_brackets_without_end_do_not_break_the_counting(limited: Flask) -> None:
    """T-41: before a body is read by us, the limit has looked for the address in it."""
    for raw in (b"[" * 60_000, b'{"patient":' * 5_000, b"\xff", b'{"patient":[]}', b"[]", b"1"):
        answer = visitor(limited).post(
            "/api/v1/appointments", data=raw, content_type="application/json"
        )
        assert answer.status_code in (400, 422), raw[:20]


def test_an_address_of_ipv6_counts_with_its_network(limited: Flask) -> None:
    for number in range(31):
        answer = book(visitor(limited, "2001:db8::1"), number)

    assert answer.status_code == 429
    assert book(visitor(limited, "not an address"), 32).status_code == 201


def test_two_networks_are_two_also_where_the_server_speaks_both_protocols(limited: Flask) -> None:
    """A socket for both shows 198.51.100.7 as ::ffff:198.51.100.7 (RFC 4291 §2.5.5.2)."""

    def neighbourhood(address: str) -> str:
        with limited.test_request_context(environ_base={"REMOTE_ADDR": address}):
            return network()

    assert neighbourhood("::ffff:198.51.100.7") == neighbourhood("198.51.100.8")
    assert neighbourhood("::ffff:198.51.100.7") != neighbourhood("::ffff:203.0.113.9")
    assert neighbourhood("2001:db8:1:2::3") == neighbourhood("2001:db8:1:4::5")
