"""A clinic in a file: read as a whole or not at all, and every fault says where it is."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from booking.app import create_app
from booking.domain.openings import ALL_MONTHS
from booking.models import Clinic, Location, OpeningHours, Resource
from booking.models.database import db, transaction
from booking.seed import DEMO_FILE
from booking.services.clinic_file import (
    ClinicExists,
    ClinicFileError,
    read_clinic_file,
    store_clinic,
)
from tests.builders import CLINIC, a_clinic, the_service
from tests.conftest import settings_for
from tests.contracts.test_routes import addresses
from tests.visits import a_member_of_staff, sign_in

FAULTS = {
    "no TOML": ('name = "Quiet Harbor Clinic"', "name = Quiet", "line 3"),
    "a zone of nowhere": ("America/New_York", "America/Gotham", "clinic.timezone"),
    "a region of nowhere": ('region = "NY"', 'region = "ZZ"', "clinic:"),
    "a word too many": ('country = "US"', 'country = "US"\nplanet = 3', "clinic.planet"),
    "a name that no mail can carry": (
        'name = "Ada Bell"',
        'name = "=?q?Ada?="',
        "mail cannot carry",
    ),
    "a value missing": ('phone = "(212) 555-0142"', "", "clinic.phone"),
    "no address": ("ada@clinic.example", "ada at clinic", "practitioners.0.email"),
    "two addresses": ("desk@clinic.example", "a@b.example, c@d.example", "clinic.staff_email"),
    "a title beyond the column": (
        'name = "Ada Bell"',
        f'name = "Ada Bell"\ntitle = "{"x" * 101}"',
        "practitioners.0.title",
    ),
    "hours that end before they begin": (
        'closes = "17:00"',
        'closes = "08:00"',
        "practitioners.0.hours",
    ),
    "a day of no week": ('"mon", "tue"', '"mon", "tuesday"', "practitioners.0.hours.0.days"),
    "a length of nothing": ("duration = 45", "duration = 0", "services.0.duration"),
    "a name twice": ('slug = "video"', 'slug = "call"', "call: defined twice"),
    "somebody unknown": (
        '["ada", "ben"]\nrooms',
        '["ada", "eve"]\nrooms',
        "services.visit: no practitioner eve",
    ),
    "somebody twice": (
        '["ada", "ben"]\nrooms',
        '["ada", "ada"]\nrooms',
        "services.visit: ada is listed twice",
    ),
    "a room unknown": ('rooms = ["blue"]', 'rooms = ["red"]', "services.visit: no room red"),
    "a place unknown": (
        'location = "main"',
        'location = "moon"',
        "services.visit: no location moon",
    ),
    "a place missing": ('location = "main"', "", "services.visit: a service in person needs"),
    "a feed that shows names": (
        'country = "US"',
        'country = "US"\nfeed_shows = "names"',
        "clinic.feed_shows",
    ),
    "a room nowhere": (
        'name = "Blue room"',
        'name = "Blue"\nlocation = "moon"',
        "rooms.blue: no location moon",
    ),
}


@pytest.mark.parametrize(("right", "wrong", "where"), FAULTS.values(), ids=FAULTS)
def test_a_fault_says_where_it_is(right: str, wrong: str, where: str) -> None:
    assert right in CLINIC
    broken = CLINIC.replace(right, wrong, 1)

    with pytest.raises(ClinicFileError) as fault:
        read_clinic_file(broken)

    assert where in str(fault.value)
    assert len(str(fault.value).splitlines()) == 1


def test_all_faults_are_told_at_once() -> None:
    broken = CLINIC.replace('rooms = ["blue"]', 'rooms = ["red", "green"]')

    with pytest.raises(ClinicFileError) as fault:
        read_clinic_file(broken)

    assert str(fault.value).splitlines() == [
        "services.visit: no room red",
        "services.visit: no room green",
    ]


@pytest.mark.usefixtures("app")
def test_what_the_file_says_is_stored() -> None:
    visit = the_service(db.session())

    assert [each.slug for each in visit.practitioners] == ["ada", "ben"]
    assert [each.slug for each in visit.rooms] == ["blue"]
    assert visit.duration == timedelta(minutes=45)
    assert visit.booking_horizon == timedelta(days=30)
    assert visit.location is not None
    assert db.session.scalar(select(func.count()).select_from(OpeningHours)) == 7


@pytest.mark.parametrize(
    ("line", "days"),
    [("", 365), ("erase_after_days = 30", 30), ('erase_after_days = "never"', None)],
)
@pytest.mark.usefixtures("empty_app")
def test_personal_data_are_kept_for_as_long_as_the_file_says(line: str, days: int | None) -> None:
    text = CLINIC.replace('country = "US"', f'country = "US"\n{line}')
    with transaction() as session:
        store_clinic(session, read_clinic_file(text))

    assert db.session.get_one(Clinic, 1).erase_after_days == days


@pytest.mark.usefixtures("empty_app")
def test_hours_hold_in_the_months_and_at_the_place_that_the_file_says() -> None:
    more = 'closes = "17:00"\nmonths = [1, 3]\nlocation = "main"'
    with transaction() as session:
        a_clinic(session, CLINIC.replace('closes = "17:00"', more, 1))

    rules = [each.rule for each in db.session.scalars(select(OpeningHours)).unique()]
    main = db.session.scalars(select(Location.id)).one()
    assert {(each.months, each.place) for each in rules} == {
        (frozenset({1, 3}), main),
        (ALL_MONTHS, None),
    }


def test_hours_at_a_place_that_is_not_defined_are_refused() -> None:
    more = 'closes = "17:00"\nlocation = "moon"'

    with pytest.raises(ClinicFileError, match=r"practitioners\.ada: no location moon"):
        read_clinic_file(CLINIC.replace('closes = "17:00"', more, 1))


@pytest.mark.usefixtures("app")
def test_a_second_clinic_is_refused_and_the_first_stays() -> None:
    before = db.session.scalar(select(func.count()).select_from(Resource))

    with pytest.raises(ClinicExists), transaction() as session:
        a_clinic(session, CLINIC.replace("Quiet Harbor Clinic", "Another"))

    assert db.session.get_one(Clinic, 1).name == "Quiet Harbor Clinic"
    assert db.session.scalar(select(func.count()).select_from(Resource)) == before


@pytest.mark.usefixtures("empty_app")
def test_translations_are_stored_and_what_is_empty_is_left_out() -> None:
    visit = 'name = "First consultation"\n'
    said = 'translations.es = { name = "Primera consulta", summary = " " }\n'
    place = 'key = "main"\n'
    more = place + 'translations.es.directions = "Suba."\n'

    with transaction() as session:
        a_clinic(session, CLINIC.replace(visit, visit + said, 1).replace(place, more, 1))

    service = the_service(db.session(), "visit")
    assert service.translations == {"es": {"name": "Primera consulta"}}
    assert service.location
    assert service.location.translations == {"es": {"directions": "Suba."}}
    assert db.session.get_one(Clinic, 1).language == "en"


def test_the_demo_is_whole_in_every_language() -> None:
    file = read_clinic_file(DEMO_FILE.read_text(encoding="utf-8"))

    assert file.clinic.translations["es"].crisis_text
    for place in file.locations:
        assert place.translations["es"].directions
    for each in file.practitioners:
        assert each.translations["es"].title
    for service in file.services:
        there = service.translations["es"]
        assert all((there.name, there.summary, there.preparation))


def test_the_demo_is_a_clinic_file_like_any_other() -> None:
    file = read_clinic_file(DEMO_FILE.read_text(encoding="utf-8"))

    assert len(file.services) == 3


def test_the_command_loads_a_file_once_and_names_what_is_wrong(
    empty_app: Flask, tmp_path: Path
) -> None:
    run = empty_app.test_cli_runner().invoke
    good, bad, garbled = (tmp_path / name for name in ("good.toml", "bad.toml", "garbled.toml"))
    good.write_text(CLINIC)
    bad.write_text(CLINIC.replace("duration = 45", "duration = 0"))
    garbled.write_bytes(b"\xff\xfe")

    refused = [run(args=["load-clinic", str(each)]) for each in (bad, garbled)]
    loaded = run(args=["load-clinic", str(good)])
    again = run(args=["load-clinic", str(good)])

    assert "services.0.duration" in refused[0].output
    assert "UTF-8" in refused[1].output
    assert loaded.output == "Quiet Harbor Clinic: 4 services can be booked.\n"
    assert again.output == "Error: The database holds a clinic already.\n"
    assert [each.exit_code for each in (*refused, loaded, again)] == [1, 1, 0, 1]


@pytest.fixture
def empty_app(sqlite_url: str) -> Iterator[Flask]:
    app = create_app(settings_for(sqlite_url))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize("signed_in", [False, True])
def test_no_page_fails_before_there_is_a_clinic(empty_app: Flask, signed_in: bool) -> None:
    """Not set up is 503 with a sentence; 500 is a bug, in somebody's first hour with us."""
    empty_app.config["PROPAGATE_EXCEPTIONS"] = False
    client = empty_app.test_client()
    if signed_in:
        a_member_of_staff()
        assert sign_in(client).status_code == 302
    found = {}

    for rule, path in addresses(empty_app, "/appointments/x", "ABCDEFGH"):
        if "GET" in (rule.methods or ()):
            with client.get(path) as answer:
                found[path] = answer.status_code

    assert [path for path, status in found.items() if status == 500] == []
    assert found["/api/"] == 200
    assert found["/staff/"] == (503 if signed_in else 302)
