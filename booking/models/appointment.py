"""A patient's claim on time, what it occupies, and what happened to it."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.domain.lifecycle import Partstat, Status
from booking.models.base import Base, Seal, sealed_by
from booking.models.clinic import HealthcareService, Practitioner, Room

if TYPE_CHECKING:
    from booking.models.address_change import AddressChange


class Appointment(Base):
    """A patient's claim on a practitioner's time (FHIR Appointment)."""

    __tablename__ = "appointment"
    __table_args__ = (
        CheckConstraint("start_at < end_at", name="in_order"),
        CheckConstraint(
            "status IN ('booked', 'arrived', 'fulfilled', 'cancelled', 'noshow')", name="status"
        ),
        Index("ix_appointment_practitioner_id_start_at", "practitioner_id", "start_at"),
        Index("ix_appointment_room_id_start_at", "room_id", "start_at"),
        Index("ix_appointment_practitioner_id_id", "practitioner_id", "id"),
        Index("ix_appointment_service_id_start_at", "service_id", "start_at"),
        Index("ix_appointment_email_key_start_at", "email_key", "start_at"),
        Index("ix_appointment_patient_phone_start_at", "patient_phone", "start_at"),
        Index("ix_appointment_erased_at_end_at", "erased_at", "end_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(8), unique=True)
    """What staff pages and a caller name it by; random, and opens nothing for the public."""
    uid: Mapped[str] = mapped_column(String(36), unique=True)
    """iCalendar UID: the same in every message about this appointment (RFC 7986 §5.3)."""
    link_nonce: Mapped[bytes] = mapped_column(LargeBinary(16))
    link_version: Mapped[int] = mapped_column(default=1)
    """A new version revokes every link sent before."""
    link_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    """SHA-256 of the patient's link key: enough to find the row, not enough to make the link."""

    service_id: Mapped[int] = mapped_column(ForeignKey("healthcare_service.id"))
    practitioner_id: Mapped[int] = mapped_column(ForeignKey("resource.id"))
    room_id: Mapped[int | None] = mapped_column(ForeignKey("resource.id"))
    start_at: Mapped[datetime] = mapped_column(index=True)
    end_at: Mapped[datetime]
    status: Mapped[Status] = mapped_column(String(16), default=Status.BOOKED)

    patient_name: Mapped[str] = mapped_column(String(120))
    patient_email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254))
    """The address in lower case, for counting what one contact holds."""
    patient_phone: Mapped[str | None] = mapped_column(String(20))
    """E.164."""
    patient_timezone: Mapped[str] = mapped_column(String(64))
    may_leave_message: Mapped[bool] = mapped_column(default=False)
    may_text: Mapped[bool] = mapped_column(default=False)
    call_name: Mapped[str] = mapped_column(String(120), default="")
    """Whom to ask for on the telephone, where it is not the name."""
    carer_name: Mapped[str] = mapped_column(String(120), default="")
    """Who booked for the patient; then address and number are theirs unless said otherwise."""
    carer_phone: Mapped[str | None] = mapped_column(String(20))
    event_title: Mapped[str] = mapped_column(String(60), default="")
    """What the patient wants their own calendar to say; empty: what the service says."""
    language: Mapped[str] = mapped_column(String(8), default="en")
    """BCP 47: in which language the patient is written to."""
    consented_at: Mapped[datetime]
    """When the patient agreed to be told by e-mail."""
    cancel_reason: Mapped[str] = mapped_column(String(500), default="")
    """The patient's own words: for staff only, never mailed."""

    sequence: Mapped[int] = mapped_column(default=0)
    """iCalendar SEQUENCE: grows with every change the patient is told of (RFC 5546 §2.1.4)."""
    partstat: Mapped[Partstat] = mapped_column(String(16), default=Partstat.NEEDS_ACTION)
    """What the patient's calendar answered."""
    answered_at: Mapped[datetime | None]
    """When that answer was heard."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    erase_at: Mapped[datetime | None] = mapped_column(index=True)
    """When its personal data go at the patient's wish; the clinic's own rule may come first."""
    erased_at: Mapped[datetime | None]
    """When they went: what is left counts appointments and names nobody."""

    service: Mapped[HealthcareService] = relationship()
    practitioner: Mapped[Practitioner] = relationship(foreign_keys=[practitioner_id])
    room: Mapped[Room | None] = relationship(foreign_keys=[room_id])
    address_change: Mapped["AddressChange | None"] = relationship(
        back_populates="appointment", passive_deletes=True
    )


class Occupancy(Base):
    """One resource taken by one live appointment or hold, buffers included, `[from, until)`.

    Rows of one resource never overlap: PostgreSQL refuses by an exclusion constraint, SQLite by
    triggers, both in the first migration. The buffers are those that held at booking. A hold that
    has run out takes nothing any more, and is swept away by whoever wants its time.
    """

    __tablename__ = "occupancy"
    __table_args__ = (
        CheckConstraint("blocked_from < blocked_until", name="in_order"),
        CheckConstraint("(appointment_id IS NULL) <> (hold_id IS NULL)", name="one_taker"),
        UniqueConstraint("appointment_id", "resource_id"),
        Index("ix_occupancy_resource_id_blocked_from", "resource_id", "blocked_from"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    resource_id: Mapped[int] = mapped_column(ForeignKey("resource.id"))
    appointment_id: Mapped[int | None] = mapped_column(
        ForeignKey("appointment.id", ondelete="CASCADE")
    )
    hold_id: Mapped[int | None] = mapped_column(
        ForeignKey("hold.id", ondelete="CASCADE"), index=True
    )
    held_until: Mapped[datetime | None]
    """When a hold runs out; empty for an appointment."""
    blocked_from: Mapped[datetime]
    blocked_until: Mapped[datetime]


class AppointmentEvent(Base):
    """One line of an appointment's history: what happened, when, by whom; no personal data."""

    __tablename__ = "appointment_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    appointment_id: Mapped[int] = mapped_column(
        ForeignKey("appointment.id", ondelete="CASCADE"), index=True
    )
    at: Mapped[datetime]
    verb: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(254))
    """`patient`, or the sign-in name of a member of staff."""
    start_at: Mapped[datetime]
    """When the appointment began after the change."""
    practitioner_id: Mapped[int | None] = mapped_column(ForeignKey("resource.id"))
    room_id: Mapped[int | None] = mapped_column(ForeignKey("resource.id"))
    """With whom and where it was then, so that a change can be taken back."""
    answer_before: Mapped[Partstat | None] = mapped_column(String(16))
    answered_before_at: Mapped[datetime | None]
    """What the calendar had said to the time before, where the change made that void."""


class AppointmentNote(Base):
    """What staff wrote down about an appointment, sealed; never mailed, never shown to patients."""

    __tablename__ = "appointment_note"

    id: Mapped[int] = mapped_column(primary_key=True)
    appointment_id: Mapped[int] = mapped_column(
        ForeignKey("appointment.id", ondelete="CASCADE"), index=True
    )
    at: Mapped[datetime]
    author: Mapped[str] = mapped_column(String(254))
    sealed: Mapped[bytes] = mapped_column(LargeBinary, info=sealed_by(Seal.HOUSE))


class IdempotencyKey(Base):
    """A key that a form or an API client sends once per wish, so that a repeat books nothing."""

    __tablename__ = "idempotency_key"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the key as it was sent, in hexadecimal."""
    body_digest: Mapped[str] = mapped_column(String(64))
    """Keyed hash of the wish; the same key with another wish is refused."""
    appointment_id: Mapped[int | None] = mapped_column(
        ForeignKey("appointment.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(index=True)
