"""The demo clinic: the same every time, on any day of the year, and never twice."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import insert, select

from booking.app import create_app
from booking.domain.lifecycle import Status
from booking.models import Appointment, AuditHead, Kind, OwedMessage
from booking.models.base import Base
from booking.models.database import db
from booking.serve import seed_demo
from booking.services import agenda
from tests.builders import NEW_YORK, Clock, Mailbox
from tests.conftest import settings_for

WHENS = {
    "a Monday": datetime(2026, 11, 23, 13, tzinfo=UTC),
    "a Sunday night": datetime(2026, 6, 7, 3, 59, tzinfo=UTC),
    "the spring gap": datetime(2027, 3, 14, 7, tzinfo=UTC),
    "the autumn fold": datetime(2026, 11, 1, 5, 30, tzinfo=UTC),
    "New Year": datetime(2027, 1, 1, 12, tzinfo=UTC),
    "the day after Thanksgiving": datetime(2026, 11, 27, 10, tzinfo=UTC),
    "a leap day": datetime(2028, 2, 29, 18, tzinfo=UTC),
}


@pytest.fixture
def empty_app(database_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[Flask]:
    app = create_app(settings_for(database_url), clock=clock, transport=mailbox)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize("when", WHENS.values(), ids=WHENS)
def test_on_any_day_there_is_something_to_see_and_nothing_to_send_yet(
    empty_app: Flask, clock: Clock, when: datetime
) -> None:
    clock.now = when

    assert seed_demo(empty_app)

    today = when.astimezone(NEW_YORK).date()
    coming = agenda.upcoming(db.session(), today, NEW_YORK)
    assert sum(len(day) for day in coming.values()) >= 4
    owed = db.session.scalars(select(OwedMessage).where(OwedMessage.settled_at.is_(None))).all()
    assert all(each.kind == Kind.REMINDER and each.due_at > when for each in owed)
    past = [each for each in appointments() if each.end_at < when]
    assert {each.status for each in past} & {Status.FULFILLED, Status.NOSHOW, Status.CANCELLED}


def test_nobody_shares_a_number_with_somebody_else(empty_app: Flask) -> None:
    """Whoever shares one shares what one contact may hold: then some days could not be filled."""
    seed_demo(empty_app)

    people = {(each.patient_name, each.patient_phone) for each in appointments()}
    assert len(people) == len({phone for _, phone in people}) == len({name for name, _ in people})


def test_it_is_the_same_every_time(empty_app: Flask) -> None:
    seed_demo(empty_app)
    first = facts()
    db.session.rollback()
    clear()

    seed_demo(empty_app)

    assert facts() == first


def test_a_clinic_that_is_there_is_left_alone(empty_app: Flask, clock: Clock) -> None:
    seed_demo(empty_app)
    before = facts()
    clock.forward(days=1)

    assert not seed_demo(empty_app)

    assert facts() == before


def appointments() -> list[Appointment]:
    return list(db.session.scalars(select(Appointment).order_by(Appointment.id)))


def facts() -> list[tuple[object, ...]]:
    """All of an appointment but what is random by design."""
    return [
        (each.start_at, each.end_at, each.status, each.patient_name, each.practitioner.slug,
         each.room and each.room.slug, each.service.slug, each.patient_phone)
        for each in appointments()
    ]  # fmt: skip


def clear() -> None:
    """An empty database again."""
    db.session.remove()
    with db.engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
        connection.execute(insert(AuditHead).values(id=1, number=0, digest=bytes(32)))
