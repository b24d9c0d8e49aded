"""Why is nothing offered: the reasons agree with what is on offer, minute by minute."""

from datetime import date, timedelta

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings

from booking.domain.openings import local_day
from booking.models import Clinic, Closure
from booking.models.database import db, transaction
from booking.services.availability import free_slots
from booking.services.explanations import Explanation, explanations
from tests.builders import MONDAY, NEW_YORK, NOW, at, the_service
from tests.integration.test_availability import Booking, Closing, arrange, bookings, closings
from tests.visits import a_member_of_staff, get, sign_in

WEEK = [MONDAY + timedelta(days=number) for number in (0, 1, 2, 3, 7, 40)]
THURSDAY = date(2026, 11, 26)


def explained(slug: str, day: date) -> dict[str, Explanation]:
    """The day of each practitioner."""
    db.session.rollback()
    clinic, service = db.session.get_one(Clinic, 1), the_service(db.session(), slug)
    found = explanations(db.session(), clinic, service, day, now=NOW)
    return {each.practitioner.slug: each for each in found}


def reasons(slug: str, day: date, who: str = "ada") -> dict[str, str | None]:
    """The reason from each time on."""
    return {
        f"{each.span.start.astimezone(NEW_YORK):%H:%M}": each.reason
        for each in explained(slug, day)[who].spans
    }


@pytest.mark.usefixtures("sqlite_app")
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(bookings=bookings, closings=closings)
def test_a_minute_has_no_reason_when_and_only_when_it_is_on_offer(
    bookings: list[Booking], closings: list[Closing]
) -> None:
    arrange(bookings, closings)

    for slug in ("visit", "video", "call"):
        for day in WEEK:
            with transaction() as session:
                clinic, service = session.get_one(Clinic, 1), the_service(session, slug)
                span = local_day(day, clinic.zone)
                slots = free_slots(session, clinic, service, span, now=NOW)
                ids = {each.id: each.slug for each in service.practitioners}
            offered = {(ids[each], slot.start) for slot in slots for each in slot.practitioners}
            found = explained(slug, day)
            assert {(who, start) for who in found for start in found[who].offered} == offered
            for each in found.values():
                assert minutes(each) == span.until - span.start


def minutes(explanation: Explanation) -> timedelta:
    """How much of the day has been explained."""
    lengths = [each.span.until - each.span.start for each in explanation.spans]
    return sum(lengths, timedelta())


@pytest.mark.usefixtures("sqlite_app")
def test_each_stretch_of_a_day_has_its_own_reason() -> None:
    arrange([("video", 50, "ada")], [("ada", 39 * 12, 12)])  # Tuesday: 15:00 away for an hour

    found = reasons("call", date(2026, 11, 24))

    assert found["00:00"] == "no_hours"
    assert found["12:00"] == "break"
    assert found["11:46"] == "too_short"
    assert found["15:00"] == "away"
    assert found["17:00"] == "no_hours"
    assert "taken" in set(reasons("call", date(2026, 11, 25)).values()) | set(found.values())


@pytest.mark.usefixtures("sqlite_app")
def test_today_is_too_near_and_next_year_too_far() -> None:
    assert reasons("call", date(2026, 11, 23))["00:00"] == "notice"
    assert reasons("call", date(2027, 3, 1)) == {"00:00": "horizon"}


@pytest.mark.usefixtures("sqlite_app")
def test_a_room_that_is_closed_is_named_as_the_reason() -> None:
    arrange([], [("blue", 24 * 12, 24 * 12)])

    assert "room" in set(reasons("visit", date(2026, 11, 24)).values())


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    """A browser in which a member of staff is signed in."""
    a_member_of_staff()
    sign_in(client)
    return client


def test_staff_find_out_why_thursday_shows_nothing(desk: FlaskClient) -> None:
    page = get(desk, f"/staff/schedule/why?service=visit&day={THURSDAY}")

    assert "public holiday" in page.text
    assert "Nothing is offered" in page.text


def test_a_closed_clinic_is_told_from_a_holiday(desk: FlaskClient) -> None:
    begins, ends = at("Tue 00:00"), at("Wed 00:00")
    with transaction() as session:
        session.add(Closure(starts_at=begins, ends_at=ends, reason="Move"))

    page = get(desk, "/staff/schedule/why?service=call&day=2026-11-24")

    assert "The whole clinic is closed" in page.text


@pytest.mark.parametrize(
    "query", ["", "?service=nothing&day=never", "?service=call&day=2026-11-25"]
)
def test_the_question_can_be_asked_of_any_service_and_day(desk: FlaskClient, query: str) -> None:
    page = get(desk, f"/staff/schedule/why{query}")

    assert page.form("/why").values()["service"] in {"visit", "call"}
