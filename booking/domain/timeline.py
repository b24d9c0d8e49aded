"""Time as a set of minutes, on which availability is computed with set algebra."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The instants from ``start`` up to, and without, ``until``; both in UTC."""

    start: datetime
    until: datetime

    def __post_init__(self) -> None:
        _require_utc(self.start)
        _require_utc(self.until)
        if self.until < self.start:
            raise ValueError(f"A span cannot end ({self.until}) before it begins ({self.start}).")


@dataclass(frozen=True, slots=True)
class Timeline:
    """A set of whole minutes between two instants.

    Attributes:
        origin: The first instant of the bounds, in UTC, on a whole minute.
        length: How many minutes lie within the bounds.
        bits: Bit *n* is set when the minute that begins *n* minutes after ``origin`` is in.
    """

    origin: datetime
    length: int
    bits: int = 0

    def __post_init__(self) -> None:
        _require_whole_minute(self.origin)
        if self.length < 0:
            raise ValueError("The bounds of a timeline cannot end before they begin.")
        if self.bits < 0 or self.bits.bit_length() > self.length:
            raise ValueError("A timeline cannot hold minutes outside its bounds.")

    @classmethod
    def over(
        cls,
        origin: datetime,
        until: datetime,
        spans: Iterable[Span] = (),
        *,
        every: timedelta = MINUTE,
    ) -> Self:
        """The minutes that the spans touch, between two whole minutes in UTC.

        A second that is taken takes its minute; what lies outside the bounds is dropped.

        Args:
            every: Take only the first minute of each span, and one at each such distance after it.
        """
        _require_whole_minute(origin)
        _require_whole_minute(until)
        length, step = (until - origin) // MINUTE, _whole_minutes(every)
        runs = [_run(span, origin, length, step) for span in spans if span.start < span.until]
        return cls(origin, length, _bits(runs, length))

    @property
    def until(self) -> datetime:
        """The instant at which the bounds end."""
        return self.origin + self.length * MINUTE

    def __or__(self, other: "Timeline") -> Self:
        return self._with(self.bits | self._bits_of(other))

    def __and__(self, other: "Timeline") -> Self:
        return self._with(self.bits & self._bits_of(other))

    def __sub__(self, other: "Timeline") -> Self:
        return self._with(self.bits & ~self._bits_of(other))

    def __invert__(self) -> Self:
        return self._with(self.bits ^ self._everything)

    def __bool__(self) -> bool:
        return self.bits != 0

    def __contains__(self, instant: datetime) -> bool:
        """Whether the instant is one of the minutes; half past a minute is none."""
        _require_utc(instant)
        minute, rest = divmod(instant - self.origin, MINUTE)
        return not rest and minute >= 0 and bool(self.bits >> minute & 1)

    def spans(self) -> Iterator[Span]:
        """The unbroken runs of minutes, each as long as can be, in order of time."""
        text = self._as_text()
        start = text.find("1")
        while start >= 0:
            until = text.find("0", start)
            yield Span(self.origin + start * MINUTE, self.origin + until * MINUTE)
            start = text.find("1", until)

    def instants(self) -> Iterator[datetime]:
        """The beginning of each minute of the set, in order of time."""
        return (self.origin + minute * MINUTE for minute in self.minutes())

    def minutes(self) -> Iterator[int]:
        """The same, counted from the origin."""
        text = self._as_text()
        minute = text.find("1")
        while minute >= 0:
            yield minute
            minute = text.find("1", minute + 1)

    def eighths(self) -> bytes:
        """The set as bytes of eight minutes each, the first one lowest: quick to look up many in.

        Minute *n* is in when `eighths[n >> 3] >> (n & 7) & 1`.
        """
        return self.bits.to_bytes((self.length + 7) // 8, "little")

    def starts_of(self, length: timedelta) -> Self:
        """The minutes at which an unbroken run of this length begins, all of it in the set."""
        wanted = _whole_minutes(length)
        bits, have = self.bits, 1
        # Each round doubles the run that a set bit vouches for; the last one fills up the rest.
        while have < wanted:
            reach = min(have, wanted - have)
            bits &= bits >> reach
            have += reach
        return self._with(bits)

    def spread(self, *, earlier: timedelta, later: timedelta) -> Self:
        """The set, each minute of it reaching so far to both sides (whole minutes, not negative).

        What reaches out of the bounds is dropped.
        """
        before = _whole_minutes(earlier, at_least=0)
        wanted = before + _whole_minutes(later, at_least=0) + 1
        bits, have = self.bits, 1
        while have < wanted:
            reach = min(have, wanted - have)
            bits |= bits << reach
            have += reach
        return self._with(bits >> before & self._everything)

    def shifted(self, by: timedelta) -> Self:
        """The set moved later, or earlier if negative, by whole minutes; the bounds stay."""
        minutes = by // MINUTE
        if minutes * MINUTE != by:
            raise ValueError(f"A timeline moves by whole minutes, not by {by}.")
        moved = self.bits << minutes if minutes >= 0 else self.bits >> -minutes
        return self._with(moved & self._everything)

    def window(self, start: datetime | None, until: datetime | None) -> Self:
        """The minutes that begin at or after ``start`` and before ``until``; the bounds stay."""
        first = 0 if start is None else self._first_minute_from(start)
        end = self.length if until is None else self._first_minute_from(until)
        return self._with(self.bits & ((1 << end) - 1) >> first << first)

    @property
    def _everything(self) -> int:
        return (1 << self.length) - 1

    def _with(self, bits: int) -> Self:
        return type(self)(self.origin, self.length, bits)

    def _bits_of(self, other: "Timeline") -> int:
        if (self.origin, self.length) != (other.origin, other.length):
            raise ValueError("Timelines are only combined within the same bounds.")
        return other.bits

    def _first_minute_from(self, instant: datetime) -> int:
        _require_utc(instant)
        return min(max(0, _rounded_up(instant - self.origin)), self.length)

    def _as_text(self) -> str:
        # To search in text is one pass over it; to take the lowest bit off copies the whole
        # number each time. The closing 0 ends a run that reaches the end of the bounds.
        return f"{self.bits:b}"[::-1] + "0"


def _run(span: Span, origin: datetime, length: int, step: int) -> range:
    """The minutes of a span, every ``step``-th, counted from the origin and cut to the bounds."""
    start, until = (span.start - origin) // MINUTE, _rounded_up(span.until - origin)
    if start < 0:
        start %= step  # The first one within the bounds keeps the beat of those before.
    return range(start, min(until, length), step)


def _bits(runs: list[range], length: int) -> int:
    # One character per minute: filling it costs each run its own length, while each operation
    # on the number would cost the length of the bounds.
    if not runs:
        return 0
    text = bytearray(b"0") * length
    for run in runs:
        if run:
            text[run.start : run.stop : run.step] = b"1" * len(run)
    return int(text[::-1] or b"0", 2)


def _rounded_up(elapsed: timedelta) -> int:
    return -(-elapsed // MINUTE)


def _whole_minutes(length: timedelta, *, at_least: int = 1) -> int:
    minutes, rest = divmod(length, MINUTE)
    if rest or minutes < at_least:
        raise ValueError(f"Expected whole minutes, at least {at_least}, not {length}.")
    return minutes


def _require_utc(instant: datetime) -> None:
    # By name, since London in winter is also at zero, and its arithmetic is on the wall clock.
    if instant.tzinfo is not UTC and instant.tzname() != "UTC":
        raise ValueError(f"Expected an instant in UTC, not {instant!r}.")


def _require_whole_minute(instant: datetime) -> None:
    _require_utc(instant)
    if instant.second or instant.microsecond:
        raise ValueError(f"Expected a whole minute, not {instant}.")
