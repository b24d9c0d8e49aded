"""Time that is held for somebody who is making up their mind."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from booking.models.base import Base


class Hold(Base):
    """A slot that nobody else is offered for some minutes: its rows of `occupancy` say so."""

    __tablename__ = "hold"

    id: Mapped[int] = mapped_column(primary_key=True)
    key_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    """Whose it is: a keyed hash of a browser's visit, or of an offer to who waits."""
    service_id: Mapped[int] = mapped_column(ForeignKey("healthcare_service.id", ondelete="CASCADE"))
    practitioner_id: Mapped[int] = mapped_column(ForeignKey("resource.id"))
    start_at: Mapped[datetime]
    address: Mapped[str] = mapped_column(String(32), default="")
    """Keyed hash of where the visitor comes from, for the caps; empty for an offer."""
    network: Mapped[str] = mapped_column(String(32), default="")
    expires_at: Mapped[datetime] = mapped_column(index=True)
