"""Free slots for programs that look for appointments (SMART Scheduling Links, FHIR R4)."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fhir.resources.R4B.location import Location
from fhir.resources.R4B.schedule import Schedule
from fhir.resources.R4B.slot import Slot
from flask import Flask
from flask.testing import FlaskClient
from pydantic import BaseModel

from booking.models import Visibility
from booking.models.database import transaction
from booking.web import fhir
from tests.builders import Clock, Mailbox, an_appointment, the_service
from tests.conftest import a_running_app, settings_for
from tests.visits import rows

MANIFEST = "/api/fhir/$bulk-publish"
HOST = "http://127.0.0.1:8000"
LINK = "http://fhir-registry.smarthealthit.org/StructureDefinition/booking-deep-link"
PHONE = "http://fhir-registry.smarthealthit.org/StructureDefinition/booking-phone"
KINDS: dict[str, type[BaseModel]] = {"Location": Location, "Schedule": Schedule, "Slot": Slot}


@pytest.fixture
def published(sqlite_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[Flask]:
    """The small clinic, which wants to be found."""
    settings = settings_for(sqlite_url, BOOKING_PUBLISH_SLOTS="1")
    yield from a_running_app(settings, clock, mailbox)


@pytest.fixture
def finder(published: Flask) -> FlaskClient:
    """A program that looks for appointments."""
    return published.test_client()


def read(finder: FlaskClient, kind: str) -> list[dict[str, Any]]:
    """Every resource of a kind, from all files that the manifest names."""
    output = finder.get(MANIFEST).get_json()["output"]
    files = [each["url"].removeprefix(HOST) for each in output if each["type"] == kind]
    answers = [finder.get(each) for each in files]
    assert {each.content_type for each in answers} == {"application/fhir+ndjson"}
    return [json.loads(line) for each in answers for line in each.text.splitlines()]


def slots_of(finder: FlaskClient, slug: str = "visit") -> list[dict[str, Any]]:
    """The slots of one service."""
    text = finder.get(f"/api/fhir/slots/{slug}.ndjson").text
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    "path", ["$bulk-publish", "locations.ndjson", "schedules.ndjson", "slots/visit.ndjson"]
)
def test_nothing_is_published_until_the_clinic_says_so(client: FlaskClient, path: str) -> None:
    assert client.get(f"/api/fhir/{path}").status_code == 404


def test_the_manifest_names_every_file(finder: FlaskClient) -> None:
    manifest = finder.get(MANIFEST).get_json()

    assert manifest["transactionTime"] == "2026-11-23T13:00:00Z"
    assert manifest["request"] == f"{HOST}{MANIFEST}"
    assert manifest["error"] == []
    assert [each["type"] for each in manifest["output"]] == [
        "Location",
        "Schedule",
        *["Slot"] * 3,
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_resource_is_one_of_fhir(finder: FlaskClient, kind: str) -> None:
    for each in read(finder, kind):
        KINDS[kind].model_validate(each)
        assert each["meta"]["lastUpdated"] == "2026-11-23T13:00:00Z"


def test_resources_refer_to_each_other_by_ids_that_count_nothing(finder: FlaskClient) -> None:
    places, plans = read(finder, "Location"), read(finder, "Schedule")
    slots = read(finder, "Slot")

    assert {each["actor"][0]["reference"] for each in plans} == {
        f"Location/{each['id']}" for each in places
    }
    assert {each["schedule"]["reference"] for each in slots} == {
        f"Schedule/{each['id']}" for each in plans
    }
    ids = [each["id"] for each in (*places, *plans, *slots)]
    assert len(set(ids)) == len(ids)
    assert all(24 <= len(each) <= 64 for each in ids)


def test_a_place_has_the_parts_of_its_address(finder: FlaskClient) -> None:
    place = next(each for each in read(finder, "Location") if each["name"] == "Main")

    assert place["telecom"] == [{"system": "phone", "value": "(212) 555-0142"}]
    assert place["address"] == {
        "text": "120 Water Street, New York, NY 10005",
        "line": ["120 Water Street"],
        "city": "New York",
        "state": "NY",
        "postalCode": "10005",
        "country": "US",
    }


def test_an_address_of_another_form_is_told_as_it_is() -> None:
    told = fhir._address("Hauptstraße 1, 10827 Berlin", "DE")

    assert told == {
        "text": "Hauptstraße 1, 10827 Berlin",
        "line": ["Hauptstraße 1, 10827 Berlin"],
        "country": "DE",
    }


def test_a_slot_leads_to_the_form_of_that_very_slot(finder: FlaskClient) -> None:
    slot = slots_of(finder)[0]
    extensions = {each["url"]: each for each in slot["extension"]}
    before = rows()

    form = finder.get(extensions[LINK]["valueUrl"].removeprefix(HOST) + "&source=finder")

    assert (slot["status"], slot["start"], slot["end"]) == (
        "free",
        "2026-11-23T14:00:00Z",
        "2026-11-23T14:45:00Z",
    )
    assert extensions[PHONE]["valueString"] == "(212) 555-0142"
    assert form.status_code == 200
    assert f'value="{slot["start"]}"' in form.text
    assert rows() == before


def test_what_is_published_is_what_the_api_offers(finder: FlaskClient) -> None:
    """Law 2."""
    path = "/api/v1/slots?service=visit&from=2026-11-23&to=2026-12-31"

    offered = finder.get(path).get_json()["slots"]

    assert [each["start"] for each in slots_of(finder)] == [each["start"] for each in offered]


def test_only_what_anybody_can_find_is_published(finder: FlaskClient) -> None:
    with transaction() as session:
        the_service(session, "video").visibility = Visibility.LINK

    files = [each["url"] for each in finder.get(MANIFEST).get_json()["output"]]

    assert not any("video" in each or "internal" in each for each in files)
    for hidden in ("video", "internal", "nothing"):
        assert finder.get(f"/api/fhir/slots/{hidden}.ndjson").status_code == 404


def test_nobody_is_named(finder: FlaskClient) -> None:
    with transaction() as session:
        an_appointment(session, "Tue 09:00")

    told = json.dumps([each for kind in KINDS for each in read(finder, kind)])

    for name in ("Sam", "Ada", "ada", "Ben", "ben", "mail.example", "clinic.example", "busy"):
        assert name not in told


def test_what_has_not_changed_is_not_sent_again(finder: FlaskClient, clock: Clock) -> None:
    paths = [MANIFEST, *(f"/api/fhir/{each}.ndjson" for each in ("locations", "slots/visit"))]
    clock.forward(minutes=5)
    tags = {path: finder.get(path).headers["ETag"] for path in paths}
    clock.forward(minutes=1)

    answers = [finder.get(path, headers={"If-None-Match": tags[path]}) for path in paths]

    assert [(each.status_code, each.data) for each in answers] == [(304, b"")] * 3


def test_a_booking_is_another_state_of_manifest_and_slots(
    finder: FlaskClient, clock: Clock
) -> None:
    paths = [MANIFEST, "/api/fhir/slots/visit.ndjson"]
    tags = {path: finder.get(path).headers["ETag"] for path in paths}
    clock.forward(minutes=1)
    with transaction() as session:
        an_appointment(session, "Tue 09:00")

    answers = [finder.get(path, headers={"If-None-Match": tags[path]}) for path in paths]

    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].get_json()["transactionTime"] == "2026-11-23T13:01:00Z"
    assert '"start":"2026-11-24T14:00:00Z"' not in answers[1].text


def test_a_slot_that_has_passed_is_another_state(finder: FlaskClient, clock: Clock) -> None:
    path = "/api/fhir/slots/visit.ndjson"
    before = finder.get(path)
    clock.forward(hours=1, minutes=5)

    after = finder.get(path, headers={"If-None-Match": before.headers["ETag"]})

    assert after.status_code == 200
    assert len(after.text.splitlines()) < len(before.text.splitlines())


def test_a_file_holds_no_more_than_so_many_slots(finder: FlaskClient) -> None:
    with transaction() as session:
        call = the_service(session, "call")
        call.step, call.booking_horizon = timedelta(minutes=5), timedelta(days=60)

    starts = [each["start"] for each in slots_of(finder, "call")]

    assert len(starts) == fhir.MOST_SLOTS
    assert starts == sorted(starts)
    assert starts[0] == "2026-11-23T14:00:00Z"
