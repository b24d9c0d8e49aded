"""Times of foreign calendars: which instant a wall clock of theirs means."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from icalendar import Timezone
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from .reading import sensible

LARGEST_ZONE = 8 * 1024
_TIME = re.compile(r"(\d{8}T\d{6})(Z?)")
_BLOCK = re.compile(r"(?is)BEGIN:VTIMEZONE\n.*?\nEND:VTIMEZONE")
_TZID = re.compile(r"(?im)^TZID(?:;[^:\n]*)?:(.*)$")
_RRULE = re.compile(r"(?im)^RRULE(?:;[^:\n]*)?:(.*)$")
_YEARLY = re.compile(
    r"(?i)(?:FREQ=YEARLY|INTERVAL=1|WKST=[A-Z]{2}|BYMONTH=\d{1,2}|BYDAY=-?\d?[A-Z]{2}"
    r"|BYMONTHDAY=\d{1,2}(?:,\d{1,2}){0,6}|UNTIL=\d{8}(?:T\d{6}Z?)?|;)+\s*"
)
"""The rules by which clocks change; any other could be expanded without end."""
_LONG_AGO = re.compile(r"(?im)^(DTSTART(?:;[^:\n]*)?:)(?:1[0-8]|0\d)\d\d")
"""Windows lets its rules begin in 1601, from where every year would be counted."""


def instant(time: str, tzid: str, calendar: str) -> datetime | None:
    """The instant in UTC; None for a day, a floating time or a zone that cannot be known.

    Args:
        time: As RFC 5545 §3.3.5 writes it.
        calendar: The text of the calendar, unfolded, for a zone that it describes itself.
    """
    found = _TIME.fullmatch(time.strip().upper())
    if found is None:
        return None
    try:
        local = datetime.strptime(found[1], "%Y%m%dT%H%M%S")  # noqa: DTZ007 (its zone follows)
        zone = UTC if found[2] else zone_of(tzid, calendar)
        return sensible(local.replace(tzinfo=zone)) if zone else None
    except (ValueError, OverflowError):
        return None


def zone_of(tzid: str, calendar: str) -> tzinfo | None:
    """The zone by its name, as IANA or Windows know it, or as the calendar describes it."""
    tzid = tzid.strip().strip('"')
    if not tzid or len(tzid) > 200:
        return None
    for name in _names(tzid):
        try:
            return ZoneInfo(WINDOWS_TO_OLSON.get(name, name))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return _described(tzid, calendar)


def _names(tzid: str) -> Iterator[str]:
    """The name, and its last words where it is made unique by a prefix (RFC 5545 §3.2.19)."""
    yield tzid
    words = tzid.strip("/").split("/")
    for count in (3, 2, 1):
        if count < len(words):
            yield "/".join(words[-count:])


def _described(tzid: str, calendar: str) -> tzinfo | None:
    for block in _BLOCK.findall(calendar[: LARGEST_ZONE * 8]):
        name = _TZID.search(block)
        if name and name[1].strip().strip('"') == tzid and len(block) <= LARGEST_ZONE:
            return _built(block)
    return None


def _built(block: str) -> tzinfo | None:
    if not all(_YEARLY.fullmatch(rule) for rule in _RRULE.findall(block)):
        return None
    # Its library remembers zones by name: this one must not be taken for another's.
    block = _TZID.sub("TZID:described", block)
    block = _LONG_AGO.sub(r"\g<1>1970", block)
    try:
        component = cast(Timezone, Timezone.from_ical(block.replace("\n", "\r\n")))
        return cast(tzinfo, component.to_tz(lookup_tzid=False))
    except Exception:  # the library raises whatever it stumbles over
        return None
