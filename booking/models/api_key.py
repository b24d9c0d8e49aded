"""Keys with which other programs of the clinic ask."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.models.base import Base
from booking.models.staff import User


class Scope(StrEnum):
    """One thing that a key may do or not."""

    READ = "appointments:read"
    """Who comes when."""
    WRITE = "appointments:write"
    """Book, move, cancel, attendance."""


class ApiKey(Base):
    """A key of the API. Its row outlives it, so that a name in the audit trail means one key."""

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    """What staff call it; the trail says `key:` and this."""
    scopes: Mapped[str] = mapped_column(String(100))
    """Separated by spaces."""
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    """SHA-256 of the key, which has 256 bits of chance: enough to find the row, and no way back."""
    former_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    """Of the key before the last renewal, while it works on."""
    former_until: Mapped[datetime | None]
    made_by_id: Mapped[int] = mapped_column(ForeignKey("staff_user.id"), index=True)
    """Who has seen the key: they made it, or renewed it last."""
    former_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_user.id"), index=True)
    """Who has seen the one before."""
    created_at: Mapped[datetime]
    renewed_at: Mapped[datetime]
    """When the key that works now was made."""
    expires_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    last_used_on: Mapped[date | None]
    """The clinic's day and no more: it says that the key is used, not how somebody works."""

    made_by: Mapped[User] = relationship(foreign_keys=[made_by_id])
    former_by: Mapped[User | None] = relationship(foreign_keys=[former_by_id])
