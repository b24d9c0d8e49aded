"""Bookings beside bare commits to the same kind of SQLite file.

python -m benchmarks.booking
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clinic import FAR_AHEAD, a_measured_app
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


def starts() -> list[datetime]:
    """So many free times that do not touch each other."""
    service, clinic = the_service(db.session(), "video"), db.session.get_one(Clinic, 1)
    span = Span(NOW, NOW + timedelta(days=300))
    ada = [each.id for each in service.practitioners if each.slug == "ada"]
    found = free_slots(db.session(), clinic, service, span, now=NOW, practitioners=ada)
    return [each.start for each in found[:BOOKINGS]]


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


def main() -> None:
    """Measure both in one run, so that the ratio holds on any disk."""
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


if __name__ == "__main__":
    main()
