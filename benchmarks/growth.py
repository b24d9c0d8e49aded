"""A million appointments behind, beside none: what each thing costs, and what is read for it.

python -m benchmarks.growth [how many appointments are past]
"""

import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import cycle

from flask import Flask
from sqlalchemy import update

from benchmarks.booking import book, starts
from benchmarks.clinic import DATABASES, a_measured_app, cpu
from booking.models import Appointment, TimeVersion
from booking.models.database import db, transaction
from booking.services.appointments import cancel_appointment
from booking.services.outbox import claim
from tests.builders import HOUSE, NOW
from tests.integration.test_queries import HISTORY, scans, watched
from tests.visits import a_member_of_staff, sign_in

PAST = 1_000_000
COLLEAGUES = 18
PAGE = "/services/video?month=2026-12"
JSON = "/api/v1/slots?service=video&from=2026-12-01&to=2026-12-31"
STAFF = {
    "staff: upcoming": "/staff/",
    "staff: day": "/staff/day/?on=2026-11-24",
    "staff: find": "/staff/search?status=booked&from=2026-11-23",
}
"""Lists show what there is to show, so each is of the days that both clinics have alike."""


def works(app: Flask) -> dict[str, Callable[[], object]]:
    """What patients, staff and the worker do, each without an end."""
    visitor, staff = app.test_client(), app.test_client()
    a_member_of_staff()
    sign_in(staff)
    wanted = cycle(starts()[10:])  # the first ones are too near to be cancelled

    def anew(path: str) -> Callable[[], object]:
        def look() -> None:
            with db.engine.begin() as connection:
                connection.execute(update(TimeVersion).values(version=TimeVersion.version + 1))
            visitor.get(path)

        return look

    def book_and_cancel() -> None:
        made = book(next(wanted))
        with transaction() as session:
            cancel_appointment(session, session.get_one(Appointment, made), HOUSE, now=NOW)

    def claim_one() -> None:
        with transaction() as session:
            claim(session, now=NOW + timedelta(hours=1), holder="a" * 16)

    looks = {name: (lambda path=path: staff.get(path)) for name, path in STAFF.items()}
    return {
        "JSON": lambda: visitor.get(JSON),
        "JSON, all changed": anew(JSON),
        "page": lambda: visitor.get(PAGE),
        "page, all changed": anew(PAGE),
        "book and cancel": book_and_cancel,
        "claim": claim_one,
        **looks,
    }


def measured(past: int, database: str) -> tuple[dict[str, float], dict[str, set[str]]]:
    """Milliseconds of CPU of each, and the tables of the past that are read from end to end."""
    with a_measured_app(past, database=database, colleagues=COLLEAGUES) as app:
        all_works = works(app)
        read = {}
        for name, work in all_works.items():
            with watched() as statements:
                work()
            tables = {each for asked in statements.asked for each in scans(*asked)}
            read[name] = tables & set(HISTORY)
        return {name: cpu(work, times=20) for name, work in all_works.items()}, read


def main() -> None:
    """Both clinics of both databases, one after another."""
    past = int(sys.argv[1]) if len(sys.argv) > 1 else PAST
    print(f"{'database':<12}{'what':<20}{'0':>8}{past:>10}{'ratio':>7}  tables scanned")
    for database in DATABASES:
        young, _ = measured(0, database)
        old, read = measured(past, database)
        for name, before in young.items():
            scanned = ", ".join(sorted(read[name])) or "-"
            figures = f"{before:>8.2f}{old[name]:>10.2f}{old[name] / before:>7.2f}"
            print(f"{database:<12}{name:<20}{figures}  {scanned}", flush=True)


if __name__ == "__main__":
    main()
