"""Addresses of other programs that are told of appointments, and what is owed to them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.models.appointment import Appointment
from booking.models.base import Base, Seal, sealed_by


class Event(StrEnum):
    """What a program can be told of."""

    BOOKED = "appointment.booked"
    RESCHEDULED = "appointment.rescheduled"
    """Another time, practitioner or place; also a cancellation that was taken back."""
    CANCELLED = "appointment.cancelled"
    ATTENDANCE = "appointment.attendance"


class Webhook(Base):
    """An address that is told. What is told is signed with a secret that both sides know."""

    __tablename__ = "webhook"

    id: Mapped[int] = mapped_column(primary_key=True)
    sealed_url: Mapped[bytes] = mapped_column(LargeBinary, info=sealed_by(Seal.HOUSE))
    """Its address, sealed: there may be a key in it."""
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary, info=sealed_by(Seal.HOUSE))
    former_sealed_secret: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=sealed_by(Seal.HOUSE)
    )
    """The secret before the last renewal, which signs as well for a while."""
    former_until: Mapped[datetime | None]
    events: Mapped[str] = mapped_column(String(200))
    """Separated by spaces."""
    with_patient: Mapped[bool] = mapped_column(default=False)
    """Whether name and contact of the patient come along; somebody wanted it so."""
    created_at: Mapped[datetime]
    renewed_at: Mapped[datetime]
    """When the secret that signs now was made."""
    sent_at: Mapped[datetime | None]
    """When it last took something."""
    failing_since: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    """In a row."""
    rest_until: Mapped[datetime | None]
    """It has just failed, and is left alone until then."""
    paused_at: Mapped[datetime | None]
    """It has failed for days: nothing is owed to it until somebody resumes it."""
    last_error: Mapped[str] = mapped_column(String(200), default="")


class OwedCall(Base):
    """Something that an address is to be told. It holds nothing of what is said: that is written
    from the appointment when it leaves, so that it is what holds."""

    __tablename__ = "owed_call"
    __table_args__ = (
        Index("ix_owed_call_settled_at_next_attempt_at", "settled_at", "next_attempt_at"),
        Index("ix_owed_call_appointment_id_webhook_id", "appointment_id", "webhook_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    webhook_id: Mapped[int] = mapped_column(
        ForeignKey("webhook.id", ondelete="CASCADE"), index=True
    )
    appointment_id: Mapped[int] = mapped_column(ForeignKey("appointment.id", ondelete="CASCADE"))
    event: Mapped[Event] = mapped_column(String(32))
    message_id: Mapped[str] = mapped_column(String(40), unique=True)
    """`webhook-id`: the same in every attempt, so that a repeat is recognised."""
    due_at: Mapped[datetime]
    """When it happened."""
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    lease: Mapped[str | None] = mapped_column(String(32))
    settled_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]

    webhook: Mapped[Webhook] = relationship()
    appointment: Mapped[Appointment] = relationship()
