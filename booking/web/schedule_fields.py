"""What staff may type into the schedule, as stored; in the manner of `fields`."""

import re
from collections.abc import Collection
from datetime import date, time
from urllib.parse import urlsplit

from booking.services import bounds
from booking.web import fields

MIDNIGHT = time()
MOST_BREAKS = 8


def clock(text: str) -> time:
    """A time on the wall, such as 09:30."""
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip(), re.ASCII)
    if found is None:
        raise ValueError("Write a time from 00:00 to 23:59, like 09:30.")
    return time(int(found[1]), int(found[2]))


def optional_clock(text: str) -> time | None:
    """A time on the wall, or nothing."""
    return clock(text) if text.strip() else None


def breaks(text: str) -> tuple[tuple[time, time], ...]:
    """Pauses, such as `12:00-13:00, 15:00-15:15`, in order of time."""
    found = []
    for part in filter(None, re.split(r"[,;]", text.replace("–", "-").replace(" ", ""))):
        begins, dash, ends = part.partition("-")
        if not dash:
            raise ValueError("Write breaks like 12:00-13:00, with commas between them.")
        found.append((clock(begins), clock(ends)))
    if len(found) > MOST_BREAKS:
        raise ValueError(f"Write up to {MOST_BREAKS} breaks.")
    if any(begins >= ends for begins, ends in found):
        raise ValueError("A break ends after it begins.")
    return tuple(sorted(found))


def breaks_text(pauses: Collection[tuple[time, time]]) -> str:
    """The same, as it is typed."""
    return ", ".join(f"{begins:%H:%M}-{ends:%H:%M}" for begins, ends in pauses)


def optional_date(text: str) -> date | None:
    """A date, or nothing."""
    return fields.date_in(text.strip()) if text.strip() else None


def required(text: str, *, longest: int, what: str) -> str:
    """One line that is not empty."""
    found = fields.plain_text(text, longest=longest, what=what)
    if not found:
        raise ValueError(f"{what} is missing.")
    return found


def optional_line(text: str, *, longest: int, what: str) -> str | None:
    """One line, or nothing."""
    return fields.plain_text(text, longest=longest, what=what) or None


def optional_email(text: str) -> str | None:
    """An address, or nothing."""
    return fields.email_address(text) if text.strip() else None


def https(text: str, *, what: str) -> str:
    """The address of a page that nobody on the way can read."""
    found = fields.plain_text(text, longest=bounds.WEB_ADDRESS, what=what)
    parts = urlsplit(found) if found.isascii() else None
    if parts is None or parts.scheme != "https" or not parts.hostname or " " in found:
        raise ValueError(f"{what} must be an address that begins with https://.")
    return found


def optional_https(text: str, *, what: str) -> str | None:
    """The same, or nothing."""
    return https(text, what=what) if text.strip() else None


def fault_of(opens: time, closes: time, pauses: Collection[tuple[time, time]]) -> str | None:
    """What is wrong with a day's hours, if anything is."""
    if closes != MIDNIGHT and closes <= opens:
        return "The end must be after the beginning; 00:00 is midnight at the end of the day."
    if any(begins < opens or (closes != MIDNIGHT and ends > closes) for begins, ends in pauses):
        return "Breaks must lie within the hours."
    return None
