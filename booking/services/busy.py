"""Practitioners' own calendars: which ones there are, when each is read, and what it said.

Asking and working through happen elsewhere, outside of any transaction; what is stored here is
the last state that was good, however long ago that was.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography.fernet import InvalidToken
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session, joinedload

from booking.domain.timeline import Span
from booking.messages.foreign.faults import CalendarFault
from booking.messages.foreign.questions import Question, Reading
from booking.models import (
    Appointment,
    BusyCalendar,
    BusyTime,
    CalendarKind,
    Clinic,
    HealthcareService,
    Practitioner,
)
from booking.services.correspondence import staff_uid
from booking.services.kept_keys import with_kept
from booking.services.links import Keys

EVERY = timedelta(minutes=15)
LEASE = timedelta(minutes=2)
"""Longer than any reading takes; whoever dies in between is followed by another after it."""
AFTER_FAULTS = (timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=60))
WORRYING = timedelta(days=1)
"""A calendar that has failed for so long is worth a word to staff."""
DAY = timedelta(days=1)


@dataclass(frozen=True)
class NewCalendar:
    """A calendar that somebody asks us to read."""

    kind: CalendarKind
    name: str
    address: str


@dataclass(frozen=True)
class Claimed:
    """A calendar that is ours to read until the lease runs out."""

    calendar: int
    question: Question


def add_calendar(
    session: Session, practitioner: Practitioner, new: NewCalendar, *, keys: Keys, now: datetime
) -> BusyCalendar:
    """Read another calendar from now on; the worker does so at its next turn."""
    calendar = BusyCalendar(
        resource_id=practitioner.id,
        kind=new.kind,
        name=new.name,
        sealed_url=keys.seal.encrypt(new.address.encode()),
        next_check_at=now,
    )
    session.add(calendar)
    session.flush()
    return calendar


def check_now(session: Session, calendar: int, *, now: datetime) -> None:
    """Let the worker read it at its next turn."""
    session.execute(
        update(BusyCalendar).where(BusyCalendar.id == calendar).values(next_check_at=now)
    )


def remove_calendar(session: Session, calendar: int) -> None:
    """Forget a calendar and all that it said."""
    session.execute(delete(BusyTime).where(BusyTime.calendar_id == calendar))
    session.execute(delete(BusyCalendar).where(BusyCalendar.id == calendar))


def anything_due(session: Session, *, now: datetime) -> bool:
    """Whether a claim is worth a transaction."""
    due = select(BusyCalendar.id).where(BusyCalendar.next_check_at <= now)
    return session.scalar(due.limit(1)) is not None


def claim_due(
    session: Session, *, keys: Keys, our_address: str, hosts: Collection[str], now: datetime
) -> Claimed | None:
    """Take the calendar that has waited longest, for `LEASE`; None when none is due.

    Args:
        our_address: The mailbox that organizes our own appointments.
        hosts: Names that may lie in the clinic's own network.
    """
    due = (
        select(BusyCalendar)
        .where(BusyCalendar.next_check_at <= now)
        .order_by(BusyCalendar.next_check_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    calendar = session.scalar(due)
    if calendar is None:
        return None
    calendar.next_check_at = now + LEASE
    question = _question(session, calendar, keys, our_address=our_address, hosts=hosts, now=now)
    return Claimed(calendar.id, question)


def store(session: Session, calendar: int, reading: Reading | None, *, now: datetime) -> None:
    """Keep what a calendar says now; None says that it is as it was."""
    found = session.get(BusyCalendar, calendar)
    if found is None:  # removed while it was being read
        return
    if reading is not None:
        found.etag, found.last_modified = reading.etag, reading.last_modified
        _replace(session, found, reading.spans)
    found.checked_at = found.fetched_at = now
    found.failing_since, found.last_error = None, ""
    found.next_check_at = now + EVERY


def note_fault(session: Session, calendar: int, fault: CalendarFault, *, now: datetime) -> None:
    """Keep what was good, and try again soon, then less often."""
    found = session.get(BusyCalendar, calendar)
    if found is None:
        return
    found.checked_at = now
    found.failing_since = found.failing_since or now
    found.last_error = fault.text
    failing = now - found.failing_since
    waited = (sum(AFTER_FAULTS[:count], timedelta()) for count in range(1, len(AFTER_FAULTS)))
    found.next_check_at = now + AFTER_FAULTS[sum(failing >= each for each in waited)]


def failing(session: Session, *, now: datetime) -> Sequence[BusyCalendar]:
    """Calendars that could not be read for more than a day, those of longest standing first."""
    query = (
        select(BusyCalendar)
        .where(BusyCalendar.failing_since <= now - WORRYING)
        .order_by(BusyCalendar.failing_since)
        .options(joinedload(BusyCalendar.resource))
    )
    return session.scalars(query).all()


def calendars(session: Session) -> Sequence[BusyCalendar]:
    """All that are read, in the order in which they were added."""
    return session.scalars(select(BusyCalendar).order_by(BusyCalendar.id)).all()


def times_ahead(session: Session, *, now: datetime) -> dict[int, int]:
    """How many busy times lie ahead, by calendar."""
    query = (
        select(BusyTime.calendar_id, func.count())
        .where(BusyTime.ends_at > now)
        .group_by(BusyTime.calendar_id)
    )
    return {row.calendar_id: row[1] for row in session.execute(query)}


def address_in(calendar: BusyCalendar, keys: Keys) -> str | None:
    """Its address, unsealed; None once its secret is known no more."""
    try:
        return keys.seal.decrypt(calendar.sealed_url).decode()
    except InvalidToken:
        return None


def host_of(calendar: BusyCalendar, keys: Keys) -> str:
    """All of its address that is shown again; empty once it cannot be unsealed."""
    return urlsplit(address_in(calendar, keys) or "").hostname or ""


def _question(
    session: Session,
    calendar: BusyCalendar,
    keys: Keys,
    *,
    our_address: str,
    hosts: Collection[str],
    now: datetime,
) -> Question:
    """What is asked of a calendar; the whole once a day, since the days asked for move on."""
    clinic = session.get_one(Clinic, 1)
    same_day = calendar.fetched_at is not None and (
        calendar.fetched_at.astimezone(clinic.zone).date() == now.astimezone(clinic.zone).date()
    )
    since = now - DAY
    return Question(
        kind=CalendarKind(calendar.kind).value,
        address=address_in(calendar, keys) or "",
        etag=calendar.etag if same_day else "",
        last_modified=calendar.last_modified if same_day else "",
        since=since,
        until=now + _horizon(session) + 2 * DAY,
        timezone=clinic.timezone,
        ours=_ours(session, calendar.resource_id, keys, since=since - DAY),
        our_address=our_address,
        hosts=tuple(hosts),
    )


def _horizon(session: Session) -> timedelta:
    longest = session.scalar(select(func.max(HealthcareService.booking_horizon)))
    return longest or timedelta()


def _ours(session: Session, practitioner: int, keys: Keys, *, since: datetime) -> tuple[str, ...]:
    """The names of our own appointments in a practitioner's calendar, in either of their forms."""
    query = select(Appointment.uid, Appointment.reference).where(
        Appointment.practitioner_id == practitioner, Appointment.start_at >= since
    )
    found = session.execute(query).all()
    uids, keys = [uid for uid, _ in found], with_kept(session, keys)
    return (*uids, *(staff_uid(reference, practitioner, keys) for _, reference in found))


def _replace(session: Session, calendar: BusyCalendar, spans: list[Span]) -> None:
    known = session.scalars(
        select(BusyTime).where(BusyTime.calendar_id == calendar.id).order_by(BusyTime.starts_at)
    )
    if [each.span for each in known] == spans:
        return
    session.execute(delete(BusyTime).where(BusyTime.calendar_id == calendar.id))
    rows = [
        {
            "calendar_id": calendar.id,
            "resource_id": calendar.resource_id,
            "starts_at": span.start,
            "ends_at": span.until,
        }
        for span in spans
    ]
    if rows:
        session.execute(insert(BusyTime), rows)
