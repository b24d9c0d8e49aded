"""The work does not grow: as many statements whatever is asked for, and none reads the past."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, text

from booking.models.database import db, transaction
from booking.services.appointments import reschedule_appointment
from booking.services.outbox import claim
from tests.builders import HOUSE, NOW, an_appointment, at, the_service
from tests.integration.history import more_practitioners, past_appointments
from tests.visits import a_member_of_staff, sign_in

YEARS = 2000
"""Appointments of the past: many more than the future holds."""
NOT_OURS = re.compile(r"\s*(BEGIN|PRAGMA|SET|SAVEPOINT|RELEASE)", re.IGNORECASE)
HISTORY = ("occupancy", "appointment", "outbox", "appointment_event", "sent_message")

Visit = Callable[[Flask, str], None]
"""Something that is done for or about an hour of Tuesday."""


@dataclass
class Statements:
    """What the database was asked."""

    asked: list[tuple[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.asked)


@contextmanager
def watched() -> Iterator[Statements]:
    seen = Statements()

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if not NOT_OURS.match(statement):
            seen.asked.append((statement, parameters))

    db.session.remove()
    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def month_page(app: Flask, _hour: str = "") -> None:
    assert app.test_client().get("/services/video?month=2026-12").status_code == 200


def two_days_by_api(app: Flask, _hour: str) -> None:
    query = "/api/v1/slots?service=video&from=2026-11-24&to=2026-11-25"
    assert app.test_client().get(query).status_code == 200


def sixty_days_by_api(app: Flask, _hour: str) -> None:
    query = "/api/v1/slots?service=video&from=2026-11-24&to=2027-01-22"
    assert app.test_client().get(query).status_code == 200


def a_booking(_app: Flask, hour: str) -> None:
    with transaction() as session:
        an_appointment(session, f"Wed {hour}", service="video", practitioner=None)


def a_move(_app: Flask, hour: str) -> None:
    with transaction() as session:
        made = an_appointment(session, f"Wed {hour}", service="video", practitioner=None)
        reschedule_appointment(session, made, at(f"Fri {hour}"), HOUSE, now=NOW)


def a_claim(_app: Flask, _hour: str) -> None:
    with transaction() as session:
        claim(session, now=NOW, holder="a" * 16)


PUBLIC: dict[str, tuple[Visit, int]] = {
    "the month page": (month_page, 6),
    "two days of slots": (two_days_by_api, 6),
    "sixty days of slots": (sixty_days_by_api, 6),
}
# Each change of what an appointment takes raises the version of the feeds of whom it is with;
# reminders are owed along with the rest. A
# look at days with a public holiday among them asks once which of those the clinic works on. Each
# change asks once which programs are to be told of it.
EVERYTHING = PUBLIC | {
    "a booking": (a_booking, 20),  # two of them for the audit trail, one for holds that ran out
    "a booking and a move": (a_move, 44),
    "a claim of the worker": (a_claim, 1),
}


STAFF_PAGES = {
    "/staff/": 21,
    "/staff/day/?on=2026-11-24": 18,
    "/staff/day/week?on=2026-11-24&practitioner=ada": 18,
    "/staff/day/month?month=2026-11": 16,
    "/staff/day/sheet?on=2026-11-24": 18,
    "/staff/search?status=booked": 14,
    "/staff/book": 12,
    "/staff/numbers/": 10,
    "/staff/audit/": 8,
}
"""The most statements of each page; what a sign-in and the audit trail need is among them."""


@pytest.mark.parametrize(("visit", "most"), PUBLIC.values(), ids=PUBLIC)
def test_a_look_at_the_times_takes_few_statements(app: Flask, visit: Visit, most: int) -> None:
    with watched() as statements:
        visit(app, "10:00")

    assert len(statements) <= most, statements.asked


@pytest.mark.parametrize(("visit", "most"), EVERYTHING.values(), ids=EVERYTHING)
def test_it_takes_as_many_statements_with_years_behind_it(
    app: Flask, visit: Visit, most: int
) -> None:
    with watched() as young:
        visit(app, "10:00")
    grow_old()

    with watched() as old:
        visit(app, "11:00")

    assert len(old) <= len(young) <= most


@pytest.mark.parametrize("visit", [month_page, a_booking])
def test_it_takes_as_many_statements_with_ten_times_the_practitioners(
    app: Flask, visit: Visit
) -> None:
    with watched() as few:
        visit(app, "10:00")
    with transaction() as session:
        more_practitioners(session, the_service(session, "video"), 18)

    with watched() as many:
        visit(app, "11:00")

    assert len(many) <= len(few)


@pytest.mark.parametrize("path", STAFF_PAGES)
def test_a_staff_page_takes_as_many_statements_however_full_the_days(app: Flask, path: str) -> None:
    a_member_of_staff()
    client = app.test_client()
    sign_in(client)
    with transaction() as session:
        an_appointment(session, "Tue 09:00")
    with watched() as empty:
        assert client.get(path).status_code == 200
    with transaction() as session:
        for hour in (10, 11, 13, 14):
            an_appointment(session, f"Tue {hour}:00")
            an_appointment(session, f"Wed {hour}:00", service="video", practitioner="ben")
        past_appointments(session, YEARS, before=NOW - timedelta(days=200))

    with watched() as full:
        assert client.get(path).status_code == 200

    assert len(full) == len(empty) <= STAFF_PAGES[path]


@pytest.mark.parametrize(("visit", "_most"), EVERYTHING.values(), ids=EVERYTHING)
def test_no_statement_reads_the_past(app: Flask, visit: Visit, _most: int) -> None:
    grow_old()
    refresh_statistics()
    with watched() as statements:
        visit(app, "10:00")

    scanned = {name for asked in statements.asked for name in scans(*asked)}

    assert scanned & set(HISTORY) == set()


@pytest.mark.parametrize("path", [each for each in STAFF_PAGES if "numbers" not in each])
def test_no_staff_page_reads_the_past(app: Flask, path: str) -> None:
    """The numbers are of the last twelve weeks: they read those."""
    with transaction() as session:
        past_appointments(session, YEARS, before=NOW - timedelta(days=200))
    a_member_of_staff()
    client = app.test_client()
    sign_in(client)
    refresh_statistics()

    with watched() as statements:
        assert client.get(path).status_code == 200

    scanned = {name for asked in statements.asked for name in scans(*asked)}
    assert scanned & set(HISTORY) == set()


def grow_old() -> None:
    with transaction() as session:
        past_appointments(session, YEARS, before=NOW - timedelta(days=1))


def refresh_statistics() -> None:
    if db.engine.dialect.name == "postgresql":
        with db.engine.begin() as connection:
            connection.execute(text("ANALYZE"))


WHOLE_LIFE = r"|SEARCH (\w+?)(?:_\d+)? USING .*\((?:resource|practitioner|room|service)_id=\?\)$"
"""All that ever was of somebody: as good as a table read from end to end."""


def scans(statement: str, parameters: Any) -> set[str]:
    """The tables that the database would read from end to end, or for all of somebody's life."""
    sqlite = db.engine.dialect.name == "sqlite"
    newest = "max(" in statement  # the end of an index tells that
    explain, scan = (
        ("EXPLAIN QUERY PLAN", r"SCAN (\w+?)(?:_\d+)?\b" + ("" if newest else WHOLE_LIFE))
        if sqlite
        else ("EXPLAIN", r"Seq Scan on (\w+)")
    )
    one = parameters[0] if isinstance(parameters, list) else parameters  # of several rows
    with db.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"{explain} {statement}", one)
        return {
            name for row in plan for found in re.finditer(scan, row[-1]) for name in found.groups()
        } - {None}
