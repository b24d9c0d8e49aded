"""Copies made while people book, each put back and looked at.

python -m chaos.copies [copies] [sqlite|postgresql]

A copy must be whole, hold everything that was promised before it was begun, and send nothing again.
"""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from sqlalchemy import func, select

from benchmarks.clinic import an_empty_database
from booking.app import create_app, utc_now
from booking.backup import back_up, restore
from booking.models import Appointment, OwedMessage
from booking.models.database import db
from booking.services import invariants
from booking.services.links import token_digest
from chaos.stories import Story, ask, free_slots, furnish
from tests.builders import HOUSE
from tests.conftest import migrate, settings_for
from tests.integration.servers import Service, Wish, a_service

COPIES, PEOPLE = 50, 3
PAUSE = 0.2
"""Seconds between two copies."""


@dataclass
class Copy:
    """One copy, and what it has to hold at the least."""

    path: Path
    promised: set[bytes]
    faults: list[str] = field(default_factory=list)


def copied(url: str, copies: int, folder: Path) -> tuple[list[Copy], int]:
    """Make copies while people book; with how many appointments there were in the end.

    Args:
        url: A migrated database, and nothing in it.
    """
    furnish(url)
    stories: list[Story] = []
    over = Event()
    with a_service(url, folder / "log") as service, ThreadPoolExecutor(PEOPLE) as people:
        slots = free_slots(service)
        busy = [
            people.submit(book, service, stories, slots[number::PEOPLE], over)
            for number in range(PEOPLE)
        ]
        made = [one_copy(url, folder / f"copy-{number}", stories) for number in range(copies)]
        over.set()
        for each in busy:
            each.result()
    return made, len(promised(stories))


def book(
    service: Service, stories: list[Story], slots: Sequence[tuple[str, str]], over: Event
) -> None:
    """One booking after another, until it is over."""
    for start, who in slots:
        if over.is_set():
            return
        story = Story(0, Wish("video", start, len(stories), who), "")
        answer = ask(
            story,
            lambda story=story, start=start, who=who: service.client.book(  # type: ignore[misc]
                story.wish, f"{start} {who}"
            ),
        )
        if answer.status == 201:
            story.token = answer.json["token"]
            stories.append(story)


def promised(stories: Sequence[Story]) -> set[bytes]:
    """What was promised so far."""
    return {token_digest(each.token) for each in list(stories)}


def one_copy(url: str, path: Path, stories: Sequence[Story]) -> Copy:
    """Copy what there is now."""
    copy = Copy(path, promised(stories))
    back_up(settings_for(url), path)
    time.sleep(PAUSE)
    return copy


def put_back(copy: Copy, kind: str) -> None:
    """Restore it into a database of its own, and note what is wrong."""
    with an_empty_database(kind) as url:
        app = create_app(settings_for(url))
        with app.app_context():
            restore(app, copy.path)
            session = db.session()
            stored = set(session.scalars(select(Appointment.link_digest)))
            due = select(func.count()).where(
                OwedMessage.settled_at.is_(None), OwedMessage.next_attempt_at <= utc_now()
            )
            if missing := len(copy.promised - stored):
                copy.faults.append(f"{missing} promised appointments are missing")
            if waiting := session.scalar(due):
                copy.faults.append(f"{waiting} messages would leave again")
            for each in invariants.check(session, HOUSE.keys, now=utc_now()):
                copy.faults += each.faults
            db.session.remove()
            db.engine.dispose()


def main() -> None:
    """Full size by default."""
    copies = int(sys.argv[1]) if len(sys.argv) > 1 else COPIES
    kind = sys.argv[2] if len(sys.argv) > 2 else "sqlite"
    with TemporaryDirectory() as folder:
        with an_empty_database(kind) as url:
            migrate(url)
            made, appointments = copied(url, copies, Path(folder))
        for each in made:
            put_back(each, kind)
    least, most = len(made[0].promised), len(made[-1].promised)
    print(f"{len(made)} copies on {kind} while {least} to {most} of {appointments} were promised")
    for each in made:
        for fault in each.faults:
            print(f"{each.path.name}: {fault}")
    whole = sum(not each.faults for each in made)
    print(f"{whole} of {len(made)} whole, and nothing missing")
    sys.exit(whole != len(made))


if __name__ == "__main__":
    main()
