"""An address that was wrong is corrected: a new event for the new one, and the old one is rid of
it."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.messages.delivery import PermanentFailure
from booking.models import Appointment, FormerInvitation, OwedMessage
from booking.models.database import db, transaction
from booking.services import agenda
from booking.services.appointments import cancel_appointment
from booking.services.links import token_of
from booking.services.outbox import bounced
from booking.services.readdressing import correct_address
from booking.worker import worker_of
from booking.worker.delivery import Worker
from tests.builders import HOUSE, Clock, Mailbox, an_appointment
from tests.readings import PATIENT, calendar, event, subjects, told, uid
from tests.visits import a_member_of_staff, a_reference, deliver, get, send, sign_in
from tests.visits import the_appointment as stored

NEW = "sam@other.example"


@pytest.fixture
def worker(app: Flask) -> Worker:
    return worker_of(app)


def book() -> int:
    with transaction() as session:
        return an_appointment(session, "Wed 10:00", service="video").id


def correct(made: int, clock: Clock, address: str = NEW) -> None:
    with transaction() as session:
        found = session.get_one(Appointment, made)
        correct_address(session, found, address, HOUSE, now=clock.now, actor="desk")


def come_back(made: int, clock: Clock) -> None:
    """Another relay sends the patient's mail back."""
    with transaction() as session:
        query = select(OwedMessage).where(
            OwedMessage.appointment_id == made, OwedMessage.audience == "patient"
        )
        bounced(session, session.scalars(query).one(), "5.1.1 no such user", now=clock.now)


def test_the_new_address_gets_an_event_of_its_own_and_the_old_one_loses_it(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book()
    worker.turn()
    correct(made, clock)
    worker.turn()

    first, gone = mailbox.to(PATIENT)
    [new] = mailbox.to(NEW)
    assert told(mailbox) == [("REQUEST", 0), ("CANCEL", 1)]
    assert uid(first) == uid(gone) != uid(new)
    assert subjects(mailbox, NEW) == ["Confirmed"]
    assert event(gone)["DTSTART"].dt == event(new)["DTSTART"].dt


def test_the_old_address_is_given_no_way_to_the_appointment(
    worker: Worker, mailbox: Mailbox, clock: Clock, app: Flask
) -> None:
    made = book()
    worker.turn()
    before = token_of(stored(), HOUSE.keys)
    correct(made, clock)
    worker.turn()

    after = token_of(stored(), HOUSE.keys)
    assert app.test_client().get(f"/appointments/{before}").status_code == 404
    assert app.test_client().get(f"/appointments/{after}").status_code == 200
    gone = mailbox.to(PATIENT)[-1]
    assert "/appointments/" not in calendar(gone).to_ical().decode()
    assert b"/appointments/" not in gone.content


@pytest.mark.parametrize("how", ["refused", "sent back"])
def test_an_address_that_nothing_reached_hears_nothing_more(
    worker: Worker, mailbox: Mailbox, clock: Clock, how: str
) -> None:
    made = book()
    mailbox.refuse_mail = PermanentFailure("550 no such user") if how == "refused" else None
    worker.turn()
    mailbox.refuse_mail = None
    if how == "sent back":
        come_back(made, clock)
    mailbox.mails.clear()

    correct(made, clock)
    worker.turn()

    assert mailbox.to(PATIENT) == []
    assert told(mailbox, NEW) == [("REQUEST", 1)]
    assert agenda.not_reached(db.session()) == []


def test_the_old_address_is_forgotten_once_it_was_told(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book()
    worker.turn()
    correct(made, clock)
    worker.turn()
    db.session.rollback()

    former = db.session.scalars(select(FormerInvitation)).one()

    assert former.address == ""
    assert former.uid == uid(mailbox.to(PATIENT)[0])


def test_a_withdrawal_that_cannot_be_delivered_alarms_nobody(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book()
    worker.turn()
    correct(made, clock)
    mailbox.refuse_mail = PermanentFailure("550 no such user")
    worker.turn()

    tasks = agenda.not_reached(db.session())

    assert [each.kind for each in tasks] == ["confirmed"], "the new address alone"


def test_the_address_on_file_is_only_written_to_again(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book()
    worker.turn()
    correct(made, clock, PATIENT)
    worker.turn()

    first, second = mailbox.to(PATIENT)
    assert uid(first) == uid(second)
    assert told(mailbox) == [("REQUEST", 0), ("REQUEST", 0)]


def test_what_happens_later_is_told_to_the_new_address_alone(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book()
    worker.turn()
    correct(made, clock)
    worker.turn()
    mailbox.mails.clear()
    with transaction() as session:
        cancel_appointment(session, session.get_one(Appointment, made), HOUSE, now=clock.now)

    worker.turn()

    assert mailbox.to(PATIENT) == []
    assert [method for method, _ in told(mailbox, NEW)] == ["CANCEL"]


def test_what_came_back_stands_among_those_not_reached_once(worker: Worker, clock: Clock) -> None:
    made = book()
    worker.turn()

    come_back(made, clock)
    come_back(made, clock)

    [task] = agenda.not_reached(db.session())
    assert (task.appointment_id, task.last_error) == (made, "5.1.1 no such user")
    assert task.sent_at is not None


def test_a_correction_keeps_nothing_from_practitioner_and_desk(
    worker: Worker, mailbox: Mailbox, clock: Clock
) -> None:
    made = book()
    correct(made, clock)

    worker.turn()

    assert subjects(mailbox, "ada@clinic.example") == ["Booked"]
    assert subjects(mailbox, "desk@clinic.example") == ["Booked"]


def test_the_desk_corrects_an_address(
    client: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    a_member_of_staff()
    sign_in(client)
    reference = a_reference()
    mailbox.refuse_mail = PermanentFailure("550 no such user")
    deliver(sqlite_app)
    mailbox.refuse_mail = None

    page = get(client, get(client, "/staff/").link("Correct address"))
    assert page.form("").values()["email"] == PATIENT
    answer = send(client, page, "", email="sam@@other")
    assert answer.status_code == 422
    answer = send(client, page, "", email=NEW)

    shown = get(client, answer.location)
    assert "The invitation is being sent to the new address." in shown.text
    assert "Address corrected" in shown.text
    assert NEW in shown.text
    assert reference in shown.text
    deliver(sqlite_app)
    assert told(mailbox, NEW) == [("REQUEST", 1)]
    assert mailbox.to(PATIENT) == []
