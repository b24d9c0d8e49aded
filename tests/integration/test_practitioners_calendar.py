"""A practitioner who wants it has the appointment in their own calendar: initials, no address."""

import pytest
from flask import Flask
from sqlalchemy import select

from booking.models import Appointment, Practitioner
from booking.models.database import transaction
from booking.services.appointments import cancel_appointment, reschedule_appointment
from booking.worker import worker_of
from booking.worker.delivery import Worker
from tests.builders import HOUSE, Clock, Mailbox, an_appointment, at
from tests.readings import calendar, event, has_event, method, told, uid

ADA, BEN, DESK, SAM = (
    "ada@clinic.example",
    "ben@clinic.example",
    "desk@clinic.example",
    "sam@mail.example",
)


@pytest.fixture
def worker(app: Flask) -> Worker:
    with transaction() as session:
        for each in session.scalars(select(Practitioner)):
            each.email, each.wants_invitations = f"{each.slug}@clinic.example", True
    return worker_of(app)


def book(worker: Worker) -> int:
    with transaction() as session:
        made = an_appointment(session, "Wed 10:00").id
    worker.turn()
    return made


def move(made: int, worker: Worker, clock: Clock, start: str, to: str) -> None:
    with transaction() as session:
        found = session.get_one(Appointment, made)
        reschedule_appointment(session, found, at(start), HOUSE, now=clock.now, practitioner=to)
    worker.turn()


def test_it_appears_moves_and_vanishes_as_one_event(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(worker)
    move(made, worker, clock, "Fri 10:00", "ada")
    with transaction() as session:
        cancel_appointment(session, session.get_one(Appointment, made), HOUSE, now=clock.now)
    worker.turn()

    assert told(mailbox, ADA) == [("REQUEST", 0), ("REQUEST", 1), ("CANCEL", 2)]
    assert len({uid(each) for each in mailbox.to(ADA)}) == 1


def test_it_holds_initials_and_the_room_and_nothing_else_of_the_patient(
    worker: Worker, mailbox: Mailbox
) -> None:
    book(worker)

    [mail] = mailbox.to(ADA)

    found = event(mail)
    assert (found["SUMMARY"], found["LOCATION"]) == ("Appointment S. R.", "Blue room")
    assert found["ATTENDEE"] == f"mailto:{ADA}"
    text = calendar(mail).to_ical().decode()
    assert not any(word in text for word in ("Sam", "Rivers", SAM, "5550123", "/appointments/e"))
    assert "/staff/appointments/" in text.replace("\r\n ", "")


def test_who_loses_it_is_rid_of_it_and_who_gets_it_has_another_event(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book(worker)

    move(made, worker, clock, "Wed 10:00", "ben")

    assert [method(each) for each in mailbox.to(ADA)] == ["REQUEST", "CANCEL"]
    assert [method(each) for each in mailbox.to(BEN)] == ["REQUEST"]
    uids = {uid(mailbox.to(address)[0]) for address in (ADA, BEN, SAM)}
    assert len(uids) == 3, "the patient's own proves an answer, and stays the patient's"


def test_without_the_wish_and_at_the_desk_it_is_a_plain_notice(
    app: Flask, mailbox: Mailbox
) -> None:
    book(worker_of(app))

    assert [has_event(each) for each in mailbox.to(ADA)] == [False]
    assert [has_event(each) for each in mailbox.to(DESK)] == [False]
