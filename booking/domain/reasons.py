"""Why a minute is not on offer: one reason for each, in the order in which one would ask."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from booking.domain.timeline import Span, Timeline


class Reason(StrEnum):
    """What keeps an appointment from beginning in a minute."""

    NOTICE = "notice"
    HORIZON = "horizon"
    HOLIDAY = "holiday"
    CLINIC_CLOSED = "clinic_closed"
    NO_HOURS = "no_hours"
    BREAK = "break"
    AWAY = "away"
    FULL = "full"
    TAKEN = "taken"
    COLLIDES = "collides"
    """The appointment or its buffers would reach into taken time."""
    TOO_SHORT = "too_short"
    STEP = "step"
    """It lies between two steps of the opening."""
    ROOM = "room"


@dataclass(frozen=True, order=True)
class Explained:
    """A stretch of time and why nothing begins in it; on offer where there is no reason."""

    span: Span
    reason: Reason | None


Layers = Sequence[tuple[Reason, Timeline]]


def explain(day: Timeline, layers: Layers) -> list[Explained]:
    """Each minute of a day with the first of the reasons that holds, in order of time."""
    found: list[Explained] = []
    left = day
    for reason, minutes in layers:
        found += _explained(left & minutes, reason)
        left -= minutes
    return sorted([*found, *_explained(left, None)], key=lambda each: each.span)


def _explained(minutes: Timeline, reason: Reason | None) -> Iterable[Explained]:
    return (Explained(span, reason) for span in minutes.spans())
