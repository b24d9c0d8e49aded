"""The states of an appointment, what leads from one to the next, and until when."""

from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from booking.domain.refusals import WrongState


class Status(StrEnum):
    """The state of an appointment (FHIR ``AppointmentStatus``)."""

    BOOKED = "booked"
    ARRIVED = "arrived"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    NOSHOW = "noshow"


class Verb(StrEnum):
    """What can be done with an appointment once it is booked."""

    CANCEL = "cancel"
    ARRIVE = "arrive"
    FULFIL = "fulfil"
    MISS = "miss"
    UNMARK = "unmark"
    """Take back what was noted of attendance: it was pressed on the wrong line."""
    RESCHEDULE = "reschedule"
    UNDO = "undo"
    """Take a cancellation back while nobody has heard of it."""


class Partstat(StrEnum):
    """What the calendar of somebody invited has answered (RFC 5545 §3.2.12)."""

    NEEDS_ACTION = "NEEDS-ACTION"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    TENTATIVE = "TENTATIVE"


OCCUPYING = frozenset({Status.BOOKED, Status.ARRIVED, Status.FULFILLED})
"""The states in which an appointment takes its practitioner's time and its room."""

_NEXT = MappingProxyType(
    {
        (Status.BOOKED, Verb.CANCEL): Status.CANCELLED,
        (Status.BOOKED, Verb.ARRIVE): Status.ARRIVED,
        (Status.BOOKED, Verb.FULFIL): Status.FULFILLED,
        (Status.ARRIVED, Verb.FULFIL): Status.FULFILLED,
        (Status.ARRIVED, Verb.UNMARK): Status.BOOKED,
        (Status.FULFILLED, Verb.UNMARK): Status.BOOKED,
        # A miss gave the time back, and somebody else may hold it by now: to correct it, the
        # time has to be occupied again first, which the database may refuse.
        (Status.NOSHOW, Verb.FULFIL): Status.FULFILLED,
        (Status.NOSHOW, Verb.UNMARK): Status.BOOKED,
        (Status.BOOKED, Verb.MISS): Status.NOSHOW,
        (Status.ARRIVED, Verb.MISS): Status.NOSHOW,
        (Status.BOOKED, Verb.RESCHEDULE): Status.BOOKED,
        (Status.BOOKED, Verb.UNDO): Status.BOOKED,
        (Status.CANCELLED, Verb.UNDO): Status.BOOKED,
    }
)


def after(status: Status, verb: Verb) -> Status:
    """The state that the verb leads to.

    Raises:
        WrongState: if the verb does not apply in this state.
    """
    try:
        return _NEXT[status, verb]
    except KeyError:
        raise WrongState(f"Cannot {verb} an appointment that is {status}.") from None


def may_change(start: datetime, *, now: datetime, cutoff: timedelta) -> bool:
    """Whether the patient may still cancel or reschedule: up to ``cutoff`` before the start."""
    return now <= start - cutoff
