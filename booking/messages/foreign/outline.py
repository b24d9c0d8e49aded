"""A stranger's iCalendar text, taken apart without understanding it (RFC 5545 §3.1, §3.4).

One pass over the lines, which keeps only the properties that decide when somebody is busy. What
is left is small, so the libraries that understand it never see a description, a picture, or a
nest of ten thousand components.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .faults import NotACalendar, TooLarge, TooMuchWork
from .fetching import LARGEST

DEEPEST = 4
"""A calendar, a component, an alarm in it, and one to spare."""
MOST_PARTS = 20_000
LONGEST_LINE = 64 * 1024
"""Characters of one property that we would have to understand: several thousand exceptions."""

KEPT_PARTS = frozenset({"VCALENDAR", "VEVENT", "VFREEBUSY", "VTIMEZONE", "STANDARD", "DAYLIGHT"})
KEPT_PROPERTIES = frozenset(
    {
        "DTEND",
        "DTSTART",
        "DURATION",
        "EXDATE",
        "FREEBUSY",
        "ORGANIZER",
        "PRODID",
        "RDATE",
        "RECURRENCE-ID",
        "RRULE",
        "SEQUENCE",
        "STATUS",
        "TRANSP",
        "TZID",
        "TZOFFSETFROM",
        "TZOFFSETTO",
        "UID",
        "X-MICROSOFT-CDO-BUSYSTATUS",
        "X-WR-TIMEZONE",
    }
)
_FOLD = re.compile(r"\n[ \t]")
_NAME = re.compile(r"[A-Za-z0-9-]+")
_PARAMETER = re.compile(r';([A-Za-z0-9-]+)=((?:"[^"]*"|[^";:,]*)(?:,(?:"[^"]*"|[^";:,]*))*)')


@dataclass(frozen=True, slots=True)
class Property:
    """One content line."""

    name: str
    parameters: dict[str, str]
    value: str


@dataclass(slots=True)
class Part:
    """One component: its properties by name, and the components in it."""

    name: str
    properties: dict[str, list[Property]] = field(default_factory=dict)
    parts: list["Part"] = field(default_factory=list)

    def first(self, name: str) -> Property | None:
        """The first property of that name; what may stand only once is taken from there."""
        return self.properties.get(name, [None])[0]

    def text(self, name: str) -> str:
        """Its value without the white space around it, empty where it is missing."""
        found = self.first(name)
        return found.value.strip() if found else ""


def calendars(raw: bytes) -> list[Part]:
    """The calendars of a stream, in its order; there may be several (RFC 5545 §3.4).

    Raises:
        NotACalendar: if it is something else, or breaks off.
        TooLarge, TooMuchWork: if it has more bytes, parts or levels than a diary.
    """
    if len(raw) > LARGEST:
        raise TooLarge
    root = Part("")
    open_parts, count = [root], 0
    for line in _lines(raw):
        name, _, rest = line.partition(":")
        match name.upper():
            case "BEGIN":
                count += 1
                if len(open_parts) > DEEPEST or count > MOST_PARTS:
                    raise TooMuchWork
                open_parts.append(_begun(rest.strip().upper(), open_parts[-1]))
            case "END":
                if len(open_parts) == 1 or open_parts.pop().name != rest.strip().upper():
                    raise NotACalendar
            case _:
                _note(line, open_parts[-1])
    if len(open_parts) > 1 or not root.parts:
        raise NotACalendar
    return root.parts


def _lines(raw: bytes) -> Iterator[str]:
    text = raw.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    for line in _FOLD.sub("", text).split("\n"):
        if line and not line.isspace():
            yield line


def _begun(name: str, within: Part) -> Part:
    """A new component; one that tells nothing about time is read over, and so is what it holds."""
    part = Part(name)
    if not within.name and name != "VCALENDAR":
        raise NotACalendar
    if name in KEPT_PARTS:
        within.parts.append(part)
    return part


def _note(line: str, part: Part) -> None:
    if not part.name:
        raise NotACalendar
    head = _NAME.match(line)
    name = head[0].upper() if head else ""
    if part.name not in KEPT_PARTS or name not in KEPT_PROPERTIES or head is None:
        return
    if len(line) > LONGEST_LINE:
        raise TooMuchWork
    parameters, end = {}, head.end()
    while found := _PARAMETER.match(line, end):
        parameters[found[1].upper()] = found[2].replace('"', "")
        end = found.end()
    if line[end : end + 1] == ":":
        part.properties.setdefault(name, []).append(Property(name, parameters, line[end + 1 :]))
