"""How often the time of each resource has changed."""

from sqlalchemy.orm import Mapped, mapped_column

from booking.models.base import Base

OF_THE_CLINIC = 0
"""Under this number: opening hours, closures and worked holidays, of anybody or of all."""


class TimeVersion(Base):
    """A number that rises in the transaction of every change to what takes a resource's time.

    Triggers of the database raise it, whoever writes; a resource without a row has had no change.
    Who finds the same number twice may use what was worked out before.
    """

    __tablename__ = "time_version"
    __table_args__ = {"info": {"kept_by_triggers": True}}  # noqa: RUF012

    resource_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """No foreign key: a practitioner, a room, or `OF_THE_CLINIC`."""
    version: Mapped[int]
