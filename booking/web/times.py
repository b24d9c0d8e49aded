"""The free times of a service, asked for by an address and laid out for a page."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict

from booking.domain.openings import local_day
from booking.domain.slots import Slot, nearest
from booking.domain.timeline import Span
from booking.models import HealthcareService, Mode
from booking.models.database import db
from booking.services.availability import Offer, load_diary, whole_horizon
from booking.web import fields
from booking.web.fields import zone_of
from booking.web.holding import own_hold
from booking.web.month import Month, month_of
from booking.web.state import booking, clinic, now

AROUND = timedelta(days=14)
"""How far from a taken slot its alternatives are looked for."""
EMPTY = 30
"""What a month without slots weighs."""


@dataclass(frozen=True)
class Query:
    """What the address of a times page says; whatever it says wrongly is left aside."""

    month: date | None
    day: date | None
    practitioner: str | None
    """Whose times; empty where anybody's were asked for by name, so that links keep it."""
    tz: str | None
    zone: ZoneInfo


@dataclass(frozen=True)
class Times:
    """All that a times page shows."""

    query: Query
    month: Month
    next_free: date | None
    """The first day with free times after this month, when it holds none."""
    for_all: bool
    """Whether everybody is offered the same; not where it is on offer to one visitor alone."""

    def __len__(self) -> int:
        """What it weighs, in slots: those to show, and the squares of the month with its key."""
        return EMPTY + sum(len(slots) for slots in self.month.by_day.values())

    def link(self, **changes: str | None) -> dict[str, str]:
        """The arguments of the same page with some changed; absent ones are dropped."""
        kept: dict[str, str | None] = {
            "month": f"{self.month.first:%Y-%m}",
            "practitioner": self.query.practitioner,
            "tz": self.query.tz,
        }
        return {name: each for name, each in (kept | changes).items() if each is not None}

    def on(self, day: date) -> "Times":
        """The same with another day chosen."""
        return replace(self, month=replace(self.month, chosen=day))

    def at_day(self, day: date) -> dict[str, str]:
        """The arguments of the page of a day, in its own month."""
        return self.link(month=f"{day:%Y-%m}", day=f"{day:%Y-%m-%d}")


def read_query(args: "MultiDict[str, str]", service: HealthcareService) -> Query:
    """Understand the address; for a meeting in person only the clinic's clock counts."""
    remote = service.mode != Mode.IN_PERSON
    tz = args.get("tz") if remote else None
    zone = zone_of(tz, clinic().timezone)
    slugs = {each.slug for each in service.practitioners}
    day = fields.date_or_none(args.get("day"))
    return Query(
        month=fields.date_or_none(args.get("month"), form="%Y-%m")
        or (day.replace(day=1) if day else None),
        day=day,
        practitioner=args.get("practitioner") if args.get("practitioner") in slugs else None,
        tz=zone.key if tz == zone.key else None,
        zone=zone,
    )


def times(service: HealthcareService, query: Query, *, ignoring: int | None = None) -> Times:
    """Find what is free in the month asked for, or where to look when nothing is."""
    present = now()
    horizon = whole_horizon(service, present)
    offer, version = _offer(service, query.practitioner, horizon, ignoring)
    today = present.astimezone(query.zone).date()
    if version is None:
        return _laid_out(offer, query, today, for_all=False)
    key = version, offer.span, query, today, clinic().country
    return booking().times.or_else(key, lambda: _laid_out(offer, query, today, for_all=True))


def _laid_out(offer: Offer, query: Query, today: date, *, for_all: bool) -> Times:
    first = query.month or today.replace(day=1)
    slots = offer.slots(_month_span(first, query.zone))
    if not slots and query.month is None:
        # A month that is as good as over is no welcome: begin where something is free.
        first = _first_day(offer.slots(), query.zone) or first
        first = first.replace(day=1)
        slots = offer.slots(_month_span(first, query.zone))
    month = month_of(
        slots, first=first, day=query.day, zone=query.zone, today=today, country=clinic().country
    )
    next_free = None if slots else _next_free(offer, first, query.zone)
    return Times(query, month, next_free, for_all)


def alternatives(
    service: HealthcareService,
    practitioner: str | None,
    start: datetime,
    *,
    ignoring: int | None = None,
) -> list[Slot]:
    """The free times nearest to one that is gone."""
    around = Span(start - AROUND, start + AROUND)
    offer, _ = _offer(service, practitioner, around, ignoring)
    found = nearest(offer.slots(around), start, 6)
    if found:
        return found
    offer, _ = _offer(service, practitioner, whole_horizon(service, now()), ignoring)
    return offer.slots()[:6]


def still_free(service: HealthcareService, practitioner: str | None, start: datetime) -> bool:
    """Whether a slot on offer begins then."""
    span = Span(start, start + timedelta(minutes=1))
    offer, _ = _offer(service, practitioner, span, None)
    return any(slot.start == start for slot in offer.slots(span))


def practitioner_ids(service: HealthcareService, slug: str | None) -> Sequence[int] | None:
    """The ids that a practitioner filter means; None for everybody."""
    if not slug:
        return None
    return [each.id for each in service.practitioners if each.slug == slug]


def _offer(
    service: HealthcareService, practitioner: str | None, span: Span, ignoring: int | None
) -> tuple[Offer, Hashable]:
    """What is on offer to who asks, at the least within `span`.

    With its version, unless it is on offer to them alone: whose own appointment or hold is in the
    way sees its time as free, and nobody else does.
    """
    asked, session, present = practitioner_ids(service, practitioner), db.session(), now()
    own = own_hold()
    if ignoring is None and own is None:
        found = booking().memory.offer(session, clinic(), service, now=present, practitioners=asked)
        return found.offer, found.version
    diary = load_diary(
        session,
        clinic(),
        service,
        span,
        now=present,
        practitioners=asked,
        ignoring=ignoring,
        own_hold=own,
    )
    return diary.offer, None


def _next_free(offer: Offer, month: date, zone: ZoneInfo) -> date | None:
    """The first free day after an empty month; the first of all when none comes after."""
    days = [slot.start.astimezone(zone).date() for slot in offer.slots()]
    return next((day for day in days if day > month), days[0] if days else None)


def _month_span(first: date, zone: ZoneInfo) -> Span:
    following = (first + timedelta(days=31)).replace(day=1)
    return Span(local_day(first, zone).start, local_day(following, zone).start)


def _first_day(slots: Sequence[Slot], zone: ZoneInfo) -> date | None:
    return slots[0].start.astimezone(zone).date() if slots else None
