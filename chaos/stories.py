"""People who wish for something at the same time, and what they were told came of it."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from booking.app import create_app, utc_now
from booking.models.database import db, transaction
from tests.builders import CLINIC, a_clinic, the_service
from tests.conftest import settings_for
from tests.integration.history import more_practitioners
from tests.integration.servers import GONE, Answer, Service, Wish

COLLEAGUES, BOOKINGS_EACH = 38, 130
"""So many people have time for 5,000, since each has time for so many."""
CONTESTED = 3
"""Every so-manieth slot is wanted by two."""
MOVED, CANCELLED = 0.2, 0.2
PATIENCE = 90.0
FAR_AHEAD = CLINIC.replace("booking_horizon_days = 30", "booking_horizon_days = 60")


@dataclass
class Story:
    """One wish, and what became of it as far as its owner was told."""

    number: int
    wish: Wish
    later: str
    """Where it may be moved to: nobody else wants that."""
    token: str = ""
    start: str = ""
    cancelled: bool = False
    answers: list[tuple[float, int]] = field(default_factory=list)
    """When it was answered (monotonic seconds), and how."""


def furnish(url: str, colleagues: int = COLLEAGUES) -> None:
    """Put a clinic with many practitioners, who all offer `video`, into a migrated database."""
    app = create_app(settings_for(url))
    with app.app_context():
        with transaction() as session:
            a_clinic(session, FAR_AHEAD)
            more_practitioners(session, the_service(session, "video"), colleagues)
        db.session.remove()
        db.engine.dispose()


def wishes(service: Service, count: int, colleagues: int) -> list[Story]:
    """So many wishes; those for one slot stand side by side."""
    slots = iter(free_slots(service, colleagues))
    found: list[Story] = []
    while len(found) < count:
        (start, who), (later, _) = next(slots), next(slots)
        rivals = 2 if len(found) % CONTESTED == 0 else 1
        found += [
            Story(len(found) + each, Wish("video", start, len(found) + each, who), later)
            for each in range(rivals)
        ]
    return found


def free_slots(service: Service, colleagues: int = COLLEAGUES) -> list[tuple[str, str]]:
    """Every start with every colleague, two neighbours of one colleague after another."""
    days = [utc_now().date() + timedelta(days=each) for each in (2, 30, 31, 58)]
    found = []
    for number in range(colleagues):
        who = f"colleague-{number}"
        found += [
            (start, who)
            for since, until in (days[:2], days[2:])
            for start in service.client.free("video", since, until, who)
        ]
    return found


def live(service: Service, story: Story) -> None:
    """Book; then perhaps move, perhaps cancel: until each was answered."""
    random = Random(story.number)
    booked = ask(story, lambda: service.client.book(story.wish, f"wish-{story.number}"))
    if booked.status != 201:
        return
    story.token, story.start = booked.json["token"], story.wish.start
    mine = f"/api/v1/appointments/{story.token}"
    if random.random() < MOVED:
        ask(
            story,
            lambda: service.client.post_json(f"{mine}/reschedule", {"start": story.later}),
        )
        story.start = story.later
    if random.random() < CANCELLED:
        ask(story, lambda: service.client.post_json(f"{mine}/cancel", {}))
        story.cancelled = True


def ask(story: Story, question: Callable[[], Answer]) -> Answer:
    """Ask until there is an answer; 503 says to come back."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(*GONE):
            answer = question()
            story.answers.append((time.monotonic(), answer.status))
            if answer.status != 503:
                return answer
            assert int(answer.headers["Retry-After"]) > 0
        time.sleep(0.1)
    raise AssertionError("never answered")
