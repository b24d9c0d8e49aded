"""The answer of a calendar in a mail (RFC 5546, RFC 6047).

Only what an answer needs is read, line by line: a damaged time, a zone that Windows made up or
a property that is forbidden here must not stop an answer.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from html import unescape
from typing import NamedTuple
from urllib.parse import unquote

from . import zones
from .kinds import Answer, Attendee
from .reading import Part, decoded, sensible, undone
from .texts import readable

ANSWERS = frozenset({"REPLY", "COUNTER"})
LARGEST_CALENDAR = 256 * 1024
LONGEST_LINE = 16 * 1024
MOST_LINES, MOST_EVENTS, MOST_ATTENDEES = 5000, 20, 20
LONGEST_COMMENT = 1000
NOTHING_YET = "NEEDS-ACTION"

_NAME = re.compile(r"\s*([A-Za-z0-9-]+)")
_PARAM = re.compile(r';\s*([A-Za-z0-9-]+)=((?:"[^"]*"|[^";:,]*)(?:,(?:"[^"]*"|[^";:,]*))*)')
_LOOSE_PARAM = re.compile(r';\s*([A-Za-z0-9-]+)=("[^"]*"|[^";:]*)')
_STAMP = re.compile(r"(\d{8}T\d{6})(Z?)")
_PROPOSED = re.compile(r"DTSTART(?:;TZID=([^:;]+))?:(\d{8}T\d{6}Z?)", re.IGNORECASE)
_PROPOSAL_STATUS = re.compile(r"STATUS:([A-Z-]*)", re.IGNORECASE)
_WRAPPED_UID = re.compile(
    r"040000008200e00074c5b7101a82e008[0-9a-f]{48}7643616c2d556964[0-9a-f]{8}"
    r"((?:[0-9a-f]{2})+?)(?:00)?"
)
_CARETS = {"^n": "\n", "^'": '"', "^^": "^"}


class Line(NamedTuple):
    """A content line (RFC 5545 §3.1): names in upper case, quotes of parameters taken away."""

    name: str
    params: dict[str, str]
    value: str


@dataclass
class _Calendar:
    """The first calendar object of a part, as far as an answer needs it."""

    method: str = ""
    events: list[list[Line]] = field(default_factory=list)
    text: str = ""


def candidates(parts: Sequence[Part]) -> list[Part]:
    """The parts that may hold an answer, the likeliest first (RFC 6047 §2.4)."""
    ranks = [(_rank(each), each) for each in parts]
    return [each for rank, each in sorted(ranks, key=lambda pair: pair[0]) if rank < 4]


def _rank(part: Part) -> int:
    if part.kind in ("text/calendar", "text/x-vcalendar"):
        return 0 if part.method in ANSWERS else 1
    if part.kind in ("application/ics", "application/calendar"):
        return 2
    return 3 if part.name.endswith((".ics", ".ical", ".vcs")) else 4


def answer_in(parts: Sequence[Part]) -> Answer | None:
    """The answer that a mail holds; None if it holds none.

    The first part that is not empty counts, and METHOD in its body decides (RFC 6047 §2.4).

    Raises:
        ValueError: if there is an answer that cannot be made out.
    """
    for part in candidates(parts):
        calendar = _calendar_of(part)
        if calendar is None:
            continue
        method = calendar.method or part.method
        return _answer(calendar, method) if method in ANSWERS else None
    return None


def _calendar_of(part: Part) -> _Calendar | None:
    texts = (_text(content, part.charset) for content in undone(part))
    found = [text[begin:] for text in texts if (begin := text.upper().find("BEGIN:VCALENDAR")) >= 0]
    if not found:
        return None
    return _calendar(next((each for each in found if "PARTSTAT=3D" not in each), found[0]))


def _text(content: bytes, charset: str) -> str:
    """Lines unfolded before they are decoded: a fold may split a letter (RFC 5545 §3.1)."""
    content = content[:LARGEST_CALENDAR]
    if b"\0" in content[:64]:
        content = decoded(content, charset).encode("utf-8", "replace")
        charset = "utf-8"
    content = re.sub(rb"\r*\n|\r", b"\n", content)
    return decoded(content.replace(b"\n ", b"").replace(b"\n\t", b""), charset)


def _calendar(text: str) -> _Calendar:
    found = _Calendar(text=text)
    open_: list[str] = []
    for raw in text.split("\n", MOST_LINES)[:MOST_LINES]:
        line = content_line(raw)
        if line.name == "BEGIN":
            open_.append(line.value.strip().upper())
            if open_ == ["VCALENDAR", "VEVENT"]:
                found.events.append([])
        elif line.name == "END" and open_:
            open_.pop()
            if not open_:
                break
        elif line.name == "METHOD" and not found.method:
            found.method = line.value.strip().upper()
        elif open_ == ["VCALENDAR", "VEVENT"]:
            found.events[-1].append(line)
    return found


def content_line(raw: str) -> Line:
    """A content line; one with stray quotes or colons is read as well as can be."""
    raw = raw[:LONGEST_LINE]
    name = _NAME.match(raw)
    if name is None:
        return Line("", {}, "")
    place, params = name.end(), dict[str, str]()
    while param := _PARAM.match(raw, place):
        params.setdefault(param[1].upper(), _plain(param[2]))
        place = param.end()
    if raw[place : place + 1] == ":":
        return Line(name[1].upper(), params, raw[place + 1 :])
    head, _, value = raw.rpartition(":")
    params = {each[1].upper(): _plain(each[2]) for each in _LOOSE_PARAM.finditer(head)}
    return Line(name[1].upper(), params, value)


def _plain(value: str) -> str:
    """A parameter's value: quotes away, carets undone (RFC 6868)."""
    return re.sub(r"\^[n'^]", lambda found: _CARETS[found[0]], value.replace('"', "").strip())


def _answer(calendar: _Calendar, method: str) -> Answer:
    answers = [_answer_of(each, calendar, method) for each in calendar.events[:MOST_EVENTS]]
    if not answers:
        raise ValueError("An answer without an event.")
    first = answers[0]
    if any((each.uid, each.attendees) != (first.uid, first.attendees) for each in answers):
        raise ValueError("An answer that says two things.")
    return first


def _answer_of(event: Sequence[Line], calendar: _Calendar, method: str) -> Answer:
    uid = _own_uid(_first(event, "UID").strip().lower())
    if not uid:
        raise ValueError("An answer without a UID.")
    answer = Answer(
        uid=uid,
        attendees=_attendees(event),
        sequence=_number(_first(event, "SEQUENCE")),
        stamped_at=_instant(_first(event, "DTSTAMP")),
        replied_at=_instant(_first(event, "X-MICROSOFT-CDO-REPLYTIME")),
        comment=_comment(event),
        proposes=method == "COUNTER",
    )
    if method == "COUNTER":
        start, end = (_time(event, name, calendar.text) for name in ("DTSTART", "DTEND"))
        return replace(answer, proposed_start=start, proposed_end=end)
    return _with_apples_proposal(answer, event, calendar.text)


def _own_uid(uid: str) -> str:
    """The UID as it was given; some servers answer with Outlook's wrapping of it (MS-OXCICAL)."""
    wrapped = _WRAPPED_UID.fullmatch(uid)
    return bytes.fromhex(wrapped[1]).decode("latin-1").lower() if wrapped else uid


def _with_apples_proposal(answer: Answer, event: Sequence[Line], text: str) -> Answer:
    """iOS proposes within a REPLY, and keeps repeating what the organizer has refused."""
    for line in _all(event, "ATTENDEE"):
        proposal = line.params.get("TO-ALL-PROPOSED-NEW-TIME", "")
        status = _PROPOSAL_STATUS.search(proposal)
        if proposal and (status is None or status[1].upper() in ("", NOTHING_YET)):
            found = _PROPOSED.search(proposal)
            start = zones.instant(found[2], found[1] or "", text) if found else None
            return replace(answer, proposes=True, proposed_start=start)
    return answer


def _attendees(event: Sequence[Line]) -> tuple[Attendee, ...]:
    found = [
        Attendee(
            address=_address(line),
            partstat=line.params.get("PARTSTAT", NOTHING_YET).strip().upper(),
        )
        for line in _all(event, "ATTENDEE")
    ]
    return tuple(dict.fromkeys(found))[:MOST_ATTENDEES]


def _address(line: Line) -> str:
    """The mail address: of the value, or of EMAIL where the value is another kind of address."""
    value = line.value.strip()
    scheme, colon, rest = value.partition(":")
    if colon and scheme.lower() == "mailto":
        value = unquote(rest)
    elif "@" not in value or colon:
        value = line.params.get("EMAIL", "")
    return value.strip().strip("<>").lower()


def _comment(event: Sequence[Line]) -> str:
    """What was written along, wherever the calendar put it."""
    said = [_unescaped(line.value) for line in _all(event, "COMMENT")]
    said += [_unescaped(line.value) for line in _all(event, "X-CALENDARSERVER-PRIVATE-COMMENT")]
    for line in _all(event, "ATTENDEE"):
        said.append(unescape(_unescaped(line.params.get("X-RESPONSE-COMMENT", ""))))
    plain = (readable(each, LONGEST_COMMENT) for each in said)
    return readable("\n".join(dict.fromkeys(each for each in plain if each)), LONGEST_COMMENT)


def _unescaped(text: str) -> str:
    r"""TEXT with its escapes undone (RFC 5545 §3.3.11): ``\n`` ends a line."""
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] in "nN" else found[1], text)


def _time(event: Sequence[Line], name: str, text: str) -> datetime | None:
    line = next(_all(event, name), None)
    return zones.instant(line.value.strip(), line.params.get("TZID", ""), text) if line else None


def _all(event: Sequence[Line], name: str) -> Iterator[Line]:
    return (line for line in event if line.name == name)


def _first(event: Sequence[Line], name: str) -> str:
    return next((line.value for line in _all(event, name)), "")


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _instant(text: str) -> datetime | None:
    """DTSTAMP and its like, which are in UTC, also where a client forgets the Z."""
    found = _STAMP.match(text.strip().upper())
    try:
        return sensible(datetime.strptime(f"{found[1]}+0000", "%Y%m%dT%H%M%S%z")) if found else None
    except ValueError:
        return None
