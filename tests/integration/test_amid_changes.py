"""A booking is judged wholly by the old rules or by the new ones."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from booking.domain.refusals import NotOffered, SlotTaken
from booking.models.database import transaction
from booking.services import rooms, service_rules
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
