"""The small editions of what `chaos` holds: bad weather, a touched trail, a crowd."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event, text

from booking.models.database import db
from chaos import service, troubles
from chaos.audit import tampering
from chaos.delivery import storm
from chaos.holds import crowd, homeless, overlaps
from tests.conftest import migrate
from tests.integration.servers import linux_only
from tests.postgres import installed, make_database
from tests.visits import book

BOOKINGS, KILLS = 90, 12
STARTS = [
    f"{day} {hour}:00"
    for day in ("Tue", "Wed", "Fri")
    for hour in ("09", "10", "11", "13", "14", "15")
]


@linux_only
def test_kills_lose_nothing_and_double_nothing(database_url: str, tmp_path: Path) -> None:
    found = service.storm(database_url, BOOKINGS, KILLS, tmp_path / "log")

    assert {what: count for what, count in found.faults.items() if count} == {}
    assert found.troubles.total() == KILLS
    assert found.repeated <= found.excusable
    assert {each.cancelled for each in found.stories if each.token} == {True, False}
    assert any(each.start == each.later for each in found.stories)
    assert set(found.statuses) >= {200, 201, 409}


@linux_only
def test_being_stopped_and_begun_anew_loses_nothing_and_tells_nobody_twice(tmp_path: Path) -> None:
    migrate(url := f"sqlite:///{tmp_path}/booking.db")
    kinds = troubles.RESTARTS

    found = service.storm(url, 40, 2, tmp_path / "log", troubles=kinds, pace=0.5)

    assert {what: count for what, count in found.faults.items() if count} == {}
    assert found.troubles == {each.name: 1 for each in kinds}
    assert found.repeated == 0


@linux_only
@pytest.mark.skipif(not installed(), reason="PostgreSQL's own programs are not installed")
def test_a_database_that_dies_takes_nothing_along(tmp_path: Path) -> None:
    with troubles.a_durable_server() as server:
        migrate(url := make_database(server.url, "booking"))
        kinds = troubles.death_of(server)
        found = service.storm(url, 40, 2, tmp_path / "log", troubles=kinds, pace=0.5)

    assert {what: count for what, count in found.faults.items() if count} == {}
    assert found.repeated <= found.excusable
    assert found.back < 5


@linux_only
@pytest.mark.skipif(not installed(), reason="PostgreSQL's own programs are not installed")
def test_a_standby_that_takes_over_has_every_booking(tmp_path: Path) -> None:
    with troubles.a_synchronous_pair() as (primary, standby):
        make_database(primary.url, "booking")
        migrate(url := primary.or_else(standby, "booking"))
        kinds = troubles.succession(primary, standby)
        found = service.storm(url, 40, 1, tmp_path / "log", troubles=kinds, pace=1)

    assert {what: count for what, count in found.faults.items() if count} == {}
    assert found.repeated <= found.excusable
    assert found.back < 5


def test_every_message_leaves_or_becomes_a_task_whatever_the_relay_does(database_url: str) -> None:
    found = storm(database_url, appointments=40, kills=4)

    assert found.waiting == found.silent == 0
    assert found.owed == found.sent + found.not_needed + found.not_reached
    assert found.arrived_twice <= found.excusable
    assert found.sent > 40


def test_whoever_touches_the_audit_trail_is_found_out() -> None:
    found = tampering(entries=600, tries=24)

    assert found.missed == 0
    assert len(found.tried) == 8


@pytest.mark.usefixtures("app")
def test_a_crowd_that_holds_books_moves_and_waits_leaves_everything_whole(
    database_url: str,
) -> None:
    done = crowd(database_url, processes=4, steps=25)

    assert (overlaps(), homeless()) == (0, 0)
    assert min(done[each] for each in ("hold", "book", "move", "cancel", "wait", "offer")) > 0


def test_a_full_disk_refuses_in_words_and_life_goes_on_when_there_is_room(
    sqlite_app: Flask,
) -> None:
    client, starts = sqlite_app.test_client(), iter(STARTS)
    with no_room_left(sqlite_app):
        refused, start = next(
            (answer, start)
            for start in starts
            if (answer := book(client, start)).status_code != 303
        )
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert "Nothing was changed." in refused.get_data(as_text=True)

    assert book(client, start).status_code == 303


@contextmanager
def no_room_left(app: Flask) -> Iterator[None]:
    """A database that may not grow by a page: SQLite refuses as it does on a full disk."""
    with app.app_context():
        engine = db.engine
        pages = db.session.execute(text("PRAGMA page_count")).scalar_one()
    db.session.remove()

    def limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(engine, "connect", limit)
    engine.dispose()
    yield
    event.remove(engine, "connect", limit)
    engine.dispose()
