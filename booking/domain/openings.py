"""From opening hours on the wall clock to openings in UTC, daylight saving included."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from booking.domain.timeline import MINUTE, Span

ALL_MONTHS = frozenset(range(1, 13))

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """When a door is open on one weekday, by the clock on the wall, in whole minutes.

    An extra opening is the same, valid on a single date.

    Attributes:
        weekday: 0 is Monday.
        closes: The first minute that is closed; 00:00 is midnight at the end of the day.
        valid_from: The first date on which this holds; from ever when absent.
        valid_until: The last date on which this holds; for ever when absent.
        breaks: Closed within the opening, from the first time up to, and without, the second.
        months: The months of the year, 1 to 12, in which this holds.
        place: The location where patients are met then; any when absent.
    """

    weekday: int
    opens: time
    closes: time
    valid_from: date | None = None
    valid_until: date | None = None
    breaks: tuple[tuple[time, time], ...] = ()
    months: frozenset[int] = ALL_MONTHS
    place: int | None = None

    def __post_init__(self) -> None:
        if not self.months or not self.months <= ALL_MONTHS:
            raise ValueError("Hours hold in one or more of the months 1 to 12.")
        if not 0 <= self.weekday <= 6:
            raise ValueError(f"A weekday is 0 (Monday) to 6 (Sunday), not {self.weekday}.")
        for start, end in ((self.opens, self.closes), *self.breaks):
            if _since_midnight(start) % MINUTE or _until_midnight(end) % MINUTE:
                raise ValueError(f"Opening hours are in whole minutes: {start} to {end}.")
            if _since_midnight(start) >= _until_midnight(end):
                raise ValueError(f"Opening hours must end ({end}) after they begin ({start}).")

    @classmethod
    def always(cls) -> "tuple[WeeklyHours, ...]":
        """A door that is never closed."""
        return tuple(cls(weekday, time(), time()) for weekday in range(7))

    def holds_on(self, day: date) -> bool:
        """Whether the door opens by this rule on that date."""
        return (
            day.weekday() == self.weekday
            and day.month in self.months
            and (self.valid_from is None or self.valid_from <= day)
            and (self.valid_until is None or day <= self.valid_until)
        )

    @property
    def is_extra(self) -> bool:
        """Whether this is an extra opening: one that holds on a single date."""
        return self.valid_from is not None and self.valid_from == self.valid_until


@dataclass(frozen=True, slots=True)
class Opening:
    """One concrete opening, on one date.

    Attributes:
        begins: The date, the time on the wall and the zone, from which the steps are counted.
            It names no instant: on the night of a change it may occur never or twice.
        spans: When it is open, breaks cut out, in order of time.
    """

    begins: datetime
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of a local day throughout which the clock is the same distance ahead of UTC."""

    span: Span
    ahead: timedelta


def openings(
    hours: Iterable[WeeklyHours], first: date, last: date, zone: ZoneInfo
) -> list[Opening]:
    """The openings on the local dates from ``first`` to ``last``, both included.

    An instant is open when the clock on the wall shows an open time. So the hour that a
    spring night leaves out offers nothing, and the hour that an autumn night repeats is
    open both times.
    """
    rules = [(rule, _open_times(rule)) for rule in hours]
    days = [first + n * _DAY for n in range((last - first) // _DAY + 1)]
    found = (
        Opening(datetime.combine(day, rule.opens, zone), tuple(_instants_of(times, day, zone)))
        for day in days
        for rule, times in rules
        if rule.holds_on(day)
    )
    return sorted((opening for opening in found if opening.spans), key=lambda each: each.spans)


def grid(opening: Opening, step: timedelta) -> list[Span]:
    """The stretches of an opening that are walked in steps, each beginning on a step.

    On a step is an instant whose time on the wall is ``step`` any number of times after the
    beginning of the opening. A break does not start the count anew; nor does a change of
    the clock, after which a stretch begins on the next time on the wall that fits.
    """
    begins, stretches = opening.begins.replace(tzinfo=UTC), _stretches_of(opening)
    walked = []
    for span in opening.spans:
        for stretch in stretches:
            start = max(span.start, stretch.span.start)
            until = min(span.until, stretch.span.until)
            start += (begins - (start + stretch.ahead)) % step
            if start < until:
                walked.append(Span(start, until))
    return walked


def local_day(day: date, zone: ZoneInfo) -> Span:
    """The UTC interval of the instants whose local date is ``day``; 23, 24 or 25 hours, mostly.

    It is empty for a date that the zone has skipped, as Samoa did with 30 December 2011. Where
    the clock goes back over midnight, it runs from the first to the last instant of the date.
    """
    stretches = _stretches(day, zone)
    if not stretches:
        change = local_day(day + _DAY, zone).start
        return Span(change, change)
    return Span(stretches[0].span.start, stretches[-1].span.until)


def _open_times(rule: WeeklyHours) -> list[tuple[timedelta, timedelta]]:
    """The open times of a rule without its breaks, as distances from 00:00 on the wall."""
    start, closes = _since_midnight(rule.opens), _until_midnight(rule.closes)
    breaks = sorted((_since_midnight(begin), _until_midnight(end)) for begin, end in rule.breaks)
    times = []
    for pause, resume in [*breaks, (closes, closes)]:
        times.append((start, min(pause, closes)))
        start = max(start, resume)
    return [(start, end) for start, end in times if start < end]


def _instants_of(
    times: list[tuple[timedelta, timedelta]], day: date, zone: ZoneInfo
) -> Iterator[Span]:
    """The spans during which the clock shows one of the times; those that touch are joined."""
    pending: Span | None = None
    for span in _pieces_of(times, day, zone):
        if pending and pending.until == span.start:
            pending = Span(pending.start, span.until)
        else:
            if pending:
                yield pending
            pending = span
    if pending:
        yield pending


def _pieces_of(
    times: list[tuple[timedelta, timedelta]], day: date, zone: ZoneInfo
) -> Iterator[Span]:
    for stretch in _stretches(day, zone):
        midnight = _midnight(day) - stretch.ahead
        for begin, end in times:
            start = max(midnight + begin, stretch.span.start)
            until = min(midnight + end, stretch.span.until)
            if start < until:
                yield Span(start, until)


def _stretches_of(opening: Opening) -> tuple[_Stretch, ...]:
    zone = opening.begins.tzinfo
    if not isinstance(zone, ZoneInfo):
        raise ValueError(f"An opening begins in a time zone, not in {zone!r}.")
    return _stretches(opening.begins.date(), zone)


@lru_cache(maxsize=16_384)
def _stretches(day: date, zone: ZoneInfo) -> tuple[_Stretch, ...]:
    """The local day in order of time; one stretch, but for the days on which the clock changes."""
    midnight = _midnight(day)
    stretches = []
    # No clock is a whole day ahead of UTC or behind it.
    for start, until in pairwise(_changes(midnight - _DAY, midnight + 2 * _DAY, zone)):
        ahead = _ahead(start, zone)
        begins, ends = max(start, midnight - ahead), min(until, midnight + _DAY - ahead)
        if begins < ends:
            stretches.append(_Stretch(Span(begins, ends), ahead))
    return tuple(stretches)


def _changes(start: datetime, until: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Both instants, and those between them at which the zone's clock changes."""
    yield start
    # No zone has changed its clock twice within half a day.
    half_days = [start + n * _DAY / 2 for n in range((until - start) * 2 // _DAY + 1)]
    for begin, end in pairwise(half_days):
        if _ahead(begin, zone) != _ahead(end, zone):
            yield _change(begin, end, zone)
    yield until


def _change(begin: datetime, end: datetime, zone: ZoneInfo) -> datetime:
    """The first second after ``begin`` that is as far ahead of UTC as ``end`` is."""
    before, second = _ahead(begin, zone), timedelta(seconds=1)
    elapsed = bisect_left(
        range((end - begin) // second),
        True,
        key=lambda seconds: _ahead(begin + seconds * second, zone) != before,
    )
    return begin + elapsed * second


def _ahead(instant: datetime, zone: ZoneInfo) -> timedelta:
    """How far the clock on the wall is ahead of UTC."""
    return instant.astimezone(zone).replace(tzinfo=UTC) - instant


def _midnight(day: date) -> datetime:
    """00:00 on the wall, written as if it were UTC, so that offsets can be taken off."""
    return datetime.combine(day, time(), UTC)


def _since_midnight(clock: time) -> timedelta:
    return datetime.combine(date.min, clock) - datetime.combine(date.min, time())


def _until_midnight(clock: time) -> timedelta:
    """The same for the end of an interval, where 00:00 is the end of the day."""
    return _since_midnight(clock) or _DAY
