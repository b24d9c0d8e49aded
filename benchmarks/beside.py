"""Our service beside django-appointment: free times, bookings, a crowd at one slot, growth.

python -m benchmarks.beside PYTHON

PYTHON is the interpreter of an environment of its own that has django-appointment. Both sides
run at once and are asked by turns, so that other work on the machine slows both.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from threading import Barrier
from typing import NamedTuple

from benchmarks.browser import Browser
from benchmarks.served import REQUESTS, ROUNDS, waits
from benchmarks.sides import Ours, Patient, Press, Service, Side, Theirs
from tests.builders import NEW_YORK

HISTORY = (0, 20_000, 100_000)
USUAL = 20_000
DAYS = 30
BOOKINGS, AT_A_TIME = 100, 10
CROWD = 50
FAR = 10_000
"""Patients from this number on are none of those whose bookings are counted."""
BEGINNINGS = 3


class Pair(NamedTuple):
    """A side and its service."""

    side: Side
    service: Service

    @property
    def name(self) -> str:
        """Who it is, in a column of the tables."""
        return f"{self.side.name:<20}"

    def browser(self, who: Patient) -> Browser:
        """A new one, of somebody."""
        return Browser(self.service.port, who.number)


@contextmanager
def both(sides: Sequence[Side], past: int) -> Iterator[list[Pair]]:
    """Both services, with so many appointments behind them."""
    with ExitStack() as stack:
        files = [stack.enter_context(side.clinic(past)) for side in sides]
        yield [
            Pair(side, stack.enter_context(side.served(file)))
            for side, file in zip(sides, files, strict=True)
        ]


def starts(pair: Pair, first: date, count: int = 1) -> list[datetime]:
    """The free times of some days."""
    browser, found = pair.browser(Patient(0)), []
    for path in pair.side.days(first, count):
        browser.get(path, **pair.side.headers)
        found += pair.side.starts(browser.json())
    return found


def an_open_day(pairs: Sequence[Pair]) -> date:
    """The first day to come that no public holiday closes, the same times free on both sides."""
    day = datetime.now(NEW_YORK).date() + timedelta(days=1)
    while not (offered := [starts(pair, day) for pair in pairs])[0]:
        day += timedelta(days=1)
    assert offered[0] == offered[1], offered
    return day


def alone(pair: Pair, paths: Sequence[str], *, changed: bool) -> tuple[float, float]:
    """Milliseconds of CPU for what is asked, and that one who asks alone waits, mostly."""
    browser, waited = pair.browser(Patient(0)), []
    times = max(10, REQUESTS // len(paths))
    began = pair.service.seconds()
    for _ in range(times):
        if changed:
            pair.side.change(pair.service)
        asked = time.perf_counter()
        for path in paths:
            assert browser.get(path, **pair.side.headers) == 200
        waited.append((time.perf_counter() - asked) * 1000)
    return (pair.service.seconds() - began) / times * 1000, median(waited)


def look(pairs: Sequence[Pair], what: str, day: date, count: int) -> None:
    """Print what the free times of some days cost, as they mostly are and right after a change."""
    for changed in (False, True):
        asked = [pair for pair in pairs if not (changed and isinstance(pair.side, Theirs))]
        rounds: dict[str, list[tuple[float, float]]] = {pair.name: [] for pair in asked}
        for _ in range(ROUNDS):
            for pair in asked:
                paths = pair.side.days(day, count)
                rounds[pair.name].append(alone(pair, paths, changed=changed))
        for pair in asked:
            cpu, half = (min(each) for each in zip(*rounds[pair.name], strict=True))
            row = f"{what + (', changed' if changed else ''):<18}{pair.name}{cpu:>9.2f}{half:>9.2f}"
            if not changed:
                paths = pair.side.days(day, count)
                crowd = waits(pair.service.port, *paths, **pair.side.headers)
                row += "".join(f"{each:>9.1f}" for each in crowd)
            print(row, flush=True)


@dataclass
class Tally:
    """What bookings have cost so far, one after another."""

    pair: Pair
    what: str
    wanted: Sequence[datetime]
    signed_in: Browser | None = None
    """The browser of somebody who has an account already; otherwise everybody is new."""
    seconds: float = 0
    cpu: float = 0
    requests: int = 0
    mails: int = 0

    def book(self, numbers: range) -> None:
        """Some more, until the mails of the last are written; nobody waits for those."""
        before, written = self.pair.service.seconds(), self.pair.service.mails()
        for number in numbers:
            who = Patient(number, known=self.signed_in is not None)
            browser = self.signed_in or self.pair.browser(who)
            asked, began = browser.requests, time.perf_counter()
            booked(self.pair, browser, self.wanted[number], who)
            self.seconds += time.perf_counter() - began
            self.requests += browser.requests - asked
            browser.pause()
        self.pair.side.settle(self.pair.service)
        self.cpu += self.pair.service.seconds() - before
        self.mails += self.pair.service.mails() - written

    def __str__(self) -> str:
        made = len(self.wanted)
        row = f"{self.what:<18}{self.pair.name}{made / self.seconds:>12.1f}"
        row += f"{self.cpu / made * 1000:>9.1f}{self.requests / made:>10.0f}"
        return f"{row}{self.mails / made:>7.1f}"


def booked(pair: Pair, browser: Browser, start: datetime, who: Patient) -> None:
    """One appointment, from the page of times to the page that confirms it."""
    press = pair.side.choose(pair.service, browser, start, who)
    assert press() in (302, 303), (pair.name, browser.path)
    assert browser.follow() == 200, (pair.name, browser.path)


def bookings(pairs: Sequence[Pair], free: Sequence[datetime]) -> None:
    """Print how quickly people book, and what it costs with all mails."""
    ours, theirs = pairs
    first, browsers = Patient(FAR), [pair.browser(Patient(FAR)) for pair in pairs]
    for pair, browser in zip(pairs, browsers, strict=True):  # what is loaded once counts for none
        booked(pair, browser, free[0], first)
        browser.pause()
    tallies = [
        Tally(ours, "new patients", free[1 : BOOKINGS + 1]),
        Tally(theirs, "new patients", free[1 : BOOKINGS + 1]),
        Tally(theirs, "one signed in", free[BOOKINGS + 1 : 2 * BOOKINGS + 1], browsers[1]),
    ]
    for first in range(0, BOOKINGS, AT_A_TIME):  # by turns: a busy disk slows all
        for tally in tallies:
            tally.book(range(first, first + AT_A_TIME))
    print(f"\n{'':<38}{'bookings/s':>12}{'CPU, ms':>9}{'requests':>10}{'mails':>7}")
    print(*tallies, sep="\n", flush=True)


def crowd(pair: Pair, start: datetime) -> None:
    """Print what becomes of many who want one time, and of one more a moment later."""
    people = [Patient(FAR + 1 + number) for number in range(CROWD + 1)]
    browsers = [pair.browser(who) for who in people]
    *presses, late = [
        pair.side.choose(pair.service, browser, start, who)
        for browser, who in zip(browsers, people, strict=True)
    ]
    for browser in browsers:
        browser.pause()
    gate = Barrier(CROWD)

    def press(button: Press) -> int:
        gate.wait()
        return button()

    with ThreadPoolExecutor(CROWD) as pool:
        heard = Counter(pool.map(press, presses))
    made = pair.side.appointments(pair.service, start)
    print(f"{pair.name}{made:>14}  {dict(heard)}", end="")
    after = late()
    more = pair.side.appointments(pair.service, start) - made
    print(f"  one more: {after}, {more} more appointments", flush=True)


def beginnings(side: Side, pair: Pair) -> float:
    """Seconds until the first page, mostly; the service of the measured clinic runs on."""
    found = []
    for _ in range(BEGINNINGS):
        with side.served(pair.service.database) as service:
            found.append(service.start)
    return median(found)


def usual(pairs: Sequence[Pair], day: date) -> None:
    """Print all that is looked at with the usual past alone."""
    free = starts(pairs[0], day + timedelta(days=1), DAYS)
    bookings(pairs, free[1:])
    print(f"\n{'':<20}{'appointments':>14}  statuses of {CROWD} at once")
    for pair in pairs:
        crowd(pair, free[0])
    print(f"\n{'':<20}{'memory, MB':>12}{'start, s':>10}")
    for pair in pairs:
        memory = pair.service.memory()
        print(f"{pair.name}{memory:>12.0f}{beginnings(pair.side, pair):>10.1f}", flush=True)


def main(python: str) -> None:
    """Everything with the usual past; the free times with others too."""
    sides = (Ours(), Theirs(python))
    for past in HISTORY:
        with both(sides, past) as pairs:
            day = an_open_day(pairs)
            print(f"\n{past} past appointments\n{'':<38}{'CPU, ms':>9}{'alone':>9}", end="")
            print(f"{'p50, ms':>9}{'p99, ms':>9}")
            look(pairs, "a day", day, 1)
            if past == USUAL:
                look(pairs, f"{DAYS} days", day, DAYS)
                usual(pairs, day)


if __name__ == "__main__":
    main(sys.argv[1])
