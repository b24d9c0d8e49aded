"""Lengths of time and other numbers as people type them; in the manner of `fields`."""

import re
from datetime import timedelta

from booking.models import RemindIf
from booking.services import bounds
from booking.services.bounds import Bounds

UNITS = {"min": 1, "h": 60, "d": bounds.DAY}
SPELLED = {"m": "min", "mins": "min", "minute": "min", "minutes": "min", "hr": "h", "hrs": "h",
           "hour": "h", "hours": "h", "day": "d", "days": "d"}  # fmt: skip
UNLESS_ACCEPTED = "unless accepted"
MOST_REMINDERS = 8
HOW = "Write a length such as 45 min, 2 h, 1 h 30 min or 1 d."
Reminders = tuple[tuple[timedelta, RemindIf], ...]


def length(text: str, *, within: Bounds, what: str) -> timedelta:
    """A length of time, such as `45 min`, `1 h 30 min` or `1 d`; a bare number is minutes."""
    minutes = _minutes(text)
    if minutes is None:
        raise ValueError(f"{what} is missing or not clear. {HOW}")
    if not within.least <= minutes <= within.most:
        raise ValueError(f"{what} can be from {words(within.least)} to {words(within.most)}. {HOW}")
    return timedelta(minutes=minutes)


def words(minutes: int) -> str:
    """The same as it is typed: `1 h 30 min`."""
    found = []
    for unit, size in sorted(UNITS.items(), key=lambda each: -each[1]):
        count, minutes = divmod(minutes, size)
        if count:
            found.append(f"{count} {unit}")
    return " ".join(found) or "0 min"


def length_text(stored: timedelta) -> str:
    """A stored length as it is typed."""
    return words(stored // timedelta(minutes=1))


def number(text: str, *, within: Bounds, what: str) -> int:
    """A whole number."""
    found = re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII)
    if found is None or not within.least <= int(found[0]) <= within.most:
        raise ValueError(f"{what} is a whole number from {within.least} to {within.most}.")
    return int(found[0])


def optional_number(text: str, *, within: Bounds, what: str) -> int | None:
    """A whole number, or nothing."""
    return number(text, within=within, what=what) if text.strip() else None


def reminders(text: str) -> Reminders:
    """When a patient is reminded, such as `2 d, 2 h unless accepted`; the first to come first."""
    found: dict[timedelta, RemindIf] = {}
    for part in filter(None, (each.strip() for each in re.split(r"[,;]", text))):
        plain = " ".join(part.lower().split())
        unless = plain.endswith(UNLESS_ACCEPTED)
        before = length(
            plain.removesuffix(UNLESS_ACCEPTED), within=bounds.REMINDER, what="A reminder"
        )
        if before in found:
            raise ValueError(f"The reminder {length_text(before)} stands there twice.")
        found[before] = RemindIf.NOT_ACCEPTED if unless else RemindIf.ALWAYS
    if len(found) > MOST_REMINDERS:
        raise ValueError(f"Write up to {MOST_REMINDERS} reminders.")
    return tuple(sorted(found.items(), reverse=True))


def reminders_text(stored: Reminders) -> str:
    """The same as they are typed."""
    return ", ".join(
        f"{length_text(before)} {UNLESS_ACCEPTED}"
        if what == RemindIf.NOT_ACCEPTED
        else length_text(before)
        for before, what in stored
    )


def _minutes(text: str) -> int | None:
    plain = text.strip().lower()
    if re.fullmatch(r"\d{1,7}", plain, re.ASCII):
        return int(plain)
    if not re.fullmatch(r"(\d{1,7}\s*[a-z]+\s*)+", plain, re.ASCII) or len(plain) > 40:
        return None
    total, sizes = 0, []
    for count, unit in re.findall(r"(\d+)\s*([a-z]+)", plain):
        size = UNITS.get(SPELLED.get(unit, unit))
        if size is None:
            return None
        sizes.append(size)
        total += int(count) * size
    return total if sizes == sorted(set(sizes), reverse=True) else None
