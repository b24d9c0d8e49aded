"""When a calendar of somebody else's says "busy".

Google, Outlook, Apple, Nextcloud and the rest write the same standard in many hands. Whatever
cannot be understood is left out as other calendar apps leave it out; a calendar of which nothing
can be understood, or that would be endless work, is refused.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import recurring_ical_events
from icalendar import Calendar

from booking.domain.timeline import Span
from booking.messages.invitation import PRODUCT

from .faults import NotACalendar, TooMuchWork
from .outline import Part, Property, calendars
from .plain import plain_text
from .recurrence import MOST_STEPS, last_day, steps_of
from .zones import DAY, Moment, Zones, length_of

MOST_SPANS = 20_000
MARGIN = 40 * DAY
"""How far from the window a repetition may lie and still be looked at: it may last, or be moved."""

UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
)
"""What the libraries raise on values that are damaged."""

_REPEATING = frozenset({"RRULE", "RDATE", "RECURRENCE-ID"})
_FREE = ("STATUS", "TRANSP", "X-MICROSOFT-CDO-BUSYSTATUS")
"""What says that an event takes no time; in the order of `_is_free`."""


@dataclass(frozen=True)
class View:
    """What is asked of a calendar."""

    window: Span
    zone: ZoneInfo
    """Whose midnight begins a day, and whose clock floating times are on."""
    ours: Collection[str]
    """UIDs of our own appointments: they are counted already, and must not block themselves."""
    our_address: str
    """The mailbox that organizes them."""


def busy_spans(
    raw: bytes,
    *,
    since: datetime,
    until: datetime,
    zone: ZoneInfo,
    ours: Collection[str] = (),
    our_address: str = "",
) -> list[Span]:
    """The busy times between two instants, in order, none touching another.

    What counts is the OPAQUE, tentative or away; not what is cancelled, transparent, marked free,
    of no length, or an appointment of ours.

    Args:
        raw: One or several iCalendar objects, one after the other.
        zone: The clock of all-day and floating events.
        ours: UIDs to leave out.
        our_address: Events of this organizer are left out too.

    Raises:
        NotACalendar: if it is none, or nothing in it can be understood.
        TooLarge, TooMuchWork: if it is beyond any diary.
    """
    view = View(Span(since, until), zone, ours, our_address.lower())
    found: list[Span] = []
    reader = _Reader(view)
    for calendar in calendars(raw):
        if calendar.text("PRODID") != PRODUCT:
            found += reader.spans(calendar)
    if reader.damaged and not reader.understood:
        raise NotACalendar
    return _united(found)


class _Reader:
    """Reads calendars one after the other, and keeps count of the work."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._steps = self._spans = 0
        self.understood = self.damaged = 0

    def spans(self, calendar: Part) -> Iterator[Span]:
        """The busy times of one calendar within the window."""
        zones, series = Zones(calendar, self._view.zone), dict[str, list[Part]]()
        for number, part in enumerate(calendar.parts):
            if part.name == "VFREEBUSY":
                yield from self._counted(_free_busy(part, zones))
            elif part.name == "VEVENT":
                series.setdefault(part.text("UID") or f"none {number}", []).append(part)
        for uid, parts in series.items():
            if uid not in self._view.ours and not any(map(self._is_ours, parts)):
                yield from self._counted(self._series(parts, zones))

    def _counted(self, spans: Iterator[Span]) -> Iterator[Span]:
        """What of the spans lies in the window; damage is noted, and stops nothing else."""
        window = self._view.window
        try:
            for span in spans:
                self._spans += 1
                if self._spans > MOST_SPANS:
                    raise TooMuchWork
                if span.start < window.until and span.until > window.start:
                    yield Span(max(span.start, window.start), min(span.until, window.until))
        except UNREADABLE:
            self.damaged += 1
        else:
            self.understood += 1

    def _series(self, parts: list[Part], zones: Zones) -> Iterator[Span]:
        """The occurrences of one UID."""
        if len(parts) > 1 or parts[0].properties.keys() & _REPEATING:
            return self._repeated(parts, zones)
        return self._single(parts[0], zones)

    def _single(self, part: Part, zones: Zones) -> Iterator[Span]:
        """Most events by far happen once, and need no library."""
        if not _is_free(*(part.text(name) for name in _FREE)):
            start = zones.start(part)
            yield from self._span(start, _end(part, start, zones))

    def _repeated(self, parts: list[Part], zones: Zones) -> Iterator[Span]:
        wanted = [part for part in parts if self._matters(part, zones)]
        if not wanted:
            return
        query = recurring_ical_events.of(Calendar.from_ical(plain_text(wanted, zones)))
        window = self._view.window
        for event in query.between(window.start - DAY, window.until + DAY):
            if not _is_free(*(str(event.get(name, "")) for name in _FREE)):
                yield from self._span(event["DTSTART"].dt, event["DTEND"].dt)

    def _span(self, start: Moment, end: Moment) -> Iterator[Span]:
        """From when to when, whole days by the clock of the view; nothing if it has no length."""
        if not isinstance(start, datetime) and end <= start:
            end = start + DAY  # written by some for a day that they mean
        span = [self._instant(each) for each in (start, end)]
        if span[0] < span[1]:
            yield Span(*span)

    def _instant(self, moment: Moment) -> datetime:
        if not isinstance(moment, datetime):
            moment = datetime.combine(moment, time(), self._view.zone)
        return moment.astimezone(UTC)

    def _matters(self, part: Part, zones: Zones) -> bool:
        """Whether a part of a series can touch the window; its cost is added up.

        Raises:
            TooMuchWork: if all series together cost too much.
        """
        window = self._view.window
        first, last = (window.start - MARGIN).date(), (window.until + MARGIN).date()
        begins = _day(zones.start(part))
        if replaced := part.first("RECURRENCE-ID"):
            near = any(first <= each <= last for each in (begins, _day(zones.moment(replaced))))
            return near or "RANGE" in replaced.parameters
        rules = [found.value for found in part.properties.get("RRULE", [])]
        ends = [last_day(rule) or last for rule in rules]
        if ends and max(ends) < first and "RDATE" not in part.properties:
            return False
        self._steps += sum(
            steps_of(rule, begins, min(end, last)) for rule, end in zip(rules, ends, strict=True)
        )
        self._steps += sum(len(found.value) // 8 for found in _listed(part))
        if self._steps > MOST_STEPS:
            raise TooMuchWork
        return begins <= last

    def _is_ours(self, part: Part) -> bool:
        organizer = part.text("ORGANIZER").lower()
        return bool(self._view.our_address) and organizer == f"mailto:{self._view.our_address}"


def _is_free(status: str, transparency: str, shown: str) -> bool:
    return (
        status.strip().upper() == "CANCELLED"
        or transparency.strip().upper() == "TRANSPARENT"
        or shown.strip().upper() == "FREE"
    )


def _end(part: Part, start: Moment, zones: Zones) -> Moment:
    """When an event ends (RFC 5545 §3.6.1): a day without an end is that day."""
    if ends := part.first("DTEND"):
        return zones.moment(ends)
    if not (lasts := part.text("DURATION")):
        return start if isinstance(start, datetime) else start + DAY
    length = length_of(lasts)
    if isinstance(start, datetime) and length % DAY:
        return start.astimezone(UTC) + length  # hours are exact, days are those of the wall
    return start + length


def _day(moment: Moment) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def _listed(part: Part) -> Iterator[Property]:
    for name in ("RDATE", "EXDATE"):
        yield from part.properties.get(name, [])


def _free_busy(part: Part, zones: Zones) -> Iterator[Span]:
    """The busy ones of a list of periods (RFC 5545 §3.6.4)."""
    for found in part.properties.get("FREEBUSY", []):
        if found.parameters.get("FBTYPE", "BUSY").upper() == "FREE":
            continue
        for period in filter(None, found.value.split(",")):
            begins, _, ends = period.partition("/")
            start, end = (_period_end(each, begins, zones) for each in (begins, ends))
            if start < end:
                yield Span(start, end)


def _period_end(text: str, begins: str, zones: Zones) -> datetime:
    """One side of a period; the second may be a length instead (RFC 5545 §3.3.9)."""
    if text.strip().upper().startswith("P"):
        return _period_end(begins, begins, zones) + length_of(text)
    moment = zones.moment(Property("FREEBUSY", {}, text))
    if not isinstance(moment, datetime):
        raise ValueError("a period has no days")
    return moment.astimezone(UTC)


def _united(spans: Iterable[Span]) -> list[Span]:
    """The spans in order; those that touch become one."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start <= found[-1].until:
            found[-1] = Span(found[-1].start, max(found[-1].until, span.until))
        else:
            found.append(span)
    return found
