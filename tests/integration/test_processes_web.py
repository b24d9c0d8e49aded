"""Crowds at the door of the real service: what it says is what the database holds."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import InstrumentedAttribute

from booking.models import Appointment, Occupancy
from booking.services.links import token_digest
from tests.integration.crowd import all_at_once, ready
from tests.integration.servers import (
    GONE,
    Answer,
    Client,
    Service,
    Wish,
    a_service,
    coming_days,
    furnish,
    linux_only,
)

SERVICES = ("visit", "video", "call")
PARALLEL = 30
Value = TypeVar("Value")

pytestmark = linux_only


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    furnish(database_url)
    with a_service(database_url, tmp_path / "log", BOOKING_WEB_WORKERS=2) as running:
        yield running


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Our own eyes on the database."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(("people", "share"), [(8, 1.0), (32, 0.15)])
def test_a_crowd_fills_a_day_and_every_promise_is_in_the_database(
    service: Service, engine: Engine, people: int, share: float
) -> None:
    wishes = [
        (name, start) for name in SERVICES for start in coming_days(service.client, name, count=1)
    ]

    answers = all_at_once(
        post_wishes, [(service.port, wishes, number, share) for number in range(people)]
    )

    said = [each for answer in answers for each in answer]
    assert Counter(status for status, _ in said).keys() <= {201, 409}
    promised = sorted(token_digest(token) for status, token in said if status == 201)
    assert promised == sorted(column(engine, Appointment.link_digest))
    assert promised
    assert no_overlap(engine)


def test_thirty_posts_of_one_wish_by_the_api_make_one_appointment(
    service: Service, engine: Engine
) -> None:
    wish = Wish("visit", coming_days(service.client, "visit", count=1)[0], 1)

    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = list(pool.map(lambda _: service.client.book(wish, "the same"), range(PARALLEL)))

    assert {each.status for each in answers} == {201}
    assert len({each.json["token"] for each in answers}) == 1
    assert len(column(engine, Appointment.id)) == 1


def test_thirty_posts_of_one_form_make_one_appointment(service: Service, engine: Engine) -> None:
    start = coming_days(service.client, "visit", count=1)[0]
    page = service.client.get(f"/services/visit/book?start={start}")
    form = hidden_fields(page.body.decode()) | {
        "name": "Sam Rivers", "email": "sam@mail.example", "phone": "", "email_consent": "y",
    }  # fmt: skip
    cookie = SimpleCookie(page.headers["Set-Cookie"]).output(header="", attrs=[]).strip()

    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = list(
            pool.map(
                lambda _: service.client.post_form("/services/visit/book", form, Cookie=cookie),
                range(PARALLEL),
            )
        )

    assert {each.status for each in answers} == {303}
    assert len({each.headers["Location"] for each in answers}) == 1
    assert len(column(engine, Appointment.id)) == 1


def post_wishes(
    port: int, wishes: Sequence[tuple[str, str]], number: int, share: float
) -> list[tuple[int, str]]:
    """One of the crowd: wish for a share of the day, in an order of one's own."""
    order = Random(number).sample(wishes, int(len(wishes) * share))
    client = Client(port)
    ready()
    return [
        (answer.status, answer.json.get("token", ""))
        for turn, (service, start) in enumerate(order)
        for answer in [persistently(client, Wish(service, start, number), f"{number}-{turn}")]
    ]


def persistently(client: Client, wish: Wish, key: str) -> Answer:
    """Ask again, under the same key, where the line broke: a server may drop an idle one."""
    with suppress(*GONE):
        return client.book(wish, key)
    return client.book(wish, key)


def column(engine: Engine, what: InstrumentedAttribute[Value]) -> list[Value]:
    with engine.connect() as connection:
        return list(connection.scalars(select(what)))


def no_overlap(engine: Engine) -> bool:
    """Looked for without the database's help."""
    query = select(Occupancy.resource_id, Occupancy.blocked_from, Occupancy.blocked_until).order_by(
        Occupancy.resource_id, Occupancy.blocked_from
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return all(one[0] != other[0] or other[1] >= one[2] for one, other in pairwise(rows))


class _Hidden(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden":
            self.found[given.get("name") or ""] = given.get("value") or ""


def hidden_fields(page: str) -> dict[str, str]:
    """What a form sends along without asking."""
    parser = _Hidden()
    parser.feed(page)
    return parser.found
