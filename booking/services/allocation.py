"""What an appointment takes: choosing who and where, and occupying their time.

First lock, then look, then write: the rows locked here are what makes a second booking wait for
the first; the guard in the database is the net below.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, lazyload
from sqlalchemy.orm.attributes import set_committed_value

from booking.domain.lifecycle import OCCUPYING
from booking.domain.openings import local_day
from booking.domain.refusals import NotOffered, SlotTaken
from booking.domain.slots import least_busy
from booking.domain.timeline import Span
from booking.models import (
    Appointment,
    Clinic,
    HealthcareService,
    Hold,
    Occupancy,
    Practitioner,
    Resource,
    Visibility,
)
from booking.models.base import table_of, write
from booking.models.clinic import service_resource
from booking.services.availability import load_diary

MINUTE = timedelta(minutes=1)

_SERVICE = (
    select(HealthcareService)
    .where(HealthcareService.slug == bindparam("slug"))
    .options(
        lazyload(HealthcareService.resources),  # they are read when they are locked
        lazyload(HealthcareService.location),
    )
    .with_for_update(of=HealthcareService, key_share=True)
    .execution_options(populate_existing=True)
)
_TAKES = service_resource.c.service_id.is_not(None)
_HELD = (
    select(Occupancy.resource_id)
    .join(Hold, Occupancy.hold_id == Hold.id)
    .where(Hold.key_digest.in_(bindparam("held", expanding=True)))
)
_ALL_OF_IT = (
    select(Resource, _TAKES)
    .outerjoin(
        service_resource,
        and_(
            service_resource.c.resource_id == Resource.id,
            service_resource.c.service_id == bindparam("service"),
        ),
    )
    .where(or_(_TAKES, Resource.id.in_(_HELD), Resource.id.in_(bindparam("has", expanding=True))))
    .order_by(Resource.id)
    .with_for_update(of=Resource, key_share=True)
    .execution_options(populate_existing=True)
)
# By the few holds, and sorted out later: by the resources it would be all that they ever had.
_TAKEN, _HOLDS = table_of(Occupancy), table_of(Hold)
_DEAD = (
    select(_TAKEN.c.id, _TAKEN.c.resource_id)
    .join(_HOLDS, _TAKEN.c.hold_id == _HOLDS.c.id)
    .where(_HOLDS.c.expires_at <= bindparam("now"))
)
_RESOURCES = table_of(Resource)
_RAISE = (
    update(_RESOURCES)
    .where(_RESOURCES.c.id.in_(bindparam("resources", expanding=True)))
    .values(version=_RESOURCES.c.version + 1)
)


def lock_service(
    session: Session,
    slug: str,
    *,
    staff: bool = False,
    held: Sequence[bytes] = (),
    has: Sequence[int] = (),
) -> HealthcareService:
    """The service and all that it may take, locked: a second booking waits, then sees the first.

    What will be freed besides is locked in the same go, since two that lock one after another may
    wait for each other.

    Args:
        held: The keys of holds that will be freed.
        has: Resources, by id.

    Raises:
        NotOffered: if there is no such service, or not for whoever asks.
    """
    service = session.scalar(_SERVICE, {"slug": slug})
    if service is None or (service.visibility == Visibility.STAFF and not staff):
        raise NotOffered
    asked = {"service": service.id, "held": held, "has": has}
    rows = session.execute(_ALL_OF_IT, asked).all()
    set_committed_value(service, "resources", [each for each, takes in rows if takes])
    return service


def lock_all(session: Session) -> Sequence[HealthcareService]:
    """Every service and everything that one may take, locked in the order of a booking.

    For changes of what the clinic has: a booking is judged wholly by what was, or by what is.
    """
    fresh = {"populate_existing": True}
    services = select(HealthcareService).order_by(HealthcareService.id)
    locking = services.with_for_update(of=HealthcareService, key_share=True)
    found = session.scalars(locking.execution_options(**fresh)).all()
    resources = select(Resource).order_by(Resource.id)
    session.scalars(
        resources.with_for_update(of=Resource, key_share=True).execution_options(**fresh)
    ).all()
    return found


def lock_held(session: Session, which: ColumnElement[bool]) -> None:
    """Lock what some holds take, before they go: who frees time waits where who takes it waits."""
    if session.get_bind().dialect.name == "sqlite":  # one transaction writes at a time
        return
    taken = select(Occupancy.resource_id).join(Hold, Occupancy.hold_id == Hold.id).where(which)
    locking = select(Resource.id).where(Resource.id.in_(taken)).order_by(Resource.id)
    session.execute(locking.with_for_update(key_share=True)).all()


def asked_for(service: HealthcareService, slug: str | None) -> list[int]:
    asked = [each.id for each in service.practitioners if slug in (None, each.slug)]
    if not asked:
        raise NotOffered
    return asked


def choose(
    session: Session,
    clinic: Clinic,
    service: HealthcareService,
    start: datetime,
    practitioners: Sequence[int],
    *,
    now: datetime,
    ignoring: Appointment | None = None,
    favourite: int | None = None,
    own_hold: int | None = None,
    anyway: bool = False,
) -> tuple[int, int | None]:
    """Choose who and where for a start, by the same question that the page asked.

    Args:
        anyway: Also outside of notice, horizon and hours; never in a closure or over what is taken.

    Raises:
        SlotTaken: if no slot on offer begins then.
    """
    diary = load_diary(
        session,
        clinic,
        service,
        Span(start, start + MINUTE),
        now=now,
        practitioners=practitioners,
        ignoring=ignoring.id if ignoring else None,
        own_hold=own_hold,
        anyway=anyway,
    )
    free = next((slot.practitioners for slot in diary.slots() if slot.start == start), ())
    if not free:
        raise SlotTaken
    if favourite in free:
        practitioner = favourite
    elif len(free) == 1:
        practitioner = free[0]
    else:
        practitioner = _fairest(session, clinic, free, start)
    rooms = diary.offer.rooms_free_at(start)
    if ignoring and ignoring.room_id in rooms:
        return practitioner, ignoring.room_id
    return practitioner, rooms[0] if rooms else None


def occupy(
    session: Session, appointment: Appointment, service: HealthcareService, *, now: datetime
) -> None:
    """Write the rows that the database will not let overlap.

    Raises:
        SlotTaken: if the database refused; the locks above should have seen it first.
    """
    place = appointment.practitioner_id, appointment.room_id
    span = Span(appointment.start_at, appointment.end_at)
    take(session, service, span, place, now=now, appointment_id=appointment.id)
    mark_changed(session, appointment)


def take(
    session: Session,
    service: HealthcareService,
    span: Span,
    place: tuple[int, int | None],
    *,
    now: datetime,
    **taker: Any,
) -> None:
    """The same for an appointment or a hold, which `taker` names.

    Raises:
        SlotTaken: if the database refused.
    """
    wanted = [each for each in place if each is not None]
    _sweep(session, wanted, now)
    blocked = {
        "blocked_from": span.start - service.buffer_before,
        "blocked_until": span.until + service.buffer_after,
    }
    try:
        write(session, Occupancy, *({"resource_id": each} | blocked | taker for each in wanted))
    except IntegrityError as error:
        if "occupancy_overlap" not in str(error.orig):
            raise
        raise SlotTaken from error


def _sweep(session: Session, resources: Sequence[int], now: datetime) -> None:
    """Free what holds that have run out take of these resources, which are locked.

    Of these alone: what such a hold takes besides is not locked, and who has that may be waiting
    for ours. The hold itself takes nothing any more, and is forgotten with time (`upkeep`).
    """
    dead = session.execute(_DEAD, {"now": now}).all()
    theirs = [row.id for row in dead if row.resource_id in resources]
    if theirs:
        session.execute(delete(Occupancy).where(Occupancy.id.in_(theirs)))


def release(session: Session, appointment: Appointment) -> None:
    """Free the time that it took, where it took it: who holds it now may be another."""
    freed = session.scalars(
        delete(Occupancy)
        .where(Occupancy.appointment_id == appointment.id)
        .returning(Occupancy.resource_id)
    ).all()
    _raise_versions(session, freed)


def mark_changed(session: Session, appointment: Appointment) -> None:
    """Let whoever is subscribed to what it takes read it anew.

    Owed with every change of an appointment that a feed shows, in the same transaction, once what
    it takes is locked.
    """
    _raise_versions(session, list(filter(None, (appointment.practitioner_id, appointment.room_id))))


def _raise_versions(session: Session, resources: Sequence[int]) -> None:
    session.execute(_RAISE, {"resources": resources})  # no object of them is read now


def _fairest(session: Session, clinic: Clinic, free: Sequence[int], start: datetime) -> int:
    """Among those free: fewest appointments that day, then whoever was last chosen longest ago."""
    day = local_day(start.astimezone(clinic.zone).date(), clinic.zone)
    held = select(Appointment.practitioner_id).where(
        Appointment.practitioner_id.in_(free),
        Appointment.start_at >= day.start,
        Appointment.start_at < day.until,
        Appointment.status.in_(OCCUPYING),
    )
    newest = select(func.max(Appointment.id)).where(Appointment.practitioner_id == Practitioner.id)
    turns = select(Practitioner.id, newest.scalar_subquery()).where(Practitioner.id.in_(free))
    last_chosen = {each: turn or 0 for each, turn in session.execute(turns)}
    return least_busy(free, Counter(session.scalars(held)), last_chosen)
