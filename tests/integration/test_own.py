"""A clinician sees own appointments and what belongs to them; everything else is not there."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.models import BusyCalendar, CalendarKind, Practitioner, Role
from booking.models.database import transaction
from booking.services.busy import NewCalendar, add_calendar
from tests.answers import a_mail, take_in
from tests.builders import HOUSE, NOW
from tests.pages import page_of
from tests.visits import a_member_of_staff, a_reference, get, rows, send, sign_in

OTHERS = "Pat Others"


@pytest.fixture(autouse=True)
def ada(sqlite_app: Flask, client: FlaskClient) -> None:
    """Ada is signed in, as a clinician."""
    assert sqlite_app
    a_member_of_staff(role=Role.CLINICIAN, practitioner="ada")
    sign_in(client)


def a_calendar_of(slug: str) -> int:
    """The number of a calendar that is read for somebody."""
    with transaction() as session:
        practitioner = session.scalars(select(Practitioner).where(Practitioner.slug == slug)).one()
        wanted = NewCalendar(CalendarKind.ICS, "Private", "https://files.clinic.example/x.ics")
        add_calendar(session, practitioner, wanted, keys=HOUSE.keys, now=NOW)
        session.flush()
        return session.scalars(select(BusyCalendar.id)).one()


def test_the_first_page_shows_own_appointments_only(client: FlaskClient) -> None:
    a_reference("Wed 10:00")
    a_reference("Wed 11:00", practitioner="ben", name=OTHERS, service="video")

    page = get(client, "/staff/")

    assert "Sam Rivers" in page.text
    assert OTHERS not in page.text
    assert "Ben Cole" not in page.text


def test_an_own_appointment_opens(client: FlaskClient) -> None:
    reference = a_reference("Wed 10:00")

    assert "Sam Rivers" in get(client, f"/staff/appointments/{reference}").text


@pytest.mark.parametrize("rest", ["", "/cancel", "/reschedule", "/address", "/messages/1"])
def test_an_appointment_of_somebody_else_is_not_there(client: FlaskClient, rest: str) -> None:
    """T-04: one answer for what is another's and for what is not."""
    reference = a_reference("Wed 11:00", practitioner="ben", service="video")

    found = client.get(f"/staff/appointments/{reference}{rest}")
    missing = client.get(f"/staff/appointments/AAAAAAAA{rest}")

    assert found.status_code == missing.status_code == 404
    assert page_of(found).text == page_of(missing).text


@pytest.mark.parametrize("verb", ["arrive", "fulfil", "miss", "cancel", "resend", "handled"])
def test_nothing_can_be_done_with_an_appointment_of_somebody_else(
    client: FlaskClient, verb: str
) -> None:
    own = a_reference("Wed 10:00")
    reference = a_reference("Wed 11:00", practitioner="ben", service="video")
    token = get(client, f"/staff/appointments/{own}/cancel").form("").values()["csrf_token"]
    before = rows()

    answer = client.post(
        f"/staff/appointments/{reference}/{verb}", data={"csrf_token": token, "reason": ""}
    )

    assert answer.status_code == 404
    assert rows() == before


def test_a_mail_about_nothing_of_theirs_is_not_there(client: FlaskClient) -> None:
    take_in(a_mail())

    assert client.get("/staff/mail/1").status_code == 404
    assert "/staff/mail/1" not in get(client, "/staff/").links()


def test_the_calendars_are_their_own(client: FlaskClient) -> None:
    page = get(client, "/staff/calendars/")

    assert [each.text for each in page.all("h2")] == ["Ada Bell"]


def test_calendars_of_others_are_out_of_reach(client: FlaskClient) -> None:
    token = get(client, "/staff/calendars/").form("/feed").values()["csrf_token"]
    number = a_calendar_of("ben")
    before = rows()

    for path in (
        *(
            f"/staff/calendars/{slug}/{rest}"
            for slug in ("ben", "blue")
            for rest in ("feed", "feed/end")
        ),
        "/staff/calendars/ben/add",
        *(f"/staff/calendars/read/{number}/{verb}" for verb in ("check", "remove")),
    ):
        wanted = {"csrf_token": token, "name": "x", "kind": "ics", "address": "https://a.example/x"}
        answer = client.post(path, data=wanted)
        assert answer.status_code == 404, path

    assert client.get("/staff/calendars/ben/add").status_code == 404
    assert rows() == before


def test_an_appointment_that_is_given_away_leads_back_to_the_list(client: FlaskClient) -> None:
    reference = a_reference("Wed 10:00", service="video")
    there = f"/staff/appointments/{reference}/reschedule"
    page = get(client, f"{there}?start=2026-11-25T16:00:00Z&practitioner=ben")

    answer = send(client, page, "")

    assert (answer.status_code, answer.location) == (303, "/staff/")
    assert client.get(f"/staff/appointments/{reference}").status_code == 404
