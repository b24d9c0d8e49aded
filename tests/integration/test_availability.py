"""What is offered can be booked, what is not cannot; and a slow, plain count agrees with both."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, time, timedelta

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from booking.domain.refusals import NotOffered, SlotTaken
from booking.domain.timeline import Span
from booking.models import (
    Appointment,
    Clinic,
    Closure,
    HealthcareService,
    Occupancy,
    OpeningHours,
    Resource,
)
from booking.models.database import db, transaction
from booking.services.appointments import book_appointment
from booking.services.availability import free_slots
from booking.services.requests import BookingRequest
from tests.builders import HOUSE, MONDAY, NEW_YORK, NOW, a_patient, at, the_service
from tests.unit.oracle import (
    grid_instants,
    may_start,
    minutes_of,
    moments,
    open_instants,
    room_may_start,
)

SERVICES = ("visit", "video", "call")
CAP = 4
QUARTER = timedelta(minutes=15)
WEEK = [MONDAY + timedelta(days=number) for number in range(7)]
THANKSGIVING = date(2026, 11, 26)
FIRST, UNTIL = at("Mon 00:00"), at("Mon 00:00", week=1)
SHOWN = moments(NEW_YORK, FIRST, UNTIL)

Booking = tuple[str, int, str]
Closing = tuple[str | None, int, int]


class Undo(Exception):
    """Ends a transaction that only asked."""


bookings = st.lists(
    st.tuples(st.sampled_from(SERVICES), st.integers(0, 400), st.sampled_from(["ada", "ben"])),
    max_size=12,
)
closings = st.lists(
    st.tuples(
        st.sampled_from([None, "ada", "ben", "blue"]),
        st.integers(0, 7 * 24 * 12),
        st.integers(1, 14 * 12),
    ),
    max_size=4,
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(bookings=bookings, closings=closings)
def test_the_api_offers_what_a_plain_count_finds(
    app: Flask, bookings: list[Booking], closings: list[Closing]
) -> None:
    arrange(bookings, closings)

    for slug in SERVICES:
        assert offered(app, slug) == counted(slug), slug


@pytest.mark.parametrize("slug", SERVICES)
def test_what_is_offered_can_be_booked_and_what_is_not_cannot(sqlite_app: Flask, slug: str) -> None:
    arrange(
        [("visit", 44, "ada"), ("call", 60, "ada"), ("video", 88, "ben"),
         *(("video", number, "ada") for number in (164, 166, 168, 170))],
        [("ada", 39 * 12, 18), (None, 59 * 12, 12), ("blue", 14 * 12, 36)],
    )  # fmt: skip
    names = offered(sqlite_app, slug)
    everybody = [each.slug for each in the_service(db.session(), slug).practitioners]

    can = {
        (start, who)
        for start in every_quarter()
        for who in everybody
        if can_be_booked(slug, start, who)
    }

    assert can == names
    assert names


def test_over_two_years_each_years_holidays_offer_nothing(sqlite_app: Flask) -> None:
    with sqlite_app.app_context(), transaction() as session:
        service, clinic = the_service(session, "call"), session.get_one(Clinic, 1)
        service.booking_horizon = timedelta(days=700)
        found = free_slots(session, clinic, service, Span(NOW, NOW + timedelta(days=700)), now=NOW)

    days = {slot.start.astimezone(NEW_YORK).date() for slot in found}
    assert {date(2027, 1, 4), date(2028, 1, 3)} <= days
    assert not days & {date(2026, 12, 25), date(2027, 1, 1), date(2027, 11, 25), date(2028, 7, 4)}


def test_a_public_holiday_and_a_full_day_offer_nothing(app: Flask) -> None:
    arrange([("video", number, "ada") for number in (44, 46, 48, 50)], [])

    days = {start.astimezone(NEW_YORK).date() for start, _ in offered(app, "video")}

    assert THANKSGIVING not in days
    assert date(2026, 11, 24) not in days
    assert date(2026, 11, 25) in days


def arrange(bookings: list[Booking], closings: list[Closing]) -> None:
    """The small clinic with a cap, closures, and those of the bookings that are possible."""
    with transaction() as session:
        session.execute(delete(Appointment))
        session.execute(delete(Closure))
        the_service(session, "video").daily_cap = CAP
        ids = {each.slug: each.id for each in session.scalars(select(Resource))}
        for who, begins, length in closings:
            start = FIRST + timedelta(minutes=5 * begins)
            session.add(
                Closure(
                    resource_id=ids[who] if who else None,
                    starts_at=start,
                    ends_at=start + timedelta(minutes=5 * length),
                )
            )
    quarters = list(every_quarter())
    for slug, number, who in bookings:
        with suppress(SlotTaken, NotOffered), transaction() as session:
            book_appointment(
                session, slug, wish(quarters[number % len(quarters)], who), HOUSE, now=NOW
            )


def every_quarter() -> Iterator[datetime]:
    """The quarters of an hour between 8:00 and 18:00 of each day of the week."""
    for day in WEEK:
        start = datetime.combine(day, time(8), NEW_YORK)
        for number in range(40):
            yield (start + number * QUARTER).astimezone(at("Mon 00:00").tzinfo)


def wish(start: datetime, who: str) -> BookingRequest:
    return BookingRequest(start=start, practitioner=who, patient=a_patient())


def can_be_booked(slug: str, start: datetime, who: str) -> bool:
    try:
        with transaction() as session:
            book_appointment(session, slug, wish(start, who), HOUSE, now=NOW)
            raise Undo
    except Undo:
        return True
    except SlotTaken:
        return False


def offered(app: Flask, slug: str) -> set[tuple[datetime, str]]:
    """What the API says: each start with each of its practitioners."""
    query = f"/api/v1/slots?service={slug}&from={WEEK[0]}&to={WEEK[-1]}"
    slots = app.test_client().get(query).get_json()["slots"]
    return {
        (datetime.fromisoformat(each["start"]), who)
        for each in slots
        for who in each["practitioners"]
    }


def counted(slug: str) -> set[tuple[datetime, str]]:
    """The same, minute by minute, straight from the tables."""
    db.session.rollback()
    service = the_service(db.session(), slug)
    full, with_a_room = full_days(service), starts_with_a_room(service)
    found = set()
    for practitioner in service.practitioners:
        rules = [
            each.rule
            for each in db.session.scalars(
                select(OpeningHours).where(OpeningHours.resource_id == practitioner.id)
            ).unique()
        ]
        hours = open_instants(rules, SHOWN) - closed(None) - closed(practitioner.id)
        grid = grid_instants(rules, service.step, SHOWN)
        busy = taken(practitioner.id)
        found |= {
            (start, practitioner.slug)
            for start in grid
            if may_start(service.rules, start, hours=hours, grid=grid, taken=busy, now=NOW)
            and start in with_a_room
            and start.astimezone(NEW_YORK).date() not in full
        }
    return found


def starts_with_a_room(service: HealthcareService) -> set[datetime]:
    quarters = set(every_quarter())
    if not service.rooms:
        return quarters
    everything = {each.instant for each in SHOWN}
    return {
        start
        for room in service.rooms
        for usable, busy in [(everything - closed(room.id), taken(room.id))]
        for start in quarters
        if room_may_start(service.rules, start, taken=busy, usable=usable)
    }


def taken(resource: int) -> set[datetime]:
    rows = db.session.scalars(select(Occupancy).where(Occupancy.resource_id == resource))
    return minutes_of(Span(each.blocked_from, each.blocked_until) for each in rows)


def closed(resource: int | None) -> set[datetime]:
    """By closures; the whole clinic also on the one public holiday of this week."""
    rows = db.session.scalars(select(Closure))
    minutes = minutes_of(each.span for each in rows if each.resource_id == resource)
    if resource is None:
        minutes |= {each.instant for each in SHOWN if each.day == THANKSGIVING}
    return minutes


def full_days(service: HealthcareService) -> set[date]:
    query = select(Appointment.start_at).where(Appointment.service_id == service.id)
    days = [start.astimezone(NEW_YORK).date() for start in db.session.scalars(query)]
    cap = service.daily_cap
    return {day for day in days if cap is not None and days.count(day) >= cap}
