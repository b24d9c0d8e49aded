"""The audit trail: who did what stands in a chain that shows when somebody has touched it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, update

from booking.models import Appointment, AuditEntry, AuditHead
from booking.models.database import db, transaction
from booking.services import audit
from booking.services.appointments import cancel_appointment
from booking.services.audit import Filter
from booking.services.links import Keys
from tests.builders import HOUSE, NOW, an_appointment

LENGTH = 40


@pytest.fixture
def chain(app: Flask) -> Flask:
    """A trail of some length."""
    add(LENGTH)
    return app


def add(count: int, actor: str = "desk") -> None:
    for number in range(count):
        with transaction() as session:
            audit.note(
                session,
                "appointment.read",
                keys=HOUSE.keys,
                actor=actor,
                now=NOW + timedelta(seconds=number),
                subject=f"REF{number % 4}",
                fields=("name", "phone"),
            )


def breaks(keys: Keys = HOUSE.keys) -> list[int]:
    db.session.rollback()
    return [each.number for each in audit.verify(db.session(), keys)]


@pytest.mark.usefixtures("chain")
def test_a_chain_that_nobody_touched_holds() -> None:
    assert breaks() == []


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Filter(actor="Des"), LENGTH),
        (Filter(action="appointment"), LENGTH),
        (Filter(action="Appointment.Read"), LENGTH),
        (Filter(subject="ref1"), LENGTH // 4),
        (Filter(action="sign_in"), 0),
        (Filter(actor="%"), 0),
    ],
)
def test_who_looks_for_entries_need_not_know_how_they_are_written(
    wanted: Filter, count: int
) -> None:
    """That nothing was found must not mean that a letter was typed otherwise."""
    assert len(audit.entries(db.session(), wanted)) == count


@pytest.mark.usefixtures("app")
def test_an_empty_chain_holds() -> None:
    assert breaks() == []


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize(
    "value",
    [
        {"actor": "somebody"},
        {"action": "x"},
        {"subject": "REF9"},
        {"fields": ""},
        {"at": NOW},
        {"digest": bytes(32)},
    ],
    ids=lambda value: next(iter(value)),
)
@pytest.mark.parametrize("number", [1, 17, LENGTH])
def test_a_changed_row_is_found_and_named(value: dict[str, object], number: int) -> None:
    with transaction() as session:
        if number == 1 and "at" in value:
            value = {"at": NOW - timedelta(days=1)}
        session.execute(update(AuditEntry).where(AuditEntry.number == number).values(**value))

    assert breaks()[0] == number


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize("number", [1, 17, LENGTH])
def test_a_removed_row_is_found_and_named(number: int) -> None:
    with transaction() as session:
        session.execute(delete(AuditEntry).where(AuditEntry.number == number))

    assert breaks()[0] == number


@pytest.mark.usefixtures("chain")
def test_an_end_that_was_taken_away_is_found() -> None:
    with transaction() as session:
        session.execute(delete(AuditHead))

    assert breaks() == [LENGTH]


@pytest.mark.usefixtures("chain")
def test_two_rows_that_changed_places_are_found() -> None:
    with transaction() as session:
        for old, new in ((7, -1), (8, 7), (-1, 8)):
            where = AuditEntry.number == old
            session.execute(update(AuditEntry).where(where).values(number=new))

    assert {7, 8} <= set(breaks())


@pytest.mark.usefixtures("chain")
def test_a_chain_that_was_made_anew_without_the_key_is_found() -> None:
    assert breaks(Keys("another-secret-that-is-not-the-one-of-the-clinic")) == [
        *range(1, LENGTH + 1)
    ]


def test_writers_at_once_never_break_it(app: Flask) -> None:
    def write(actor: str) -> None:
        with app.app_context():
            add(25, actor)
            db.session.remove()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, ["one", "two", "three", "four"]))

    assert breaks() == []
    assert db.session.scalar(select(func.count()).select_from(AuditEntry)) == 100
    assert db.session.get_one(AuditHead, 1).number == 100


@pytest.mark.usefixtures("app")
def test_a_change_and_its_entry_are_one() -> None:
    with transaction() as session:
        made = an_appointment(session).id
    with pytest.raises(RuntimeError), transaction() as session:
        cancel_appointment(session, session.get_one(Appointment, made), HOUSE, now=NOW)
        raise RuntimeError

    found = audit.entries(db.session(), Filter())

    assert [(each.action, each.actor) for each in found] == [("appointment.book", "patient")]
    assert breaks() == []


@pytest.mark.usefixtures("chain")
def test_it_is_asked_by_who_what_which_and_when() -> None:
    add(2, actor="other")

    def numbers(**wanted: object) -> list[int]:
        return [each.number for each in audit.entries(db.session(), Filter(**wanted))]  # type: ignore[arg-type]

    assert numbers(actor="other") == [42, 41]
    assert numbers(subject="REF3", actor="desk") == [40, 36, 32, 28, 24, 20, 16, 12, 8, 4]
    assert numbers(action="appointment.cancel") == []
    assert numbers(since=NOW + timedelta(seconds=38)) == [40, 39]
    assert numbers(until=NOW + timedelta(seconds=1), actor="desk") == [1]
    assert numbers(before=3) == [2, 1]


@pytest.mark.usefixtures("app")
def test_it_holds_no_value_of_a_person() -> None:
    with transaction() as session:
        an_appointment(session)

    [entry] = audit.entries(db.session(), Filter())

    written = repr((entry.actor, entry.action, entry.subject, entry.fields))
    assert not any(word in written for word in ("Sam", "Rivers", "sam@", "5550123"))
