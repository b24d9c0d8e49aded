"""Messages that are owed, and those that have left."""

from datetime import datetime
from enum import StrEnum
from uuid import uuid4

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.models.appointment import Appointment
from booking.models.base import Base, Seal, sealed_by
from booking.models.clinic import Practitioner


class Kind(StrEnum):
    """What a message tells."""

    CONFIRMED = "confirmed"
    RESCHEDULED = "rescheduled"
    CANCELLED = "cancelled"
    REMINDER = "reminder"
    DECLINED = "declined"
    """The patient's calendar said no: shall the appointment be kept?"""
    UNCHANGED = "unchanged"
    """Another time was proposed and is not to be had."""
    OFFERED = "offered"
    """An earlier time has come free for somebody who waits."""
    CONFIRM_ADDRESS = "confirm_address"
    """To an address that the patient wants to be written to: is it theirs?"""
    ADDRESS_ASKED = "address_asked"
    """To the address on file: another one was asked for."""
    PHONE_CHANGED = "phone_changed"
    WITHDRAWN = "withdrawn"
    """The invitation was meant for another address: it leaves the calendar of the old one."""


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
        UniqueConstraint("appointment_id", "sequence", "kind", "audience", "occasion", "copy"),
        Index("ix_outbox_settled_at_next_attempt_at", "settled_at", "next_attempt_at"),
        Index("ix_outbox_failed_at", "failed_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    appointment_id: Mapped[int] = mapped_column(ForeignKey("appointment.id", ondelete="CASCADE"))
    sequence: Mapped[int]
    kind: Mapped[Kind] = mapped_column(String(16))
    audience: Mapped[Audience] = mapped_column(String(16))
    occasion: Mapped[str] = mapped_column(String(16), default="")
    """Tells apart messages of one kind about one state: which practitioner, which reminder."""
    practitioner_id: Mapped[int | None] = mapped_column(ForeignKey("resource.id"))
    """Whom a message to a practitioner is for; it may be one who has the appointment no more."""
    former_id: Mapped[int | None] = mapped_column(
        ForeignKey("former_invitation.id", ondelete="CASCADE")
    )
    """The invitation that it is about, where that is not the one that counts now."""
    copy: Mapped[int] = mapped_column(default=0)
    """Counts the times that staff sent the same message again."""
    message_id: Mapped[str] = mapped_column(String(32), unique=True, default=lambda: uuid4().hex)
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
    practitioner: Mapped[Practitioner | None] = relationship()
    former: Mapped["FormerInvitation | None"] = relationship()

    @property
    def state(self) -> str:
        """One word for people."""
        if self.failed_at:  # also when the relay took it and another sent it back
            return "not reached"
        if self.sent_at:
            return "sent"
        return "not needed" if self.settled_at else "waiting"


class Told(Base):
    """What somebody was last told of an appointment, so that nobody hears the same twice."""

    __tablename__ = "told"

    appointment_id: Mapped[int] = mapped_column(
        ForeignKey("appointment.id", ondelete="CASCADE"), primary_key=True
    )
    audience: Mapped[Audience] = mapped_column(String(16), primary_key=True)
    practitioner_id: Mapped[int] = mapped_column(primary_key=True, default=0)
    """Which practitioner; 0 for the other audiences."""
    stamped_at: Mapped[datetime]
    """The DTSTAMP of the newest message; the next is strictly later (RFC 5546 §2.1.5)."""
    sequence: Mapped[int | None]
    """The newest SEQUENCE that has left."""
    start_at: Mapped[datetime | None]
    """The beginning that they were told last: what is cancelled, for them."""
    state: Mapped[str | None] = mapped_column(String(64))
    """What they know of it, in short, by a message that has left; empty while one is under way or
    may have been lost, since then they may know the one or the other."""


class FormerInvitation(Base):
    """An invitation under a UID that no longer counts, since it went to another address."""

    __tablename__ = "former_invitation"

    id: Mapped[int] = mapped_column(primary_key=True)
    appointment_id: Mapped[int] = mapped_column(
        ForeignKey("appointment.id", ondelete="CASCADE"), index=True
    )
    uid: Mapped[str] = mapped_column(String(36), unique=True)
    address: Mapped[str] = mapped_column(String(254))
    """Where it went; emptied once that address has been told."""
    sequence: Mapped[int]
    """The SEQUENCE of its cancellation."""
    stamped_at: Mapped[datetime]
    """The DTSTAMP of the newest message to that address."""
    start_at: Mapped[datetime]
    """The beginning that was last told there."""
    created_at: Mapped[datetime]


class SentMessage(Base):
    """A mail as it left, sealed with a key that is not in the database: it holds a live link."""

    __tablename__ = "sent_message"

    id: Mapped[int] = mapped_column(primary_key=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id", ondelete="CASCADE"), unique=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary, info=sealed_by(Seal.HOUSE))


class Heartbeat(Base):
    """The last sign of life of the worker, and whether the relay takes mail."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    beat_at: Mapped[datetime]
    relay_down_since: Mapped[datetime | None]
    relay_error: Mapped[str] = mapped_column(String(200), default="")
