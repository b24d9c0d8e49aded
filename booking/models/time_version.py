"""By which number one tells whether the time of a resource has changed."""

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from booking.models.base import Base

OF_THE_CLINIC = 0
"""Under this number: opening hours, closures and worked holidays, of anybody or of all."""


class TimeVersion(Base):
    """A number that becomes another in the transaction of every change to a resource's time.

    Triggers of the database change it, whoever writes; a resource without a row has had no change.
    Who finds the same number twice may use what was worked out before. It is random: a database
    that was put back to an earlier state never comes to the same number by another way.
    """

    __tablename__ = "time_version"
    __table_args__ = {"info": {"kept_by_triggers": True}}  # noqa: RUF012

    resource_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """No foreign key: a practitioner, a room, or `OF_THE_CLINIC`."""
    version: Mapped[int] = mapped_column(BigInteger)
