"""One day, practitioner by practitioner: who comes when, and where somebody could still come."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking.domain.lifecycle import OCCUPYING
from booking.domain.openings import local_day
from booking.domain.timeline import MINUTE, Span
from booking.models import Appointment, Clinic, HealthcareService, Practitioner
from booking.models.clinic import service_resource
from booking.services import agenda
from booking.services.availability import free_time, load_diary
from booking.services.waitlist import suits, waiting_now

A_DAY = timedelta(days=1)
SHORTEST_GAP = timedelta(minutes=10)


@dataclass(frozen=True)
class Gap:
    """Time in which nobody comes yet."""

    start_at: datetime
    end_at: datetime
    can_be_booked: bool
    """Not past, and long enough for a service of the practitioner."""
    waiting: int = 0
    """How many would be glad of it, of those who wait for an earlier time."""


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
    who = [each.id for each in practitioners]
    free = free_time(session, clinic, who, span, now=now)
    coming = agenda.upcoming(session, first, zone, days=days, among=who)
    columns = {
        (first + number * A_DAY, each.id): Column(first + number * A_DAY, each)
        for number in range(days)
        for each in practitioners
    }
    for day, appointments in coming.items():
        for appointment in appointments:
            if (day, appointment.practitioner_id) in columns:
                columns[day, appointment.practitioner_id].lines.append(appointment)
    shortest = _shortest_services(session, list(free))
    waiting = waiting_now(session, now=now)
    for practitioner, timeline in free.items():
        for gap in _gaps(timeline.spans(), shortest.get(practitioner), now):
            glad = [each for each in waiting if suits(each, gap.start_at, practitioner, clinic)]
            if gap.can_be_booked and glad:
                gap = replace(gap, waiting=len(glad))
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


def starts_within(
    session: Session, clinic: Clinic, practitioner: Practitioner, gap: Span, *, now: datetime
) -> list[tuple[HealthcareService, list[datetime]]]:
    """What could be booked with a practitioner in a gap: each service with the starts on offer."""
    offers = HealthcareService.resources.any(Practitioner.id == practitioner.id)
    query = select(HealthcareService).where(offers).order_by(HealthcareService.position)
    found = []
    for service in session.scalars(query):
        diary = load_diary(session, clinic, service, gap, now=now, practitioners=[practitioner.id])
        found.append((service, [each.start for each in diary.slots() if each.end <= gap.until]))
    return found


def _shortest_services(session: Session, practitioners: list[int]) -> dict[int, timedelta]:
    """How long the shortest appointment of each is; who offers nothing is left out."""
    whose = service_resource.c.resource_id
    query = select(whose, func.min(HealthcareService.duration)).where(whose.in_(practitioners))
    joined = query.join(HealthcareService, HealthcareService.id == service_resource.c.service_id)
    rows = session.execute(joined.group_by(whose))
    return {each[0]: each[1] for each in rows}


def _gaps(spans: Iterable[Span], shortest: timedelta | None, now: datetime) -> list[Gap]:
    """Free time in pieces; what lies on both sides of now is two, of which one can be booked."""
    present = now.replace(second=0, microsecond=0) + MINUTE
    found = []
    for span in spans:
        at = min(max(present, span.start), span.until)
        for start, until in ((span.start, at), (at, span.until)):
            if until - start >= SHORTEST_GAP:
                fits = shortest is not None and until - start >= shortest
                found.append(Gap(start, until, fits and start >= now))
    return found
