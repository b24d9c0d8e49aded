"""A crowd that holds, books, moves, cancels, waits and takes offers, in processes of its own.

python -m chaos.holds [database url] [processes] [steps]

Whatever they do at once, no two appointments or holds of one resource overlap, nobody waits for
another for ever, and each appointment that is booked occupies what it takes.
"""

import sys
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.app import create_app
from booking.domain.lifecycle import OCCUPYING
from booking.domain.refusals import Refusal
from booking.domain.timeline import Span
from booking.domain.waiting import ANY_DAY, ANY_PART, Wish
from booking.models import Appointment, Clinic, Occupancy
from booking.models.database import Busy, db, transaction
from booking.services import holds, invariants, waitlist
from booking.services.appointments import (
    book_appointment,
    cancel_appointment,
    reschedule_appointment,
)
from booking.services.availability import free_slots
from booking.services.holds import Visitor
from booking.services.requests import BookingRequest
from booking.services.waitlist import Waiting
from booking.worker.waitlist import WaitlistOfferer
from tests.builders import HOUSE, NOW, Clock, Mailbox, a_clinic, a_patient, the_service
from tests.conftest import migrate, settings_for
from tests.integration.crowd import all_at_once, an_app_of_its_own, ready

PROCESSES, STEPS = 6, 60
DAYS = Span(NOW, NOW + timedelta(days=3))
SERVICES = ("visit", "video", "call")
A_MOMENT = timedelta(minutes=2)


def crowd(database_url: str, processes: int = PROCESSES, steps: int = STEPS) -> Counter[str]:
    """Let so many processes do so many things each; how often each came off or was refused."""
    done: Counter[str] = Counter()
    for each in all_at_once(_go, [(database_url, number, steps) for number in range(processes)]):
        done += each
    return done


def overlaps() -> int:
    """How many neighbours of one resource overlap, by a look of our own."""
    query = select(Occupancy).order_by(Occupancy.resource_id, Occupancy.blocked_from)
    return sum(
        one.resource_id == other.resource_id and other.blocked_from < one.blocked_until
        for one, other in pairwise(db.session.scalars(query))
    )


def homeless() -> int:
    """How many live appointments occupy nothing, or dead ones something."""
    occupied = set(db.session.scalars(select(Occupancy.appointment_id)))
    query = select(Appointment.id, Appointment.status)
    return sum(
        (status in OCCUPYING) != (each in occupied) for each, status in db.session.execute(query)
    )


def _go(database_url: str, number: int, steps: int) -> Counter[str]:
    dice, done = Random(number), Counter[str]()
    with an_app_of_its_own(database_url):
        ready()
        clock = Clock()
        offerer = WaitlistOfferer(house=HOUSE, clock=clock)
        for step in range(steps):
            clock.forward(seconds=A_MOMENT.total_seconds())
            name = dice.choice(("hold", "book", "book", "move", "cancel", "wait", "take", "offer"))
            try:
                if name == "offer":
                    offerer.turn()
                else:
                    with transaction() as session:
                        _do(session, name, dice, f"{number} {step}", clock)
                done[name] += 1
            except Refusal:
                done[f"{name} refused"] += 1
            except Busy:
                done["busy"] += 1
    return done


def _do(session: Session, name: str, dice: Random, who: str, clock: Clock) -> None:
    service, now = dice.choice(SERVICES), clock.now
    key = who.split()[0].encode().ljust(32)
    if name == "hold":
        visitor = Visitor((key,), who.split()[0], who)
        holds.hold_slot(
            session, service, _start(session, service, dice, now), None, visitor, now=now
        )
    elif name == "book":
        start = _start(session, service, dice, now)
        patient = a_patient(email=f"{who.replace(' ', '-')}@mail.example")
        wish = BookingRequest(start=start, practitioner=None, patient=patient)
        book_appointment(session, service, wish, HOUSE, now=now, freeing=(key,))
    else:
        _change(session, name, dice, now)


def _change(session: Session, name: str, dice: Random, now: Any) -> None:
    ids = list(session.scalars(select(Appointment.id).where(Appointment.status == "booked")))
    if not ids:
        return
    found = session.get_one(Appointment, dice.choice(ids))
    if name == "move":
        start = _start(session, found.service.slug, dice, now)
        reschedule_appointment(session, found, start, HOUSE, now=now, actor="desk")
    elif name == "cancel":
        cancel_appointment(session, found, HOUSE, now=now, actor="desk")
    elif name == "wait":
        waiting = Waiting(Wish(ANY_DAY, ANY_PART, found.start_at.date()), None)
        waitlist.join(session, found, waiting, HOUSE, now=now)
    else:
        waitlist.accept(session, found, HOUSE, now=now)


def _start(session: Session, service: str, dice: Random, now: Any) -> Any:
    """One of the times on offer; often one that others want as well."""
    clinic = session.get_one(Clinic, 1)
    offered = free_slots(session, clinic, the_service(session, service), DAYS, now=now)
    return dice.choice(offered[:6]).start if offered else NOW


def main() -> None:
    """Print what was done and what was broken."""
    with TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(folder) / 'booking.db'}"
        processes, steps = (int(each) for each in (sys.argv[2:] or (PROCESSES, 300)))
        migrate(url)
        app = create_app(settings_for(url), clock=Clock(), transport=Mailbox())
        with app.app_context():
            with transaction() as session:
                a_clinic(session)
            for name, count in sorted(crowd(url, processes, steps).items()):
                print(f"{name:<16}{count:>6}")
            print(f"overlaps {overlaps()}, homeless {homeless()}")
            found = invariants.check(db.session(), HOUSE.keys, now=NOW + timedelta(days=1))
            broken = [each for each in found if each.faults]
            print(f"found by `flask check`: {broken or 'nothing'}")
            sys.exit(bool(overlaps() or homeless() or broken))


if __name__ == "__main__":
    main()
