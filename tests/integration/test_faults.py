"""Processes are killed while people book: nothing is lost, nothing is done twice."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email import message_from_bytes
from itertools import cycle
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine, create_engine, func, select

from booking.models import Appointment, AppointmentEvent, Occupancy, OwedMessage
from booking.services.links import token_digest
from tests.integration.servers import (
    GONE,
    Service,
    Wish,
    a_service,
    coming_days,
    eventually,
    furnish,
    linux_only,
)
from tests.smtp_sink import SmtpSink

BOOKINGS = 150
CONTESTED = 3
"""Every so-manieth slot is wanted by two."""
PEOPLE = 6
KILLS = 12
VICTIMS = ("delivery_worker", "a_web_worker", "delivery_worker", "a_web_worker", "web_master")
PACE = 0.35
"""Seconds between two kills."""
PATIENCE = 60.0
TOLD_WITHIN = 30.0
"""Sooner than a dead worker's lease runs out: its successor takes over."""

pytestmark = linux_only


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as sink:
        yield sink


@pytest.fixture
def service(database_url: str, sink: SmtpSink, tmp_path: Path) -> Iterator[Service]:
    furnish(database_url)
    settings = {"BOOKING_SMTP_URL": f"smtp://127.0.0.1:{sink.port}", "BOOKING_WEB_WORKERS": 2}
    with a_service(database_url, tmp_path / "log", **settings) as running:
        yield running


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


def test_kills_lose_nothing_and_double_nothing(
    service: Service, engine: Engine, sink: SmtpSink
) -> None:
    wishes = contested_wishes(service)
    people = ThreadPoolExecutor(PEOPLE)

    booking = [people.submit(book_until_answered, service, *each) for each in enumerate(wishes)]
    killed = kill_by_turns(service, until=lambda: all(each.done() for each in booking))
    answers = [each.result() for each in booking]

    people.shutdown()
    promised = {token_digest(token) for status, token in answers if status == 201}
    assert sum(killed.values()) >= KILLS
    assert Counter(status for status, _ in answers).keys() == {201, 409}
    assert len(promised) == len({wish.start for wish in wishes})
    eventually(lambda: nothing_is_owed(engine), within=TOLD_WITHIN)
    assert_whole(engine, promised)
    assert_told(engine, sink, killed["delivery_worker"])


def contested_wishes(service: Service) -> list[Wish]:
    """As many wishes as bookings; those for one slot stand side by side."""
    starts = iter(coming_days(service.client, "call", count=10))
    wishes: list[Wish] = []
    while len(wishes) < BOOKINGS:
        start = next(starts)
        rivals = 2 if len(wishes) % CONTESTED == 0 else 1
        wishes += [Wish("call", start, len(wishes) + each) for each in range(rivals)]
    return wishes


def book_until_answered(service: Service, number: int, wish: Wish) -> tuple[int, str]:
    """Ask under the same key until there is a yes or a no."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(*GONE):
            answer = service.client.book(wish, f"wish-{number}")
            if answer.status in (201, 409):
                return answer.status, answer.json.get("token", "")
            assert answer.status == 503, answer
        time.sleep(0.1)
    raise AssertionError("never answered")


def kill_by_turns(service: Service, until: Callable[[], bool]) -> Counter[str]:
    """Kill until there were kills enough and there is nobody left to disturb."""
    random, killed = Random(5), Counter[str]()
    for victim in cycle(VICTIMS):
        if killed.total() >= KILLS and until():
            return killed
        pids = service.web_workers() if victim == "a_web_worker" else [getattr(service, victim)()]
        with suppress(ProcessLookupError):
            os.kill(random.choice(pids), signal.SIGKILL)
            killed[victim] += 1
        time.sleep(PACE)
    raise AssertionError


def nothing_is_owed(engine: Engine) -> bool:
    waiting = select(func.count()).where(OwedMessage.settled_at.is_(None))
    with engine.connect() as connection:
        return connection.scalar(waiting) == 0


def assert_whole(engine: Engine, promised: set[bytes]) -> None:
    """Each promise is an appointment with its time, its history and its messages; there are no
    others."""
    with engine.connect() as connection:
        stored = connection.execute(select(Appointment.id, Appointment.link_digest)).all()
        assert {digest for _, digest in stored} == promised
        assert len(stored) == len(promised)
        for table, owner, rows in (
            (Occupancy, Occupancy.appointment_id, 1),
            (AppointmentEvent, AppointmentEvent.appointment_id, 1),
            (OwedMessage, OwedMessage.appointment_id, 3),
        ):
            held = Counter(connection.scalars(select(owner).select_from(table)))
            assert held == {appointment: rows for appointment, _ in stored}


def assert_told(engine: Engine, sink: SmtpSink, kills: int) -> None:
    """Everybody was told, twice at the most where a worker died, and then recognisably."""
    with engine.connect() as connection:
        owed = Counter(connection.scalars(select(OwedMessage.message_id)))
        patients = set(connection.scalars(select(Appointment.patient_email)))
    arrived = Counter(
        str(message_from_bytes(each.content)["Message-ID"]).strip("<>").partition("@")[0]
        for each in sink.received
    )
    assert arrived.keys() == owed.keys()
    assert arrived.total() - len(arrived) <= kills
    assert patients <= {each.recipients[0] for each in sink.received}
