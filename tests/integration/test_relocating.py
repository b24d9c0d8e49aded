"""Another place is told once to everybody who comes there, and to nobody else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from booking.domain.lifecycle import Partstat
from booking.models import (
    Appointment,
    AppointmentEvent,
    AuditEntry,
    Location,
    Practitioner,
    Told,
)
from booking.models.database import db, transaction
from booking.services import places, telling
from booking.services.appointments import House, cancel_appointment, reschedule_appointment
from booking.services.desk import undo
from booking.services.places import PlaceDetails, TellsPatients
from booking.services.schedules import Act
from booking.worker import worker_of
from booking.worker.delivery import Worker
from tests.builders import HOUSE, Clock, Mailbox, an_appointment, at
from tests.pages import Page, page_of
from tests.readings import event, subjects, told
from tests.visits import a_member_of_staff, a_reference, deliver, get, send, sign_in

OLD = "120 Water Street, New York, NY 10005"
NEW = "9 Hill Road, Albany, NY 12207"
PLACE = "/staff/schedule/places/1"
PATIENCE = replace(HOUSE, undo=timedelta(seconds=120))


@pytest.fixture
def worker(app: Flask) -> Worker:
    return worker_of(app)


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    """A browser in which a member of staff is signed in."""
    a_member_of_staff()
    sign_in(client)
    return client


def book(start: str = "Wed 10:00", **more: Any) -> int:
    with transaction() as session:
        return an_appointment(session, start, **more).id


def readdress_the_place(clock: Clock, address: str = NEW, house: House = HOUSE) -> int:
    """Staff change the address, and have been asked."""
    with transaction() as session:
        place = session.get_one(Location, 1)
        details = PlaceDetails(place.name, address, place.directions)
        act = Act("desk@clinic.example", clock.now, HOUSE.keys)
        seen = places.fingerprint(place, details)
        return places.change_place(session, place, details, house, seen=seen, act=act)


def the(made: int) -> Appointment:
    db.session.rollback()
    return db.session.get_one(Appointment, made)


def test_everybody_is_told_exactly_once(worker: Worker, mailbox: Mailbox, clock: Clock) -> None:
    book("Wed 10:00")
    book("Wed 13:00", email="two@mail.example", practitioner="ben")
    book("Fri 10:00", service="video", email="three@mail.example")
    worker.turn()
    mailbox.mails.clear()
    with transaction() as session:  # who has never been told of the appointment is told nothing now
        ben = session.scalars(select(Practitioner).where(Practitioner.slug == "ben")).one()
        ben.email = "ben@clinic.example"

    moved = readdress_the_place(clock)
    worker.turn()

    assert moved == 2
    assert told(mailbox) == told(mailbox, "two@mail.example") == [("REQUEST", 1)]
    assert len(mailbox.mails) == 2
    assert subjects(mailbox) == ["Updated"]
    assert str(event(mailbox.mails[0])["LOCATION"]) == NEW
    clock.forward(hours=1)
    worker.turn()
    assert len(mailbox.mails) == 2


def test_the_mail_says_that_the_appointment_has_changed_and_not_that_it_moved(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    book()
    worker.turn()

    readdress_the_place(clock)
    worker.turn()

    text = mailbox.mails[-1].content.decode()
    assert "Your appointment has changed" in text
    assert NEW in text
    assert "new time" not in text.lower()


def test_what_was_told_before_places_were_noted_counts(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book()
    worker.turn()
    forget_places()
    mailbox.mails.clear()
    with transaction() as session:
        for start in ("Fri 10:00", "Wed 10:00"):
            found = session.get_one(Appointment, made)
            reschedule_appointment(session, found, at(start), HOUSE, now=clock.now)
    worker.turn()
    assert mailbox.mails == []
    assert telling.answered_sequence(db.session(), the(made)) == 0

    readdress_the_place(clock)
    assert telling.answered_sequence(db.session(), the(made)) == 3
    worker.turn()

    assert told(mailbox) == [("REQUEST", 3)]


@pytest.mark.parametrize("noted", [True, False])
def test_an_address_that_was_taken_back_before_it_was_told_is_told_to_nobody(
    worker: Worker, mailbox: Mailbox, clock: Clock, noted: bool
) -> None:
    book()
    worker.turn()
    if not noted:
        forget_places()
    mailbox.mails.clear()

    readdress_the_place(clock)
    readdress_the_place(clock, OLD)
    worker.turn()

    assert mailbox.mails == []


def test_who_has_not_been_told_of_the_booking_yet_is_told_once(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    book()

    readdress_the_place(clock)
    worker.turn()

    assert told(mailbox) == [("REQUEST", 1)]
    assert subjects(mailbox) == ["Confirmed"]
    assert subjects(mailbox, "ada@clinic.example") == ["Booked"]


def test_a_cancellation_that_is_taken_back_tells_the_new_address(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book()
    worker.turn()
    forget_places()
    mailbox.mails.clear()
    with transaction() as session:
        found = session.get_one(Appointment, made)
        cancel_appointment(session, found, PATIENCE, now=clock.now, actor="desk")

    assert readdress_the_place(clock, house=PATIENCE) == 0
    with transaction() as session:
        undo(session, session.get_one(Appointment, made), PATIENCE, actor="desk", now=clock.now)
    clock.forward(minutes=3)
    worker.turn()

    assert told(mailbox) == [("REQUEST", 2)]
    assert str(event(mailbox.to("sam@mail.example")[0])["LOCATION"]) == NEW


def test_what_is_past_or_cancelled_stays_untouched_and_an_answer_to_the_old_place_is_void(
    worker: Worker, clock: Clock
) -> None:
    past, gone, coming = book("Tue 09:00"), book("Wed 09:00"), book("Fri 09:00")
    worker.turn()
    with transaction() as session:
        cancel_appointment(session, session.get_one(Appointment, gone), HOUSE, now=clock.now)
        session.get_one(Appointment, coming).partstat = Partstat.ACCEPTED
    clock.forward(days=2)

    assert readdress_the_place(clock) == 1

    assert [the(each).sequence for each in (past, gone, coming)] == [0, 1, 1]
    assert the(coming).partstat == Partstat.NEEDS_ACTION
    lines = select(AppointmentEvent.appointment_id).where(AppointmentEvent.verb == "relocate")
    assert db.session.scalars(lines).all() == [coming]


def test_nobody_is_told_before_staff_were_asked(app: Flask, clock: Clock) -> None:
    assert app
    book()

    with pytest.raises(TellsPatients) as question, transaction() as session:
        place, act = session.get_one(Location, 1), Act("desk", clock.now, HOUSE.keys)
        details = PlaceDetails("Main", NEW, "")
        places.change_place(session, place, details, HOUSE, seen="", act=act)

    assert question.value.concerned.told == 1
    assert the_place().address == OLD


def test_the_page_says_how_many_will_be_told_and_whom_to_call(
    sqlite_app: Flask, desk: FlaskClient, mailbox: Mailbox
) -> None:
    a_reference("Wed 10:00")
    nobody = a_reference("Fri 10:00", email="", name="Noor Hale")
    deliver(sqlite_app)
    mailbox.mails.clear()

    question = readdress(desk)

    assert "1 person with a coming appointment will be told" in question.text
    assert "1 has no email address and must be called" in question.text
    assert f"/staff/appointments/{nobody}" in {each.get("href") for each in question.all("a")}
    assert the_place().address == OLD
    assert send(desk, question).status_code == 303
    deliver(sqlite_app)
    assert the_place().address == NEW
    assert [each.recipient for each in mailbox.mails] == ["sam@mail.example"]
    read = select(AuditEntry.subject).where(AuditEntry.action == "appointment.read")
    assert nobody in db.session.scalars(read).all()


def test_a_question_that_is_out_of_date_is_asked_anew(desk: FlaskClient) -> None:
    a_reference("Wed 10:00")
    question = readdress(desk)
    send(desk, readdress(desk, "1 Park Lane, Utica, NY 13501"))

    answer = send(desk, question)

    assert answer.status_code == 409
    assert "changed by somebody else" in page_of(answer).text
    assert the_place().address.startswith("1 Park Lane")
    assert send(desk, page_of(answer)).status_code == 303
    assert the_place().address == NEW


def test_the_question_leads_back_with_everything_typed(desk: FlaskClient) -> None:
    a_reference("Wed 10:00")

    again = page_of(send(desk, readdress(desk), back="y"))

    assert again.form("").values()["address"] == NEW
    assert the_place().address == OLD


def readdress(desk: FlaskClient, address: str = NEW) -> Page:
    return page_of(send(desk, get(desk, PLACE), address=address))


def the_place() -> Location:
    db.session.rollback()
    return db.session.get_one(Location, 1)


def forget_places() -> None:
    """Let what was told be as it was written before places were noted."""
    with transaction() as session:
        for row in session.scalars(select(Told).where(Told.audience == "patient")):
            state = (row.state or "").partition(telling.PLACE)[0]
            session.execute(
                update(Told)
                .where(Told.appointment_id == row.appointment_id, Told.audience == "patient")
                .values(state=state)
            )
