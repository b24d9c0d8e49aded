"""All of it through PgBouncer in transaction mode, which lends each transaction a connection."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from booking.models import Appointment, OwedMessage
from booking.models.database import db, transaction
from booking.services import holds, invariants
from booking.services.holds import Visitor
from booking.worker import worker_of
from chaos.holds import crowd, homeless, overlaps
from tests import pgbouncer
from tests.builders import HOUSE, NOW, Mailbox, at
from tests.integration.test_database import gone

SIZE = 2
"""Fewer connections than anybody who comes."""
PEOPLE = 8


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """Where the app of these tests finds its database."""
    pgbouncer.require()
    with pgbouncer.before(postgres_url, size=SIZE) as pooled:
        yield pooled


def booked(app: Flask, start: str, number: int) -> TestResponse:
    """Book by the API."""
    body = {
        "service": "video",
        "start": f"{at(start):%Y-%m-%dT%H:%M:%SZ}",
        "patient": {"name": "Sam Rivers", "email": f"sam{number}@mail.example"},
        "email_consent": True,
    }
    return app.test_client().post(
        "/api/v1/appointments", json=body, headers={"Idempotency-Key": f"key {number} {start}"}
    )


def offered(app: Flask, day: str = "2026-11-24") -> list[str]:
    """The free starts of a day."""
    query = f"service=video&from={day}&to={day}"
    slots = app.test_client().get(f"/api/v1/slots?{query}").get_json()["slots"]
    return [each["start"][11:16] for each in slots]


def all_settled() -> bool:
    db.session.rollback()
    return not db.session.scalars(select(OwedMessage).where(OwedMessage.settled_at.is_(None))).all()


def test_people_book_the_same_times_at_once_and_one_has_each(app: Flask) -> None:
    starts = [f"Tue {hour:02}:{minute}" for hour in (9, 10, 11) for minute in ("00", "30")]

    with ThreadPoolExecutor(PEOPLE) as pool:
        wanted = [(start, number) for number in range(PEOPLE) for start in starts]
        answers = list(pool.map(lambda wish: booked(app, *wish), wanted))

    made = [each for each in answers if each.status_code == 201]
    assert {each.status_code for each in answers} == {201, 409}
    assert overlaps() == homeless() == 0
    assert len(db.session.scalars(select(Appointment)).all()) == len(made) >= len(starts)


def test_what_is_asked_again_and_again_works_as_the_first_time(app: Flask) -> None:
    """Statements that the driver would prepare by itself, on connections that change."""
    with ThreadPoolExecutor(PEOPLE) as pool:
        seen: list[Any] = list(pool.map(lambda _: offered(app), range(PEOPLE * 12)))

    assert all(each == seen[0] != [] for each in seen)


def test_what_is_remembered_of_the_free_times_is_right_after_each_change(app: Flask) -> None:
    before = offered(app)

    token = booked(app, "Tue 09:00", 1).get_json()["token"]
    booked(app, "Tue 09:00", 2)
    between = offered(app)
    app.test_client().post(f"/api/v1/appointments/{token}/cancel")

    assert "14:00" in before
    assert "14:00" not in between
    assert offered(app) == before


def test_a_pooler_without_a_server_is_no_database(app: Flask, postgres_url: str) -> None:
    """It takes everybody in, and closes the line when the first question finds nobody."""
    db.session.remove()
    db.engine.dispose()

    with gone(postgres_url):
        page = app.test_client().get("/services/visit")
        written = booked(app, "Tue 09:00", 1)

    assert (page.status_code, written.status_code) == (503, 503)


@pytest.mark.usefixtures("app")
def test_a_time_that_is_held_is_not_offered_to_others() -> None:
    visitor = Visitor((b"key".ljust(32),), "here", "Sam")

    with transaction() as session:
        held = holds.hold_slot(session, "video", at("Tue 09:00"), None, visitor, now=NOW)

    assert held is not None
    assert overlaps() == 0


def test_workers_at_once_deliver_each_message_once(app: Flask, mailbox: Mailbox) -> None:
    for number, hour in enumerate((9, 10, 11, 13, 14, 15)):
        assert booked(app, f"Tue {hour:02}:00", number).status_code == 201

    def deliver(_: int) -> None:
        with app.app_context():
            worker_of(app).turn()

    with ThreadPoolExecutor(PEOPLE) as pool:
        list(pool.map(deliver, range(PEOPLE)))

    told = [each.message_id for each in mailbox.mails]
    assert all_settled()
    assert len(told) == len(set(told)) == 6 * 3


@pytest.mark.usefixtures("app")
def test_a_crowd_of_processes_leaves_everything_whole(database_url: str) -> None:
    done = crowd(database_url, processes=4, steps=20)

    found = chain.from_iterable(
        each.faults
        for each in invariants.check(db.session(), HOUSE.keys, now=NOW + timedelta(days=1))
    )
    assert overlaps() == homeless() == 0
    assert list(found) == []
    assert min(done[each] for each in ("hold", "book", "move", "cancel")) > 0
