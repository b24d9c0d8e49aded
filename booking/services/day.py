"""One day, practitioner by practitioner: who comes when, and where somebody could still come."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from booking.domain.lifecycle import OCCUPYING
from booking.domain.openings import local_day
from booking.domain.timeline import Span
from booking.models import Appointment, Clinic, Practitioner
from booking.services import agenda
from booking.services.availability import free_time

A_DAY = timedelta(days=1)
SHORTEST_GAP = timedelta(minutes=10)


@dataclass(frozen=True)
class Gap:
    """Time in which nobody comes yet."""

    start_at: datetime
    end_at: datetime
    is_past: bool
    """Too late to book somebody there."""


@dataclass
class Column:
    """What one practitioner does on one day, in order."""

    day: date
    practitioner: Practitioner
    lines: list[Appointment | Gap] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many patients come."""
        return sum(isinstance(each, Appointment) for each in self.lines)


@dataclass
class Load:
    """How much of a day is taken."""

    count: int = 0
    taken: timedelta = timedelta()
    free: timedelta = timedelta()

    @property
    def full(self) -> int | None:
        """In per cent of the time that could be had; None where nobody sees patients."""
        whole = self.taken + self.free
        return round(100 * self.taken / whole) if whole else None


def plan(
    session: Session,
    clinic: Clinic,
    first: date,
    practitioners: Sequence[Practitioner],
    *,
    now: datetime,
    days: int = 1,
) -> list[Column]:
    """A column for each day and practitioner, also an empty one; in as many statements always."""
    zone, last = clinic.zone, first + (days - 1) * A_DAY
    span = Span(local_day(first, zone).start, local_day(last, zone).until)
    free = free_time(session, clinic, [each.id for each in practitioners], span)
    coming = agenda.upcoming(session, first, zone, days=days)
    columns = {
        (first + number * A_DAY, each.id): Column(first + number * A_DAY, each)
        for number in range(days)
        for each in practitioners
    }
    for day, appointments in coming.items():
        for appointment in appointments:
            if (day, appointment.practitioner_id) in columns:
                columns[day, appointment.practitioner_id].lines.append(appointment)
    for practitioner, timeline in free.items():
        for gap in _gaps(timeline.spans(), now):
            columns[gap.start_at.astimezone(zone).date(), practitioner].lines.append(gap)
    for column in columns.values():
        column.lines.sort(key=lambda each: each.start_at)
    return list(columns.values())


def loads(
    session: Session,
    clinic: Clinic,
    first: date,
    days: int,
    practitioners: Sequence[Practitioner],
    *,
    now: datetime,
) -> dict[date, Load]:
    """How full each day is."""
    found = {first + number * A_DAY: Load() for number in range(days)}
    for column in plan(session, clinic, first, practitioners, now=now, days=days):
        load = found[column.day]
        for each in column.lines:
            if isinstance(each, Gap):
                load.free += each.end_at - each.start_at
            elif each.status in OCCUPYING:
                load.count += 1
                load.taken += each.end_at - each.start_at
    return found


def _gaps(spans: Iterable[Span], now: datetime) -> list[Gap]:
    long_enough = (each for each in spans if each.until - each.start >= SHORTEST_GAP)
    return [Gap(each.start, each.until, each.until <= now) for each in long_enough]
