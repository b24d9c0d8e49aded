"""What can be done with an appointment in which state, and until when."""

from datetime import UTC, datetime, timedelta

import pytest

from booking.domain import refusals
from booking.domain.lifecycle import OCCUPYING, Partstat, Status, Verb, after, may_change
from booking.domain.refusals import Refusal, WrongState

ALLOWED = {
    ("booked", "cancel"): "cancelled",
    ("booked", "arrive"): "arrived",
    ("booked", "fulfil"): "fulfilled",
    ("booked", "miss"): "noshow",
    ("booked", "reschedule"): "booked",
    ("arrived", "fulfil"): "fulfilled",
    ("arrived", "miss"): "noshow",
    ("noshow", "fulfil"): "fulfilled",
    ("arrived", "unmark"): "booked",
    ("fulfilled", "unmark"): "booked",
    ("noshow", "unmark"): "booked",
    (Status.BOOKED, Verb.UNDO): Status.BOOKED,
    (Status.CANCELLED, Verb.UNDO): Status.BOOKED,
}
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("status", Status)
def test_a_verb_leads_on_from_the_states_that_allow_it(status: Status, verb: Verb) -> None:
    try:
        found = after(status, verb)
    except WrongState:
        found = None

    assert found == ALLOWED.get((status, verb))


def test_a_wrong_state_says_what_was_tried() -> None:
    with pytest.raises(WrongState, match=r"^Cannot arrive an appointment that is cancelled\.$"):
        after(Status.CANCELLED, Verb.ARRIVE)


def test_only_booked_arrived_and_fulfilled_take_time() -> None:
    assert {"booked", "arrived", "fulfilled"} == OCCUPYING


@pytest.mark.parametrize(
    ("until_start", "allowed"),
    [
        (2 * DAY, True),
        (DAY, True),
        (DAY - timedelta.resolution, False),
        (timedelta(0), False),
        (-DAY, False),
    ],
)
def test_a_patient_may_change_up_to_the_cutoff(until_start: timedelta, allowed: bool) -> None:
    assert may_change(START, now=START - until_start, cutoff=DAY) is allowed


def test_answers_are_spelled_as_calendars_spell_them() -> None:
    assert {each.value for each in Partstat} == {
        "NEEDS-ACTION",
        "ACCEPTED",
        "DECLINED",
        "TENTATIVE",
    }


def test_every_refusal_has_a_code_that_stays() -> None:
    codes = {each.__name__: each.code for each in Refusal.__subclasses__()}

    assert codes == {
        "SlotTaken": "slot_taken",
        "NotOffered": "not_offered",
        "TooManyChanges": "too_many_changes",
        "TooLate": "too_late",
        "WrongState": "wrong_state",
        "TooManyAppointments": "too_many_appointments",
        "KeyReused": "key_reused",
        "UnknownAppointment": "not_found",
        "UnknownMail": "not_found",
    }
    assert refusals.Refusal.code == "refused"
