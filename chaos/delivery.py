"""A thousand appointments, a relay in bad weather, and workers that are killed.

python -m chaos.delivery [appointments] [kills]

Every message must leave or become a task for a person; a message may arrive twice only where a
worker died with it in its hand or the relay hung up after the final dot, and then under one
Message-ID.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import func, select

from booking.app import create_app, utc_now
from booking.domain.slots import Slot
from booking.domain.timeline import Span
from booking.models import Appointment, Audience, Clinic, OwedMessage
from booking.models.database import db, transaction
from booking.services.appointments import (
    book_appointment,
    cancel_appointment,
    reschedule_appointment,
)
from booking.services.availability import free_slots
from booking.services.requests import BookingRequest
from booking.worker import worker_of
from tests.builders import CLINIC, HOUSE, SECRET, Clock, a_clinic, a_patient, the_service
from tests.conftest import settings_for
from tests.smtp_sink import DROP, SmtpSink, Stage

ROOT = Path(__file__).parents[1]
SHARE = 0.2
"""How many of the mails meet a fault, about."""
STAGES = 9
FAULTS: dict[Stage, tuple[str, ...]] = {
    "banner": ("421 come back later", DROP),
    "EHLO": ("421 no", DROP),
    "MAIL": ("421 closing", "451 later", DROP),
    "RCPT": ("450 mailbox busy", "452 full", "550 no such user", DROP),
    "DATA": ("451 later", "554 refused", DROP),
    "content": (DROP,),
    "dot": ("451 later", "554 spam", DROP),
    "QUIT": ("500 what", DROP),
}
PACE = 0.4
"""Seconds between two kills."""
HALF_AN_HOUR = timedelta(minutes=30)
ENOUGH_TURNS = 400


@dataclass
class Weather:
    """Faults at random, the same for the same seed."""

    random: random.Random
    struck: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __call__(self, stage: Stage) -> str | None:
        if stage not in FAULTS or self.random.random() > SHARE / STAGES:
            return None
        fault = self.random.choice(FAULTS[stage])
        self.struck[stage, fault] += 1
        return fault

    @property
    def unknown(self) -> int:
        """How often the relay took a mail and hung up before it said so."""
        return self.struck["dot", DROP]


@dataclass(frozen=True)
class Report:
    """What came of it."""

    owed: int
    sent: int
    not_needed: int
    not_reached: int
    waiting: int
    arrived_twice: int
    """Copies beyond the first, counted by Message-ID."""
    excusable: int
    """Kills, and mails after whose final dot the relay hung up."""
    silent: int
    """Appointments whose patient neither heard the last of it nor is on the list of staff."""
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether the promise was kept."""
        whole = self.owed == self.sent + self.not_needed + self.not_reached
        return whole and not self.silent and self.arrived_twice <= self.excusable


def storm(database_url: str, *, appointments: int, kills: int, seed: int = 7) -> Report:
    """Book, move and cancel while workers are killed; then let the rest leave in peace."""
    began, weather = time.monotonic(), Weather(random.Random(seed))
    with SmtpSink(weather=weather) as sink, an_app(database_url, sink) as (app, clock):
        slots = iter(free_times(clock.now))
        worker = begin_worker(database_url, sink)
        deaths, due = 0, time.monotonic() + PACE
        for number in range(appointments):
            live_one(number, slots, clock.now)
            if deaths < kills and time.monotonic() > due:
                worker = kill(worker, database_url, sink)
                deaths, due = deaths + 1, time.monotonic() + PACE
        while deaths < kills:
            time.sleep(PACE)
            worker = kill(worker, database_url, sink)
            deaths += 1
        end(worker)
        deliver_the_rest(app, clock)
        return report(sink, deaths + weather.unknown, time.monotonic() - began)


@contextmanager
def an_app(database_url: str, sink: SmtpSink) -> Iterator[tuple[Flask, Clock]]:
    """The small clinic on the database, open far ahead; its clock can be turned."""
    clock = Clock(utc_now())
    settings = settings_for(database_url, BOOKING_SMTP_URL=f"smtp://127.0.0.1:{sink.port}")
    app = create_app(settings, clock=clock)
    with app.app_context():
        upgrade()
        text = CLINIC.replace("booking_horizon_days = 30", "booking_horizon_days = 700")
        with transaction() as session:
            a_clinic(session, text)
        yield app, clock
        db.session.remove()
        db.engine.dispose()


def free_times(now: datetime) -> list[Slot]:
    """Times far enough ahead that no message is given up because its appointment begins."""
    span = Span(now + timedelta(days=20), now + timedelta(days=690))
    service, clinic = the_service(db.session(), "call"), db.session.get_one(Clinic, 1)
    return free_slots(db.session(), clinic, service, span, now=now)


def live_one(number: int, slots: Iterator[Slot], now: datetime) -> None:
    """One appointment's life: booked; each fifth is moved at once, each fifth cancelled."""
    patient = a_patient(email=f"sam{number}@mail.example", phone=None)
    request = BookingRequest(start=next(slots).start, practitioner="ada", patient=patient)
    with transaction() as session:
        made = book_appointment(session, "call", request, HOUSE, now=now).id
    if number % 5 == 1:
        with transaction() as session:
            found = session.get_one(Appointment, made)
            reschedule_appointment(session, found, next(slots).start, HOUSE, now=now)
    elif number % 5 == 2:
        with transaction() as session:
            cancel_appointment(session, session.get_one(Appointment, made), HOUSE, now=now)


def begin_worker(database_url: str, sink: SmtpSink) -> subprocess.Popen[bytes]:
    """A worker as its operators begin it."""
    settings = {
        "PATH": os.environ["PATH"],
        "BOOKING_DEMO": "1",
        "BOOKING_SECRET_KEY": SECRET,
        "BOOKING_DATABASE_URL": database_url,
        "BOOKING_SMTP_URL": f"smtp://127.0.0.1:{sink.port}",
    }
    command = (sys.executable, "-m", "flask", "--app", "wsgi", "worker")
    return subprocess.Popen(command, cwd=ROOT, env=settings, stderr=subprocess.DEVNULL)


def kill(
    worker: subprocess.Popen[bytes], database_url: str, sink: SmtpSink
) -> subprocess.Popen[bytes]:
    """Kill a worker in whatever it is doing, and begin another, which knows nothing of it."""
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    return begin_worker(database_url, sink)


def end(worker: subprocess.Popen[bytes]) -> None:
    """Ask a worker to stop after the message in its hand."""
    worker.terminate()
    worker.wait(timeout=30)


def deliver_the_rest(app: Flask, clock: Clock) -> None:
    """Deliver in the same weather, half an hour at each step, until nothing waits."""
    worker = worker_of(app)
    for _ in range(ENOUGH_TURNS):
        if not waiting():
            return
        clock.now += HALF_AN_HOUR
        worker.turn()


def waiting() -> int:
    """How many messages are neither sent, given up nor dropped."""
    db.session.rollback()
    query = select(func.count()).where(OwedMessage.settled_at.is_(None))
    return db.session.scalar(query) or 0


def report(sink: SmtpSink, excusable: int, seconds: float) -> Report:
    """Count what the database says and what the sink has got."""
    db.session.rollback()
    messages = db.session.scalars(select(OwedMessage)).all()
    states = Counter(each.state for each in messages)
    arrived = Counter(message_from_bytes(each.content)["Message-ID"] for each in sink.received)
    return Report(
        owed=len(messages),
        sent=states["sent"],
        not_needed=states["not needed"],
        not_reached=states["not reached"],
        waiting=states["waiting"],
        arrived_twice=arrived.total() - len(arrived),
        excusable=excusable,
        silent=len(_silent(messages)),
        seconds=round(seconds, 1),
    )


def _silent(messages: Sequence[OwedMessage]) -> set[int]:
    """Appointments of whose present state the patient has not heard and staff neither."""
    settled_well = {
        each.appointment_id
        for each in messages
        if each.audience == Audience.PATIENT
        and each.sequence == each.appointment.sequence
        and (each.sent_at or each.failed_at)
    }
    return {each.appointment_id for each in messages} - settled_well


def main() -> None:
    """Run the storm on a SQLite file of its own, or where BOOKING_CHAOS_DATABASE_URL says."""
    appointments, kills = [*map(int, sys.argv[1:]), *(1000, 60)[len(sys.argv) - 1 :]]
    with TemporaryDirectory() as folder:
        url = os.environ.get("BOOKING_CHAOS_DATABASE_URL", f"sqlite:///{folder}/storm.db")
        found = storm(url, appointments=appointments, kills=kills)
    print(found)
    sys.exit(not found.holds)


if __name__ == "__main__":
    main()
