"""The rules of availability once more, minute by minute, sharing no code with the domain.

Slow and plain on purpose: each function is the sentence of the rule written as a loop.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from booking.domain.openings import WeeklyHours
from booking.domain.slots import BookingRules
from booking.domain.timeline import Span

MINUTE = timedelta(minutes=1)

ZONES = {
    # Each with a date near which its clock changes in a way that has caught somebody.
    "America/New_York": (date(2026, 3, 8), date(2026, 11, 1)),
    "Europe/Berlin": (date(2026, 3, 29), date(2026, 10, 25)),
    "Europe/London": (date(2026, 3, 29), date(2026, 10, 25)),
    "Australia/Lord_Howe": (date(2026, 4, 5), date(2026, 10, 4)),  # by half an hour
    "Asia/Kathmandu": (date(2026, 3, 29), date(2026, 10, 25)),  # never; 5:45 ahead
    "America/St_Johns": (date(2011, 3, 13), date(2010, 11, 7), date(2026, 11, 1)),  # at 00:01
    "Pacific/Apia": (date(2011, 12, 30), date(2011, 9, 24), date(2021, 4, 4)),  # skips a day
    "Africa/Casablanca": (date(2026, 2, 15), date(2026, 3, 22)),  # back for Ramadan
    "Asia/Tehran": (date(2022, 3, 22), date(2022, 9, 22)),  # at midnight
    "America/Havana": (date(2026, 3, 8), date(2026, 11, 1)),  # forward at midnight
    "America/Santiago": (date(2026, 4, 4), date(2026, 9, 6)),  # both over midnight
    "Pacific/Chatham": (date(2026, 4, 5), date(2026, 9, 27)),  # 12:45 ahead, at 02:45
}


class Moment(NamedTuple):
    """A minute in UTC, and what the clock on the wall shows then."""

    instant: datetime
    day: date
    minute: int


def moments(
    zone: ZoneInfo, origin: datetime, until: datetime, every: timedelta = MINUTE
) -> list[Moment]:
    """What the clock on the wall shows, from the first instant until before the second."""
    return [
        Moment(instant, local.date(), local.hour * 60 + local.minute)
        for instant in walk(origin, until, every)
        for local in [instant.astimezone(zone)]
    ]


def walk(origin: datetime, until: datetime, every: timedelta = MINUTE) -> Iterator[datetime]:
    instant = origin
    while instant < until:
        yield instant
        instant += every


def around(day: date, days: int) -> tuple[datetime, datetime]:
    """UTC bounds that hold the local day in any zone, and so many days on both sides."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return noon - timedelta(hours=36, days=days), noon + timedelta(hours=36, days=days)


def is_open(hours: WeeklyHours, moment: Moment) -> bool:
    """Whether it is open then by a rule for this weekday."""
    if hours.valid_from is not None and moment.day < hours.valid_from:
        return False
    if hours.valid_until is not None and moment.day > hours.valid_until:
        return False
    if not between(hours.opens, moment.minute, hours.closes):
        return False
    return not any(between(start, moment.minute, end) for start, end in hours.breaks)


def between(start: time, minute: int, end: time) -> bool:
    last = end.hour * 60 + end.minute
    if last == 0:
        last = 24 * 60
    return start.hour * 60 + start.minute <= minute < last


def open_instants(hours: Sequence[WeeklyHours], shown: Sequence[Moment]) -> set[datetime]:
    return {each.instant for _, each in open_moments(hours, shown)}


def grid_instants(
    hours: Sequence[WeeklyHours], step: timedelta, shown: Sequence[Moment]
) -> set[datetime]:
    found = set()
    for rule, each in open_moments(hours, shown):
        first = rule.opens.hour * 60 + rule.opens.minute
        if (each.minute - first) % (step.seconds // 60) == 0:
            found.add(each.instant)
    return found


def open_moments(
    hours: Sequence[WeeklyHours], shown: Iterable[Moment]
) -> Iterator[tuple[WeeklyHours, Moment]]:
    by_weekday = [[rule for rule in hours if rule.weekday == day] for day in range(7)]
    for each in shown:
        for rule in by_weekday[each.day.weekday()]:
            if is_open(rule, each):
                yield rule, each


def minutes_of(spans: Iterable[Span]) -> set[datetime]:
    """The whole minutes that the spans touch."""
    return {
        minute
        for span in spans
        for minute in walk(span.start.replace(second=0, microsecond=0), span.until)
        if span.start < span.until
    }


def may_start(
    rules: BookingRules,
    start: datetime,
    *,
    hours: set[datetime],
    grid: set[datetime],
    taken: set[datetime],
    now: datetime,
) -> bool:
    """Whether an appointment may start then; ``hours`` has the closures taken away."""
    if start not in grid:
        return False
    if not now + rules.minimum_notice <= start <= now + rules.booking_horizon:
        return False
    end = start + rules.duration
    if not all(minute in hours for minute in walk(start, end)):
        return False
    blocked = walk(start - rules.buffer_before, end + rules.buffer_after)
    return not any(minute in taken for minute in blocked)


def room_may_start(
    rules: BookingRules, start: datetime, *, taken: set[datetime], usable: set[datetime]
) -> bool:
    """Whether a room does for an appointment then; ``usable`` are the minutes not closed."""
    end = start + rules.duration
    if not all(minute in usable for minute in walk(start, end)):
        return False
    blocked = walk(start - rules.buffer_before, end + rules.buffer_after)
    return not any(minute in taken for minute in blocked)
