"""Real processes, each with an app of its own, that begin at the same moment."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from multiprocessing.synchronize import Barrier
from random import Random
from typing import NamedTuple, TypeVar

from flask import Flask

from booking.app import create_app
from booking.domain.refusals import SlotTaken, TooManyAppointments
from booking.models.database import Busy, db, transaction
from booking.services.appointments import (
    appointment_by_reference,
    book_appointment,
    reschedule_appointment,
)
from booking.services.requests import BookingRequest
from tests.builders import HOUSE, NOW, Clock, Mailbox, a_patient
from tests.conftest import settings_for

Answer = TypeVar("Answer")
PATIENCE = 120.0
TRIES = 5
"""How often somebody comes back who was told that the database is busy."""


class Wish(NamedTuple):
    """A slot that several people want."""

    service: str
    start: datetime
    with_whom: str = "ada"
    patient: int = 0
    """Whoever wishes; one patient's bookings wait for each other, two patients' need not."""


class Outcome(NamedTuple):
    """What became of a wish: the reference of an appointment, or why there is none."""

    wish: Wish
    reference: str | None
    guard: bool = False
    """Whether the database had to refuse what the lock should have kept from it."""


class _Gate:
    """Opens when all have come; set in each process as it begins."""

    barrier: Barrier


def all_at_once(
    work: Callable[..., Answer], arguments: Sequence[tuple[object, ...]]
) -> list[Answer]:
    """Do the work in as many processes as there are arguments; each calls `ready` first."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # loaded once, by a process without threads
    barrier = context.Barrier(len(arguments), timeout=PATIENCE)
    with ProcessPoolExecutor(
        len(arguments), mp_context=context, initializer=_begin, initargs=(barrier,)
    ) as pool:
        futures = [pool.submit(work, *each) for each in arguments]
        return [each.result(timeout=PATIENCE) for each in futures]


def _begin(barrier: Barrier) -> None:
    _Gate.barrier = barrier


def ready() -> None:
    """Wait until every process of the crowd has come this far."""
    _Gate.barrier.wait()


@contextmanager
def an_app_of_its_own(database_url: str) -> Iterator[Flask]:
    """The whole app, in its context, with nobody else's connections."""
    app = create_app(settings_for(database_url), clock=Clock(), transport=Mailbox())
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def book_what_is_left(database_url: str, wishes: Sequence[Wish], number: int) -> list[Outcome]:
    """Wish for everything, in an order of one's own."""
    mine = [wish._replace(patient=number) for wish in wishes]
    order = Random(number).sample(mine, len(mine))
    with an_app_of_its_own(database_url):
        ready()
        return [book(wish) for wish in order]


def book_one(database_url: str, wish: Wish) -> Outcome:
    """Wish for one thing."""
    with an_app_of_its_own(database_url):
        ready()
        return book(wish)


def move_one(database_url: str, reference: str, start: datetime) -> Outcome:
    """Wish to move an appointment to another start."""
    with an_app_of_its_own(database_url):
        ready()
        return move(reference, start)


def book(wish: Wish) -> Outcome:
    """Try for a slot."""
    patient = a_patient(email=f"sam{wish.patient}@mail.example", phone=f"+1212555{wish.patient:04}")
    request = BookingRequest(start=wish.start, practitioner=wish.with_whom, patient=patient)
    for _ in range(TRIES):
        try:
            with transaction() as session:
                made = book_appointment(session, wish.service, request, HOUSE, now=NOW)
                return Outcome(wish, made.reference)
        except Busy:  # as the 503 says: the machine is slow, try again
            continue
        except (SlotTaken, TooManyAppointments) as refusal:
            return Outcome(wish, None, guard=refusal.__cause__ is not None)
    raise Busy


def move(reference: str, start: datetime) -> Outcome:
    """Try to move an appointment."""
    try:
        with transaction() as session:
            found = appointment_by_reference(session, reference)
            wish = Wish(found.service.slug, start)
            reschedule_appointment(session, found, start, HOUSE, now=NOW)
            return Outcome(wish, reference)
    except SlotTaken as refusal:
        return Outcome(wish, None, guard=refusal.__cause__ is not None)
