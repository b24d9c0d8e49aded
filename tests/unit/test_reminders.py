from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from booking.domain.reminders import DEFAULT, reminders_ahead

START = datetime(2026, 11, 26, 15, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def test_the_usual_ones_are_two_days_and_two_hours_before() -> None:
    found = reminders_ahead(START, DEFAULT, after=START - 30 * DAY)

    assert found == [(2 * DAY, START - 2 * DAY), (2 * HOUR, START - 2 * HOUR)]


def test_what_would_have_been_due_is_left_out() -> None:
    assert reminders_ahead(START, DEFAULT, after=START - DAY) == [(2 * HOUR, START - 2 * HOUR)]


def test_what_is_due_at_that_very_instant_is_left_out() -> None:
    assert reminders_ahead(START, [DAY], after=START - DAY) == []


def test_in_the_night_when_the_clock_goes_back_two_hours_are_two_hours() -> None:
    after_the_change = datetime(2026, 11, 1, 7, tzinfo=UTC)  # 2 am in New York, after the fold

    [(_, due)] = reminders_ahead(after_the_change, [2 * HOUR], after=START - 60 * DAY)

    assert after_the_change - due == 2 * HOUR


@given(st.lists(st.integers(5, 60 * 24 * 30)), st.integers(0, 60 * 24 * 40))
def test_each_comes_once_before_the_beginning_and_in_order(minutes: list[int], ahead: int) -> None:
    lengths = [timedelta(minutes=each) for each in minutes]
    now = START - timedelta(minutes=ahead)

    found = reminders_ahead(START, lengths, after=now)

    assert all(now < due == START - before for before, due in found)
    assert [due for _, due in found] == sorted({due for _, due in found})
    assert {before for before, _ in found} == {each for each in lengths if START - each > now}
