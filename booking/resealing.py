"""All that is sealed, under the newest secret: while the service runs, some rows at a time.

A row is read, sealed anew and written only if it still holds what was read: whoever writes it at
the same time wins, and has sealed it under the newest secret already. So it can be ended at any
moment and begun again, and it goes round until there was nothing left to do.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from booking.models.database import db, transaction
from booking.services import rotation
from booking.services.links import Keys

NONE_NAMED = "BOOKING_FORMER_SECRET_KEYS names no former secret: nothing was to be done."
ALL_DONE = "All that is sealed is sealed under the newest secret."
CAN_GO = (
    "The former secret can be taken out of BOOKING_FORMER_SECRET_KEYS, best a day after the change:"
    " until then it knows sign-ins and forms from before."
)


class WrongSecret(Exception):
    """Nothing was done; the text is one sentence that says why."""


@dataclass(frozen=True)
class Done:
    """What was done, in figures alone, and what is left."""

    resealed: Counter[str]
    closed: Counter[str]
    """By column, what no secret opens that is known."""
    left: list[str]
    """What remains, in sentences."""


def reseal(keys: Keys, *, now: datetime) -> Done:
    """Seal everything under the newest secret, and lay the former ones down.

    Raises:
        WrongSecret: if nothing here was ever sealed under one of them.
        Busy: if others held the database for too long. What was done stays done.
    """
    for secret in keys.former:
        if not rotation.has_sealed(db.session(), secret):
            raise WrongSecret(
                "A secret that BOOKING_FORMER_SECRET_KEYS names has sealed nothing in this "
                "database: is it the right one?"
            )
    if keys.former:
        with transaction() as session:
            rotation.lay_down(session, keys, now=now)
    resealed = Counter({_name(column): 0 for column in rotation.sealed_columns()})
    while (found := _once_round(keys)).total():
        resealed += found
    closed = _closed(keys)
    return Done(resealed, closed, [] if closed else list(_left(keys)))


def still_closed(closed: Counter[str]) -> str:
    """The sentence about what could not be opened."""
    what = ", ".join(f"{count} in {name}" for name, count in sorted(closed.items()))
    return (
        f"No secret that is known opens {what}: name theirs in BOOKING_FORMER_SECRET_KEYS as well."
    )


def _once_round(keys: Keys) -> Counter[str]:
    found: Counter[str] = Counter()
    for column in rotation.sealed_columns():
        for batch in rotation.batches(db.session(), column, keys):
            if batch.stale:
                with transaction() as session:
                    found[_name(column)] += rotation.replace(session, column, batch.stale)
            db.session.rollback()  # the next rows are looked at as they are then
    return found


def _closed(keys: Keys) -> Counter[str]:
    found: Counter[str] = Counter()
    for column in rotation.sealed_columns():
        for batch in rotation.batches(db.session(), column, keys):
            found[_name(column)] += batch.closed
    return +found


def _left(keys: Keys) -> Iterator[str]:
    if not keys.former:
        yield NONE_NAMED
        return
    needed = rotation.still_needed(db.session(), keys)
    yield ALL_DONE
    if needed.passwords:
        yield (
            f"Passwords not typed since the change: {needed.passwords}. They need the former "
            "secret until their owners have signed in with them, or are given a new password."
        )
    if needed.feeds:
        yield (
            f"Addresses of feeds made before: {needed.feeds}. They work on without the former "
            "secret, but are shown no more; a renewed one is."
        )
    if not needed.passwords:
        yield CAN_GO


def _name(column: object) -> str:
    return str(column)
