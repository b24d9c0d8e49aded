"""A week of opening hours after a change: months, copies of a day, copies of a colleague."""

from datetime import date, time

import pytest

from booking.domain.openings import WeeklyHours
from booking.domain.weeks import day_copied, in_order, week_copied

MONDAY = WeeklyHours(weekday=0, opens=time(9), closes=time(12))
LATE_MONDAY = WeeklyHours(weekday=0, opens=time(14), closes=time(18))
TUESDAY = WeeklyHours(weekday=1, opens=time(8), closes=time(10))
EXTRA_TUESDAY = WeeklyHours(
    weekday=1,
    opens=time(18),
    closes=time(20),
    valid_from=date(2026, 12, 1),
    valid_until=date(2026, 12, 1),
)
WEEK = (MONDAY, LATE_MONDAY, TUESDAY, EXTRA_TUESDAY)


def days(rules: tuple[WeeklyHours, ...]) -> list[tuple[int, int]]:
    return [(each.weekday, each.opens.hour) for each in rules]


def test_a_copied_day_takes_the_place_of_what_the_others_had() -> None:
    assert days(day_copied(WEEK, 0, {1, 3})) == [
        (0, 9), (0, 14), (1, 9), (1, 14), (1, 18), (3, 9), (3, 14),
    ]  # fmt: skip


def test_a_day_that_is_copied_onto_itself_stays() -> None:
    assert day_copied(WEEK, 0, {0}) == in_order(WEEK)


def test_an_extra_opening_is_not_copied_with_its_day() -> None:
    assert days(day_copied(WEEK, 1, {2})) == [(0, 9), (0, 14), (1, 8), (1, 18), (2, 8)]


def test_an_empty_day_empties_the_others() -> None:
    assert days(day_copied(WEEK, 6, {0, 1})) == [(1, 18)]


def test_a_copied_week_leaves_both_their_own_extra_openings() -> None:
    assert week_copied([MONDAY], WEEK) == in_order([MONDAY, LATE_MONDAY, TUESDAY])
    assert week_copied(WEEK, [MONDAY]) == in_order([MONDAY, EXTRA_TUESDAY])


def test_hours_hold_in_their_months_only() -> None:
    odd = WeeklyHours(
        weekday=0, opens=time(9), closes=time(12), months=frozenset({1, 3, 5, 7, 9, 11})
    )

    assert odd.holds_on(date(2026, 11, 30))
    assert not odd.holds_on(date(2026, 12, 7))


@pytest.mark.parametrize("months", [frozenset[int](), frozenset({0}), frozenset({13})])
def test_hours_of_no_month_are_refused(months: frozenset[int]) -> None:
    with pytest.raises(ValueError, match="months"):
        WeeklyHours(weekday=0, opens=time(9), closes=time(12), months=months)
