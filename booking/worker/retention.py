"""Erases what is past its time, beside the delivery."""

from collections.abc import Callable
from datetime import datetime

from booking.models import Clinic
from booking.models.database import db, end_reading, transaction
from booking.services import retention
from booking.services.appointments import House

REST = 600.0
"""Seconds between two looks."""


class Eraser:
    """Takes a few appointments at a time, so that nobody waits for it."""

    def __init__(self, *, house: House, clock: Callable[[], datetime]) -> None:
        self._house, self._clock = house, clock

    def turn(self) -> float:
        """Erase what is due; returns the seconds to rest before the next turn."""
        if not self._is_a_clinic():
            return REST
        with transaction() as session:
            erased = retention.erase_due(session, self._house, now=self._clock())
        return 0.2 if erased else REST

    def _is_a_clinic(self) -> bool:
        try:
            return db.session().get(Clinic, 1) is not None
        finally:
            end_reading()
