"""What a change of the secret concerns: all that is sealed, and what cannot be written anew."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Column, CursorResult, exists, func, or_, select, update
from sqlalchemy.orm import Session

from booking.models import AuditEntry, Feed, User
from booking.models.base import Base
from booking.services import audit
from booking.services.feeds import token_of_feed
from booking.services.kept_keys import keep
from booking.services.links import Keys

BATCH = 100
HASHED_ANEW = ("password.change", "person.join")
"""Entries of the trail that say so, beside a sign-in by password."""


@dataclass(frozen=True)
class Stale:
    """A value that is sealed under a former secret, and the same under the newest."""

    id: int
    old: bytes
    new: bytes


@dataclass(frozen=True)
class Batch:
    """Some rows of a column, as they were a moment ago."""

    stale: list[Stale]
    closed: int
    """How many can be opened by no secret that is known."""


@dataclass(frozen=True)
class Needed:
    """For what a former secret is still needed."""

    passwords: int
    """People who have not typed theirs since: it is known only by a hash."""
    feeds: int
    """Addresses of feeds: they work on without it, but cannot be shown."""


def sealed_columns() -> list[Column[Any]]:
    """Every column that is marked as sealed."""
    tables = Base.metadata.sorted_tables
    return [column for table in tables for column in table.columns if "seal" in column.info]


def batches(session: Session, column: Column[Any], keys: Keys) -> Iterator[Batch]:
    """Go through a column, some rows at a time; between two of them a transaction may end."""
    (key,) = column.table.primary_key
    newest, opener = keys.newest_alone(column.info["seal"]), keys.opener(column.info["seal"])
    last = 0
    while True:
        query = select(key, column).where(key > last, column.is_not(None)).order_by(key)
        rows = [(row[0], row[1]) for row in session.execute(query.limit(BATCH))]
        if not rows:
            return
        last = rows[-1][0]
        yield _judged([row for row in rows if not _opens(newest, row[1])], opener)


def _judged(rows: list[tuple[int, bytes]], opener: MultiFernet) -> Batch:
    stale: list[Stale] = []
    for number, value in rows:
        with suppress(InvalidToken):
            stale.append(Stale(number, value, opener.rotate(value)))
    return Batch(stale, len(rows) - len(stale))


def replace(session: Session, column: Column[Any], stale: list[Stale]) -> int:
    """Write those that nobody has written meanwhile; how many that were."""
    (key,) = column.table.primary_key
    done = 0
    for each in stale:
        same = (key == each.id, column == each.old)
        write = update(column.table).where(*same).values({column: each.new})
        done += cast(CursorResult[Any], session.execute(write)).rowcount
    return done


def has_sealed(session: Session, secret: str) -> bool:
    """Whether anything here is sealed under that secret; if not, it is a wrong one."""
    other = Keys(secrets.token_urlsafe(), (secret,))
    return audit.has_entry_of(session, secret) or any(
        batch.stale for column in sealed_columns() for batch in batches(session, column, other)
    )


def lay_down(session: Session, keys: Keys, *, now: datetime) -> None:
    """Let former secrets count for the trail up to here, and keep what will be needed of them.

    The entry about it is sealed under the newest: it holds all before it in place, so that
    whoever has a former secret can add nothing, and change nothing of what was.
    """
    audit.note(session, "keys.rotate", keys=keys, actor="system", now=now)
    keep(session, keys, until=audit.head(session).number)


def still_needed(session: Session, keys: Keys) -> Needed:
    """What would be lost if the former secrets were known no more."""
    alone = Keys(keys.secret)
    feeds = [each for each in session.scalars(select(Feed)) if token_of_feed(each, keys)]
    lost = [each for each in feeds if token_of_feed(each, alone) is None]
    return Needed(_passwords(session, audit.last_of_before(session, keys)), len(lost))


def _passwords(session: Session, before: int) -> int:
    typed = or_(
        AuditEntry.action.in_(HASHED_ANEW),
        (AuditEntry.action == "sign_in") & (AuditEntry.fields == "password"),
    )
    since = exists().where(AuditEntry.actor == User.email, AuditEntry.number > before, typed)
    query = select(func.count(User.id)).where(User.active, User.joined_at.is_not(None), ~since)
    return session.scalar(query) or 0


def _opens(fernet: Fernet, value: bytes) -> bool:
    try:
        fernet.decrypt(value)
    except InvalidToken:
        return False
    return True
