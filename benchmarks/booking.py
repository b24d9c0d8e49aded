"""Bookings beside bare commits to the same kind of SQLite file.

python -m benchmarks.booking
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
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
HISTORY = (0, 20_000)


def starts() -> list[datetime]:
    """So many free times that do not touch each other."""
    service, clinic = the_service(db.session(), "video"), db.session.get_one(Clinic, 1)
    span = Span(NOW, NOW + timedelta(days=300))
    ada = [each.id for each in service.practitioners if each.slug == "ada"]
    found = free_slots(db.session(), clinic, service, span, now=NOW, practitioners=ada)
    return [each.start for each in found[:BOOKINGS]]


def book(start: datetime) -> None:
    """One booking, with all that it owes."""
    request = BookingRequest(
        start=start, practitioner="ada", patient=a_patient(email=f"{start:%m%d%H%M}@mail.example")
    )
    with transaction() as session:
        book_appointment(session, "video", request, HOUSE, now=NOW)


def per_second(work: Callable[[datetime], None], items: Sequence[datetime]) -> float:
    """How many of the items are done in a second."""
    began = time.perf_counter()
    for item in items:
        work(item)
    return len(items) / (time.perf_counter() - began)


def bare_commits(items: Sequence[datetime]) -> float:
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
            return per_second(commit, items)
        finally:
            line.close()


def main() -> None:
    """Measure both in one run, so that the ratio holds on any disk."""
    print(f"{'past':>7}{'bookings/s':>12}{'commits/s':>11}{'ratio':>7}")
    for past in HISTORY:
        with a_measured_app(past, FAR_AHEAD):
            wanted = starts()
            ours, bare = per_second(book, wanted), bare_commits(wanted)
            print(f"{past:>7}{ours:>12.0f}{bare:>11.0f}{bare / ours:>7.1f}")


if __name__ == "__main__":
    main()
