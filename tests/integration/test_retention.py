"""What is past its time is erased everywhere, and nothing else is."""

import json
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from booking.domain.lifecycle import Status, Verb
from booking.messages.incoming import understand
from booking.models import Appointment, Clinic, ReceivedMail, Role
from booking.models.database import db, transaction
from booking.services import retention
from booking.services.appointments import cancel_appointment, note_attendance
from booking.services.desk import write_note
from booking.services.inbox import opened
from booking.services.replies import receive
from booking.worker.retention import Eraser
from tests.answers import a_mail, take_in
from tests.builders import HOUSE, NOW, Clock, an_appointment, at
from tests.integration.test_queries import grow_old, refresh_statistics, scans, watched
from tests.pages import page_of
from tests.visits import (
    a_member_of_staff,
    a_reference,
    book,
    deliver,
    get,
    rows,
    send,
    sign_in,
    the_appointment,
)

A_YEAR = timedelta(days=365)
CANARIES = ("Sam Rivers", "sam@mail.example", "2125550123", "Alex", "Kim", "Errand", "canary")


def erase(clock: Clock, later: timedelta) -> int:
    """Let time pass, then let the worker do what is due; how many are left with a name."""
    clock.now += later
    while Eraser(house=HOUSE, clock=clock).turn() < 1:
        pass
    db.session.remove()
    left = select(func.count()).where(Appointment.erased_at.is_(None))
    return db.session.scalar(left) or 0


def lived(app: Flask, client: FlaskClient) -> str:
    """An appointment about which everything was said that can be."""
    choices = {"call_name": "Alex", "carer_name": "Kim", "event_title": "Errand"}
    path = book(client, "Wed 09:00", **choices).location
    deliver(app)
    with transaction() as session:
        mine = session.merge(the_appointment())
        write_note(session, mine, "canary", HOUSE, actor="desk", now=NOW)
        mine.cancel_reason = "canary"
    take_in(a_mail("person-writes"))
    return path


def everything() -> str:
    return repr({name: each for name, each in rows().items() if name != "user"})


def test_after_its_time_nothing_personal_is_left(
    sqlite_app: Flask, client: FlaskClient, clock: Clock
) -> None:
    path = lived(sqlite_app, client)
    assert any(each in everything() for each in CANARIES)

    assert erase(clock, A_YEAR + timedelta(days=3)) == 0

    assert [each for each in CANARIES if each in everything()] == []
    for table in ("appointment_note", "sent_message", "received_mail", "idempotency_key", "told"):
        assert rows()[table] == [], table
    assert client.get(path).status_code == 404
    assert the_appointment().status == Status.BOOKED, "it still counts"


def test_its_bytes_are_gone_from_the_file(
    sqlite_app: Flask, client: FlaskClient, clock: Clock
) -> None:
    lived(sqlite_app, client)
    erase(clock, A_YEAR + timedelta(days=3))
    path = sqlite_app.extensions["booking"].settings.sqlite_path
    db.session.remove()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    found = path.read_bytes() + path.with_name(f"{path.name}-wal").read_bytes()

    assert [each for each in CANARIES if each.encode() in found] == []


def test_before_its_time_nothing_is_touched(
    sqlite_app: Flask, client: FlaskClient, clock: Clock
) -> None:
    lived(sqlite_app, client)
    before = rows()["appointment"]

    assert erase(clock, A_YEAR - timedelta(days=1)) == 1

    assert rows()["appointment"] == before


@pytest.mark.usefixtures("app")
def test_a_clinic_that_keeps_everything_keeps_everything(clock: Clock) -> None:
    with transaction() as session:
        session.get_one(Clinic, 1).erase_after_days = None
        an_appointment(session, "Wed 10:00")

    assert erase(clock, 10 * A_YEAR) == 1


def test_a_patients_wish_waits_for_the_clinics_days(
    sqlite_app: Flask, client: FlaskClient, clock: Clock
) -> None:
    path = book(client, "Wed 09:00").location
    deliver(sqlite_app)
    clock.now += timedelta(days=4)

    page = get(client, f"{path}/erase")
    assert send(client, page, "").status_code == 303

    assert "26 December" in get(client, f"{path}/erase").text or "25 December" in page.text
    assert erase(clock, timedelta(days=20)) == 1
    assert erase(clock, timedelta(days=10)) == 0


def test_a_wish_can_be_taken_back_until_it_is_fulfilled(
    sqlite_app: Flask, client: FlaskClient, clock: Clock
) -> None:
    path = book(client, "Wed 09:00").location
    deliver(sqlite_app)
    clock.now += timedelta(days=4)
    send(client, get(client, f"{path}/erase"), "")

    answer = send(client, get(client, f"{path}/erase"), "/erase/keep")

    assert answer.status_code == 303
    assert "Erase your data?" in get(client, f"{path}/erase").text
    assert erase(clock, timedelta(days=40)) == 1
    client.post(f"{path}/erase/keep")
    assert the_appointment().erase_at is None


def test_an_expired_form_takes_no_wish_back(
    sqlite_app: Flask, client: FlaskClient, clock: Clock
) -> None:
    path = book(client, "Wed 09:00").location
    deliver(sqlite_app)
    clock.now += timedelta(days=4)
    send(client, get(client, f"{path}/erase"), "")

    answer = client.post(f"{path}/erase/keep", data={"csrf_token": "of another day"})

    assert answer.status_code == 422
    assert the_appointment().erase_at is not None


def test_what_is_yet_to_come_is_not_erased(client: FlaskClient, clock: Clock) -> None:
    path = book(client, "Wed 09:00").location
    page = get(client, f"{path}/erase")

    assert "Cancel the appointment first" in page.text
    token = get(client, f"{path}/cancel").form().values()["csrf_token"]
    answer = client.post(f"{path}/erase", data={"csrf_token": token})

    assert answer.status_code == 409
    assert the_appointment().erase_at is None
    clock.now = at("Wed 08:30")
    near = get(client, f"{path}/erase")
    assert "please call us" in near.text
    assert "Cancel the appointment" not in near.text


def test_what_was_cancelled_can_be_erased_once_its_messages_have_left(
    sqlite_app: Flask, client: FlaskClient, clock: Clock
) -> None:
    with transaction() as session:
        session.get_one(Clinic, 1).erase_on_wish_after_days = 0
    path = book(client, "Wed 09:00").location
    deliver(sqlite_app)
    send(client, get(client, f"{path}/cancel"), "")
    send(client, get(client, f"{path}/erase"), "")

    assert erase(clock, timedelta()) == 1, "the cancellation is still owed"
    deliver(sqlite_app)
    assert erase(clock, timedelta()) == 0


def test_staff_see_what_other_rules_would_erase_before_they_hold(
    client: FlaskClient, clock: Clock
) -> None:
    a_reference("Wed 10:00")
    clock.now += timedelta(days=40)
    a_member_of_staff()
    sign_in(client)

    shown = send(client, get(client, "/staff/schedule/data/"), "", erase_after_days="30")
    assert shown.status_code == 200
    assert "1 appointments" in shown.text
    other = send(client, page_of(shown), "", erase_after_days="20", save="30 30")
    assert "With these rules would be erased" in other.text, "another number is shown first"
    assert rules() == 365
    send(client, page_of(shown), "", erase_after_days="30", save="30 30")
    assert rules() == 30


def rules() -> int | None:
    db.session.remove()
    return retention.rules_of(db.session.get_one(Clinic, 1)).erase_after_days


def test_the_desk_erases_one_and_leaves_the_others(
    sqlite_app: Flask, client: FlaskClient, clock: Clock
) -> None:
    one, other = a_reference("Wed 10:00"), a_reference("Tue 10:00")
    deliver(sqlite_app)
    clock.now += timedelta(days=10)
    a_member_of_staff()
    sign_in(client)
    deliver(sqlite_app)

    answer = send(client, get(client, f"/staff/appointments/{one}/erase"), "")

    assert answer.status_code == 303
    assert "Erased" in get(client, f"/staff/appointments/{one}").text
    assert "Sam" in get(client, f"/staff/appointments/{other}").text


def test_the_desk_waits_for_what_is_not_over_and_for_what_is_owed(client: FlaskClient) -> None:
    coming, cancelled = a_reference("Mon 09:00"), a_reference("Tue 10:00")
    with transaction() as session:
        for made in session.scalars(select(Appointment)):
            if made.reference == cancelled:
                cancel_appointment(session, made, HOUSE, now=NOW, actor="desk")
            else:
                note_attendance(session, made, Verb.ARRIVE, HOUSE, actor="desk", now=NOW)
    a_member_of_staff()
    sign_in(client)
    token = get(client, f"/staff/appointments/{coming}").form("/notes").values()["csrf_token"]

    for reference, words in ((coming, "not over yet"), (cancelled, "has yet to leave")):
        path = f"/staff/appointments/{reference}/erase"
        answer = client.post(path, data={"csrf_token": token})
        assert (answer.status_code, words in answer.text) == (409, True)
        assert words in get(client, path).text


def test_only_administrators_erase(client: FlaskClient) -> None:
    reference = a_reference("Wed 10:00")
    a_member_of_staff(role=Role.SCHEDULER)
    sign_in(client)

    assert client.get(f"/staff/appointments/{reference}/erase").status_code == 403
    assert client.get("/staff/schedule/data/").status_code == 403


def test_erasing_twice_is_erasing_once(app: Flask, clock: Clock) -> None:
    with transaction() as session:
        an_appointment(session, "Wed 10:00")
    clock.now += timedelta(days=30)
    deliver(app)
    with transaction() as session:
        made = session.scalars(select(Appointment)).one()
        later = NOW + timedelta(days=30)
        retention.erase(session, made, HOUSE, actor="desk", now=later)
        uid = made.uid
        retention.erase(session, made, HOUSE, actor="desk", now=later)

        assert made.uid == uid


def test_one_person_is_shown_and_erased_as_a_whole(sqlite_app: Flask, clock: Clock) -> None:
    for start in ("Tue 10:00", "Wed 10:00"):
        a_reference(start)
    run = sqlite_app.test_cli_runner().invoke
    shown = run(args=["person", "show", "SAM@mail.example"])
    early = run(args=["person", "erase", "sam@mail.example", "--yes"])
    clock.now += timedelta(days=10)
    deliver(sqlite_app)
    late = run(args=["person", "erase", "sam@mail.example", "--yes"])

    assert len(json.loads(shown.output)) == 2
    shows = [each for each in rows()["audit_entry"] if "data.export" in each]
    assert ["system" in each for each in shows] == [True, True]
    assert early.output.startswith("0 erased; 2 left")
    assert late.output.startswith("2 erased; 0")
    assert json.loads(run(args=["person", "show", "sam@mail.example"]).output) == []


def test_what_one_person_wrote_about_no_appointment_is_erased_with_the_rest(
    app: Flask,
) -> None:
    for sender in ("Sam Rivers <Sam@mail.example>", "sam@mail.example.net"):
        raw = f"From: {sender}\r\nSubject: A question\r\n\r\nIs there parking?\r\n".encode()
        with transaction() as session:
            receive(session, understand(raw), raw, HOUSE, now=NOW)
    run = app.test_cli_runner().invoke

    done = run(args=["person", "erase", "SAM@mail.example", "--yes"])

    assert "1 mails from there that were about no appointment erased." in done.output
    db.session.rollback()
    [left] = db.session.scalars(select(ReceivedMail))
    assert opened(left, HOUSE).sender == "sam@mail.example.net"


@pytest.mark.parametrize("address", ["", " ", "Sam <sam@mail.example>", "sam"])
def test_who_has_no_address_is_not_one_person(
    sqlite_app: Flask, clock: Clock, address: str
) -> None:
    """An empty variable in a script must not erase all who were booked by telephone."""
    a_reference("Tue 10:00", email="")
    clock.now += timedelta(days=10)
    deliver(sqlite_app)
    run = sqlite_app.test_cli_runner().invoke

    shown = run(args=["person", "show", address])
    erased = run(args=["person", "erase", address, "--yes"])

    for done in (shown, erased):
        assert done.exit_code == 1
        assert done.output == "Error: That is not an email address.\n"
    db.session.rollback()
    assert db.session.scalars(select(Appointment.patient_name)).one() == "Sam Rivers"


def test_looking_for_what_is_due_reads_no_history(app: Flask, clock: Clock) -> None:
    assert app
    grow_old()
    refresh_statistics()
    with transaction() as session:
        session.execute(update(Appointment).values(erased_at=clock.now))
    refresh_statistics()
    db.session.rollback()

    with watched() as statements:
        Eraser(house=HOUSE, clock=clock).turn()

    scanned = {name for asked in statements.asked for name in scans(*asked)}
    assert "appointment" not in scanned
