"""Rooms, places and the clinic's habits, as staff keep them."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from booking.models import Appointment, AuditEntry, Clinic, Location, Room
from booking.models.database import db
from tests.integration.test_schedule import save
from tests.integration.test_service_rules import starts
from tests.pages import page_of
from tests.visits import a_member_of_staff, a_reference, get, send, sign_in

ROOMS, PLACES = "/staff/schedule/rooms/", "/staff/schedule/places/"
BLUE, CLINIC = f"{ROOMS}blue", "/staff/schedule/clinic/"


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    """A browser in which a member of staff is signed in."""
    a_member_of_staff()
    sign_in(client)
    return client


def the_room(slug: str = "blue") -> Room:
    db.session.rollback()
    return db.session.scalars(select(Room).where(Room.slug == slug)).one()


def put_out_of_use(desk: FlaskClient) -> TestResponse:
    """Take the tick away, and press the button."""
    form = get(desk, BLUE).form("").values()
    return desk.post(BLUE, data={k: v for k, v in form.items() if k != "active"})


def noted(action: str) -> list[tuple[str, str]]:
    """What the audit trail says of changes of a kind: which, and the names of the fields."""
    db.session.rollback()
    query = select(AuditEntry.subject, AuditEntry.fields).where(AuditEntry.action == action)
    return [(each.subject, each.fields) for each in db.session.execute(query)]


def test_a_room_is_added_and_changed(desk: FlaskClient) -> None:
    send(desk, get(desk, f"{ROOMS}new"), name="Green room", location="1")
    send(desk, get(desk, f"{ROOMS}green-room"), name="Garden room")

    assert (the_room("green-room").name, the_room("green-room").location_id) == ("Garden room", 1)
    assert "Garden room" in get(desk, ROOMS).text
    assert noted("room.add") == [("green-room", "")]
    assert noted("room.change") == [("green-room", "name")]


def test_a_room_with_appointments_goes_out_of_use_only_once_they_were_seen(
    desk: FlaskClient,
) -> None:
    reference = a_reference("Tue 09:00")

    question = page_of(put_out_of_use(desk))

    assert question.heading == "1 coming appointment lies in Blue room"
    assert f"/staff/appointments/{reference}" in {each.get("href") for each in question.all("a")}
    assert the_room().active
    assert starts()
    assert send(desk, question).status_code == 303
    assert not the_room().active
    assert starts() == []
    found = db.session.scalars(select(Appointment)).one()
    assert (found.status, found.room_id, found.sequence) == ("booked", the_room().id, 0)
    assert noted("room.change") == [("blue", "active")]


def test_who_is_booked_into_the_room_meanwhile_is_asked_about_as_well(desk: FlaskClient) -> None:
    a_reference("Tue 09:00")
    question = put_out_of_use(desk)
    late = a_reference("Wed 09:00")

    answer = save(desk, question)

    assert answer.status_code == 409
    assert late in answer.text
    assert the_room().active
    assert save(desk, answer).status_code == 303
    assert not the_room().active


def test_an_empty_room_goes_out_of_use_at_once(desk: FlaskClient) -> None:
    assert put_out_of_use(desk).status_code == 303

    assert not the_room().active
    assert "Out of use" in get(desk, ROOMS).text


def test_a_place_is_added_and_its_directions_changed_without_a_question(
    desk: FlaskClient,
) -> None:
    a_reference("Tue 09:00")
    new = {"name": "Annex", "address": "9 Hill Road, Albany, NY 12207"}
    send(desk, get(desk, f"{PLACES}new"), **new)

    answer = send(desk, get(desk, f"{PLACES}1"), directions="Second door.\nRing twice.")

    assert answer.status_code == 303
    db.session.rollback()
    assert db.session.get_one(Location, 1).directions == "Second door.\nRing twice."
    assert db.session.get_one(Location, 2).address == new["address"]
    assert noted("place.add") == [("place-2", "")]
    assert noted("place.change") == [("place-1", "directions")]
    assert db.session.scalars(select(Appointment)).one().sequence == 0


def test_the_clinics_habits_are_changed_and_the_trail_names_the_fields(desk: FlaskClient) -> None:
    page = get(desk, CLINIC)

    send(desk, page, appointments_per_contact="3", staff_email="", decline_cancels="y",
         feed_shows="initials", exit_url="https://www.weather.gov/nyc")  # fmt: skip

    db.session.rollback()
    clinic = db.session.get_one(Clinic, 1)
    assert (clinic.appointments_per_contact, clinic.staff_email) == (3, None)
    assert (clinic.decline_cancels, clinic.proposals_welcome) == (True, False)
    assert clinic.feed_shows == "initials"
    assert noted("clinic.change") == [
        ("clinic", "appointments_per_contact exit_url staff_email feed_shows decline_cancels")
    ]


@pytest.mark.parametrize(
    ("path", "typed", "sentence"),
    [
        (BLUE, {"name": " "}, "The name is missing."),
        (BLUE, {"name": "x" * 101}, "up to 100 characters"),
        (BLUE, {"location": "7"}, "Choose one of the list."),
        (f"{PLACES}1", {"address": ""}, "The address is missing."),
        (f"{PLACES}1", {"address": "x" * 301}, "up to 300 characters"),
        (f"{PLACES}new", {"name": "Annex"}, "The address is missing."),
        (CLINIC, {"appointments_per_contact": "0"}, "a whole number from 1 to 1000."),
        (CLINIC, {"appointments_per_contact": "many"}, "a whole number from 1 to 1000."),
        (CLINIC, {"exit_url": "http://www.weather.gov/"}, "begins with https://"),
        (CLINIC, {"staff_email": "a@b.example, c@d.example"}, "Enter an email address"),
        (CLINIC, {"feed_shows": "names"}, "Choose one of the list."),
    ],
)
def test_what_makes_no_sense_is_said_where_it_stands(
    desk: FlaskClient, path: str, typed: dict[str, str], sentence: str
) -> None:
    answer = send(desk, get(desk, path), **typed)

    assert answer.status_code == 422
    assert any(sentence in each.text for each in page_of(answer).alerts())


def test_what_is_not_there_is_not_there(desk: FlaskClient) -> None:
    for path in (f"{ROOMS}red", f"{ROOMS}ada", f"{PLACES}9", "/staff/schedule/services/none"):
        get(desk, path, 404)


def test_a_newcomer_finds_every_page_from_the_schedule(desk: FlaskClient) -> None:
    links = {each.get("href") for each in get(desk, "/staff/schedule/").all("a")}

    assert {ROOMS, PLACES, CLINIC, "/staff/schedule/services/"} <= links
