"""A booking is judged wholly by the old rules or by the new ones."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from booking.domain.refusals import NotOffered, SlotTaken
from booking.models import Appointment
from booking.models.database import transaction
from booking.services import allocation, appointments, rooms, service_rules
from booking.services.appointments import cancel_appointment
from booking.services.rooms import RoomDetails
from booking.services.schedules import Act
from tests.builders import HOUSE, NOW, an_appointment, the_service

ACT = Act("desk@clinic.example", NOW, HOUSE.keys)


def takes_ada_out(session: Session) -> None:
    """Save other rules, as the page does."""
    service = the_service(session)
    before = service_rules.rules_of(session, service)
    then = replace(before, practitioners=("ben",))
    seen = service_rules.fingerprint(before, then)
    service_rules.change_rules(session, service, then, HOUSE, seen=seen, act=ACT)


def closes_the_room(session: Session) -> None:
    """Put the only room out of use."""
    details = RoomDetails("Blue room", None, active=False)
    found = rooms.room(session, "blue")
    assert found is not None
    rooms.change_room(session, found, details, known=(), act=ACT)


@pytest.mark.parametrize("changes", [takes_ada_out, closes_the_room])
def test_a_booking_that_comes_amid_a_change_is_judged_by_what_holds_afterwards(
    app: Flask, changes: Callable[[Session], None]
) -> None:
    changed = threading.Event()

    def somebody() -> None:
        with app.app_context(), transaction() as session:
            changes(session)
            changed.set()
            time.sleep(0.3)  # long enough for the booking to look, if nothing made it wait

    thread = threading.Thread(target=somebody)
    thread.start()
    changed.wait(5)

    with pytest.raises((SlotTaken, NotOffered)), transaction() as session:
        an_appointment(session, "Tue 09:00", practitioner="ada")

    thread.join()


def test_an_appointment_of_who_offers_its_service_no_more_is_locked_with_its_own_place(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ada is freed by a cancellation of a service that only Ben offers by now."""
    with transaction() as session:
        made = an_appointment(session, "Tue 09:00", practitioner="ada").id
        the_service(session).resources = [
            each for each in the_service(session).resources if each.slug != "ada"
        ]
    locked, release = threading.Event(), allocation.release

    def slowly(session: Session, appointment: Appointment) -> None:
        locked.set()
        time.sleep(0.5)  # long enough for the booking to lock Ada, and to wait for Ben
        release(session, appointment)

    def cancels() -> None:
        with app.app_context(), transaction() as session:
            found = session.get_one(Appointment, made)
            cancel_appointment(session, found, HOUSE, now=NOW)

    def books() -> None:
        with app.app_context(), transaction() as session:
            an_appointment(session, "Wed 11:00", service="video", practitioner="ben")

    monkeypatch.setattr(appointments, "release", slowly)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(cancels)
        locked.wait(5)
        second = threads.submit(books)

    assert (first.exception(), second.exception()) == (None, None)
