"""A clinic described in one file (TOML), checked as a whole and written as a whole."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.domain.openings import ALL_MONTHS, WeeklyHours
from booking.domain.public_holidays import public_holidays
from booking.domain.reminders import DEFAULT
from booking.domain.translations import Translations, tidied
from booking.messages.hygiene import header_text
from booking.messages.languages import ENGLISH, LANGUAGES
from booking.models import (
    Clinic,
    FeedShows,
    HealthcareService,
    Location,
    Mode,
    OpeningHours,
    Practitioner,
    RemindIf,
    Resource,
    Room,
    ServiceReminder,
    Visibility,
)
from booking.services import bounds
from booking.services.bounds import within

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _heading(text: str) -> str:
    try:
        return header_text(text)
    except ValueError:
        sentence = "holds a control character, a mark of direction or =?, which mail cannot carry"
        raise ValueError(sentence) from None


Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Name = Annotated[str, Field(min_length=1, max_length=bounds.NAME), AfterValidator(_heading)]
Email = Annotated[str, Field(pattern=r"^[^@\s<>,;\"]+@[^@\s<>,;\"]+$", max_length=254)]
CrisisText = Annotated[str, Field(max_length=300)]
Directions = Annotated[str, Field(max_length=bounds.DIRECTIONS)]
Summary = Annotated[str, Field(max_length=300)]
Preparation = Annotated[str, Field(max_length=2000)]
EventTitle = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_heading)]
HttpsAddress = Annotated[str, Field(pattern="^https://", max_length=bounds.WEB_ADDRESS)]


class ClinicFileError(Exception):
    """The file cannot be used; the text says where and why, a line for each fault."""


class ClinicExists(Exception):
    """The database holds a clinic already."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _offered(tag: str) -> str:
    if tag not in LANGUAGES:
        raise ValueError(f"is no language that patients can choose: {', '.join(LANGUAGES)}")
    return tag


Language = Annotated[str, AfterValidator(_offered)]


class ClinicInLanguage(_Part):
    """`[clinic.translations.es]`"""

    name: Name | None = None
    neutral_name: Name | None = None
    crisis_text: CrisisText | None = None


class LocationInLanguage(_Part):
    """`[locations.translations.es]`"""

    directions: Directions | None = None


class PractitionerInLanguage(_Part):
    """`[practitioners.translations.es]`"""

    title: Name | None = None


class ServiceInLanguage(_Part):
    """`[services.translations.es]`"""

    name: Name | None = None
    summary: Summary | None = None
    event_title: EventTitle | None = None
    preparation: Preparation | None = None


class ClinicPart(_Part):
    """`[clinic]`"""

    name: Name
    neutral_name: Name
    timezone: str
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    region: Annotated[str, Field(max_length=8)] | None = None
    language: Language = ENGLISH
    phone: Annotated[str, Field(max_length=32)]
    staff_email: Email | None = None
    crisis_text: CrisisText
    crisis_phone: Annotated[str, Field(max_length=32)]
    exit_url: HttpsAddress
    appointments_per_contact: Annotated[int, within(bounds.PER_CONTACT)] = 2
    feed_shows: FeedShows = FeedShows.APPOINTMENT
    proposals_welcome: bool = False
    decline_cancels: bool = False
    erase_after_days: Annotated[int, within(bounds.ERASE_AFTER_DAYS)] | None = 365
    erase_on_wish_after_days: Annotated[int, within(bounds.ERASE_ON_WISH_DAYS)] = 30

    accent: Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")] | None = None
    translations: dict[Language, ClinicInLanguage] = {}

    @field_validator("erase_after_days", mode="before")
    @classmethod
    def _never(cls, days: object) -> object:
        return None if days == "never" else days

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("is no IANA time zone")
        return name


class LocationPart(_Part):
    """`[[locations]]`"""

    key: Slug
    name: Name
    address: Annotated[str, Field(max_length=bounds.ADDRESS)]
    directions: Directions = ""
    translations: dict[Language, LocationInLanguage] = {}


class HoursPart(_Part):
    """One rule of a practitioner's week."""

    days: list[Day]
    opens: time
    closes: time
    breaks: list[tuple[time, time]] = []
    valid_from: date | None = None
    valid_until: date | None = None
    months: frozenset[Annotated[int, Field(ge=1, le=12)]] = ALL_MONTHS
    location: Slug | None = None

    def rules(self, place: int | None = None) -> Iterator[WeeklyHours]:
        """The rule for each of its days; raises ValueError if the times make no sense."""
        for day in self.days:
            yield WeeklyHours(
                weekday=DAYS.index(day),
                opens=self.opens,
                closes=self.closes,
                valid_from=self.valid_from,
                valid_until=self.valid_until,
                breaks=tuple(self.breaks),
                months=self.months,
                place=place,
            )


class PractitionerPart(_Part):
    """`[[practitioners]]`"""

    slug: Slug
    name: Name
    title: Name | None = None
    email: Email | None = None
    wants_invitations: bool = False
    translations: dict[Language, PractitionerInLanguage] = {}
    hours: list[HoursPart]

    @field_validator("hours")
    @classmethod
    def _sensible(cls, hours: list[HoursPart]) -> list[HoursPart]:
        for each in hours:
            list(each.rules())
        return hours


class RoomPart(_Part):
    """`[[rooms]]`"""

    slug: Slug
    name: Name
    location: Slug | None = None


class ReminderPart(_Part):
    """One reminder of a service; `before` in minutes."""

    before: Annotated[int, within(bounds.REMINDER)]
    remind_if: RemindIf = RemindIf.ALWAYS


USUAL_REMINDERS = [ReminderPart(before=each // timedelta(minutes=1)) for each in DEFAULT]


class ServicePart(_Part):
    """`[[services]]`; lengths of time in minutes unless the name says days."""

    slug: Slug
    name: Name
    summary: Summary = ""
    preparation: Preparation = ""
    event_title: EventTitle = "Appointment"
    translations: dict[Language, ServiceInLanguage] = {}
    mode: Mode
    location: Slug | None = None
    video_url: HttpsAddress | None = None
    visibility: Visibility = Visibility.PUBLIC
    duration: Annotated[int, within(bounds.DURATION)]
    step: Annotated[int, within(bounds.STEP)]
    buffer_before: Annotated[int, within(bounds.BUFFER)] = 0
    buffer_after: Annotated[int, within(bounds.BUFFER)] = 0
    minimum_notice: Annotated[int, within(bounds.NOTICE)] = 720
    booking_horizon_days: Annotated[int, within(bounds.HORIZON_DAYS)] = 60
    change_cutoff: Annotated[int, within(bounds.CUTOFF)] = 120
    daily_cap: Annotated[int, within(bounds.DAILY_CAP)] | None = None
    reminders: list[ReminderPart] = USUAL_REMINDERS
    practitioners: list[Slug]
    rooms: list[Slug] = []


class ClinicFile(_Part):
    """The whole file."""

    clinic: ClinicPart
    locations: list[LocationPart] = []
    practitioners: list[PractitionerPart]
    rooms: list[RoomPart] = []
    services: list[ServicePart]


def read_clinic_file(text: str) -> ClinicFile:
    """Understand a clinic file.

    Raises:
        ClinicFileError: if it is no TOML, or of another shape, or names what it does not define.
    """
    try:
        found = ClinicFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ClinicFileError(f"This is not TOML: {error}.") from error
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        lines = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in faults]
        raise ClinicFileError("\n".join(lines)) from error
    faults_found = list(_loose_ends(found))
    if faults_found:
        raise ClinicFileError("\n".join(faults_found))
    return found


def store_clinic(session: Session, file: ClinicFile) -> Clinic:
    """Write the clinic of a file into a database that has none.

    Raises:
        ClinicExists: if it has one.
    """
    if session.get(Clinic, 1) is not None:
        raise ClinicExists
    clinic = Clinic(
        id=1,
        **file.clinic.model_dump(exclude={"translations"}),
        translations=_said(file.clinic.translations),
    )
    places = {each.key: _location(each) for each in file.locations}
    session.add_all([clinic, *places.values()])
    session.flush()
    for each in file.practitioners:
        _store_practitioner(session, each, places)
    for room in file.rooms:
        place = places[room.location].id if room.location else None
        session.add(Room(slug=room.slug, name=room.name, location_id=place, active=True))
    session.flush()
    resources = {each.slug: each for each in session.scalars(select(Resource))}
    for position, service in enumerate(file.services):
        session.add(_service(service, position, places, resources))
    session.flush()
    return clinic


def _said(translations: Mapping[str, _Part]) -> Translations:
    return tidied({tag: texts.model_dump() for tag, texts in translations.items()})


def _location(part: LocationPart) -> Location:
    plain = part.model_dump(exclude={"key", "translations"})
    return Location(**plain, translations=_said(part.translations))


def _store_practitioner(
    session: Session, part: PractitionerPart, places: dict[str, Location]
) -> None:
    practitioner = Practitioner(
        slug=part.slug,
        name=part.name,
        title=part.title,
        email=part.email,
        wants_invitations=part.wants_invitations,
        active=True,
        translations=_said(part.translations),
    )
    session.add(practitioner)
    session.flush()
    for hours in part.hours:
        place = places[hours.location].id if hours.location else None
        session.add_all(OpeningHours.of(practitioner.id, rule) for rule in hours.rules(place))


def _service(
    part: ServicePart,
    position: int,
    places: dict[str, Location],
    resources: dict[str, Resource],
) -> HealthcareService:
    plain = part.model_dump(
        include={
            "slug", "name", "summary", "event_title", "mode", "video_url",
            "visibility", "daily_cap",
        }
    )  # fmt: skip
    lengths = (
        "duration",
        "step",
        "buffer_before",
        "buffer_after",
        "minimum_notice",
        "change_cutoff",
    )
    return HealthcareService(
        **plain,
        **{name: timedelta(minutes=getattr(part, name)) for name in lengths},
        booking_horizon=timedelta(days=part.booking_horizon_days),
        preparation=part.preparation.strip(),
        translations=_said(part.translations),
        position=position,
        location=places[part.location] if part.location else None,
        resources=[resources[slug] for slug in [*part.practitioners, *part.rooms]],
        reminders=[
            ServiceReminder(before=timedelta(minutes=each.before), remind_if=each.remind_if)
            for each in part.reminders
        ],
    )


def _loose_ends(file: ClinicFile) -> Iterator[str]:
    """Names that are used and not defined, or defined twice; holidays that nobody knows."""
    practitioners = [each.slug for each in file.practitioners]
    rooms = [each.slug for each in file.rooms]
    places = [each.key for each in file.locations]
    for names in (practitioners + rooms, places, [each.slug for each in file.services]):
        yield from (f"{name}: defined twice" for name in _repeated(names))
    yield from _said_twice(file)
    for service in file.services:
        where = f"services.{service.slug}"
        yield from _unknown(f"{where}: no practitioner", service.practitioners, practitioners)
        yield from _unknown(f"{where}: no room", service.rooms, rooms)
        yield from _unknown(f"{where}: no location", [service.location], places)
        listed = service.practitioners + service.rooms
        yield from (f"{where}: {name} is listed twice" for name in _repeated(listed))
        lengths = [str(each.before) for each in service.reminders]
        yield from (f"{where}: the reminder {each} is listed twice" for each in _repeated(lengths))
        if service.mode == Mode.IN_PERSON and service.location is None:
            yield f"{where}: a service in person needs a location"
    for each in file.practitioners:
        used = [hours.location for hours in each.hours]
        yield from _unknown(f"practitioners.{each.slug}: no location", used, places)
    for room in file.rooms:
        yield from _unknown(f"rooms.{room.slug}: no location", [room.location], places)
    try:
        public_holidays(file.clinic.country, file.clinic.region, 2026)
    except ValueError as error:
        yield f"clinic: {error}"


def _said_twice(file: ClinicFile) -> Iterator[str]:
    """Translations into the language in which everything is written already."""
    own = file.clinic.language
    parts: dict[str, Mapping[str, _Part]] = {"clinic": file.clinic.translations}
    parts |= {f"locations.{each.key}": each.translations for each in file.locations}
    parts |= {f"practitioners.{each.slug}": each.translations for each in file.practitioners}
    parts |= {f"services.{each.slug}": each.translations for each in file.services}
    for where, translations in parts.items():
        if own in translations:
            yield f"{where}: {own} is the clinic's own language, its texts need no translation"


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]


def _unknown(fault: str, used: Iterable[str | None], known: Sequence[str]) -> Iterator[str]:
    return (f"{fault} {name}" for name in used if name is not None and name not in known)
