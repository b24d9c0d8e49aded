"""A small clinic and its appointments, each with a readable default.

The present is Monday 23 November 2026, 8:00 in New York (13:00 UTC) unless a test moves it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.messages.mail import Mail
from booking.models import Appointment, HealthcareService
from booking.services.appointments import House, book_appointment
from booking.services.clinic_file import read_clinic_file, store_clinic
from booking.services.links import Keys
from booking.services.requests import BookingRequest, PatientDetails

NEW_YORK = ZoneInfo("America/New_York")
MONDAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 13, tzinfo=UTC)
SECRET = "a-secret-that-is-only-used-in-tests-0123456789"
HOUSE = House(Keys(SECRET), timedelta())
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

CLINIC = """
[clinic]
name = "Quiet Harbor Clinic"
neutral_name = "Quiet Harbor"
timezone = "America/New_York"
country = "US"
region = "NY"
phone = "(212) 555-0142"
staff_email = "desk@clinic.example"
crisis_text = "In crisis? Call or text this number at any hour."
crisis_phone = "988"
exit_url = "https://www.weather.gov/"
appointments_per_contact = 1000

[[locations]]
key = "main"
name = "Main"
address = "120 Water Street, New York, NY 10005"

[[practitioners]]
slug = "ada"
name = "Ada Bell"
email = "ada@clinic.example"

[[practitioners.hours]]
days = ["mon", "tue", "wed", "thu", "fri"]
opens = "09:00"
closes = "17:00"
breaks = [["12:00", "13:00"]]

[[practitioners]]
slug = "ben"
name = "Ben Cole"
hours = [{ days = ["mon", "wed"], opens = "10:00", closes = "15:00" }]

[[rooms]]
slug = "blue"
name = "Blue room"

[[services]]
slug = "visit"
name = "First consultation"
preparation = "Bring a list of your medicines."
mode = "in_person"
location = "main"
duration = 45
buffer_after = 15
step = 30
minimum_notice = 60
booking_horizon_days = 30
reminders = []
practitioners = ["ada", "ben"]
rooms = ["blue"]

[[services]]
slug = "video"
name = "Video consultation"
mode = "video"
video_url = "https://video.clinic.example/room"
duration = 30
step = 30
minimum_notice = 60
booking_horizon_days = 30
reminders = []
practitioners = ["ada", "ben"]

[[services]]
slug = "call"
name = "Phone call"
mode = "phone"
duration = 15
step = 15
minimum_notice = 60
booking_horizon_days = 30
reminders = []
practitioners = ["ada"]

[[services]]
slug = "internal"
name = "Staff meeting"
mode = "phone"
visibility = "staff"
duration = 15
step = 15
reminders = []
practitioners = ["ada"]
"""


def at(when: str, *, week: int = 0) -> datetime:
    """The instant that a New York clock shows: `at("Tue 09:30")`, in the week of the present."""
    day, clock = when.split()
    local = datetime.combine(
        MONDAY + timedelta(days=DAYS.index(day), weeks=week), time.fromisoformat(clock), NEW_YORK
    )
    return local.astimezone(UTC)


def a_clinic(session: Session, text: str = CLINIC) -> None:
    """Store the clinic above."""
    store_clinic(session, read_clinic_file(text))


def a_patient(**changes: object) -> PatientDetails:
    """Somebody who would like to come."""
    return PatientDetails(
        **{
            "name": "Sam Rivers",
            "email": "sam@mail.example",
            "phone": "+12125550123",
            "timezone": "America/New_York",
            "may_leave_message": False,
            **changes,
        }  # type: ignore[arg-type]
    )


def a_request(
    start: str = "Tue 09:00",
    *,
    practitioner: str | None = None,
    key: str | None = None,
    **patient: Any,
) -> BookingRequest:
    """A wish for a slot."""
    return BookingRequest(
        start=at(start), practitioner=practitioner, patient=a_patient(**patient), key=key
    )


def an_appointment(
    session: Session,
    start: str = "Tue 09:00",
    *,
    service: str = "visit",
    now: datetime = NOW,
    practitioner: str | None = "ada",
    **patient: Any,
) -> Appointment:
    """A booked appointment, made as everybody's are."""
    request = a_request(start, practitioner=practitioner, **patient)
    return book_appointment(session, service, request, HOUSE, now=now)


def the_service(session: Session, slug: str = "visit") -> HealthcareService:
    """A stored service."""
    return session.scalars(select(HealthcareService).where(HealthcareService.slug == slug)).one()


@dataclass
class Clock:
    """A clock that a test sets."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **length: float) -> None:
        """Let time pass: `clock.forward(hours=2)`."""
        self.now += timedelta(**length)


@dataclass
class Mailbox:
    """A transport that keeps what it is given, and fails when it is told to."""

    mails: list[Mail] = field(default_factory=list)
    refuse_connection: Exception | None = None
    refuse_mail: Exception | None = None

    @contextmanager
    def connect(self) -> Iterator["Mailbox"]:
        if self.refuse_connection:
            raise self.refuse_connection
        yield self

    def send(self, mail: Mail) -> None:
        if self.refuse_mail:
            raise self.refuse_mail
        self.mails.append(mail)

    def to(self, address: str) -> list[Mail]:
        """The mails to one address, oldest first."""
        return [each for each in self.mails if each.recipient == address]
