"""A patient is reminded when the clinic wants it: once, in time, and only of what still holds."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from booking.domain.lifecycle import Partstat, Verb
from booking.models import Appointment, Kind, OwedMessage, RemindIf, ServiceReminder
from booking.models.database import db, transaction
from booking.services.appointments import (
    book_appointment,
    cancel_appointment,
    note_attendance,
    reschedule_appointment,
)
from booking.worker import worker_of
from booking.worker.delivery import Worker
from tests.builders import HOUSE, Clock, Mailbox, a_request, at, the_service
from tests.readings import PATIENT, has_event, subjects, text_of

TWO_DAYS, TWO_HOURS = timedelta(days=2), timedelta(hours=2)
FRIDAY = "Fri 10:00"


@pytest.fixture
def worker(app: Flask) -> Worker:
    with transaction() as session:
        the_service(session, "video").reminders = [
            ServiceReminder(before=TWO_DAYS),
            ServiceReminder(before=TWO_HOURS, remind_if=RemindIf.NOT_ACCEPTED),
        ]
    return worker_of(app)


def book(clock: Clock, start: str = FRIDAY) -> int:
    with transaction() as session:
        return book_appointment(session, "video", a_request(start), HOUSE, now=clock.now).id


def change(made: int, **values: object) -> None:
    with transaction() as session:
        found = session.get_one(Appointment, made)
        for name, value in values.items():
            setattr(found, name, value)


def pass_by(worker: Worker, clock: Clock, until: str, *, step: timedelta) -> None:
    """Let time pass to an instant, the worker taking its turns."""
    while clock.now < at(until):
        clock.now += step
        worker.turn()


def reminded(mailbox: Mailbox) -> int:
    return subjects(mailbox).count("Reminder")


def test_a_reminder_offers_a_change_only_as_long_as_it_can_be_made(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    book(clock)

    pass_by(worker, clock, FRIDAY, step=timedelta(minutes=30))

    early, late = mailbox.to(PATIENT)[1:]
    assert "you can change it below" in text_of(early)
    assert "too near to change the time online" in text_of(late)


def test_each_reminder_leaves_once_when_it_is_due(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    book(clock)
    worker.turn()
    clock.now = at(FRIDAY) - TWO_DAYS - timedelta(seconds=1)
    worker.turn()
    assert reminded(mailbox) == 0

    clock.forward(seconds=1)
    worker.turn()
    assert reminded(mailbox) == 1

    pass_by(worker, clock, FRIDAY, step=timedelta(minutes=30))
    assert subjects(mailbox) == ["Confirmed", "Reminder", "Reminder"]


def test_it_leaves_the_calendar_alone(worker: Worker, mailbox: Mailbox, clock: Clock) -> None:
    book(clock)
    worker.turn()
    clock.now = at(FRIDAY) - TWO_DAYS
    worker.turn()

    assert [has_event(each) for each in mailbox.to(PATIENT)] == [True, False]


def test_who_books_late_is_not_reminded_of_what_would_have_been(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    clock.now = at(FRIDAY) - timedelta(days=1)
    book(clock)

    pass_by(worker, clock, FRIDAY, step=timedelta(hours=1))

    assert reminded(mailbox) == 1


def test_there_is_none_after_a_cancellation(worker: Worker, mailbox: Mailbox, clock: Clock) -> None:
    made = book(clock)
    worker.turn()
    with transaction() as session:
        cancel_appointment(session, session.get_one(Appointment, made), HOUSE, now=clock.now)

    pass_by(worker, clock, FRIDAY, step=timedelta(hours=1))

    assert reminded(mailbox) == 0
    assert {each.state for each in reminders()} == {"not needed"}


def test_a_moved_appointment_is_reminded_of_at_its_new_time_only(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock, "Wed 14:00")
    with transaction() as session:
        found = session.get_one(Appointment, made)
        reschedule_appointment(session, found, at("Mon 10:00", week=1), HOUSE, now=clock.now)

    pass_by(worker, clock, "Sat 09:00", step=timedelta(hours=1))
    assert reminded(mailbox) == 0
    clock.now = at("Sat 10:00")
    worker.turn()

    assert reminded(mailbox) == 1


def test_a_condition_is_judged_when_it_is_due(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock)
    change(made, partstat=Partstat.ACCEPTED)

    pass_by(worker, clock, FRIDAY, step=timedelta(minutes=30))

    assert reminded(mailbox) == 1, "the second is for those who have not accepted"


def test_who_is_there_already_is_not_reminded(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock)
    with transaction() as session:
        found = session.get_one(Appointment, made)
        note_attendance(session, found, Verb.ARRIVE, HOUSE, actor="desk", now=at(FRIDAY))

    pass_by(worker, clock, FRIDAY, step=timedelta(hours=1))

    assert reminded(mailbox) == 0


def test_a_worker_that_was_away_sends_the_last_of_those_it_missed(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    book(clock)
    worker.turn()

    clock.now = at(FRIDAY) - timedelta(hours=1)
    worker.turn()

    assert reminded(mailbox) == 1


def test_after_the_beginning_there_is_none_and_nobody_is_alarmed(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    book(clock)
    worker.turn()

    clock.now = at(FRIDAY)
    worker.turn()

    assert reminded(mailbox) == 0
    assert {each.state for each in reminders()} == {"not needed"}


@pytest.mark.parametrize("jump", [timedelta(hours=-30), timedelta(days=-10), timedelta(hours=3)])
def test_a_jump_of_the_clock_neither_doubles_nor_drops_one(
    worker: Worker, mailbox: Mailbox, clock: Clock, jump: timedelta
) -> None:
    book(clock)
    worker.turn()
    clock.now = at(FRIDAY) - TWO_DAYS
    worker.turn()
    clock.now += jump
    worker.turn()

    pass_by(worker, clock, FRIDAY, step=timedelta(hours=1))

    assert reminded(mailbox) == 2


def test_a_worker_that_begins_again_sends_none_twice(
    app: Flask, worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    book(clock)
    worker.turn()
    clock.now = at(FRIDAY) - TWO_DAYS

    for _ in range(3):
        worker_of(app).turn()

    assert reminded(mailbox) == 1


def test_a_rule_that_was_taken_away_reminds_nobody(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    book(clock)
    with transaction() as session:
        the_service(session, "video").reminders = []

    pass_by(worker, clock, FRIDAY, step=timedelta(hours=1))

    assert reminded(mailbox) == 0


def reminders() -> list[OwedMessage]:
    db.session.rollback()
    query = select(OwedMessage).where(OwedMessage.kind == Kind.REMINDER)
    return list(db.session.scalars(query))
