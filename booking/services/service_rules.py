"""By which rules a service is booked: as staff keep them, what a change would offer, the change.

As with hours, a change is shown before it is made, by the question that offers; see decision 15.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import or_ as either
from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.domain.timeline import Span
from booking.models import (
    Appointment,
    Clinic,
    HealthcareService,
    Location,
    Mode,
    RemindIf,
    Resource,
    ServiceReminder,
    Visibility,
)
from booking.services.allocation import lock_all
from booking.services.appointments import House
from booking.services.availability import load_diary
from booking.services.clinic_settings import free_slug, services
from booking.services.owing import owe_added_reminders
from booking.services.relocating import Reach, coming, reach, relocate
from booking.services.schedules import Act, ChangedMeanwhile, DayForecast, days_of
from booking.services.telling import place_of

AS_STORED = (
    "mode", "video_url", "visibility", "duration", "step", "buffer_before", "buffer_after",
    "minimum_notice", "booking_horizon", "change_cutoff", "daily_cap",
)  # fmt: skip
"""What is called the same in the database."""


@dataclass(frozen=True, kw_only=True)
class ServiceRules:
    """How a service is met and found, and when it can be booked."""

    mode: Mode
    location: int | None
    video_url: str | None
    visibility: Visibility
    position: int
    """Its place in the list of services; 1 is the first."""
    duration: timedelta
    step: timedelta
    buffer_before: timedelta
    buffer_after: timedelta
    minimum_notice: timedelta
    booking_horizon: timedelta
    change_cutoff: timedelta
    daily_cap: int | None
    practitioners: tuple[str, ...]
    """Slugs, in alphabetical order; also of who is not active."""
    rooms: tuple[str, ...]
    reminders: tuple[tuple[timedelta, RemindIf], ...]
    """Those that come first, first."""


@dataclass(frozen=True)
class Consequences:
    """What a change of rules would do."""

    days: list[DayForecast]
    staying: int
    """Coming appointments with somebody, or in a room, that the service would no longer take."""
    concerned: Reach | None
    """Who hears of another place; None where it stays."""
    without_phone: int
    """Coming appointments of a service that becomes a call, for which there is no number."""

    @property
    def gained(self) -> int:
        """How many times there would be that there are not now."""
        return sum(len(each.gained) for each in self.days)

    @property
    def lost(self) -> int:
        """How many times there would be no more."""
        return sum(len(each.lost) for each in self.days)


def rules_of(session: Session, service: HealthcareService) -> ServiceRules:
    """The rules that hold now."""
    slugs = [each.slug for each in services(session)]
    kinds = {each.slug: each.kind for each in service.resources}
    return ServiceRules(
        **{name: getattr(service, name) for name in AS_STORED}
        | {"mode": Mode(service.mode), "visibility": Visibility(service.visibility)},
        location=service.location_id,
        position=slugs.index(service.slug) + 1,
        practitioners=tuple(sorted(each for each, kind in kinds.items() if kind == "practitioner")),
        rooms=tuple(sorted(each for each, kind in kinds.items() if kind == "room")),
        reminders=tuple((each.before, RemindIf(each.remind_if)) for each in service.reminders),
    )


def differences(before: ServiceRules | None, after: ServiceRules) -> list[str]:
    """The names of the rules that would be others."""
    names = [each.name for each in fields(ServiceRules)]
    return [
        each for each in names if before is None or getattr(before, each) != getattr(after, each)
    ]


def fingerprint(before: ServiceRules | None, after: ServiceRules) -> str:
    """A short text for what somebody saw before deciding: another when either is."""
    return sha256(repr((before, after)).encode()).hexdigest()[:16]


def foresee(
    session: Session,
    clinic: Clinic,
    service: HealthcareService | None,
    rules: ServiceRules,
    span: Span,
    *,
    now: datetime,
) -> Consequences:
    """What would become of a service under other rules; of a new one where there is none yet.

    It asks the one question of the pages and of booking, of a service that is like this one but
    for the rules, and that is never stored.
    """
    then = HealthcareService(id=service.id if service else None)
    _put(session, then, rules)
    after = load_diary(session, clinic, then, span, now=now).slots()
    before = load_diary(session, clinic, service, span, now=now).slots() if service else []
    moved = service is not None and place_of(service) != place_of(then)
    return Consequences(
        days_of(before, after, clinic.zone),
        staying=_staying(session, service, rules, now) if service else 0,
        concerned=reach(session, [service], now=now) if service and moved else None,
        without_phone=_without_phone(session, service, now)
        if service and moved and rules.mode == Mode.PHONE
        else 0,
    )


def add_service(
    session: Session, name: str, rules: ServiceRules, *, seen: str, act: Act
) -> HealthcareService:
    """A new service; what is said of it is written afterwards.

    Raises:
        ChangedMeanwhile: if it was decided on something else. Nothing is added.
    """
    lock_all(session)
    if fingerprint(None, rules) != seen:
        raise ChangedMeanwhile
    made = HealthcareService(slug=free_slug(session, name, HealthcareService.slug), name=name)
    _put(session, made, rules)
    session.add(made)
    session.flush()
    _put_in_place(session, made, rules.position)
    act.note(session, "service.add", made.slug)
    return made


def change_rules(
    session: Session,
    service: HealthcareService,
    rules: ServiceRules,
    house: House,
    *,
    seen: str,
    act: Act,
) -> int:
    """Change the rules; appointments that are booked stay as they are, and hear of another place.

    Gives how many hear of it.

    Args:
        seen: The fingerprint of the rules before and after, on which it was decided.

    Raises:
        ChangedMeanwhile: if it would be another change by now. Nothing is changed.
    """
    everything = lock_all(session)
    before, place = rules_of(session, service), place_of(service)
    if fingerprint(before, rules) != seen:
        raise ChangedMeanwhile
    _put(session, service, rules)
    _put_in_place(session, service, rules.position)
    session.flush()
    added = {each for each, _ in rules.reminders} - {each for each, _ in before.reminders}
    for each in _coming_of(session, service, act.now) if added else ():
        owe_added_reminders(session, each, added, now=act.now)
    concerned = [each for each in everything if each.id == service.id]
    told = relocate(session, concerned, {service.id: place}, house, act=act)
    act.note(session, "service.change", service.slug, differences(before, rules))
    return told


def _put(session: Session, service: HealthcareService, rules: ServiceRules) -> None:
    """Write rules into a service, whether it is stored or not."""
    for name in AS_STORED:
        setattr(service, name, getattr(rules, name))
    service.location_id = rules.location
    service.location = session.get(Location, rules.location) if rules.location else None
    wanted = select(Resource).where(Resource.slug.in_([*rules.practitioners, *rules.rooms]))
    service.resources = list(session.scalars(wanted.order_by(Resource.id)))
    conditions = dict(rules.reminders)
    kept = [each for each in service.reminders if each.before in conditions]
    for each in kept:
        each.remind_if = conditions.pop(each.before)
    service.reminders = [
        *kept,
        *(ServiceReminder(before=before, remind_if=what) for before, what in conditions.items()),
    ]


def _put_in_place(session: Session, service: HealthcareService, position: int) -> None:
    """Let it stand there in the list; the others make room."""
    others: list[HealthcareService] = [each for each in services(session) if each.id != service.id]
    others.insert(position - 1, service)
    for number, each in enumerate(others):
        each.position = number
    session.flush()


def _coming_of(
    session: Session, service: HealthcareService, now: datetime
) -> Iterable[Appointment]:
    return coming(session, Appointment.service_id == service.id, now=now)


def _staying(
    session: Session, service: HealthcareService, rules: ServiceRules, now: datetime
) -> int:
    slugs = {*rules.practitioners, *rules.rooms}
    gone = [each.id for each in service.resources if each.slug not in slugs]
    theirs = either(Appointment.practitioner_id.in_(gone), Appointment.room_id.in_(gone))
    which: Any = (Appointment.service_id == service.id) & theirs
    return len(coming(session, which, now=now))


def _without_phone(session: Session, service: HealthcareService, now: datetime) -> int:
    return sum(not each.patient_phone for each in _coming_of(session, service, now))
