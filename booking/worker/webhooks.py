"""The loop that tells other programs of appointments, in a thread of its own."""

from collections.abc import Callable, Collection
from datetime import datetime

import structlog

from booking.messages.foreign.apart import post_apart
from booking.messages.foreign.faults import CalendarFault
from booking.models.database import Busy, db, end_reading, transaction
from booking.services import calls
from booking.services.calls import Claimed
from booking.services.links import Keys

log = structlog.get_logger("worker")

REST = 1.0
"""Seconds between two looks for something due."""


class WebhookCaller:
    """Makes one call each turn; any number of these may run."""

    def __init__(
        self, *, keys: Keys, hosts: Collection[str], clock: Callable[[], datetime]
    ) -> None:
        self._keys, self._hosts, self._clock = keys, hosts, clock

    def turn(self) -> float:
        """Make the call that has waited longest; returns the seconds to rest after it."""
        try:
            claimed = self._claimed()
        except Busy:
            return REST
        if claimed is None:
            return REST
        self._call(claimed)
        return 0.0

    def _claimed(self) -> Claimed | None:
        """A look that costs no turn at writing, then the claim."""
        now = self._clock()
        try:
            due = calls.anything_due(db.session(), now=now)
        finally:
            end_reading()
        if not due:
            return None
        with transaction() as session:
            return calls.claim(session, keys=self._keys, hosts=self._hosts, now=now)

    def _call(self, claimed: Claimed) -> None:
        """Send outside of any transaction, then settle; if that cannot be written, the lease runs
        out and the call is made again, under the same id."""
        status, error = None, ""
        try:
            status = post_apart(claimed.post)
        except CalendarFault as fault:
            error = fault.text
        good = status is not None and 200 <= status < 300
        with transaction() as session:
            if good:
                calls.took(session, claimed, now=self._clock())
            else:
                error = error or f"The other side answered {status}."
                keys, now = self._keys, self._clock()
                calls.refused(session, claimed, status, error, keys=keys, now=now)
        log.info("called", call=claimed.call, status=status, taken=good)
