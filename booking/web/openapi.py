"""The API as an OpenAPI 3.1 document, made from the models that read and answer.

What each address does stands in `operations/`. The document says the same wherever the service
runs, so a process writes it once.
"""

import json
from functools import lru_cache
from hashlib import sha256
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from booking.models import Scope
from booking.web import contract
from booking.web.errors import title_of
from booking.web.operations import OPERATIONS
from booking.web.operations.common import PROBLEMS
from booking.web.operations.shapes import Operation, Parameter, Reply

PREFIX = "/api/v1"
PROBLEM = "application/problem+json"
SCHEME = "key"

Json = dict[str, Any]


@lru_cache(maxsize=1)
def document() -> Json:
    """The whole document; whoever reads it leaves it as it is."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Booking",
            "version": "1",
            "summary": "Free times of a clinic, and appointments in them.",
            "description": INTRODUCTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": PREFIX, "description": "Where this document comes from."}],
        "security": [],
        "tags": [
            {"name": "Offer", "description": "What can be booked, and when."},
            {"name": "Appointments", "description": "Book, read, move and cancel."},
            {"name": "Desk", "description": "For the clinic's own programs, with a key."},
            {"name": "Machines", "description": "For programs of the clinic, and about the API."},
        ],
        "paths": _paths(),
        "components": {"schemas": _schemas(), "securitySchemes": {SCHEME: KEY}},
    }


@lru_cache(maxsize=1)
def written() -> tuple[str, str]:
    """The document as text, and a tag that is another when the text is."""
    text = json.dumps(document(), ensure_ascii=False, separators=(",", ":"))
    return text, sha256(text.encode()).hexdigest()[:32]


def _paths() -> Json:
    paths: Json = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.verb] = _operation(each)
    return paths


def _operation(operation: Operation) -> Json:
    found: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
    }
    if operation.scope is not None:
        found["security"] = [{SCHEME: [operation.scope.value]}]
        found["description"] += f" The key needs `{operation.scope}`."
    if operation.parameters:
        found["parameters"] = [_parameter(each) for each in operation.parameters]
    if operation.body is not None:
        found["requestBody"] = {
            "required": operation.body_required,
            "content": {
                "application/json": {
                    "schema": _reference(operation.body),
                    "examples": {"usual": {"value": operation.sends}},
                }
            },
        }
    if operation.raw_bodies:
        content: Json = {kind: {"schema": {}} for kind in operation.raw_bodies}
        found["requestBody"] = {"required": True, "content": content}
    found["responses"] = _responses(operation)
    found["x-codeSamples"] = [{"lang": "Shell", "label": "curl", "source": operation.curl}]
    return found


def _parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.description,
        "schema": parameter.schema,
        "example": parameter.example,
    }


def _responses(operation: Operation) -> Json:
    found = {str(each.status): _reply(each) for each in operation.replies}
    statuses: dict[int, list[str]] = {}
    for code in operation.problems:
        statuses.setdefault(PROBLEMS[code].status, []).append(code)
    for status in sorted(statuses):
        found[str(status)] = _problem(statuses[status])
    return found


def _reply(reply: Reply) -> Json:
    found: Json = {"description": reply.description}
    if reply.headers:
        found["headers"] = {name: _header(text) for name, text in reply.headers.items()}
    if reply.schema is not None:
        schema = reply.schema if isinstance(reply.schema, dict) else _reference(reply.schema)
        content: Json = {"schema": schema}
        if reply.example is not None:
            content["examples"] = {"usual": {"value": reply.example}}
        found["content"] = {"application/json": content}
    return found


def _header(description: str) -> Json:
    return {"description": description, "schema": {"type": "string"}}


def _problem(codes: list[str]) -> Json:
    """One status; which codes come with it is said beside the shape that they have."""
    shapes = dict.fromkeys(PROBLEMS[code].shape for code in codes)
    alike = [_coded(shape, codes) for shape in shapes]
    found: Json = {
        "description": " ".join(PROBLEMS[code].description for code in codes),
        "content": {
            PROBLEM: {
                "schema": alike[0] if len(alike) == 1 else {"anyOf": alike},
                "examples": {code: {"value": _example(code)} for code in codes},
            }
        },
    }
    headers = {name: text for code in codes for name, text in PROBLEMS[code].headers.items()}
    if headers:
        found["headers"] = {name: _header(text) for name, text in headers.items()}
    return found


def _coded(shape: type[contract.Problem], codes: list[str]) -> Json:
    fitting = [each for each in codes if PROBLEMS[each].shape is shape]
    return {**_reference(shape), "properties": {"code": {"enum": fitting}}}


def _example(code: str) -> Json:
    trouble = PROBLEMS[code]
    title = title_of(trouble.status, code)
    told = {"status": trouble.status, "code": code, "title": title} | trouble.more
    return trouble.shape.model_validate(told).model_dump()


def _reference(model: type) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _schemas() -> Json:
    bodies = [each.body for each in OPERATIONS if each.body is not None]
    replies = [each.schema for one in OPERATIONS for each in one.replies]
    answers = [each for each in replies if isinstance(each, type)]
    problems = [each.shape for each in PROBLEMS.values()]
    read: list[tuple[type[BaseModel], JsonSchemaMode]] = [(each, "validation") for each in bodies]
    read += [(each, "serialization") for each in (*answers, *problems)]
    _, found = models_json_schema(
        [*dict.fromkeys(read)], ref_template="#/components/schemas/{model}"
    )
    schemas: Json = found["$defs"]
    return dict(sorted(schemas.items()))


KEY: Json = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "bk_ and 43 characters",
    "description": "A key that an administrator makes for a program, with scopes: "
    + " and ".join(f"`{each}`" for each in Scope)
    + ". Sent as `Authorization: Bearer bk_…`.",
}
INTRODUCTION = """\
JSON in and out. Instants are RFC 3339 in UTC (`2026-11-24T14:30:00Z`). There is no sign-in and no
cookie: a patient's token opens that patient's appointment, and the clinic's own programs send a
key, which an administrator makes. Bodies are `application/json` of at most
64 KiB; members that are not named here are left aside.

What goes wrong is told as `application/problem+json` (RFC 9457) with a `code` that stays the same.
An address that is none answers 404 `not_found`, another verb than those named here 405
`method_not_allowed` with `Allow`, a fault of ours 500 `internal_error`. HEAD is answered wherever
GET is.

What is listed as free can be booked; what is not listed cannot. Within version 1 members and codes
may be added, none is taken away."""
