"""Many processes want the same day: nobody meets anybody, and nothing stays empty."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.domain.openings import local_day
from booking.domain.slots import Slot
from booking.models import Appointment, Clinic, Occupancy
from booking.models.database import db, transaction
from booking.services import audit
from booking.services.appointments import book_appointment
from booking.services.availability import free_slots
from booking.services.requests import BookingRequest
from tests.builders import HOUSE, NEW_YORK, NOW, a_patient, at, the_service
from tests.integration.crowd import (
    Outcome,
    Wish,
    all_at_once,
    book_one,
    book_what_is_left,
    move_one,
)

PROCESSES = 8
SERVICES = ("visit", "video", "call")
TUESDAY = local_day(at("Tue 12:00").date(), NEW_YORK)

pytestmark = pytest.mark.usefixtures("app")


def test_eight_processes_fill_a_day_and_nobody_meets_anybody(database_url: str) -> None:
    wishes = [wish for service in SERVICES for wish in wishes_for(service)]

    outcomes = every_process(database_url, wishes)

    booked = [each for each in outcomes if each.reference]
    assert overlaps() == []
    assert sorted(stored()) == sorted(each.reference or "" for each in booked)
    assert [slot for service in SERVICES for slot in free(service)] == []
    assert not any(each.guard for each in outcomes), "the lock should have won, not the guard"
    assert list(audit.verify(db.session(), HOUSE.keys)) == [], "eight wrote one trail"


def test_of_eight_processes_that_want_one_slot_one_has_it(database_url: str) -> None:
    wish = Wish("visit", at("Tue 09:00"))

    outcomes = every_process(database_url, [wish])

    assert sum(each.reference is not None for each in outcomes) == 1
    assert not any(each.guard for each in outcomes)


def test_of_eight_that_move_to_one_slot_one_has_it_and_the_rest_keep_theirs(
    database_url: str,
) -> None:
    with transaction() as session:
        starts = [slot.start for slot in free("call")[-PROCESSES:]]
        made = {
            book_appointment(session, "call", wish, HOUSE, now=NOW).reference: wish.start
            for wish in (a_wish(start) for start in starts)
        }

    outcomes = all_at_once(
        move_one, [(database_url, reference, at("Tue 09:00")) for reference in made]
    )

    moved = {each.reference for each in outcomes if each.reference}
    kept = {name: start for name, start in starts_now().items() if name not in moved}
    assert len(moved) == 1
    assert kept == {name: start for name, start in made.items() if name not in moved}
    assert overlaps() == []
    assert not any(each.guard for each in outcomes)


def test_eight_processes_never_book_more_than_a_day_may_hold(database_url: str) -> None:
    with transaction() as session:
        the_service(session, "video").daily_cap = 3

    wishes = [
        wish._replace(patient=number) for number, wish in enumerate(wishes_for("video")[:PROCESSES])
    ]

    outcomes = all_at_once(book_one, [(database_url, wish) for wish in wishes])

    assert sum(each.reference is not None for each in outcomes) == 3


def test_a_contact_never_holds_more_than_one_may_whatever_is_booked_at_once(
    database_url: str,
) -> None:
    with transaction() as session:
        session.get_one(Clinic, 1).appointments_per_contact = 1
        only(session, "video", "ben")  # so that the two services have nothing in common to lock
    calls = wishes_for("call")[:4]
    videos = [Wish("video", at(f"Wed {hour}:00"), "ben") for hour in (10, 11, 12, 13)]

    outcomes = all_at_once(book_one, [(database_url, wish) for wish in [*calls, *videos]])

    assert sum(each.reference is not None for each in outcomes) == 1


def every_process(database_url: str, wishes: Sequence[Wish]) -> list[Outcome]:
    arguments = [(database_url, wishes, number) for number in range(PROCESSES)]
    answers = all_at_once(book_what_is_left, arguments)
    db.session.rollback()
    return [outcome for answer in answers for outcome in answer]


def a_wish(start: datetime) -> BookingRequest:
    return BookingRequest(start=start, practitioner="ada", patient=a_patient())


def wishes_for(service: str) -> list[Wish]:
    return [Wish(service, slot.start) for slot in free(service)]


def free(service: str) -> list[Slot]:
    found = the_service(db.session(), service)
    ada = [each.id for each in found.practitioners if each.slug == "ada"]
    clinic = db.session.get_one(Clinic, 1)
    return free_slots(db.session(), clinic, found, TUESDAY, now=NOW, practitioners=ada)


def only(session: Session, service: str, practitioner: str) -> None:
    """Leave the service to one person."""
    found = the_service(session, service)
    found.resources = [each for each in found.resources if each.slug == practitioner]


def starts_now() -> dict[str, datetime]:
    db.session.rollback()
    return {each.reference: each.start_at for each in db.session.scalars(select(Appointment))}


def stored() -> Sequence[str]:
    return db.session.scalars(select(Appointment.reference)).all()


def overlaps() -> list[tuple[Occupancy, Occupancy]]:
    """Neighbours of one resource that overlap, found without the database's help."""
    query = select(Occupancy).order_by(Occupancy.resource_id, Occupancy.blocked_from)
    return [
        (one, other)
        for one, other in pairwise(db.session.scalars(query))
        if one.resource_id == other.resource_id and other.blocked_from < one.blocked_until
    ]
