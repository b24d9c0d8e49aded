"""The demo clinic: believable, the same every time, and nobody in it is real."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Verb
from booking.domain.openings import local_day
from booking.domain.slots import Slot
from booking.models import Appointment, Clinic, HealthcareService, Kind, OwedMessage
from booking.services.accounts import create_user
from booking.services.appointments import (
    House,
    book_appointment,
    cancel_appointment,
    note_attendance,
)
from booking.services.availability import free_slots
from booking.services.clinic_file import read_clinic_file, store_clinic
from booking.services.requests import BookingRequest, PatientDetails

DEMO_FILE = Path(__file__).parent / "demo" / "clinic.toml"
DEMO_SIGN_IN = "demo@harborlight.example"
DEMO_PASSWORD = "quiet-harbor-in-the-morning"  # noqa: S105 (printed at every start of the demo)

NAMES = (
    "Alex Rivers", "Sam Waters", "Robin Fields", "Jamie Stone", "Casey Brook", "Morgan Lake",
    "Taylor Woods", "Jordan Hill", "Riley Marsh", "Quinn Meadow", "Avery Shore", "Rowan Glen",
    "Drew Vale", "Skyler Reed", "Emery Cove", "Finley Heath",
)  # fmt: skip
FICTION = 100
"""The first of the hundred numbers after 555 that are kept for fiction."""
STAFF = "demo"
BEFOREHAND = timedelta(days=9)
"""How long ago everything in the demo was booked."""


@dataclass(frozen=True)
class Wish:
    """One appointment of the demo: on which day from today, and how it went."""

    day: int
    service: str
    share: float
    """Which of the day's free times: 0 the first, 1 the last."""
    verbs: tuple[str, ...] = ()


WISHES = (
    Wish(-6, "first-consultation", 0.2, ("arrive", "fulfil")),
    Wish(-6, "video-consultation", 0.7, ("miss",)),
    Wish(-5, "phone-call", 0.5, ("fulfil",)),
    Wish(-4, "first-consultation", 0.5, ("arrive", "fulfil")),
    Wish(-3, "video-consultation", 0.3, ("cancel",)),
    Wish(0, "first-consultation", 0.3),
    Wish(0, "phone-call", 0.8),
    Wish(1, "first-consultation", 0.1),
    Wish(1, "video-consultation", 0.5),
    Wish(2, "first-consultation", 0.4),
    Wish(2, "phone-call", 0.6),
    Wish(3, "video-consultation", 0.2),
    Wish(4, "first-consultation", 0.8),
    Wish(7, "first-consultation", 0.3),
    Wish(8, "video-consultation", 0.6),
    Wish(9, "phone-call", 0.1),
)


def seed_demo(session: Session, house: House, password_hash: str, *, now: datetime) -> bool:
    """Fill an empty database with the demo clinic; False if it already held a clinic.

    Its appointments are made by the same use cases as everybody's, at the instant at which
    they would have been made; nothing is mailed about them but what is due later: reminders.
    """
    if session.scalar(select(func.count()).select_from(Clinic)):
        return False
    clinic = store_clinic(session, read_clinic_file(DEMO_FILE.read_text(encoding="utf-8")))
    create_user(session, DEMO_SIGN_IN, password_hash, now=now)
    for number, wish in enumerate(WISHES):
        _make(session, clinic, house, wish, NAMES[number % len(NAMES)], made_at=now - BEFOREHAND)
    ahead = (OwedMessage.kind == Kind.REMINDER) & (OwedMessage.due_at > now)
    session.execute(update(OwedMessage).where(~ahead).values(settled_at=now))
    session.flush()
    return True


def _make(
    session: Session, clinic: Clinic, house: House, wish: Wish, name: str, *, made_at: datetime
) -> None:
    service = session.scalars(
        select(HealthcareService).where(HealthcareService.slug == wish.service)
    ).one()
    day = (made_at + BEFOREHAND).astimezone(clinic.zone).date() + timedelta(days=wish.day)
    span = local_day(day, clinic.zone)
    slots = free_slots(session, clinic, service, span, now=made_at)
    if not slots:
        return  # a weekend or a holiday
    slot = slots[round(wish.share * (len(slots) - 1))]
    request = BookingRequest(start=slot.start, practitioner=None, patient=_patient(name))
    made = book_appointment(session, service.slug, request, house, now=made_at)
    for verb in wish.verbs:
        _live(session, made, verb, house, slot)


def _live(session: Session, made: Appointment, verb: str, house: House, slot: Slot) -> None:
    if verb == "cancel":
        before = slot.start - timedelta(days=1)
        cancel_appointment(session, made, house, now=before)
    else:
        note_attendance(session, made, Verb(verb), house, actor=STAFF, now=slot.end)


def _patient(name: str) -> PatientDetails:
    digits = FICTION + NAMES.index(name)  # a number of one's own: each may hold only so many
    local = name.lower().replace(" ", ".")
    return PatientDetails(
        name=name,
        email=f"{local}@mail.example",
        phone=f"+1212555{digits:04}",
        timezone="America/New_York",
        may_leave_message=digits % 2 == 0,
    )
