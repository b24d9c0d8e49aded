"""Somebody has lost the mail with their link and asks for another."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from booking.models.base import Base


class LinkRequest(Base):
    """An address whose coming appointments are to be mailed again.

    It is written whether anybody has that address or not, so that the answer tells nothing.
    """

    __tablename__ = "link_request"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    """Keyed hash of the address: it can be asked for once in a while."""
    email_key: Mapped[str] = mapped_column(String(254))
    """The address in lower case; emptied as soon as it has been dealt with."""
    asked_at: Mapped[datetime] = mapped_column(index=True)
