"""From the list of services to a booked appointment, as a visitor without JavaScript sees it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete

from booking.messages.transports import PermanentFailure
from booking.models import Appointment, Clinic, Closure, HealthcareService, Resource
from booking.models.database import db, transaction
from booking.services.appointments import book_appointment, cancel_appointment
from booking.services.links import token_of
from tests.builders import HOUSE, NOW, Clock, Mailbox, a_request, an_appointment, at, the_service
from tests.pages import page_of
from tests.visits import (
    SAM,
    a_booked_page,
    a_link,
    book,
    deliver,
    form_path,
    get,
    rows,
    send,
    the_appointment,
)


def appointments() -> int:
    return len(rows()["appointment"])


def test_a_visitor_books_in_four_steps(client: FlaskClient) -> None:
    services = get(client, "/")
    times = get(client, services.link("First consultation"))
    day = get(client, times.all("a", aria_label="Tuesday 24 November, free times")[0].get("href"))
    form = get(client, day.link("9:00 am"))

    answer = send(client, form, "/book", **SAM)

    assert answer.status_code == 303
    page = get(client, answer.location)
    assert page.heading == "Your appointment is booked"
    assert "Tuesday 24 November" in page.all("main")[0].text
    made = the_appointment()
    assert (made.start_at, made.patient_name) == (at("Tue 09:00"), "Sam Rivers")
    assert (made.patient_phone, made.may_leave_message) == ("+12125550123", False)


def test_the_services_of_the_staff_are_not_shown(client: FlaskClient) -> None:
    """T-12."""
    page = get(client, "/")

    assert "Staff meeting" not in page.text


@pytest.mark.parametrize("path", ["/services/internal", "/services/internal/book", "/services/no"])
def test_a_hidden_service_is_as_unknown_as_none(client: FlaskClient, path: str) -> None:
    """T-12."""
    page = get(client, path, 404)

    assert page.heading == "There is nothing at this address"
    assert client.post(path, data=SAM).status_code in (404, 405)


def test_a_service_that_only_a_link_shows_can_be_booked(client: FlaskClient) -> None:
    with transaction() as session:
        the_service(session, "call").visibility = "link"  # type: ignore[assignment]

    assert "Phone call" not in get(client, "/").text
    assert book(client, "Tue 09:00", "call").status_code == 303


def test_a_clinic_without_services_says_whom_to_call(client: FlaskClient) -> None:
    with transaction() as session:
        for service in session.query(HealthcareService):
            service.visibility = "staff"  # type: ignore[assignment]

    page = get(client, "/")

    assert "Nothing can be booked online just now" in page.text
    assert page.link("(212) 555-0142") == "tel:2125550142"


@pytest.mark.parametrize("start", ["", "now", "2026-11-24T14:00:00", "9999-12-31T23:59:59Z"])
def test_a_time_that_is_none_leads_back_to_the_times(client: FlaskClient, start: str) -> None:
    answer = client.get(f"/services/visit/book?start={start}")

    assert (answer.status_code, answer.location) == (303, "/services/visit")


@pytest.mark.parametrize(
    "start",
    [
        "2026-11-24T14:10:00Z",  # off the grid
        "2026-11-24T14:00:30Z",  # off the minute
        "2026-11-24T14:00:00.5Z",
        "2026-11-20T14:00:00Z",  # over
        "2026-11-26T14:00:00Z",  # Thanksgiving
        "2026-11-28T14:00:00Z",  # a Saturday
        "2026-11-23T13:30:00Z",  # too soon
        "2027-03-01T14:00:00Z",  # too far
        "2000-01-01T00:01:00Z",
        "2199-12-31T23:59:00Z",
        "2027-03-14T07:30:00Z",
    ],
)
def test_what_is_not_offered_cannot_be_booked(client: FlaskClient, start: str) -> None:
    """T-66: neither shown nor taken, however it is asked for."""
    shown = client.get(f"/services/visit/book?start={start}")
    page = get(client, form_path())

    posted = send(client, page, "/book", **SAM | {"start": start})

    assert (shown.status_code, posted.status_code) == (409, 409)
    assert appointments() == 0


def test_everything_typed_comes_back_with_what_is_wrong(client: FlaskClient) -> None:
    page = get(client, form_path("Tue 09:00", "call", practitioner="ada", tz="Europe/Berlin"))
    typed = {"name": "Zoë <b>", "email": "zoe@", "phone": "12", "may_leave_message": "y"}

    answer = send(client, page, "/book", **typed)

    assert answer.status_code == 422
    again = page_of(answer)
    sent, back = page.form("/book").values() | typed, again.form("/book").values()
    del sent["csrf_token"]  # it holds the second in which it was made
    assert {name: back.get(name) for name in sent} == sent
    assert "email_consent" not in back
    assert [each.get("href") for each in again.alerts()[0].all("a")] == [
        "#email",
        "#phone",
        "#email_consent",
    ]
    assert again.title.startswith("Error: ")


def test_an_empty_form_is_told_field_by_field(client: FlaskClient) -> None:
    answer = send(client, get(client, form_path("Tue 09:00", "call")), "/book")

    summary = page_of(answer).alerts()[0]
    assert [each.text for each in summary.all("a")] == [
        "Enter your name.",
        "Enter your email address.",
        "Enter the phone number that we can call you on.",
        "Tick this box so that we can send you the details.",
    ]


def test_a_phone_number_is_needed_only_for_a_call(client: FlaskClient) -> None:
    answer = book(client, "Tue 09:00", "video", phone="", may_leave_message="y")

    assert answer.status_code == 303
    assert the_appointment().patient_phone is None
    assert not the_appointment().may_leave_message


def test_a_page_left_open_too_long_loses_nothing(client: FlaskClient, sqlite_app: Flask) -> None:
    page = get(client, form_path())
    elsewhere = sqlite_app.test_client()  # a browser that has lost its cookie

    answer = send(elsewhere, page, "/book", **SAM)

    assert answer.status_code == 422
    again = page_of(answer)
    assert "This page was open for a long time" in again.alerts()[0].text
    assert again.form("/book").values()["name"] == "Sam Rivers"
    assert send(elsewhere, again, "/book").status_code == 303


def test_a_taken_slot_offers_others_and_nothing_is_typed_again(client: FlaskClient) -> None:
    page = get(client, form_path("Tue 10:00"))
    a_link("Tue 10:00", email="faster@mail.example")

    answer = send(client, page, "/book", **SAM)

    assert answer.status_code == 409
    again = page_of(answer)
    assert again.alerts()[0].all("h2")[0].text == "That time is no longer free"
    offered = [each.get("value") for each in again.all("input", name="start")]
    assert len(offered) == 6
    assert "2026-11-24T15:00:00Z" not in offered
    chosen = send(client, again, "/book", start=offered[3])
    assert chosen.status_code == 303
    assert the_appointment().patient_name == "Sam Rivers"
    assert the_appointment().start_at.strftime("%Y-%m-%dT%H:%M:%SZ") == offered[3]


def test_a_slot_that_is_gone_when_the_form_opens_offers_others_at_once(client: FlaskClient) -> None:
    a_link("Tue 10:00")

    page = get(client, form_path("Tue 10:00"), 409)

    assert send(client, page, "/book", **SAM).status_code == 303


def test_a_practitioner_who_has_left_since_costs_nothing_typed(client: FlaskClient) -> None:
    """T-74."""
    page = get(client, form_path("Wed 10:00", practitioner="ben"))
    with transaction() as session:
        service = the_service(session)
        service.resources = [each for each in service.resources if each.slug != "ben"]

    answer = send(client, page, "/book", **SAM)

    assert answer.status_code == 409
    assert send(client, page_of(answer), "/book").status_code == 303
    assert the_appointment().practitioner.slug == "ada"


def test_the_practitioner_asked_for_is_the_one_booked(client: FlaskClient) -> None:
    page = get(client, form_path("Wed 10:00", practitioner="ben"))

    send(client, page, "/book", **SAM)

    assert "with Ben Cole" in page.text
    assert the_appointment().practitioner.slug == "ben"


def test_pressing_the_button_again_shows_the_same_appointment(client: FlaskClient) -> None:
    """T-71: refresh, back, or an impatient finger."""
    page = get(client, form_path())

    first, second = send(client, page, "/book", **SAM), send(client, page, "/book", **SAM)

    assert first.location == second.location
    assert appointments() == 1


def test_the_same_form_for_somebody_else_is_refused(client: FlaskClient) -> None:
    """T-71."""
    page = get(client, form_path())
    send(client, page, "/book", **SAM)

    answer = send(client, page, "/book", **SAM | {"name": "Somebody Else"})

    assert answer.status_code == 422
    assert "This form has already booked an appointment" in page_of(answer).alerts()[0].text
    assert appointments() == 1


def test_going_back_to_the_form_books_nothing_more(client: FlaskClient) -> None:
    """T-71: the form is loaded afresh, and still known for the one that has booked."""
    path = form_path("Wed 10:00", "video")
    first = send(client, get(client, path), "/book", **SAM)

    second = send(client, get(client, path), "/book", **SAM)

    assert second.location == first.location
    assert appointments() == 1


def test_whoever_means_to_book_one_time_for_two_can(client: FlaskClient) -> None:
    path = form_path("Wed 10:00", "video")
    send(client, get(client, path), "/book", **SAM)
    warned = send(client, get(client, path), "/book", **SAM | {"name": "Kim Rivers"})

    answer = send(client, page_of(warned), "/book")

    assert (warned.status_code, answer.status_code) == (422, 303)
    assert appointments() == 2


def test_a_time_that_was_given_back_can_be_taken_again(client: FlaskClient) -> None:
    link = a_booked_page(client)
    send(client, get(client, f"{link}/cancel"), "")

    again = a_booked_page(client)

    assert again != link
    assert get(client, again).heading == "Your appointment is booked"


def test_a_time_that_was_given_back_is_taken_once_however_often_the_button_is_pressed(
    client: FlaskClient,
) -> None:
    """T-71: two practitioners are free then, so that another appointment could be had."""
    page = get(client, form_path("Wed 10:00", "video"))
    for _ in range(2):
        given_back = send(client, page, "/book", **SAM).location
        send(client, get(client, f"{given_back}/cancel"), "")

    first, second = send(client, page, "/book", **SAM), send(client, page, "/book", **SAM)

    assert first.location == second.location != given_back
    assert appointments() == 3
    whom = the_appointment().practitioner.slug
    page = get(client, form_path("Wed 10:00", "video", practitioner=whom))
    assert page.heading == "You have booked this time"


def test_a_made_up_form_key_is_replaced(client: FlaskClient) -> None:
    page = get(client, form_path())

    answers = [send(client, page, "/book", **SAM | {"key": each}) for each in ("1", "x" * 65)]

    assert [each.status_code for each in answers] == [303, 409]


@pytest.mark.parametrize("path", ["/", "/services/visit"])
def test_before_there_is_a_clinic_every_page_says_so(client: FlaskClient, path: str) -> None:
    with transaction() as session:
        session.execute(delete(Clinic))

    page = get(client, path, 503)

    assert page.heading == "This service is being set up"


def test_an_address_of_a_whole_word_in_punycode_can_be_written_to(client: FlaskClient) -> None:
    book(client, email="sam@xn--bcher-kva.example")

    assert the_appointment().patient_email == "sam@xn--bcher-kva.example"


# The appointment's own page


def test_the_page_shows_place_practitioner_and_preparation(client: FlaskClient) -> None:
    page = get(client, a_booked_page(client))

    assert "120 Water Street, New York, NY 10005" in page.text
    assert "Ada Bell" in page.text
    assert "Bring a list of your medicines." in page.text
    assert page.link("See it on a map").startswith("https://www.openstreetmap.org/")


def test_a_video_appointment_shows_its_room(client: FlaskClient) -> None:
    page = get(client, a_booked_page(client, service="video"))

    assert page.link("Open the video room") == "https://video.clinic.example/room"


def test_a_call_says_which_number_we_will_ring(client: FlaskClient) -> None:
    page = get(client, a_booked_page(client, service="call"))

    assert "We call you on (212) 555-0123." in page.text


def test_what_is_over_cannot_be_changed(client: FlaskClient, clock: Clock) -> None:
    link = a_link("Tue 09:00")
    clock.forward(days=2)

    page = get(client, link)

    assert "This appointment is in the past." in page.text
    ways = [each for each in page.links() if each.startswith(link + "/")]
    assert ways == [f"{link}/erase"], "nothing to change, only to forget"
    assert get(client, f"{link}/cancel", 403).heading == "It is too near to change online"
    assert get(client, f"{link}/reschedule", 403)


def test_within_the_cut_off_one_has_to_call(client: FlaskClient, clock: Clock) -> None:
    """T-72: the server says so, not only the page."""
    link = a_link("Tue 09:00")
    cancelling, moving = get(client, f"{link}/cancel"), get(client, _move(link, "Wed 09:00"))
    clock.now = at("Tue 07:01")

    page = get(client, link)

    assert "It is too near to change online" in page.text
    assert send(client, cancelling, "").status_code == 403
    assert send(client, moving, "").status_code == 403
    assert the_appointment().status == "booked"


def test_a_patient_cancels_with_a_reason(client: FlaskClient) -> None:
    link = a_link()
    page = get(client, f"{link}/cancel")

    answer = send(client, page, "", reason="I am away.\r\nSorry!")

    assert (answer.status_code, answer.location) == (303, link)
    assert the_appointment().cancel_reason == "I am away.\nSorry!"
    shown = get(client, link)
    assert shown.heading == "Your appointment is cancelled"
    assert "I am away" not in shown.text
    assert shown.link("Book another time") == "/services/visit"


def test_a_reason_that_is_too_long_comes_back(client: FlaskClient) -> None:
    page = get(client, f"{a_link()}/cancel")

    answer = send(client, page, "", reason="x" * 501)

    assert answer.status_code == 422
    assert page_of(answer).alerts()[0].all("a")[0].get("href") == "#reason"
    assert page_of(answer).form("").values()["reason"] == "x" * 501


def test_what_is_cancelled_stays_so(client: FlaskClient) -> None:
    """T-10."""
    link = a_link()
    cancelling, moving = get(client, f"{link}/cancel"), get(client, _move(link, "Wed 09:00"))
    send(client, cancelling, "")

    assert send(client, cancelling, "").location == link  # pressed twice
    assert send(client, moving, "").status_code == 409
    assert get(client, f"{link}/cancel", 409).heading == (
        "This appointment can no longer be changed"
    )
    assert the_appointment().sequence == 1


def test_a_patient_moves_an_appointment(client: FlaskClient) -> None:
    link = a_link("Tue 09:00")
    calendar = get(client, f"{link}/reschedule?day=2026-11-25")

    question = get(client, calendar.link("2:00 pm"))
    answer = send(client, question, "")

    assert (answer.status_code, answer.location) == (303, f"{link}?moved=1")
    assert get(client, answer.location).heading == "Your appointment is moved"
    assert the_appointment().start_at == at("Wed 14:00")


def test_moving_asks_with_the_old_time_and_the_new(client: FlaskClient) -> None:
    link = a_link("Tue 09:00")

    page = get(client, _move(link, "Wed 14:00"))

    assert "Tuesday 24 November" in page.text
    assert "Wednesday 25 November" in page.text


def test_who_goes_back_after_a_move_or_chooses_the_same_time_hears_that_it_stays(
    client: FlaskClient,
) -> None:
    link = a_link("Tue 09:00", practitioner="ada")
    back = _move(link, "Wed 14:00")
    send(client, get(client, back), "")

    for question in (back, f"{back}&practitioner=ada"):
        again = client.get(question)
        assert again.location == f"{link}?kept=1"
    assert "Move the appointment" in get(client, f"{back}&practitioner=ben").text


def test_who_can_move_to_no_other_time_is_told_whom_to_call(client: FlaskClient) -> None:
    link = a_link("Tue 09:00")
    page = get(client, _move(link, "Wed 10:00"))
    with transaction() as session:
        session.add(Closure(starts_at=NOW, ends_at=at("Fri 09:00") + timedelta(days=700)))

    answer = page_of(send(client, page, ""))

    assert "Nothing else is free online just now. Call us on" in answer.alerts()[0].text


def test_a_button_that_came_too_late_leads_back_to_its_appointment(
    client: FlaskClient, sqlite_app: Flask
) -> None:
    link = a_link()

    refused = page_of(send(sqlite_app.test_client(), get(client, link), "/data"))

    assert refused.link("See your appointment") == link


def test_a_patient_who_chooses_another_practitioner_gets_that_one(client: FlaskClient) -> None:
    link = a_link("Tue 09:00", practitioner="ada")

    send(client, get(client, _move(link, "Wed 14:00") + "&practitioner=ben"), "")

    assert the_appointment().practitioner.slug == "ben"


def test_a_move_to_a_taken_time_keeps_the_old_one_and_offers_others(client: FlaskClient) -> None:
    """T-70."""
    link = a_link("Tue 09:00")
    page = get(client, _move(link, "Wed 10:00"))
    with transaction() as session:
        an_appointment(session, "Wed 10:00", email="faster@mail.example")

    answer = send(client, page, "")

    assert answer.status_code == 409
    again = page_of(answer)
    assert "The appointment is still where it was." in again.text
    assert again.title.startswith("Error: ")
    assert send(client, again, "").status_code == 303
    mine = db.session.query(Appointment).filter_by(patient_email="sam@mail.example").one()
    assert mine.start_at in (at("Wed 09:00"), at("Wed 11:00"), at("Wed 09:30"))


def test_a_page_left_open_too_long_moves_and_cancels_nothing(
    client: FlaskClient, sqlite_app: Flask
) -> None:
    link = a_link()
    pages = [get(client, f"{link}/cancel"), get(client, _move(link, "Wed 09:00"))]
    elsewhere = sqlite_app.test_client()

    for page in pages:
        answer = send(elsewhere, page, "")
        assert answer.status_code == 422
        assert "press the button again" in page_of(answer).alerts()[0].text

    assert (the_appointment().status, the_appointment().sequence) == ("booked", 0)


@pytest.mark.parametrize("ending", ["", "/invite.ics", "/reschedule", "/cancel"])
def test_an_unknown_link_opens_nothing(client: FlaskClient, ending: str) -> None:
    """T-01: all answer alike."""
    a_link()
    made_up = ("A" * 43, "x", "%20", "..", "0" * 5000, "%00", "%ED%A0%80", "Ⅷ")

    answers = [client.get(f"/appointments/{each}{ending}") for each in made_up]

    assert {each.status_code for each in answers} == {404}
    assert len({each.data for each in answers}) == 1


def test_a_room_that_left_does_not_break_an_old_page(client: FlaskClient) -> None:
    link = a_link()
    with transaction() as session:
        for each in session.query(Resource):
            each.active = False

    assert get(client, link).heading == "Your appointment is booked"


def test_a_cancelled_time_can_be_booked_again(client: FlaskClient) -> None:
    with transaction() as session:
        cancel_appointment(session, an_appointment(session), HOUSE, now=NOW)

    assert book(client).status_code == 303


def _move(link: str, start: str) -> str:
    return f"{link}/reschedule?start={at(start):%Y-%m-%dT%H:%M:%SZ}"


def test_the_page_says_what_has_become_of_the_mail(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox
) -> None:
    link = a_booked_page(client)
    waiting = get(client, link).text
    deliver(sqlite_app)
    sent = get(client, link).text
    send(client, get(client, _move(link, "Wed 09:00")), "")
    mailbox.refuse_mail = PermanentFailure("550 5.1.1 no such mailbox")
    deliver(sqlite_app)
    refused = get(client, link)

    assert "We are sending the details to sam@mail.example." in waiting
    assert "We have sent the details to sam@mail.example." in sent
    assert "Our email to sam@mail.example did not arrive." in refused.alerts()[0].text
    assert refused.link("Check your email address") == f"{link}/contact"


def test_the_page_of_what_is_cancelled_promises_no_mail_that_never_goes(
    sqlite_app: Flask, client: FlaskClient
) -> None:
    patience, told = replace(HOUSE, undo=timedelta(minutes=2)), a_booked_page(client)
    with transaction() as session:
        made = book_appointment(session, "visit", a_request("Wed 09:00"), patience, now=NOW)
        cancel_appointment(session, made, patience, now=NOW)
        untold = f"/appointments/{token_of(made, HOUSE.keys)}"
    deliver(sqlite_app)
    send(client, get(client, f"{told}/cancel"), "")
    on_its_way = get(client, told).text
    deliver(sqlite_app)

    assert "email" not in get(client, untold).text.partition("When")[0]
    assert "We are sending you an email" in on_its_way
    assert "We have sent you an email" in get(client, told).text


def test_what_can_no_longer_be_changed_leads_to_its_page(client: FlaskClient) -> None:
    link = a_link()
    send(client, get(client, f"{link}/cancel"), "")

    for path in ("cancel", "reschedule", "keep"):
        page = get(client, f"{link}/{path}", 409)
        assert page.link("See your appointment") == link


def test_the_way_back_leads_to_the_day_from_which_one_came(client: FlaskClient) -> None:
    link = a_link()
    form = get(client, form_path("Wed 09:00", "video", practitioner="ada", tz="Asia/Tokyo"))
    moving = get(client, _move(link, "Wed 09:00"))

    times = get(client, form.link("Choose another time"))
    others = get(client, moving.link("Choose another time"))

    for page in (times, others):
        assert page.all("h2", id="times-title")[0].text == "Wednesday 25 November"
    assert {"practitioner": "ada", "tz": "Asia/Tokyo", "day": "2026-11-25"}.items() <= (
        times.form("/services/video").values().items()
    )


def test_who_goes_back_after_booking_hears_so_and_whoever_comes_next_finds_no_link(
    sqlite_app: Flask, client: FlaskClient
) -> None:
    path = form_path("Tue 09:00", "video", practitioner="ada")
    booked = send(client, get(client, path), "/book", **SAM).location

    mine, anothers = get(client, path), get(sqlite_app.test_client(), path, 409)

    assert mine.heading == "You have booked this time"
    assert booked not in {each.get("href") for each in mine.all("a")}
    assert "That time is no longer free" in anothers.text
