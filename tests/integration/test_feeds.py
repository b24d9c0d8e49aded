"""Calendars that others subscribe to: what they show, what they cost, and who may read them."""

from datetime import timedelta
from typing import Any

import pytest
import vobject
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar
from sqlalchemy import select
from werkzeug.test import TestResponse

from booking.domain.lifecycle import Verb
from booking.models import Appointment, Clinic, Feed, FeedShows, Resource
from booking.models.database import db, transaction
from booking.services import feeds
from booking.services.appointments import (
    cancel_appointment,
    note_attendance,
    reschedule_appointment,
)
from booking.services.readdressing import correct_address
from tests.builders import HOUSE, NOW, Clock, an_appointment, at
from tests.integration.history import past_appointments
from tests.integration.test_queries import refresh_statistics, scans, watched
from tests.visits import rows, the_appointment

EVENT_PROPERTIES = {
    "UID", "SEQUENCE", "DTSTAMP", "CREATED", "LAST-MODIFIED", "DTSTART", "DTEND", "SUMMARY",
    "DESCRIPTION", "LOCATION", "ORGANIZER", "STATUS", "TRANSP",
}  # fmt: skip


def subscribe(slug: str = "ada") -> str:
    """Make an address, or another one; its path."""
    with transaction() as session:
        feed = feeds.renew_feed(session, slug, keys=HOUSE.keys, now=NOW)
        assert feed is not None
        return f"/feeds/{feeds.token_of_feed(feed, HOUSE.keys)}.ics"


def change(what: Any, *args: Any, **more: Any) -> None:
    """Let something happen to the newest appointment."""
    with transaction() as session:
        found = session.get_one(Appointment, the_appointment().id)
        what(session, found, *args, **{"now": NOW} | more)


def booked(start: str = "Tue 09:00", **more: Any) -> None:
    with transaction() as session:
        an_appointment(session, start, **more)


def events(client: FlaskClient, path: str) -> list[Any]:
    return list(Calendar.from_ical(client.get(path).get_data()).events)


def again(client: FlaskClient, path: str, tag: str | None) -> TestResponse:
    """Ask as a calendar app does that has the feed already."""
    return client.get(path, headers={"If-None-Match": tag or ""})


def test_a_feed_is_a_calendar_that_every_app_reads(client: FlaskClient) -> None:
    booked()
    answer = client.get(subscribe())

    calendar = Calendar.from_ical(answer.get_data())
    event = calendar.events[0]

    assert answer.content_type == "text/calendar; charset=utf-8"
    assert calendar["METHOD"] == "PUBLISH"
    assert calendar["NAME"] == calendar["X-WR-CALNAME"] == "Quiet Harbor: Ada Bell"
    assert b"\r\nREFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n" in answer.get_data()
    assert b"\r\nX-PUBLISHED-TTL:PT1H\r\n" in answer.get_data()
    assert event.start == at("Tue 09:00")
    assert event.end == at("Tue 09:45")
    assert {str(name) for name in event} == EVENT_PROPERTIES
    assert event.DTSTAMP == event.LAST_MODIFIED


def test_another_reader_of_calendars_understands_it_too(client: FlaskClient) -> None:
    booked()
    booked("Wed 10:00", name='Älex "O\'Neil"; Rivers, jr.')

    found = vobject.readOne(client.get(subscribe()).get_data(as_text=True))

    assert [each.dtstart.value for each in found.vevent_list] == [at("Tue 09:00"), at("Wed 10:00")]


def test_it_holds_nothing_of_the_patient(client: FlaskClient) -> None:
    booked()

    text = client.get(subscribe()).get_data(as_text=True)
    known = the_appointment()

    for secret in ("Sam", "Rivers", "sam@mail", "5550123", "consultation"):
        assert secret not in text
    assert f"/staff/appointments/{known.reference}" in text.replace("\r\n ", "")


def test_an_event_has_the_name_of_the_patients_own(client: FlaskClient) -> None:
    booked()

    assert events(client, subscribe())[0]["UID"] == the_appointment().uid


@pytest.mark.parametrize(
    ("shows", "title"),
    [
        (FeedShows.APPOINTMENT, "Appointment"),
        (FeedShows.INITIALS, "S. R."),
        (FeedShows.SERVICE, "S. R., First consultation"),
    ],
)
def test_a_clinic_chooses_what_is_shown(client: FlaskClient, shows: FeedShows, title: str) -> None:
    booked()
    path = subscribe()
    tag = client.get(path).headers["ETag"]
    with transaction() as session:
        session.get_one(Clinic, 1).feed_shows = shows

    assert events(client, path)[0]["SUMMARY"] == title
    assert (again(client, path, tag).status_code == 304) == (shows == FeedShows.APPOINTMENT)


def test_a_room_has_a_feed_of_its_own(client: FlaskClient) -> None:
    booked()
    booked("Tue 11:00", service="call")
    practitioner, room = events(client, subscribe()), events(client, subscribe("blue"))

    assert [each.start for each in practitioner] == [at("Tue 09:00"), at("Tue 11:00")]
    assert [each.start for each in room] == [at("Tue 09:00")]
    assert practitioner[0]["LOCATION"] == "Blue room"
    assert "LOCATION" not in room[0]
    assert practitioner[0]["UID"] == room[0]["UID"] != practitioner[1]["UID"]


def test_a_cancelled_appointment_is_marked_for_a_week(client: FlaskClient, clock: Clock) -> None:
    booked("Fri 09:00")
    path = subscribe()
    change(cancel_appointment, HOUSE)

    shown = events(client, path)[0]
    clock.forward(days=7)
    later = events(client, path)
    clock.forward(days=1)

    assert shown["SUMMARY"] == "Cancelled: Appointment"
    assert (shown["STATUS"], shown["TRANSP"], shown["SEQUENCE"]) == ("CANCELLED", "TRANSPARENT", 1)
    assert len(later) == 1
    assert events(client, path) == []


def test_it_reaches_thirty_days_back(client: FlaskClient, clock: Clock) -> None:
    booked("Tue 09:00")
    path = subscribe()
    clock.now = at("Tue 09:00") + timedelta(days=30)

    before = len(events(client, path))
    clock.forward(days=1)

    assert (before, len(events(client, path))) == (1, 0)


def test_the_same_state_gives_the_same_bytes(client: FlaskClient, clock: Clock) -> None:
    booked()
    path = subscribe()
    first = client.get(path)
    clock.forward(hours=5)

    second = client.get(path)

    assert first.get_data() == second.get_data()
    assert first.headers["ETag"] == second.headers["ETag"]


def test_what_the_asker_has_is_not_sent_again(client: FlaskClient) -> None:
    """T-81."""
    booked()
    path = subscribe()
    tag = client.get(path).headers["ETag"]
    assert tag.startswith('"')

    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = again(client, path, sent)
        assert (answer.status_code, answer.get_data()) == (304, b""), sent
        assert answer.headers["ETag"] == tag
    for sent in ('"other"', "", "nonsense"):
        assert again(client, path, sent).status_code == 200, sent


def test_head_tells_what_get_would(client: FlaskClient) -> None:
    path = subscribe()

    head, get = client.head(path), client.get(path)

    assert (head.status_code, head.get_data()) == (200, b"")
    assert head.headers["ETag"] == get.headers["ETag"]


def test_its_headers_let_an_app_keep_it_and_nobody_else(client: FlaskClient) -> None:
    path = subscribe()

    for answer in (client.get(path), again(client, path, client.get(path).headers["ETag"])):
        assert answer.headers["Cache-Control"] == "private, max-age=0, must-revalidate"
        assert answer.headers["X-Robots-Tag"] == "noindex"
        assert "Set-Cookie" not in answer.headers


def test_a_tag_counts_nothing_that_could_be_read(client: FlaskClient) -> None:
    """T-21."""
    path = subscribe()
    first = client.get(path).headers["ETag"]
    booked()

    second = client.get(path).headers["ETag"]

    assert len(first) == len(second) == 34
    assert sum(a != b for a, b in zip(first, second, strict=True)) > 10


CHANGES: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any]]] = {
    "moved": (reschedule_appointment, (at("Fri 14:00"), HOUSE), {}),
    "given to somebody else": (
        reschedule_appointment,
        (at("Wed 11:00"), HOUSE),
        {"practitioner": "ben"},
    ),
    "cancelled": (cancel_appointment, (HOUSE,), {}),
    "arrived": (
        note_attendance,
        (Verb.ARRIVE, HOUSE),
        {"actor": "desk", "now": at("Wed 10:00")},
    ),
    "missed": (note_attendance, (Verb.MISS, HOUSE), {"actor": "desk", "now": at("Wed 10:00")}),
    "written to elsewhere": (
        correct_address,
        ("sam@new.example", HOUSE),
        {"actor": "desk"},
    ),
}


@pytest.mark.parametrize(("what", "args", "more"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_a_new_tag(
    client: FlaskClient, what: Any, args: tuple[Any, ...], more: dict[str, Any]
) -> None:
    booked("Wed 10:00")
    path, room = subscribe(), subscribe("blue")
    tags = [client.get(each).headers["ETag"] for each in (path, room)]

    change(what, *args, **more)

    for each, tag in zip((path, room), tags, strict=True):
        assert again(client, each, tag).status_code == 200


def test_whoever_gets_an_appointment_of_another_hears_of_it(client: FlaskClient) -> None:
    booked("Wed 10:00")
    ada, ben = subscribe("ada"), subscribe("ben")
    tag = client.get(ben).headers["ETag"]

    change(reschedule_appointment, at("Wed 11:00"), HOUSE, practitioner="ben")

    assert events(client, ada) == []
    assert again(client, ben, tag).status_code == 200
    assert [each.start for each in events(client, ben)] == [at("Wed 11:00")]


def test_a_new_day_is_a_new_tag(client: FlaskClient, clock: Clock) -> None:
    path = subscribe()
    tag = client.get(path).headers["ETag"]
    clock.forward(days=1)

    assert again(client, path, tag).status_code == 200


def test_what_happens_to_others_is_no_news(client: FlaskClient) -> None:
    path = subscribe("ben")
    tag = client.get(path).headers["ETag"]
    booked("Tue 09:00")

    assert again(client, path, tag).status_code == 304


def test_a_new_address_ends_the_one_before(client: FlaskClient) -> None:
    """T-93."""
    old = subscribe()
    new = subscribe()

    assert old != new
    assert client.get(old).status_code == 404
    assert client.get(new).status_code == 200


def test_whatever_opens_nothing_is_answered_alike(client: FlaskClient) -> None:
    path = subscribe()
    token = path.removeprefix("/feeds/").removesuffix(".ics")
    booked()
    with transaction() as session:
        feeds.end_feed(session, "ada")
    others: tuple[str, ...] = (
        "x",
        token,
        token[:-1],
        token + "=",
        "%00",
        "../" + token,
        "é",
        "a" * 3000,
    )
    others += (HOUSE.keys.patient_token(b"\0" * 16, 1), the_appointment().reference)

    answers = [client.get(f"/feeds/{each}.ics") for each in others]

    assert {each.status_code for each in answers} == {404}
    assert len({each.get_data() for each in answers}) == 1


@pytest.mark.usefixtures("sqlite_app")
def test_the_database_does_not_hold_the_address() -> None:
    token = subscribe().removeprefix("/feeds/").removesuffix(".ics")

    assert token not in repr(rows())


def test_an_address_of_a_former_key_still_opens_and_is_not_shown(client: FlaskClient) -> None:
    path = subscribe()
    with transaction() as session:
        feed = session.scalars(select(Feed)).one()
        feed.nonce = b"\1" * 16  # as if another key had made it

    feed = db.session.scalars(select(Feed)).one()

    assert feeds.token_of_feed(feed, HOUSE.keys) is None
    assert client.get(path).status_code == 200


def a_poll(client: FlaskClient, path: str, tag: str = "") -> int:
    with watched() as statements:
        again(client, path, tag)
    return len(statements)


def test_a_304_takes_two_statements_and_a_whole_feed_one_more(app: Flask) -> None:
    client = app.test_client()
    path = subscribe()
    booked()
    tag = client.get(path).headers["ETag"]

    assert a_poll(client, path, tag) == 2
    assert a_poll(client, path) == 3


def test_a_feed_is_as_quick_with_years_behind_it(app: Flask) -> None:
    client = app.test_client()
    path = subscribe()
    booked()
    with transaction() as session:
        past_appointments(session, 2000, before=NOW - timedelta(days=60))
    refresh_statistics()

    with watched() as statements:
        found = events(client, path)

    scanned = {name for asked in statements.asked for name in scans(*asked)}
    assert len(found) == 1
    assert len(statements) == 3
    assert "appointment" not in scanned


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_changes_that_cross_each_other_wait_in_one_order() -> None:
    """What is cancelled locks what it takes before it is changed, as a move does."""
    booked("Wed 10:00")

    with watched() as statements:
        change(cancel_appointment, HOUSE)

    locking = [text for text, _ in statements.asked if "FOR " in text and "UPDATE" in text]
    tables = [text.partition("FROM ")[2].split()[0] for text in locking]
    assert tables == ["healthcare_service", "resource", "appointment", "audit_head"]


@pytest.mark.usefixtures("app")
def test_a_version_rises_with_the_change_or_not_at_all() -> None:
    def version() -> int:
        db.session.rollback()
        return db.session.scalars(select(Resource.version).where(Resource.slug == "ada")).one()

    before = version()
    with pytest.raises(RuntimeError), transaction() as session:
        an_appointment(session)
        raise RuntimeError

    assert version() == before
    booked()
    assert version() > before


def test_times_are_in_utc_so_that_no_zone_can_be_wrong(client: FlaskClient) -> None:
    booked("Mon 09:00", now=NOW - timedelta(days=3))
    text = client.get(subscribe()).get_data(as_text=True)

    assert "DTSTART:20261123T140000Z" in text
    assert "VTIMEZONE" not in text
