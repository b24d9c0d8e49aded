"""Ten thousand entries of the audit trail, and somebody who touches them in the database.

python -m chaos.audit [entries] [tries]

Each try changes, removes or swaps entries at random and puts them back; every one must be found,
and the entry that was touched must be the first that is named.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import delete, insert, select, update

from benchmarks.clinic import a_measured_app
from booking.models import AuditEntry
from booking.models.database import db, transaction
from booking.services import audit
from tests.builders import HOUSE, NOW

ENTRIES, TRIES = 10_000, 60
CHANGES: dict[str, object] = {
    "actor": "somebody",
    "action": "nothing.happened",
    "subject": "NOBODY00",
    "fields": "other",
    "at": NOW - timedelta(days=1),
    "digest": bytes(32),
}
Touch = Callable[[int], int]
"""Touches the trail at an entry; gives the number that must be named first."""


@dataclass
class Result:
    """How often each kind of touch was tried and found, and how long the whole trail takes."""

    tried: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def missed(self) -> int:
        """How many touches nobody noticed, or were blamed on another entry."""
        return self.tried.total() - self.found.total()


def tampering(entries: int, tries: int, *, seed: int = 1) -> Result:
    """Touch a trail of so many entries so often, each time another way."""
    dice, result = random.Random(seed), Result()
    with a_measured_app(0):
        _grow(entries)
        began = time.perf_counter()
        assert _first_break() is None
        result.seconds = time.perf_counter() - began
        kinds: list[tuple[str, Touch]] = [
            *((f"changed {name}", _changer(name)) for name in CHANGES),
            ("removed", _remove),
            ("swapped", _swap),
        ]
        for number in range(tries):
            kind, touch = kinds[number % len(kinds)]
            at = dice.randint(1, entries - 1)
            kept = _rows(at, at + 1)
            named = touch(at)
            result.tried[kind] += 1
            result.found[kind] += _first_break() == named
            _put_back(kept)
        assert _first_break() is None
    return result


def _grow(entries: int) -> None:
    with transaction() as session:
        for number in range(entries):
            audit.note(
                session,
                "appointment.read",
                keys=HOUSE.keys,
                actor="desk@clinic.example",
                now=NOW + timedelta(seconds=number),
                subject=f"REF{number % 97:05}",
            )


def _first_break() -> int | None:
    db.session.rollback()
    first = next(audit.verify(db.session(), HOUSE.keys), None)
    return first.number if first else None


def _changer(name: str) -> Touch:
    def change(at: int) -> int:
        with transaction() as session:
            here = AuditEntry.number == at
            session.execute(update(AuditEntry).where(here).values({name: CHANGES[name]}))
        return at

    return change


def _remove(at: int) -> int:
    with transaction() as session:
        session.execute(delete(AuditEntry).where(AuditEntry.number == at))
    return at


def _swap(at: int) -> int:
    with transaction() as session:
        for old, new in ((at, -1), (at + 1, at), (-1, at + 1)):
            here = AuditEntry.number == old
            session.execute(update(AuditEntry).where(here).values(number=new))
    return at


def _rows(first: int, last: int) -> list[dict[str, object]]:
    table = AuditEntry.__table__
    query = select(table).where(AuditEntry.number.between(first, last))
    return [dict(row) for row in db.session.execute(query).mappings()]


def _put_back(rows: list[dict[str, object]]) -> None:
    numbers = [row["number"] for row in rows]
    with transaction() as session:
        session.execute(delete(AuditEntry).where(AuditEntry.number.in_(numbers)))
        session.execute(insert(AuditEntry), rows)


def main() -> None:
    """Print what was tried and what was found."""
    entries, tries = (int(each) for each in (sys.argv[1:] + [ENTRIES, TRIES][len(sys.argv) - 1 :]))
    result = tampering(entries, tries)
    for kind, tried in result.tried.items():
        print(f"{kind:<16}{result.found[kind]:>4} of {tried} found")
    print(f"the whole trail of {entries} entries is gone through in {result.seconds:.2f} s")
    sys.exit(result.missed > 0)


if __name__ == "__main__":
    main()
