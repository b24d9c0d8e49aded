"""The calendar that a practitioner or a room can be subscribed to (RFC 5546 §3.2.1, RFC 7986).

It may hang where others see it: it names no patient, no phone and no mail address. The same state
gives the same bytes, so that its tag means something.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from icalendar import Calendar, Event, vText

from .facts import ClinicFacts, StaffEventFacts
from .hygiene import one_line, web_address
from .invitation import PRODUCT, organizer, outline

FORMAT = 1
"""Rises with every change to what is written here, so that nobody keeps what was written before."""
REFRESH = timedelta(hours=1)
"""How often a calendar app is asked to look again; several look when they please."""


@dataclass(frozen=True)
class FeedFacts:
    """What a subscription holds."""

    clinic: ClinicFacts
    name: str
    """What the calendar app lists it under."""

    events: Iterable[StaffEventFacts]


def feed(facts: FeedFacts) -> bytes:
    """The subscription as a calendar app reads it; those cancelled are marked, and take no time."""
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", PRODUCT)
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    for name in ("name", "x-wr-calname"):  # as text, since the library would not escape them
        calendar.add(name, vText(one_line(facts.name)))
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    for each in facts.events:
        calendar.add_component(_event(facts.clinic, each))
    return bytes(calendar.to_ical(sorted=False))


def _event(clinic: ClinicFacts, facts: StaffEventFacts) -> Event:
    """One appointment, neither CLASS:PRIVATE, which Google shows as "Busy", nor with ATTENDEE."""
    event = outline(facts, stamp=facts.updated_at)
    event.add("organizer", organizer(clinic))
    title = one_line(facts.title)
    event.add("summary", f"Cancelled: {title}" if facts.cancelled else title)
    event.add("description", web_address(facts.staff_url))
    if facts.location:
        event.add("location", one_line(facts.location))
    event.add("status", "CANCELLED" if facts.cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if facts.cancelled else "OPAQUE")
    return event
