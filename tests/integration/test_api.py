"""The API's contract: fields, codes and types, whatever is sent."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.models.database import transaction
from tests.builders import Clock, an_appointment, at
from tests.visits import a_link, rows, the_appointment

V1 = "/api/v1"
JSON = "application/json"
PROBLEM = "application/problem+json"


def a_body(**changes: Any) -> dict[str, Any]:
    """What a program sends to book."""
    return {
        "service": "visit",
        "start": "2026-11-24T14:00:00Z",
        "patient": {"name": "Sam Rivers", "email": "sam@mail.example"},
        "email_consent": True,
    } | changes


def post(client: FlaskClient, body: Any, key: str | None = None) -> TestResponse:
    """Book."""
    headers = {"Idempotency-Key": key} if key is not None else {}
    return client.post(f"{V1}/appointments", json=body, headers=headers)


def is_problem(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    """RFC 9457, and nothing that it should not say."""
    assert answer.content_type == PROBLEM
    body: dict[str, Any] = json.loads(answer.data)
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["type"] == "about:blank"
    assert body["title"]
    return body


def test_the_services_are_those_of_the_public(client: FlaskClient) -> None:
    answer = client.get(f"{V1}/services")

    services = answer.get_json()["services"]
    assert answer.content_type == JSON
    assert [each["slug"] for each in services] == ["visit", "video", "call"]
    assert services[0] == {
        "slug": "visit",
        "name": "First consultation",
        "duration_minutes": 45,
        "mode": "in_person",
        "practitioners": [
            {"slug": "ada", "name": "Ada Bell"},
            {"slug": "ben", "name": "Ben Cole"},
        ],
    }


def test_slots_of_two_days_both_included(client: FlaskClient) -> None:
    answer = client.get(f"{V1}/slots?service=visit&from=2026-11-24&to=2026-11-25")

    body = answer.get_json()
    assert (body["service"], body["timezone"]) == ("visit", "America/New_York")
    assert body["slots"][0] == {
        "start": "2026-11-24T14:00:00Z",
        "end": "2026-11-24T14:45:00Z",
        "practitioners": ["ada"],
    }
    assert {each["start"][:10] for each in body["slots"]} == {"2026-11-24", "2026-11-25"}
    both = next(each for each in body["slots"] if each["start"] == "2026-11-25T15:00:00Z")
    assert both["practitioners"] == ["ada", "ben"]


def test_slots_say_nothing_of_what_is_taken(client: FlaskClient) -> None:
    """T-19."""
    with transaction() as session:
        an_appointment(session, "Tue 09:00")

    body = client.get(f"{V1}/slots?service=visit&from=2026-11-24&to=2026-11-24").get_json()

    assert set(body) == {"service", "timezone", "slots"}
    assert all(set(each) == {"start", "end", "practitioners"} for each in body["slots"])
    assert "2026-11-24T14:00:00Z" not in {each["start"] for each in body["slots"]}


def test_slots_of_one_practitioner(client: FlaskClient) -> None:
    path = f"{V1}/slots?service=visit&from=2026-11-24&to=2026-11-25&practitioner=ben"

    slots = client.get(path).get_json()["slots"]

    assert {tuple(each["practitioners"]) for each in slots} == {("ben",)}


def test_the_days_are_those_of_the_zone_asked_for(client: FlaskClient) -> None:
    path = f"{V1}/slots?service=video&from=2026-11-25&to=2026-11-25&tz=Asia/Tokyo"

    body = client.get(path).get_json()

    assert body["timezone"] == "Asia/Tokyo"
    assert body["slots"][0]["start"] == "2026-11-24T15:00:00Z"


def test_the_page_and_the_api_offer_the_same(client: FlaskClient) -> None:
    """Law 2."""
    path = f"{V1}/slots?service=visit&from=2026-11-24&to=2026-11-24"

    for slot in client.get(path).get_json()["slots"]:
        assert client.get(f"/services/visit/book?start={slot['start']}").status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-11-24&to=2026-11-25", "service"),
        ("service=visit&to=2026-11-25", "from"),
        ("service=visit&from=2026-11-24", "to"),
        ("service=visit&from=2026-11-25&to=2026-11-24", "to"),
        ("service=visit&from=2026-11-24&to=2027-01-25", "to"),
        ("service=visit&from=2026-13-01&to=2026-11-25", "from"),
        ("service=visit&from=0000-00-00&to=2026-11-25", "from"),
        ("service=visit&from=9999-12-31&to=9999-12-31", "from"),
        ("service=visit&from=2026-11-24&to=2026-11-25&tz=Mars/Olympus", "tz"),
        ("service=visit&from=2026-11-24&to=2026-11-25&tz=%00", "tz"),
        ("service=visit&from=%ED%A0%80&to=2026-11-25", "from"),
    ],
)
def test_a_question_that_cannot_be_meant_is_named(
    client: FlaskClient, query: str, field: str
) -> None:
    """T-78: at most 62 days."""
    body = is_problem(client.get(f"{V1}/slots?{query}"), 422, "invalid")

    assert list(body["errors"]) == [field]


def test_sixty_two_days_can_be_asked_for(client: FlaskClient) -> None:
    answer = client.get(f"{V1}/slots?service=visit&from=2026-11-24&to=2027-01-24")

    assert answer.status_code == 200


@pytest.mark.parametrize("who", ["service=no", "service=internal", "service=visit&practitioner=no"])
def test_what_is_not_offered_is_not_found(client: FlaskClient, who: str) -> None:
    answer = client.get(f"{V1}/slots?from=2026-11-24&to=2026-11-24&{who}")

    is_problem(answer, 404, "not_offered")


def test_a_booking_answers_with_its_links(client: FlaskClient) -> None:
    answer = post(client, a_body(practitioner="ada"))

    body = answer.get_json()
    token = body.pop("token")
    base = "http://127.0.0.1:8000"
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{base}{V1}/appointments/{token}"
    assert body == {
        "status": "booked",
        "service": "visit",
        "start": "2026-11-24T14:00:00Z",
        "end": "2026-11-24T14:45:00Z",
        "sequence": 0,
        "practitioner": {"slug": "ada", "name": "Ada Bell"},
        "links": {
            "self": f"{base}{V1}/appointments/{token}",
            "manage": f"{base}/appointments/{token}",
            "invite": f"{base}/appointments/{token}/invite.ics",
        },
    }


def test_what_was_booked_can_be_read_moved_and_cancelled(client: FlaskClient) -> None:
    made = post(client, a_body()).get_json()
    path = f"{V1}/appointments/{made['token']}"

    read = client.get(path).get_json()
    moved = client.post(f"{path}/reschedule", json={"start": "2026-11-25T15:00:00Z"}).get_json()
    cancelled = client.post(f"{path}/cancel", json={"reason": "away"}).get_json()

    assert read == made
    assert (moved["start"], moved["sequence"]) == ("2026-11-25T15:00:00Z", 1)
    assert (cancelled["status"], cancelled["sequence"]) == ("cancelled", 2)
    assert the_appointment().cancel_reason == "away"


def test_cancelling_needs_no_body(client: FlaskClient) -> None:
    path = f"{V1}{a_link()}/cancel"

    assert client.post(path).get_json()["status"] == "cancelled"
    is_problem(client.post(path), 409, "wrong_state")


def test_the_cut_off_holds_for_programs_too(client: FlaskClient, clock: Clock) -> None:
    path = f"{V1}{a_link('Tue 09:00')}"
    clock.now = at("Tue 07:30")

    is_problem(client.post(f"{path}/cancel"), 403, "too_late")
    is_problem(
        client.post(f"{path}/reschedule", json={"start": "2026-11-25T15:00:00Z"}), 403, "too_late"
    )


def test_a_taken_slot_comes_with_alternatives(client: FlaskClient) -> None:
    post(client, a_body())

    body = is_problem(post(client, a_body()), 409, "slot_taken")

    assert len(body["alternatives"]) == 6
    assert set(body["alternatives"][0]) == {"start", "end", "practitioners"}
    again = post(client, a_body(start=body["alternatives"][0]["start"]))
    assert again.status_code == 201


def test_a_move_to_a_taken_slot_keeps_the_old_one(client: FlaskClient) -> None:
    """T-70."""
    path = f"{V1}{a_link('Tue 09:00')}"
    a_link("Wed 10:00", email="faster@mail.example")

    answer = client.post(f"{path}/reschedule", json={"start": "2026-11-25T15:00:00Z"})

    assert is_problem(answer, 409, "slot_taken")["alternatives"]
    assert client.get(path).get_json()["start"] == "2026-11-24T14:00:00Z"


def test_the_same_key_gives_the_same_answer(client: FlaskClient) -> None:
    first, second = post(client, a_body(), "wish-1"), post(client, a_body(), "wish-1")

    assert (first.status_code, first.data) == (second.status_code, second.data)
    assert len(rows()["appointment"]) == 1


def test_the_same_key_with_another_body_is_refused(client: FlaskClient) -> None:
    post(client, a_body(), "wish-1")

    answer = post(client, a_body(start="2026-11-25T14:00:00Z"), "wish-1")

    is_problem(answer, 422, "key_reused")


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_of_no_use_is_named(client: FlaskClient, key: str) -> None:
    body = is_problem(post(client, a_body(), key), 422, "invalid")

    assert list(body["errors"]) == ["Idempotency-Key"]


def test_what_the_contract_does_not_name_is_left_aside(client: FlaskClient) -> None:
    """T-65."""
    extra = a_body(status="fulfilled", id=77, sequence=9, token="mine", uid="mine")
    extra["patient"] |= {"email_key": "x", "id": 5, "role": "admin"}

    answer = post(client, extra)

    assert answer.status_code == 201
    assert (answer.get_json()["status"], answer.get_json()["sequence"]) == ("booked", 0)
    assert answer.get_json()["token"] != "mine"


@pytest.mark.parametrize("odd", [0, 1.5, True, [], ["a"], {}, {"$ne": ""}, None])
@pytest.mark.parametrize(
    "field", ["service", "start", "practitioner", "patient", "name", "email", "phone", "timezone"]
)
def test_anything_but_text_where_text_belongs_is_refused(
    client: FlaskClient, field: str, odd: Any
) -> None:
    """T-37."""
    body = a_body()
    if field in body or field == "practitioner":
        body[field] = odd
    else:
        body["patient"] = body["patient"] | {field: odd}

    answer = post(client, body)

    if odd is None and field in ("practitioner", "phone", "timezone"):
        assert answer.status_code == 201
    else:
        errors = is_problem(answer, 422, "invalid")["errors"]
        assert all(field in name or field == "patient" for name in errors)


@pytest.mark.parametrize("odd", ["true", 1, 0, [], None, "y", False])
def test_consent_is_only_what_says_so(client: FlaskClient, odd: Any) -> None:
    errors = is_problem(post(client, a_body(email_consent=odd)), 422, "invalid")["errors"]

    assert list(errors) == ["email_consent"]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("name", "Sam\r\nBcc: x@mail.example"),
        ("name", "=?utf-8?q?hi=0ABcc:_x@y?="),
        ("name", "x" * 121),
        ("name", "x" * 3000),
        ("name", "a\u2028b"),
        ("email", "sam@mail.example, x@mail.example"),
        ("email", "Sam <sam@mail.example>"),
        ("phone", "12"),
        ("timezone", "Mars/Olympus"),
    ],
)
def test_a_value_that_cannot_be_meant_is_named_with_a_sentence(
    client: FlaskClient, field: str, text: str
) -> None:
    patient = {"name": "Sam Rivers", "email": "sam@mail.example", field: text}

    errors = is_problem(post(client, a_body(patient=patient)), 422, "invalid")["errors"]

    assert list(errors) == [f"patient.{field}"]
    assert errors[f"patient.{field}"][0].endswith(".")


def test_everything_that_is_wrong_is_said_at_once(client: FlaskClient) -> None:
    body = a_body(start="soon", patient={"name": "", "email": "x"}, practitioner="nobody")

    errors = is_problem(post(client, body), 422, "invalid")["errors"]

    assert set(errors) == {"start", "patient.name", "patient.email", "practitioner"}


def test_a_call_needs_a_number(client: FlaskClient) -> None:
    errors = is_problem(post(client, a_body(service="call")), 422, "invalid")["errors"]

    assert list(errors) == ["patient.phone"]


@pytest.mark.parametrize(
    "start",
    [
        "2026-11-24T14:10:00Z",
        "2026-11-24T14:00:30Z",
        "2026-11-24T14:00:00.5Z",
        "2026-11-20T14:00:00Z",
        "2026-11-26T14:00:00Z",
        "2026-11-23T13:30:00Z",
        "2027-03-14T07:30:00Z",
        "2199-12-31T23:59:00Z",
        "2000-01-01T00:01:00Z",
    ],
)
def test_what_is_not_offered_cannot_be_booked(client: FlaskClient, start: str) -> None:
    """T-66."""
    is_problem(post(client, a_body(start=start)), 409, "slot_taken")


@pytest.mark.parametrize(
    "start", ["", "now", "2026-11-24", "2026-11-24T14:00:00", "9999-12-31T23:59:59Z", "0" * 40]
)
def test_what_is_no_instant_is_named(client: FlaskClient, start: str) -> None:
    errors = is_problem(post(client, a_body(start=start)), 422, "invalid")["errors"]

    assert list(errors) == ["start"]


def test_an_offset_names_the_same_instant(client: FlaskClient) -> None:
    answer = post(client, a_body(start="2026-11-24T09:00:00-05:00"))

    assert answer.get_json()["start"] == "2026-11-24T14:00:00Z"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"0",
        b"\xff\xfe",
        b'{"service":"\xff"}',
        b'{"service":"\\ud800"}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"service":1e999}',
        b'{"service":"visit","service":"call"}',
        b"\xef\xbb\xbf{}",
        b"{}{}",
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_a_body_that_is_none_is_refused_kindly(client: FlaskClient, raw: bytes) -> None:
    """T-41, T-42."""
    for path in ("/appointments", f"{a_link()}/reschedule"):
        answer = client.post(f"{V1}{path}", data=raw, content_type=JSON)
        assert answer.status_code in (400, 404, 422), (path, answer.status_code)
        assert answer.content_type == PROBLEM


@pytest.mark.parametrize("size", [64 * 1024 + 1, 1_000_000])
def test_a_body_beyond_64_kib_is_too_large(client: FlaskClient, size: int) -> None:
    """T-41, T-79."""
    for path in ("/appointments", f"{a_link()}/reschedule", "/appointments/x/cancel"):
        answer = client.post(f"{V1}{path}", data=b"[" * size, content_type=JSON)
        is_problem(answer, 413, "request_entity_too_large")


@pytest.mark.parametrize("kind", ["text/plain", "text/json", "", "application/xml"])
def test_only_json_is_read(client: FlaskClient, kind: str) -> None:
    """T-46."""
    body = json.dumps(a_body())

    answer = client.post(f"{V1}/appointments", data=body, content_type=kind)

    is_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("verb", ["PUT", "DELETE", "PATCH", "GET"])
def test_another_verb_is_refused_with_those_that_are_known(client: FlaskClient, verb: str) -> None:
    answer = client.open(f"{V1}/appointments", method=verb)

    is_problem(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


def test_a_head_is_answered_without_a_body(client: FlaskClient) -> None:
    found, missing = client.head(f"{V1}/services"), client.head(f"{V1}/appointments/x")

    assert (found.status_code, found.data) == (200, b"")
    assert (missing.status_code, missing.data, missing.content_type) == (404, b"", PROBLEM)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/appointments/" + "A" * 43, "not_found"),
        ("/appointments/x/y", "not_found"),
        ("/nothing", "not_found"),
        ("/appointments/%00", "not_found"),
        ("/appointments/%ED%A0%80", "not_found"),
    ],
)
def test_what_is_not_there_is_a_problem_too(client: FlaskClient, path: str, code: str) -> None:
    is_problem(client.get(f"{V1}{path}"), 404, code)


def test_nothing_of_the_patient_is_told(client: FlaskClient) -> None:
    """Who holds the link knows who they are."""
    made = post(client, a_body())

    told = client.get(f"{V1}/appointments/{made.get_json()['token']}").get_data(as_text=True)

    assert "Sam" not in told
    assert "mail.example" not in told


def test_the_api_sets_no_cookie(client: FlaskClient) -> None:
    answers = [client.get(f"{V1}/services"), post(client, a_body()), post(client, {})]

    assert not any("Set-Cookie" in each.headers for each in answers)


def test_health_and_readiness(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"status": "ok"}
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["status"]) == (503, "worker_silent")
