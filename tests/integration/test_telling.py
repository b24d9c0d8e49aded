"""Everyone concerned is told of a change once: the last state, and nothing that was taken back."""

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from booking.domain.lifecycle import Partstat
from booking.messages.delivery import TemporaryFailure
from booking.models import Appointment, OwedMessage, Practitioner, Told
from booking.models.database import db, transaction
from booking.services import telling
from booking.services.appointments import (
    House,
    book_appointment,
    cancel_appointment,
    reschedule_appointment,
)
from booking.services.outbox import LEASE
from booking.services.owing import owe_question, owe_unchanged
from booking.services.readdressing import correct_address
from booking.worker import worker_of
from booking.worker.delivery import Worker
from tests.builders import HOUSE, Clock, Mailbox, a_request, at
from tests.readings import PATIENT, event, subjects, told

UNDO = timedelta(seconds=120)
PATIENCE = replace(HOUSE, undo=UNDO)
ADA, BEN, DESK = "ada@clinic.example", "ben@clinic.example", "desk@clinic.example"


@pytest.fixture
def worker(app: Flask) -> Worker:
    with transaction() as session:
        ben = session.scalars(select(Practitioner).where(Practitioner.slug == "ben")).one()
        ben.email = BEN
    return worker_of(app)


def book(clock: Clock, start: str = "Wed 10:00", house: House = PATIENCE) -> int:
    with transaction() as session:
        request = a_request(start, practitioner="ada")
        return book_appointment(session, "video", request, house, now=clock.now).id


def move(
    made: int,
    clock: Clock,
    start: str,
    *,
    to: str = "ada",
    week: int = 0,
    house: House = PATIENCE,
) -> None:
    with transaction() as session:
        found, then = session.get_one(Appointment, made), at(start, week=week)
        reschedule_appointment(session, found, then, house, now=clock.now, practitioner=to)


def cancel(made: int, clock: Clock, house: House = PATIENCE) -> None:
    with transaction() as session:
        cancel_appointment(session, session.get_one(Appointment, made), house, now=clock.now)


def after_the_window(worker: Worker, clock: Clock) -> None:
    clock.now += UNDO
    worker.turn()


def test_nothing_leaves_before_the_window_has_passed(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    book(clock)
    clock.now += UNDO - timedelta(seconds=1)
    worker.turn()
    assert mailbox.mails == []

    clock.forward(seconds=1)
    worker.turn()

    assert told(mailbox) == [("REQUEST", 0)]


def test_a_booking_taken_back_within_the_window_sends_nothing_to_anybody(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock)
    clock.forward(seconds=60)
    cancel(made, clock)

    after_the_window(worker, clock)

    assert mailbox.mails == []
    assert {each.state for each in owed()} == {"not needed"}


def test_a_booking_cancelled_after_the_window_is_told_even_if_the_worker_was_late(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock)
    clock.now += UNDO + timedelta(seconds=1)
    cancel(made, clock)

    after_the_window(worker, clock)

    assert told(mailbox) == [("CANCEL", 1)]


def test_a_move_taken_back_within_the_window_sends_nothing(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock)
    after_the_window(worker, clock)
    before = len(mailbox.mails)
    move(made, clock, "Fri 10:00")
    move(made, clock, "Wed 10:00")

    after_the_window(worker, clock)

    assert len(mailbox.mails) == before


def test_several_quick_changes_send_the_last(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock)
    after_the_window(worker, clock)
    mailbox.mails.clear()
    for start in ("Wed 11:00", "Wed 13:00", "Fri 10:00"):
        move(made, clock, start)
        clock.forward(seconds=50)
        worker.turn()

    after_the_window(worker, clock)

    assert told(mailbox) == [("REQUEST", 3)]
    assert len(mailbox.to(ADA)) == len(mailbox.to(DESK)) == 1


def test_who_loses_the_appointment_is_told_and_who_gets_it_too(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock)
    after_the_window(worker, clock)
    mailbox.mails.clear()

    move(made, clock, "Wed 10:00", to="ben")
    after_the_window(worker, clock)

    assert subjects(mailbox, ADA) == ["No longer yours"]
    assert subjects(mailbox, BEN) == ["Booked"]
    assert subjects(mailbox, DESK) == ["Updated"]
    assert told(mailbox) == [("REQUEST", 1)]


def test_who_lost_it_on_the_way_and_got_it_back_hears_nothing(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock)
    after_the_window(worker, clock)
    mailbox.mails.clear()

    move(made, clock, "Wed 10:00", to="ben")
    move(made, clock, "Wed 10:00", to="ada")
    after_the_window(worker, clock)

    assert mailbox.mails == []


def test_who_had_it_first_is_told_although_it_went_on_to_others(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock)
    after_the_window(worker, clock)
    mailbox.mails.clear()

    move(made, clock, "Wed 10:00", to="ben")
    move(made, clock, "Wed 10:30", to="ben")
    after_the_window(worker, clock)

    assert subjects(mailbox, ADA) == ["No longer yours"]
    assert subjects(mailbox, BEN) == ["Booked"]


def test_a_change_back_is_told_when_the_one_before_may_have_arrived(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock, house=HOUSE)
    worker.turn()
    mailbox.mails.clear()
    move(made, clock, "Fri 10:00", house=HOUSE)
    mailbox.refuse_mail = TemporaryFailure("after the dot", maybe_sent=True)
    worker.turn()
    mailbox.refuse_mail = None

    move(made, clock, "Wed 10:00", house=HOUSE)
    worker.turn()

    assert told(mailbox) == [("REQUEST", 2)]


def test_an_answer_to_what_was_told_counts_although_changes_were_taken_back(
    worker: Worker, clock: Clock
) -> None:
    made = book(clock)
    after_the_window(worker, clock)
    move(made, clock, "Fri 10:00")
    move(made, clock, "Wed 10:00")
    after_the_window(worker, clock)

    found = db.session.get_one(Appointment, made)

    assert found.sequence == 2
    assert telling.answered_sequence(db.session(), found) == 0


def test_an_answer_to_the_time_before_does_not_count(worker: Worker, clock: Clock) -> None:
    made = book(clock)
    after_the_window(worker, clock)
    move(made, clock, "Fri 10:00")

    assert telling.answered_sequence(db.session(), db.session.get_one(Appointment, made)) == 1


def test_the_question_after_a_no_is_asked_once_and_only_while_it_stands(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock, house=HOUSE)
    worker.turn()
    mailbox.mails.clear()
    with transaction() as session:
        found = session.get_one(Appointment, made)
        found.partstat = Partstat.DECLINED
        for _ in range(3):
            owe_question(session, found, now=clock.now)
    worker.turn()
    assert subjects(mailbox) == ["Please confirm"]
    assert subjects(mailbox, DESK) == ["Declined"]

    move(made, clock, "Fri 10:00", house=HOUSE)
    with transaction() as session:
        owe_question(session, session.get_one(Appointment, made), now=clock.now)
    worker.turn()

    assert subjects(mailbox) == ["Please confirm", "Updated"]


def test_a_refused_proposal_is_answered_each_time(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock, house=HOUSE)
    worker.turn()
    for _ in range(2):
        with transaction() as session:
            owe_unchanged(session, session.get_one(Appointment, made), now=clock.now)
        worker.turn()

    assert subjects(mailbox) == ["Confirmed", "Unchanged", "Unchanged"]


def test_what_was_under_way_when_it_changed_is_followed_by_the_change(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock, house=HOUSE)
    with transaction() as session:  # as if a worker had died with the first in its hand
        for each in session.scalars(select(OwedMessage)):
            each.lease, each.leased_until = "gone", clock.now + LEASE
        session.add(
            Told(appointment_id=made, audience="patient", practitioner_id=0, stamped_at=clock.now)
        )
    move(made, clock, "Fri 10:00", house=HOUSE)
    clock.now += LEASE

    worker.turn()

    assert told(mailbox) == [("REQUEST", 1)]


def owed() -> list[OwedMessage]:
    db.session.rollback()
    return list(db.session.scalars(select(OwedMessage)))


def test_the_patient_of_a_cancelled_appointment_is_told_once(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock)
    after_the_window(worker, clock)

    cancel(made, clock)
    after_the_window(worker, clock)
    after_the_window(worker, clock)

    assert told(mailbox) == [("REQUEST", 0), ("CANCEL", 1)]
    assert subjects(mailbox, ADA) == ["Booked", "Cancelled"]
    assert PATIENT not in {each.recipient for each in mailbox.to(ADA)}


def test_what_is_cancelled_is_the_time_that_they_knew(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock)
    after_the_window(worker, clock)
    mailbox.mails.clear()

    move(made, clock, "Mon 10:00", to="ben", week=1)
    cancel(made, clock)
    after_the_window(worker, clock)

    for address in (PATIENT, ADA, DESK):
        [mail] = mailbox.to(address)
        assert b"Cancelled: appointment on 25 November, 10:00 am" in mail.content
    assert mailbox.to(BEN) == []
    assert event(mailbox.to(PATIENT)[0])["DTSTART"].dt == at("Wed 10:00")


def test_who_loses_it_is_told_of_the_time_that_they_had(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock)
    after_the_window(worker, clock)
    mailbox.mails.clear()

    move(made, clock, "Mon 10:00", to="ben", week=1)
    after_the_window(worker, clock)

    assert b"No longer yours: appointment on 25 November, 10:00 am" in mailbox.to(ADA)[0].content
    assert b"Booked: appointment on 30 November, 10:00 am" in mailbox.to(BEN)[0].content


def test_who_expects_a_later_time_hears_of_the_end_although_the_earlier_has_begun(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock, "Wed 14:00")
    after_the_window(worker, clock)
    move(made, clock, "Wed 10:00", to="ben")
    clock.now = at("Wed 07:30")
    cancel(made, clock)

    clock.now = at("Wed 10:05")  # the relay was down until now
    worker.turn()

    assert told(mailbox)[-1] == ("CANCEL", 2)
    assert event(mailbox.to(PATIENT)[-1])["DTSTART"].dt == at("Wed 14:00")
    assert subjects(mailbox, ADA)[-1] == "Cancelled"


def test_who_may_not_have_heard_of_the_earlier_time_hears_of_the_end_after_it_has_begun(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock, "Wed 14:00", house=HOUSE)
    worker.turn()
    move(made, clock, "Wed 10:00", house=HOUSE)
    mailbox.refuse_mail = TemporaryFailure("come again later")
    worker.turn()
    clock.now = at("Wed 07:30")
    cancel(made, clock, house=HOUSE)

    clock.now = at("Wed 10:05")
    mailbox.refuse_mail = None
    worker.turn()

    assert told(mailbox)[-1] == ("CANCEL", 2)


def test_who_waits_to_hear_that_it_went_to_another_hears_so_although_the_address_changed(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(clock)
    after_the_window(worker, clock)
    move(made, clock, "Wed 10:00", to="ben")
    with transaction() as session:
        found = session.get_one(Appointment, made)
        correct_address(session, found, "other@mail.example", PATIENCE, now=clock.now, actor="desk")
    mailbox.mails.clear()

    after_the_window(worker, clock)

    assert len(mailbox.to(ADA)) == len(mailbox.to(BEN)) == 1
