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

import os
import signal
import sys
import time
from argparse import ArgumentParser
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from email import message_from_bytes
from email.message import Message
from itertools import cycle, islice
from pathlib import Path
from random import Random, choice
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from icalendar import Calendar
from sqlalchemy import Engine, create_engine, func, select

from benchmarks.clinic import DATABASES, an_empty_database
from booking.app import create_app, utc_now
from booking.models import Appointment, Occupancy, OwedMessage
from booking.models.database import db, transaction
from booking.services import invariants
from booking.services.links import token_digest
from tests.builders import CLINIC, HOUSE, a_clinic, the_service
from tests.conftest import migrate, settings_for
from tests.holding import held
from tests.integration.history import more_practitioners
from tests.integration.servers import (
    GONE,
    Answer,
    Service,
    Wish,
    a_service,
    answers,
    eventually,
)
from tests.postgres import Server, make_database
from tests.smtp_sink import SmtpSink

BOOKINGS, TROUBLES, PEOPLE = 5_000, 200, 16
COLLEAGUES, BOOKINGS_EACH = 38, 130
"""So many people have time for 5,000, since each has time for so many."""
CONTESTED = 3
"""Every so-manieth slot is wanted by two."""
MOVED, CANCELLED = 0.2, 0.2
PACES = {"killed": 0.35, "restarted": 5.0, "locked": 5.0, "database-killed": 20.0}
"""What may befall it, and how many seconds there are between two times."""
LOCKS = (2.0, 8.0, 30.0)
WELL = (200, 201)
PATIENCE = 90.0
STUCK = 180.0
"""Seconds in which at least one message must leave: leases of the dead run out sooner."""
FAR_AHEAD = CLINIC.replace("booking_horizon_days = 30", "booking_horizon_days = 60")


@dataclass
class Story:
    """One wish, and what became of it as far as its owner was told."""

    number: int
    wish: Wish
    later: str
    """Where it may be moved to: nobody else wants that."""
    token: str = ""
    start: str = ""
    cancelled: bool = False
    answers: list[tuple[float, int]] = field(default_factory=list)
    """When it was answered (monotonic seconds), and how."""


class Trouble(NamedTuple):
    """Something that befalls the service, and is over when it returns."""

    name: str
    befall: Callable[[Service], object]


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
        return self.troubles["delivery worker killed"] + self.troubles["database killed"]


VICTIMS: dict[str, Callable[[Service], list[int]]] = {
    "delivery worker": lambda service: [service.delivery_worker()],
    "web worker": Service.web_workers,
    "web master": lambda service: [service.web_master()],
}


def _kill(victim: str) -> Trouble:
    def befall(service: Service) -> None:
        with suppress(ProcessLookupError, IndexError):
            os.kill(choice(VICTIMS[victim](service)), signal.SIGKILL)

    return Trouble(f"{victim} killed", befall)


def _stop_and_begin(service: Service) -> None:
    assert service.end() == 0
    service.begin_again()
    eventually(lambda: answers(service))


def _begin_anew(service: Service) -> None:
    before = service.family()
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: not set(before) & set(service.family()))


KILLS = tuple(
    _kill(each)
    for each in ("delivery worker", "web worker", "delivery worker", "web worker", "web master")
)
RESTARTS = (Trouble("stopped and begun", _stop_and_begin), Trouble("begun anew", _begin_anew))


def locks_on(url: str) -> tuple[Trouble, ...]:
    """Somebody else holds what every booking must lock, ever longer."""

    def locked(seconds: float) -> Trouble:
        def befall(_service: Service) -> None:
            with held(url):
                time.sleep(seconds)

        return Trouble(f"locked for {seconds:.0f} s", befall)

    return tuple(map(locked, LOCKS))


def death_of(server: Server) -> tuple[Trouble, ...]:
    """A database whose machine is gone for a second."""

    def befall(_service: Service) -> None:
        server.kill()
        time.sleep(1)
        server.begin()

    return (Trouble("database killed", befall),)


def furnish(url: str, colleagues: int = COLLEAGUES) -> None:
    """Put a clinic with many practitioners, who all offer `video`, into a migrated database."""
    app = create_app(settings_for(url))
    with app.app_context():
        with transaction() as session:
            a_clinic(session, FAR_AHEAD)
            more_practitioners(session, the_service(session, "video"), colleagues)
        db.session.remove()
        db.engine.dispose()


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


def wishes(service: Service, count: int, colleagues: int) -> list[Story]:
    """So many wishes; those for one slot stand side by side."""
    slots = iter(free_slots(service, colleagues))
    found: list[Story] = []
    while len(found) < count:
        (start, who), (later, _) = next(slots), next(slots)
        rivals = 2 if len(found) % CONTESTED == 0 else 1
        found += [
            Story(len(found) + each, Wish("video", start, len(found) + each, who), later)
            for each in range(rivals)
        ]
    return found


def free_slots(service: Service, colleagues: int = COLLEAGUES) -> list[tuple[str, str]]:
    """Every start with every colleague, two neighbours of one colleague after another."""
    days = [utc_now().date() + timedelta(days=each) for each in (2, 30, 31, 58)]
    found = []
    for number in range(colleagues):
        who = f"colleague-{number}"
        found += [
            (start, who)
            for since, until in (days[:2], days[2:])
            for start in service.client.free("video", since, until, who)
        ]
    return found


def live(service: Service, story: Story) -> None:
    """Book; then perhaps move, perhaps cancel: until each was answered."""
    random = Random(story.number)
    booked = ask(story, lambda: service.client.book(story.wish, f"wish-{story.number}"))
    if booked.status != 201:
        return
    story.token, story.start = booked.json["token"], story.wish.start
    mine = f"/api/v1/appointments/{story.token}"
    if random.random() < MOVED:
        ask(
            story,
            lambda: service.client.post_json(f"{mine}/reschedule", {"start": story.later}),
        )
        story.start = story.later
    if random.random() < CANCELLED:
        ask(story, lambda: service.client.post_json(f"{mine}/cancel", {}))
        story.cancelled = True


def ask(story: Story, question: Callable[[], Answer]) -> Answer:
    """Ask until there is an answer; 503 says to come back."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(*GONE):
            answer = question()
            story.answers.append((time.monotonic(), answer.status))
            if answer.status != 503:
                return answer
            assert int(answer.headers["Retry-After"]) > 0
        time.sleep(0.1)
    raise AssertionError("never answered")


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


def compared(engine: Engine, stories: Sequence[Story]) -> dict[str, int]:
    """What people were promised, beside what is stored."""
    promised = {token_digest(each.token): each for each in stories if each.token}
    query = select(
        Appointment.link_digest, Appointment.id, Appointment.start_at, Appointment.status
    )
    with engine.connect() as connection:
        stored = {row.link_digest: row for row in connection.execute(query)}
        taken = Counter(connection.scalars(select(Occupancy.appointment_id)))
    both = [(stored[each], promised[each]) for each in stored.keys() & promised.keys()]
    answered = Counter(status for each in stories for _, status in each.answers)
    return {
        "promised and not there": len(promised.keys() - stored.keys()),
        "there and not promised": len(stored.keys() - promised.keys()),
        "at another time": sum(row.start_at.isoformat()[:16] != s.start[:16] for row, s in both),
        "in another state": sum((row.status == "cancelled") != s.cancelled for row, s in both),
        "half written": sum(taken[row.id] != (0 if s.cancelled else 1) for row, s in both),
        "answers of 500": sum(n for status, n in answered.items() if status == 500),
        "unexpected answers": sum(
            n for status, n in answered.items() if status not in (*WELL, 409, 500, 503)
        ),
    }


def broken(url: str) -> int:
    """What `flask check` finds."""
    app = create_app(settings_for(url))
    with app.app_context():
        found = invariants.check(db.session(), HOUSE.keys, now=utc_now())
        count = sum(len(each.faults) for each in found)
        db.session.remove()
        db.engine.dispose()
    return count


def told(engine: Engine, sink: SmtpSink) -> tuple[int, dict[str, int]]:
    """How many messages came twice, and what patients were told beside what holds."""
    mails = [message_from_bytes(each.content) for each in sink.received]
    arrived = Counter(str(each["Message-ID"]) for each in mails)
    last: dict[str, tuple[int, bool, str]] = {}
    known: dict[str, str] = {}
    falls = 0
    for mail in mails:
        event = event_in(mail)
        if event is None:
            continue
        uid, sequence, cancelled, start = event
        if uid in last and sequence < last[uid][0]:
            falls += 1
        if not cancelled:
            known[uid] = start
        last[uid] = (sequence, cancelled, start)
    query = select(Appointment.uid, Appointment.status, Appointment.start_at, Appointment.sequence)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    wrong = untold = 0
    for row in rows:
        cancelled, start = row.status == "cancelled", f"{row.start_at:%Y%m%dT%H%M}"
        # Who has not heard of a move yet is told of the end of what they know.
        final = (row.sequence, cancelled, known.get(row.uid, start) if cancelled else start)
        if row.uid not in last:
            untold += 1
        elif last[row.uid] != final:
            wrong += 1
    return arrived.total() - len(arrived), {
        "patients told nothing": untold,
        "patients told something else last": wrong,
        "a sequence that fell": falls,
    }


def event_in(mail: Message) -> tuple[str, int, bool, str] | None:
    """UID, SEQUENCE, whether it is off, and when, in UTC, of a patient's invitation."""
    for part in mail.walk():
        if part.get_content_type() == "text/calendar":
            content: Any = part.get_payload(decode=True)
            calendar: Any = Calendar.from_ical(content)
            event = calendar.walk("VEVENT")[0]
            start = event["DTSTART"].dt.astimezone(UTC)
            off = str(calendar["METHOD"]) == "CANCEL"
            return str(event["UID"]), int(event.get("SEQUENCE", 0)), off, f"{start:%Y%m%dT%H%M}"
    return None


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


@contextmanager
def a_durable_server() -> Iterator[Server]:
    """A PostgreSQL that has what it acknowledged on the disk, as it is without being told."""
    with TemporaryDirectory(prefix="booking-postgres-") as folder:
        server = Server(Path(folder))
        server.begin()
        try:
            yield server
        finally:
            server.end()


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
