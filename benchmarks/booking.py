"""Bookings beside bare commits to the same kind of SQLite file, and beside a bare page.

python -m benchmarks.booking
"""

import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from http.cookies import SimpleCookie
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from benchmarks.clinic import DATABASES, FAR_AHEAD, a_measured_app, a_served_clinic
from benchmarks.served import URL, Line, cpu, gunicorn
from booking.domain.timeline import Span
from booking.models import Clinic
from booking.models.database import SQLITE_PRAGMAS, db, transaction
from booking.services.appointments import book_appointment
from booking.services.availability import free_slots
from booking.services.requests import BookingRequest
from tests.builders import HOUSE, NOW, a_patient, the_service

BOOKINGS = 400
AT_A_TIME = 20
HISTORY = (0, 20_000)
SENT, TURNS = 50, 9
FORM, API = "/services/video/book", "/api/v1/appointments"
STAMP = "%Y-%m-%dT%H:%M:%SZ"


def starts(number: int = BOOKINGS) -> list[datetime]:
    """So many free times that do not touch each other."""
    service, clinic = the_service(db.session(), "video"), db.session.get_one(Clinic, 1)
    span = Span(NOW, NOW + timedelta(days=600))
    ada = [each.id for each in service.practitioners if each.slug == "ada"]
    found = free_slots(db.session(), clinic, service, span, now=NOW, practitioners=ada)
    return [each.start for each in found[:number]]


def book(start: datetime) -> int:
    """One booking, with all that it owes; gives its id."""
    request = BookingRequest(
        start=start, practitioner="ada", patient=a_patient(email=f"{start:%m%d%H%M}@mail.example")
    )
    with transaction() as session:
        return book_appointment(session, "video", request, HOUSE, now=NOW).id


def duration(work: Callable[[datetime], object], items: Sequence[datetime]) -> float:
    """Seconds that it takes to do all the items."""
    began = time.perf_counter()
    for item in items:
        work(item)
    return time.perf_counter() - began


@contextmanager
def bare_commits() -> Iterator[Callable[[datetime], None]]:
    """One row and one commit each, under the same pragmas."""
    with TemporaryDirectory() as folder:
        line = sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)
        for pragma in SQLITE_PRAGMAS:
            line.execute(f"PRAGMA {pragma}")
        line.execute("CREATE TABLE line (id INTEGER PRIMARY KEY, start TEXT)")

        def commit(start: datetime) -> None:
            line.execute("BEGIN IMMEDIATE")
            line.execute("INSERT INTO line (start) VALUES (?)", (start.isoformat(),))
            line.execute("COMMIT")

        try:
            yield commit
        finally:
            line.close()


class Patients:
    """People who book by a gunicorn, each from a network and with an address of their own.

    All in one browser, so that only the sending is measured, and not the form's page.
    """

    def __init__(self, line: Line, wanted: Sequence[datetime]) -> None:
        self._line, self._starts, self._number = line, iter(wanted), count()
        page = line.get(f"{FORM}?start={next(self._starts):{STAMP}}&practitioner=ada")
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
        assert found, page.text
        self._token = found[1]
        cookies = SimpleCookie(page.headers["Set-Cookie"])
        self._cookie = "; ".join(f"{name}={each.value}" for name, each in cookies.items())

    def by_form(self) -> None:
        """As a browser does."""
        number, body = self._next()
        body |= {"csrf_token": self._token, "key": f"{number:032}", "email_consent": "y"}
        kind = "application/x-www-form-urlencoded"
        self._send(FORM, number, urlencode(body), 303, kind)

    def by_api(self) -> None:
        """As a program does."""
        number, body = self._next()
        wish = {name: body.pop(name) for name in ("start", "practitioner")}
        wish |= {"service": "video", "patient": body, "email_consent": True}
        self._send(API, number, json.dumps(wish), 201, "application/json")

    def _next(self) -> tuple[int, dict[str, Any]]:
        number = next(self._number)
        return number, {
            "start": f"{next(self._starts):{STAMP}}",
            "practitioner": "ada",
            "name": "Sam Rivers",
            "email": f"{number}@mail.example",
            "phone": "+12125550123",
            "timezone": "America/New_York",
        }

    def _send(self, path: str, number: int, body: str, expected: int, kind: str) -> None:
        network = f"10.{number // 250}.{number % 250}.1"
        headers = {"Content-Type": kind, "X-Forwarded-For": network, "Cookie": self._cookie}
        self._line.post(path, body, expected, **headers)


def beside_commits() -> None:
    """The use case alone, and what the disk would take."""
    print(f"{'past':>7}{'bookings/s':>12}{'commits/s':>11}{'ratio':>7}{'CPU, ms':>9}")
    for past in HISTORY:
        with a_measured_app(past, FAR_AHEAD), bare_commits() as commit:
            wanted, ours, bare, cpu = starts(), 0.0, 0.0, 0.0
            for first in range(0, BOOKINGS, AT_A_TIME):  # by turns: a busy disk slows both
                items = wanted[first : first + AT_A_TIME]
                worked = time.process_time()
                ours += duration(book, items)
                cpu += time.process_time() - worked
                bare += duration(commit, items)
            rates = f"{BOOKINGS / ours:>12.0f}{BOOKINGS / bare:>11.0f}{ours / bare:>7.1f}"
            print(f"{past:>7}{rates}{cpu / BOOKINGS * 1000:>9.1f}")


def costs(database: str) -> dict[str, float]:
    """Milliseconds of a gunicorn's CPU: of a page out of nothing, and of bookings.

    By turns: a processor that is slower for a while is slower for all.
    """
    found: dict[str, list[float]] = {"bare page": [], "API": [], "form": []}
    with a_served_clinic(database, text=FAR_AHEAD) as url, ExitStack() as running:
        os.environ[URL] = url
        wanted = starts(1 + 2 * SENT * TURNS)
        db.session.remove()
        port, bare = running.enter_context(gunicorn("bare"))
        line = Line(port)
        port, ours = running.enter_context(gunicorn("ours"))
        patients = Patients(Line(port), wanted)
        for _ in range(TURNS):
            found["bare page"].append(cpu(bare, lambda: line.get("/page"), SENT, 1))
            found["API"].append(cpu(ours, patients.by_api, SENT, 1))
            found["form"].append(cpu(ours, patients.by_form, SENT, 1))
    return {what: median(each) for what, each in found.items()}


def beside_a_page() -> None:
    """All of a request, the counting for the limits included."""
    print(f"\n{'database':<12}{'what':<12}{'CPU, ms':>8}{'bare pages':>12}")
    for database in DATABASES:
        found = costs(database)
        for what, spent in found.items():
            print(f"{database:<12}{what:<12}{spent:>8.2f}{spent / found['bare page']:>12.1f}")


def main() -> None:
    """Each comparison in one run, so that the ratio holds on any disk and any processor."""
    beside_commits()
    beside_a_page()


if __name__ == "__main__":
    main()
