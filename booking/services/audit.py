"""The audit trail: every read and change of a patient's data, and every sign-in.

Each row is sealed together with the digest of the row before it, under a key that is not in the
database: a row that was changed, removed or put elsewhere breaks the chain from there on, and
nobody who has only the database can mend it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import NamedTuple

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from booking.models import AuditEntry, AuditHead
from booking.models.base import table_of, write
from booking.services.kept_keys import with_kept
from booking.services.links import Keys

BEGINNING = bytes(32)
MOST_SHOWN = 100
BATCH = 1000

_HEADS = table_of(AuditHead)
_HEAD = select(_HEADS.c.number, _HEADS.c.digest).where(_HEADS.c.id == 1).with_for_update()
_MOVE_HEAD = (
    update(_HEADS)
    .where(_HEADS.c.id == 1)
    .values(number=bindparam("number"), digest=bindparam("digest"))
)


class _Line(NamedTuple):
    """What of an entry is sealed."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    fields: str

    @classmethod
    def of(cls, entry: AuditEntry) -> "_Line":
        return cls(*(getattr(entry, name) for name in cls._fields))


@dataclass(frozen=True)
class Break:
    """Where the chain does not hold."""

    number: int
    what: str


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which entries are asked for; empty means all."""

    actor: str = ""
    action: str = ""
    """Of both the beginning is enough: `appointment` is all that was done with appointments."""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    """Only entries of a lower number: the next page."""


def note(
    session: Session,
    action: str,
    *,
    keys: Keys,
    actor: str,
    now: datetime,
    subject: str = "",
    fields: Iterable[str] = (),
) -> None:
    """Add an entry, in the transaction of what it is about.

    Call it last: it takes a lock that everybody waits for, until the transaction ends.

    Args:
        fields: The names of what was changed; values have no place here.
    """
    session.flush()  # what it is about comes first
    number, before = session.execute(_HEAD).one()
    at, said = now.replace(microsecond=0), " ".join(fields)[:200]
    line = _Line(number + 1, at, actor, action, subject, said)
    seal = {"digest": _seals(line, before, keys)[0]}
    write(session, AuditEntry, line._asdict() | seal)
    session.execute(_MOVE_HEAD, {"number": line.number} | seal)


def verify(session: Session, keys: Keys) -> Iterator[Break]:
    """Go through the whole chain and say where it does not hold; nothing if it does.

    After a break it goes on from what stands there, so that one wrong row is one break. An entry
    holds under the key that it was sealed with: a former one counts while its secret is in the
    settings, and afterwards up to the entry at which it was laid down.
    """
    keys = with_kept(session, keys)
    last, seal = _end(session)  # read first: the chain goes on while we walk along it
    expected, before = 1, BEGINNING
    for entry in _all(session, last):
        if entry.number != expected:
            yield Break(expected, _gap(expected, entry.number))
        elif not _holds(entry, before, keys):
            yield Break(entry.number, "was changed, or the one before it was")
        expected, before = entry.number + 1, entry.digest
    if last != expected - 1:
        yield Break(expected, f"is missing: the chain went on to {last}")
    elif not compare_digest(seal, before):
        yield Break(last, "is not the entry that the chain ended with")


def last_of_before(session: Session, keys: Keys) -> int:
    """The last entry that is not sealed under the newest key; 0 if all are."""
    newest, number = Keys(keys.secret), session.get_one(AuditHead, 1, populate_existing=True).number
    while number > 0:
        query = select(AuditEntry).where(AuditEntry.number <= number)
        found = session.scalars(query.order_by(AuditEntry.number.desc()).limit(BATCH)).all()
        befores = [each.digest for each in found[1:]]
        if found and found[-1].number == 1:
            befores.append(BEGINNING)
        for entry, before in zip(found, befores, strict=False):
            if not _holds(entry, before, newest):
                return entry.number
        if len(befores) == len(found):
            return 0
        number = found[-1].number
    return 0


def has_entry_of(session: Session, secret: str) -> bool:
    """Whether any entry is sealed under that secret."""
    keys, before = Keys(secret), BEGINNING
    for entry in _all(session, session.get_one(AuditHead, 1, populate_existing=True).number):
        if _holds(entry, before, keys):
            return True
        before = entry.digest
    return False


def entries(session: Session, wanted: Filter) -> Sequence[AuditEntry]:
    """The newest entries that are asked for, at most `MOST_SHOWN`."""
    query = select(AuditEntry).order_by(AuditEntry.number.desc()).limit(MOST_SHOWN)
    for column, value in ((AuditEntry.actor, wanted.actor), (AuditEntry.action, wanted.action)):
        if value:
            query = query.where(column.startswith(value.lower(), autoescape=True))
    if wanted.subject:
        ways = {wanted.subject, wanted.subject.upper(), wanted.subject.lower()}
        query = query.where(AuditEntry.subject.in_(sorted(ways)))
    if wanted.since is not None:
        query = query.where(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(AuditEntry.at < wanted.until)
    if wanted.before is not None:
        query = query.where(AuditEntry.number < wanted.before)
    return session.scalars(query).all()


def head(session: Session) -> AuditHead:
    """The end of the trail; written down elsewhere, it shows whether the trail was cut short."""
    return session.get_one(AuditHead, 1, populate_existing=True)


def _end(session: Session) -> tuple[int, bytes]:
    """Where the chain went on to, as it says itself; what is there, if it says nothing any more."""
    end = session.get(AuditHead, 1, populate_existing=True)
    if end is not None:
        return end.number, end.digest
    return session.scalar(select(func.max(AuditEntry.number))) or 0, b""


def _all(session: Session, end: int) -> Iterator[AuditEntry]:
    """Every entry in order, some at a time: the trail may be longer than the memory."""
    last = 0
    while True:
        query = select(AuditEntry).where(AuditEntry.number > last, AuditEntry.number <= end)
        query = query.order_by(AuditEntry.number)
        found = session.scalars(query.limit(BATCH)).all()
        if not found:
            return
        yield from found
        last = found[-1].number
        session.expunge_all()


def _gap(expected: int, found: int) -> str:
    return "is missing" if found == expected + 1 else f"is missing, and all before {found}"


def _holds(entry: AuditEntry, before: bytes, keys: Keys) -> bool:
    seals = _seals(_Line.of(entry), before, keys)
    return any(compare_digest(entry.digest, each) for each in seals)


def _seals(line: _Line, before: bytes, keys: Keys) -> tuple[bytes, ...]:
    """What its digest may be, by the newest key first."""
    parts = (line.number, line.at.isoformat(), *line[2:])
    return keys.digests("audit", before + repr(parts).encode(), entry=line.number)
