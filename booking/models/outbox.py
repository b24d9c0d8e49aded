"""Messages that are owed, and those that have left."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.models.appointment import Appointment
from booking.models.base import Base


class Kind(StrEnum):
    """What a message tells."""

    CONFIRMED = "confirmed"
    RESCHEDULED = "rescheduled"
    CANCELLED = "cancelled"


class Audience(StrEnum):
    """Whom a message is for."""

    PATIENT = "patient"
    PRACTITIONER = "practitioner"
    STAFF = "staff"


class OwedMessage(Base):
    """A message that an appointment owes (the outbox).

    Written in the transaction that makes it due. It holds no personal data: it is rendered from
    the appointment at the moment of sending, so that what is said is what holds.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("appointment_id", "sequence", "kind", "audience", "copy"),
        Index("ix_outbox_settled_at_next_attempt_at", "settled_at", "next_attempt_at"),
        Index("ix_outbox_failed_at", "failed_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    appointment_id: Mapped[int] = mapped_column(ForeignKey("appointment.id", ondelete="CASCADE"))
    sequence: Mapped[int]
    kind: Mapped[Kind] = mapped_column(String(16))
    audience: Mapped[Audience] = mapped_column(String(16))
    copy: Mapped[int] = mapped_column(default=0)
    """Counts the times that staff sent the same message again."""
    message_id: Mapped[str] = mapped_column(String(32), unique=True)
    """The left half of the Message-ID: the same in every attempt, so that a repeat after a crash
    is recognised."""
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    lease: Mapped[str | None] = mapped_column(String(32))
    """Who is sending it just now; nobody else may settle it."""
    settled_at: Mapped[datetime | None]
    """When nothing more was to be done: sent, dropped or given up."""
    sent_at: Mapped[datetime | None]
    """When the relay took it; "sent" is not "delivered"."""
    failed_at: Mapped[datetime | None]
    """When we gave up: staff see it as "not reached" until somebody has dealt with it."""
    handled_at: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(String(200), default="")

    appointment: Mapped[Appointment] = relationship()

    @property
    def state(self) -> str:
        """One word for people."""
        if self.sent_at:
            return "sent"
        if self.failed_at:
            return "not reached"
        return "not needed" if self.settled_at else "waiting"


class SentMessage(Base):
    """A mail as it left, sealed with a key that is not in the database: it holds a live link."""

    __tablename__ = "sent_message"

    id: Mapped[int] = mapped_column(primary_key=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id", ondelete="CASCADE"), unique=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class Heartbeat(Base):
    """The last sign of life of the worker, and whether the relay takes mail."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    beat_at: Mapped[datetime]
    relay_down_since: Mapped[datetime | None]
    relay_error: Mapped[str] = mapped_column(String(200), default="")
