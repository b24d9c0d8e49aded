"""What is said of an address: its parameters, answers and problems, and an example of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from booking.models import Scope
from booking.web import contract

MOST_DAYS = 62
"""Of free slots in one answer."""
MOST_LISTED = 100
"""Of appointments in one answer."""
LONGEST_KEY = 200
"""Characters of an `Idempotency-Key`."""
HOST = "https://book.example.org"
"""Stands in examples for the host of the clinic."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """What an address, a query or a header carries."""

    name: str
    description: str
    example: str
    schema: Json
    place: Literal["query", "path", "header"] = "query"
    required: bool = False


@dataclass(frozen=True)
class Reply:
    """An answer that is no problem; `schema` is a model, a JSON Schema, or None without a body."""

    status: int
    description: str
    schema: type[contract.Answer] | Json | None = None
    example: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trouble:
    """What a code means, with which status it comes, in which shape, and with which headers."""

    status: int
    description: str
    shape: type[contract.Problem] = contract.Problem
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Json = field(default_factory=dict)
    """What an example holds beside the members that every problem has."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One verb of one address."""

    verb: Literal["get", "post"]
    path: str
    """Below `/api/v1`."""
    name: str
    """For programs: stays the same."""
    tag: Literal["Offer", "Appointments", "Desk", "Machines"]
    summary: str
    description: str
    curl: str
    replies: tuple[Reply, ...]
    problems: tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()
    body: type[contract.Body] | None = None
    body_required: bool = True
    sends: Json | None = None
    """An example of the body."""
    scope: Scope | None = None
    """What a key needs, where one is asked for."""
    raw_bodies: tuple[str, ...] = ()
    """Types of a body that is not JSON."""
