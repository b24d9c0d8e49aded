"""What must be true of the database at any moment; each is asked in a few statements."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import exists, func, or_, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from booking.domain.lifecycle import OCCUPYING, Status
from booking.models import (
    Appointment,
    AppointmentEvent,
    Audience,
    Clinic,
    Occupancy,
    OwedMessage,
    Told,
)
from booking.models.base import Base
from booking.models.database import is_away, is_busy
from booking.services import audit, rotation
from booking.services.links import Keys
from booking.services.telling import CHANGES

SHOWN = 5
"""How many examples of one fault are named."""
SLACK = timedelta(minutes=5)
FIRST_RELEASE = datetime(2026, 1, 1, tzinfo=UTC)
TIME_OF_THE_CLINIC = ("opening_hours", "opening_break", "closure", "holiday_override")
GUARDS_OF_SQLITE = "SELECT lower(name) FROM sqlite_master WHERE type IN ('trigger', 'table')"
GUARDS_OF_POSTGRESQL = """
SELECT lower(tgname) FROM pg_trigger WHERE tgenabled <> 'D'
UNION SELECT conname FROM pg_constraint WHERE contype = 'x'
UNION SELECT relname FROM pg_class WHERE relkind = 'r'
"""
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
        "the database guards its laws": lambda: _guards(session),
        "nothing overlaps": lambda: _overlaps(session, now),
        "every live appointment has its time": lambda: _without_time(session),
        "what is cancelled takes no time": lambda: _time_without(session),
        "every patient is owed what holds": lambda: _unowed(session, now),
        "the audit trail is whole": lambda: _trail(session, keys),
        "all that is sealed can be opened": lambda: _closed(session, keys),
        CLOCK: lambda: clock_faults(session, now),
    }
    for what, look in looks.items():
        yield Finding(what, _faults(session, look))


def _faults(session: Session, look: Callable[[], Iterator[str]]) -> list[str]:
    """What is wrong; where the database refuses a look, that is, and the others go on."""
    try:
        return list(look())
    except DBAPIError as error:
        if is_away(error) or is_busy(error):
            raise
        session.rollback()
        return [f"cannot be looked at: {str(error.orig).splitlines()[0]}"]


def _file(session: Session) -> Iterator[str]:
    if session.get_bind().dialect.name != "sqlite":
        return
    for row in session.execute(text("PRAGMA integrity_check")).scalars():
        if row != "ok":
            yield str(row)
    for row in session.execute(text("PRAGMA foreign_key_check")).all():
        yield f"a row of {row[0]} leads to nothing in {row[2]}"


def _guards(session: Session) -> Iterator[str]:
    """What refuses an overlap (law 1), what says that somebody's time has changed, and all tables.

    A copy that other means put back, or a table that was made anew by hand, may be without it, and
    nobody would notice before it is needed.
    """
    sqlite = session.get_bind().dialect.name == "sqlite"
    found = set(session.scalars(text(GUARDS_OF_SQLITE if sqlite else GUARDS_OF_POSTGRESQL)))
    own = ("insert_new", "update_old", "update_new", "delete_old")
    clinics = ("_on_insert_any", "_on_update_any", "_on_delete_any") if sqlite else ("",)
    law = ("_on_insert", "_on_update") if sqlite else ("",)
    wanted = {
        *Base.metadata.tables,
        *(f"occupancy_overlap{each}" for each in law),
        *(f"{table}_version_on_{each}" for table in ("occupancy", "busy_time") for each in own),
        *(f"{table}_version{each}" for table in TIME_OF_THE_CLINIC for each in clinics),
    }
    for name in sorted(wanted - found)[:SHOWN]:
        yield f"{name} is missing: restore the newest copy into a new database"


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
    """Law 3: who has an address is owed a message about what holds, or had it, also of an end.

    What was booked and cancelled before anybody heard of it is nobody's business.
    """
    owed = exists().where(
        OwedMessage.appointment_id == Appointment.id,
        OwedMessage.audience == Audience.PATIENT,
        OwedMessage.kind.in_(CHANGES),
        OwedMessage.sequence == Appointment.sequence,
    )
    heard = exists().where(Told.appointment_id == Appointment.id, Told.audience == Audience.PATIENT)
    waits = exists().where(
        OwedMessage.appointment_id == Appointment.id,
        OwedMessage.audience == Audience.PATIENT,
        OwedMessage.settled_at.is_(None),
    )
    query = select(Appointment.reference).where(
        Appointment.status.in_((Status.BOOKED, Status.CANCELLED)),
        Appointment.start_at > now,
        Appointment.patient_email != "",
        ~owed,
        or_(Appointment.status == Status.BOOKED, heard, waits),
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
    if now < FIRST_RELEASE:
        yield f"it shows {now:%Y-%m-%d %H:%M} UTC, which was before this service was written"
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
