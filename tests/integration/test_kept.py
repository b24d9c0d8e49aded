"""A page or an answer that was written before is the one that would be written now."""

import gc
import tracemalloc
from collections.abc import Callable, Hashable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

from flask import Flask
from flask.testing import FlaskClient

from booking.app import create_app
from booking.models import Clinic, Closure, Practitioner
from booking.models.database import db, transaction
from booking.services.appointments import cancel_appointment
from booking.web.kept import Kept
from tests.builders import HOUSE, NOW, Clock, Mailbox, an_appointment, at, the_service
from tests.conftest import a_running_app, settings_for
from tests.visits import get

SLOTS = "/api/v1/slots?service=video&from=2026-11-24&to=2026-11-30"
QUERIES = [
    "&".join(filter(None, parts))
    for parts in product(
        ("month=2026-11", "month=2026-12&day=2026-12-01", "month=2027-03", ""),
        ("", "practitioner=ben"),
        ("", "tz=America/Denver"),
        ("", "whole=1"),
        ("", "lang=es", "embed=1"),
    )
]
PAGES = [f"/services/{slug}?{query}" for slug in ("video", "visit") for query in QUERIES]


def pages(app: Flask, *, keeping: bool) -> list[str]:
    """Every page, each asked for by somebody new."""
    found = []
    for path in PAGES:
        if not keeping:
            state = app.extensions["booking"]
            app.extensions["booking"] = replace(state, texts=Kept(0, len), times=Kept(0, len))
        found.append(app.test_client().get(path).get_data(as_text=True))
    return found


def test_each_page_is_the_same_whether_it_was_kept_or_not(sqlite_url: str, clock: Clock) -> None:
    settings = replace(settings_for(sqlite_url), embed_origins=("https://clinic.example",))
    for app in a_running_app(settings, clock, Mailbox()):
        app.test_client_class = FlaskClient  # the days that a script asks for have ids in templates
        fresh = pages(app, keeping=False)

        pages(app, keeping=True)
        kept = pages(app, keeping=True)

        assert kept == fresh
        assert len(set(fresh)) > len(fresh) // 2, "they do differ from one another"


def test_a_booking_is_seen_on_the_page_at_once(app: Flask) -> None:
    client, path = app.test_client(), "/services/video?month=2026-11&day=2026-11-24"
    assert "9:00" in get(client, path).text

    with transaction() as session:
        an_appointment(session, "Tue 09:00", service="video")
    assert "9:00" not in get(client, path).text

    with transaction() as session:
        appointment = an_appointment(session, "Tue 10:00", service="video")
        cancel_appointment(session, appointment, HOUSE, now=NOW)
    assert "10:00" in get(client, path).text


class Remade(Kept[str]):
    """What is kept of text, and how often any was written."""

    written = 0

    def or_else(self, key: Hashable, make: Callable[[], str]) -> str:
        def write() -> str:
            self.written += 1
            return make()

        return super().or_else(key, write)


def test_a_picker_is_written_anew_only_where_it_would_be_another(app: Flask) -> None:
    """Of a day that is not open it shows only whether anything is free."""
    texts = Remade(1_000_000, len)
    app.extensions["booking"] = replace(app.extensions["booking"], texts=texts)
    client, path = app.test_client(), "/services/video?month=2026-11&day=2026-11-24"

    def shown() -> tuple[bool, int]:
        page = client.get(path).get_data(as_text=True)
        return "25 November, free times" in page, texts.written

    assert shown() == (True, 1)
    with transaction() as session:
        an_appointment(session, "Wed 10:00", service="video")
    assert shown() == (True, 1)
    with transaction() as session:
        session.add(Closure(starts_at=at("Wed 00:00"), ends_at=at("Thu 00:00")))
    assert shown() == (False, 2)


def test_what_the_clinic_calls_itself_is_seen_at_once(app: Flask) -> None:
    client, path = app.test_client(), "/services/video?month=2027-06"
    assert "(212) 555-0142" in get(client, path).text
    assert "Ben Cole" in get(client, path).text
    assert "Enfermero" not in get(client, f"{path}&lang=es").text

    with transaction() as session:
        for each in session.query(Practitioner).where(Practitioner.slug == "ben"):
            each.name, each.title = "Ben Carver", "Nurse"
            each.translations = {"es": {"title": "Enfermero"}}
        session.get_one(Clinic, 1).phone = "(212) 555-0199"

    assert "Ben Carver, Enfermero" in get(client, path).text
    page = get(client, f"{path}&lang=en").text
    assert "Ben Carver, Nurse" in page
    assert "Ben Cole" not in page
    assert "(212) 555-0142" not in page


def test_the_minutes_pass(app: Flask, clock: Clock) -> None:
    client, path = app.test_client(), "/services/call?month=2026-11&day=2026-11-23"
    clock.now = at("Mon 08:00")
    assert "9:00" in get(client, path).text

    clock.now = at("Mon 08:01")

    page = get(client, path).text
    assert "9:00" not in page
    assert "9:15" in page


def ask(client: FlaskClient, tag: str | None = None) -> tuple[int, str, object]:
    headers = {} if tag is None else {"If-None-Match": tag}
    answer = client.get(SLOTS, headers=headers)
    return answer.status_code, answer.headers["ETag"], answer.get_json(silent=True)


def test_the_same_slots_are_answered_with_304(app: Flask) -> None:
    client = app.test_client()
    status, tag, body = ask(client)

    again, same, nothing = ask(client, tag)

    assert (status, again, same, nothing) == (200, 304, tag, None)
    assert body is not None
    with transaction() as session:
        an_appointment(session, "Tue 09:00", service="video")
    status, other, fewer = ask(client, tag)
    assert (status, other != tag, fewer != body) == (200, True, True)


def test_a_tag_is_the_same_in_every_process_and_of_one_question_alone(
    app: Flask, clock: Clock
) -> None:
    _, tag, _ = ask(app.test_client())
    url = app.config["SQLALCHEMY_DATABASE_URI"]
    other = create_app(settings_for(url), clock=clock)
    _, theirs, _ = ask(other.test_client())
    elsewhere = app.test_client().get(SLOTS.replace("video", "call")).headers["ETag"]
    later = app.test_client().get(SLOTS.replace("11-30", "11-29")).headers["ETag"]

    assert theirs == tag
    assert len({tag, elsewhere, later}) == 3
    with other.app_context():
        db.session.remove()
        db.engine.dispose()


def test_slots_are_not_believed_without_asking_again(app: Flask) -> None:
    headers = app.test_client().get(SLOTS).headers

    assert headers["Cache-Control"] == "private, max-age=0, must-revalidate"
    assert "no-store" in app.test_client().get("/services/video").headers["Cache-Control"]


def test_what_is_too_long_to_be_kept_is_written_all_the_same() -> None:
    store = Kept(10, len)

    assert store.or_else("key", lambda: "x" * 11) == "x" * 11
    assert store.or_else("key", lambda: "short") == "short"
    assert store.or_else("key", lambda: "other") == "short"


def test_what_nobody_asks_for_makes_room() -> None:
    store = Kept(10, len)
    for number in range(10):
        store.or_else(number, lambda: "xx")

    assert store.or_else(9, lambda: "not needed") == "xx"
    assert store.or_else(0, lambda: "anew") == "anew"


def test_what_is_kept_of_days_without_end_weighs_what_it_counts_for(sqlite_app: Flask) -> None:
    """Keys are larger than empty answers: by their letters alone these would fill the machine."""
    client, state = sqlite_app.test_client(), sqlite_app.extensions["booking"]
    days = "/api/v1/slots?service=video&from={0}-05-01&to={0}-05-01"
    for path in (days, "/services/video?month={}-05"):
        client.get(path.format(2029))
        before = state.texts._things.currsize, state.times._things.currsize
        gc.collect()
        tracemalloc.start()

        for year in range(2030, 2060):
            assert client.get(path.format(year)).status_code == 200

        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        letters = state.texts._things.currsize - before[0]
        slots = state.times._things.currsize - before[1]
        assert grown < 2 * letters + 300 * slots


def test_a_new_year_at_the_clinic_is_a_new_page_for_who_has_it_already(
    app: Flask, clock: Clock
) -> None:
    with transaction() as session:
        the_service(session, "video").booking_horizon = timedelta(days=90)
    path = "/services/video?month=2027-02&day=2027-02-04&tz=Asia/Tokyo"
    client, state = app.test_client(), app.extensions["booking"]
    clock.now = datetime(2027, 1, 1, 4, 59, tzinfo=UTC)  # 23:59 in New York
    assert "4 February 2027" in get(client, path).text

    clock.now = datetime(2027, 1, 1, 5, 0, tzinfo=UTC)

    page = get(client, path).text
    app.extensions["booking"] = replace(state, texts=Kept(0, len))
    assert page == get(client, path).text
