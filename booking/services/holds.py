"""A slot is kept for whoever is filling in its form, and for whoever it was offered to.

A hold is a row under the same law as an appointment: nobody else is offered its time, and nobody
else can book it. Holds are few: caps by address, by network and by day see to it that nobody can
empty the calendar with them. Who gets no hold can book all the same, as long as the time is free.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, delete, func, select
from sqlalchemy.orm import Session

from booking.domain.openings import local_day
from booking.domain.refusals import SlotTaken
from booking.domain.timeline import Span
from booking.models import Clinic, HealthcareService, Hold
from booking.models.base import table_of
from booking.services.allocation import asked_for, choose, lock_held, lock_service, take
from booking.services.availability import free_slots

LIFE = timedelta(minutes=10)
"""How long a form may take."""
MOST_OF_ADDRESS, MOST_OF_NETWORK = 2, 5
SHARE_OF_DAY = 5
"""Of the times that a day still offers, one in so many may be held by visitors."""

_HOLDS = table_of(Hold)
_FREE = delete(_HOLDS).where(_HOLDS.c.key_digest.in_(bindparam("keys", expanding=True)))


@dataclass(frozen=True)
class Visitor:
    """Who fills in a form, as keyed hashes."""

    keys: tuple[bytes, ...]
    """Of one visit, the newest first."""
    address: str
    network: str


def hold_slot(
    session: Session,
    service_slug: str,
    start: datetime,
    practitioner: str | None,
    visitor: Visitor,
    *,
    now: datetime,
) -> Hold:
    """Hold a slot for a visitor, in place of any that they held before.

    Raises:
        SlotTaken: if no free slot begins then, or as many are held as may be.
        NotOffered: if the service or the practitioner cannot be booked online.
    """
    service = let_go_for(session, service_slug, *visitor.keys)
    _check_caps(session, service, start, visitor, now)
    asked = asked_for(service, practitioner)
    place = choose(session, session.get_one(Clinic, 1), service, start, asked, now=now)
    hold = Hold(
        key_digest=visitor.keys[0],
        service_id=service.id,
        practitioner_id=place[0],
        start_at=start,
        address=visitor.address,
        network=visitor.network,
        expires_at=now + LIFE,
    )
    return _keep(session, service, hold, place, now)


def hold_for_offer(
    session: Session,
    service: HealthcareService,
    hold: Hold,
    room: int | None,
    *,
    now: datetime,
) -> Hold:
    """Hold the time of an offer; what it may take is locked already.

    Raises:
        SlotTaken: if the database refused.
    """
    return _keep(session, service, hold, (hold.practitioner_id, room), now)


def let_go(session: Session, *keys: bytes) -> None:
    """Free what is held under any of these keys."""
    lock_held(session, Hold.key_digest.in_(keys))
    session.execute(_FREE, {"keys": keys})


def let_go_for(session: Session, service_slug: str, *keys: bytes) -> HealthcareService:
    """The same for who is about to take a time of a service, which is locked with all of it.

    It is locked with what is held in one go: two that wait for each other's hold and lock would
    wait for ever.

    Raises:
        NotOffered: if the service cannot be booked online.
    """
    service = lock_service(session, service_slug, held=keys)
    if keys:
        session.execute(_FREE, {"keys": keys})
    return service


def held_by(session: Session, *keys: bytes, now: datetime) -> int | None:
    """The hold that is under any of these keys and has not run out, by id."""
    query = select(Hold.id).where(Hold.key_digest.in_(keys), Hold.expires_at > now)
    return session.scalar(query.order_by(Hold.id.desc()).limit(1))


def _keep(
    session: Session,
    service: HealthcareService,
    hold: Hold,
    place: tuple[int, int | None],
    now: datetime,
) -> Hold:
    session.add(hold)
    session.flush()
    span = Span(hold.start_at, hold.start_at + service.duration)
    taker = {"hold_id": hold.id, "held_until": hold.expires_at}
    take(session, service, span, place, now=now, **taker)
    return hold


def _check_caps(
    session: Session, service: HealthcareService, start: datetime, visitor: Visitor, now: datetime
) -> None:
    clinic = session.get_one(Clinic, 1)
    day = local_day(start.astimezone(clinic.zone).date(), clinic.zone)
    of_the_day = (Hold.network != "", Hold.start_at >= day.start, Hold.start_at < day.until)
    free = len(free_slots(session, clinic, service, day, now=now))
    of_address = _count(session, now, Hold.address == visitor.address)
    of_network = _count(session, now, Hold.network == visitor.network)
    of_visitors = _count(session, now, *of_the_day)
    if of_address >= MOST_OF_ADDRESS or of_network >= MOST_OF_NETWORK:
        raise SlotTaken
    if of_visitors >= max(1, (free + of_visitors) // SHARE_OF_DAY):
        raise SlotTaken


def _count(session: Session, now: datetime, *which: ColumnElement[bool]) -> int:
    query = select(func.count(Hold.id)).where(Hold.expires_at > now, *which)
    return session.scalar(query) or 0
