"""Another address that a patient wants to be written to, until it has confirmed."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.models.appointment import Appointment
from booking.models.base import Base


class AddressChange(Base):
    """One wish for each appointment at the most; the newest counts."""

    __tablename__ = "address_change"

    appointment_id: Mapped[int] = mapped_column(
        ForeignKey("appointment.id", ondelete="CASCADE"), primary_key=True
    )
    email: Mapped[str] = mapped_column(String(254))
    nonce: Mapped[bytes] = mapped_column(LargeBinary(16))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    """SHA-256 of the link's key, as for patients' own links."""
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    appointment: Mapped[Appointment] = relationship(back_populates="address_change")

    @property
    def occasion(self) -> str:
        """What its messages bear, so that those of a wish that was replaced are dropped."""
        return self.nonce.hex()[:16]
