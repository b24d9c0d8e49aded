"""What is owed is sent: in order, once, and when it cannot be, a person hears of it."""

import threading
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, pairwise, repeat

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.pool import PoolProxiedConnection

from booking.messages.delivery import (
    DeliveryError,
    PermanentFailure,
    RelayDown,
    RelayMisconfigured,
    TemporaryFailure,
)
from booking.messages.mail import Mail
from booking.models import (
    Appointment,
    Audience,
    Clinic,
    Heartbeat,
    OwedMessage,
    Practitioner,
    SentMessage,
)
from booking.models.database import db, transaction
from booking.services import agenda
from booking.services.appointments import (
    book_appointment,
    cancel_appointment,
    reschedule_appointment,
)
from booking.services.links import token_of
from booking.services.outbox import BACKOFF, GIVE_UP_AFTER, LEASE
from booking.services.owing import owe_again
from booking.services.requests import BookingRequest
from booking.worker import worker_of
from booking.worker.delivery import IDLE, Worker
from tests.builders import HOUSE, NOW, Clock, Mailbox, a_patient, an_appointment, at
from tests.readings import sequence, stamp, told, uid

PATIENT = "sam@mail.example"
LATER = "Fri 10:00"


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


@pytest.fixture
def worker(app: Flask) -> Worker:
    return worker_of(app)


# Order


def test_booked_moved_and_cancelled_are_told_in_that_order(
    worker: Worker, mailbox: Mailbox
) -> None:
    made = booked()
    worker.turn()
    moved(made, LATER)
    worker.turn()
    cancelled(made)
    worker.turn()

    assert told(mailbox) == [("REQUEST", 0), ("REQUEST", 1), ("CANCEL", 2)]
    assert len({uid(each) for each in mailbox.to(PATIENT)}) == 1
    assert rising([stamp(each) for each in mailbox.to(PATIENT)])


def test_only_what_holds_at_last_is_told_when_nothing_left_before(
    worker: Worker, mailbox: Mailbox
) -> None:
    made = booked()
    moved(made, LATER)

    worker.turn()

    assert told(mailbox) == [("REQUEST", 1)]
    assert Counter(each.state for each in messages()) == {"sent": 3, "not needed": 3}


def test_an_older_message_that_had_to_wait_never_follows_a_newer(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = booked()
    mailbox.refuse_mail = TemporaryFailure("451 later")
    worker.turn()
    mailbox.refuse_mail = None
    moved(made, LATER)
    worker.turn()

    clock.forward(minutes=10)
    worker.turn()

    assert told(mailbox) == [("REQUEST", 1)]


def test_of_one_appointment_one_message_is_under_way_at_a_time(
    worker: Worker, mailbox: Mailbox, app: Flask, clock: Clock
) -> None:
    made = booked()
    dying = worker_that_dies_at_the_first_mail(app, mailbox)
    moved(made, LATER)  # its predecessor's lease still runs

    worker.turn()

    assert dying == 0
    assert told(mailbox) == []
    clock.forward(seconds=LEASE.total_seconds())
    worker.turn()
    assert told(mailbox) == [("REQUEST", 1)]


def test_the_relay_is_left_in_peace_while_a_lease_holds_everything_up(
    app: Flask, mailbox: Mailbox, worker: Worker
) -> None:
    made = booked()
    worker_that_dies_at_the_first_mail(app, mailbox)
    worker.turn()  # the notices leave
    with transaction() as session:
        owe_again(session, session.get_one(Appointment, made), now=Clock()())
    mailbox.refuse_connection = RelayDown("it was asked all the same")

    assert worker.turn() == IDLE
    assert heartbeat().relay_down_since is None


# Time


def test_nothing_is_told_after_the_appointment_began(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    booked("Tue 09:00")
    clock.now = at("Tue 09:00")

    worker.turn()

    assert mailbox.mails == []
    assert [each.audience for each in messages() if each.state == "not reached"] == ["patient"]
    assert Counter(each.state for each in messages())["not needed"] == 2


def test_a_refusal_for_now_is_tried_again_ever_later_for_two_days(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    with transaction() as session:
        for each in session.scalars(select(Practitioner)):
            each.email = None  # one message is enough
        session.get_one(Clinic, 1).staff_email = None
    booked(LATER, week=1)
    mailbox.refuse_mail = TemporaryFailure("451 later")
    waits = []
    while (message := the_patients()).state == "waiting":
        worker.turn()
        db.session.rollback()
        waits.append(message.next_attempt_at - clock.now)
        clock.now = message.next_attempt_at

    expected = chain(BACKOFF, repeat(BACKOFF[-1]))
    assert all(0.8 <= wait / next(expected) <= 1.2 for wait in waits[:-1])
    assert len(set(waits[5:-1])) > 1, "it should vary, lest all come back at once"
    assert clock.now <= message.due_at + GIVE_UP_AFTER
    assert message.state == "not reached"
    assert message.last_error == "451 later"


def test_a_refusal_for_now_is_given_up_when_the_appointment_comes_first(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = booked("Tue 09:00")
    mailbox.refuse_mail = TemporaryFailure("451 later")
    clock.now = at("Tue 09:00") - timedelta(seconds=30)

    worker.turn()

    assert [each.appointment_id for each in agenda.not_reached(db.session())] == [made]


# Refusals


def test_a_refusal_for_good_becomes_a_task_for_a_person_at_once(
    worker: Worker, mailbox: Mailbox
) -> None:
    made = booked()
    mailbox.refuse_mail = PermanentFailure("550 no such user")

    worker.turn()

    [task] = agenda.not_reached(db.session())
    assert (task.appointment_id, task.last_error) == (made, "550 no such user")
    assert task.attempts == 1


@pytest.mark.parametrize("fault", [RelayDown("refused"), RelayMisconfigured("535 bad login")])
@pytest.mark.parametrize("where", ["refuse_connection", "refuse_mail"])
def test_a_relay_that_is_down_burns_no_attempt_and_shows_in_the_heartbeat(
    worker: Worker, mailbox: Mailbox, clock: Clock, fault: DeliveryError, where: str
) -> None:
    booked()
    setattr(mailbox, where, fault)

    rests = [worker.turn() for _ in range(8)]

    assert rests == [1, 2, 5, 10, 30, 60, 60, 60]
    assert {each.attempts for each in messages()} == {0}
    assert heartbeat().relay_down_since == clock.now
    assert heartbeat().relay_error == type(fault).__name__


def test_after_the_relay_is_back_all_is_sent_and_the_alarm_is_over(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    first, second = booked("Wed 09:00"), booked("Wed 11:00")
    mailbox.refuse_connection = RelayDown("refused")
    for _ in range(10):
        worker.turn()
        clock.forward(minutes=30)
    moved(first, LATER)
    mailbox.refuse_connection = None

    worker.turn()
    worker.turn()

    assert sorted(told(mailbox)) == [("REQUEST", 0), ("REQUEST", 1)]
    assert {each.state for each in messages()} == {"sent", "not needed"}
    assert heartbeat().relay_down_since is None
    assert second != first


def test_a_mail_at_which_the_relay_always_breaks_off_does_not_hold_up_the_others(
    app: Flask, mailbox: Mailbox, clock: Clock
) -> None:
    booked("Wed 09:00", email="cursed@mail.example")
    booked("Wed 11:00")
    transport = Cursed("cursed@mail.example", mailbox)
    app.extensions["booking"] = replace(app.extensions["booking"], transport=transport)
    worker = worker_of(app)

    for _ in range(3):
        worker.turn()
        clock.forward(seconds=1)

    assert told(mailbox) == [("REQUEST", 0)]


def test_a_message_that_cannot_be_written_does_not_hold_up_the_others(
    worker: Worker, mailbox: Mailbox
) -> None:
    broken = booked("Wed 09:00", email="two@mail.example, addresses@mail.example")
    booked("Wed 11:00")

    worker.turn()

    assert told(mailbox) == [("REQUEST", 0)]
    [waiting] = [each for each in messages() if each.state == "waiting"]
    assert (waiting.appointment_id, waiting.last_error) == (broken, "It could not be written.")


# Crashes and crowds


def test_who_dies_between_sending_and_settling_is_repeated_recognisably(
    app: Flask, mailbox: Mailbox, worker: Worker, clock: Clock
) -> None:
    booked()
    worker_that_dies_at_the_first_mail(app, mailbox, after_sending=True)
    worker.turn()
    assert len(mailbox.to(PATIENT)) == 1

    clock.forward(seconds=LEASE.total_seconds())
    worker.turn()

    first, second = mailbox.to(PATIENT)
    assert first.message_id == second.message_id
    assert (uid(first), sequence(first)) == (uid(second), sequence(second))
    assert {each.state for each in messages()} == {"sent"}


def test_a_claim_that_was_written_while_the_database_went_away_is_taken_up_at_once(
    worker: Worker, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.turn()
    booked()
    driver = db.engine.dialect

    def lose_the_answer(connection: PoolProxiedConnection) -> None:
        connection.commit()
        raise driver.loaded_dbapi.OperationalError("the server is gone")

    with monkeypatch.context() as border:
        border.setattr(driver, "do_commit", lose_the_answer)
        assert worker.turn() == IDLE
    assert [mailbox.mails, the_patients().attempts] == [[], 1]

    worker.turn()

    assert len(mailbox.to(PATIENT)) == 1


def test_a_successor_takes_over_at_once_and_only_from_its_own(app: Flask, mailbox: Mailbox) -> None:
    booked()
    worker_that_dies_at_the_first_mail(app, mailbox, holder="a" * 16)
    stranger, heir = worker_of(app, "b" * 16), worker_of(app, "a" * 16)

    run_for_a_turn(stranger)
    assert told(mailbox) == []
    run_for_a_turn(heir)

    assert told(mailbox) == [("REQUEST", 0)]


def test_two_workers_at_once_send_each_message_once(app: Flask, mailbox: Mailbox) -> None:
    for hour in ("09:00", "10:00", "11:00", "13:00", "14:00", "15:00"):
        booked(f"Wed {hour}")
        booked(f"Fri {hour}")

    def deliver() -> None:
        with app.app_context():
            for _ in range(3):
                worker_of(app).turn()
            db.session.remove()

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(mailbox.mails) == len({each.message_id for each in mailbox.mails}) == 36
    assert {each.state for each in messages()} == {"sent"}


# What is said and kept


def test_sent_again_it_is_a_new_mail_of_the_same_revision(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = booked()
    worker.turn()
    with transaction() as session:
        owe_again(session, session.get_one(Appointment, made), now=clock.now)

    worker.turn()

    first, second = mailbox.to(PATIENT)
    assert (uid(first), sequence(first)) == (uid(second), sequence(second))
    assert first.message_id != second.message_id
    assert stamp(first) < stamp(second)


def test_the_sent_copy_is_sealed(worker: Worker, mailbox: Mailbox) -> None:
    made = booked()
    worker.turn()
    token = token_of(db.session.get_one(Appointment, made), HOUSE.keys).encode()

    copies = [each.sealed for each in db.session.scalars(select(SentMessage))]

    assert len(copies) == 3
    assert not any(word in copy for copy in copies for word in (b"Subject", b"VCALENDAR", token))
    opened = {HOUSE.keys.seal.decrypt(each) for each in copies}
    assert opened == {each.content for each in mailbox.mails}


def booked(start: str = "Wed 10:00", *, week: int = 0, email: str = PATIENT) -> int:
    with transaction() as session:
        if not week:
            return an_appointment(session, start, service="video", email=email).id
        request = BookingRequest(
            start=at(start, week=week), practitioner="ada", patient=a_patient(email=email)
        )
        return book_appointment(session, "video", request, HOUSE, now=NOW).id


def moved(appointment: int, start: str) -> None:
    with transaction() as session:
        found = session.get_one(Appointment, appointment)
        reschedule_appointment(session, found, at(start), HOUSE, now=NOW)


def cancelled(appointment: int) -> None:
    with transaction() as session:
        cancel_appointment(session, session.get_one(Appointment, appointment), HOUSE, now=NOW)


def worker_that_dies_at_the_first_mail(
    app: Flask, mailbox: Mailbox, *, holder: str | None = None, after_sending: bool = False
) -> int:
    """Leaves a lease behind; returns how many mails had left."""
    before = len(mailbox.mails)
    state = app.extensions["booking"]
    app.extensions["booking"] = replace(state, transport=Deadly(mailbox, after_sending))
    with pytest.raises(Killed):
        worker_of(app, holder).turn()
    app.extensions["booking"] = state
    return len(mailbox.mails) - before


def run_for_a_turn(worker: Worker) -> None:
    """As a process would, from its beginning to a request to stop."""
    ending = threading.Timer(0.5, worker.stop)
    ending.start()
    worker.run()
    ending.join()


class Deadly(Mailbox):
    """A relay at which the worker's process is killed."""

    def __init__(self, mailbox: Mailbox, after_sending: bool) -> None:
        super().__init__(mails=mailbox.mails)
        self._after_sending = after_sending

    def send(self, mail: Mail) -> None:
        if self._after_sending:
            super().send(mail)
        raise Killed


class Cursed(Mailbox):
    """A relay that hangs up whenever it hears one address."""

    def __init__(self, address: str, mailbox: Mailbox) -> None:
        super().__init__(mails=mailbox.mails)
        self._address = address

    def send(self, mail: Mail) -> None:
        if mail.recipient == self._address:
            raise RelayDown("The connection broke at MAIL.")
        super().send(mail)


def messages() -> list[OwedMessage]:
    db.session.rollback()
    return list(db.session.scalars(select(OwedMessage).order_by(OwedMessage.id)))


def the_patients() -> OwedMessage:
    [message] = [each for each in messages() if each.audience == Audience.PATIENT]
    return message


def heartbeat() -> Heartbeat:
    db.session.rollback()
    return db.session.get_one(Heartbeat, "worker")


def rising(stamps: list[datetime]) -> bool:
    return all(one < other for one, other in pairwise(stamps))
