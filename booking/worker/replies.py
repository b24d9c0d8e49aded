"""Reading the mailbox to which calendars and patients answer."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import OperationalError

from booking.messages.incoming import UNREADABLE, Incoming, understand
from booking.messages.mailbox import MailboxAddress, MailboxFault, OpenMailbox
from booking.models import ReplyMailbox
from booking.models.database import Busy, db, end_reading, transaction
from booking.services.appointments import House
from booking.services.replies import place_in, receive

log = structlog.get_logger("worker")

REST = 15.0
"""Seconds between two looks into the mailbox."""
RESTS_AFTER_FAULTS = (15.0, 30.0, 60.0, 120.0, 300.0)
FIRST_LOOK = timedelta(days=7)
"""How far back the first look goes: an old mailbox is full of mails that are not about us."""
BATCH = 100
"""Mails that are read in one turn."""


class ReplyReader:
    """Reads what is new in the mailbox, in order, each mail once."""

    def __init__(
        self, *, mailbox: MailboxAddress, house: House, clock: Callable[[], datetime]
    ) -> None:
        """Take the parts; where to go on is kept in the database."""
        self._mailbox, self._house, self._clock = mailbox, house, clock
        self._faults = 0

    def turn(self) -> float:
        """Read what is new; returns the seconds to rest before the next turn."""
        try:
            with self._mailbox.open() as opened:
                more = self._read(opened)
        except MailboxFault as fault:
            return self._failed(str(fault))
        except Busy:
            return REST
        with transaction() as session:
            place = place_in(session, self._mailbox.name)
            place.checked_at, place.failing_since, place.last_error = self._clock(), None, ""
        self._faults = 0
        return 0.0 if more else REST

    def _read(self, opened: OpenMailbox) -> bool:
        """Store the new mails one by one; whether there are more than one turn reads."""
        since = (self._clock() - FIRST_LOOK).date()
        uids = opened.above(self._last_uid(opened.uid_validity), since)
        for uid in uids[:BATCH]:
            raw = opened.fetch(uid)
            if raw is not None:
                self._store(raw, uid, opened.uid_validity)
                opened.finish(uid)  # only now: nothing leaves the mailbox before it is stored
        return len(uids) > BATCH

    def _last_uid(self, uid_validity: int) -> int:
        """Up to where the folder was read; nothing under a new numbering (RFC 3501 §2.3.1.1)."""
        try:
            place = db.session.get(ReplyMailbox, self._mailbox.name)
            known = place is not None and place.uid_validity == uid_validity
            return place.last_uid if place and known else 0
        finally:
            end_reading()

    def _store(self, raw: bytes, uid: int, uid_validity: int) -> None:
        """Store a mail and how far we have come, both or neither."""
        incoming = understand(raw)
        try:
            self._receive(incoming, raw, uid, uid_validity)
        except (Busy, OperationalError):
            raise
        except Exception as error:  # one mail that trips us must not hold up those behind it
            log.error("mail_not_understood", error=type(error).__name__)
            self._receive(UNREADABLE, raw, uid, uid_validity)

    def _receive(self, incoming: Incoming, raw: bytes, uid: int, uid_validity: int) -> None:
        with transaction() as session:
            mail = receive(session, incoming, raw, self._house, now=self._clock())
            place = place_in(session, self._mailbox.name)
            if place.uid_validity != uid_validity:
                place.uid_validity, place.last_uid = uid_validity, 0
            place.last_uid = max(place.last_uid, uid)
            matter, verdict = mail.matter, mail.verdict
        log.info("mail_read", matter=matter, verdict=verdict)

    def _failed(self, text: str) -> float:
        rest = RESTS_AFTER_FAULTS[min(self._faults, len(RESTS_AFTER_FAULTS) - 1)]
        self._faults += 1
        log.warning("mailbox_not_read", error=text, rest_seconds=rest)
        with transaction() as session:
            place = place_in(session, self._mailbox.name)
            place.failing_since = place.failing_since or self._clock()
            place.last_error = text
        return rest
