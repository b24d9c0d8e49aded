"""The loop that reads practitioners' own calendars."""

from collections.abc import Callable, Collection
from datetime import datetime

import structlog

from booking.messages.foreign.apart import read_apart
from booking.messages.foreign.faults import CalendarFault
from booking.models.database import Busy, db, end_reading, transaction
from booking.services import busy
from booking.services.links import Keys

log = structlog.get_logger("worker")

REST = 15.0
"""Seconds between two looks for a calendar that is due."""


class CalendarReader:
    """Reads one calendar each turn; any number of these may run."""

    def __init__(
        self,
        *,
        keys: Keys,
        our_address: str,
        hosts: Collection[str],
        clock: Callable[[], datetime],
    ) -> None:
        self._keys, self._our_address, self._hosts = keys, our_address, hosts
        self._clock = clock

    def turn(self) -> float:
        """Read the calendar that has waited longest; returns the seconds to rest after it."""
        try:
            claimed = self._claimed()
        except Busy:
            return REST
        if claimed is None:
            return REST
        self._read(claimed)
        return 0.0

    def _claimed(self) -> busy.Claimed | None:
        """A look that costs no turn at writing, then the claim."""
        try:
            due = busy.anything_due(db.session(), now=self._clock())
        finally:
            end_reading()
        if not due:
            return None
        with transaction() as session:
            return busy.claim_due(
                session,
                keys=self._keys,
                our_address=self._our_address,
                hosts=self._hosts,
                now=self._clock(),
            )

    def _read(self, claimed: busy.Claimed) -> None:
        """Ask and work through outside of any transaction, then keep what came of it.

        If it cannot be kept because others write for too long, the lease runs out, and the
        calendar is read again.
        """
        try:
            reading = read_apart(claimed.question)
        except CalendarFault as fault:
            log.warning("calendar_failed", calendar=claimed.calendar, fault=type(fault).__name__)
            with transaction() as session:
                busy.note_fault(session, claimed.calendar, fault, now=self._clock())
        else:
            with transaction() as session:
                busy.store(session, claimed.calendar, reading, now=self._clock())
            log.info("calendar_read", calendar=claimed.calendar, changed=reading is not None)
