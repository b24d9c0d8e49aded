"""Calendars that others read from us, and those that we read from others."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.domain.timeline import Span
from booking.models.base import Base, Seal, sealed_by
from booking.models.clinic import Resource


class Feed(Base):
    """The address under which a calendar app may subscribe to one practitioner or room.

    Without its row a resource has no feed; a new version ends the address before.
    """

    __tablename__ = "feed"

    resource_id: Mapped[int] = mapped_column(
        ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True
    )
    nonce: Mapped[bytes] = mapped_column(LargeBinary(16))
    version: Mapped[int] = mapped_column(default=1)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    """SHA-256 of the token: enough to find the row, not enough to make the address."""
    changed_at: Mapped[datetime]
    """When the address was made or last changed."""

    resource: Mapped[Resource] = relationship()


class CalendarKind(StrEnum):
    """How a practitioner's own calendar is read."""

    ICS = "ics"
    CALDAV = "caldav"


class BusyCalendar(Base):
    """A practitioner's own calendar, read by the worker so that nothing is offered over it."""

    __tablename__ = "busy_calendar"
    __table_args__ = (Index("ix_busy_calendar_next_check_at", "next_check_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    resource_id: Mapped[int] = mapped_column(
        ForeignKey("resource.id", ondelete="CASCADE"), index=True
    )
    kind: Mapped[CalendarKind] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(100))
    """What staff call it."""
    sealed_url: Mapped[bytes] = mapped_column(LargeBinary, info=sealed_by(Seal.HOUSE))
    """Its address, sealed: whoever knows it reads the calendar."""
    etag: Mapped[str] = mapped_column(String(200), default="")
    last_modified: Mapped[str] = mapped_column(String(100), default="")
    next_check_at: Mapped[datetime]
    checked_at: Mapped[datetime | None]
    """When it was last asked, with whatever result."""
    fetched_at: Mapped[datetime | None]
    """When its state was last known to be good, changed or not."""
    failing_since: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(String(200), default="")

    resource: Mapped[Resource] = relationship()


class BusyTime(Base):
    """A time at which a practitioner is busy by a calendar of their own, `[starts, ends)`."""

    __tablename__ = "busy_time"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="in_order"),
        Index("ix_busy_time_resource_id_ends_at", "resource_id", "ends_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    calendar_id: Mapped[int] = mapped_column(
        ForeignKey("busy_calendar.id", ondelete="CASCADE"), index=True
    )
    resource_id: Mapped[int] = mapped_column(ForeignKey("resource.id", ondelete="CASCADE"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]

    @property
    def span(self) -> Span:
        return Span(self.starts_at, self.ends_at)
