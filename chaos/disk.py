"""A disk that fills up while people book, and is given room again.

python -m chaos.disk [bookings]

A small file system in memory holds the SQLite file; that needs the right to mount one. While there
is no room everybody is refused; what was promised stays, nothing is torn, and once there is room
the service goes on by itself.
"""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import create_engine, text

from chaos.promises import broken, compared
from chaos.stories import Story, ask, free_slots, furnish
from tests.conftest import migrate
from tests.integration.servers import GONE, Service, Wish, a_service, eventually

BOOKINGS = 2_000
MEGABYTES = 24
ROUNDS = 5
"""How often it fills up."""


@dataclass(frozen=True)
class Found:
    """What came of it all."""

    stories: list[Story]
    refused: Counter[int]
    """How people were answered while there was no room."""
    back_after: list[float]
    """Seconds from room to the next booking."""
    faults: dict[str, int]


@contextmanager
def a_small_disk(megabytes: int) -> Iterator[Path]:
    """A file system in memory."""
    with TemporaryDirectory() as folder:
        size = f"size={megabytes}m,mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "booking", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def filled_up(disk: Path, bookings: int) -> Found:
    """Book, take the room away and give it back by turns."""
    url = f"sqlite:///{disk}/booking.db"
    migrate(url)
    furnish(url)
    stories: list[Story] = []
    refused: Counter[int] = Counter()
    back_after: list[float] = []
    with TemporaryDirectory() as logs, a_service(url, Path(logs) / "log") as service:
        slots = iter(free_slots(service))
        for _ in range(ROUNDS):
            for _ in range(bookings // ROUNDS):
                book(service, stories, *next(slots))
            ballast = disk / "ballast"
            fill(ballast)
            refused += refusals(service, stories, slots)
            ballast.unlink()
            began = time.monotonic()
            wanted = next(slots)
            eventually(lambda wanted=wanted: comes_off(service, stories, wanted))  # type: ignore[misc]
            back_after.append(time.monotonic() - began)
        engine = create_engine(url)
        with engine.connect() as connection:
            whole = connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        faults = compared(engine, stories)
        engine.dispose()
        faults |= {"torn": int(not whole), "invariants broken": broken(url)}
    return Found(stories, refused, back_after, faults)


def book(service: Service, stories: list[Story], start: str, who: str) -> None:
    """One booking, until it is answered."""
    story = a_story(stories, start, who)
    answer = ask(story, lambda: service.client.book(story.wish, f"wish-{story.number}"))
    if answer.status == 201:
        story.token, story.start = answer.json["token"], start


def a_story(stories: list[Story], start: str, who: str) -> Story:
    """Another wish, at the end of the list."""
    number = len(stories)
    stories.append(Story(number, Wish("video", start, number, who), ""))
    return stories[-1]


def fill(ballast: Path) -> None:
    """Take what room there is."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)


def refusals(
    service: Service, stories: list[Story], slots: Iterator[tuple[str, str]]
) -> Counter[int]:
    """How wishes are answered now; a yes is a promise like any other.

    Some come off: SQLite has room of its own in the file beside the database.
    """
    found: Counter[int] = Counter()
    while found[503] < 20:
        wanted = next(slots)
        story = a_story(stories, *wanted)
        with suppress(*GONE):
            answer = service.client.book(story.wish, f"wish-{story.number}")
            found[answer.status] += 1
            if answer.status == 201:
                story.token, story.start = answer.json["token"], wanted[0]
    return found


def comes_off(service: Service, stories: list[Story], wanted: tuple[str, str]) -> bool:
    """Whether a booking comes off again."""
    story = a_story(stories, *wanted)
    with suppress(*GONE):
        answer = service.client.book(story.wish, f"wish-{story.number}")
        if answer.status == 201:
            story.token, story.start = answer.json["token"], wanted[0]
            return True
    return False


def main() -> None:
    """Full size by default."""
    bookings = int(sys.argv[1]) if len(sys.argv) > 1 else BOOKINGS
    with a_small_disk(MEGABYTES) as disk:
        found = filled_up(disk, bookings)
    print(f"{sum(bool(each.token) for each in found.stories)} appointments")
    print("answers while there was no room:", dict(found.refused))
    print("seconds until it went on:", ", ".join(f"{each:.1f}" for each in found.back_after))
    for what, count in found.faults.items():
        print(f"{count:>6}  {what}")
    sys.exit(any(found.faults.values()))


if __name__ == "__main__":
    main()
