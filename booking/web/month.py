"""A month of free times, as the page shows it."""

import calendar
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _l

from booking.domain.slots import Slot
from booking.domain.waiting import DayPart, part_of_day

PARTS = {
    DayPart.MORNING: _l("Morning"),
    DayPart.AFTERNOON: _l("Afternoon"),
    DayPart.EVENING: _l("Evening"),
}

SUNDAY_FIRST = frozenset({"US", "CA", "MX", "BR", "JP", "IL", "IN", "ZA", "PH", "TW", "HK"})
"""Countries whose calendars begin with Sunday (Unicode CLDR weekData); others begin with Monday."""


@dataclass(frozen=True)
class Day:
    """One square of the calendar."""

    date: date
    in_month: bool
    is_today: bool
    is_chosen: bool
    is_free: bool


@dataclass(frozen=True)
class Month:
    """A month of one service's free times in one time zone.

    Args to the maker are the slots of the month, in order of time; nothing here reads a clock.
    """

    first: date
    zone: ZoneInfo
    today: date
    by_day: Mapping[date, Sequence[Slot]]
    chosen: date | None
    sunday_first: bool

    @property
    def weekdays(self) -> list[int]:
        """The columns; 0 is Monday."""
        return list(self._calendar.iterweekdays())

    @cached_property
    def weeks(self) -> list[list[Day]]:
        """The squares, whole weeks."""
        weeks = self._calendar.monthdatescalendar(self.first.year, self.first.month)
        return [[self._day(each) for each in week] for week in weeks]

    @property
    def previous(self) -> date | None:
        """The month before, unless it is over."""
        before = (self.first - timedelta(days=1)).replace(day=1)
        return before if before >= self.today.replace(day=1) else None

    @property
    def following(self) -> date:
        """The month after."""
        return (self.first + timedelta(days=31)).replace(day=1)

    @property
    def parts(self) -> list[tuple[str, list[Slot]]]:
        """The chosen day's slots: morning, afternoon, evening; empty parts left out."""
        found: dict[DayPart, list[Slot]] = {each: [] for each in PARTS}
        for slot in self.by_day.get(self.chosen, ()) if self.chosen else ():
            found[part_of_day(slot.start.astimezone(self.zone))].append(slot)
        return [(str(PARTS[part]), slots) for part, slots in found.items() if slots]

    def more_days(self, count: int) -> list[tuple[date, Sequence[Slot]]]:
        """The days with free times that come after the chosen one."""
        later = (each for each in sorted(self.by_day) if not self.chosen or each > self.chosen)
        return [(each, self.by_day[each]) for each in list(later)[:count]]

    def starts(self, more_days: int, *, whole: bool) -> bytes:
        """The times that are shown, of the chosen day and so many more or of all; in short."""
        days = [each for each, _ in self.more_days(more_days)]
        shown = self.by_day if whole else filter(None, (self.chosen, *days))
        slots = (slot for day in shown for slot in self.by_day.get(day, ()))
        return array("q", (int(slot.start.timestamp()) for slot in slots)).tobytes()

    @property
    def next_day(self) -> date | None:
        """The next day of the month with free times, after the chosen one."""
        return min((d for d in self.by_day if self.chosen is None or d > self.chosen), default=None)

    @property
    def previous_day(self) -> date | None:
        """The last day of the month with free times, before the chosen one."""
        return max((d for d in self.by_day if self.chosen and d < self.chosen), default=None)

    @cached_property
    def _calendar(self) -> calendar.Calendar:
        return calendar.Calendar(calendar.SUNDAY if self.sunday_first else calendar.MONDAY)

    def _day(self, each: date) -> Day:
        in_month = each.month == self.first.month
        return Day(
            date=each,
            in_month=in_month,
            is_today=each == self.today,
            is_chosen=each == self.chosen,
            is_free=in_month and each in self.by_day,
        )


def month_of(
    slots: Iterable[Slot],
    *,
    first: date,
    day: date | None,
    zone: ZoneInfo,
    today: date,
    country: str,
) -> Month:
    """Lay out the slots; without a day asked for, the first free one is opened."""
    by_day: dict[date, list[Slot]] = {}
    for slot in slots:
        local = slot.start.astimezone(zone).date()
        if (local.year, local.month) == (first.year, first.month):
            by_day.setdefault(local, []).append(slot)
    chosen = day if day and (day.year, day.month) == (first.year, first.month) else None
    return Month(
        first=first,
        zone=zone,
        today=today,
        by_day=by_day,
        chosen=chosen or min(by_day, default=None),
        sunday_first=country in SUNDAY_FIRST,
    )
