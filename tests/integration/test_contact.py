"""Patients change their own address and number; no mail is ever turned away unnoticed."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking.models.database import transaction
from booking.services import contact_changes
from booking.services.appointments import reschedule_appointment
from booking.services.readdressing import correct_address
from tests.builders import HOUSE, Clock, Mailbox, at
from tests.pages import page_of
from tests.readings import subjects, text_of, told
from tests.visits import book, deliver, get, rows, send, the_appointment

OLD, NEW = "sam@mail.example", "sam@other.example"


@pytest.fixture
def path(sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox) -> str:
    """The page of an appointment that its patient has been told of."""
    address = book(client, "Wed 09:00").location
    deliver(sqlite_app)
    mailbox.mails.clear()
    return address


def change(client: FlaskClient, path: str, **typed: str) -> int:
    return send(client, get(client, f"{path}/contact"), "/contact", **typed).status_code


def link(app: Flask, mailbox: Mailbox) -> str:
    """What the newest mail to the new address opens."""
    deliver(app)
    found = re.search(r"/addresses/[\w-]+", text_of(mailbox.to(NEW)[-1]))
    assert found
    return found[0]


def test_another_address_counts_once_it_has_confirmed(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox, path: str
) -> None:
    assert change(client, path, email=NEW) == 303
    confirm = link(sqlite_app, mailbox)
    before = the_appointment().patient_email

    answer = send(client, get(client, confirm), "")
    deliver(sqlite_app)

    assert before == OLD
    assert the_appointment().patient_email == NEW
    assert get(client, answer.location)
    assert client.get(path).status_code == 404
    spent = get(client, confirm, 404)
    assert spent.heading == "This link does not work any more"
    assert told(mailbox, NEW) == [("REQUEST", 1)]
    assert told(mailbox, OLD) == [("CANCEL", 1)]


def test_the_old_address_hears_at_once_and_can_stop_it(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox, path: str
) -> None:
    change(client, path, email=NEW)
    confirm = link(sqlite_app, mailbox)
    assert f"{path}/contact" in text_of(mailbox.to(OLD)[-1])

    stopped = send(client, get(client, f"{path}/contact"), "/stop")

    assert f"We keep writing to {OLD}." in get(client, stopped.location).text

    assert client.get(confirm).status_code == 404
    assert rows()["address_change"] == []
    assert the_appointment().patient_email == OLD


def test_the_new_address_learns_nothing_of_the_appointment(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox, path: str
) -> None:
    change(client, path, email=NEW)
    confirm = link(sqlite_app, mailbox)

    seen = text_of(mailbox.to(NEW)[-1]) + get(client, confirm).text

    assert path.rpartition("/")[2] not in seen
    assert "November" not in subjects(mailbox, NEW)[0]
    assert "9:00" not in seen
    assert "Sam Rivers" not in seen


def test_looking_at_the_question_confirms_nothing(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox, path: str
) -> None:
    change(client, path, email=NEW)
    confirm = link(sqlite_app, mailbox)

    for _ in range(3):
        get(client, confirm)

    assert the_appointment().patient_email == OLD


def test_the_question_runs_out(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox, path: str, clock: Clock
) -> None:
    change(client, path, email=NEW)
    confirm = link(sqlite_app, mailbox)
    clock.now += min(contact_changes.LIFE, the_appointment().start_at - clock.now)

    assert client.get(confirm).status_code == 404


def test_a_wish_that_was_replaced_is_not_sent(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox, path: str
) -> None:
    change(client, path, email="other@other.example")
    change(client, path, email=NEW)

    deliver(sqlite_app)

    assert {each.recipient for each in mailbox.mails} == {OLD, NEW}


def test_pressing_twice_asks_once_and_the_link_stays_good(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox, path: str
) -> None:
    change(client, path, email=NEW)
    confirm = link(sqlite_app, mailbox)

    change(client, path, email=NEW)
    deliver(sqlite_app)

    assert len(mailbox.to(NEW)) == len(mailbox.to(OLD)) == 1
    assert get(client, confirm)


def test_a_move_before_the_mails_leave_loses_none_of_them(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox, path: str, clock: Clock
) -> None:
    change(client, path, email=NEW, phone="212 555 0188")
    with transaction() as session:
        mine = session.merge(the_appointment())
        reschedule_appointment(session, mine, at("Wed 11:00"), HOUSE, now=clock.now)

    assert get(client, link(sqlite_app, mailbox))
    assert {"We were asked", "Your phone number"} <= {
        text_of(each)[: len(begin)]
        for each in mailbox.to(OLD)
        for begin in ("We were asked", "Your phone number")
    }


def test_an_address_that_staff_correct_is_waited_for_no_more(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox, path: str, clock: Clock
) -> None:
    change(client, path, email=NEW)
    confirm = link(sqlite_app, mailbox)

    with transaction() as session:
        mine = session.merge(the_appointment())
        correct_address(session, mine, "told@mail.example", HOUSE, now=clock.now, actor="desk")

    assert client.get(confirm).status_code == 404
    assert the_appointment().patient_email == "told@mail.example"


def test_nobodys_mailbox_is_flooded_from_one_page(client: FlaskClient, path: str) -> None:
    answers = [
        change(client, path, email=f"victim{number}@other.example")
        for number in range(contact_changes.MOST_ASKED + 1)
    ]

    assert answers == [303] * contact_changes.MOST_ASKED + [409]


def test_another_number_counts_at_once_and_the_address_on_file_hears_of_it(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox, path: str
) -> None:
    assert change(client, path, phone="212 555 0188") == 303

    deliver(sqlite_app)

    assert the_appointment().patient_phone == "+12125550188"
    assert [each.recipient for each in mailbox.mails] == [OLD]
    assert "0188" not in text_of(mailbox.mails[-1])


def test_what_was_allowed_on_one_number_is_asked_anew_for_another(
    client: FlaskClient, path: str
) -> None:
    assert change(client, path, may_leave_message="y", may_text="y") == 303
    allowed = the_appointment()
    before = allowed.may_leave_message, allowed.may_text
    form = get(client, f"{path}/contact").form("/contact").values()

    client.post(f"{path}/contact", data={**form, "phone": "212 555 0188", "may_text": ""})
    after = the_appointment()

    assert (before, form["may_text"]) == ((True, True), "y"), "and the form shows it"
    assert (after.may_leave_message, after.may_text) == (True, False)
    assert change(client, path, phone="") == 303
    assert not the_appointment().may_leave_message


def test_a_form_that_is_wrong_changes_nothing_and_loses_nothing(
    client: FlaskClient, path: str
) -> None:
    answer = send(client, get(client, f"{path}/contact"), "/contact", email=NEW, phone="12")

    assert answer.status_code == 422
    assert NEW in page_of(answer).form("/contact").values()["email"]
    assert rows()["address_change"] == []


def test_what_is_cancelled_has_no_contact_to_change(client: FlaskClient, path: str) -> None:
    form = get(client, f"{path}/contact")
    send(client, get(client, f"{path}/cancel"), "")

    assert send(client, form, "/contact", email=NEW).status_code == 409
    assert "nothing to change" in get(client, f"{path}/contact").text


def test_a_stopped_wish_cannot_be_confirmed_by_who_had_the_page_open(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox, path: str, clock: Clock
) -> None:
    change(client, path, email=NEW)
    question = get(client, link(sqlite_app, mailbox))
    with transaction() as session:
        contact_changes.stop(session, session.merge(the_appointment()), HOUSE, now=clock.now)

    assert send(client, question, "").status_code == 404
    clock.now += timedelta(minutes=1)
    assert the_appointment().patient_email == OLD
