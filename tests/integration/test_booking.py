"""Booking, moving, cancelling: the appointment's life on both databases."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, event, func, select

from booking.domain.lifecycle import Status, Verb
from booking.domain.refusals import (
    KeyReused,
    NotOffered,
    SlotTaken,
    TooLate,
    TooManyAppointments,
    WrongState,
)
from booking.models import (
    Appointment,
    Audience,
    Clinic,
    IdempotencyKey,
    Kind,
    Occupancy,
    OwedMessage,
)
from booking.models.database import db, transaction
from booking.services.appointments import (
    House,
    book_appointment,
    cancel_appointment,
    note_attendance,
    reschedule_appointment,
)
from booking.services.links import Keys
from tests.builders import HOUSE, NOW, SECRET, a_request, an_appointment, at

pytestmark = pytest.mark.usefixtures("app")


def owed(audience: Audience = Audience.PATIENT) -> list[tuple[str, int]]:
    """Kind and sequence of what is owed to somebody, oldest first."""
    query = select(OwedMessage).where(OwedMessage.audience == audience).order_by(OwedMessage.id)
    return [(each.kind, each.sequence) for each in db.session.scalars(query)]


def blocked() -> int:
    return db.session.scalar(select(func.count()).select_from(Occupancy)) or 0


def test_a_booking_takes_the_practitioner_and_the_room_with_its_buffers() -> None:
    with transaction() as session:
        made = an_appointment(session, "Tue 09:00")
        rows = session.scalars(select(Occupancy).order_by(Occupancy.resource_id)).all()

        assert {row.resource_id for row in rows} == {made.practitioner_id, made.room_id}
        assert {(row.blocked_from, row.blocked_until) for row in rows} == {
            (at("Tue 09:00"), at("Tue 10:00"))
        }


def test_a_booking_owes_a_message_to_everyone_concerned() -> None:
    with transaction() as session:
        an_appointment(session)

    assert owed() == [(Kind.CONFIRMED, 0)]
    assert owed(Audience.PRACTITIONER) == [(Kind.CONFIRMED, 0)]
    assert owed(Audience.STAFF) == [(Kind.CONFIRMED, 0)]


def test_a_taken_slot_is_refused_and_nothing_is_written() -> None:
    with transaction() as session:
        an_appointment(session, "Tue 09:00")

    with pytest.raises(SlotTaken), transaction() as session:
        an_appointment(session, "Tue 09:30")

    assert blocked() == 2
    assert owed() == [(Kind.CONFIRMED, 0)]


@pytest.mark.parametrize("start", ["Tue 09:10", "Tue 12:00", "Tue 08:30", "Sat 09:00", "Mon 08:30"])
def test_what_is_not_offered_cannot_be_booked(start: str) -> None:
    with pytest.raises(SlotTaken), transaction() as session:
        an_appointment(session, start)


def test_a_service_of_the_staff_or_an_unknown_practitioner_is_not_offered() -> None:
    with pytest.raises(NotOffered), transaction() as session:
        an_appointment(session, service="internal")
    with pytest.raises(NotOffered), transaction() as session:
        an_appointment(session, practitioner="nobody")


def test_the_one_room_keeps_two_practitioners_from_meeting_at_once() -> None:
    with transaction() as session:
        an_appointment(session, "Wed 10:00", practitioner="ada")

    with pytest.raises(SlotTaken), transaction() as session:
        an_appointment(session, "Wed 10:00", practitioner="ben")


def test_anyone_means_whoever_has_fewest_appointments_that_day() -> None:
    with transaction() as session:
        an_appointment(session, "Wed 09:00", practitioner="ada", service="video")

        chosen = an_appointment(session, "Wed 11:00", practitioner=None, service="video")

        assert chosen.practitioner.slug == "ben"


def test_anyone_goes_round_when_the_day_is_even() -> None:
    with transaction() as session:
        an_appointment(session, "Wed 10:00", practitioner="ada", service="video")
        an_appointment(session, "Wed 10:00", practitioner="ben", service="video")

        chosen = an_appointment(session, "Wed 11:00", practitioner=None, service="video")

        assert chosen.practitioner.slug == "ada"


def test_the_same_key_and_wish_book_once() -> None:
    request = a_request(key="form:one")

    with transaction() as session:
        first = book_appointment(session, "visit", request, HOUSE, now=NOW).reference
    with transaction() as session:
        second = book_appointment(session, "visit", request, HOUSE, now=NOW).reference

    assert first == second
    assert owed() == [(Kind.CONFIRMED, 0)]


def test_the_same_key_with_another_wish_is_refused() -> None:
    with transaction() as session:
        book_appointment(session, "visit", a_request(key="form:one"), HOUSE, now=NOW)

    with pytest.raises(KeyReused), transaction() as session:
        other = a_request(key="form:one", name="Somebody Else")
        book_appointment(session, "visit", other, HOUSE, now=NOW)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_key_that_is_forgotten_in_this_moment_is_a_new_one() -> None:
    with transaction() as session:
        first = book_appointment(session, "visit", a_request(key="form:one"), HOUSE, now=NOW).id

    done: list[str] = []

    def forgets(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("INSERT INTO idempotency_key") and not done:
            done.append(statement)
            with connection.engine.begin() as other:
                other.execute(delete(IdempotencyKey))

    event.listen(db.engine, "after_cursor_execute", forgets)
    with pytest.raises(SlotTaken), transaction() as session:
        book_appointment(session, "visit", a_request(key="form:one"), HOUSE, now=NOW)

    assert db.session.scalars(select(Appointment.id)).all() == [first]


def test_a_key_whose_booking_was_refused_can_be_used_again() -> None:
    with transaction() as session:
        blocker = an_appointment(session)
    with pytest.raises(SlotTaken), transaction() as session:
        book_appointment(session, "visit", a_request(key="form:one"), HOUSE, now=NOW)
    with transaction() as session:
        cancel_appointment(session, session.merge(blocker), HOUSE, now=NOW)

    with transaction() as session:
        made = book_appointment(session, "visit", a_request(key="form:one"), HOUSE, now=NOW)

        assert made.status == Status.BOOKED


@pytest.mark.parametrize(
    "other",
    [{"phone": "+12125559999"}, {"phone": None}, {"email": "SAM@mail.example"}],
)
def test_one_contact_holds_only_so_many_coming_appointments(other: dict[str, Any]) -> None:
    with transaction() as session:
        session.get_one(Clinic, 1).appointments_per_contact = 1
        an_appointment(session, "Tue 09:00")

    with pytest.raises(TooManyAppointments), transaction() as session:
        an_appointment(session, "Fri 09:00", **other)


def test_moving_keeps_the_uid_raises_the_sequence_and_frees_the_old_time() -> None:
    with transaction() as session:
        made = an_appointment(session, "Tue 09:00")
        uid = made.uid

        moved = reschedule_appointment(session, made, at("Fri 10:00"), HOUSE, now=NOW)

        assert (moved.uid, moved.sequence, moved.start_at) == (uid, 1, at("Fri 10:00"))
        assert an_appointment(session, "Tue 09:00", email="x@mail.example").status == Status.BOOKED
    assert owed()[:2] == [(Kind.CONFIRMED, 0), (Kind.RESCHEDULED, 1)]


def test_moving_by_less_than_its_own_length_is_possible() -> None:
    with transaction() as session:
        made = an_appointment(session, "Tue 09:00")

        moved = reschedule_appointment(session, made, at("Tue 09:30"), HOUSE, now=NOW)

        assert moved.start_at == at("Tue 09:30")


def test_moving_to_a_taken_slot_keeps_the_old_one() -> None:
    with transaction() as session:
        made = an_appointment(session, "Tue 09:00")
        an_appointment(session, "Tue 14:00", email="x@mail.example")

    with pytest.raises(SlotTaken), transaction() as session:
        again = session.get_one(Appointment, made.id)
        reschedule_appointment(session, again, at("Tue 14:00"), HOUSE, now=NOW)

    kept = db.session.get_one(Appointment, made.id)
    assert (kept.start_at, kept.sequence) == (at("Tue 09:00"), 0)
    assert blocked() == 4


def test_moving_to_where_it_is_tells_nobody() -> None:
    with transaction() as session:
        made = an_appointment(session)

        reschedule_appointment(session, made, made.start_at, HOUSE, now=NOW)

        assert made.sequence == 0
    assert owed() == [(Kind.CONFIRMED, 0)]


def test_cancelling_frees_the_time_and_raises_the_sequence() -> None:
    with transaction() as session:
        made = an_appointment(session)

        cancel_appointment(session, made, HOUSE, now=NOW, reason="away")

        assert (made.status, made.sequence, made.cancel_reason) == (Status.CANCELLED, 1, "away")
    assert blocked() == 0
    assert owed() == [(Kind.CONFIRMED, 0), (Kind.CANCELLED, 1)]


def test_what_is_cancelled_cannot_be_moved_or_cancelled() -> None:
    with transaction() as session:
        made = an_appointment(session)
        cancel_appointment(session, made, HOUSE, now=NOW)

        with pytest.raises(WrongState):
            cancel_appointment(session, made, HOUSE, now=NOW)
        with pytest.raises(WrongState):
            reschedule_appointment(session, made, at("Fri 10:00"), HOUSE, now=NOW)


def test_within_the_cutoff_a_patient_cannot_change_but_staff_can() -> None:
    with transaction() as session:
        made = an_appointment(session, "Tue 09:00")
        late = at("Tue 09:00") - timedelta(minutes=119)

        with pytest.raises(TooLate):
            cancel_appointment(session, made, HOUSE, now=late)
        with pytest.raises(TooLate):
            reschedule_appointment(session, made, at("Fri 10:00"), HOUSE, now=late)
        cancel_appointment(session, made, HOUSE, now=late, actor="desk@clinic.example")

        assert made.status == Status.CANCELLED


def test_an_answer_to_the_old_time_does_not_count_for_the_new() -> None:
    with transaction() as session:
        made = an_appointment(session)
        made.partstat = "ACCEPTED"  # type: ignore[assignment]

        reschedule_appointment(session, made, at("Fri 10:00"), HOUSE, now=NOW)

        assert made.partstat == "NEEDS-ACTION"


def test_a_missed_appointment_gives_its_time_back_and_a_correction_takes_it_again() -> None:
    with transaction() as session:
        made = an_appointment(session, "Mon 10:00")
        note_attendance(session, made, Verb.MISS, HOUSE, actor="desk", now=NOW)
        assert blocked() == 0

        note_attendance(session, made, Verb.FULFIL, HOUSE, actor="desk", now=NOW)

        assert made.status == Status.FULFILLED
    assert blocked() == 2


def test_a_correction_is_refused_when_somebody_else_has_the_time() -> None:
    with transaction() as session:
        made = an_appointment(session, "Mon 10:00")
        note_attendance(session, made, Verb.MISS, HOUSE, actor="desk", now=NOW)
        an_appointment(session, "Mon 10:00", email="x@mail.example")

    with pytest.raises(SlotTaken), transaction() as session:
        again = session.get_one(Appointment, made.id)
        note_attendance(session, again, Verb.FULFIL, HOUSE, actor="desk", now=NOW)


def test_messages_wait_as_long_as_a_change_can_be_taken_back() -> None:
    house = House(Keys(SECRET), timedelta(seconds=120))
    with transaction() as session:
        book_appointment(session, "visit", a_request(), house, now=NOW)

    due = set(db.session.scalars(select(OwedMessage.due_at)))
    assert due == {NOW + timedelta(seconds=120)}
