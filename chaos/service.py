"""The whole service in trouble again and again while people book, move and cancel through its API.

python -m chaos.service [bookings] [troubles] [sqlite|postgresql] \
    [killed|restarted|locked|database-killed]

`killed`: delivery workers, web workers and the whole web server, with SIGKILL. `restarted`: the
service is told to stop and begun again as a service manager does, or told to begin anew.
`locked`: somebody else holds what every booking must lock for 2, 8 and 30 seconds.
`database-killed`: all processes of PostgreSQL at once, which is begun again a second later.

A third of the bookings is contested; of those that came off, a fifth is moved and a fifth is
cancelled. Whoever gets no answer asks again under the same key. Afterwards every promise must be
in the database and nothing else, and the last message of each appointment must say what holds.
"""

import sys
import time
from argparse import ArgumentParser
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Engine, create_engine, func, select

from benchmarks.clinic import DATABASES, an_empty_database
from booking.models import OwedMessage
from chaos.promises import WELL, broken, compared, told
from chaos.stories import BOOKINGS_EACH, Story, furnish, live, wishes
from chaos.troubles import KILLS, RESTARTS, Trouble, a_durable_server, death_of, locks_on
from tests.conftest import migrate
from tests.integration.servers import Service, a_service
from tests.postgres import make_database
from tests.smtp_sink import SmtpSink

BOOKINGS, TROUBLES, PEOPLE = 5_000, 200, 16
PACES = {"killed": 0.35, "restarted": 5.0, "locked": 5.0, "database-killed": 20.0}
"""What may befall it, and how many seconds there are between two times."""
STUCK = 180.0
"""Seconds in which at least one message must leave: leases of the dead run out sooner."""


@dataclass(frozen=True)
class Found:
    """What came of it all, in figures."""

    stories: list[Story]
    troubles: Counter[str]
    seconds: float
    back: float
    """Seconds from the end of a trouble until the first wish came through, at the most."""
    faults: dict[str, int]
    """What must not be, and how often it was."""
    repeated: int
    """Messages that arrived twice."""

    @property
    def statuses(self) -> Counter[int]:
        """How often what was answered."""
        return Counter(status for each in self.stories for _, status in each.answers)

    @property
    def excusable(self) -> int:
        """So many messages may come twice: a worker was cut off before it could note them."""
        cuts = ("delivery worker killed", "database killed", "standby took over")
        return sum(self.troubles[each] for each in cuts)


def storm(
    url: str,
    bookings: int,
    most: int,
    log: Path,
    *,
    troubles: Sequence[Trouble] = KILLS,
    pace: float = PACES["killed"],
) -> Found:
    """Let people at it, trouble it meanwhile, and look at what is left.

    Args:
        url: A migrated database, and nothing in it.
        bookings: How many people wish for something.
        most: How many troubles befall it; the kinds take turns.
        pace: Seconds between the end of one and the beginning of the next.
    """
    colleagues = bookings // BOOKINGS_EACH + 1
    furnish(url, colleagues)
    engine = create_engine(url, pool_pre_ping=True)
    with SmtpSink() as sink:
        settings: dict[str, Any] = {
            "BOOKING_SMTP_URL": f"smtp://127.0.0.1:{sink.port}",
            "BOOKING_WEB_WORKERS": 2,
        }
        with a_service(url, log, **settings) as service, ThreadPoolExecutor(PEOPLE) as people:
            began = time.monotonic()
            stories = wishes(service, bookings, colleagues)
            living = [people.submit(live, service, each) for each in stories]
            over = trouble(service, cycle(troubles), most, pace)
            for each in living:
                each.result()
            took = time.monotonic() - began
            let_it_tell(engine)
    faults = compared(engine, stories) | {"invariants broken": broken(url)}
    repeated, wrong = told(engine, sink)
    engine.dispose()
    names = Counter(name for name, _ in over)
    return Found(stories, names, took, back_after(stories, over), faults | wrong, repeated)


def trouble(
    service: Service, kinds: Iterator[Trouble], most: int, pace: float
) -> list[tuple[str, float]]:
    """Let so many befall it; gives what it was each time, and when it was over."""
    over = []
    for kind in islice(kinds, most):
        time.sleep(pace)
        kind.befall(service)
        over.append((kind.name, time.monotonic()))
    return over


def back_after(stories: Sequence[Story], over: Sequence[tuple[str, float]]) -> float:
    """The longest time from the end of a trouble to the first wish that came through."""
    well = sorted(when for each in stories for when, status in each.answers if status in WELL)
    waited = [well[first] - when for _, when in over if (first := bisect(well, when)) < len(well)]
    return max(waited, default=0.0)


def let_it_tell(engine: Engine) -> None:
    """Wait until nothing is owed any more, for as long as it grows less."""
    least, since = waiting(engine), time.monotonic()
    while least:
        time.sleep(1)
        if (now := waiting(engine)) < least:
            least, since = now, time.monotonic()
        assert time.monotonic() - since < STUCK, f"{least} messages do not leave"


def waiting(engine: Engine) -> int:
    """Messages that are still owed."""
    query = select(func.count()).where(OwedMessage.settled_at.is_(None))
    with engine.connect() as connection:
        return connection.scalar(query) or 0


def main() -> None:
    """Full size by default."""
    parser = ArgumentParser(prog="python -m chaos.service")
    parser.add_argument("bookings", type=int, nargs="?", default=BOOKINGS)
    parser.add_argument("troubles", type=int, nargs="?", default=TROUBLES)
    parser.add_argument("database", choices=DATABASES, nargs="?", default="sqlite")
    parser.add_argument("what", choices=PACES, nargs="?", default="killed")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder, ExitStack() as running:
        if asked.what == "database-killed":
            server = running.enter_context(a_durable_server())
            url, troubles = make_database(server.url, "booking"), death_of(server)
        else:
            url = running.enter_context(an_empty_database(asked.database))
            troubles = {"killed": KILLS, "restarted": RESTARTS, "locked": locks_on(url)}[asked.what]
        migrate(url)
        log, pace = Path(folder) / "log", PACES[asked.what]
        found = storm(url, asked.bookings, asked.troubles, log, troubles=troubles, pace=pace)
    report(found)
    sys.exit(any(found.faults.values()) or found.repeated > found.excusable)


def report(found: Found) -> None:
    """What came of it, for people."""
    promised = [each for each in found.stories if each.token]
    print(f"{len(found.stories)} wishes, {len(promised)} appointments,", end=" ")
    print(f"{sum(each.cancelled for each in promised)} cancelled, in {found.seconds:.0f} s")
    print(", ".join(f"{name}: {count}" for name, count in found.troubles.items()))
    print(f"a wish came through at most {found.back:.1f} s after a trouble was over")
    print("answers:", dict(found.statuses))
    for what, count in found.faults.items():
        print(f"{count:>6}  {what}")
    print(f"{found.repeated:>6}  messages that arrived twice, {found.excusable} excusable")


if __name__ == "__main__":
    main()
