"""When a patient is reminded of what is coming."""

from collections.abc import Iterable
from datetime import datetime, timedelta

DEFAULT = (timedelta(days=2), timedelta(hours=2))
"""How long before the beginning, where a clinic says nothing else."""


def reminders_ahead(
    start: datetime, lengths: Iterable[timedelta], *, after: datetime
) -> list[tuple[timedelta, datetime]]:
    """The reminders that are still to come, earliest first: how long before, and when.

    Lengths are counted on the UTC axis: two hours before are two hours of waiting, also in the
    night when the clock changes. What would have been due by `after` is left out: somebody who
    books late has just been told.
    """
    due = ((before, start - before) for before in sorted(set(lengths), reverse=True))
    return [(before, instant) for before, instant in due if instant > after]
