"""When others hold the database, or it goes away: people wait a little, then hear "busy"."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from queue import Queue

import psycopg
import pytest
from flask import Flask, abort
from sqlalchemy import Executable, event, func, select, text, update
from sqlalchemy.exc import NotSupportedError
from werkzeug.test import TestResponse

import booking.worker
from booking.app import SPARE_CONNECTIONS
from booking.models import Appointment, Clinic, Occupancy, OwedMessage, Practitioner, database
from booking.models.database import (
    PATIENCE,
    Busy,
    OutsideOfTransaction,
    db,
    end_reading,
    transaction,
)
from booking.worker import reading, worker_of
from booking.worker.delivery import IDLE
from tests.builders import Clock, Mailbox, an_appointment, at
from tests.conftest import a_running_app, settings_for
from tests.holding import held

SLACK = 1.5
"""Seconds that a loaded machine may add."""
WEB_THREADS = 16
BACK_WITHIN = 5.0
ARRIVALS = [("first", 0.0), ("second", 1.0), ("third", 2.0), ("last", 2.0)]
"""Who comes while another waits must not begin to wait all over again when that one gives up."""

Hold = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def hold(database_url: str) -> Hold:
    """Somebody else, who holds what a booking must lock."""
    return partial(held, database_url)


@pytest.fixture
def postgres_app(postgres_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[Flask]:
    yield from a_running_app(settings_for(postgres_url), clock, mailbox)


def test_whoever_waits_too_long_is_told_to_come_again_and_nothing_is_written(
    app: Flask, hold: Hold
) -> None:
    with hold(), ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(timed, partial(book, app, key), after) for key, after in ARRIVALS]
        told = [each.result() for each in asked]

    assert {answer.status_code for _, answer in told} == {503}
    assert all(int(answer.headers["Retry-After"]) > 0 for _, answer in told)
    assert max(took for took, _ in told) < most_waiting() + SLACK
    assert counts() == {Appointment: 0, Occupancy: 0, OwedMessage: 0}
    assert book(app).status_code == 201


def most_waiting() -> float:
    """On PostgreSQL each lock has its own patience, and who waits for a waiter waits for two."""
    return PATIENCE if db.engine.dialect.name == "sqlite" else 2 * PATIENCE


@pytest.mark.usefixtures("postgres_app")
def test_what_was_prepared_before_the_schema_changed_is_prepared_anew(postgres_url: str) -> None:
    """Another release has migrated while this one runs: its pages must not fail for ever."""
    address = postgres_url.replace("+psycopg", "")
    asked = select(Practitioner.slug)
    for _ in range(10):
        db.session.scalars(asked).all()
        db.session.rollback()

    with psycopg.connect(address, autocommit=True) as other:
        other.execute("ALTER TABLE resource ALTER slug TYPE varchar(200)")
    with suppress(NotSupportedError):
        db.session.scalars(asked).all()
    db.session.rollback()

    assert db.session.scalars(asked).all()


def test_a_short_wait_is_no_fault(app: Flask, hold: Hold) -> None:
    holding, release = threading.Event(), threading.Event()

    def somebody() -> None:
        with hold():
            holding.set()
            release.wait(PATIENCE)

    thread = threading.Thread(target=somebody)
    thread.start()
    holding.wait(PATIENCE)
    threading.Timer(0.5, release.set).start()

    took, answer = timed(lambda: book(app))

    thread.join()
    assert answer.status_code == 201
    assert took >= 0.4


def test_reading_goes_on_while_somebody_writes(app: Flask, hold: Hold) -> None:
    with hold():
        took, answer = timed(lambda: app.test_client().get("/services/visit"))

    assert answer.status_code == 200
    assert took < PATIENCE


@pytest.mark.usefixtures("app")
def test_a_transaction_that_cannot_begin_leaves_the_next_one_untouched(hold: Hold) -> None:
    began = time.monotonic()

    with hold(), pytest.raises(Busy), transaction() as session:
        an_appointment(session)

    assert time.monotonic() - began < PATIENCE + SLACK
    with transaction() as session:
        an_appointment(session)

    assert counts()[Appointment] == 1


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    "statement",
    [update(Clinic).values(name="Other"), select(Clinic).with_for_update()],
    ids=["written", "locked"],
)
def test_outside_of_a_transaction_nothing_is_written_or_locked(statement: Executable) -> None:
    with pytest.raises(OutsideOfTransaction):
        db.session.execute(statement)


@pytest.mark.usefixtures("app")
def test_what_was_changed_outside_of_a_transaction_is_never_written() -> None:
    db.session.get_one(Clinic, 1).name = "Other"

    with pytest.raises(OutsideOfTransaction):
        db.session.scalars(select(Practitioner)).all()
    with transaction() as session:
        assert session.get_one(Clinic, 1).name != "Other"


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("how_it_ends", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_nothing_is_written_after_a_transaction_however_it_ended(
    how_it_ends: type[BaseException],
) -> None:
    with pytest.raises(how_it_ends), transaction():
        raise how_it_ends

    with pytest.raises(OutsideOfTransaction):
        db.session.execute(update(Clinic).values(name="Other"))


def test_after_a_crash_of_postgresql_the_app_is_back_within_seconds(
    postgres_app: Flask, postgres_url: str
) -> None:
    acknowledged = book(postgres_app, "before").get_json()["token"]

    crash(postgres_url)
    wait_until_it_accepts(postgres_url)

    assert book(postgres_app, "after", "Tue 14:00").status_code == 201
    kept = postgres_app.test_client().get(f"/api/v1/appointments/{acknowledged}")
    assert kept.status_code == 200


def test_a_server_that_has_become_a_standby_is_left_and_people_are_told_to_come_again(
    postgres_app: Flask, postgres_url: str
) -> None:
    """PostgreSQL says 25006 then, which its driver does not count among what passes."""
    assert book(postgres_app, "before").status_code == 201
    let_it_write(postgres_url, "off")

    refused = book(postgres_app, "between", "Tue 14:00")
    let_it_write(postgres_url, "on")
    after = book(postgres_app, "between", "Tue 14:00")

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert after.status_code == 201


def let_it_write(database_url: str, write: str) -> None:
    """Make the database read-only, or not, for who is connected and who comes."""
    with psycopg.connect(plain(database_url), autocommit=True) as connection:
        name, read_only = connection.info.dbname, "off" if write == "on" else "on"
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(
            f'ALTER DATABASE "{name}" SET default_transaction_read_only = {read_only}'.encode()
        )
    end_everybody(database_url)


def end_everybody(database_url: str) -> None:
    """End all connections to a database but the one that asks for it, and wait until they have."""
    with psycopg.connect(plain(database_url), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.usefixtures("postgres_app")
def test_a_server_that_says_nothing_any_more_is_given_up_within_seconds() -> None:
    with db.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        told = driver.info.get_parameters()

    unanswered = int(told["tcp_user_timeout"]) / 1000
    idle = int(told["keepalives_idle"])
    repeated = int(told["keepalives_interval"]) * int(told["keepalives_count"])
    assert 0 < unanswered <= 2 * PATIENCE
    assert 0 < idle + repeated <= 3 * PATIENCE


@pytest.mark.parametrize("path", ["/", "/services/visit", "/readyz", "/api/v1/services"])
def test_without_a_database_every_page_says_come_again(
    postgres_app: Flask, postgres_url: str, path: str
) -> None:
    client = postgres_app.test_client()
    client.get("/services/visit")
    db.session.remove()
    with gone(postgres_url):
        answer = client.get(path)
        written = book(postgres_app)

    assert (answer.status_code, written.status_code) == (503, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert book(postgres_app).status_code == 201


@contextmanager
def gone(database_url: str) -> Iterator[None]:
    """Let nobody into the database, and end who is in it."""
    name = psycopg.conninfo.conninfo_to_dict(plain(database_url))["dbname"]
    elsewhere = plain(database_url).replace(f"/{name}", "/postgres")
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false'.encode())
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            [name],
        )
        yield
        connection.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true'.encode())


def test_connections_that_end_as_soon_as_they_begin_are_no_database_either(
    postgres_app: Flask, postgres_url: str
) -> None:
    """A proxy takes everybody in, and finds out then that nobody is behind it."""
    db.session.remove()
    db.engine.dispose()

    @event.listens_for(db.engine, "connect")
    def ends(*_: object) -> None:
        end_everybody(postgres_url)
        time.sleep(0.05)

    answer = postgres_app.test_client().get("/services/visit")
    written = book(postgres_app)

    event.remove(db.engine, "connect", ends)
    assert (answer.status_code, written.status_code) == (503, 503)
    assert book(postgres_app).status_code == 201


def test_a_connection_that_was_just_used_is_not_asked_whether_it_stands(
    postgres_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def ask(line: object) -> bool:
        asked.append(line)
        return True

    monkeypatch.setattr(db.engine.dialect, "do_ping", ask)
    client = postgres_app.test_client()

    for _ in range(3):
        client.get("/services/visit")
    db.session.remove()
    assert asked == []

    monkeypatch.setattr(database, "TRUSTED", 0.0)
    client.get("/services/visit")
    assert asked


def test_what_a_page_asks_stays_prepared(postgres_app: Flask) -> None:
    """A ROLLBACK at its end would throw that away."""
    client = postgres_app.test_client()

    for _ in range(8):  # the driver prepares what it is asked more often than five times
        client.get("/services/visit")
        db.session.remove()

    kept = db.session.scalars(text("SELECT statement FROM pg_prepared_statements")).all()
    assert any("FROM time_version" in each for each in kept)


def test_an_answer_that_is_ready_is_given_though_the_database_has_gone(
    postgres_app: Flask, postgres_url: str
) -> None:
    """Somebody would be told that nothing came of it while the appointment stands."""

    def lose_it(_error: BaseException | None) -> None:
        db.session.execute(select(1))
        end_everybody(postgres_url)

    postgres_app.teardown_request_funcs.setdefault(None, []).append(lose_it)

    assert book(postgres_app).status_code == 201
    assert book(postgres_app, "two", "Tue 14:00").status_code == 201


def test_a_refusal_is_given_though_the_database_has_gone(
    postgres_app: Flask, postgres_url: str
) -> None:
    def lose_it() -> None:
        db.session.execute(select(1))
        end_everybody(postgres_url)
        abort(404)

    postgres_app.before_request_funcs.setdefault(None, []).append(lose_it)

    assert postgres_app.test_client().get("/api/v1/services").status_code == 404
    assert postgres_app.test_client().get("/services/visit").status_code == 404


def test_the_worker_goes_on_by_itself_when_the_database_is_back(
    postgres_app: Flask, postgres_url: str, mailbox: Mailbox
) -> None:
    assert book(postgres_app).status_code == 201
    worker = worker_of(postgres_app)
    db.session.remove()
    with gone(postgres_url):
        assert worker.turn() == IDLE
    assert mailbox.mails == []

    worker.turn()

    assert mailbox.mails


def test_what_is_read_in_the_background_outlives_a_database_that_goes_amid_it(
    postgres_app: Flask, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking.worker, "AFTER_A_FAULT", 0.0)
    turns: Queue[int] = Queue()

    class Reader:
        def turn(self) -> float:
            turns.put(1)
            db.session.execute(select(1))
            end_everybody(postgres_url)
            try:
                db.session.execute(select(1))
            finally:
                end_reading()
            return 0.0

    with reading(postgres_app, [Reader()]):
        for _ in range(3):
            turns.get(timeout=PATIENCE)


def crash(database_url: str) -> None:
    """Kill a backend: PostgreSQL then ends all the others and recovers as after a crash."""
    witness = psycopg.connect(plain(database_url), autocommit=True)
    with psycopg.connect(plain(database_url)) as connection:
        pid, deadline = connection.info.backend_pid, time.monotonic() + BACK_WITHIN
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pytest.skip("the PostgreSQL server is not ours to kill")
    with pytest.raises(psycopg.OperationalError):
        while time.monotonic() < deadline:
            witness.execute("SELECT 1")
    witness.close()


def wait_until_it_accepts(database_url: str) -> None:
    deadline = time.monotonic() + BACK_WITHIN
    while True:
        try:
            return psycopg.connect(plain(database_url)).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def plain(database_url: str) -> str:
    return database_url.replace("postgresql+psycopg://", "postgresql://")


def book(app: Flask, key: str = "one", start: str = "Tue 09:00") -> TestResponse:
    body = {
        "service": "visit",
        "start": at(start).isoformat().replace("+00:00", "Z"),
        "patient": {"name": "Sam Rivers", "email": "sam@mail.example"},
        "email_consent": True,
    }
    return app.test_client().post(
        "/api/v1/appointments", json=body, headers={"Idempotency-Key": key}
    )


def timed(work: Callable[[], TestResponse], after: float = 0.0) -> tuple[float, TestResponse]:
    """Do it, perhaps a little later; returns how long it took, too."""
    time.sleep(after)
    began = time.monotonic()
    answer = work()
    return time.monotonic() - began, answer


def counts() -> dict[type, int | None]:
    db.session.rollback()
    return {
        each: db.session.scalar(select(func.count()).select_from(each))
        for each in (Appointment, Occupancy, OwedMessage)
    }


def test_without_a_free_connection_one_is_told_to_come_again(sqlite_app: Flask) -> None:
    db.session.remove()
    with ExitStack() as all_taken:
        for _ in range(WEB_THREADS + SPARE_CONNECTIONS):
            all_taken.enter_context(db.engine.connect())
        answer = sqlite_app.test_client().get("/services/visit")

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
