"""The guard alone: what the database lets stand side by side, whoever writes it."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Partstat
from booking.models import Appointment, HealthcareService, Occupancy, Resource
from booking.models.database import db, transaction
from tests.builders import at

pytestmark = pytest.mark.usefixtures("app")

ADA, BEN, BLUE = "ada", "ben", "blue"
TEN, ELEVEN = at("Tue 10:00"), at("Tue 11:00")
MICROSECOND = timedelta(microseconds=1)

OVERLAPPING = {
    "the same": (TEN, ELEVEN),
    "one inside": (TEN + timedelta(minutes=15), ELEVEN - timedelta(minutes=15)),
    "one around": (TEN - timedelta(hours=1), ELEVEN + timedelta(hours=1)),
    "its beginning": (TEN - timedelta(minutes=30), TEN + timedelta(minutes=1)),
    "its end": (ELEVEN - timedelta(minutes=1), ELEVEN + timedelta(minutes=30)),
    "by a microsecond before": (TEN - timedelta(hours=1), TEN + MICROSECOND),
    "by a microsecond after": (ELEVEN - MICROSECOND, ELEVEN + timedelta(hours=1)),
    "from a day before": (TEN + MICROSECOND - timedelta(days=1), TEN + MICROSECOND),
    "until a day after": (ELEVEN - MICROSECOND, ELEVEN - MICROSECOND + timedelta(days=1)),
}
APART = {
    "touching before": (TEN - timedelta(minutes=30), TEN),
    "touching after": (ELEVEN, ELEVEN + timedelta(minutes=30)),
    "a whole day before": (TEN - timedelta(days=1), TEN),
    "a whole day after": (ELEVEN, ELEVEN + timedelta(days=1)),
    "another day": (at("Wed 10:00"), at("Wed 11:00")),
}
Stretch = tuple[datetime, datetime]


@pytest.mark.parametrize("stretch", OVERLAPPING.values(), ids=OVERLAPPING)
def test_a_row_that_overlaps_cannot_be_written(stretch: Stretch) -> None:
    occupy(ADA, TEN, ELEVEN)

    with pytest.raises(IntegrityError, match="occupancy_overlap"):
        occupy(ADA, *stretch)


@pytest.mark.parametrize("stretch", OVERLAPPING.values(), ids=OVERLAPPING)
def test_a_row_cannot_be_changed_so_that_it_overlaps(stretch: Stretch) -> None:
    occupy(ADA, TEN, ELEVEN)
    row = occupy(ADA, at("Fri 10:00"), at("Fri 11:00"))

    with pytest.raises(IntegrityError, match="occupancy_overlap"):
        change(row, blocked_from=stretch[0], blocked_until=stretch[1])


def test_a_row_cannot_be_given_to_a_resource_that_is_taken_then() -> None:
    occupy(ADA, TEN, ELEVEN)
    row = occupy(BEN, TEN, ELEVEN)

    with pytest.raises(IntegrityError, match="occupancy_overlap"):
        change(row, resource_id=resource(ADA))


@pytest.mark.parametrize("stretch", APART.values(), ids=APART)
def test_rows_that_touch_or_lie_apart_stand_side_by_side(stretch: Stretch) -> None:
    occupy(ADA, TEN, ELEVEN)

    occupy(ADA, *stretch)


@pytest.mark.parametrize("other", [BEN, BLUE])
def test_other_resources_are_taken_at_the_same_time(other: str) -> None:
    occupy(ADA, TEN, ELEVEN)

    occupy(other, TEN, ELEVEN)


def test_a_row_may_be_moved_by_less_than_its_own_length() -> None:
    row = occupy(ADA, TEN, ELEVEN)

    change(row, blocked_from=TEN + timedelta(minutes=5), blocked_until=ELEVEN)


def test_a_span_of_more_than_a_day_cannot_be_written() -> None:
    with pytest.raises(IntegrityError, match="occupancy_too_long"):
        occupy(ADA, TEN, TEN + timedelta(days=1, minutes=1))


def test_a_row_cannot_grow_beyond_a_day() -> None:
    row = occupy(ADA, TEN, ELEVEN)

    with pytest.raises(IntegrityError, match="occupancy_too_long"):
        change(row, blocked_until=TEN + timedelta(days=1, minutes=1))


@pytest.mark.parametrize("until", [TEN, TEN - timedelta(minutes=1)])
def test_a_row_takes_some_time(until: datetime) -> None:
    with pytest.raises(DBAPIError):
        occupy(ADA, TEN, until)


Choice = tuple[str, int, int]
choices = st.lists(
    st.tuples(
        st.sampled_from([ADA, BEN]),
        st.integers(-26 * 12, 26 * 12),
        st.integers(1, 24 * 12) | st.integers(1, 24),
    ),
    min_size=2,
    max_size=14,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(choices=choices)
def test_the_guard_refuses_just_what_overlaps(choices: list[Choice]) -> None:
    standing: list[tuple[str, datetime, datetime]] = []
    for who, begins, length in choices:
        start = TEN + timedelta(minutes=5 * begins)
        until = start + timedelta(minutes=5 * length)
        free = not any(name == who and start < b and a < until for name, a, b in standing)

        assert was_written(who, start, until) is free
        if free:
            standing.append((who, start, until))
    with transaction() as session:
        session.execute(delete(Appointment))


def was_written(who: str, start: datetime, until: datetime) -> bool:
    try:
        occupy(who, start, until)
    except IntegrityError:
        return False
    return True


def occupy(who: str, start: datetime, until: datetime) -> int:
    """Write a row past every service of ours; returns its id."""
    with transaction() as session:
        statement = insert(Occupancy).returning(Occupancy.id)
        values = {"resource_id": resource(who), "appointment_id": a_bare_appointment(session)}
        return session.scalars(
            statement, values | {"blocked_from": start, "blocked_until": until}
        ).one()


def change(row: int, **values: object) -> None:
    with transaction() as session:
        session.execute(update(Occupancy).where(Occupancy.id == row).values(**values))


def resource(slug: str) -> int:
    return db.session.scalars(select(Resource.id).where(Resource.slug == slug)).one()


def a_bare_appointment(session: Session) -> int:
    """One that takes no time by itself: the row under test is its only one."""
    unique = uuid4()
    appointment = Appointment(
        reference=unique.hex[:8],
        uid=str(unique),
        link_nonce=unique.bytes,
        link_digest=unique.bytes,
        service_id=session.scalars(select(HealthcareService.id)).first(),
        practitioner_id=resource(ADA),
        start_at=TEN,
        end_at=ELEVEN,
        partstat=Partstat.NEEDS_ACTION,
        patient_name="Sam Rivers",
        patient_email="sam@mail.example",
        email_key="sam@mail.example",
        patient_timezone="America/New_York",
        consented_at=TEN,
        created_at=TEN,
        updated_at=TEN,
    )
    session.add(appointment)
    session.flush()
    return appointment.id
