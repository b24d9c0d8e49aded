"""The whole service, killed again and again while people book, move and cancel through its API.

python -m chaos.service [bookings] [kills] [sqlite|postgresql]

A third of the bookings is contested; of those that came off, a fifth is moved and a fifth is
cancelled. Whoever gets no answer asks again under the same key. Afterwards every promise must be
in the database and nothing else, and the last message of each appointment must say what holds.
"""

import os
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from email import message_from_bytes
from email.message import Message
from itertools import cycle
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from icalendar import Calendar
from sqlalchemy import Engine, create_engine, func, select

from benchmarks.clinic import an_empty_database
from booking.app import create_app, utc_now
from booking.models import Appointment, Occupancy, OwedMessage
from booking.models.database import db, transaction
from booking.services import invariants
from booking.services.links import token_digest
from tests.builders import CLINIC, HOUSE, a_clinic, the_service
from tests.conftest import migrate, settings_for
from tests.integration.history import more_practitioners
from tests.integration.servers import GONE, Answer, Service, Wish, a_service
from tests.smtp_sink import SmtpSink

BOOKINGS, KILLS, PEOPLE, COLLEAGUES = 5_000, 200, 8, 38
CONTESTED = 3
"""Every so-manieth slot is wanted by two."""
MOVED, CANCELLED = 0.2, 0.2
VICTIMS = ("delivery_worker", "a_web_worker", "delivery_worker", "a_web_worker", "web_master")
PACE = 0.35
"""Seconds between two kills, at the least."""
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
    statuses: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """What came of it all, in figures."""

    stories: list[Story]
    killed: Counter[str]
    seconds: float
    faults: dict[str, int]
    """What must not be, and how often it was."""
    repeated: int
    """Messages that arrived twice; no more than delivery workers were killed."""


def furnish(url: str) -> None:
    """Put a clinic with many practitioners, who all offer `video`, into a migrated database."""
    app = create_app(settings_for(url))
    with app.app_context():
        with transaction() as session:
            a_clinic(session, FAR_AHEAD)
            more_practitioners(session, the_service(session, "video"), COLLEAGUES)
        db.session.remove()
        db.engine.dispose()


def storm(url: str, bookings: int, kills: int, log: Path) -> Found:
    """Let people at it, kill meanwhile, and look at what is left.

    Args:
        url: A migrated database, and nothing in it.
    """
    furnish(url)
    engine = create_engine(url)
    with SmtpSink() as sink:
        settings: dict[str, Any] = {
            "BOOKING_SMTP_URL": f"smtp://127.0.0.1:{sink.port}",
            "BOOKING_WEB_WORKERS": 2,
        }
        with a_service(url, log, **settings) as service, ThreadPoolExecutor(PEOPLE) as people:
            began = time.monotonic()
            stories = wishes(service, bookings)
            living = [people.submit(live, service, each) for each in stories]
            killed = kill(service, kills, lambda: all(each.done() for each in living))
            for each in living:
                each.result()
            took = time.monotonic() - began
            let_it_tell(engine)
    faults = compared(engine, stories) | {"invariants broken": broken(url)}
    repeated, wrong = told(engine, sink)
    engine.dispose()
    return Found(stories, killed, took, faults | wrong, repeated)


def wishes(service: Service, count: int) -> list[Story]:
    """So many wishes; those for one slot stand side by side."""
    slots = iter(free_slots(service))
    found: list[Story] = []
    while len(found) < count:
        (start, who), (later, _) = next(slots), next(slots)
        rivals = 2 if len(found) % CONTESTED == 0 else 1
        found += [
            Story(len(found) + each, Wish("video", start, len(found) + each, who), later)
            for each in range(rivals)
        ]
    return found


def free_slots(service: Service) -> list[tuple[str, str]]:
    """Every start with every colleague, two neighbours of one colleague after another."""
    days = [utc_now().date() + timedelta(days=each) for each in (2, 30, 31, 58)]
    found = []
    for number in range(COLLEAGUES):
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
            story.statuses.append(answer.status)
            if answer.status != 503:
                return answer
        time.sleep(0.1)
    raise AssertionError("never answered")


def kill(service: Service, most: int, over: Callable[[], bool]) -> Counter[str]:
    """Kill until there were kills enough and there is nobody left to disturb."""
    random, killed = Random(5), Counter[str]()
    for victim in cycle(VICTIMS):
        if over() and killed.total() >= most:
            return killed
        if killed.total() < most:
            pids = (
                service.web_workers() if victim == "a_web_worker" else [getattr(service, victim)()]
            )
            with suppress(ProcessLookupError, IndexError):
                os.kill(random.choice(pids), signal.SIGKILL)
                killed[victim] += 1
        time.sleep(PACE)
    raise AssertionError


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
    answered = Counter(status for each in stories for status in each.statuses)
    return {
        "promised and not there": len(promised.keys() - stored.keys()),
        "there and not promised": len(stored.keys() - promised.keys()),
        "at another time": sum(row.start_at.isoformat()[:16] != s.start[:16] for row, s in both),
        "in another state": sum((row.status == "cancelled") != s.cancelled for row, s in both),
        "half written": sum(taken[row.id] != (0 if s.cancelled else 1) for row, s in both),
        "answers of 500": sum(n for status, n in answered.items() if status == 500),
        "unexpected answers": sum(
            n for status, n in answered.items() if status not in (200, 201, 409, 500, 503)
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
    uids: defaultdict[str, set[str]] = defaultdict(set)
    falls = 0
    for mail in mails:
        event = event_in(mail)
        if event is None:
            continue
        uid, sequence, cancelled, start = event
        uids[str(mail["To"])].add(uid)
        if uid in last and sequence < last[uid][0]:
            falls += 1
        last[uid] = (sequence, cancelled, start)
    query = select(Appointment.uid, Appointment.status, Appointment.start_at, Appointment.sequence)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    wrong = untold = 0
    for row in rows:
        final = (row.sequence, row.status == "cancelled", f"{row.start_at:%Y%m%dT%H%M}")
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
    given = sys.argv[1:]
    bookings, kills = [int(each) for each in given[:2]] or [BOOKINGS, KILLS]
    kind = given[2] if len(given) > 2 else "sqlite"
    with TemporaryDirectory() as folder, an_empty_database(kind) as url:
        migrate(url)
        found = storm(url, bookings, kills, Path(folder) / "log")
    promised = [each for each in found.stories if each.token]
    print(f"{len(found.stories)} wishes on {kind}, {len(promised)} appointments,", end=" ")
    print(f"{sum(each.cancelled for each in promised)} cancelled, in {found.seconds:.0f} s")
    print("killed:", ", ".join(f"{count} {name}" for name, count in found.killed.items()))
    print("answers:", dict(Counter(status for each in found.stories for status in each.statuses)))
    for what, count in found.faults.items():
        print(f"{count:>6}  {what}")
    print(f"{found.repeated:>6}  messages that arrived twice")
    sys.exit(any(found.faults.values()) or found.repeated > found.killed["delivery_worker"])


if __name__ == "__main__":
    main()
