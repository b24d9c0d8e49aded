"""The way from the first release to the newest schema, killed again and again.

python -m chaos.upgrades [appointments] [sqlite|postgresql]

A database of the first release with many appointments is upgraded by the real command, which is
killed (SIGKILL) a little later each time. Whatever it leaves must be one of the schemas, whole, and
the next try must go on from there; in the end every row is there.
"""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass

import psycopg
from sqlalchemy import create_engine, func, inspect, select

from benchmarks.clinic import an_empty_database
from booking.app import create_app, utc_now
from booking.models import Appointment, AppointmentEvent, Occupancy, OwedMessage, schema
from booking.models.database import db
from booking.services import invariants
from tests.builders import HOUSE
from tests.conftest import settings_for
from tests.integration.servers import ROOT, environment

APPOINTMENTS = 10_000
RELEASES = ROOT / "tests" / "releases"
STEP = 0.03
"""How much later each kill comes than the one before, in seconds."""
TABLES = (Appointment, AppointmentEvent, Occupancy, OwedMessage)
MANY = """
INSERT INTO appointment ({columns})
SELECT {values} FROM appointment AS a, {numbers} WHERE a.id = 1
"""


@dataclass(frozen=True)
class Found:
    """What came of it."""

    kills: int
    left_at: Counter[str]
    """Which schema a killed upgrade left, and how often."""
    before: dict[str, int]
    after: dict[str, int]
    faults: list[str]


def furnish(url: str, appointments: int) -> None:
    """The first release's database, with so many appointments of the past besides."""
    kind = "sqlite" if url.startswith("sqlite") else "postgresql"
    written = (RELEASES / f"first-{kind}.sql").read_text()
    many = multiplied(kind, appointments)
    if kind == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            file.executescript(written)
            file.execute(many)
            file.commit()
    else:
        with psycopg.connect(url.replace("+psycopg", "")) as server:
            server.execute(written.encode())
            server.execute(many.encode())
            server.execute("SELECT setval('public.appointment_id_seq', 1000000)")


def multiplied(kind: str, count: int) -> str:
    """The statement that makes many of one appointment: cancelled, so that they take no time."""
    own = {
        "id": "1000 + n",
        "reference": "'Q' || n",
        "uid": "'many-' || n",
        "status": "'cancelled'",
        "link_nonce": "CAST(CAST(n AS TEXT) AS {bytes})",
        "link_digest": "CAST(CAST(n AS TEXT) AS {bytes})",
    }
    if kind == "sqlite":
        numbers = (
            "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c"
            f" WHERE n < {count}) SELECT n FROM c) AS many"
        )
    else:
        numbers = f"generate_series(1, {count}) AS many(n)"
    columns = columns_of_the_first()
    values = [own.get(each, f"a.{each}") for each in columns]
    text = MANY.format(columns=", ".join(columns), values=", ".join(values), numbers=numbers)
    return text.replace("{bytes}", "BLOB" if kind == "sqlite" else "BYTEA")


def columns_of_the_first() -> list[str]:
    """The columns of `appointment` as the first release had them."""
    with closing(sqlite3.connect(":memory:")) as file:
        file.executescript((RELEASES / "first-sqlite.sql").read_text())
        found = file.execute("PRAGMA table_info(appointment)").fetchall()
    return [row[1] for row in found]


def upgraded(url: str) -> Found:
    """Upgrade with kills until it comes through."""
    before, left_at, kills = counted(url), Counter[str](), 0
    while not finishes(url, after=0.3 + kills * STEP + random.random() * STEP):
        kills += 1
        left_at[revision(url)] += 1
    after = counted(url)
    app = create_app(settings_for(url))
    with app.app_context():
        faults = [
            fault
            for each in invariants.check(db.session(), HOUSE.keys, now=utc_now())
            for fault in each.faults
        ]
        db.session.remove()
        db.engine.dispose()
    if revision(url) != schema.newest():
        faults.append("the schema is not the newest")
    return Found(kills, left_at, before, after, faults)


def finishes(url: str, *, after: float) -> bool:
    """Whether the command came through before it was killed."""
    command = (sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, env=environment(url), **quiet) as process:  # type: ignore[call-overload]
        deadline = time.monotonic() + after
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        status: int = process.wait()
    if status not in (0, -signal.SIGKILL):
        raise AssertionError(f"The upgrade ended with {status}.")
    return status == 0


def revision(url: str) -> str:
    """Which schema it has."""
    engine = create_engine(url)
    with engine.connect() as connection:
        (found,) = schema.revisions_of(connection)
    engine.dispose()
    return found


def counted(url: str) -> dict[str, int]:
    """How many rows there are."""
    engine = create_engine(url)
    with engine.connect() as connection:
        names = set(inspect(engine).get_table_names())
        found = {
            each.__tablename__: connection.scalar(select(func.count()).select_from(each.__table__))
            or 0
            for each in TABLES
            if each.__tablename__ in names
        }
    engine.dispose()
    return found


def main() -> None:
    """Full size by default."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else APPOINTMENTS
    kind = sys.argv[2] if len(sys.argv) > 2 else "sqlite"
    with an_empty_database(kind) as url:
        furnish(url, count)
        found = upgraded(url)
    print(f"{found.kills} kills on {kind} with {found.before['appointment']} appointments")
    print("left at:", ", ".join(f"{name} {times}×" for name, times in found.left_at.items()))
    print("rows before:", found.before)
    print("rows after: ", found.after)
    print("\n".join(found.faults) or "nothing is wrong")
    sys.exit(bool(found.faults) or found.before != found.after)


if __name__ == "__main__":
    main()
