"""Reading a calendar by CalDAV from a real server: Radicale, on a port of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import select

from booking.domain.timeline import Span
from booking.messages.foreign.apart import read_apart
from booking.messages.foreign.faults import (
    CalendarFault,
    InnerAddress,
    NotACalendar,
    NotThere,
    SignInNeeded,
    TooMuchWork,
    Unreachable,
)
from booking.messages.foreign.questions import Question, Reading
from booking.models import BusyCalendar, BusyTime, CalendarKind, Practitioner
from booking.models.database import db, transaction
from booking.services import busy
from booking.worker.calendars import CalendarReader
from tests.builders import HOUSE, NOW, Clock
from tests.calendar_server import CalendarServer, calendar_server
from tests.integration.test_feeds import booked, subscribe
from tests.ports import free_port

USER, PASSWORD = "ada", "p@ss:word"
MKCALENDAR = """<?xml version="1.0"?><mkcalendar xmlns="urn:ietf:params:xml:ns:caldav"/>"""


@dataclass
class Radicale:
    """A server with one calendar on it."""

    host: str

    @property
    def address(self) -> str:
        """What staff would type in."""
        return f"http://{USER}:p%40ss%3Aword@{self.host}/ada/private/"

    def ask(self, method: str, path: str = "", body: str | bytes = "", **headers: str) -> None:
        """Change something, as the practitioner's own calendar app does."""
        url = f"http://{self.host}/ada/private/{path}"
        data = body.encode() if isinstance(body, str) else body
        answer = requests.request(
            method, url, data=data, headers=headers, auth=(USER, PASSWORD), timeout=5
        )
        assert answer.status_code < 300, (answer.status_code, answer.text)

    def put(self, uid: str, *lines: str) -> None:
        """Write an event."""
        event = "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20261101T000000Z", *lines])
        text = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{event}\r\nEND:VEVENT\r\n"
        self.ask(
            "PUT", f"{uid}.ics", text + "END:VCALENDAR\r\n", **{"Content-Type": "text/calendar"}
        )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server; its name and port."""
    folder = tmp_path_factory.mktemp("radicale")
    (folder / "users").write_text(f"{USER}:{PASSWORD}\n")
    host = f"127.0.0.1:{free_port()}"
    options = {
        "server-hosts": host,
        "auth-type": "htpasswd",
        "auth-htpasswd-filename": str(folder / "users"),
        "auth-htpasswd-encryption": "plain",
        "storage-filesystem-folder": str(folder / "data"),
        "logging-level": "error",
    }
    command = [sys.executable, "-m", "radicale", "--config", ""]
    command += [word for name, value in options.items() for word in (f"--{name}", value)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(host)
            yield host
        finally:
            server.terminate()


def _wait_for(host: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            requests.get(f"http://{host}/", timeout=1)
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError


@pytest.fixture
def radicale(running: str) -> Iterator[Radicale]:
    """The server with an empty calendar."""
    server = Radicale(running)
    server.ask("MKCALENDAR", body=MKCALENDAR)
    yield server
    server.ask("DELETE")


@pytest.fixture
def nasty() -> Iterator[CalendarServer]:
    with calendar_server() as server:
        yield server


def question(address: str, host: str, *, etag: str = "") -> Question:
    return Question(
        kind="caldav",
        address=address,
        etag=etag,
        since=NOW - timedelta(days=1),
        until=NOW + timedelta(days=60),
        timezone="America/New_York",
        hosts=(host,),
    )


def ask(radicale: Radicale, **more: Any) -> Reading | None:
    return read_apart(question(radicale.address, radicale.host, **more))


def hour(day: int, utc: int) -> Span:
    start = datetime(2026, 11, day, utc, tzinfo=UTC)
    return Span(start, start + timedelta(hours=1))


def test_busy_times_are_read_and_repetitions_worked_out_by_us(radicale: Radicale) -> None:
    radicale.put("one", "DTSTART:20261124T140000Z", "DTEND:20261124T150000Z")
    radicale.put(
        "series",
        "DTSTART;TZID=America/New_York:20260105T110000",
        "DTEND;TZID=America/New_York:20260105T120000",
        "RRULE:FREQ=WEEKLY;UNTIL=20261201T000000Z",
    )
    radicale.put("free", "DTSTART:20261125T140000Z", "DURATION:PT1H", "TRANSP:TRANSPARENT")
    radicale.put("past", "DTSTART:20200101T140000Z", "DURATION:PT1H")

    found = ask(radicale)

    assert found is not None
    assert found.spans == [hour(23, 16), hour(24, 14), hour(30, 16)]


def test_an_empty_calendar_is_one_too(radicale: Radicale) -> None:
    found = ask(radicale)

    assert found is not None
    assert found.spans == []


def test_what_has_not_changed_is_not_read_again(radicale: Radicale) -> None:
    radicale.put("one", "DTSTART:20261124T140000Z", "DTEND:20261124T150000Z")
    first = ask(radicale)
    assert first is not None
    assert first.etag

    assert ask(radicale, etag=first.etag) is None
    radicale.put("two", "DTSTART:20261125T140000Z", "DTEND:20261125T150000Z")
    assert ask(radicale, etag=first.etag) is not None


def test_reading_changes_nothing_on_the_server(radicale: Radicale) -> None:
    radicale.put("one", "DTSTART:20261124T140000Z", "DTEND:20261124T150000Z")
    before = ask(radicale)

    assert ask(radicale) == before


@pytest.mark.parametrize(
    ("path", "user", "fault"),
    [
        ("ada/private/", "ada:wrong", SignInNeeded),
        ("ada/private/", "", SignInNeeded),
        ("ada/nothing/", "ada:p%40ss%3Aword", NotThere),
        ("ada/", "ada:p%40ss%3Aword", NotACalendar),
    ],
)
def test_what_is_wrong_is_told_in_words(
    radicale: Radicale, path: str, user: str, fault: type[CalendarFault]
) -> None:
    address = f"http://{user}{'@' if user else ''}{radicale.host}/{path}"

    with pytest.raises(fault):
        read_apart(question(address, radicale.host))


def test_a_bomb_in_a_calendar_is_refused(radicale: Radicale) -> None:
    radicale.put("bomb", "DTSTART:20261124T140000Z", "RRULE:FREQ=SECONDLY;COUNT=2")

    with pytest.raises(TooMuchWork):
        ask(radicale)


ENTITIES = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "{}">{}]>
<multistatus xmlns="DAV:"><response><href>/</href><propstat><prop><resourcetype>&i;</resourcetype>
</prop></propstat></response></multistatus>""".format(
    "x" * 1000, "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise("abcdefghi"))
)
FILE = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>
<multistatus xmlns="DAV:"><response><href>/</href><propstat><prop><resourcetype>&e;</resourcetype>
</prop></propstat></response></multistatus>"""


@pytest.mark.parametrize(
    ("status", "body", "headers", "fault"),
    [
        (207, ENTITIES, {}, NotACalendar),
        (207, FILE, {}, NotACalendar),
        (207, "no XML", {}, NotACalendar),
        (207, "<multistatus xmlns='DAV:'/>", {}, NotACalendar),
        (207, "<a>" * 100_000, {}, NotACalendar),
        (302, "", {"location": "https://169.254.169.254/"}, InnerAddress),
        (200, "x", {"content_length": "9999"}, Unreachable),
    ],
)
def test_a_nasty_server_gets_nowhere(
    nasty: CalendarServer, status: int, body: str, headers: dict[str, str], fault: Any
) -> None:
    url = nasty.serve(body.encode(), status, "/cal/", **headers)

    with pytest.raises(fault):
        read_apart(question(url, nasty.host))


@pytest.mark.usefixtures("sqlite_app")
def test_the_worker_reads_it_like_any_other(radicale: Radicale, clock: Clock) -> None:
    radicale.put("one", "DTSTART:20261124T140000Z", "DTEND:20261124T150000Z")
    with transaction() as session:
        ada = session.scalars(select(Practitioner).where(Practitioner.slug == "ada")).one()
        new = busy.NewCalendar(CalendarKind.CALDAV, "Nextcloud", radicale.address)
        busy.add_calendar(session, ada, new, keys=HOUSE.keys, now=NOW)
    reader = CalendarReader(
        keys=HOUSE.keys, our_address="desk@clinic.example", hosts=[radicale.host], clock=clock
    )

    reader.turn()

    db.session.rollback()
    assert db.session.scalars(select(BusyCalendar.last_error)).one() == ""
    assert [each.span for each in db.session.scalars(select(BusyTime))] == [hour(24, 14)]


def test_our_own_feed_can_be_put_on_a_server_as_it_is(sqlite_app: Flask, running: str) -> None:
    """A whole calendar at once (Radicale's PUT of a collection): every event is taken as valid."""
    booked()
    booked("Wed 10:00", name='Älex "O\'Neil"; Rivers')
    text = sqlite_app.test_client().get(subscribe()).get_data()
    server = Radicale(running)

    server.ask("PUT", body=text, **{"Content-Type": "text/calendar"})

    answer = requests.get(f"http://{running}/ada/private/", auth=(USER, PASSWORD), timeout=5).text
    server.ask("DELETE")
    assert answer.count("BEGIN:VEVENT") == 2
