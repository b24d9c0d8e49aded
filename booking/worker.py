"""The loop that delivers what is owed.

Any number of workers may run. Each claims one message in one transaction, sends it outside of
any, and settles it in another: whoever dies in between leaves a lease that runs out.
"""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from flask import Flask
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Status
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
from booking.models.database import Busy, db, transaction
from booking.services import correspondence, outbox, upkeep
from booking.services.links import Keys

log = structlog.get_logger("worker")

IDLE = 0.25
"""Seconds between two looks for something due."""
BEAT = timedelta(seconds=5)
RELAY_REST = (1, 2, 5, 10, 30, 60)
"""Seconds to leave a relay alone that refuses everything, longer each time."""


@dataclass(frozen=True)
class Task:
    """One claimed message, ready to be sent without the database."""

    message: int
    lease: str
    mail: Mail


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
        clock: Callable[[], datetime],
    ) -> None:
        self._transport, self._renderer, self._keys = transport, renderer, keys
        self._base_url, self._mail_from, self._clock = base_url, mail_from, clock
        self._stop = threading.Event()
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
            self._beat()
            if not self._anything_due():
                return IDLE
            return self._deliver()
        except Busy:
            return IDLE
        except Exception as error:  # the loop outlives every fault; what was claimed is leased
            log.error("turn_failed", error=type(error).__name__)
            db.session.rollback()
            return RELAY_REST[0]

    def _deliver(self) -> float:
        try:
            with self._transport.connect() as connection:
                while not self._stop.is_set() and (task := self._next()):
                    self._send(connection, task)
        except (RelayDown, RelayMisconfigured) as error:
            return self._relay_failed(error)
        self._relay_works()
        return 0.0

    def _next(self) -> Task | None:
        """Claim messages until one is worth sending; None when nothing is due."""
        while True:
            now = self._clock()
            with transaction() as session:
                message = outbox.claim(session, now=now)
                if message is None:
                    return None
                task = self._prepare(session, message, now)
            if task is not None:
                return task

    def _prepare(self, session: Session, message: OwedMessage, now: datetime) -> Task | None:
        lease, appointment = message.lease or "", message.appointment
        clinic = session.get_one(Clinic, 1)
        address = correspondence.address_of(message, clinic)
        if outbox.is_stale(message) or address is None:
            outbox.drop(session, message, lease, now=now)
            return None
        if appointment.start_at <= now:
            if message.audience == Audience.PATIENT and appointment.status != Status.CANCELLED:
                outbox.give_up(session, message, lease, "The appointment began first.", now=now)
            else:
                outbox.drop(session, message, lease, now=now)
            return None
        try:
            return Task(message.id, lease, self._compose(message, clinic, address, now))
        except Exception as error:  # one message that cannot be written must not stop the others
            log.error("not_composed", message=message.id, error=type(error).__name__)
            outbox.postpone(session, message, lease, "It could not be written.", now=now)
            return None

    def _compose(self, message: OwedMessage, clinic: Clinic, address: str, now: datetime) -> Mail:
        appointment = message.appointment
        message_id = f"<{message.message_id}@{self._mail_from.partition('@')[2]}>"
        facts = correspondence.clinic_facts(clinic, self._mail_from)
        if message.audience == Audience.PATIENT:
            return self._renderer.compose_patient(
                correspondence.patient_kind(message),
                facts,
                correspondence.appointment_facts(
                    appointment, keys=self._keys, base_url=self._base_url
                ),
                message_id=message_id,
                stamp=appointment.told_at or now,
                sent_at=now,
            )
        kind = "booked" if message.kind == Kind.CONFIRMED else message.kind
        return self._renderer.compose_notice(
            f"notice_{kind}",
            facts,
            correspondence.notice_facts(appointment, clinic, base_url=self._base_url),
            recipient=address,
            message_id=message_id,
            sent_at=now,
        )

    def _send(self, connection: Connection, task: Task) -> None:
        try:
            connection.send(task.mail)
        except PermanentFailure as error:
            self._settle(task, outbox.give_up, error.text)
        except TemporaryFailure as error:
            self._settle(task, outbox.postpone, type(error).__name__)
        except (RelayDown, RelayMisconfigured):
            with transaction() as session:
                outbox.put_back(session, session.get_one(OwedMessage, task.message), task.lease)
            raise
        else:
            sealed = self._keys.seal.encrypt(task.mail.content)
            with transaction() as session:
                message = session.get_one(OwedMessage, task.message)
                outbox.settle_sent(session, message, task.lease, sealed, now=self._clock())

    def _settle(self, task: Task, verdict: "Callable[..., None]", error: str) -> None:
        with transaction() as session:
            message = session.get_one(OwedMessage, task.message)
            verdict(session, message, task.lease, error, now=self._clock())
        log.warning("not_delivered", message=task.message, verdict=verdict.__name__)

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

    def _anything_due(self) -> bool:
        try:
            return outbox.anything_due(db.session(), now=self._clock())
        finally:
            db.session.rollback()

    def _beat(self) -> None:
        now = self._clock()
        if self._beat_at is not None and now - self._beat_at < BEAT:
            return
        with transaction() as session:
            outbox.beat(session, now=now, relay_error=self._relay_error)
            upkeep.forget_what_expired(session, now=now)
        self._beat_at = now


def worker_of(app: Flask) -> Worker:
    """A worker that delivers through the app's own transport, by its own clock."""
    state = app.extensions["booking"]
    return Worker(
        transport=state.transport,
        renderer=state.renderer,
        keys=state.house.keys,
        base_url=state.settings.base_url,
        mail_from=state.settings.mail_from,
        clock=state.clock,
    )


def run(app: Flask) -> None:
    """Run the app's worker in this process until SIGTERM or SIGINT."""
    worker = worker_of(app)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    with app.app_context():
        worker.run()
