"""A slot is kept for who fills in its form, and nobody can empty the calendar with that."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from booking.domain.openings import local_day
from booking.domain.refusals import SlotTaken
from booking.domain.slots import Slot
from booking.models import Appointment, Clinic, Occupancy, Practitioner, Resource
from booking.models.database import Busy, db, transaction
from booking.services import allocation, desk, holds, upkeep
from booking.services.appointments import book_appointment
from booking.services.availability import free_slots
from booking.services.holds import Visitor
from tests.builders import HOUSE, NEW_YORK, NOW, a_request, an_appointment, at, the_service
from tests.pages import page_of
from tests.visits import SAM, book, form_path, get, rows, send, the_appointment

TUESDAY = local_day(at("Tue 12:00").date(), NEW_YORK)
SOON = NOW + timedelta(minutes=10)
NINE = "2026-11-24T14:00:00Z"


def visitor(number: int = 1, *, address: str = "", network: str = "net") -> Visitor:
    return Visitor((f"visit {number}".encode().ljust(32),), address or f"from {number}", network)


def hold(start: str = "Tue 09:00", who: Visitor | None = None) -> None:
    with transaction() as session:
        holds.hold_slot(session, "video", at(start), "ada", who or visitor(), now=NOW)


def free(now: datetime = NOW) -> Sequence[Slot]:
    db.session.rollback()
    session = db.session()
    service = the_service(session, "video")
    ada = [each.id for each in service.practitioners if each.slug == "ada"]
    clinic = session.get_one(Clinic, 1)
    return free_slots(session, clinic, service, TUESDAY, now=now, practitioners=ada)


def starts(now: datetime = NOW) -> list[str]:
    return [f"{each.start.astimezone(NEW_YORK):%H:%M}" for each in free(now)]


def wish(client: FlaskClient, **more: str) -> dict[str, str]:
    """What the script sends while the form is filled in."""
    page = get(client, form_path("Tue 09:00", "video", practitioner="ada"))
    token = page.form("/book").values()["csrf_token"]
    return {"csrf_token": token, "start": NINE, "practitioner": "ada"} | more


@pytest.mark.usefixtures("app")
def test_what_is_held_is_offered_to_nobody_else_until_it_runs_out() -> None:
    hold()

    assert "09:00" not in starts(SOON - timedelta(seconds=1))
    assert "09:00" in starts(SOON)


@pytest.mark.usefixtures("app")
def test_what_is_held_cannot_be_booked_by_another() -> None:
    hold()
    request = a_request("Tue 09:00", practitioner="ada")

    with pytest.raises(SlotTaken), transaction() as session:
        book_appointment(session, "video", request, HOUSE, now=NOW)


@pytest.mark.usefixtures("app")
def test_the_law_that_keeps_appointments_apart_keeps_holds_apart() -> None:
    hold("Tue 09:00", visitor(1))
    hold("Tue 10:00", visitor(2))

    with pytest.raises(IntegrityError, match="occupancy_overlap"), transaction() as session:
        one, other = session.scalars(select(Occupancy).order_by(Occupancy.blocked_from))
        other.blocked_from, other.blocked_until = one.blocked_from, one.blocked_until


@pytest.mark.usefixtures("app")
def test_a_hold_that_has_run_out_is_in_nobodys_way() -> None:
    hold()

    with transaction() as session:
        request = a_request("Tue 09:00", practitioner="ada")
        book_appointment(session, "video", request, HOUSE, now=SOON)

    assert db.session.scalars(select(Occupancy.hold_id)).all() == [None]
    assert db.session.scalar(select(func.count(Appointment.id))) == 1


@pytest.mark.usefixtures("app")
def test_the_desk_books_over_a_hold_that_has_run_out_and_over_no_other() -> None:
    hold()
    request = a_request("Tue 09:00", practitioner="ada")

    with pytest.raises(SlotTaken), transaction() as session:
        desk.book_for_caller(session, "video", request, HOUSE, actor="x", now=NOW, anyway=True)
    with transaction() as session:
        desk.book_for_caller(session, "video", request, HOUSE, actor="x", now=SOON, anyway=True)


@pytest.mark.usefixtures("app")
def test_a_visitor_holds_one_slot_at_a_time() -> None:
    hold("Tue 09:00")
    hold("Tue 10:00")

    assert "09:00" in starts()
    assert "10:00" not in starts()


@pytest.mark.usefixtures("app")
def test_one_address_and_one_network_hold_only_so_many() -> None:
    hold("Tue 09:00", visitor(1, address="a"))
    hold("Tue 10:00", visitor(2, address="a"))
    with pytest.raises(SlotTaken):
        hold("Mon 15:00", visitor(3, address="a"))
    for number, start in enumerate(("Mon 15:00", "Fri 09:00", "Wed 09:00"), start=4):
        hold(start, visitor(number))

    with pytest.raises(SlotTaken):
        hold("Fri 14:00", visitor(7))
    hold("Fri 14:00", visitor(8, network="another"))


@pytest.mark.usefixtures("sqlite_app")
def test_a_flood_from_everywhere_leaves_four_fifths_of_a_day() -> None:
    before = starts()

    for number, start in enumerate(before * 2):
        try:
            hold(f"Tue {start}", visitor(number, network=f"net {number}"))
        except SlotTaken:
            continue

    assert len(rows()["hold"]) > 0
    assert len(starts()) >= 0.8 * len(before)


def test_who_fills_in_the_form_keeps_the_time_and_books_it(client: FlaskClient) -> None:
    assert client.post("/services/video/hold", data=wish(client)).status_code == 204
    assert "09:00" not in starts()

    form = get(client, form_path("Tue 09:00", "video", practitioner="ada"))
    booked = send(client, form, "/book", **SAM)

    assert booked.status_code == 303
    assert the_appointment().start_at == at("Tue 09:00")
    assert rows()["hold"] == []


def test_a_form_sent_before_the_answer_to_its_hold_books_its_own_time(
    sqlite_app: Flask, client: FlaskClient
) -> None:
    """An old phone: the button is pressed while the answer, and its cookie, is still on the way."""
    form = get(client, form_path("Tue 09:00", "video", practitioner="ada"))
    held = wish(client)
    with client.session_transaction() as before:
        visit = dict(before)
    client.post("/services/video/hold", data=held)
    early = sqlite_app.test_client()
    with early.session_transaction() as session:
        session.update(visit)

    booked = send(early, form, "/book", **SAM)

    assert booked.status_code == 303
    assert rows()["hold"] == []


def test_a_form_that_comes_back_keeps_its_time_without_a_script(
    sqlite_app: Flask, client: FlaskClient
) -> None:
    answer = book(client, "Tue 09:00", "call", email="nonsense")
    held = len(rows()["hold"])

    others = sqlite_app.test_client().get(form_path("Tue 09:00", "call")).status_code
    mended = send(client, page_of(answer), "/book", email="sam@mail.example")

    assert (answer.status_code, held, others, mended.status_code) == (422, 1, 409, 303)


def test_a_booking_that_fails_leaves_the_hold_with_whom_it_was(client: FlaskClient) -> None:
    """The practitioner has gone and comes back; what was held meanwhile is still one's own."""
    client.post("/services/video/hold", data=wish(client))
    form = get(client, form_path("Tue 09:00", "video", practitioner="ada"))
    _active("ada", active=False)
    assert send(client, form, "/book", **SAM).status_code == 409

    _active("ada", active=True)

    assert send(client, form, "/book", **SAM).status_code == 303


def _active(slug: str, *, active: bool) -> None:
    with transaction() as session:
        session.scalars(select(Practitioner).where(Practitioner.slug == slug)).one().active = active


def test_leaving_the_page_frees_the_time(client: FlaskClient) -> None:
    held = wish(client)
    client.post("/services/video/hold", data=held)

    assert client.post("/let-go", data={"csrf_token": held["csrf_token"]}).status_code == 204

    assert "09:00" in starts()


@pytest.mark.parametrize("start", [NINE, "2026-11-24T14:01:00Z", "x", "1999-01-01T00:00:00Z"])
def test_the_answer_tells_nothing(client: FlaskClient, start: str) -> None:
    asked = wish(client, start=start)
    hold("Tue 09:00")

    assert client.post("/services/video/hold", data=asked).status_code == 204
    assert client.post("/services/none/hold", data=asked).status_code == 204


def test_looking_at_the_form_holds_nothing(client: FlaskClient) -> None:
    wish(client)

    assert rows()["hold"] == []


@pytest.mark.usefixtures("app")
def test_what_an_appointment_takes_is_not_to_be_held() -> None:
    with transaction() as session:
        an_appointment(session, "Tue 09:00", service="video", practitioner="ada")

    with pytest.raises(SlotTaken):
        hold()


@pytest.mark.usefixtures("app")
def test_a_hold_that_nobody_wants_is_forgotten_in_the_end() -> None:
    hold()

    for later, left in ((SOON + timedelta(minutes=59), 1), (SOON + timedelta(minutes=61), 0)):
        with transaction() as session:
            upkeep.forget_what_expired(session, now=later)
        assert len(rows()["hold"]) == left
    assert rows()["occupancy"] == []


def offer_only(service: str, *resources: str) -> None:
    """Let a service have these resources and no others."""
    with transaction() as session:
        query = select(Resource).where(Resource.slug.in_(resources))
        the_service(session, service).resources = list(session.scalars(query))


def held_at(app: Flask, service: str, start: str, number: int, now: datetime = NOW) -> None:
    with app.app_context(), transaction() as session:
        holds.hold_slot(session, service, at(start), None, visitor(number), now=now)


def test_who_sweeps_what_has_run_out_waits_for_nobody_whose_time_they_do_not_want(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One wants Ada, another wants the room; a hold that has run out had both."""
    offer_only("visit", "ada", "blue")
    offer_only("video", "ada")
    offer_only("call", "ben", "blue")
    held_at(app, "visit", "Tue 09:00", 1, NOW - timedelta(minutes=1))
    held_at(app, "call", "Wed 11:00", 2)
    let_go, sweep = threading.Event(), allocation._sweep
    now = NOW + timedelta(minutes=9, seconds=30)

    def slowly(session: Session, resources: Sequence[int], now: datetime) -> None:
        if not let_go.is_set():  # the first: what they held is free, and its number theirs
            let_go.set()
            time.sleep(0.5)  # long enough for the other to sweep
        sweep(session, resources, now)

    monkeypatch.setattr(allocation, "_sweep", slowly)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(held_at, app, "call", "Wed 13:00", 2, now)
        let_go.wait(5)
        second = threads.submit(held_at, app, "video", "Wed 13:00", 3, now)

    assert (first.exception(), second.exception()) == (None, None)


def test_two_who_change_over_to_what_the_other_had_do_not_wait_for_each_other(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_only("video", "ben")
    offer_only("call", "ada")
    held_at(app, "video", "Wed 11:00", 1)
    held_at(app, "call", "Wed 11:00", 2)
    locked, let_go = threading.Event(), holds.let_go

    def slowly(session: Session, *keys: bytes) -> None:
        if not locked.is_set():
            locked.set()
            time.sleep(0.5)  # long enough for the other to lock its service
        let_go(session, *keys)

    monkeypatch.setattr(holds, "let_go", slowly)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(held_at, app, "call", "Wed 13:00", 1)
        locked.wait(5)
        second = threads.submit(held_at, app, "video", "Wed 13:00", 2)

    assert (first.exception(), second.exception()) == (None, None)


def test_who_comes_back_after_a_day_and_what_forgets_their_key_do_not_wait_for_each_other(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same form, pressed again, while a dead hold on its practitioner is forgotten as well."""
    offer_only("video", "ada")
    later = NOW + timedelta(hours=25)
    wished = replace(a_request("Fri 11:00", practitioner="ada"), key="the form")
    with transaction() as session:
        book_appointment(session, "video", wished, HOUSE, now=NOW)
    held_at(app, "video", "Fri 09:00", 1)
    forgetting, lock_held = threading.Event(), allocation.lock_held

    def slowly(session: Session, which: ColumnElement[bool]) -> None:
        forgetting.set()
        time.sleep(0.5)  # long enough for the booking to lock Ada
        lock_held(session, which)

    def forgets() -> None:
        with app.app_context(), transaction() as session:
            upkeep.forget_what_expired(session, now=later)

    def books() -> None:
        with app.app_context(), transaction() as session:
            theirs = visitor(2).keys
            book_appointment(session, "video", wished, HOUSE, now=later, freeing=theirs)

    monkeypatch.setattr(upkeep, "lock_held", slowly)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(forgets)
        forgetting.wait(5)
        second = threads.submit(books)

    assert first.exception() is None
    assert not isinstance(second.exception(), Busy)
