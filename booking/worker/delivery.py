"""The loop that delivers what is owed.

Each worker claims one message in one transaction, sends it outside of
any, and settles it in another: whoever dies in between leaves a lease that runs out.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from booking.messages.mail import Mail, Renderer
from booking.messages.transports import (
    Connection,
    PermanentFailure,
    RelayDown,
    RelayMisconfigured,
    TemporaryFailure,
    Transport,
)
from booking.models import Audience, Clinic, Kind, OwedMessage
from booking.models.database import Busy, db, end_reading, transaction
from booking.services import correspondence, outbox, telling, upkeep
from booking.services.kept_keys import with_kept
from booking.services.links import Keys, renew_link

log = structlog.get_logger("worker")

IDLE = 0.25
"""Seconds between two looks for something due."""
BEAT = timedelta(seconds=5)
RELAY_REST = (1, 2, 5, 10, 30, 60)
"""Seconds to leave a relay alone that refuses everything, longer each time."""
NOT_WRITTEN = "It could not be written."


@dataclass(frozen=True)
class Task:
    """One claimed message, ready to be written and sent without the database."""

    message: int
    lease: str
    compose: Callable[[], Mail]


def _leaves_somebody_waiting(message: OwedMessage, kind: Kind) -> bool:
    """Whether a patient was not told in time of an appointment that took place."""
    return message.audience == Audience.PATIENT and kind in (Kind.CONFIRMED, Kind.RESCHEDULED)


class Worker:
    """Delivers owed messages until it is told to stop."""

    def __init__(
        self,
        *,
        transport: Transport,
        renderer: Renderer,
        keys: Keys,
        base_url: str,
        mail_from: str,
        tagged: bool,
        clock: Callable[[], datetime],
        holder: str,
    ) -> None:
        """Take the parts; `holder` is the name that a dead predecessor had, if there was one."""
        self._transport, self._renderer, self._keys = transport, renderer, keys
        self._holder = holder
        self._base_url, self._clock = base_url, clock
        self._mail_from, self._tagged = mail_from, tagged
        self._stop = threading.Event()
        self._in_doubt = True
        self._failures = 0
        self._relay_error: str | None = None
        self._beat_at: datetime | None = None

    def stop(self) -> None:
        """Ask the loop to end after the message in hand."""
        self._stop.set()

    def run(self) -> None:
        """Deliver what is due, again and again."""
        while not self._stop.is_set():
            rest = self.turn()
            self._stop.wait(rest)

    def turn(self) -> float:
        """Deliver all that is due now; returns the seconds to rest before the next turn."""
        try:
            self._inherit()
            self._beat()
            if not self._anything_due():
                return IDLE
            return self._deliver()
        except (Busy, OperationalError):  # held by others, or away: soon it is there again
            end_reading()
            self._in_doubt = True
            return IDLE
        except Exception as error:  # the loop outlives every fault; what was claimed is leased
            log.error("turn_failed", error=type(error).__name__)
            end_reading()
            return RELAY_REST[0]

    def _deliver(self) -> float:
        try:
            with self._transport.connect() as connection:
                while not self._stop.is_set() and (task := self._next()):
                    self._send(connection, task)
        except (RelayDown, RelayMisconfigured) as error:
            return self._relay_failed(error)
        self._relay_works()
        return IDLE

    def _next(self) -> Task | None:
        """Claim messages until one is worth sending; None when nothing is due."""
        while True:
            now = self._clock()
            with transaction() as session:
                message = outbox.claim(session, now=now, holder=self._holder)
                if message is None:
                    return None
                task = self._prepare(session, message, now)
            if task is not None:
                return task

    def _prepare(self, session: Session, message: OwedMessage, now: datetime) -> Task | None:
        lease, appointment = message.lease or "", message.appointment
        clinic = session.get_one(Clinic, 1)
        kind = telling.what_to_tell(session, message, now=now)
        address = correspondence.address_of(message, clinic)
        if kind is None or address is None:
            outbox.drop(session, message, lease, now=now)
            return None
        if telling.last_start(session, message, kind) <= now:
            if _leaves_somebody_waiting(message, kind):
                outbox.give_up(session, message, lease, "The appointment began first.", now=now)
            else:
                outbox.drop(session, message, lease, now=now)
            return None
        told = telling.begin(session, message, kind, now=now)
        renew_link(appointment, self._keys)
        try:
            writing = self._writing(message, told, clinic, address)
            return Task(message.id, lease, partial(writing, sent_at=now))
        except Exception as error:  # one message that cannot be written must not stop the others
            log.error("not_composed", message=message.id, error=type(error).__name__)
            outbox.postpone(session, message, lease, NOT_WRITTEN, now=now)
            return None

    def _writing(
        self, message: OwedMessage, told: telling.Telling, clinic: Clinic, address: str
    ) -> Callable[..., Mail]:
        """All that the mail needs to know, read now; it is written once the lock is given back."""
        message_id = f"<{message.message_id}@{self._mail_from.partition('@')[2]}>"
        facts_of_us = partial(
            correspondence.clinic_facts, clinic, self._mail_from, tagged=self._tagged
        )
        keys, base_url = self._keys, self._base_url
        if message.audience == Audience.PATIENT:
            theirs = correspondence.facts_of(message, told, keys=keys, base_url=base_url)
            return partial(
                self._renderer.compose_patient,
                told.kind,
                facts_of_us(language=theirs.language),
                theirs,
                message_id=message_id,
                stamp=told.stamp,
            )
        keys = with_kept(db.session(), keys)
        return partial(
            self._renderer.compose_notice,
            correspondence.notice_kind(message, told),
            facts_of_us(),
            correspondence.notice_facts(message, told, clinic, base_url=base_url),
            recipient=address,
            message_id=message_id,
            stamp=told.stamp,
            event=correspondence.practitioner_event(message, told, keys=keys, base_url=base_url),
        )

    def _send(self, connection: Connection, task: Task) -> None:
        try:
            mail = task.compose()
        except Exception as error:  # as above
            log.error("not_composed", message=task.message, error=type(error).__name__)
            return self._settle(task, outbox.postpone, NOT_WRITTEN)
        try:
            connection.send(mail)
        except PermanentFailure as error:
            self._settle(task, outbox.give_up, error.text)
        except TemporaryFailure as error:
            self._settle(task, outbox.postpone, error.text)
        except (RelayDown, RelayMisconfigured):
            self._settle(task, outbox.put_back)
            raise
        else:
            self._settle(task, outbox.settle_sent, self._keys.seal.encrypt(mail.content))

    def _settle(self, task: Task, verdict: Callable[..., None], *about: object) -> None:
        """Write down how it went, however long the database is held or away.

        What was sent and is not settled is sent again, so this gives up no sooner than the lease.
        """
        deadline = time.monotonic() + outbox.LEASE.total_seconds()
        while True:
            try:
                with transaction() as session:
                    message = outbox.held(session, task.message)
                    verdict(session, message, task.lease, *about, now=self._clock())
                break
            except (Busy, OperationalError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(IDLE)
        log.info("settled", message=task.message, verdict=verdict.__name__)

    def _relay_failed(self, error: Exception) -> float:
        rest = RELAY_REST[min(self._failures, len(RELAY_REST) - 1)]
        self._failures += 1
        self._relay_error = type(error).__name__
        self._beat_at = None
        log.warning("relay_refuses", error=self._relay_error, rest_seconds=rest)
        return rest

    def _relay_works(self) -> None:
        if self._relay_error:
            self._beat_at = None
        self._failures, self._relay_error = 0, None

    def _inherit(self) -> None:
        """Let go of what a predecessor had claimed that was killed, or a turn of our own that never
        heard so because the database went away; failing that, the leases run out."""
        if self._in_doubt:
            with transaction() as session:
                outbox.inherit(session, self._holder)
            self._in_doubt = False

    def _anything_due(self) -> bool:
        try:
            return outbox.anything_due(db.session(), now=self._clock())
        finally:
            end_reading()

    def _beat(self) -> None:
        now = self._clock()
        if self._beat_at is not None and now - self._beat_at < BEAT:
            return
        with transaction() as session:
            outbox.beat(session, now=now, relay_error=self._relay_error)
            upkeep.forget_what_expired(session, now=now)
        self._beat_at = now
