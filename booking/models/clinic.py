"""What the clinic has and when it is open: places, people, rooms, services, hours."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from sqlalchemy import JSON, CheckConstraint, Column, ForeignKey, Index, String, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.domain.openings import ALL_MONTHS, WeeklyHours
from booking.domain.slots import BookingRules
from booking.domain.timeline import Span
from booking.domain.translations import Translations, text_in
from booking.models.base import Base


class FeedShows(StrEnum):
    """What a subscribed calendar shows of an appointment: it may hang where others see it."""

    APPOINTMENT = "appointment"
    INITIALS = "initials"
    SERVICE = "service"
    """Initials and the name of the service."""


class Translated:
    """What holds texts that the clinic writes itself, in its own language and in others."""

    TRANSLATED: ClassVar[tuple[str, ...]] = ()
    """Those that patients read."""

    translations: Mapped[Translations] = mapped_column(
        JSON().with_variant(JSONB(), "postgresql"), default=dict
    )
    """What they are in other languages. To change one, assign all: inside nothing is watched."""

    def text(self, field: str, language: str) -> str:
        """A text as a reader of that language reads it; the clinic's own where there is none."""
        return text_in(language, field, getattr(self, field), self.translations or {})

    def has_text(self, field: str, language: str) -> bool:
        """Whether the text was entered in that language, if that is another than the clinic's."""
        return bool((self.translations or {}).get(language, {}).get(field))


class Clinic(Translated, Base):
    """The clinic itself: one row, with the words and numbers that its pages and mails show."""

    __tablename__ = "clinic"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)
    TRANSLATED = ("name", "neutral_name", "crisis_text")

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    name: Mapped[str] = mapped_column(String(100))
    """Shown on pages."""
    neutral_name: Mapped[str] = mapped_column(String(100))
    """Shown in mails and calendars: it must not tell what the clinic treats."""
    timezone: Mapped[str] = mapped_column(String(64))
    country: Mapped[str] = mapped_column(String(2))
    """ISO 3166-1: whose public holidays close the clinic, whose phone numbers need no prefix."""
    region: Mapped[str | None] = mapped_column(String(8))
    language: Mapped[str] = mapped_column(String(8), default="en")
    """In which the clinic writes: the language of its texts where no other is said."""
    phone: Mapped[str] = mapped_column(String(32))
    staff_email: Mapped[str | None] = mapped_column(String(254))
    """Where the front desk is told of changes; without patient data."""
    crisis_text: Mapped[str] = mapped_column(String(300))
    crisis_phone: Mapped[str] = mapped_column(String(32))
    exit_url: Mapped[str] = mapped_column(String(300))
    """The neutral site that "Exit this page" opens."""
    appointments_per_contact: Mapped[int] = mapped_column(default=2)
    """How many coming appointments one e-mail address or phone number may hold."""
    feed_shows: Mapped[FeedShows] = mapped_column(String(16), default=FeedShows.APPOINTMENT)
    """What a subscribed calendar shows of an appointment."""
    proposals_welcome: Mapped[bool] = mapped_column(default=False)
    """Whether invitations let a calendar app propose another time; some propose anyway."""
    decline_cancels: Mapped[bool] = mapped_column(default=False)
    """Whether a calendar's "no" cancels by itself; never inside the cut-off."""
    erase_after_days: Mapped[int | None]
    """How long after an appointment its personal data are kept; empty: until somebody asks. What
    holds where nobody says is in the clinic's file: a default here would replace the empty one."""
    erase_on_wish_after_days: Mapped[int] = mapped_column(default=30)
    """How long they are kept at the least, when the patient asks for their erasure."""

    accent: Mapped[str | None] = mapped_column(String(7))
    """The clinic's own colour, as `#1f5f58`; empty: the product's."""
    logo_digest: Mapped[str | None] = mapped_column(String(16))
    """Under which name the logo is served; empty: there is none."""
    logo_width: Mapped[int | None]
    logo_height: Mapped[int | None]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Location(Translated, Base):
    """A place where patients are met."""

    __tablename__ = "location"
    TRANSLATED = ("directions",)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    address: Mapped[str] = mapped_column(String(300))
    """One line, as an envelope would have it."""
    directions: Mapped[str] = mapped_column(String(1000), default="")


class ResourceKind(StrEnum):
    """What an appointment takes (iCalendar CUTYPE: INDIVIDUAL, ROOM)."""

    PRACTITIONER = "practitioner"
    ROOM = "room"


class Resource(Translated, Base):
    """What an appointment takes: a practitioner or a room. Two appointments never share it."""

    __tablename__ = "resource"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[ResourceKind] = mapped_column(String(16))
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    active: Mapped[bool] = mapped_column(default=True)
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"))
    version: Mapped[int] = mapped_column(default=0)
    """Rises in the transaction of every change to what takes its time."""

    # All columns at once: one table holds them, and a second look for each row would cost more.
    __mapper_args__ = {"polymorphic_on": "kind", "with_polymorphic": "*"}  # noqa: RUF012


class Practitioner(Resource):
    """Who sees patients."""

    TRANSLATED = ("title",)

    __mapper_args__ = {"polymorphic_identity": ResourceKind.PRACTITIONER}  # noqa: RUF012

    title: Mapped[str | None] = mapped_column(String(100))
    email: Mapped[str | None] = mapped_column(String(254))
    """Where the practitioner is told of changes; without patient data."""
    wants_invitations: Mapped[bool | None]
    """Whether those mails carry an event for the practitioner's own calendar."""


class Room(Resource):
    """Where an in-person appointment takes place."""

    __mapper_args__ = {"polymorphic_identity": ResourceKind.ROOM}  # noqa: RUF012


class Mode(StrEnum):
    """How patient and practitioner meet."""

    IN_PERSON = "in_person"
    VIDEO = "video"
    PHONE = "phone"


class Visibility(StrEnum):
    """Who can find a service."""

    PUBLIC = "public"
    LINK = "link"
    STAFF = "staff"


service_resource = Table(
    "service_resource",
    Base.metadata,
    Column("service_id", ForeignKey("healthcare_service.id", ondelete="CASCADE"), primary_key=True),
    Column("resource_id", ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_service_resource_resource_id", "resource_id"),
)


class HealthcareService(Translated, Base):
    """What can be booked, and by which rules (FHIR HealthcareService)."""

    __tablename__ = "healthcare_service"
    TRANSLATED = ("name", "summary", "event_title", "preparation")
    __table_args__ = (
        CheckConstraint("duration > 0 AND step > 0", name="positive"),
        CheckConstraint(
            "buffer_before >= 0 AND buffer_after >= 0"
            " AND buffer_before + duration + buffer_after <= 1440",
            name="within_a_day",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    summary: Mapped[str] = mapped_column(String(300), default="")
    preparation: Mapped[str] = mapped_column(String(2000), default="")
    """How to prepare: the clinic's own words, on the appointment's page only."""
    event_title: Mapped[str] = mapped_column(String(60), default="Appointment")
    """What a shared calendar will show: neutral."""
    mode: Mapped[Mode] = mapped_column(String(16))
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"))
    video_url: Mapped[str | None] = mapped_column(String(300))
    visibility: Mapped[Visibility] = mapped_column(String(8), default=Visibility.PUBLIC)
    position: Mapped[int] = mapped_column(default=0)

    duration: Mapped[timedelta]
    step: Mapped[timedelta]
    buffer_before: Mapped[timedelta] = mapped_column(default=timedelta())
    buffer_after: Mapped[timedelta] = mapped_column(default=timedelta())
    minimum_notice: Mapped[timedelta] = mapped_column(default=timedelta(hours=12))
    booking_horizon: Mapped[timedelta] = mapped_column(default=timedelta(days=60))
    change_cutoff: Mapped[timedelta] = mapped_column(default=timedelta(hours=2))
    """Patients may move or cancel until this long before the start."""
    daily_cap: Mapped[int | None]
    """How many of this service a day may hold, all practitioners together."""

    location: Mapped[Location | None] = relationship(lazy="joined")
    resources: Mapped[list[Resource]] = relationship(
        secondary=service_resource, order_by=Resource.id, lazy="selectin"
    )
    reminders: Mapped[list["ServiceReminder"]] = relationship(
        cascade="all, delete-orphan", order_by="ServiceReminder.before.desc()"
    )

    @property
    def practitioners(self) -> list[Practitioner]:
        """Who offers the service, in a steady order; those on file but not active are left out."""
        return [each for each in self.resources if isinstance(each, Practitioner) and each.active]

    @property
    def rooms(self) -> list[Room]:
        """The rooms of which an appointment takes one; empty where none is needed."""
        return [each for each in self.resources if isinstance(each, Room) and each.active]

    @property
    def needs_room(self) -> bool:
        """A service that lists rooms takes one, also when all of them are out of use."""
        return any(isinstance(each, Room) for each in self.resources)

    @property
    def rules(self) -> BookingRules:
        return BookingRules(
            duration=self.duration,
            step=self.step,
            buffer_before=self.buffer_before,
            buffer_after=self.buffer_after,
            minimum_notice=self.minimum_notice,
            booking_horizon=self.booking_horizon,
        )


class RemindIf(StrEnum):
    """On what condition a reminder is sent."""

    ALWAYS = "always"
    NOT_ACCEPTED = "not_accepted"
    """Only while the patient's calendar has not said yes."""


class ServiceReminder(Base):
    """A reminder that every appointment of a service owes its patient."""

    __tablename__ = "service_reminder"
    __table_args__ = (CheckConstraint("before > 0", name="beforehand"),)

    service_id: Mapped[int] = mapped_column(
        ForeignKey("healthcare_service.id", ondelete="CASCADE"), primary_key=True
    )
    before: Mapped[timedelta] = mapped_column(primary_key=True)
    """How long before the beginning it is due."""
    remind_if: Mapped[RemindIf] = mapped_column(String(16), default=RemindIf.ALWAYS)


EVERY_MONTH = (1 << 12) - 1


class OpeningHours(Base):
    """A weekly rule on the wall clock; valid on one date only, it is an extra opening."""

    __tablename__ = "opening_hours"
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        CheckConstraint("months BETWEEN 1 AND 4095", name="months"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    resource_id: Mapped[int] = mapped_column(
        ForeignKey("resource.id", ondelete="CASCADE"), index=True
    )
    weekday: Mapped[int]
    opens: Mapped[time]
    closes: Mapped[time]
    valid_from: Mapped[date | None]
    valid_until: Mapped[date | None]
    """The last day on which the rule holds."""
    months: Mapped[int] = mapped_column(default=EVERY_MONTH)
    """In which months it holds: bit 0 is January, bit 11 December."""
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"))
    """Where patients are met then; nowhere in particular when absent."""

    breaks: Mapped[list["OpeningBreak"]] = relationship(
        lazy="joined", cascade="all, delete-orphan", order_by="OpeningBreak.begins"
    )

    @property
    def rule(self) -> WeeklyHours:
        return weekly_hours(self, [(each.begins, each.ends) for each in self.breaks])

    @classmethod
    def of(cls, resource_id: int, rule: WeeklyHours) -> "OpeningHours":
        """The row that keeps a rule."""
        return cls(
            resource_id=resource_id,
            weekday=rule.weekday,
            opens=rule.opens,
            closes=rule.closes,
            valid_from=rule.valid_from,
            valid_until=rule.valid_until,
            months=sum(1 << (each - 1) for each in rule.months),
            location_id=rule.place,
            breaks=[OpeningBreak(begins=begins, ends=ends) for begins, ends in rule.breaks],
        )


class OpeningBreak(Base):
    """A pause inside opening hours, on the wall clock."""

    __tablename__ = "opening_break"

    id: Mapped[int] = mapped_column(primary_key=True)
    opening_hours_id: Mapped[int] = mapped_column(
        ForeignKey("opening_hours.id", ondelete="CASCADE"), index=True
    )
    begins: Mapped[time]
    ends: Mapped[time]


def weekly_hours(row: Any, breaks: Iterable[tuple[time, time]]) -> WeeklyHours:
    """The rule that a row of opening hours keeps, read as an object or as it comes."""
    return WeeklyHours(
        weekday=row.weekday,
        opens=row.opens,
        closes=row.closes,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        breaks=tuple(breaks),
        months=frozenset(each for each in ALL_MONTHS if row.months >> (each - 1) & 1),
        place=row.location_id,
    )


class Closure(Base):
    """An exception that closes the clinic, or one practitioner or room (FHIR notAvailable)."""

    __tablename__ = "closure"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="in_order"),
        Index("ix_closure_ends_at_resource_id", "ends_at", "resource_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    resource_id: Mapped[int | None] = mapped_column(
        ForeignKey("resource.id", ondelete="CASCADE"), index=True
    )
    """Nobody: the whole clinic."""
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(String(200), default="")
    """For staff only."""

    @property
    def span(self) -> Span:
        return Span(self.starts_at, self.ends_at)


class HolidayOverride(Base):
    """A public holiday on which the clinic is open all the same."""

    __tablename__ = "holiday_override"

    on_date: Mapped[date] = mapped_column(primary_key=True)
