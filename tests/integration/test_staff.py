"""The staff's pages: the day at a glance, one click to act, and what wants a person's attention."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking.messages.transports import PermanentFailure, RelayDown
from booking.models.database import transaction
from booking.services.links import token_of
from booking.worker import worker_of
from tests.builders import HOUSE, Clock, Mailbox, an_appointment, at, the_service
from tests.pages import page_of
from tests.visits import (
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
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{77777*9}}"


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    """A client that is signed in."""
    a_member_of_staff()
    sign_in(client)
    return client


def page_path(reference: str, rest: str = "") -> str:
    return f"/staff/appointments/{reference}{rest}"


def test_a_page_that_is_not_there_leads_back_to_the_appointments(desk: FlaskClient) -> None:
    page = get(desk, page_path("NOTHERE0"), 404)

    assert page.link("Upcoming appointments") == STAFF
    assert "call us" not in page.text


def test_an_empty_day_says_so(desk: FlaskClient) -> None:
    page = get(desk, STAFF)

    assert "No appointments today." in page.text


def test_who_comes_next_stands_above_everything_and_only_while_awaited(
    desk: FlaskClient, clock: Clock
) -> None:
    first = a_reference("Mon 10:00")
    a_reference("Tue 09:00", name="Robin Fields", email="robin@mail.example")

    def said() -> list[str]:
        return [each.text for each in get(desk, STAFF).all("p", class_="next-up")]

    assert said() == ["Next 10:00 am Sam Rivers First consultation · Ada Bell"]
    clock.now = at("Mon 10:05")
    sign_in(desk)
    assert said()[0].startswith("Now 10:00 am Sam Rivers")
    send(desk, get(desk, page_path(first)), f"{first}/fulfil")
    assert said()[0].startswith("Next Tuesday 24 November, 9:00 am Robin Fields")
    assert not get(desk, f"{STAFF}?from=2026-11-24").all("p", class_="next-up")


def test_the_day_is_shown_with_who_when_and_what(desk: FlaskClient) -> None:
    a_reference("Mon 10:00")
    a_reference("Tue 09:00", name="Robin Fields", email="robin@mail.example")

    page = get(desk, STAFF)

    assert [each.all("a")[0].text.strip() for each in page.all("span", class_="who")] == [
        "Sam Rivers",
        "Robin Fields",
    ]
    first = page.all("li", class_="entry next")[0].text
    for words in ("10:00 am", "First consultation", "Ada Bell", "Blue room", "(212) 555-0123"):
        assert words in first
    assert page.link("(212) 555-0123") == "tel:+12125550123"


def test_only_one_practitioners_appointments_can_be_asked_for(desk: FlaskClient) -> None:
    a_reference("Wed 10:00", service="video", practitioner="ada")
    a_reference("Wed 11:00", service="video", practitioner="ben", name="Robin Fields")

    page = get(desk, f"{STAFF}?practitioner=ben")

    assert "Robin Fields" in page.text
    assert "Sam Rivers" not in page.text
    assert page.form(STAFF).values()["practitioner"] == "ben"


def test_the_list_begins_at_the_day_asked_for(desk: FlaskClient) -> None:
    a_reference("Tue 09:00")

    page = get(desk, f"{STAFF}?from=2026-11-25")

    assert "Sam Rivers" not in page.text
    assert "Sam Rivers" in get(desk, page.link("Today, everyone")).text
    assert "Sam Rivers" in get(desk, page.link("Two weeks earlier")).text


def test_a_filter_that_means_nothing_is_harmless(desk: FlaskClient) -> None:
    for query in ("from=x", "from=9999-12-31", "from=0000", "practitioner=%00", "from=2199-12-31"):
        assert desk.get(f"{STAFF}?{query}&practitioner=nobody").status_code == 200


def test_a_cancelled_appointment_leaves_the_list_but_not_its_page(desk: FlaskClient) -> None:
    reference = a_reference()
    send(desk, get(desk, page_path(reference, "/cancel")), "", reason="Fell ill")

    assert "Sam Rivers" not in get(desk, STAFF).text
    page = get(desk, page_path(reference))
    assert "Cancelled" in page.heading
    assert "Fell ill" in page.text


def test_arrived_and_seen_are_one_click_each_and_lead_back_to_the_list(desk: FlaskClient) -> None:
    reference = a_reference("Mon 10:00")

    arrived = send(desk, get(desk, STAFF), "/arrive")
    seen = send(desk, get(desk, STAFF), "/fulfil")

    assert (arrived.status_code, arrived.location) == (303, STAFF)
    assert seen.location == STAFF
    assert the_appointment().status == "fulfilled"
    assert "Seen" in get(desk, page_path(reference)).heading


@pytest.mark.parametrize(
    ("verb", "status"), [("arrive", "arrived"), ("fulfil", "fulfilled"), ("miss", "noshow")]
)
def test_each_button_of_the_page_does_what_it_says(
    desk: FlaskClient, verb: str, status: str
) -> None:
    reference = a_reference("Mon 10:00")

    answer = send(desk, get(desk, page_path(reference)), f"/{verb}")

    assert (answer.status_code, answer.location) == (303, page_path(reference))
    assert the_appointment().status == status
    assert "desk@clinic.example" in get(desk, page_path(reference)).text


@pytest.mark.parametrize("verb", ["arrive", "fulfil", "miss"])
def test_what_was_noted_is_taken_back_with_one_press(desk: FlaskClient, verb: str) -> None:
    reference = a_reference("Mon 10:00")
    answer = send(desk, get(desk, page_path(reference)), f"/{verb}")

    back = send(desk, get(desk, answer.location), "/unmark")

    assert "as before" in get(desk, back.location).text
    assert the_appointment().status == "booked"
    assert len(rows()["occupancy"]) == 2


def test_nobody_can_have_come_before_the_day(desk: FlaskClient, clock: Clock) -> None:
    reference = a_reference("Tue 09:00")
    clock.now = at("Mon 23:59")
    sign_in(desk)
    page = get(desk, page_path(reference))

    early = desk.post(page_path(reference, "/arrive"), data=page.form("/notes").values())

    assert "Arrived" not in page.text
    assert "Nothing was changed" in get(desk, early.location).text
    clock.now = at("Tue 00:01")
    assert "Arrived" in get(desk, page_path(reference)).text


def test_who_comes_next_stands_out(desk: FlaskClient, clock: Clock) -> None:
    a_reference("Mon 10:00")
    a_reference("Mon 11:00", name="Robin Fields", email="robin@mail.example")

    first = [each.all("a")[0].text for each in get(desk, STAFF).all("li", class_="entry next")]
    clock.now = at("Mon 10:50")
    sign_in(desk)
    then = [each.all("a")[0].text for each in get(desk, STAFF).all("li", class_="entry next")]

    assert (first, then) == (["Sam Rivers"], ["Robin Fields"])


def test_a_button_of_an_old_page_changes_nothing_and_says_so(desk: FlaskClient) -> None:
    reference = a_reference("Mon 10:00")
    old = get(desk, page_path(reference))
    send(desk, get(desk, page_path(reference, "/cancel")), "")

    answer = send(desk, old, "/arrive")

    assert answer.status_code == 303
    assert "Nothing was changed" in get(desk, answer.location).text
    assert the_appointment().status == "cancelled"


@pytest.mark.parametrize("verb", ["fulfil", "unmark"])
def test_a_miss_can_be_corrected_unless_the_time_is_gone(desk: FlaskClient, verb: str) -> None:
    reference = a_reference("Mon 10:00")
    send(desk, get(desk, page_path(reference)), "/miss")
    missed = get(desk, page_path(reference))
    a_reference("Mon 10:00", email="next@mail.example")

    answer = desk.post(page_path(reference, f"/{verb}"), data=missed.form("/notes").values())

    assert "given to somebody else" in get(desk, answer.location).text
    assert "Did not come" in get(desk, page_path(reference)).heading


def test_staff_move_an_appointment_within_the_cut_off(desk: FlaskClient, clock: Clock) -> None:
    reference = a_reference("Tue 09:00")
    clock.now = at("Tue 08:00")
    sign_in(desk)

    calendar = get(desk, page_path(reference, "/reschedule?day=2026-11-25"))
    question = get(desk, calendar.link(", 2:00 pm"))
    answer = send(desk, question, "")

    assert answer.status_code == 303
    assert "Moved. The patient is being told by email." in get(desk, answer.location).text
    assert the_appointment().start_at == at("Wed 14:00")


def test_staff_give_an_appointment_to_another_practitioner(desk: FlaskClient) -> None:
    reference = a_reference("Wed 10:00")
    page = get(
        desk, page_path(reference, "/reschedule?start=2026-11-25T15:00:00Z&practitioner=ben")
    )

    send(desk, page, "")

    assert the_appointment().practitioner.slug == "ben"
    assert the_appointment().start_at == at("Wed 10:00")


def test_a_move_to_a_taken_time_offers_others(desk: FlaskClient) -> None:
    reference = a_reference("Tue 09:00")
    page = get(desk, page_path(reference, "/reschedule?start=2026-11-25T15:00:00Z"))
    a_reference("Wed 10:00", email="faster@mail.example")

    answer = send(desk, page, "")

    assert answer.status_code == 409
    assert send(desk, page_of(answer), "").status_code == 303


def test_a_move_without_a_time_asks_for_one(desk: FlaskClient) -> None:
    reference = a_reference()
    page = get(desk, page_path(reference, "/reschedule?start=2026-11-25T15:00:00Z"))

    answer = send(desk, page, "", start="soon")

    assert answer.status_code == 422


def test_a_reason_that_cannot_be_stored_comes_back(desk: FlaskClient) -> None:
    page = get(desk, page_path(a_reference(), "/cancel"))

    answer = send(desk, page, "", reason="a\x00b")

    assert answer.status_code == 422
    assert page_of(answer).alerts()[0].all("a")[0].get("href") == "#reason"
    assert the_appointment().status == "booked"


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "/cancel",
        "/reschedule",
        "/messages/1",
        "/messages/0",
        "/messages/99999999999999999999999",
        "/messages/-1",
        "/messages/x",
    ],
)
@pytest.mark.parametrize("reference", ["NOSUCHID", "1", "%00", "x" * 3000, "Ⅷ"])
def test_an_unknown_appointment_is_not_there(desk: FlaskClient, reference: str, rest: str) -> None:
    assert get(desk, page_path(reference, rest), 404).heading == "There is nothing at this address"


@pytest.mark.parametrize("number", ["0", "1", "99999999999999999999999", "-1", "x"])
def test_an_unknown_message_of_an_appointment_is_not_there(desk: FlaskClient, number: str) -> None:
    get(desk, page_path(a_reference(), f"/messages/{number}"), 404)


def test_a_message_of_one_appointment_does_not_open_on_anothers_page(
    desk: FlaskClient, sqlite_app: Flask
) -> None:
    """T-04."""
    first = a_reference("Tue 09:00")
    second = a_reference("Wed 09:00", email="other@mail.example")
    deliver(sqlite_app)
    message = get(desk, page_path(first)).link("Confirmation, to the patient")

    assert get(desk, message)
    assert get(desk, message.replace(first, second), 404)


def test_a_message_is_shown_as_it_left(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    reference = a_reference()
    deliver(sqlite_app)

    page = get(desk, get(desk, page_path(reference)).link("Confirmation, to the patient"))

    shown = dict(zip((each.text for each in page.all("dt")), page.all("dd"), strict=True))
    assert shown["To"].text == "sam@mail.example"
    assert shown["Message-ID"].text == mailbox.to("sam@mail.example")[0].message_id
    assert "BEGIN:VEVENT" in page.text
    assert "Sent" in get(desk, page_path(reference)).text


def test_what_is_sent_is_sealed_in_the_database(sqlite_app: Flask) -> None:
    reference = a_reference()
    assert reference
    deliver(sqlite_app)

    stored = repr(rows())

    assert "BEGIN:VCALENDAR" not in stored
    assert token_of(the_appointment(), HOUSE.keys) not in stored


def test_who_was_not_reached_stands_on_the_first_page_with_the_number(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    _not_reached(sqlite_app, mailbox)

    page = get(desk, STAFF)

    section = page.all("section", aria_labelledby="not-reached")[0]
    assert "Sam Rivers" in section.text
    assert "(212) 555-0123" in section.text
    assert "leave no message" in section.text


def test_sending_again_takes_it_off_the_list_and_sends(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    _not_reached(sqlite_app, mailbox)

    answer = send(desk, get(desk, STAFF), "/resend")

    assert answer.status_code == 303
    assert "The message is being sent again." in get(desk, answer.location).text
    assert not get(desk, STAFF).all("section", aria_labelledby="not-reached")
    deliver(sqlite_app)
    assert len(mailbox.to("sam@mail.example")) == 1


def test_done_takes_it_off_the_list(desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox) -> None:
    _not_reached(sqlite_app, mailbox)

    answer = send(desk, get(desk, STAFF), "/handled")

    assert (answer.status_code, answer.location) == (303, STAFF)
    page = get(desk, STAFF)
    assert "Taken off the list." in page.text
    assert not page.all("section", aria_labelledby="not-reached")


def test_staff_see_that_mail_is_not_leaving(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox, clock: Clock
) -> None:
    a_reference()
    mailbox.refuse_connection = RelayDown("no answer")
    worker = worker_of(sqlite_app)
    worker.turn()
    clock.forward(seconds=6)
    worker.turn()

    page = get(desk, STAFF)

    assert "Email is not leaving" in page.text
    assert "Nothing is lost" in page.text


def test_staff_see_when_messages_wait_for_long(desk: FlaskClient, clock: Clock) -> None:
    a_reference()
    clock.forward(minutes=5)

    assert "Messages have been waiting since 8:00 am" in get(desk, STAFF).text


def test_the_patients_clock_is_shown_where_it_differs(desk: FlaskClient) -> None:
    reference = a_reference(service="video", timezone="Europe/Berlin")

    assert "For the patient: 3:00" in get(desk, page_path(reference)).text


def test_markup_in_any_field_is_only_text_on_every_page(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    """T-35: stored, then shown; each page is checked for scripts and handlers as it is fetched."""
    with transaction() as session:
        made = an_appointment(session, name=HOSTILE, email="a'b&c@mail.example")
        made.cancel_reason = HOSTILE
        made.practitioner.name = HOSTILE
        service = the_service(session)
        service.name = service.event_title = HOSTILE[:60]
        reference = made.reference
    mailbox.refuse_mail = PermanentFailure(f"550 5.1.1 {HOSTILE}")
    deliver(sqlite_app)

    for path in (STAFF, *(page_path(reference, each) for each in ("", "/cancel", "/reschedule"))):
        page = get(desk, path)
        assert HOSTILE in page.text or "alert(1)" in page.text
        assert "699993" not in page.heading
        assert not page.all("img")


def test_the_pages_are_private(desk: FlaskClient) -> None:
    """T-85: nothing stays in a cache, so that the back button shows nothing after sign-out."""
    for path in (STAFF, page_path(a_reference())):
        headers = desk.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Robots-Tag"] == "noindex"


def test_no_person_stands_in_a_staff_address_or_title(desk: FlaskClient) -> None:
    """T-87."""
    reference = a_reference()

    for path in (STAFF, page_path(reference), page_path(reference, "/cancel")):
        page = get(desk, path)
        assert not any("rivers" in each.lower() or "@" in each for each in page.links())
        assert "Rivers" not in page.title


def test_an_appointment_that_has_begun_is_not_confirmed_again(
    desk: FlaskClient, clock: Clock
) -> None:
    reference = a_reference("Mon 09:00")
    clock.forward(hours=2)
    sign_in(desk)

    page = get(desk, page_path(reference))

    assert "Send the patient the details again" not in page.text


def _not_reached(app: Flask, mailbox: Mailbox) -> None:
    """An appointment whose patient's mailbox does not exist."""
    a_reference("Tue 09:00")
    mailbox.refuse_mail = PermanentFailure("550 5.1.1 no such mailbox")
    deliver(app)
    mailbox.refuse_mail = None
    assert the_appointment().start_at - timedelta(hours=1) > at("Mon 08:00")


def test_a_move_stays_with_the_practitioner_unless_anybody_is_asked_for(desk: FlaskClient) -> None:
    reference = a_reference("Wed 10:00", service="video", practitioner="ada")
    path = page_path(reference, "/reschedule")

    own, anybody = get(desk, path), get(desk, f"{path}?practitioner=&day=2026-11-25")

    assert "With Ada Bell" in get(desk, own.link(", 11:00 am")).text
    then = get(desk, anybody.link(", 11:00 am"))
    assert "whoever is free" in then.text
    assert then.form("").values()["practitioner"] == ""


def test_a_move_takes_three_clicks_from_the_list_to_any_of_the_next_days(
    desk: FlaskClient,
) -> None:
    a_reference("Tue 09:00")

    times = get(desk, get(desk, STAFF).link("Move"))
    question = get(desk, times.link("Friday 27 November, 11:00 am"))
    answer = send(desk, question, "")

    assert answer.status_code == 303
    assert the_appointment().start_at == at("Fri 11:00")
