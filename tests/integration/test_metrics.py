"""Whoever has the token reads how the service is doing, and nothing of anybody."""

import os
import re
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from booking.models.database import transaction
from booking.services import outbox
from tests.builders import NOW, Clock, Mailbox, an_appointment
from tests.conftest import a_running_app, settings_for
from tests.integration.history import past_appointments
from tests.integration.servers import Service, a_service, eventually, linux_only
from tests.integration.test_queries import watched
from tests.visits import SAM, a_link, deliver, get

TOKEN = "a-token-that-only-the-watcher-of-metrics-knows"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
LABELS = {
    "endpoint": r"[a-z_]+(\.[a-z_]+)?",
    "method": r"[A-Z]+|other",
    "status": r"[2345]xx",
    "le": r"[0-9.]+|\+Inf",
}


@pytest.fixture
def watched_app(database_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[Flask]:
    """The app on each database, where metrics can be read."""
    settings = settings_for(database_url, BOOKING_METRICS_TOKEN=TOKEN)
    yield from a_running_app(settings, clock, mailbox)


@pytest.fixture
def visitor(watched_app: Flask) -> FlaskClient:
    return watched_app.test_client()


def scrape(client: FlaskClient) -> dict[str, float]:
    """Each sample, by its name and labels."""
    answer = client.get("/metrics", headers=BEARER)
    assert answer.status_code == 200
    return samples(answer.get_data(as_text=True))


def samples(told: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in told.splitlines() if line[:1] != "#"]
    assert len({name for name, _, _ in lines}) == len(lines), "each is told once"
    return {name: float(value) for name, _, value in lines}


def counted(endpoint: str, method: str = "GET", status: str = "2xx") -> str:
    labels = f'endpoint="{endpoint}",method="{method}",status="{status}"'
    return f"booking_http_requests_total{{{labels}}}"


def test_without_a_token_in_the_settings_there_is_no_such_page(client: FlaskClient) -> None:
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers=BEARER).status_code == 404


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer é"]
)
def test_who_has_not_the_token_reads_nothing(visitor: FlaskClient, given: str) -> None:
    answer = visitor.get("/metrics", headers={"Authorization": given} if given else {})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "booking_" not in answer.get_data(as_text=True)


def test_who_has_it_reads_the_format_of_prometheus(visitor: FlaskClient) -> None:
    visitor.get("/")

    answer = visitor.get("/metrics", headers=BEARER)

    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.get_data(as_text=True)
    assert "_created" not in told
    assert "# TYPE booking_http_requests_total counter\n" in told
    assert "# TYPE booking_http_request_seconds histogram\n" in told
    for name in (
        "booking_outbox_unsent",
        "booking_webhooks_unsent",
        "booking_outbox_oldest_unsent_seconds",
        "booking_worker_last_turn_seconds",
        "booking_schema_current",
    ):
        assert f"# TYPE {name} gauge\n" in told


def test_requests_are_counted_by_endpoint_method_and_kind_of_answer(visitor: FlaskClient) -> None:
    for _ in range(3):
        visitor.get("/")
    visitor.get("/services/nothing-of-ours")
    visitor.get("/staff/")
    visitor.post("/nowhere")
    visitor.open("/nowhere", method="MADE-UP")

    told = scrape(visitor)

    assert told[counted("public.services")] == 3
    assert told[counted("public.service_times", status="4xx")] == 1
    assert told[counted("staff.upcoming", status="3xx")] == 1
    assert told[counted("unknown", "POST", "4xx")] == 1
    assert told[counted("unknown", "other", "4xx")] == 1
    assert told['booking_http_request_seconds_count{endpoint="public.services"}'] == 3
    last = 'booking_http_request_seconds_bucket{endpoint="public.services",le="+Inf"}'
    assert told[last] == 3


def test_nobody_and_no_key_is_told(watched_app: Flask, visitor: FlaskClient) -> None:
    link = a_link("Tue 09:00")
    get(visitor, link)
    visitor.get(f"{link}/nowhere?email={SAM['email']}")
    visitor.post(f"{link}/cancel", data=SAM)
    deliver(watched_app)

    told = visitor.get("/metrics", headers=BEARER).get_data(as_text=True)

    assert link.rpartition("/")[2] not in told
    assert "Sam" not in told
    assert "@" not in told
    for line in told.splitlines():
        if line[:1] != "#":
            found = SAMPLE.fullmatch(line)
            assert found, line
            for name, value in re.findall(r'(\w+)="([^"]*)"', found[2] or ""):
                assert re.fullmatch(LABELS[name], value), line


def test_what_waits_is_told_with_its_age(
    watched_app: Flask, visitor: FlaskClient, clock: Clock
) -> None:
    before = scrape(visitor)
    with transaction() as session:
        an_appointment(session, "Wed 10:00")
    clock.now += timedelta(minutes=3)
    waiting = scrape(visitor)
    deliver(watched_app)
    after = scrape(visitor)

    told = [(each["booking_outbox_unsent"]) for each in (before, waiting, after)]
    ages = [each["booking_outbox_oldest_unsent_seconds"] for each in (before, waiting, after)]
    assert told == [0, 3, 0]
    assert ages == [0, 180, 0]


def test_the_workers_last_turn_is_told(visitor: FlaskClient, clock: Clock) -> None:
    never = scrape(visitor)["booking_worker_last_turn_seconds"]
    with transaction() as session:
        outbox.beat(session, now=NOW, relay_error=None)
    clock.now += timedelta(seconds=40)

    assert never == float("inf")
    assert scrape(visitor)["booking_worker_last_turn_seconds"] == 40


def test_a_schema_that_is_not_ours_is_told(visitor: FlaskClient) -> None:
    current = scrape(visitor)["booking_schema_current"]
    with transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    assert (current, scrape(visitor)["booking_schema_current"]) == (1, 0)


def test_a_look_asks_as_little_of_a_large_database_as_of_an_empty_one(
    watched_app: Flask, visitor: FlaskClient
) -> None:
    assert watched_app
    scrape(visitor)
    with watched() as few:
        scrape(visitor)
    with transaction() as session:
        past_appointments(session, 300, before=NOW)
        for hour in (9, 10, 11, 13):
            an_appointment(session, f"Wed {hour:02}:00")

    with watched() as many:
        scrape(visitor)

    assert len(few) == len(many) == 4


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "temporary").mkdir()
    with a_service(
        f"sqlite:///{tmp_path}/data/booking.db",
        tmp_path / "log",
        BOOKING_METRICS_TOKEN=TOKEN,
        BOOKING_WEB_WORKERS=2,
        TMPDIR=tmp_path / "temporary",
    ) as running:
        yield running


@linux_only
def test_all_processes_of_a_service_count_together(service: Service, tmp_path: Path) -> None:
    client, asked = service.client, 0
    [folder] = (tmp_path / "temporary").glob("booking-metrics-*")
    while len(list(folder.glob("counter_*.db"))) < 2 or asked < 20:
        assert client.get("/robots.txt").status == 200
        asked += 1
    victim, first = service.web_workers()[0], service.web_workers()
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: len(service.web_workers()) == 2 and service.web_workers() != first)
    asked += sum(client.get("/robots.txt").status == 200 for _ in range(5))

    told = [client.get("/metrics", **BEARER).body.decode() for _ in range(5)]

    assert {samples(each)[counted("ops.robots")] for each in told} == {asked}
    eventually(
        lambda: (
            samples(client.get("/metrics", **BEARER).body.decode())[
                "booking_worker_last_turn_seconds"
            ]
            < 60
        )
    )


@linux_only
def test_what_is_counted_lies_in_a_private_folder_that_goes_with_the_service(
    service: Service, tmp_path: Path
) -> None:
    service.client.get("/")
    [folder] = (tmp_path / "temporary").glob("booking-metrics-*")
    modes = {each.stat().st_mode & 0o777 for each in folder.iterdir()}
    own = folder.stat().st_mode & 0o777

    service.end()

    assert (own, modes) == (0o700, {0o600})
    assert list((tmp_path / "temporary").iterdir()) == []
