"""What is asked of a foreign calendar, and what is found."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from booking.domain.timeline import Span


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked: which calendar, and for which time."""

    kind: Literal["ics", "caldav"]
    address: str = field(repr=False)
    etag: str = ""
    last_modified: str = ""
    """What came with the state that we know; empty to be told it again."""
    since: datetime
    until: datetime
    timezone: str
    ours: tuple[str, ...] = field(default=(), repr=False)
    """UIDs of our own appointments."""
    our_address: str = ""
    hosts: tuple[str, ...] = ()
    """Names that may lie in the clinic's own network."""


@dataclass(frozen=True)
class Reading:
    """What was found."""

    spans: list[Span]
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True)
class Post:
    """Something that another program is told, ready to be sent."""

    address: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: str = field(repr=False)
    hosts: tuple[str, ...] = ()
    """Names that may lie in the clinic's own network."""
