"""Who saw and changed what: a chain of rows, each sealing the one before it."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from booking.models.base import Base


class AuditEntry(Base):
    """One thing that somebody saw or did; never what it said."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_subject_number", "subject", "number"),
        Index("ix_audit_entry_actor_number", "actor", "number"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Its place in the chain, without gaps."""
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(String(254))
    """A sign-in name, `patient`, `calendar` or `system`."""
    action: Mapped[str] = mapped_column(String(32))
    """What was done, as `appointment.read`."""
    subject: Mapped[str] = mapped_column(String(64))
    """To what: a reference, a slug, a sign-in name's digest; nothing by which a person is known."""
    fields: Mapped[str] = mapped_column(String(200))
    """The names of what was changed, without the values."""
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    """A keyed hash of this row and of the digest before it."""


class AuditHead(Base):
    """The end of the chain: who adds to it locks this row first."""

    __tablename__ = "audit_head"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
