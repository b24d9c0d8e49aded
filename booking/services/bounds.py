"""How much is too much: the limits of what a clinic may say of itself.

The clinic file and the staff's pages take them from here, so that neither lets in what the other
would refuse.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import Field

DAY = 60 * 24


@dataclass(frozen=True)
class Bounds:
    """From and to, both allowed; lengths of time in minutes unless the name says days."""

    least: int
    most: int


DURATION = STEP = Bounds(5, 720)
BUFFER = Bounds(0, 240)
NOTICE = CUTOFF = Bounds(0, 365 * DAY)
HORIZON_DAYS = Bounds(1, 730)
DAILY_CAP = Bounds(1, 1000)
REMINDER = Bounds(5, 30 * DAY)
ERASE_AFTER_DAYS = Bounds(1, 36_500)
ERASE_ON_WISH_DAYS = Bounds(0, 36_500)
PER_CONTACT = Bounds(1, 1000)

NAME = 100
ADDRESS = 300
DIRECTIONS = 1000
WEB_ADDRESS = 300


def within(bounds: Bounds) -> Any:
    """The same for a field of the clinic file."""
    return Field(ge=bounds.least, le=bounds.most)
