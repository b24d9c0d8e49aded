"""The worker, a real relay and real calendars; and what a hanging relay cannot slow down."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import vobject
from flask import Flask
from icalendar import Calendar
from sqlalchemy import select

from booking.app import create_app
from booking.messages.mail import Mail
from booking.messages.transports import transport_from_url
from booking.models import Appointment, Clinic, OwedMessage
from booking.models.database import PATIENCE, db, transaction
from booking.services.appointments import cancel_appointment, reschedule_appointment
from booking.services.links import token_of
from booking.worker import worker_of
from booking.worker.delivery import Worker
from tests import builders
from tests.builders import HOUSE, NOW, Clock, Mailbox, an_appointment, at
from tests.conftest import settings_for
from tests.smtp_sink import HANG, SmtpSink

PATIENT = "sam@mail.example"


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as sink:
        yield sink


@pytest.fixture
def posting_app(database_url: str, sink: SmtpSink, clock: Clock) -> Iterator[Flask]:
    """The app with the sink for a relay."""
    relay = transport_from_url(f"smtp://127.0.0.1:{sink.port}")
    app = create_app(settings_for(database_url), clock=clock, transport=relay)
    with app.app_context():
        with transaction() as session:
            builders.a_clinic(session)
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize("reader", ["icalendar", "vobject"])
def test_moved_twice_and_cancelled_is_one_event_that_moves_and_vanishes(
    posting_app: Flask, sink: SmtpSink, reader: str
) -> None:
    worker = worker_of(posting_app)
    with transaction() as session:
        made = an_appointment(session, "Wed 10:00").id
    worker.turn()
    for start in ("Wed 14:00", "Fri 09:00"):
        with transaction() as session:
            found = session.get_one(Appointment, made)
            reschedule_appointment(session, found, at(start), HOUSE, now=NOW)
        worker.turn()
    with transaction() as session:
        cancel_appointment(session, session.get_one(Appointment, made), HOUSE, now=NOW)
    worker.turn()

    read = read_with_icalendar if reader == "icalendar" else read_with_vobject
    seen = [read(each) for each in invitations(sink)]

    assert [method for method, _, _ in seen] == ["REQUEST", "REQUEST", "REQUEST", "CANCEL"]
    assert [number for _, number, _ in seen] == [0, 1, 2, 3]
    assert len({uid for _, _, uid in seen}) == 1


def test_booking_is_as_quick_as_ever_while_the_relay_hangs(
    posting_app: Flask, sink: SmtpSink
) -> None:
    usual = duration_of_a_booking("Wed 09:00")
    sink.fail("banner", HANG)
    delivering = a_worker_at_work(posting_app)
    wait_for(lambda: sink.sessions > 0)

    held_up = [duration_of_a_booking(f"Wed {hour}:00") for hour in (10, 11, 13, 14)]

    assert delivering.is_alive(), "the relay should still hang"
    assert max(held_up) < max(1.0, 10 * usual)
    delivering.join()


def test_no_plain_text_of_a_sent_mail_is_in_the_database_file(
    sqlite_app: Flask, sqlite_url: str
) -> None:
    with transaction() as session:
        made = an_appointment(session)
        token = token_of(made, HOUSE.keys)
    worker_of(sqlite_app).turn()
    db.session.remove()
    db.engine.dispose()

    path = Path(sqlite_url.removeprefix("sqlite:///"))
    stored = b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))

    assert b"Sam Rivers" in stored, "the search should look where the data is"
    assert not any(word in stored for word in (token.encode(), b"BEGIN:VCALENDAR", b"Message-ID"))


def test_what_was_sent_is_settled_even_when_the_database_is_held_for_long(
    sqlite_app: Flask, sqlite_url: str, mailbox: Mailbox
) -> None:
    with transaction() as session:
        an_appointment(session)
    relay = Holding(mailbox, sqlite_url.removeprefix("sqlite:///"), seconds=PATIENCE + 1)
    worker = a_worker_with(sqlite_app, relay)

    worker.turn()

    assert relay.held
    assert len(mailbox.mails) == 3
    assert all(each.sent_at for each in db.session.scalars(select(OwedMessage)))


class Holding(Mailbox):
    """A relay during whose first mail somebody takes the database's write lock, and keeps it."""

    def __init__(self, mailbox: Mailbox, path: str, *, seconds: float) -> None:
        super().__init__(mails=mailbox.mails)
        self._path, self._seconds = path, seconds
        self.held = False

    def send(self, mail: Mail) -> None:
        super().send(mail)
        if not self.held:
            self.held = True
            holder = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            holder.execute("BEGIN IMMEDIATE")
            threading.Timer(self._seconds, holder.close).start()


def a_worker_with(app: Flask, transport: Mailbox) -> Worker:
    app.extensions["booking"] = replace(app.extensions["booking"], transport=transport)
    return worker_of(app)


def a_worker_at_work(app: Flask) -> threading.Thread:
    """One turn, in a thread of its own."""

    def work() -> None:
        with app.app_context():
            worker_of(app).turn()
            db.session.remove()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def duration_of_a_booking(start: str) -> float:
    began = time.perf_counter()
    with transaction() as session:
        an_appointment(session, start)
    return time.perf_counter() - began


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def invitations(sink: SmtpSink) -> list[Message]:
    """The calendar parts of what the patient was sent, oldest first."""
    mails = [message_from_bytes(m.content) for m in sink.received if m.recipients == [PATIENT]]
    return [p for mail in mails for p in mail.walk() if p.get_content_type() == "text/calendar"]


def read_with_icalendar(part: Message) -> tuple[str, int, str]:
    text: Any = part.get_payload(decode=True)
    calendar: Any = Calendar.from_ical(text)
    [event] = calendar.walk("VEVENT")
    return str(calendar["METHOD"]), int(event["SEQUENCE"]), str(event["UID"])


def read_with_vobject(part: Message) -> tuple[str, int, str]:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    calendar = vobject.readOne(payload.decode())
    event = calendar.vevent
    return calendar.method.value, int(event.sequence.value), event.uid.value


def test_a_clinics_name_with_marks_that_nobody_sees_does_not_stop_its_mail(
    app: Flask, mailbox: Mailbox
) -> None:
    with transaction() as session:
        session.get_one(Clinic, 1).neutral_name = "\u202aQuiet\nHarbor\u202c"
        an_appointment(session)

    worker_of(app).turn()

    assert b'From: "Quiet Harbor" <' in mailbox.to("sam@mail.example")[0].content
