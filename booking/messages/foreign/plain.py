"""Foreign events written anew, in the one way that leaves a library nothing to guess."""

import re
from datetime import UTC, datetime, time

from .outline import Part, Property
from .zones import Moment, Zones

_NAMES = (
    "UID", "SEQUENCE", "DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID",
    "STATUS", "TRANSP", "X-MICROSOFT-CDO-BUSYSTATUS",
)  # fmt: skip
_TIMED = frozenset({"DTSTART", "DTEND", "RDATE", "EXDATE", "RECURRENCE-ID"})
_MANY = frozenset({"RRULE", "RDATE", "EXDATE"})
_UNTIL = re.compile(r"(?<=UNTIL=)[^;]+")


def plain_text(parts: list[Part], zones: Zones) -> str:
    """The events of one series as a calendar of their own, each time with a zone that we know.

    Raises:
        ValueError: if one of them has no beginning.
    """
    lines = ["BEGIN:VCALENDAR"]
    if zones.named_by_calendar:
        lines.append(f"X-WR-TIMEZONE:{zones.named_by_calendar.key}")
    for part in parts:
        lines += ["BEGIN:VEVENT", *_event(part, zones), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def _event(part: Part, zones: Zones) -> list[str]:
    start = zones.start(part)
    lines = []
    for name in _NAMES:
        several = part.properties.get(name, [])
        for found in several if name in _MANY else several[:1]:
            if name == "RRULE":
                lines.append(f"RRULE:{_rule(found.value, start, zones)}")
            elif name in _TIMED:
                lines.append(_timed(found, zones))
            else:
                lines.append(f"{name}:{found.value.strip()}")
    return lines


def _timed(found: Property, zones: Zones) -> str:
    value = found.value.strip()
    parameters = {each: found.parameters[each] for each in ("RANGE",) if each in found.parameters}
    if "/" in value:
        parameters["VALUE"] = "PERIOD"
    elif "T" not in value:
        parameters["VALUE"] = "DATE"
    if "T" in value and "Z" not in value:
        parameters["TZID"] = zones.key(found.parameters.get("TZID", ""))
    return "".join(
        [found.name, *(f";{name}={each}" for name, each in parameters.items()), ":", value]
    )


def _rule(value: str, start: Moment, zones: Zones) -> str:
    """The rule, its UNTIL of the kind of the beginning (RFC 5545 §3.3.10).

    A day that ends a rule of timed events is meant as the whole of it.
    """

    def until(match: re.Match[str]) -> str:
        if not isinstance(start, datetime):
            return match[0][:8]
        ends = zones.moment(Property("UNTIL", {}, match[0]))
        if not isinstance(ends, datetime):
            ends = datetime.combine(ends, time(23, 59, 59), start.tzinfo)
        elif not match[0].endswith("Z"):
            ends = ends.replace(tzinfo=start.tzinfo)
        return f"{ends.astimezone(UTC):%Y%m%dT%H%M%SZ}"

    return _UNTIL.sub(until, value.strip().upper().rstrip(";"))
