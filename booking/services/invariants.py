"""What must be true of the database at any moment; each is asked in a few statements."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import exists, func, or_, select, text
from sqlalchemy.orm import Session

from booking.domain.lifecycle import OCCUPYING, Status
from booking.models import Appointment, AppointmentEvent, Audience, Clinic, Occupancy, OwedMessage
from booking.services import audit, rotation
from booking.services.links import Keys
from booking.services.telling import CHANGES

SHOWN = 5
"""How many examples of one fault are named."""
SLACK = timedelta(minutes=5)
CLOCK = "the clock and its zones are sane"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and what is wrong about it."""

    what: str
    faults: list[str]


def check(session: Session, keys: Keys, *, now: datetime) -> Iterator[Finding]:
    """Look at everything; a finding without faults is in order."""
    looks: dict[str, Callable[[], Iterator[str]]] = {
        "the file is whole": lambda: _file(session),
        "nothing overlaps": lambda: _overlaps(session, now),
        "every live appointment has its time": lambda: _without_time(session),
        "what is cancelled takes no time": lambda: _time_without(session),
        "every patient is owed what holds": lambda: _unowed(session, now),
        "the audit trail is whole": lambda: _trail(session, keys),
        "all that is sealed can be opened": lambda: _closed(session, keys),
        CLOCK: lambda: clock_faults(session, now),
    }
    for what, look in looks.items():
        yield Finding(what, list(look()))


def _file(session: Session) -> Iterator[str]:
    if session.get_bind().dialect.name != "sqlite":
        return
    for row in session.execute(text("PRAGMA integrity_check")).scalars():
        if row != "ok":
            yield str(row)
    for row in session.execute(text("PRAGMA foreign_key_check")).all():
        yield f"a row of {row[0]} leads to nothing in {row[2]}"


def _overlaps(session: Session, now: datetime) -> Iterator[str]:
    """Each row of a resource against the one before it, in order of time (law 1)."""
    counts = or_(Occupancy.held_until.is_(None), Occupancy.held_until > now)
    before = func.max(Occupancy.blocked_until).over(
        partition_by=Occupancy.resource_id, order_by=Occupancy.blocked_from, rows=(None, -1)
    )
    rows = select(
        Occupancy.id, Occupancy.resource_id, Occupancy.blocked_from, before.label("taken_until")
    ).where(counts)
    found = rows.subquery()
    query = select(found).where(found.c.taken_until > found.c.blocked_from).limit(SHOWN)
    for row in session.execute(query):
        yield f"resource {row.resource_id} is taken twice at {row.blocked_from:%Y-%m-%d %H:%M} UTC"


def _without_time(session: Session) -> Iterator[str]:
    def taken(resource: object) -> object:
        return exists().where(
            Occupancy.appointment_id == Appointment.id,
            Occupancy.resource_id == resource,
            Occupancy.blocked_from <= Appointment.start_at,
            Occupancy.blocked_until >= Appointment.end_at,
        )

    practitioner, room = taken(Appointment.practitioner_id), taken(Appointment.room_id)
    query = select(Appointment.reference).where(
        Appointment.status.in_(OCCUPYING),
        or_(~practitioner, Appointment.room_id.is_not(None) & ~room),  # type: ignore[operator]
    )
    yield from session.scalars(query.limit(SHOWN))


def _time_without(session: Session) -> Iterator[str]:
    query = (
        select(Appointment.reference)
        .join(Occupancy, Occupancy.appointment_id == Appointment.id)
        .where(Appointment.status.not_in(OCCUPYING))
    )
    yield from session.scalars(query.limit(SHOWN))


def _unowed(session: Session, now: datetime) -> Iterator[str]:
    """Law 3: whoever is booked and has an address is owed a message about what holds, or had it."""
    told = exists().where(
        OwedMessage.appointment_id == Appointment.id,
        OwedMessage.audience == Audience.PATIENT,
        OwedMessage.kind.in_(CHANGES),
        OwedMessage.sequence == Appointment.sequence,
    )
    query = select(Appointment.reference).where(
        Appointment.status == Status.BOOKED,
        Appointment.start_at > now,
        Appointment.patient_email != "",
        ~told,
    )
    yield from session.scalars(query.limit(SHOWN))


def _trail(session: Session, keys: Keys) -> Iterator[str]:
    for number, fault in enumerate(audit.verify(session, keys)):
        if number == SHOWN:
            return
        yield f"entry {fault.number} {fault.what}"


def _closed(session: Session, keys: Keys) -> Iterator[str]:
    for column in rotation.sealed_columns():
        if closed := sum(each.closed for each in rotation.batches(session, column, keys)):
            yield (
                f"{closed} in {column.table.name} can be opened by no secret that is known: name "
                "the former one in BOOKING_FORMER_SECRET_KEYS"
            )


def clock_faults(session: Session, now: datetime) -> Iterator[str]:
    """What is wrong with the clock of this machine, and with what it knows of time zones."""
    newest = session.scalar(select(func.max(AppointmentEvent.id)))
    last = session.get(AppointmentEvent, newest) if newest else None
    if last is not None and last.at > now + SLACK:
        yield f"the newest change was at {last.at:%Y-%m-%d %H:%M} UTC, which is yet to come"
    clinic = session.get(Clinic, 1)
    if clinic is None:
        return
    try:
        ZoneInfo(clinic.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        yield f"the time zone {clinic.timezone} is not known on this machine"
