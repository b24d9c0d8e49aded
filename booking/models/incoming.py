"""Mails that came in: answers of calendars, bounces, and what people wrote."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.domain.lifecycle import Partstat
from booking.models.appointment import Appointment
from booking.models.base import Base, Seal, sealed_by


class Matter(StrEnum):
    """What a received mail is about."""

    ANSWER = "answer"
    PROPOSAL = "proposal"
    BOUNCE = "bounce"
    MESSAGE = "message"
    IGNORED = "ignored"


class ReceivedMail(Base):
    """A mail that came to the address of the clinic, stored before anything is done about it.

    Each is handled once: whoever reads it again finds its digest here.
    """

    __tablename__ = "received_mail"
    __table_args__ = (
        Index("ix_received_mail_handled_at_matter", "handled_at", "matter"),
        Index("ix_received_mail_appointment_id_id", "appointment_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of what makes it this mail and no other, in hexadecimal."""
    received_at: Mapped[datetime] = mapped_column(index=True)
    matter: Mapped[Matter] = mapped_column(String(16))
    verdict: Mapped[str] = mapped_column(String(32))
    """What became of it, as one word: `applied`, `older`, `party_crasher`, …"""
    appointment_id: Mapped[int | None] = mapped_column(
        ForeignKey("appointment.id", ondelete="CASCADE")
    )
    sealed: Mapped[bytes] = mapped_column(LargeBinary, info=sealed_by(Seal.HOUSE))
    """The mail as it came, cut at a limit, sealed: it may speak of health."""

    partstat: Mapped[Partstat | None] = mapped_column(String(16))
    sequence: Mapped[int | None]
    stamped_at: Mapped[datetime | None]
    """DTSTAMP of the answer."""
    replied_at: Mapped[datetime | None]
    """X-MICROSOFT-CDO-REPLYTIME."""
    dated_at: Mapped[datetime | None]
    """The mail's own Date."""
    proposed_start_at: Mapped[datetime | None]
    proposed_end_at: Mapped[datetime | None]

    handled_at: Mapped[datetime | None]
    """When nothing more was to be done; empty while a person should look at it."""
    handled_by: Mapped[str | None] = mapped_column(String(254))

    appointment: Mapped[Appointment | None] = relationship()


class ReplyMailbox(Base):
    """How far a mailbox has been read, and whether it can be."""

    __tablename__ = "reply_mailbox"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of its address without the password, in hexadecimal."""
    uid_validity: Mapped[int] = mapped_column(default=0)
    last_uid: Mapped[int] = mapped_column(default=0)
    """The highest IMAP UID that was stored (RFC 3501 §2.3.1.1)."""
    checked_at: Mapped[datetime | None]
    """When it was last read without a fault."""
    failing_since: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(String(200), default="")
