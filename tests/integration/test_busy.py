"""Practitioners' own calendars: read, kept, and never offered over."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from booking.domain.refusals import SlotTaken
from booking.models import BusyCalendar, BusyTime, CalendarKind, Practitioner
from booking.models.database import db, transaction
from booking.services import busy
from booking.services.correspondence import staff_uid
from booking.worker import readers_of
from booking.worker.calendars import REST, CalendarReader
from tests.builders import HOUSE, NOW, Clock, an_appointment, at
from tests.calendar_server import CalendarServer, calendar_server
from tests.conftest import settings_for
from tests.integration.test_queries import scans, watched
from tests.visits import a_member_of_staff, get, send, sign_in, the_appointment

PAGE = "/staff/calendars/"


def ics(*spans: tuple[str, str], uid: str = "own", more: str = "") -> bytes:
    """A calendar that is busy at these times: `("Tue 09:00", "Tue 10:00")`."""
    events = "".join(
        f"BEGIN:VEVENT\r\nUID:{uid}-{number}\r\nDTSTART:{at(start):%Y%m%dT%H%M%SZ}\r\n"
        f"DTEND:{at(end):%Y%m%dT%H%M%SZ}\r\n{more}END:VEVENT\r\n"
        for number, (start, end) in enumerate(spans)
    )
    return f"BEGIN:VCALENDAR\r\nPRODID:x\r\n{events}END:VCALENDAR\r\n".encode()


TUESDAY_MORNING = ics(("Tue 09:00", "Tue 11:00"))


@pytest.fixture
def server() -> Any:
    with calendar_server() as running:
        yield running


def add(address: str, slug: str = "ada", name: str = "Private") -> int:
    """Let a calendar be read from now on; its id."""
    with transaction() as session:
        who = session.scalars(select(Practitioner).where(Practitioner.slug == slug)).one()
        new = busy.NewCalendar(CalendarKind.ICS, name, address)
        return busy.add_calendar(session, who, new, keys=HOUSE.keys, now=NOW).id


def reader(server: CalendarServer, clock: Clock) -> CalendarReader:
    """A worker's reader that may go to the server."""
    return CalendarReader(
        keys=HOUSE.keys, our_address="appointments@clinic.example", hosts=[server.host], clock=clock
    )


def read(server: CalendarServer, clock: Clock) -> BusyCalendar:
    """Let the calendar be read; what is known of it then."""
    assert reader(server, clock).turn() == 0.0
    return the_calendar()


def the_calendar() -> BusyCalendar:
    db.session.rollback()
    return db.session.scalars(select(BusyCalendar)).one()


def known() -> int:
    """How many busy times are kept."""
    db.session.rollback()
    return db.session.scalars(select(func.count()).select_from(BusyTime)).one()


def starts(client: FlaskClient, day: str = "2026-11-24", who: str = "ada") -> list[str]:
    """The free starts of a day, as the clinic's clock shows them."""
    query = f"service=video&from={day}&to={day}&practitioner={who}"
    slots = client.get(f"/api/v1/slots?{query}").get_json()["slots"]
    return [each["start"][11:16] for each in slots]


def test_nothing_is_offered_while_a_practitioner_is_busy(
    app: Flask, server: CalendarServer, clock: Clock
) -> None:
    client = app.test_client()
    before = starts(client)
    add(server.serve(TUESDAY_MORNING))

    read(server, clock)

    taken = ["14:00", "14:30", "15:00", "15:30"]
    assert [each for each in before if each not in starts(client)] == taken


@pytest.mark.usefixtures("app")
def test_a_time_that_is_busy_cannot_be_booked(server: CalendarServer, clock: Clock) -> None:
    """Law 2, against a page that was open since before."""
    add(server.serve(TUESDAY_MORNING))
    read(server, clock)

    with pytest.raises(SlotTaken), transaction() as session:
        an_appointment(session, "Tue 09:30")
    with transaction() as session:
        an_appointment(session, "Tue 11:00")


@pytest.mark.usefixtures("app")
def test_what_keeps_free_time_around_it_keeps_it_from_other_appointments_too(
    server: CalendarServer, clock: Clock
) -> None:
    """A visit needs a quarter of an hour after it."""
    add(server.serve(ics(("Tue 10:00", "Tue 10:30"))))
    read(server, clock)

    with transaction() as session:
        an_appointment(session, "Tue 09:00")
    with pytest.raises(SlotTaken), transaction() as session:
        an_appointment(session, "Tue 09:30", practitioner="ada")


def test_colleagues_stay_free(app: Flask, server: CalendarServer, clock: Clock) -> None:
    client = app.test_client()
    wednesday = starts(client, "2026-11-25", "ben")
    add(server.serve(ics(("Wed 09:00", "Wed 17:00"))))

    read(server, clock)

    assert starts(client, "2026-11-25", "ben") == wednesday != []
    assert starts(client, "2026-11-25") == []


@pytest.mark.usefixtures("sqlite_app")
def test_our_own_appointments_in_their_calendar_do_not_block_themselves(
    server: CalendarServer, clock: Clock
) -> None:
    with transaction() as session:
        an_appointment(session, "Tue 09:00")
    made = the_appointment()
    own = staff_uid(made.reference, made.practitioner_id, HOUSE.keys)
    span = ("Tue 09:00", "Tue 09:45")
    copies = [ics(span).replace(b"own-0", uid.encode()) for uid in (own, made.uid)]
    organized = ics(span, more="ORGANIZER:mailto:appointments@clinic.example\r\n")
    add(server.serve(b"".join([*copies, organized])))

    read(server, clock)

    assert known() == 0


@pytest.mark.usefixtures("sqlite_app")
def test_it_is_asked_every_quarter_of_an_hour_whether_anything_is_new(
    server: CalendarServer, clock: Clock
) -> None:
    add(server.serve(TUESDAY_MORNING, etag='"v1"'))
    read(server, clock)

    assert reader(server, clock).turn() == REST
    clock.forward(minutes=15)
    second = read(server, clock)

    assert [each.headers.get("If-None-Match") for each in server.asked] == [None, '"v1"']
    assert second.fetched_at == clock.now
    assert known() == 1


@pytest.mark.usefixtures("sqlite_app")
def test_each_day_the_whole_is_asked_for_since_the_horizon_moves(
    server: CalendarServer, clock: Clock
) -> None:
    far = "BEGIN:VEVENT\r\nUID:far\r\nDTSTART:20270125T090000Z\r\nDURATION:PT1H\r\nEND:VEVENT\r\n"
    raw = TUESDAY_MORNING.replace(b"END:VCALENDAR", far.encode() + b"END:VCALENDAR")
    add(server.serve(raw, etag='"v1"'))
    read(server, clock)
    before = known()
    clock.forward(days=1)

    read(server, clock)

    assert server.asked[-1].headers.get("If-None-Match") is None
    assert (before, known()) == (1, 2)


@pytest.mark.usefixtures("sqlite_app")
def test_a_calendar_that_changes_is_kept_as_it_is_now(server: CalendarServer, clock: Clock) -> None:
    add(server.serve(TUESDAY_MORNING))
    read(server, clock)
    server.serve(ics(("Wed 09:00", "Wed 10:00")))
    clock.forward(minutes=15)

    read(server, clock)

    assert db.session.scalars(select(BusyTime.starts_at)).all() == [at("Wed 09:00")]


@pytest.mark.usefixtures("sqlite_app")
def test_what_says_the_same_is_not_written_again(server: CalendarServer, clock: Clock) -> None:
    add(server.serve(TUESDAY_MORNING))
    read(server, clock)
    clock.forward(minutes=15)

    with watched() as statements:
        read(server, clock)

    assert not [text for text, _ in statements.asked if "INTO busy_time" in text]


def test_a_calendar_that_fails_keeps_its_last_good_state(
    app: Flask, server: CalendarServer, clock: Clock
) -> None:
    add(server.serve(TUESDAY_MORNING, etag='"v1"'))
    good = read(server, clock).fetched_at
    server.serve(b"<!doctype html>", etag='"v2"')
    clock.forward(minutes=15)

    failed = read(server, clock)

    assert known() == 1
    assert (failed.fetched_at, failed.failing_since) == (good, clock.now)
    assert (failed.checked_at, failed.etag) == (clock.now, '"v1"')
    assert "not a calendar" in failed.last_error
    assert "09:00" not in starts(app.test_client())


@pytest.mark.usefixtures("sqlite_app")
def test_it_is_tried_again_soon_and_then_less_often(server: CalendarServer, clock: Clock) -> None:
    add(server.serve(status=500))
    waits = []
    for _ in range(4):
        failed = read(server, clock)
        waits.append((failed.next_check_at - clock.now) // timedelta(minutes=1))
        clock.now = failed.next_check_at

    server.serve(TUESDAY_MORNING)
    healed = read(server, clock)

    assert waits == [5, 15, 60, 60]
    assert (healed.failing_since, healed.last_error) == (None, "")
    assert healed.next_check_at == clock.now + busy.EVERY


@pytest.mark.usefixtures("app")
def test_two_workers_do_not_read_one_calendar_twice(clock: Clock) -> None:
    add("https://cal.example/a.ics")

    def claim() -> busy.Claimed | None:
        with transaction() as session:
            return busy.claim_due(session, keys=HOUSE.keys, our_address="", hosts=[], now=clock.now)

    first, second = claim(), claim()
    clock.forward(minutes=3)

    assert first is not None
    assert second is None
    assert claim() is not None, "whoever died is followed by another"


@pytest.mark.usefixtures("sqlite_app")
def test_a_calendar_removed_while_it_is_read_leaves_nothing(
    server: CalendarServer, clock: Clock
) -> None:
    number = add(server.serve(TUESDAY_MORNING))
    read(server, clock)
    with transaction() as session:
        busy.remove_calendar(session, number)

    with transaction() as session:
        busy.store(session, number, None, now=NOW)

    assert known() == 0
    assert reader(server, clock).turn() == REST


@pytest.mark.usefixtures("sqlite_app")
def test_nothing_is_written_while_nothing_is_due(server: CalendarServer, clock: Clock) -> None:
    with watched() as statements:
        reader(server, clock).turn()

    assert [text.split()[0] for text, _ in statements.asked] == ["SELECT"]


def test_hosts_of_the_clinics_own_network_are_read_from_the_settings() -> None:
    found = settings_for(
        "sqlite:///x.db", BOOKING_CALENDAR_HOSTS="Files.Clinic.example, 10.0.0.5:81"
    )

    assert found.calendar_hosts == ("files.clinic.example", "10.0.0.5:81")


def test_every_worker_reads_calendars(sqlite_app: Flask) -> None:
    assert any(isinstance(each, CalendarReader) for each in readers_of(sqlite_app))


@pytest.mark.usefixtures("sqlite_app")
def test_the_database_does_not_hold_the_address() -> None:
    add("https://ada:secret@cal.example/private/0123456789.ics")

    calendar = the_calendar()

    assert b"secret" not in calendar.sealed_url
    assert busy.host_of(calendar, HOUSE.keys) == "cal.example"


@pytest.mark.usefixtures("sqlite_app")
def test_an_address_sealed_with_a_former_key_is_a_fault_in_words(
    server: CalendarServer, clock: Clock
) -> None:
    add(server.serve(TUESDAY_MORNING))
    with transaction() as session:
        session.scalars(select(BusyCalendar)).one().sealed_url = b"gAAAAA-of-another-key"

    failed = read(server, clock)

    assert "address" in failed.last_error
    assert busy.host_of(failed, HOUSE.keys) == ""


def test_busy_times_of_the_past_are_not_read(app: Flask) -> None:
    add("https://cal.example/a.ics")
    with transaction() as session:
        for number in range(3000):
            start = NOW - timedelta(hours=number + 24)
            session.add(
                BusyTime(
                    calendar_id=the_id(),
                    resource_id=1,
                    starts_at=start,
                    ends_at=start + timedelta(minutes=30),
                )
            )
    with db.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")

    with watched() as statements:
        starts(app.test_client())

    assert "busy_time" not in {name for asked in statements.asked for name in scans(*asked)}


def the_id() -> int:
    return db.session.scalars(select(BusyCalendar.id)).one()


# The staff's page


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    """A member of staff who is signed in."""
    a_member_of_staff()
    sign_in(client)
    return client


def test_staff_make_an_address_and_see_it(desk: FlaskClient) -> None:
    page = get(desk, PAGE)
    assert "There is no address yet." in page.text

    made = send(desk, page, "/ada/feed")
    page = get(desk, made.location)
    link = page.link("Open in your calendar app")

    assert link.startswith("webcal://127.0.0.1:8000/feeds/")
    assert link.replace("webcal://", "http://") in page.text
    assert desk.get(link.removeprefix("webcal://127.0.0.1:8000")).status_code == 200


def test_one_click_renews_an_address_and_one_ends_it(desk: FlaskClient) -> None:
    send(desk, get(desk, PAGE), "/ada/feed")
    first = get(desk, PAGE).link("Open in your calendar app")
    send(desk, get(desk, PAGE), "/ada/feed")
    page = get(desk, PAGE)
    second = page.link("Open in your calendar app")

    send(desk, page, "/ada/feed/end")

    assert first != second
    for link in (first, second):
        assert desk.get(link.removeprefix("webcal://127.0.0.1:8000")).status_code == 404
    assert not get(desk, PAGE).all("a", aria_label="Open the calendar of Ada Bell")


def test_staff_add_a_calendar_and_see_how_it_fares(
    desk: FlaskClient, server: CalendarServer, clock: Clock
) -> None:
    page = get(desk, f"{PAGE}ada/add")

    done = send(desk, page, name="Private", address="webcal://cal.example/secret.ics")
    text = get(desk, done.location).text

    assert "Private" in text
    assert "cal.example" in text
    assert "It will be read within a minute." in text
    assert "secret" not in text
    with transaction() as session:
        calendar = session.scalars(select(BusyCalendar)).one()
        calendar.sealed_url = HOUSE.keys.seal.encrypt(server.serve(TUESDAY_MORNING).encode())
    read(server, clock)
    text = get(desk, PAGE).text
    assert "Read Monday 23 November, 8:00 am. 1 busy time ahead." in text


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"name": ""}, "Enter a name"),
        ({"address": "http://cal.example/a.ics"}, "does not begin with https://"),
        ({"address": "my calendar"}, "not one of a calendar"),
        ({"address": ""}, "not one of a calendar"),
        ({"kind": "carrier pigeon"}, "Choose how"),
    ],
)
def test_what_is_typed_wrong_is_kept_and_told(
    desk: FlaskClient, typed: dict[str, str], sentence: str
) -> None:
    page = get(desk, f"{PAGE}ada/add")
    whole = {"name": "Private", "address": "https://cal.example/a.ics", "kind": "ics"} | typed

    answer = send(desk, page, **whole)

    assert answer.status_code == 422
    text = answer.get_data(as_text=True)
    assert sentence in text
    assert whole["address"] in text
    assert db.session.scalar(select(BusyCalendar.id)) is None


def test_staff_check_and_remove_a_calendar(
    desk: FlaskClient, server: CalendarServer, clock: Clock
) -> None:
    add(server.serve(TUESDAY_MORNING))
    read(server, clock)

    send(desk, get(desk, PAGE), "/check")
    due = the_calendar().next_check_at
    send(desk, get(desk, PAGE), "/remove")

    assert due == clock.now
    assert known() == 0
    assert db.session.scalar(select(BusyCalendar.id)) is None


def test_only_who_sees_patients_has_calendars_to_read(desk: FlaskClient) -> None:
    for slug in ("blue", "nobody"):
        assert desk.get(f"{PAGE}{slug}/add").status_code == 404
    page = get(desk, PAGE)
    assert send(desk, page, "/blue/feed").status_code == 303
    form = page.form("/ada/feed")
    assert desk.post(f"{PAGE}nobody/feed", data=form.values()).status_code == 404


def test_staff_are_told_of_a_calendar_that_fails_for_a_day(
    desk: FlaskClient, server: CalendarServer, clock: Clock
) -> None:
    add(server.serve(status=404))
    read(server, clock)
    assert "Calendars that cannot be read" not in get(desk, "/staff/").text
    clock.forward(days=1)
    sign_in(desk)

    text = get(desk, "/staff/").text

    assert "Calendars that cannot be read" in text
    assert "Private of Ada Bell, since 8:00 am on Monday 23 November." in text
    assert "There is nothing at that address any more." in text
    assert "Not since 8:00 am on Monday 23 November" in get(desk, PAGE).text
