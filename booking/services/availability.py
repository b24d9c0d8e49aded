"""Which times are free: the one question that the pages, the API and a booking all ask."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BindParameter,
    CompoundSelect,
    bindparam,
    false,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy import or_ as either
from sqlalchemy.orm import Session, lazyload, load_only

from booking.domain.lifecycle import OCCUPYING
from booking.domain.openings import Opening, WeeklyHours, local_day, openings
from booking.domain.public_holidays import public_holidays
from booking.domain.slots import (
    BookingRules,
    Slot,
    bookable_window,
    combine,
    grid_of,
    room_starts,
    starts,
)
from booking.domain.timeline import Span, Timeline
from booking.models import (
    Appointment,
    BusyTime,
    Clinic,
    Closure,
    HealthcareService,
    HolidayOverride,
    Mode,
    Occupancy,
    OpeningBreak,
    OpeningHours,
    Visibility,
)
from booking.models.base import table_of
from booking.models.clinic import weekly_hours

DAY = timedelta(days=1)
ALWAYS = WeeklyHours.always()
NONE = 0
"""The id of no row."""

# Written once, and of tables: to put a statement together, or objects of what it finds, costs more
# than to run it.
_OPENING, _BREAK = table_of(OpeningHours).c, table_of(OpeningBreak).c
_HOURS = (
    select(table_of(OpeningHours), _BREAK.begins, _BREAK.ends)
    .outerjoin(table_of(OpeningBreak), _BREAK.opening_hours_id == _OPENING.id)
    .where(_OPENING.resource_id.in_(bindparam("practitioners", expanding=True)))
    .order_by(_OPENING.id, _BREAK.begins)
)
_RESOURCES: BindParameter[Any] = bindparam("resources", expanding=True)
_START: BindParameter[datetime] = bindparam("start")
_UNTIL: BindParameter[datetime] = bindparam("until")
_NO_HOLD = null().label("held_until")
# No occupied span is longer than a day, so the index on its beginning bounds the search and
# appointments of the past cost nothing.
_TAKEN = table_of(Occupancy).c
_OCCUPIED = select(
    false().label("closed"),
    _TAKEN.resource_id,
    _TAKEN.blocked_from.label("start"),
    _TAKEN.blocked_until.label("until"),
    _TAKEN.held_until,
).where(
    _TAKEN.resource_id.in_(_RESOURCES),
    _TAKEN.blocked_from > bindparam("since"),
    _TAKEN.blocked_from < _UNTIL,
    either(_TAKEN.held_until.is_(None), _TAKEN.held_until > bindparam("now")),
    _TAKEN.appointment_id.is_distinct_from(bindparam("ignoring")),
    _TAKEN.hold_id.is_distinct_from(bindparam("own_hold")),
)
_BUSY = table_of(BusyTime).c
_BUSY_ELSEWHERE = select(
    false(), _BUSY.resource_id, _BUSY.starts_at, _BUSY.ends_at, _NO_HOLD
).where(_BUSY.resource_id.in_(_RESOURCES), _BUSY.ends_at > _START, _BUSY.starts_at < _UNTIL)
_CLOSURE = table_of(Closure).c
_CLOSED = select(
    true(), _CLOSURE.resource_id, _CLOSURE.starts_at, _CLOSURE.ends_at, _NO_HOLD
).where(
    either(_CLOSURE.resource_id.is_(None), _CLOSURE.resource_id.in_(_RESOURCES)),
    _CLOSURE.ends_at > _START,
    _CLOSURE.starts_at < _UNTIL,
)
_AWAY: CompoundSelect[Any] = union_all(_OCCUPIED, _BUSY_ELSEWHERE, _CLOSED)
# Who offers it and where is read when somebody asks: to book looks at that under locks, anew.
_SERVICE = (
    select(HealthcareService, Clinic)
    .outerjoin(Clinic, true())
    .where(
        HealthcareService.slug == bindparam("slug"),
        HealthcareService.visibility != Visibility.STAFF,
    )
    .options(lazyload(HealthcareService.resources))
)
_SERVICE_IN_SHORT = _SERVICE.options(
    load_only(HealthcareService.slug, HealthcareService.mode),
    lazyload(HealthcareService.location),
    load_only(Clinic.country, Clinic.timezone),
)


@dataclass(frozen=True)
class Offer:
    """What a service offers, worked out: the beginnings on offer over whole days."""

    duration: timedelta
    span: Span
    """Between which instants a slot may begin; what lies around them is known too."""
    practitioners: Mapping[int, Timeline]
    """When an appointment with each may start."""
    rooms: Mapping[int, Timeline] | None
    """From when each room would do, of which one is needed; None if the service needs none."""
    full: Timeline
    """Days that hold as many appointments of the service as its cap allows."""

    def slots(self, span: Span | None = None) -> list[Slot]:
        """The slots that begin within `span`, or within all that is on offer."""
        within = self.span if span is None else self.within(span)
        by_practitioner = {
            practitioner: (free - self.full).window(within.start, within.until)
            for practitioner, free in self.practitioners.items()
        }
        rooms = None if self.rooms is None else [*self.rooms.values()]
        return combine(by_practitioner, rooms, self.duration)

    def within(self, span: Span) -> Span:
        """What of a span can be booked: notice and horizon cut it."""
        start = max(self.span.start, span.start)
        return Span(start, max(start, min(self.span.until, span.until)))

    def rooms_free_at(self, start: datetime) -> list[int]:
        """The rooms that an appointment beginning then could take."""
        return [room for room, free in (self.rooms or {}).items() if start in free]


@dataclass(frozen=True)
class Diary:
    """All that decides when a service can be booked over a run of the clinic's days."""

    rules: BookingRules
    zone: ZoneInfo
    now: datetime
    span: Span
    """The days in question; what lies around them was loaded too, a day on each side."""
    bounds: Span
    hours: Mapping[int, Sequence[WeeklyHours]]
    """Weekly hours per practitioner; the keys are all who are asked for."""
    rooms: Sequence[int] | None
    closed: Mapping[int | None, Sequence[Span]]
    """Closures per resource; under None those of the whole clinic."""
    taken: Mapping[int, Sequence[Span]]
    """By appointments, buffers included, and by practitioners' own calendars."""
    runs_out: Mapping[int, datetime]
    """When the first hold on a resource comes to its end by itself."""
    full_days: Sequence[Span]
    """Days that hold as many appointments of the service as its cap allows."""

    @cached_property
    def offer(self) -> Offer:
        """The same, worked out."""
        rooms = None if self.rooms is None else {each: self._room(each) for each in self.rooms}
        return Offer(
            duration=self.rules.duration,
            span=self.span,
            practitioners={each: self._starts(each) for each in self.hours},
            rooms=rooms,
            full=self._timeline(self.full_days),
        )

    def slots(self, span: Span | None = None) -> list[Slot]:
        """The slots that begin within `span`, or within all the days of the diary."""
        return self.offer.slots(span)

    def _starts(self, practitioner: int) -> Timeline:
        first, last = self._local(self.bounds.start), self._local(self.bounds.until - DAY / 2)
        opened = openings(self.hours[practitioner], first, last, self.zone)
        closed = self._closed(practitioner) | self._closed(None)
        return starts(
            self.rules,
            hours=self._timeline(_spans(opened)) - closed,
            grid=grid_of(
                opened, self.rules.step, origin=self.bounds.start, until=self.bounds.until
            ),
            taken=self._taken(practitioner),
        )

    def _room(self, room: int) -> Timeline:
        return room_starts(self.rules, taken=self._taken(room), closed=self._closed(room))

    def _taken(self, resource: int) -> Timeline:
        return self._timeline(self.taken.get(resource, ()))

    def _closed(self, resource: int | None) -> Timeline:
        return self._timeline(self.closed.get(resource, ()))

    def _timeline(self, spans: Iterable[Span]) -> Timeline:
        return Timeline.over(self.bounds.start, self.bounds.until, spans)

    def _local(self, instant: datetime) -> date:
        return instant.astimezone(self.zone).date()


def service_for_all(
    session: Session, slug: str, *, in_short: bool = False
) -> tuple[HealthcareService, Clinic | None] | None:
    """The service of that name, if it is not for staff alone, and the clinic, if there is one.

    Args:
        in_short: For who needs to know of both only what a form asks by; the rest is read later.
    """
    query = _SERVICE_IN_SHORT if in_short else _SERVICE
    found = session.execute(query, {"slug": slug}).first()
    return None if found is None else (found.HealthcareService, found.Clinic)


def load_diary(
    session: Session,
    clinic: Clinic,
    service: HealthcareService,
    span: Span,
    *,
    now: datetime,
    practitioners: Collection[int] | None = None,
    rooms: Collection[int] | None = None,
    ignoring: int | None = None,
    own_hold: int | None = None,
    anyway: bool = False,
) -> Diary:
    """Read what decides the free times of a service, in a fixed number of statements.

    Args:
        span: The instants between which a slot may begin; cut down to what can be booked.
        practitioners: Only these, by id; None for all who offer the service.
        rooms: Only these, by id; None for all that it may take.
        ignoring: The appointment that is being moved: its own time counts as free.
        own_hold: The hold of who asks: its time counts as free for them.
        anyway: As if nobody minded notice, horizon, opening hours and the cap of a day; closures
            and taken time count all the same.
    """
    zone = clinic.zone
    rules = service.rules.relaxed if anyway else service.rules
    window = bookable_window(rules, now)
    span = Span(
        max(span.start, window.start), max(span.start, window.start, min(span.until, window.until))
    )
    bounds = around(span, zone)
    asked, takes = wanted(service, practitioners)
    takes = takes if takes is None or rooms is None else [each for each in takes if each in rooms]
    away = _away(session, clinic, [*asked, *(takes or ())], bounds, now, ignoring, own_hold)
    return Diary(
        rules=rules,
        zone=zone,
        now=now,
        span=span,
        bounds=bounds,
        hours=dict.fromkeys(asked, ALWAYS) if anyway else _hours(session, service, asked),
        rooms=takes,
        closed=away.closed,
        taken=away.taken,
        runs_out=away.runs_out,
        full_days=[] if anyway else full_days(session, service, bounds, zone, ignoring=ignoring),
    )


def wanted(
    service: HealthcareService, practitioners: Collection[int] | None
) -> tuple[list[int], list[int] | None]:
    """Whom an appointment may be with, of those asked for, and which rooms it may take, by id."""
    asked = [
        each.id
        for each in service.practitioners
        if practitioners is None or each.id in practitioners
    ]
    return asked, [each.id for each in service.rooms] if service.needs_room else None


def around(span: Span, zone: ZoneInfo) -> Span:
    """Whole days of the clinic, one more on each side: buffers reach over midnight."""
    first, last = span.start.astimezone(zone).date(), span.until.astimezone(zone).date()
    return Span(local_day(first - DAY, zone).start, local_day(last + DAY, zone).until)


def free_slots(
    session: Session,
    clinic: Clinic,
    service: HealthcareService,
    span: Span,
    *,
    now: datetime,
    practitioners: Sequence[int] | None = None,
) -> list[Slot]:
    """The slots on offer that begin within `span`."""
    return load_diary(session, clinic, service, span, now=now, practitioners=practitioners).slots()


def free_time(
    session: Session, clinic: Clinic, practitioners: list[int], span: Span, *, now: datetime
) -> dict[int, Timeline]:
    """When practitioners see patients and nothing takes their time yet, whatever the service."""
    first = span.start.astimezone(clinic.zone).date()
    last = (span.until - DAY / 48).astimezone(clinic.zone).date()
    away = _away(session, clinic, practitioners, span, now)
    found = {}
    for practitioner, hours in rules_of(session, practitioners).items():
        opened = _spans(openings(hours, first, last, clinic.zone))
        found[practitioner] = Timeline.over(span.start, span.until, opened) - Timeline.over(
            span.start, span.until, away.of(practitioner)
        )
    return found


def whole_horizon(service: HealthcareService, now: datetime) -> Span:
    """From the first instant that can be booked to the last."""
    return bookable_window(service.rules, now)


def _spans(opened: Iterable[Opening]) -> Iterator[Span]:
    return (span for opening in opened for span in opening.spans)


def serving(service: HealthcareService, hours: Iterable[WeeklyHours]) -> list[WeeklyHours]:
    """The hours in which a service can be had: in person, only those at its place or at any."""
    in_person = service.mode == Mode.IN_PERSON
    return [each for each in hours if not in_person or each.place in (None, service.location_id)]


def _hours(
    session: Session, service: HealthcareService, practitioners: list[int]
) -> dict[int, list[WeeklyHours]]:
    rules = rules_of(session, practitioners)
    return {each: serving(service, hours) for each, hours in rules.items()}


def rules_of(session: Session, practitioners: list[int]) -> dict[int, list[WeeklyHours]]:
    """The weekly hours of practitioners, by id; those without any have none."""
    found: dict[int, list[WeeklyHours]] = {each: [] for each in practitioners}
    session.flush()  # what is about to change is judged as it will be
    rows = session.execute(_HOURS, {"practitioners": practitioners})
    for _id, same in groupby(rows, key=attrgetter("id")):
        first, *others = same
        breaks = [(each.begins, each.ends) for each in (first, *others) if each.begins is not None]
        found[first.resource_id].append(weekly_hours(first, breaks))
    return found


@dataclass(frozen=True)
class _Away:
    """What leaves no time of some resources; as in `Diary`."""

    closed: dict[int | None, list[Span]]
    taken: dict[int, list[Span]]
    runs_out: dict[int, datetime]

    def of(self, practitioner: int) -> Iterator[Span]:
        """All that concerns one."""
        yield from self.closed.get(None, ())
        yield from self.closed.get(practitioner, ())
        yield from self.taken.get(practitioner, ())


def _away(
    session: Session,
    clinic: Clinic,
    resources: list[int],
    bounds: Span,
    now: datetime,
    ignoring: int | None = None,
    own_hold: int | None = None,
) -> _Away:
    """Appointments, holds, practitioners' own calendars and closures, in one look."""
    asked = {
        "resources": resources,
        "since": bounds.start - DAY,
        "start": bounds.start,
        "until": bounds.until,
        "now": now,
        "ignoring": ignoring or NONE,
        "own_hold": own_hold or NONE,
    }
    session.flush()
    away = _Away({None: _holidays(session, clinic, bounds)}, {}, {})
    for closed, resource, start, until, held_until in session.execute(_AWAY, asked):
        spans: dict[Any, list[Span]] = away.closed if closed else away.taken
        spans.setdefault(resource, []).append(Span(start, until))
        if held_until is not None:
            away.runs_out[resource] = min(held_until, away.runs_out.get(resource, held_until))
    return away


def _holidays(session: Session, clinic: Clinic, bounds: Span) -> list[Span]:
    zone = clinic.zone
    first, last = bounds.start.astimezone(zone).date(), bounds.until.astimezone(zone).date()
    years = range(first.year, last.year + 1)
    known = (day for year in years for day in public_holidays(clinic.country, clinic.region, year))
    days = {day for day in known if first <= day <= last}
    if days:  # most runs of days hold none, and ask nothing more
        worked = select(HolidayOverride.on_date).where(HolidayOverride.on_date.in_(days))
        days -= set(session.scalars(worked))
    return [local_day(day, zone) for day in sorted(days)]


def full_days(
    session: Session,
    service: HealthcareService,
    bounds: Span,
    zone: ZoneInfo,
    *,
    ignoring: int | None = None,
) -> list[Span]:
    """The days on which no more of a service may be booked; asks nothing where it has no cap."""
    if service.daily_cap is None:
        return []
    query = select(Appointment.start_at).where(
        Appointment.service_id == service.id,
        Appointment.start_at >= bounds.start,
        Appointment.start_at < bounds.until,
        Appointment.status.in_(OCCUPYING),
        Appointment.id != (ignoring or 0),
    )
    held = Counter(start.astimezone(zone).date() for start in session.scalars(query))
    return [local_day(day, zone) for day, count in held.items() if count >= service.daily_cap]
