"""The API described: for programs as OpenAPI, for people as a page made from the same document."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from booking.web.openapi import PREFIX, document, written
from booking.web.operations.shapes import HOST
from booking.web.state import booking

bp = Blueprint("reference", __name__)

Json = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """One member of a body or an answer; `name` is its way from the top, as `patient.email`."""

    name: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True)
class Told:
    """One status that an address answers with."""

    status: str
    description: str
    codes: tuple[str, ...]
    headers: tuple[str, ...]
    fields: tuple[Field, ...]
    example: str


@dataclass(frozen=True)
class Described:
    """One verb of one address, as the page shows it."""

    anchor: str
    verb: str
    path: str
    tag: str
    summary: str
    description: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    told: tuple[Told, ...]
    curl: str


@bp.get(f"{PREFIX}/openapi.json")
def openapi() -> ResponseReturnValue:
    """The document of the API; 304 while it is what the asker has."""
    text, tag = written()
    if request.if_none_match.contains_weak(tag):
        answer = Response(status=304)
    else:
        answer = Response(text, content_type="application/json")
    answer.set_etag(tag)
    return answer


@bp.get("/api/")
def page() -> ResponseReturnValue:
    """The same as a page, with examples that can be copied."""
    found = document()
    return render_template(
        "api/reference.html",
        info=found["info"],
        tags=found["tags"],
        described=list(described(found, booking().settings.base_url)),
        prefix=PREFIX,
    )


def described(found: Json, base_url: str) -> Iterator[Described]:
    """Every operation of a document; examples name our own host."""
    for path, verbs in found["paths"].items():
        for verb, operation in verbs.items():
            yield Described(
                anchor=operation["operationId"],
                verb=verb.upper(),
                path=path,
                tag=operation["tags"][0],
                summary=operation["summary"],
                description=operation["description"],
                parameters=tuple(_parameters(operation)),
                body=tuple(_body(found, operation)),
                told=tuple(_told(found, operation, base_url)),
                curl=operation["x-codeSamples"][0]["source"].replace(HOST, base_url),
            )


def _parameters(operation: Json) -> Iterator[Field]:
    where = {"path": "in the address", "header": "header", "query": ""}
    for each in operation.get("parameters", ()):
        kind = ", ".join(filter(None, (_kind(each["schema"]), where[each["in"]])))
        yield Field(each["name"], kind, each["required"], each["description"])


def _body(found: Json, operation: Json) -> Iterator[Field]:
    content: Json = operation.get("requestBody", {}).get("content", {})
    for each in content.values():
        yield from _fields(found, each["schema"])


def _told(found: Json, operation: Json, base_url: str) -> Iterator[Told]:
    for status, reply in operation["responses"].items():
        content: Json = next(iter(reply.get("content", {}).values()), {})
        examples = content.get("examples", {})
        usual = examples.get("usual")
        yield Told(
            status=status,
            description=reply["description"],
            codes=tuple(each for each in examples if each != "usual"),
            headers=tuple(reply.get("headers", ())),
            fields=tuple(_fields(found, content.get("schema", {}))) if usual else (),
            example=_written(usual["value"], base_url) if usual else "",
        )


def _fields(found: Json, schema: Json, above: str = "") -> Iterator[Field]:
    """What a schema holds, what it refers to included."""
    whole = _resolved(found, schema)
    for name, each in whole.get("properties", {}).items():
        one, many = _resolved(found, each), _resolved(found, each.get("items", {}))
        description = each.get("description") or one.get("description", "")
        required = name in whole.get("required", ())
        yield Field(f"{above}{name}", _kind(one), required, description)
        yield from _fields(found, one, f"{above}{name}.")
        yield from _fields(found, many, f"{above}{name}[].")


def _resolved(found: Json, schema: Json) -> Json:
    name = schema.get("$ref", "").rpartition("/")[2]
    whole: Json = found["components"]["schemas"][name] if name else schema
    return whole


def _kind(schema: Json) -> str:
    """What a value is, in a word or two."""
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if "const" in schema:
        return f"always {json.dumps(schema['const'])}"
    options = [_kind(each) for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    words: dict[str, str] = {"array": "list", "boolean": "true or false", "integer": "whole number"}
    kind: str = schema.get("type", "")
    form: str = schema.get("format", "")
    return form.replace("-time", " and time") or " or ".join(options or [words.get(kind, kind)])


def _written(example: Json, base_url: str) -> str:
    return json.dumps(example, indent=2, ensure_ascii=False).replace(HOST, base_url)
