"""What a process remembers of the free times is what the database would say, always."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from booking.domain.openings import WeeklyHours
from booking.domain.slots import Slot
from booking.domain.timeline import Span
from booking.models import (
    OF_THE_CLINIC,
    Appointment,
    BusyCalendar,
    BusyTime,
    CalendarKind,
    Clinic,
    Closure,
    Hold,
    HolidayOverride,
    Occupancy,
    OpeningBreak,
    OpeningHours,
    Resource,
    TimeVersion,
)
from booking.models.database import db, transaction
from booking.services import holds
from booking.services.appointments import cancel_appointment, reschedule_appointment
from booking.services.availability import load_diary, whole_horizon
from booking.services.remembering import Memory
from tests.builders import HOUSE, NOW, an_appointment, at, the_service
from tests.integration.history import more_practitioners

SERVICES = ("visit", "video", "call")
VISITOR = holds.Visitor((b"v" * 32,), "address", "network")

Change = Callable[[Session], None]


def resource(session: Session, slug: str) -> int:
    return session.scalars(select(Resource.id).where(Resource.slug == slug)).one()


def book(session: Session) -> None:
    an_appointment(session, "Tue 10:00", service="video", practitioner="ada")


def cancel(session: Session) -> None:
    made = an_appointment(session, "Tue 11:00", service="video", practitioner="ada")
    session.flush()
    cancel_appointment(session, made, HOUSE, now=NOW)


def move(session: Session) -> None:
    made = an_appointment(session, "Tue 11:00", service="video", practitioner="ada")
    reschedule_appointment(session, made, at("Wed 11:00"), HOUSE, now=NOW)


def hold(session: Session) -> None:
    holds.hold_slot(session, "video", at("Wed 14:00"), "ada", VISITOR, now=NOW)


def let_go(session: Session) -> None:
    hold(session)
    holds.let_go(session, *VISITOR.keys)


def close_clinic(session: Session) -> None:
    session.add(Closure(starts_at=at("Wed 09:00"), ends_at=at("Wed 12:00")))


def close_one(session: Session) -> None:
    ada = resource(session, "ada")
    times = {"starts_at": at("Wed 09:00"), "ends_at": at("Wed 12:00")}
    session.add(Closure(resource_id=ada, **times))


def close_room(session: Session) -> None:
    room = resource(session, "blue")
    times = {"starts_at": at("Wed 09:00"), "ends_at": at("Fri 12:00")}
    session.add(Closure(resource_id=room, **times))


def open_on_a_holiday(session: Session) -> None:
    session.add(HolidayOverride(on_date=date(2026, 11, 26)))


def more_hours(session: Session) -> None:
    rule = WeeklyHours(weekday=5, opens=time(9), closes=time(11))
    session.add(OpeningHours.of(resource(session, "ada"), rule))


def fewer_hours(session: Session) -> None:
    ada = resource(session, "ada")
    session.execute(delete(OpeningHours).where(OpeningHours.resource_id == ada))


def a_break(session: Session) -> None:
    ada = resource(session, "ada")
    hours = session.scalars(select(OpeningHours).where(OpeningHours.resource_id == ada))
    session.add(
        OpeningBreak(opening_hours_id=next(hours.unique()).id, begins=time(10), ends=time(11))
    )


def busy(session: Session) -> None:
    calendar = BusyCalendar(
        resource_id=resource(session, "ada"),
        kind=CalendarKind.ICS,
        name="Own",
        sealed_url=b"-",
        next_check_at=NOW,
    )
    session.add(calendar)
    session.flush()
    times = {"starts_at": at("Thu 09:00", week=1), "ends_at": at("Thu 12:00", week=1)}
    session.add(BusyTime(calendar_id=calendar.id, resource_id=calendar.resource_id, **times))


def other_rules(session: Session) -> None:
    the_service(session, "video").minimum_notice = timedelta(days=3)
    the_service(session, "visit").duration = timedelta(minutes=30)
    the_service(session, "call").daily_cap = 1


def another_colleague(session: Session) -> None:
    more_practitioners(session, the_service(session, "video"), 1)


def out_of_use(session: Session) -> None:
    session.get_one(Resource, resource(session, "ada")).active = False


def another_zone(session: Session) -> None:
    session.get_one(Clinic, 1).timezone = "America/Denver"


def to_another(session: Session) -> None:
    """By hand, behind the back of the service."""
    an_appointment(session, "Wed 11:00", service="video", practitioner="ada")
    session.flush()
    ben = resource(session, "ben")
    session.execute(update(Occupancy).values(resource_id=ben))


CHANGES: tuple[Change, ...] = (
    book,
    cancel,
    move,
    hold,
    let_go,
    close_clinic,
    close_one,
    close_room,
    open_on_a_holiday,
    more_hours,
    fewer_hours,
    a_break,
    busy,
    other_rules,
    another_colleague,
    out_of_use,
    another_zone,
    to_another,
)
UNSEEN = (cancel, let_go)
"""They leave what is on offer as it was before."""


def told(
    memory: Memory, now: datetime = NOW, services: Sequence[str] = SERVICES
) -> dict[str, list[Slot]]:
    """What the process would show."""
    db.session.remove()
    session = db.session()
    clinic = session.get_one(Clinic, 1)
    return {
        slug: memory.offer(session, clinic, the_service(session, slug), now=now).offer.slots()
        for slug in services
    }


def looked_up(now: datetime = NOW) -> dict[str, list[Slot]]:
    """What the database says."""
    db.session.remove()
    session, found = db.session(), {}
    for slug in SERVICES:
        service = the_service(session, slug)
        span = whole_horizon(service, now)
        clinic = session.get_one(Clinic, 1)
        found[slug] = load_diary(session, clinic, service, span, now=now).slots()
    return found


def tags(memory: Memory, now: datetime = NOW) -> list[object]:
    db.session.remove()
    session = db.session()
    clinic = session.get_one(Clinic, 1)
    services = [the_service(session, slug) for slug in SERVICES]
    return [memory.offer(session, clinic, each, now=now).version for each in services]


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
def test_a_change_is_seen_by_who_had_looked_before(change: Change) -> None:
    memory = Memory()
    before, tags_before = told(memory), tags(memory)
    assert before == looked_up()

    with transaction() as session:
        change(session)

    assert told(memory) == looked_up()
    assert (told(memory) == before) == (change in UNSEEN)
    assert tags(memory) != tags_before
    assert tags(memory) == tags(memory)


@pytest.mark.usefixtures("app")
def test_a_change_that_was_taken_back_leaves_the_version_alone() -> None:
    memory = Memory()
    before = tags(memory)

    with pytest.raises(RuntimeError), transaction() as session:
        book(session)
        raise RuntimeError

    assert tags(memory) == before


@pytest.mark.usefixtures("app")
def test_what_was_put_back_and_went_another_way_is_not_taken_for_the_same() -> None:
    """As after a copy was put back, or a standby that was behind has taken over."""
    memory = Memory()
    with transaction() as session:
        an_appointment(session, "Tue 09:00", service="video", practitioner="ada")
    numbers = versions(db.session())
    with transaction() as session:
        book(session)
    told(memory)

    with transaction() as session:
        session.execute(delete(Occupancy).where(Occupancy.blocked_from == at("Tue 10:00")))
        for each, number in numbers.items():
            where = TimeVersion.resource_id == each
            session.execute(update(TimeVersion).where(where).values(version=number))
    with transaction() as session:
        an_appointment(session, "Wed 14:00", service="video", practitioner="ada")

    assert told(memory) == looked_up()


@pytest.mark.usefixtures("app")
def test_a_table_that_is_emptied_by_hand_is_seen() -> None:
    memory = Memory()
    with transaction() as session:
        book(session)
    full = told(memory)

    with transaction() as session:
        sqlite = db.engine.dialect.name == "sqlite"
        session.execute(text("DELETE FROM occupancy" if sqlite else "TRUNCATE occupancy"))

    assert told(memory) == looked_up() != full


@pytest.mark.usefixtures("app")
def test_a_hold_runs_out_without_anybody_writing() -> None:
    memory = Memory()
    later = NOW + holds.LIFE
    free = looked_up(later)
    with transaction() as session:
        hold(session)
    just_before = later - timedelta(seconds=1)
    held, tag = told(memory, just_before), tags(memory, just_before)

    assert told(memory, later) == looked_up(later) == free
    assert held["video"] != free["video"]
    assert tags(memory, later) != tag


@pytest.mark.usefixtures("app")
def test_who_deletes_a_hold_by_its_own_row_is_seen_too() -> None:
    memory = Memory()
    free = told(memory)
    with transaction() as session:
        hold(session)
    assert told(memory) != free

    with transaction() as session:
        session.execute(delete(Hold))

    assert told(memory) == free


@pytest.mark.usefixtures("app")
def test_the_days_move_on() -> None:
    memory = Memory()
    told(memory)

    for hours in (1, 24, 24 * 20):
        later = NOW + timedelta(hours=hours)
        assert told(memory, later) == looked_up(later)


@pytest.mark.usefixtures("app")
def test_only_what_has_changed_is_read_again() -> None:
    memory = Memory()
    told(memory)
    kept = dict(memory._kept)

    with transaction() as session:
        book(session)
    told(memory)

    ada = resource(db.session(), "ada")
    assert {key[1] for key, entry in memory._kept.items() if kept[key] is not entry} == {ada}


@pytest.mark.usefixtures("app")
def test_each_change_gives_another_number_to_whom_it_concerns_alone() -> None:
    with transaction() as session:
        book(session)
        session.flush()
        before = versions(session)
        ada = resource(session, "ada")
        an_appointment(session, "Tue 14:00", service="video", practitioner="ada")
        session.flush()

        raised = {each for each, number in versions(session).items() if number != before.get(each)}

    assert raised == {ada}
    assert OF_THE_CLINIC in before


def versions(session: Session) -> dict[int, int]:
    rows = session.execute(select(TimeVersion.resource_id, TimeVersion.version))
    return {row.resource_id: row.version for row in rows}


@pytest.mark.usefixtures("app")
def test_one_practitioner_asked_for_is_one_of_all() -> None:
    memory, session = Memory(), db.session()
    clinic, service = session.get_one(Clinic, 1), the_service(session, "video")
    ada = resource(session, "ada")
    memory.offer(session, clinic, service, now=NOW)

    found = memory.offer(session, clinic, service, now=NOW, practitioners=[ada]).offer.slots()

    span: Span = whole_horizon(service, NOW)
    alone = load_diary(session, clinic, service, span, now=NOW, practitioners=[ada])
    assert found == alone.slots() != []


class Known:
    """What is certainly taken or free: noted after it came about, unsaid before it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: dict[tuple[str, bool], object] = {}

    def begins(self, start: str, *, taken: bool) -> None:
        with self._lock:
            self._since[start, taken] = object()

    def ends(self, start: str, *, taken: bool) -> None:
        with self._lock:
            del self._since[start, taken]

    def all(self) -> Mapping[tuple[str, bool], object]:
        with self._lock:
            return dict(self._since)


def book_and_cancel(app: Flask, known: Known, start: str) -> None:
    """Take a time and free it, again and again."""
    with app.app_context():
        known.begins(start, taken=False)
        for _ in range(12):
            known.ends(start, taken=False)
            with transaction() as session:
                made = an_appointment(session, start, service="video", practitioner="ada").id
            known.begins(start, taken=True)
            known.ends(start, taken=True)
            with transaction() as session:
                cancel_appointment(session, session.get_one(Appointment, made), HOUSE, now=NOW)
            known.begins(start, taken=False)


def watch(app: Flask, memory: Memory, known: Known, done: threading.Event) -> tuple[int, list[str]]:
    """Look at the times until all is done: how often, and what was shown wrongly."""
    looks, wrong = 0, []
    with app.app_context():
        ada = resource(db.session(), "ada")
        while not done.is_set():
            before = known.all()
            slots = told(memory, services=("video",))["video"]
            after = known.all()
            shown = {slot.start for slot in slots if ada in slot.practitioners}
            for (start, taken), since in before.items():
                if after.get((start, taken)) is since and (at(start) in shown) == taken:
                    wrong.append(f"{start} was {'taken' if taken else 'free'}")
            looks += 1
    return looks, wrong


def test_nobody_is_shown_what_was_taken_before_they_asked(app: Flask) -> None:
    memory, known, done = Memory(), Known(), threading.Event()
    starts = ["Tue 09:00", "Tue 10:00", "Wed 14:00"]

    with ThreadPoolExecutor() as threads:
        watchers = [threads.submit(watch, app, memory, known, done) for _ in range(2)]
        writers = [threads.submit(book_and_cancel, app, known, each) for each in starts]
        try:
            for each in writers:
                each.result(timeout=120)
        finally:
            done.set()
        looks = [each.result() for each in watchers]

    assert [wrong for _, wrong in looks] == [[], []]
    assert min(count for count, _ in looks) > 5
