"""What came in, on the pages: staff see it and act, the patient keeps what the calendar refused."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.models import Appointment, OwedMessage
from booking.models.database import db, transaction
from booking.services.appointments import cancel_appointment
from tests.answers import a_bounce, a_mail, a_proposal, an_answer, take_in, uid_of
from tests.builders import HOUSE, NOW, Clock, Mailbox, at
from tests.pages import Page
from tests.visits import (
    a_link,
    a_member_of_staff,
    a_reference,
    deliver,
    get,
    rows,
    send,
    sign_in,
    the_appointment,
)

STAFF = "/staff/"
HOSTILE = "<script>alert(1)</script>{{77777*9}}\"'><img src=x onerror=alert(1)>"


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    """A client that is signed in."""
    a_member_of_staff()
    sign_in(client)
    return client


@pytest.fixture
def link(client: FlaskClient) -> str:
    """The patient's page of an appointment."""
    made = a_link("Tue 09:00")
    get(client, made)
    return made


def uid() -> str:
    return uid_of(the_appointment().id)


def list_of(page: Page) -> str:
    [section] = page.all("section", aria_labelledby="answers")
    return section.text


@pytest.mark.usefixtures("link")
def test_a_no_stands_at_the_top_with_the_phone_number(desk: FlaskClient) -> None:
    mail = take_in(an_answer(uid(), "DECLINED", more=("COMMENT:I have to work",)))

    shown = list_of(get(desk, STAFF))
    page = get(desk, f"/staff/mail/{mail.id}")

    assert "The calendar answers: Declined" in shown
    assert "(212) 555-0123" in shown
    assert "I have to work" in page.text
    assert "sam@mail.example" in page.text
    received = get(desk, f"/staff/appointments/{the_appointment().reference}")
    assert "I have to work" in received.all("section", aria_labelledby="received")[0].text


@pytest.mark.usefixtures("link")
def test_done_it_is_gone_from_the_list_and_stays_on_its_page(desk: FlaskClient) -> None:
    mail = take_in(a_mail())

    answer = send(desk, get(desk, STAFF), "/done")

    assert (answer.status_code, answer.location) == (303, STAFF)
    assert not get(desk, STAFF).all("section", aria_labelledby="answers")
    assert "May I bring my sister?" in get(desk, f"/staff/mail/{mail.id}").text


@pytest.mark.usefixtures("link")
def test_a_message_that_names_nothing_is_shown_without_a_guess(desk: FlaskClient) -> None:
    mail = take_in(a_mail())

    page = get(desk, f"/staff/mail/{mail.id}")

    assert "It names no appointment of ours." in page.text
    assert "Sam Rivers" not in page.text


@pytest.mark.usefixtures("link")
def test_a_proposal_is_accepted_in_one_click(desk: FlaskClient) -> None:
    take_in(a_proposal(uid()))

    shown = get(desk, STAFF)
    answer = send(desk, shown, "/accept")

    assert "Proposes Wednesday 25 November, 10:00 am" in list_of(shown)
    assert answer.location.endswith(the_appointment().reference)
    assert the_appointment().start_at == at("Wed 10:00")


@pytest.mark.usefixtures("link")
def test_a_proposal_whose_time_is_gone_meanwhile_is_refused_and_says_so(desk: FlaskClient) -> None:
    mail = take_in(a_proposal(uid()))
    page = get(desk, f"/staff/mail/{mail.id}")
    assert "free" in page.text
    a_reference("Wed 10:00", name="Robin Fields", email="robin@mail.example")

    answer = send(desk, page, "/accept")

    assert answer.status_code == 409
    assert "That time is not free" in answer.get_data(as_text=True)
    assert b"/accept" not in answer.data


@pytest.mark.usefixtures("link")
def test_a_proposal_is_left_and_the_patient_is_told(
    sqlite_app: Flask, desk: FlaskClient, mailbox: Mailbox
) -> None:
    mail = take_in(a_proposal(uid()))
    page = get(desk, f"/staff/mail/{mail.id}")

    send(desk, page, "/decline")
    deliver(sqlite_app)

    assert b"proposed another time" in mailbox.to("sam@mail.example")[-1].content
    answer = send(desk, page, "/decline")
    assert answer.location == f"/staff/mail/{mail.id}"
    assert "nothing to decide any more" in get(desk, answer.location).text


@pytest.mark.usefixtures("link")
def test_a_proposal_without_a_time_is_for_the_telephone(desk: FlaskClient) -> None:
    mail = take_in(a_proposal(uid(), "20261125T150000"))

    page = get(desk, f"/staff/mail/{mail.id}")

    assert "no time that we can be sure of" in page.text
    assert not [each for each in page.all("form") if each.get("action").endswith("/accept")]


@pytest.mark.usefixtures("link")
def test_a_bounce_is_shown_where_the_appointment_is(sqlite_app: Flask, desk: FlaskClient) -> None:
    deliver(sqlite_app)
    query = select(OwedMessage).where(OwedMessage.audience == "patient")
    take_in(a_bounce(db.session.scalars(query.order_by(OwedMessage.id)).all()[0]))

    assert "550 5.1.1 (address) unknown" in get(desk, STAFF).text
    page = get(desk, f"/staff/appointments/{the_appointment().reference}")
    assert "A report about delivery" in page.text


@pytest.mark.usefixtures("link")
def test_what_strangers_write_is_text_and_nothing_else(desk: FlaskClient) -> None:
    mails = [
        take_in(a_mail(HOSTILE, subject=HOSTILE, sender=f'"{HOSTILE}" <a@mail.example>')),
        take_in(an_answer(uid(), "DECLINED", more=(f"COMMENT:{HOSTILE}",))),
        take_in(a_mail(HOSTILE, kind="text/html")),
    ]

    for mail in mails:
        page = get(desk, f"/staff/mail/{mail.id}")
        assert not page.all("img")
        assert "699993" not in page.text
    assert HOSTILE in get(desk, f"/staff/mail/{mails[0].id}").text


@pytest.mark.usefixtures("link")
def test_a_mail_that_was_sealed_under_another_key_is_no_fault(desk: FlaskClient) -> None:
    mail = take_in(an_answer(uid(), "DECLINED"))
    with transaction() as session:
        session.merge(mail).sealed = b"nothing that this key opens"

    assert get(desk, f"/staff/mail/{mail.id}").heading
    assert get(desk, f"/staff/appointments/{the_appointment().reference}").heading


@pytest.mark.parametrize("path", ["/staff/mail/7", "/staff/mail/7/done", "/staff/mail/99999999999"])
def test_a_mail_that_is_not_there_is_not_found(desk: FlaskClient, path: str) -> None:
    if path.endswith("done"):
        page = get(desk, STAFF)
        token = page.form("/logout").values()["csrf_token"]
        assert desk.post(path, data={"csrf_token": token}).status_code == 404
    else:
        assert desk.get(path).status_code == 404


def test_the_patient_keeps_it_with_one_button(client: FlaskClient, link: str) -> None:
    take_in(an_answer(uid(), "DECLINED"))
    before = rows()
    page = get(client, f"{link}/keep")
    assert rows() == before

    answer = send(client, page)

    assert (answer.status_code, answer.location) == (303, f"{link}?kept=1")
    assert "stays as it is" in get(client, answer.location).heading
    assert the_appointment().partstat == "ACCEPTED"
    assert page.link("Cancel it instead") == f"{link}/cancel"


def test_a_page_that_was_open_for_long_loses_nothing(client: FlaskClient, link: str) -> None:
    page = get(client, f"{link}/keep")

    answer = client.post(page.address, data={"csrf_token": "old"})

    assert answer.status_code == 422
    assert the_appointment().partstat == "NEEDS-ACTION"


def test_near_the_beginning_it_can_be_kept_but_not_cancelled(
    client: FlaskClient, link: str, clock: Clock
) -> None:
    clock.now = at("Tue 08:00")

    page = get(client, f"{link}/keep")

    assert "too near to cancel online" in page.text
    assert send(client, page).status_code == 303


def test_what_is_cancelled_or_over_cannot_be_kept(
    client: FlaskClient, link: str, clock: Clock
) -> None:
    get(client, f"{link}x/keep", 404)
    page = get(client, f"{link}/keep")
    with transaction() as session:
        found = session.get_one(Appointment, the_appointment().id)
        cancel_appointment(session, found, HOUSE, now=NOW)
    assert send(client, page).status_code == 409
    get(client, f"{link}/keep", 409)

    other = a_link("Wed 10:00")
    clock.now = at("Wed 10:00")
    get(client, f"{other}/keep", 403)
