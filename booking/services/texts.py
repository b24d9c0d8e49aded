"""The clinic's words: what pages say, and what a calendar that others may see will show."""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from icalendar import Calendar
from sqlalchemy.orm import Session

from booking.domain.translations import Translations
from booking.messages.facts import AppointmentFacts
from booking.messages.invitation import download
from booking.messages.languages import known_language
from booking.models import Clinic, HealthcareService, Mode
from booking.services.correspondence import clinic_facts
from booking.services.schedules import Act, put

UNCHOSEN = "Appointment"
NOBODY = "patient@mail.example"
TOMORROW = timedelta(days=1)


@dataclass(frozen=True)
class ClinicTexts:
    """How the clinic calls itself, and whom it names in a crisis."""

    name: str
    neutral_name: str
    phone: str
    crisis_text: str
    crisis_phone: str
    translations: Translations = field(default_factory=dict)


@dataclass(frozen=True)
class ServiceTexts:
    """What is said of a service: to whoever books it, and in calendars."""

    name: str
    summary: str
    event_title: str
    preparation: str
    translations: Translations = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """What an event says in a calendar."""

    title: str
    organizer: str
    location: str
    description: str


def change_clinic(session: Session, clinic: Clinic, texts: ClinicTexts, *, act: Act) -> None:
    """Say it so from now on; messages that have left stay as they are."""
    _change(session, clinic, asdict(texts), "clinic", act)


def change_service(
    session: Session, service: HealthcareService, texts: ServiceTexts, *, act: Act
) -> None:
    """Say it so from now on; events get their new title with the next message about them."""
    _change(session, service, asdict(texts), service.slug, act)


def lacks(service: HealthcareService, language: str) -> bool:
    """Whether something of it stands in the clinic's own language only.

    The title that nobody chose is none of the clinic's texts: it is translated with ours.
    """
    own = {each for each in service.TRANSLATED if getattr(service, each)}
    if service.event_title == UNCHOSEN:
        own.remove("event_title")
    return any(not service.has_text(each, language) for each in own)


def calendar_shows(
    clinic: Clinic,
    service: HealthcareService,
    title: str,
    *,
    language: str,
    mail_from: str,
    now: datetime,
) -> Shown:
    """What a calendar will show of an appointment: read from an invitation as it is sent.

    Args:
        title: The neutral title, as it is or as it might be.
        language: That of the appointment.
    """
    start = (now + TOMORROW).replace(second=0, microsecond=0)
    in_person = service.mode == Mode.IN_PERSON
    facts = AppointmentFacts(
        uid=str(UUID(int=0)),
        sequence=0,
        start=start,
        end=start + service.duration,
        created_at=now,
        updated_at=now,
        mode=Mode(service.mode).value,
        title=title,
        location=service.location.address if in_person and service.location else "",
        video_url=service.video_url if service.mode == Mode.VIDEO else None,
        patient_address=NOBODY,
        patient_timezone=clinic.timezone,
        language=known_language(language),
        manage_url="",
    )
    house = clinic_facts(clinic, mail_from, language=language)
    event = Calendar.from_ical(download(house, facts)).walk("VEVENT")[0]
    return Shown(
        title=str(event["summary"]),
        organizer=str(event["organizer"].params.get("CN", "")),
        location=str(event["location"]),
        description=str(event["description"]),
    )


def _change(
    session: Session,
    what: Clinic | HealthcareService,
    texts: dict[str, Any],
    subject: str,
    act: Act,
) -> None:
    changed = put(what, texts)
    session.flush()
    if changed:
        act.note(session, "texts.change", subject, changed)
