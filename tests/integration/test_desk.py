"""The desk: callers are booked, changes taken back, notes kept, and all of it noted."""

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from booking.domain.lifecycle import Partstat
from booking.domain.refusals import SlotTaken, WrongState
from booking.domain.timeline import Span
from booking.models import (
    Appointment,
    AppointmentEvent,
    AppointmentNote,
    AuditEntry,
    OwedMessage,
    ServiceReminder,
)
from booking.models.database import db, transaction
from booking.services import desk as service
from booking.services.appointments import cancel_appointment, reschedule_appointment
from booking.services.closures import NewClosure, close
from booking.services.schedules import Act
from booking.worker import worker_of
from tests.builders import HOUSE, NOW, Clock, Mailbox, an_appointment, at, the_service
from tests.pages import page_of
from tests.readings import subjects, told
from tests.visits import (
    DESK,
    a_member_of_staff,
    a_reference,
    get,
    rows,
    send,
    sign_in,
    the_appointment,
)

PATIENCE = replace(HOUSE, undo=timedelta(seconds=120))
CALLER = {"service": "visit", "day": "2026-11-24", "time": "09:00", "name": "Robin Fields"}
WITH_NUMBER = CALLER | {"phone": "(212) 555-0177"}


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    a_member_of_staff()
    sign_in(client)
    return client


def booked(client: FlaskClient, **typed: str) -> Appointment:
    answer = send(client, get(client, "/staff/book"), "/staff/book", **WITH_NUMBER | typed)
    assert answer.status_code == 303, page_of(answer).text
    return the_appointment()


# A caller


def test_a_caller_without_an_address_is_booked_and_the_page_says_so(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    answer = send(desk, get(desk, "/staff/book"), "/staff/book", **WITH_NUMBER)

    page = get(desk, answer.location)
    assert "no invitation is sent, so tell the patient the time" in page.text
    made = the_appointment()
    assert (made.start_at, made.patient_email) == (at("Tue 09:00"), "")
    worker_of(sqlite_app).turn()
    assert {each.recipient for each in mailbox.mails} == {
        "ada@clinic.example",
        "desk@clinic.example",
    }


@pytest.mark.parametrize(
    ("page", "done"),
    [("cancel", "Cancelled."), ("reschedule?start=2026-11-25T19:00:00Z", "Moved.")],
)
def test_a_change_for_who_has_no_address_asks_the_desk_to_call(
    desk: FlaskClient, page: str, done: str
) -> None:
    made = booked(desk)

    question = get(desk, f"/staff/appointments/{made.reference}/{page}")
    answer = send(desk, question, "")

    assert "told by email" not in question.text
    said = get(desk, answer.location).text
    assert f"{done} There is no email address: please call the patient." in said


def test_a_caller_with_an_address_gets_the_invitation(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    booked(desk, email="robin@mail.example")

    worker_of(sqlite_app).turn()

    assert told(mailbox, "robin@mail.example") == [("REQUEST", 0)]


def test_without_number_and_address_nobody_could_be_reached(desk: FlaskClient) -> None:
    answer = send(desk, get(desk, "/staff/book"), "/staff/book", **CALLER)

    assert answer.status_code == 422
    assert "Enter a phone number or an email address." in page_of(answer).alerts()[0].text
    assert page_of(answer).form("/staff/book").values()["name"] == "Robin Fields"


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"day": ""}, "day"),
        ({"time": "late"}, "time"),
        ({"name": ""}, "name"),
        ({"email": "robin@@mail"}, "email"),
        ({"phone": "12"}, "phone"),
        ({"service": "none"}, "service"),
        ({"anyway": "y", "practitioner": ""}, "practitioner"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    desk: FlaskClient, typed: dict[str, str], field: str
) -> None:
    answer = send(desk, get(desk, "/staff/book"), "/staff/book", **WITH_NUMBER | typed)

    assert answer.status_code == 422
    assert f"#{field}" in [each.get("href") for each in page_of(answer).alerts()[0].all("a")]


def test_a_time_that_is_not_on_offer_comes_back_with_everything_typed(desk: FlaskClient) -> None:
    answer = send(desk, get(desk, "/staff/book"), "/staff/book", **WITH_NUMBER | {"time": "07:10"})

    page = page_of(answer)
    assert answer.status_code == 409
    assert "This time is not on offer" in page.text
    assert "Tuesday 24 November, 9:00 am" in page.text
    assert "Ada Bell: No opening hours then" in page.alerts()[0].text
    assert page.form("/staff/book").values()["time"] == "07:10"


def test_one_of_the_nearest_times_is_booked_without_typing_anything_again(
    desk: FlaskClient,
) -> None:
    late = WITH_NUMBER | {"time": "07:10", "practitioner": "ada"}
    page = page_of(send(desk, get(desk, "/staff/book"), "/staff/book", **late))

    answer = send(desk, page, "/staff/book", instead="2026-11-24T14:00:00Z")

    assert answer.status_code == 303
    assert the_appointment().start_at == at("Tue 09:00")


def test_why_a_caller_cannot_have_a_time_is_said_before_one_insists(desk: FlaskClient) -> None:
    day = Span(at("Tue 00:00"), at("Wed 00:00"))
    with transaction() as session:
        wanted = NewClosure("ada", day, "Ill")
        close(session, wanted, {}, HOUSE, act=Act(DESK, NOW, HOUSE.keys))

    answer = send(
        desk, get(desk, "/staff/book"), "/staff/book", **WITH_NUMBER | {"practitioner": "ada"}
    )

    assert "Ada Bell: Closed for this practitioner." in page_of(answer).alerts()[0].text


def test_outside_of_the_offer_it_is_booked_when_the_desk_insists_and_audited(
    desk: FlaskClient,
) -> None:
    made = booked(desk, day="2026-11-28", time="07:10", anyway="y", practitioner="ada")

    assert made.start_at == at("Sat 07:10")
    actions = db.session.scalars(
        select(AuditEntry.action).where(AuditEntry.subject == made.reference)
    )
    assert "appointment.override" in set(actions)


def test_in_the_past_nobody_is_booked_however_one_insists(desk: FlaskClient) -> None:
    late = WITH_NUMBER | {"day": "2026-11-20", "anyway": "y", "practitioner": "ada"}

    assert send(desk, get(desk, "/staff/book"), "/staff/book", **late).status_code == 409


def test_over_another_appointment_nothing_is_booked_however_one_insists(
    desk: FlaskClient,
) -> None:
    a_reference("Tue 09:00")
    before = rows()["appointment"]

    answer = send(
        desk,
        get(desk, "/staff/book"),
        "/staff/book",
        **WITH_NUMBER | {"time": "09:20", "anyway": "y", "practitioner": "ada"},
    )

    assert answer.status_code == 409
    assert rows()["appointment"] == before


def test_in_a_closure_nobody_is_booked_however_one_insists_and_the_desk_hears_why(
    desk: FlaskClient,
) -> None:
    wanted = NewClosure("ada", Span(at("Sat 00:00"), at("Sat 12:00")), "Ill")
    with transaction() as session:
        close(session, wanted, {}, HOUSE, act=Act(DESK, NOW, HOUSE.keys))
    insisting = {"day": "2026-11-28", "time": "07:10", "anyway": "y", "practitioner": "ada"}

    answer = send(desk, get(desk, "/staff/book"), "/staff/book", **WITH_NUMBER | insisting)

    assert answer.status_code == 409
    assert "Ada Bell: Closed for this practitioner." in page_of(answer).alerts()[0].text
    assert not rows()["appointment"]


def test_pressed_twice_the_button_books_once(desk: FlaskClient) -> None:
    page = get(desk, "/staff/book")

    first = send(desk, page, "/staff/book", **WITH_NUMBER)
    second = send(desk, page, "/staff/book", **WITH_NUMBER)

    assert first.location == second.location
    assert len(rows()["appointment"]) == 1


# What is read is noted


@pytest.mark.parametrize(
    ("page", "typed", "status"),
    [
        ("cancel", {"reason": "x" * 501}, 422),
        ("address", {"email": "nobody"}, 422),
        ("reschedule", {"start": "soon"}, 422),
        ("reschedule", {"start": "2026-11-24T03:00:00Z"}, 409),
    ],
)
def test_a_form_that_comes_back_with_the_patient_on_it_is_a_read_too(
    desk: FlaskClient, page: str, typed: dict[str, str], status: int
) -> None:
    """Else one press of a wrong form would show whom nobody is known to have looked at."""
    reference = a_reference("Wed 10:00")
    token = get(desk, "/staff/book").form("/staff/book").values()["csrf_token"]

    answer = desk.post(
        f"/staff/appointments/{reference}/{page}", data={"csrf_token": token} | typed
    )

    assert answer.status_code == status
    assert ("appointment.read", reference) in _noted()


def _noted() -> set[tuple[str, str]]:
    db.session.rollback()
    return {(each.action, each.subject) for each in db.session.scalars(select(AuditEntry))}


# Taking back


@pytest.fixture
def made(app: Flask) -> int:
    with transaction() as session:
        made = an_appointment(session, "Wed 10:00").id
    worker_of(app).turn()
    return made


def change(made: int, clock: Clock, start: str | None = None) -> None:
    with transaction() as session:
        found = session.get_one(Appointment, made)
        if start is None:
            cancel_appointment(session, found, PATIENCE, now=clock.now, actor="desk")
        else:
            reschedule_appointment(session, found, at(start), PATIENCE, now=clock.now, actor="desk")


def undo(made: int, clock: Clock) -> None:
    with transaction() as session:
        found = session.get_one(Appointment, made)
        service.undo(session, found, PATIENCE, actor="desk", now=clock.now)


@pytest.mark.parametrize("start", [None, "Fri 10:00"], ids=["a cancellation", "a move"])
def test_a_change_is_taken_back_and_nobody_hears_of_it(
    app: Flask, made: int, clock: Clock, mailbox: Mailbox, start: str | None
) -> None:
    before = len(mailbox.mails)
    change(made, clock, start)
    clock.forward(seconds=60)

    undo(made, clock)

    clock.forward(minutes=10)
    worker_of(app).turn()
    assert len(mailbox.mails) == before
    found = the_appointment()
    assert (found.status, found.start_at) == ("booked", at("Wed 10:00"))


def test_an_answer_to_the_time_before_holds_again(made: int, clock: Clock) -> None:
    with transaction() as session:
        found = session.get_one(Appointment, made)
        found.partstat, found.answered_at = Partstat.ACCEPTED, clock.now
    change(made, clock, "Fri 10:00")
    assert the_appointment().partstat == Partstat.NEEDS_ACTION

    undo(made, clock)

    assert the_appointment().partstat == Partstat.ACCEPTED


def test_after_the_window_nothing_is_taken_back(made: int, clock: Clock) -> None:
    change(made, clock)
    clock.forward(seconds=120)

    with pytest.raises(WrongState):
        undo(made, clock)


def test_a_time_that_was_given_away_meanwhile_is_not_taken_back(made: int, clock: Clock) -> None:
    change(made, clock)
    with transaction() as session:
        an_appointment(session, "Wed 10:00", email="other@mail.example", now=clock.now)

    with pytest.raises(SlotTaken):
        undo(made, clock)

    assert db.session.get_one(Appointment, made).status == "cancelled"


def test_only_the_last_change_can_be_taken_back_and_once(made: int, clock: Clock) -> None:
    change(made, clock, "Fri 10:00")
    undo(made, clock)

    with pytest.raises(WrongState):
        undo(made, clock)


def test_a_change_of_which_too_little_is_known_is_not_taken_back(made: int, clock: Clock) -> None:
    change(made, clock, "Fri 10:00")
    with transaction() as session:
        session.execute(update(AppointmentEvent).values(practitioner_id=None, room_id=None))

    with pytest.raises(WrongState):
        undo(made, clock)


def test_an_undo_just_before_a_reminder_keeps_the_reminder(
    app: Flask, clock: Clock, mailbox: Mailbox
) -> None:
    with transaction() as session:
        the_service(session).reminders = [ServiceReminder(before=timedelta(days=1))]
        made = an_appointment(session, "Wed 10:00").id
    worker_of(app).turn()
    clock.now = at("Tue 10:00") - timedelta(seconds=60)
    change(made, clock, "Fri 10:00")
    undo(made, clock)

    clock.forward(minutes=5)
    worker_of(app).turn()

    assert subjects(mailbox) == ["Confirmed", "Reminder"]


# Notes


def test_a_note_is_kept_encrypted_and_shown_to_staff(desk: FlaskClient) -> None:
    reference = a_reference()
    page = get(desk, f"/staff/appointments/{reference}")

    answer = send(desk, page, "/notes", text="Asks for the quiet room.\nComes with her sister.")

    assert "Asks for the quiet room." in get(desk, answer.location.partition("#")[0]).text
    [stored] = db.session.scalars(select(AppointmentNote))
    assert b"quiet" not in stored.sealed


def test_an_empty_note_is_not_kept(desk: FlaskClient) -> None:
    page = get(desk, f"/staff/appointments/{a_reference()}")

    answer = send(desk, page, "/notes", text="  ")

    assert "Write something" in get(desk, answer.location).text
    assert rows()["appointment_note"] == []


# The trail


def test_what_staff_look_at_is_written_down(desk: FlaskClient) -> None:
    reference = a_reference()
    for path in (
        "/staff/",
        f"/staff/appointments/{reference}",
        f"/staff/appointments/{reference}/cancel",
    ):
        get(desk, path)

    found = db.session.execute(
        select(AuditEntry.action, AuditEntry.subject, AuditEntry.actor)
    ).all()

    assert ("day.read", "2026-11-23/14", "desk@clinic.example") in {tuple(each) for each in found}
    assert [tuple(each)[:2] for each in found].count(("appointment.read", reference)) == 2


def test_the_auditor_sees_the_trail_and_checks_it(desk: FlaskClient) -> None:
    reference = a_reference()

    page = get(desk, f"/staff/audit/?subject={reference}&check=1")

    assert "appointment.book" in page.text
    assert "The trail is whole" in page.text


def test_a_broken_trail_is_shown_with_the_entry(desk: FlaskClient) -> None:
    a_reference()
    with transaction() as session:
        session.scalars(select(AuditEntry).where(AuditEntry.number == 1)).one().actor = "nobody"

    assert "Entry 1 was changed" in get(desk, "/staff/audit/?check=1").text


def test_nothing_is_owed_to_who_has_no_address(desk: FlaskClient) -> None:
    booked(desk)

    assert {each.audience for each in db.session.scalars(select(OwedMessage))} == {
        "practitioner",
        "staff",
    }
