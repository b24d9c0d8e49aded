"""What both halves of the API share: how a request is read, and how an answer is written."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, TypeVar

from flask import Response, request
from pydantic import ValidationError
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from booking.domain.refusals import SlotTaken
from booking.domain.slots import Slot
from booking.models import HealthcareService, Resource
from booking.web import fields
from booking.web.contract import (
    NUL,
    Answer,
    Body,
    InvalidProblem,
    PractitionerAnswer,
    SlotAnswer,
    TakenProblem,
)
from booking.web.errors import note_guard, title_of, told
from booking.web.operations.shapes import LONGEST_KEY
from booking.web.times import alternatives

Model = TypeVar("Model", bound=Body)


class Invalid(Exception):
    """A request that names what is wrong with it, field by field."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("invalid")
        self.errors = errors


class Checks:
    """Several values of one request, so that all that is wrong is said at once."""

    def __init__(self) -> None:
        self.errors: dict[str, list[str]] = {}

    def __call__(self, name: str, read: Callable[[str], Any], text: str | None) -> Any:
        """What one is understood as; None if it cannot be."""
        try:
            return read(text or "")
        except ValueError as error:
            self.errors[name] = [str(error)]

    def done(self) -> None:
        """Go on if nothing was wrong.

        Raises:
            Invalid: if anything was.
        """
        if self.errors:
            raise Invalid(self.errors)


def invalid(error: Invalid) -> Response:
    """422 with a sentence for each field."""
    title = title_of(422, "invalid")
    return told(InvalidProblem(status=422, code="invalid", title=title, errors=error.errors))


def read_body(model: type[Model], *, optional: bool = False) -> Model:
    """The body as the model says.

    Raises:
        UnsupportedMediaType, BadRequest: if it is not JSON.
        Invalid: if it is JSON of another shape.
    """
    raw = request.get_data(cache=True)
    if optional and not raw:
        return model()
    if not request.is_json:
        raise UnsupportedMediaType
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    except RecursionError:
        raise BadRequest from None
    if any(fault["type"] == "json_invalid" for fault in faults):
        raise BadRequest
    found: dict[str, list[str]] = {}
    for fault in faults:
        name = ".".join(str(part) for part in fault["loc"]) or "body"
        found.setdefault(name, []).append(f"{fault['msg']}.")
    raise Invalid(found)


def idempotency_key(whose: str) -> str | None:
    """The name of the wish, if the request gives it one; those of others are never the same.

    Args:
        whose: Who gives names here: `api`, or one of the keys.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= LONGEST_KEY:
        raise Invalid({"Idempotency-Key": [f"Send 1 to {LONGEST_KEY} characters."]})
    return f"{whose}:{key}"


def checked(name: str, read: Callable[[str], Any], text: str) -> Any:
    """What a value is understood as.

    Raises:
        Invalid: if it cannot be.
    """
    try:
        return read(text)
    except ValueError as error:
        raise Invalid({name: [str(error)]}) from None


def argument(name: str) -> str:
    """What the address says of it.

    Raises:
        Invalid: if it says nothing.
    """
    value = request.args.get(name)
    if not value or NUL in value:
        raise Invalid({name: ["This parameter is required."]})
    return value


def day(name: str) -> date:
    """The day that the address says.

    Raises:
        Invalid: if it says none.
    """
    found: date = checked(name, fields.date_in, argument(name))
    return found


def taken(
    refusal: SlotTaken, service: HealthcareService, practitioner: str | None, start: datetime
) -> Response:
    """409, with what is free near the time that is gone."""
    note_guard(refusal)
    near = alternatives(service, practitioner, start)
    return told(
        TakenProblem(
            status=409,
            code=refusal.code,
            title=title_of(409, refusal.code),
            alternatives=slot_answers(near, service),
        )
    )


def written(answer: Answer) -> Response:
    """An answer as JSON."""
    return Response(answer.model_dump_json(), content_type="application/json")


def practitioner_answer(practitioner: Resource) -> PractitionerAnswer:
    """Who sees patients, as it is told."""
    return PractitionerAnswer(slug=practitioner.slug, name=practitioner.name)


def slot_answers(slots: Sequence[Slot], service: HealthcareService) -> list[SlotAnswer]:
    """Times on offer, as they are told."""
    slugs = {each.id: each.slug for each in service.practitioners}
    return [
        _slot_answer(slot.start, slot.end, tuple(slugs[each] for each in slot.practitioners))
        for slot in slots
    ]


@lru_cache(maxsize=4_000)
def _slot_answer(start: datetime, end: datetime, practitioners: tuple[str, ...]) -> SlotAnswer:
    """One time on offer: of the hundreds in an answer, a booking takes one away."""
    return SlotAnswer(
        start=fields.utc_text(start), end=fields.utc_text(end), practitioners=[*practitioners]
    )
