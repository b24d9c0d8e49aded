"""The algebra of timelines, against Python's sets of minutes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.timeline import Span, Timeline

ORIGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
LENGTH = 90
MINUTE = timedelta(minutes=1)
WINTER_IN_LONDON = datetime(2026, 1, 5, 9, tzinfo=ZoneInfo("Europe/London"))
NAIVE = ORIGIN.replace(tzinfo=None)

minutes = st.integers(-30, LENGTH + 30)
sets = st.frozensets(st.integers(0, LENGTH - 1)) | st.builds(
    lambda gaps: frozenset(range(LENGTH)) - gaps, st.frozensets(st.integers(0, LENGTH - 1))
)
seconds = st.integers(-2000, LENGTH * 60 + 2000)
span_lists = st.lists(st.tuples(seconds, seconds).map(sorted), max_size=8)


def at(minute: float) -> datetime:
    return ORIGIN + minute * MINUTE


def span(start: float, until: float) -> Span:
    return Span(at(start), at(until))


def timeline(members: frozenset[int] | set[int]) -> Timeline:
    return Timeline(ORIGIN, LENGTH, sum(1 << minute for minute in members))


def members(found: Timeline) -> set[int]:
    assert (found.origin, found.length) == (ORIGIN, LENGTH)
    return {minute for minute in range(LENGTH) if found.bits >> minute & 1}


@given(sets, sets)
def test_union_intersection_and_difference_are_those_of_sets(
    left: frozenset[int], right: frozenset[int]
) -> None:
    a, b = timeline(left), timeline(right)

    found = members(a | b), members(a & b), members(a - b), members(~a)

    assert found == (
        set(left | right),
        set(left & right),
        set(left - right),
        set(range(LENGTH)) - left,
    )


@given(span_lists)
def test_a_span_takes_every_minute_that_it_touches(spans: list[list[int]]) -> None:
    built = Timeline.over(
        ORIGIN, at(LENGTH), [span(start / 60, until / 60) for start, until in spans]
    )

    assert members(built) == {
        minute
        for minute in range(LENGTH)
        if any(
            start < until and start < minute * 60 + 60 and minute * 60 < until
            for start, until in spans
        )
    }


@given(minutes, minutes, st.integers(1, 40))
def test_every_takes_the_beginning_of_a_span_and_each_distance_after_it(
    start: int, until: int, every: int
) -> None:
    start, until = sorted((start, until))

    built = Timeline.over(ORIGIN, at(LENGTH), [span(start, until)], every=every * MINUTE)

    assert members(built) == set(range(start, until, every)) & set(range(LENGTH))


@given(sets)
def test_spans_and_instants_list_the_minutes_in_order(chosen: frozenset[int]) -> None:
    built = timeline(chosen)

    spans, instants = list(built.spans()), list(built.instants())

    assert instants == [at(minute) for minute in sorted(chosen)]
    assert Timeline.over(ORIGIN, at(LENGTH), spans) == built
    assert all(one.until < other.start for one, other in pairwise(spans))
    assert all(one.start < one.until for one in spans)


@given(sets, st.integers(1, LENGTH + 10))
def test_a_run_starts_where_all_its_minutes_are_in(chosen: frozenset[int], length: int) -> None:
    found = timeline(chosen).starts_of(length * MINUTE)

    assert members(found) == {
        start for start in range(LENGTH) if set(range(start, start + length)) <= chosen
    }


@given(sets, st.integers(0, LENGTH + 10), st.integers(0, LENGTH + 10))
def test_a_spread_set_reaches_to_both_sides(
    chosen: frozenset[int], earlier: int, later: int
) -> None:
    found = timeline(chosen).spread(earlier=earlier * MINUTE, later=later * MINUTE)

    assert members(found) == {
        minute
        for minute in range(LENGTH)
        if any(member - earlier <= minute <= member + later for member in chosen)
    }


@given(sets, st.integers(-LENGTH - 10, LENGTH + 10))
def test_a_shifted_set_loses_what_leaves_the_bounds(chosen: frozenset[int], by: int) -> None:
    found = timeline(chosen).shifted(by * MINUTE)

    assert members(found) == {minute + by for minute in chosen} & set(range(LENGTH))


@given(sets, st.none() | seconds, st.none() | seconds)
def test_a_window_keeps_the_minutes_that_begin_within_it(
    chosen: frozenset[int], start: int | None, until: int | None
) -> None:
    found = timeline(chosen).window(
        None if start is None else at(start / 60), None if until is None else at(until / 60)
    )

    assert members(found) == {
        minute
        for minute in chosen
        if (start is None or start <= minute * 60) and (until is None or minute * 60 < until)
    }


@given(sets, minutes)
def test_an_instant_is_in_when_its_minute_is(chosen: frozenset[int], minute: int) -> None:
    built = timeline(chosen)

    found = at(minute) in built

    assert found == (minute in chosen)


def test_half_past_a_minute_is_not_one_of_the_minutes() -> None:
    built = timeline({5})

    assert at(5) in built
    assert at(5.5) not in built


def test_a_timeline_is_true_when_it_holds_a_minute() -> None:
    assert timeline({0})
    assert not timeline(set())


def test_bounds_may_be_empty() -> None:
    nothing = Timeline.over(ORIGIN, ORIGIN, [span(-5, 5)])

    assert (nothing.length, list(nothing.spans()), bool(~nothing)) == (0, [], False)


def test_a_timeline_knows_where_its_bounds_end() -> None:
    assert timeline(set()).until == at(LENGTH)


@pytest.mark.parametrize(
    "combine",
    [
        lambda a, b: a | b,
        lambda a, b: a & b,
        lambda a, b: a - b,
    ],
)
@pytest.mark.parametrize("other", [Timeline(ORIGIN, LENGTH + 1), Timeline(at(1), LENGTH)])
def test_timelines_of_other_bounds_do_not_combine(
    combine: Callable[[Timeline, Timeline], Timeline], other: Timeline
) -> None:
    with pytest.raises(ValueError, match="same bounds"):
        combine(timeline({1}), other)


@pytest.mark.parametrize("instant", [NAIVE, WINTER_IN_LONDON])
@pytest.mark.parametrize(
    "use",
    [
        lambda instant: Span(instant, instant),
        lambda instant: Span(instant, ORIGIN + 365 * 24 * 60 * MINUTE),
        lambda instant: Span(ORIGIN - 365 * 24 * 60 * MINUTE, instant),
        lambda instant: Timeline(instant, 5),
        lambda instant: Timeline.over(instant, ORIGIN),
        lambda instant: Timeline.over(ORIGIN, instant),
        lambda instant: instant in timeline({1}),
        lambda instant: timeline({1}).window(instant, None),
        lambda instant: timeline({1}).window(None, instant),
    ],
)
def test_an_instant_is_in_utc_and_nothing_else(
    use: Callable[[datetime], object], instant: datetime
) -> None:
    with pytest.raises(ValueError, match="in UTC"):
        use(instant)


def test_utc_is_known_by_any_of_its_makers() -> None:
    same = Span(ORIGIN.replace(tzinfo=ZoneInfo("UTC")), at(1))

    assert same == span(0, 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: span(1, 0),
        lambda: Timeline(at(0.5), 5),
        lambda: Timeline(ORIGIN + timedelta(microseconds=1), 5),
        lambda: Timeline(ORIGIN, 5, 1 << 5),
        lambda: Timeline(ORIGIN, 5, -1),
        lambda: Timeline.over(ORIGIN, at(0.5)),
        lambda: Timeline.over(ORIGIN, at(5), every=timedelta(0)),
        lambda: Timeline.over(ORIGIN, at(5), every=timedelta(seconds=90)),
        lambda: timeline({1}).starts_of(timedelta(0)),
        lambda: timeline({1}).starts_of(timedelta(seconds=90)),
        lambda: timeline({1}).shifted(timedelta(seconds=30)),
        lambda: timeline({1}).spread(earlier=-MINUTE, later=MINUTE),
        lambda: timeline({1}).spread(earlier=MINUTE, later=-MINUTE),
    ],
)
def test_what_is_no_whole_minute_or_out_of_order_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"minute|before it begins"):
        make()


@pytest.mark.parametrize(
    "make", [lambda: Timeline(ORIGIN, -1), lambda: Timeline.over(at(1), ORIGIN)]
)
def test_bounds_out_of_order_are_refused(make: Callable[[], Timeline]) -> None:
    with pytest.raises(ValueError, match="bounds of a timeline cannot end before they begin"):
        make()


def test_a_timeline_holds_nothing_until_told() -> None:
    assert list(Timeline(ORIGIN, LENGTH).instants()) == []


def test_the_last_minute_of_the_bounds_fits() -> None:
    assert members(Timeline(ORIGIN, LENGTH, 1 << (LENGTH - 1))) == {LENGTH - 1}
