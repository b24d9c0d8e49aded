"""The document of the API is valid, whole, and true of every answer that the API gives."""

import json
import re
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import validate
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from booking.domain.refusals import UnknownMail
from booking.models.database import transaction
from booking.services.links import token_of
from booking.web import openapi
from booking.web.errors import STATUS_OF
from booking.web.operations import OPERATIONS
from booking.web.operations.common import PROBLEMS
from booking.web.operations.shapes import HOST
from tests.builders import HOUSE, an_appointment
from tests.integration.test_api_keys import a_key

TRUE = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
"""What holds of every answer. That every well-formed body is accepted does not: whether a zone, an
address or a number is one, no schema can say."""
FEW = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[*HealthCheck],
)
VERBS = {"GET", "POST"}
NEVER_MALFORMED = {"readAppointment", "readAppointmentOfTheDesk", "readDescription"}
"""They take any text, as a key that may open nothing."""
KEYED = {each.path for each in OPERATIONS if each.scope is not None}
SWITCHED_OFF = {"handOverMail"}
"""Without a setting there is no such address."""


@dataclass
class Somewhere:
    """What is really there, so that requests get beyond the first refusal."""

    token: str
    reference: str
    key: str

    def instead(self, case: Case[Any]) -> None:
        """Let a request that was made up mean a service, a time and an appointment of ours."""
        if "token" in case.path_parameters:
            case.path_parameters["token"] = self.token
        if "reference" in case.path_parameters:
            case.path_parameters["reference"] = self.reference
        if case.path == "/staff/appointments" and case.method == "GET":
            case.query |= {"from": "2026-11-24", "to": "2026-11-25"}
            for name in ("practitioner", "service", "after"):
                case.query.pop(name, None)
        if case.path == "/slots":
            case.query |= {"service": "visit", "from": "2026-11-24", "to": "2026-11-25"}
        if isinstance(case.body, dict):
            case.body = _meant(case.body)


def _meant(body: dict[str, Any]) -> dict[str, Any]:
    """The same body with a service, a time and a patient that can be booked."""
    ours: dict[str, Any] = {"start": "2026-11-25T15:00:00Z", "service": "visit"}
    ours |= {"practitioner": None, "email_consent": True, "name": "Sam Rivers"}
    ours |= {"email": "sam@mail.example", "timezone": None, "phone": None}
    if "status" in body:
        return body
    return {
        name: _meant(value) if isinstance(value, dict) else ours.get(name, value)
        for name, value in body.items()
    }


@pytest.fixture
def somewhere(app: Flask) -> Somewhere:  # noqa: ARG001 (it holds the clinic)
    """A clinic with an appointment."""
    with transaction() as session:
        made = an_appointment(session, "Tue 09:00")
        session.flush()
        today = an_appointment(session, "Mon 11:00")
        session.flush()
        token, reference = token_of(made, HOUSE.keys), today.reference
    return Somewhere(token, reference, a_key())


def test_the_document_is_openapi() -> None:
    validate(openapi.document())


def test_every_address_of_the_api_is_described(sqlite_app: Flask) -> None:
    served = {
        (verb, re.sub(r"<(\w+)>", r"{\1}", rule.rule))
        for rule in sqlite_app.url_map.iter_rules()
        if rule.rule.startswith(f"{openapi.PREFIX}/")
        for verb in VERBS & (rule.methods or set())
    }

    described = {
        (verb.upper(), f"{openapi.PREFIX}{path}")
        for path, verbs in openapi.document()["paths"].items()
        for verb in verbs
    }
    assert described == served


def test_every_refusal_has_the_status_that_is_described() -> None:
    refusals = {each.code: status for each, status in STATUS_OF.items() if each != UnknownMail}

    assert refusals == {code: PROBLEMS[code].status for code in refusals}


def test_every_problem_is_one_that_some_address_answers_with() -> None:
    assert set(PROBLEMS) == {code for each in OPERATIONS for code in each.problems}


def test_every_example_is_as_it_is_described() -> None:
    document = openapi.document()
    parts = [
        part
        for verbs in document["paths"].values()
        for operation in verbs.values()
        for told in (operation.get("requestBody", {}), *operation["responses"].values())
        for part in told.get("content", {}).values()
    ]

    for part in parts:
        schema = part["schema"] | {"components": document["components"]}
        for example in part.get("examples", {}).values():
            Draft202012Validator(schema).validate(example["value"])


@pytest.mark.parametrize("field", ["name", "email", "phone"])
def test_no_text_is_taken_that_is_longer_than_is_described(client: FlaskClient, field: str) -> None:
    described = openapi.document()["components"]["schemas"]["PatientBody"]["properties"][field]
    [longest] = {
        each["maxLength"]
        for each in described.get("anyOf", [described])
        if each["type"] == "string"
    }
    fits = {"name": "x" * 120, "email": f"{'x' * 64}@mail.example", "phone": "(212) 555-0123"}

    for text, status in ((fits[field], 201), ("x" * (longest + 1), 422)):
        patient = {"name": "Sam", "email": "sam@mail.example", field: text}
        wish = {"service": "visit", "start": "2026-11-24T14:00:00Z", "email_consent": True}
        answer = client.post("/api/v1/appointments", json=wish | {"patient": patient})
        assert answer.status_code == status
    assert longest == {"name": 120, "email": 254, "phone": 40}[field]


def test_the_document_is_served_and_kept(client: FlaskClient) -> None:
    first = client.get("/api/v1/openapi.json")

    again = client.get("/api/v1/openapi.json", headers={"If-None-Match": first.headers["ETag"]})

    assert json.loads(first.data) == openapi.document()
    assert (again.status_code, again.data) == (304, b"")


def test_the_page_tells_all_that_the_document_does(client: FlaskClient) -> None:
    page = unescape(client.get("/api/").text)

    for each in OPERATIONS:
        assert f"{each.verb.upper()} {each.path}" in page
        assert each.curl.replace(HOST, "http://127.0.0.1:8000") in page
        for code in each.problems:
            assert f"<code>{code}</code>" in page
        for parameter in each.parameters:
            assert f"<code>{parameter.name}</code>" in page
    for name in ("patient.email", "slots[].practitioners", "links.manage"):
        assert f"<code>{name}</code>" in page


@pytest.mark.parametrize("name", [each.name for each in OPERATIONS])
def test_every_answer_is_one_that_is_described(app: Flask, somewhere: Somewhere, name: str) -> None:
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    operation = schema.find_operation_by_id(name)
    met = set()

    def ask(case: Case[Any], checks: list[Any]) -> None:
        headers = {"Authorization": f"Bearer {somewhere.key}"} if case.path in KEYED else {}
        met.add(case.call_and_validate(checks=checks, headers=headers).status_code)

    @FEW
    @given(operation.as_strategy(GenerationMode.POSITIVE))
    def well_formed(case: Case[Any]) -> None:
        ask(case, TRUE)
        somewhere.instead(case)
        ask(case, TRUE)

    @FEW
    @given(operation.as_strategy(GenerationMode.NEGATIVE))
    def malformed(case: Case[Any]) -> None:
        ask(case, [*TRUE, negative_data_rejection])

    well_formed()
    if name not in NEVER_MALFORMED:
        malformed()
    assert name in SWITCHED_OFF or met & {200, 201}, met
