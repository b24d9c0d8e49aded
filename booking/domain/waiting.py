"""Which times would suit somebody who waits for an earlier one."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum

NOON, EVENING = 12, 17


class DayPart(IntEnum):
    """A time of day, as people say it; also the bit that stands for it."""

    MORNING = 0
    AFTERNOON = 1
    EVENING = 2


ANY_DAY, ANY_PART = (1 << 7) - 1, (1 << len(DayPart)) - 1


def part_of_day(local: datetime) -> DayPart:
    """Before noon, before five, or later, on the wall clock."""
    if local.hour < NOON:
        return DayPart.MORNING
    return DayPart.AFTERNOON if local.hour < EVENING else DayPart.EVENING


@dataclass(frozen=True)
class Wish:
    """When an earlier time would suit.

    Attributes:
        weekdays: Bit 0 is Monday.
        parts: Bits of `DayPart`.
        until_on: The last day that would still do.
    """

    weekdays: int
    parts: int
    until_on: date

    def suits(self, local: datetime) -> bool:
        """Whether an appointment that begins then, on the wall clock, would do."""
        on_the_day = self.weekdays >> local.weekday() & 1
        at_the_time = self.parts >> part_of_day(local) & 1
        return bool(on_the_day and at_the_time) and local.date() <= self.until_on
