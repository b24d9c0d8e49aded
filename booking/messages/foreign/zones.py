"""Which clock a foreign calendar means: IANA names, Windows names, names of its own making."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from hashlib import sha256
from zoneinfo import ZoneInfo

from icalendar import Calendar
from icalendar.prop import vDuration
from icalendar.timezone import tzp

from booking.messages.incoming.zones import zone_of

from .faults import TooMuchWork
from .outline import Part, Property

DAY = timedelta(days=1)
MOST_CHANGES = 300
"""Observances of one VTIMEZONE; a zone with all its history has about 200."""
MOST_DATES = 1000
"""Dates of change that one VTIMEZONE may list."""

_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")

Moment = date | datetime
"""A day, or an instant with its zone."""


class Zones:
    """The zones of one calendar."""

    def __init__(self, calendar: Part, zone: ZoneInfo) -> None:
        """`zone` is the clock of everything that names none, and of names that mean nothing."""
        self.named_by_calendar = named(calendar.text("X-WR-TIMEZONE"))
        self.floating = self.named_by_calendar or zone
        self._own = {each.text("TZID"): each for each in calendar.parts if each.name == "VTIMEZONE"}
        self._known: dict[str, str] = {}

    def key(self, tzid: str) -> str:
        """A name for the zone that icalendar knows; that of floating times for no name.

        A definition in the calendar counts only where the name means nothing to us: ours follow
        the law, theirs are often a year old. It is known from then on by what it says, since
        icalendar keeps one list of names for all calendars.
        """
        if tzid not in self._known:
            self._known[tzid] = self._key(tzid)
        return self._known[tzid]

    def start(self, part: Part) -> Moment:
        """When an event begins.

        Raises:
            ValueError: if it does not say so.
        """
        found = part.first("DTSTART")
        if found is None:
            raise ValueError("no beginning")
        return self.moment(found)

    def moment(self, found: Property) -> Moment:
        """The value of a DATE or DATE-TIME property (RFC 5545 §3.3.4, §3.3.5).

        Raises:
            ValueError: if it is neither.
        """
        match = _MOMENT.fullmatch(found.value.strip())
        if match is None:
            raise ValueError("no date and no time")
        day = date(int(match[1]), int(match[2]), int(match[3]))
        if match[4] is None:
            return day
        second = min(int(match[6]), 59)  # a leap second, which we do not count
        when = datetime(day.year, day.month, day.day, int(match[4]), int(match[5]), second)  # noqa: DTZ001
        return when.replace(tzinfo=UTC if match[7] else self._clock(found))

    def _clock(self, found: Property) -> tzinfo:
        return tzp.timezone(self.key(found.parameters.get("TZID", ""))) or self.floating

    def _key(self, tzid: str) -> str:
        zone = named(tzid)
        if zone is None and tzid in self._own:
            return _defined(self._own[tzid]) or self.floating.key
        return (zone or self.floating).key


def length_of(text: str) -> timedelta:
    """The value of a DURATION property (RFC 5545 §3.3.6).

    Raises:
        ValueError: if it is none.
    """
    length: timedelta = vDuration.from_ical(text.strip().upper())  # type: ignore[no-untyped-call]
    return length


def named(tzid: str) -> ZoneInfo | None:
    """The zone that a name means everywhere; None where it needs a definition."""
    found = zone_of(tzid, "")
    return found if isinstance(found, ZoneInfo) else None


def _defined(part: Part) -> str | None:
    """Teach icalendar a zone by its own definition; its new name, None if it makes no sense.

    Raises:
        TooMuchWork: if the definition changes its clock without measure.
    """
    lines = list(_definition(part))
    name = "x-" + sha256("\n".join(lines).encode()).hexdigest()[:24]
    text = ["BEGIN:VCALENDAR", "BEGIN:VTIMEZONE", f"TZID:{name}", *lines, "END:VTIMEZONE"]
    try:
        Calendar.from_ical("\r\n".join([*text, "END:VCALENDAR", ""]))
        known = tzp.timezone(name)
        if known is not None:
            datetime(2026, 1, 1, tzinfo=known).utcoffset()
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError):
        return None
    return None if known is None else name


def _definition(part: Part) -> Iterator[str]:
    if len(part.parts) > MOST_CHANGES:
        raise TooMuchWork
    for each in part.parts:
        dates = sum(found.value.count(",") + 1 for found in each.properties.get("RDATE", []))
        rules = [found.value.upper() for found in each.properties.get("RRULE", [])]
        if dates > MOST_DATES or not all("FREQ=YEARLY" in rule for rule in rules):
            raise TooMuchWork
        yield f"BEGIN:{each.name}"
        for name in ("DTSTART", "RRULE", "RDATE", "TZOFFSETFROM", "TZOFFSETTO"):
            yield from (f"{name}:{found.value}" for found in each.properties.get(name, []))
        yield f"END:{each.name}"
