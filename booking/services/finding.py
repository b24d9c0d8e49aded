"""Finding an appointment by what somebody says on the telephone."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from string import ascii_lowercase
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Status
from booking.domain.openings import local_day
from booking.domain.timeline import Span
from booking.models import Appointment, HealthcareService
from booking.services.agenda import with_names

MOST_FOUND = 50
LOOK_BACK = timedelta(days=180)
"""How far back one looks unless a day is named: what is older is seldom asked for, and years of it
would have to be read for a name."""
SHORTEST_NUMBER = 4
LATIN = "".join(map(chr, (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))))
"""The letters with accents of all that is written in Latin letters."""
NOT_TAKEN_APART = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i"}
"""Those that Unicode does not see as a letter and an accent."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for; empty means anything."""

    text: str = ""
    """A part of a name, an address, the end of a phone number, or a reference."""
    status: str = ""
    first: date | None = None
    last: date | None = None
    only: int | None = None
    """The practitioner whose appointments may be seen, where not everybody's may."""


def find(
    session: Session, wanted: Search, zone: ZoneInfo, *, now: datetime
) -> Sequence[Appointment]:
    """The appointments that answer to it, those to come first, at most `MOST_FOUND`."""
    since = local_day(wanted.first, zone).start if wanted.first else now - LOOK_BACK
    query = select(Appointment).where(Appointment.start_at >= since)
    if wanted.last:
        query = query.where(Appointment.start_at < local_day(wanted.last, zone).until)
    if wanted.status in {*Status}:
        query = query.where(Appointment.status == wanted.status)
    if wanted.only is not None:
        query = query.where(Appointment.practitioner_id == wanted.only)
    if wanted.text:
        query = query.where(_answers_to(wanted.text))
    is_over = Appointment.start_at < now
    ordered = query.order_by(is_over, Appointment.start_at, Appointment.id)
    return session.scalars(ordered.limit(MOST_FOUND).options(*with_names())).all()


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Which appointments a program asks for."""

    span: Span
    """When they begin."""
    practitioner: int | None = None
    service: int | None = None
    after: tuple[datetime, str] | None = None
    """Start and reference of the last one that is known; what follows it is asked for."""


def listed(session: Session, wanted: Listing, most: int) -> Sequence[Appointment]:
    """The appointments of a span by start and reference, cancelled ones included.

    The order never changes under who pages through it: what is inserted meanwhile is met or not,
    but nothing is met twice or left out for it.
    """
    query = select(Appointment).where(
        Appointment.start_at >= wanted.span.start, Appointment.start_at < wanted.span.until
    )
    if wanted.practitioner is not None:
        query = query.where(Appointment.practitioner_id == wanted.practitioner)
    if wanted.service is not None:
        query = query.where(Appointment.service_id == wanted.service)
    if wanted.after is not None:
        start, reference = wanted.after
        same = and_(Appointment.start_at == start, Appointment.reference > reference)
        query = query.where(or_(Appointment.start_at > start, same))
    ordered = query.order_by(Appointment.start_at, Appointment.reference)
    return session.scalars(ordered.limit(most).options(*with_names())).all()


def services(session: Session) -> list[HealthcareService]:
    """All that the desk can book, in the order of the clinic."""
    query = select(HealthcareService).order_by(HealthcareService.position, HealthcareService.id)
    return list(session.scalars(query))


def _by_ear(text: str) -> str:
    """A pattern for what a name sounds like: `jose` means José, and `josé` Jose."""
    plain = (_plain(each) for each in unicodedata.normalize("NFC", text).lower())
    return "".join(f"[{each}{ACCENTED[each]}]" if each in ACCENTED else re.escape(each)
                   for each in plain)  # fmt: skip


def _plain(letter: str) -> str:
    base = NOT_TAKEN_APART.get(letter, unicodedata.normalize("NFD", letter)[0])
    return base if base.isascii() else letter


ACCENTED = {
    base: "".join(sorted({each for each in LATIN.lower() if _plain(each) == base}))
    for base in ascii_lowercase
}
"""The letters that each plain one may stand for."""


def _answers_to(text: str) -> ColumnElement[bool]:
    pattern = "%" + re.sub(r"([%_\\])", r"\\\1", text.lower()) + "%"
    ways = [
        func.lower(Appointment.patient_name).regexp_match(_by_ear(text)),
        Appointment.email_key.like(pattern, escape="\\"),
        Appointment.reference == text.upper(),
    ]
    digits = re.sub(r"\D", "", text)
    # Said as 0172 …, stored as +49172 …: the trunk prefix is not kept (E.164).
    said = {digits, digits.lstrip("0")}
    numbers = (each for each in said if len(each) >= SHORTEST_NUMBER)
    ways += [Appointment.patient_phone.like(f"%{number}") for number in numbers]
    return or_(*ways)
