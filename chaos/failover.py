"""The primary is killed while people book, and the synchronous standby takes over.

python -m chaos.failover [machine|server] [pooled|direct] [people] [seconds]

`machine` kills PostgreSQL and its Patroni at once; `server` kills PostgreSQL alone.
`pooled` goes through PgBouncer and HAProxy; `direct` names both machines in the address.
No booking, change or message that was acknowledged may be lost, and nobody may be told of a fault.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import psycopg
from sqlalchemy import create_engine

from chaos import patients, patroni
from chaos.cluster import DAYS, DELIVERED_WITHIN, POOL, WEBS, WORKERS, furnish
from chaos.installation import check, installation, until
from chaos.patroni import Pair
from tests import pgbouncer
from tests.conftest import migrate
from tests.smtp_sink import SmtpSink

PEOPLE, SECONDS = 8, 80
BEFORE = 15.0
"""Seconds that people book before the kill."""
NAME = "booking_failover"
BACK_WITHIN = 90.0


@dataclass(frozen=True)
class Report:
    """What came of it."""

    answers: Counter[str]
    acknowledged: int
    after_the_kill: int
    pause: float
    """The most seconds between two bookings that were acknowledged."""
    broken: list[str]
    overlaps: int
    owed: int
    arrived: int
    arrived_twice: int
    lost: int
    check: str
    took_over: bool

    @property
    def faults(self) -> int:
        """Answers that told of a fault, or to come again without saying when."""
        return sum(
            many
            for name, many in self.answers.items()
            if name.endswith((" 500", " 502", " 504", "without Retry-After"))
        )

    @property
    def holds(self) -> bool:
        """Whether nothing was lost and nobody was told of a fault."""
        wrong = (self.broken, self.overlaps, self.owed, self.lost, self.check, self.faults)
        return not any(wrong) and self.took_over and self.after_the_kill > 0


def run(folder: Path, *, whole: bool, pooled: bool, people: int, seconds: float) -> Report:
    """Book, kill, go on booking, and look what is there."""
    with patroni.a_pair(folder) as pair, SmtpSink() as sink:
        _prepare(pair)
        with _address(pair, pooled=pooled) as url:
            killed: list[float] = []
            with installation(
                url, folder, smtp_port=sink.port, webs=WEBS, workers=WORKERS
            ) as client:
                starts = patients.free_times(client, DAYS)
                killer = Thread(target=_kill, args=(pair, whole, killed))
                killer.start()
                ledger = patients.live_together(client, people, seconds, starts)
                killer.join()
                engine = create_engine(pair.by_names(NAME))
                until(lambda: patients.owed(engine) == 0, within=DELIVERED_WITHIN)
            arrived, again, lost = patients.mails(engine, sink)
            report = Report(
                answers=ledger.answers,
                acknowledged=len(ledger.promises),
                after_the_kill=sum(each > killed[0] for each in ledger.booked_at),
                pause=ledger.longest_pause(),
                broken=patients.broken(engine, ledger),
                overlaps=patients.overlaps(engine),
                owed=patients.owed(engine),
                arrived=arrived,
                arrived_twice=again,
                lost=lost,
                check=check(url),
                took_over=pair.timeline() > 1,
            )
            engine.dispose()
            return report


def _prepare(pair: Pair) -> None:
    """The small clinic on the primary."""
    with psycopg.connect(
        f"host=127.0.0.1 port={pair.primary().port} user=postgres dbname=postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {NAME}".encode())
    migrate(pair.by_names(NAME))
    furnish(pair.by_names(NAME))


@contextmanager
def _address(pair: Pair, *, pooled: bool) -> Iterator[str]:
    if not pooled:
        yield pair.by_names(NAME)
        return
    with pgbouncer.before(pair.by_proxy(NAME), size=POOL) as url:
        yield url


def _kill(pair: Pair, whole: bool, killed: list[float]) -> None:
    time.sleep(BEFORE)
    killed.append(time.monotonic())
    if whole:
        pair.kill_primary()
    else:
        pair.kill_primary_server()


def tell(report: Report) -> None:
    """Print it."""
    for name, count in sorted(report.answers.items()):
        print(f"{name:<24}{count:>7}")
    print(
        f"{report.acknowledged} bookings acknowledged, {report.after_the_kill} after the kill; "
        f"longest pause {report.pause:.1f} s"
    )
    print(
        f"{report.arrived} messages arrived, {report.arrived_twice} twice, {report.lost} lost, "
        f"{report.owed} still owed"
    )
    print(f"overlaps {report.overlaps}, acknowledged and lost {len(report.broken)}")
    print(*report.broken[:10], sep="\n")
    print(f"the standby took over: {report.took_over}")
    print(f"found by `flask check`: {report.check or 'nothing'}")


def main() -> None:
    """Print what was done and what was lost."""
    if missing := patroni.missing():
        sys.exit(f"Not installed: {', '.join(missing)}.")
    given = dict(enumerate(sys.argv[1:]))
    with TemporaryDirectory(prefix="booking-failover-") as folder:
        report = run(
            Path(folder),
            whole=given.get(0, "machine") == "machine",
            pooled=given.get(1, "pooled") == "pooled",
            people=int(given.get(2, PEOPLE)),
            seconds=float(given.get(3, SECONDS)),
        )
    tell(report)
    sys.exit(not report.holds)


if __name__ == "__main__":
    main()
