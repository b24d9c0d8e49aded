"""The staff's views with years behind them, beside a clinic that began today and shows the same.

python -m benchmarks.staff
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

from flask.testing import FlaskClient
from sqlalchemy import event, insert, select
from sqlalchemy.orm import Session

from benchmarks.clinic import a_measured_app
from booking.models import Appointment, HealthcareService, Occupancy, Practitioner
from booking.models.database import db, transaction
from booking.services.audit import MOST_SHOWN
from tests.builders import MONDAY, NEW_YORK, the_service
from tests.integration.history import appointment_row, more_practitioners
from tests.visits import a_member_of_staff, sign_in

PAST, COMING, PRACTITIONERS = 50_000, 2_000, 20
HOURS = (9, 14)
DAY = MONDAY + timedelta(days=1)
VIEWS: dict[str, tuple[str, date, int]] = {
    "upcoming": ("/staff/", MONDAY, 14),
    "day": (f"/staff/day/?on={DAY}", DAY, 1),
    "week": ("/staff/day/week?practitioner=ada", MONDAY, 7),
    "month": ("/staff/day/month?month=2026-12", date(2026, 12, 1), 31),
    "day sheet": (f"/staff/day/sheet?on={DAY}", DAY, 1),
    "find": (f"/staff/search?status=booked&from={DAY}&to={DAY}", DAY, 1),
    "book": (f"/staff/book?day={DAY}&time=11:00&practitioner=ada", DAY, 1),
    "numbers": ("/staff/numbers/", MONDAY, 1),
    "audit": ("/staff/audit/", MONDAY, 1),
}
"""Address, and the days of which it shows the appointments."""
BEHIND = {"numbers": 12 * 7 * 48}
"""The past that a view shows: the numbers are of twelve weeks."""
REQUESTS, ROUNDS = 20, 5


def coming_days(first: date, days: int) -> Iterator[date]:
    """The weekdays of a run of days."""
    each = (first + timedelta(days=number) for number in range(days))
    return (day for day in each if day.weekday() < 5)


def coming_appointments(session: Session, first: date, days: int) -> None:
    """Everybody sees somebody in the morning and in the afternoon, until there are enough."""
    service = the_service(session, "video").id
    everybody = list(session.scalars(select(Practitioner.id).order_by(Practitioner.id)))
    starts = [
        (who, datetime(day.year, day.month, day.day, hour, tzinfo=NEW_YORK))
        for day in coming_days(first, days)
        for hour in HOURS
        for who in everybody
    ][:COMING]
    rows = [
        appointment_row(PAST + number, start)
        | {"practitioner_id": who, "service_id": service, "status": "booked"}
        for number, (who, start) in enumerate(starts)
    ]
    session.execute(insert(Appointment), rows)
    known = {each.uid: each.id for each in session.scalars(select(Appointment))}
    session.execute(
        insert(Occupancy),
        [
            {
                "resource_id": row["practitioner_id"],
                "appointment_id": known[str(row["uid"])],
                "blocked_from": row["start_at"],
                "blocked_until": row["end_at"],
            }
            for row in rows
        ],
    )


@contextmanager
def a_desk(past: int, first: date, days: int) -> Iterator[FlaskClient]:
    """Somebody signed in at a clinic of twenty, with so much behind it and these days ahead."""
    with a_measured_app(past) as app:
        with transaction() as session:
            colleagues = PRACTITIONERS - len(session.scalars(select(Practitioner)).all())
            for service in session.scalars(select(HealthcareService).limit(1)):
                more_practitioners(session, service, colleagues)
            coming_appointments(session, first, days)
        a_member_of_staff()
        client = app.test_client()
        sign_in(client)
        for _ in range(MOST_SHOWN):  # a trail that fills its page
            client.get(VIEWS["day sheet"][0])
        yield client


def statements(client: FlaskClient, path: str) -> int:
    """How many statements the view takes."""
    asked = []

    def note(*args: object) -> None:
        asked.append(args[2])

    event.listen(db.engine, "before_cursor_execute", note)
    assert client.get(path).status_code == 200, path
    event.remove(db.engine, "before_cursor_execute", note)
    return len(asked)


def cost(client: FlaskClient, path: str) -> float:
    """Milliseconds of CPU for a view, in the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(REQUESTS):
            client.get(path)
        best = min(best, (time.process_time() - began) / REQUESTS * 1000)
    return best


def main() -> None:
    """Measure everything in one run, so that the ratios hold on any machine."""
    young = {}
    for name, (path, first, days) in VIEWS.items():
        with a_desk(BEHIND.get(name, 0), first, days) as client:
            young[name] = statements(client, path), cost(client, path)
    print(f"{'view':<11}{'statements':>11}{'new':>6}{'ms':>8}{'new':>8}{'ratio':>7}")
    with a_desk(PAST, MONDAY, 100) as client:
        for name, (path, _, _) in VIEWS.items():
            asked, spent = statements(client, path), cost(client, path)
            before, least = young[name]
            print(
                f"{name:<11}{asked:>11}{before:>6}{spent:>8.1f}{least:>8.1f}{spent / least:>7.2f}"
            )


if __name__ == "__main__":
    main()
