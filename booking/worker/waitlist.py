"""Offers times that have come free to those who wait, beside the delivery."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from booking.domain.refusals import Refusal
from booking.models import WaitlistEntry
from booking.models.database import db, end_reading, transaction
from booking.services import agenda, waitlist
from booking.services.appointments import House

REST = 2.0
"""Seconds between two looks whether anything has changed."""
AT_LEAST = timedelta(minutes=5)
"""How often everybody's turn is gone through although nothing seems to have changed: hours are
changed, and what visitors held runs out."""


class WaitlistOfferer:
    """Goes through those who wait whenever something may have come free."""

    def __init__(self, *, house: House, clock: Callable[[], datetime]) -> None:
        self._house, self._clock = house, clock
        self._seen: tuple[int | None, ...] | None = None
        self._went_at: datetime | None = None

    def turn(self) -> float:
        """Offer what can be offered; returns the seconds to rest before the next turn."""
        now = self._clock()
        in_vain, ahead = self._whose_turn(now)
        for entry in in_vain:
            self._attend(entry, waitlist.take_back, now)
        for entry in ahead:
            self._attend(entry, waitlist.offer_next, now)
        return REST

    def _attend(self, entry: int, act: Callable[..., object], now: datetime) -> None:
        with transaction() as session:
            found = session.get(WaitlistEntry, entry)
            try:
                if found is not None:
                    act(session, found, self._house, now=now)
            except Refusal:  # withdrawn or taken meanwhile: the next turn sees it
                session.rollback()

    def _whose_turn(self, now: datetime) -> tuple[Sequence[int], Sequence[int]]:
        """Whose offer is in vain, and those who wait, in order, if it is worth asking for them."""
        try:
            session = db.session()
            versions = *agenda.versions(session), waitlist.open_offers(session, now=now)
            rested = self._went_at is not None and now - self._went_at < AT_LEAST
            if rested and versions == self._seen:
                return (), ()
            self._seen, self._went_at = versions, now
            waiting = [each.id for each in waitlist.waiting_now(session, now=now)]
            return waitlist.offered_in_vain(session), waiting
        finally:
            end_reading()
