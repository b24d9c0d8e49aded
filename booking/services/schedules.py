"""When practitioners see patients: their weeks, what a change of them would offer, the change."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.domain.openings import WeeklyHours
from booking.domain.slots import Slot
from booking.domain.timeline import Span
from booking.domain.translations import differences
from booking.domain.weeks import Rules, facts, in_order
from booking.models import (
    Clinic,
    HealthcareService,
    Location,
    OpeningHours,
    Practitioner,
    Resource,
)
from booking.services import audit
from booking.services.availability import load_diary, serving
from booking.services.links import Keys


class ChangedMeanwhile(Exception):
    """Somebody else has changed the hours since they were shown."""


@dataclass(frozen=True)
class Act:
    """Who changes the schedule, and when: what every change leaves behind."""

    actor: str
    now: datetime
    keys: Keys

    def note(self, session: Session, action: str, subject: str, fields: Iterable[str] = ()) -> None:
        """Leave a line in the audit trail; call it last."""
        audit.note(
            session,
            action,
            keys=self.keys,
            actor=self.actor,
            now=self.now,
            subject=subject,
            fields=fields,
        )


def put(row: object, values: Mapping[str, Any]) -> list[str]:
    """Write values into what is stored; gives the names of those that were others."""
    changed = []
    for name, value in values.items():
        before = getattr(row, name)
        if before != value:
            setattr(row, name, value)
            changed += differences(before, value) if name == "translations" else [name]
    return changed


@dataclass(frozen=True)
class DayForecast:
    """What one day would offer, by the beginnings of the slots, and what differs from now."""

    day: date
    offered: list[datetime]
    gained: list[datetime]
    lost: list[datetime]


@dataclass(frozen=True)
class Forecast:
    """What a practitioner would offer of one service; only days with something to say."""

    service: HealthcareService
    days: list[DayForecast]

    @property
    def gained(self) -> int:
        """How many times there would be that there are not now."""
        return sum(len(each.gained) for each in self.days)

    @property
    def lost(self) -> int:
        """How many times there would be no more."""
        return sum(len(each.lost) for each in self.days)


def practitioners(session: Session) -> Sequence[Practitioner]:
    """Everybody on file, also who is not active."""
    return session.scalars(select(Practitioner).order_by(Practitioner.name)).all()


def practitioner(session: Session, slug: str) -> Practitioner | None:
    """The practitioner who is called so, active or not."""
    return session.scalar(select(Practitioner).where(Practitioner.slug == slug))


def locations(session: Session) -> Sequence[Location]:
    """The places where patients are met."""
    return session.scalars(select(Location).order_by(Location.name)).all()


def hours_by_practitioner(session: Session) -> dict[int, list[OpeningHours]]:
    """All opening hours, by whose they are, in order of day and time."""
    query = select(OpeningHours).order_by(
        OpeningHours.weekday, OpeningHours.opens, OpeningHours.valid_from, OpeningHours.id
    )
    found: dict[int, list[OpeningHours]] = {}
    for row in session.scalars(query).unique():
        found.setdefault(row.resource_id, []).append(row)
    return found


def hours_of(session: Session, whose: Practitioner) -> list[OpeningHours]:
    """The opening hours of one practitioner, in order of day and time."""
    query = select(OpeningHours).where(OpeningHours.resource_id == whose.id)
    query = query.order_by(OpeningHours.weekday, OpeningHours.opens, OpeningHours.id)
    return list(session.scalars(query).unique())


def rules_of(session: Session, whose: Practitioner) -> Rules:
    """The same as rules, each once."""
    return in_order(row.rule for row in hours_of(session, whose))


def fingerprint(before: Rules, after: Rules) -> str:
    """A short text for what somebody saw before deciding: another when either week is."""
    seen = [[facts(each) for each in rules] for rules in (before, after)]
    return sha256(repr(seen).encode()).hexdigest()[:16]


def change_hours(
    session: Session,
    whose: Practitioner,
    change: Callable[[Rules], Rules],
    *,
    seen: str,
    act: Act,
) -> None:
    """Change a practitioner's hours; appointments that are booked stay as they are.

    Args:
        change: Gives the new week for the present one.
        seen: The fingerprint of the two weeks on which it was decided.

    Raises:
        ChangedMeanwhile: if it would be another change by now. Nothing is changed.
    """
    # A booking locks the same row, so it is judged wholly by the old hours or by the new ones.
    locking = select(Resource.id).where(Resource.id == whose.id)
    session.execute(locking.with_for_update(key_share=True)).all()
    rows = hours_of(session, whose)
    before = in_order(row.rule for row in rows)
    after = change(before)
    if fingerprint(before, after) != seen:
        raise ChangedMeanwhile
    missing = Counter(after)
    for row in rows:
        if missing[row.rule]:
            missing[row.rule] -= 1
        else:
            session.delete(row)
    session.add_all(OpeningHours.of(whose.id, rule) for rule in missing.elements())
    act.note(session, "hours.change", whose.slug)


def forecast(
    session: Session,
    clinic: Clinic,
    whose: Practitioner,
    rules: Rules,
    span: Span,
    *,
    now: datetime,
) -> list[Forecast]:
    """What would be offered by other hours than those that are stored, service by service.

    It asks the one question of the pages and of booking, with nothing but the hours exchanged:
    so what is foretold is what is offered once they are saved.
    """
    offers = HealthcareService.resources.any(Resource.id == whose.id)
    query = select(HealthcareService).where(offers).order_by(HealthcareService.position)
    found = []
    for service in session.scalars(query):
        diary = load_diary(session, clinic, service, span, now=now, practitioners=[whose.id])
        then = replace(diary, hours={each: serving(service, rules) for each in diary.hours})
        found.append(Forecast(service, days_of(diary.slots(), then.slots(), diary.zone)))
    return found


def days_of(before: Iterable[Slot], after: Iterable[Slot], zone: ZoneInfo) -> list[DayForecast]:
    """The days of two offers: what each would hold, and what is gained and lost."""
    present, then = ({slot.start for slot in slots} for slots in (before, after))
    by_day: dict[date, list[datetime]] = {}
    for start in sorted(present | then):
        by_day.setdefault(start.astimezone(zone).date(), []).append(start)
    return [
        DayForecast(
            day,
            offered=[each for each in starts if each in then],
            gained=[each for each in starts if each not in present],
            lost=[each for each in starts if each not in then],
        )
        for day, starts in by_day.items()
    ]


def without(rule: WeeklyHours) -> Callable[[Rules], Rules]:
    """The change that takes one rule away."""
    return lambda rules: tuple(each for each in rules if each != rule)


def with_these(
    added: Iterable[WeeklyHours], *, instead: WeeklyHours | None = None
) -> Callable[[Rules], Rules]:
    """The change that adds rules, in place of another where one is named."""
    new = tuple(added)
    return lambda rules: in_order([*(each for each in rules if each != instead), *new])
