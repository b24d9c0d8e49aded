"""A few numbers by week: what was booked, how it went, how far ahead, how full everybody was."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.domain.lifecycle import OCCUPYING, Status
from booking.domain.openings import local_day, openings
from booking.domain.timeline import Span
from booking.models import Appointment, Clinic, Practitioner
from booking.services.availability import rules_of

WEEKS = 12
WEEK = timedelta(weeks=1)
MINUTE = timedelta(minutes=1)


@dataclass
class Week:
    """The appointments that began in one week, Monday to Sunday by the clinic's clock."""

    first: date
    booked: int = 0
    """All of them, however they ended."""
    seen: int = 0
    cancelled: int = 0
    missed: int = 0
    ahead: list[float] = field(default_factory=list)
    """In days."""
    taken: dict[int, timedelta] = field(default_factory=lambda: defaultdict(timedelta))
    opened: dict[int, timedelta] = field(default_factory=lambda: defaultdict(timedelta))

    @property
    def days_ahead(self) -> float | None:
        """How long before its time the middle one of them was booked, in days."""
        return round(median(self.ahead), 1) if self.ahead else None

    def full(self, practitioner: int) -> int | None:
        """How much of a practitioner's opening hours was taken, in per cent."""
        opened = self.opened.get(practitioner, timedelta())
        return round(100 * self.taken[practitioner] / opened) if opened else None


def weeks(
    session: Session, clinic: Clinic, practitioners: Iterable[Practitioner], *, now: datetime
) -> list[Week]:
    """The last weeks and the present one, oldest first, in two statements always."""
    zone = clinic.zone
    today = now.astimezone(zone).date()
    first = today - timedelta(days=today.weekday()) - (WEEKS - 1) * WEEK
    found = {first + number * WEEK: Week(first + number * WEEK) for number in range(WEEKS)}
    span = Span(local_day(first, zone).start, local_day(first + WEEKS * WEEK, zone).start)
    _count(session, found, span, zone)
    _measure(session, found, [each.id for each in practitioners], zone)
    return list(found.values())


def _count(session: Session, found: dict[date, Week], span: Span, zone: ZoneInfo) -> None:
    query = select(
        Appointment.start_at,
        Appointment.end_at,
        Appointment.created_at,
        Appointment.status,
        Appointment.practitioner_id,
    ).where(Appointment.start_at >= span.start, Appointment.start_at < span.until)
    for start, end, created, status, practitioner in session.execute(query):
        week = found[_monday(start.astimezone(zone).date())]
        week.booked += 1
        week.seen += status == Status.FULFILLED
        week.cancelled += status == Status.CANCELLED
        week.missed += status == Status.NOSHOW
        week.ahead.append((start - created) / timedelta(days=1))
        if status in OCCUPYING:
            week.taken[practitioner] += end - start


def _measure(
    session: Session, found: dict[date, Week], practitioners: list[int], zone: ZoneInfo
) -> None:
    """Opening hours as they are kept now; closures of the past are not taken off."""
    first, last = min(found), max(found) + timedelta(days=6)
    for practitioner, rules in rules_of(session, practitioners).items():
        for opening in openings(rules, first, last, zone):
            length = sum((span.until - span.start for span in opening.spans), timedelta())
            found[_monday(opening.begins.date())].opened[practitioner] += length


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
