"""What is kept of a former secret."""

from sqlalchemy import LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from booking.models.base import Base, Seal, sealed_by


class KeptKey(Base):
    """The key of one purpose of a former secret, for what cannot be written anew under another.

    Nothing else can be made from it: neither the secret, nor the key of another purpose.
    """

    __tablename__ = "kept_key"
    __table_args__ = (UniqueConstraint("purpose", "mark"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20))
    mark: Mapped[str] = mapped_column(String(32))
    """By which it is told from others; the key cannot be had from it."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary, info=sealed_by(Seal.HOUSE))
    """The key with its purpose, and how far it counts in the audit trail."""
