"""Three web servers, two workers, PgBouncer, a balancer, one PostgreSQL, and a crowd.

python -m chaos.cluster [people] [seconds]

They share nothing but the database. Nothing may overlap, each promise must be kept, and each
message must leave once.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import create_engine

from booking.app import create_app
from booking.models.database import db, transaction
from chaos import patients
from chaos.installation import check, installation, until
from tests import pgbouncer, postgres
from tests.builders import CLINIC, a_clinic
from tests.conftest import migrate, settings_for
from tests.smtp_sink import SmtpSink

WEBS, WORKERS, POOL = 3, 2, 8
PEOPLE, SECONDS = 12, 60
DAYS = 78
"""How far ahead people look."""
DELIVERED_WITHIN = 120.0


@dataclass(frozen=True)
class Report:
    """What came of it."""

    answers: Counter[str]
    bookings: int
    seconds: float
    broken: list[str]
    overlaps: int
    owed: int
    arrived: int
    arrived_twice: int
    lost: int
    check: str

    @property
    def holds(self) -> bool:
        """Whether everything is as it must be."""
        faults = (self.broken, self.overlaps, self.owed, self.arrived_twice, self.lost, self.check)
        return not any(faults) and not any(name.endswith(" 500") for name in self.answers)


def run(
    database_url: str, folder: Path, *, people: int, seconds: float, pool: int = POOL
) -> Report:
    """Let a crowd in, on a migrated database that is empty."""
    furnish(database_url)
    engine = create_engine(database_url)
    with SmtpSink() as sink, pgbouncer.before(database_url, size=pool) as pooled:
        with installation(
            pooled, folder, smtp_port=sink.port, webs=WEBS, workers=WORKERS
        ) as client:
            starts = patients.free_times(client, DAYS)
            ledger = patients.live_together(client, people, seconds, starts)
            until(lambda: patients.owed(engine) == 0, within=DELIVERED_WITHIN)
        arrived, again, lost = patients.mails(engine, sink)
        report = Report(
            answers=ledger.answers,
            bookings=ledger.count("book 201"),
            seconds=seconds,
            broken=patients.broken(engine, ledger),
            overlaps=patients.overlaps(engine),
            owed=patients.owed(engine),
            arrived=arrived,
            arrived_twice=again,
            lost=lost,
            check=check(pooled),
        )
    engine.dispose()
    return report


def furnish(database_url: str) -> None:
    """The small clinic, open as far ahead as people look."""
    app = create_app(settings_for(database_url))
    with app.app_context():
        with transaction() as session:
            a_clinic(
                session, CLINIC.replace("booking_horizon_days = 30", "booking_horizon_days = 99")
            )
        db.session.remove()
        db.engine.dispose()


@contextmanager
def a_database() -> Iterator[str]:
    """A migrated one on a server of its own."""
    with postgres.server() as server:
        url = postgres.make_database(server, "booking_cluster")
        migrate(url)
        yield url
        postgres.drop_database(server, "booking_cluster")


def tell(report: Report) -> None:
    """Print it."""
    for name, count in sorted(report.answers.items()):
        print(f"{name:<16}{count:>7}")
    print(f"{report.bookings / report.seconds:.1f} bookings a second")
    print(
        f"{report.arrived} messages arrived, {report.arrived_twice} twice, {report.lost} lost, "
        f"{report.owed} still owed"
    )
    print(f"overlaps {report.overlaps}, promises broken {len(report.broken)}")
    print(*report.broken[:10], sep="\n")
    print(f"found by `flask check`: {report.check or 'nothing'}")


def main() -> None:
    """Print what was done and what was broken."""
    people, seconds = (int(each) for each in (sys.argv[1:] or (PEOPLE, SECONDS)))
    with TemporaryDirectory() as folder, a_database() as url:
        report = run(url, Path(folder), people=people, seconds=seconds)
    tell(report)
    sys.exit(not report.holds)


if __name__ == "__main__":
    main()
