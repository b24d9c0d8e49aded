"""Who would rather come earlier, and what they were offered."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.models.appointment import Appointment
from booking.models.base import Base
from booking.models.clinic import Practitioner


class Outcome(StrEnum):
    """What became of an offer."""

    OPEN = "open"
    TAKEN = "taken"
    DECLINED = "declined"
    EXPIRED = "expired"
    SKIPPED = "skipped"
    """By staff."""


class WaitlistEntry(Base):
    """The patient of an appointment asks to be told when an earlier time comes free."""

    __tablename__ = "waitlist_entry"
    __table_args__ = (
        CheckConstraint("weekdays BETWEEN 1 AND 127", name="weekdays"),
        CheckConstraint("parts BETWEEN 1 AND 7", name="parts"),
        Index("ix_waitlist_entry_ended_at_joined_at", "ended_at", "joined_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    appointment_id: Mapped[int] = mapped_column(
        ForeignKey("appointment.id", ondelete="CASCADE"), unique=True
    )
    practitioner_id: Mapped[int | None] = mapped_column(ForeignKey("resource.id"))
    """With whom alone; nobody: with anybody."""
    weekdays: Mapped[int]
    """On which days it would suit: bit 0 is Monday."""
    parts: Mapped[int]
    """At which times of day: bit 0 the morning, 1 the afternoon, 2 the evening."""
    until_on: Mapped[date]
    """The last day that would still be early enough."""
    joined_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    appointment: Mapped[Appointment] = relationship()
    practitioner: Mapped[Practitioner | None] = relationship()
    offers: Mapped[list["WaitlistOffer"]] = relationship(
        back_populates="entry", cascade="all, delete-orphan", order_by="WaitlistOffer.id"
    )


class WaitlistOffer(Base):
    """One time that was offered to somebody who waits, and held for them meanwhile."""

    __tablename__ = "waitlist_offer"
    __table_args__ = (UniqueConstraint("entry_id", "start_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("waitlist_entry.id", ondelete="CASCADE"))
    practitioner_id: Mapped[int] = mapped_column(ForeignKey("resource.id"))
    start_at: Mapped[datetime]
    offered_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    outcome: Mapped[Outcome] = mapped_column(String(16), default=Outcome.OPEN)

    entry: Mapped[WaitlistEntry] = relationship(back_populates="offers")
    practitioner: Mapped[Practitioner] = relationship()
