"""Answers those who have lost their link, beside the delivery."""

from collections.abc import Callable
from datetime import datetime

from booking.models.database import db, end_reading, transaction
from booking.services import lost_links

REST = 2.0
"""Seconds between two looks."""


class LinkAnswerer:
    """Owes the mails that were asked for."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def turn(self) -> float:
        """Deal with whoever waits; returns the seconds to rest before the next turn."""
        if self._anybody_waits():
            with transaction() as session:
                lost_links.answer_all(session, now=self._clock())
        return REST

    def _anybody_waits(self) -> bool:
        try:
            return lost_links.anybody_waits(db.session())
        finally:
            end_reading()
