"""People who book, move and cancel over HTTP, and remember what they were promised."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes
from itertools import pairwise
from random import Random

from sqlalchemy import Engine, func, select

from booking.app import utc_now
from booking.models import Appointment, Occupancy, OwedMessage
from booking.services.links import token_digest
from tests.integration.servers import GONE, Answer, Client, Wish
from tests.smtp_sink import SmtpSink

SERVICE, WITH_WHOM = "video", ("ada", "ben")
DAYS_AT_ONCE = 26
STUBBORN = 90.0
"""Seconds for which somebody asks again and again."""
PAUSE = 0.25
"""Seconds before one asks again: sooner than Retry-After says, since a crowd is never polite."""
Starts = list[tuple[str, str]]


@dataclass
class Promise:
    """What one was told last of an appointment; `start` is empty once it is cancelled."""

    start: str
    practitioner: str
    in_doubt: bool = False
    """Whether a later wish was never answered: it may count or not."""


@dataclass
class Ledger:
    """What was answered, when bookings were acknowledged, and what was promised."""

    answers: Counter[str] = field(default_factory=Counter)
    booked_at: list[float] = field(default_factory=list)
    promises: dict[str, Promise] = field(default_factory=dict)

    def __iadd__(self, other: "Ledger") -> "Ledger":
        self.answers += other.answers
        self.booked_at = sorted([*self.booked_at, *other.booked_at])
        self.promises |= other.promises
        return self

    def longest_pause(self) -> float:
        """The most seconds between two bookings that were acknowledged."""
        gaps = (later - earlier for earlier, later in pairwise(self.booked_at))
        return max(gaps, default=0.0)

    def count(self, *beginnings: str) -> int:
        """How many answers begin like this."""
        return sum(many for name, many in self.answers.items() if name.startswith(beginnings))


@dataclass
class Person:
    """One of the crowd, who has many names."""

    client: Client
    number: int
    starts: Starts
    dice: Random = field(init=False)
    ledger: Ledger = field(default_factory=Ledger)
    wishes: int = 0

    def __post_init__(self) -> None:
        self.dice = Random(self.number)

    def live(self, until: float) -> Ledger:
        """Do one thing after the other until then."""
        while time.monotonic() < until:
            mine = [each for each, promise in self.ledger.promises.items() if _is_live(promise)]
            change = self.dice.choice((None, None, self.move, self.cancel))
            if change is None or not mine:
                self.book()
            else:
                change(self.dice.choice(mine))
        return self.ledger

    def book(self) -> None:
        """Wish for a time that others may want as well."""
        self.wishes += 1
        start, whom = self.dice.choice(self.starts)
        wish = Wish(SERVICE, start, self.number * 10_000 + self.wishes, whom)
        key = f"wish {self.number} {self.wishes}"
        answer, _ = self._insist("book", "/api/v1/appointments", _body(wish), key)
        if answer is not None and answer.status == 201:
            self.ledger.booked_at.append(time.monotonic())
            self.ledger.promises[answer.json["token"]] = Promise(start, whom)

    def move(self, token: str) -> None:
        """Wish for another time."""
        promise = self.ledger.promises[token]
        start = self.dice.choice(
            [each for each, whom in self.starts if whom == promise.practitioner]
        )
        path = f"/api/v1/appointments/{token}/reschedule"
        answer, lost = self._insist("move", path, {"start": start})
        if answer is not None and answer.status == 200:
            promise.start = start
        else:
            promise.in_doubt = lost

    def cancel(self, token: str) -> None:
        """Give a time back."""
        promise = self.ledger.promises[token]
        answer, lost = self._insist("cancel", f"/api/v1/appointments/{token}/cancel", {})
        if answer is not None and answer.status == 200:
            promise.start = ""
        else:
            promise.in_doubt = lost

    def _insist(
        self, what: str, path: str, body: dict[str, object], key: str = ""
    ) -> tuple[Answer | None, bool]:
        """Ask until there is a yes or a no; and whether an answer was lost before that."""
        deadline, lost = time.monotonic() + STUBBORN, False
        headers = {"Idempotency-Key": key} if key else {}
        while time.monotonic() < deadline:
            with suppress(*GONE):
                answer = self.client.post_json(path, body, **headers)
                self.ledger.answers[f"{what} {answer.status}"] += 1
                if answer.status == 503 and "Retry-After" not in answer.headers:
                    self.ledger.answers["503 without Retry-After"] += 1
                if answer.status < 500:
                    return answer, lost
                lost = True
                time.sleep(PAUSE)
                continue
            self.ledger.answers[f"{what} gone"] += 1
            lost = True
            time.sleep(PAUSE)
        return None, True


def free_times(client: Client, days: int) -> Starts:
    """What is on offer from the day after tomorrow, with whom."""
    first = utc_now().date() + timedelta(days=2)
    found: Starts = []
    for offset in range(0, days, DAYS_AT_ONCE):
        begin = first + timedelta(days=offset)
        end = begin + timedelta(days=min(DAYS_AT_ONCE, days - offset) - 1)
        for whom in WITH_WHOM:
            found += [(start, whom) for start in client.free(SERVICE, begin, end, whom)]
    return found


def live_together(client: Client, people: int, seconds: float, starts: Starts) -> Ledger:
    """Let so many people do what they like for so long."""
    until, whole = time.monotonic() + seconds, Ledger()
    with ThreadPoolExecutor(people) as pool:
        crowd = [Person(client, number, starts) for number in range(people)]
        for each in pool.map(lambda person: person.live(until), crowd):
            whole += each
    return whole


def broken(engine: Engine, ledger: Ledger) -> list[str]:
    """Each promise that the database does not keep, in words."""
    columns = (Appointment.link_digest, Appointment.start_at, Appointment.status)
    with engine.connect() as connection:
        stored = {row[0]: row for row in connection.execute(select(*columns))}
    found = []
    for token, promise in ledger.promises.items():
        row = stored.get(token_digest(token))
        if row is None:
            found.append(f"{promise.start} is not there")
        elif not promise.in_doubt and _state(row.start_at, row.status) != _wanted(promise):
            found.append(f"{promise} is {row.status} at {row.start_at}")
    return found


def overlaps(engine: Engine) -> int:
    """How many neighbours of one resource overlap, by a look of our own."""
    columns = (Occupancy.resource_id, Occupancy.blocked_from, Occupancy.blocked_until)
    with engine.connect() as connection:
        rows = connection.execute(select(*columns).order_by(*columns[:2])).all()
    return sum(one[0] == other[0] and other[1] < one[2] for one, other in pairwise(rows))


def owed(engine: Engine) -> int:
    """How many messages still wait."""
    query = select(func.count()).where(OwedMessage.settled_at.is_(None))
    with engine.connect() as connection:
        return connection.scalar(query) or 0


def mails(engine: Engine, sink: SmtpSink) -> tuple[int, int, int]:
    """How many messages arrived, how many of them again, and how many were lost on the way."""
    with engine.connect() as connection:
        query = select(OwedMessage.message_id).where(OwedMessage.sent_at.is_not(None))
        sent = set(connection.scalars(query))
    arrived = Counter(
        str(message_from_bytes(each.content)["Message-ID"]).strip("<>").partition("@")[0]
        for each in sink.received
    )
    return len(arrived), arrived.total() - len(arrived), len(sent - arrived.keys())


def _is_live(promise: Promise) -> bool:
    return bool(promise.start) and not promise.in_doubt


def _body(wish: Wish) -> dict[str, object]:
    patient = {"name": "Sam Rivers", "email": f"sam{wish.patient}@mail.example"}
    return wish.body | {"patient": patient}


def _state(start: datetime, status: str) -> tuple[datetime | None, str]:
    return (start if status == "booked" else None), status


def _wanted(promise: Promise) -> tuple[datetime | None, str]:
    if not promise.start:
        return None, "cancelled"
    return datetime.fromisoformat(promise.start), "booked"
