"""What is on offer: named examples, and the minute-by-minute oracle."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking.domain.openings import WeeklyHours, openings
from booking.domain.slots import (
    BookingRules,
    Slot,
    bookable_window,
    combine,
    grid_of,
    least_busy,
    nearest,
    room_starts,
    starts,
)
from booking.domain.timeline import Span, Timeline
from tests.unit import oracle

MONDAY = date(2026, 3, 2)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
MORNING = WeeklyHours(0, time(9), time(11))
UTC_ZONE = ZoneInfo("UTC")
MINUTE = timedelta(minutes=1)
HALF_HOUR = BookingRules(
    duration=timedelta(minutes=30),
    step=timedelta(minutes=30),
    buffer_before=timedelta(0),
    buffer_after=timedelta(0),
    minimum_notice=timedelta(0),
    booking_horizon=timedelta(days=90),
)


def at(clock: str) -> datetime:
    """A time of the Monday, in UTC."""
    return datetime.combine(MONDAY, time.fromisoformat(clock), UTC)


def span(text: str) -> Span:
    """``09:00-10:00`` on the Monday."""
    start, until = text.split("-")
    return Span(at(start), at(until))


def monday(*spans: str) -> Timeline:
    return Timeline.over(MIDNIGHT, MIDNIGHT + timedelta(days=1), [span(text) for text in spans])


def timeline(minutes: frozenset[int], length: int) -> Timeline:
    return Timeline(MIDNIGHT, length, sum(1 << minute for minute in minutes))


def clocks(found: Timeline) -> list[str]:
    return [f"{instant:%H:%M}" for instant in found.instants()]


def offered(
    rules: BookingRules,
    *taken: str,
    hours: WeeklyHours = MORNING,
    closed: tuple[str, ...] = (),
    now: str = "00:00",
) -> list[str]:
    """What a practitioner who has these hours offers on the Monday, in a zone that is UTC."""
    found = openings([hours], MONDAY, MONDAY, UTC_ZONE)
    bounds = monday()
    is_open = Timeline.over(bounds.origin, bounds.until, [s for each in found for s in each.spans])
    grid = grid_of(found, rules.step, origin=bounds.origin, until=bounds.until)
    hours_left = is_open - monday(*closed)
    possible = starts(rules, hours=hours_left, grid=grid, taken=monday(*taken))
    return clocks(within_reach(possible, rules, at(now)))


def within_reach(possible: Timeline, rules: BookingRules, now: datetime) -> Timeline:
    """What notice and horizon leave of it."""
    window = bookable_window(rules, now)
    return possible.window(window.start, window.until)


def test_a_free_morning_is_offered_in_steps() -> None:
    assert offered(HALF_HOUR) == ["09:00", "09:30", "10:00", "10:30"]


def test_the_last_slot_ends_when_the_opening_ends() -> None:
    rules = replace(HALF_HOUR, duration=timedelta(minutes=50))

    assert offered(rules) == ["09:00", "09:30", "10:00"]


def test_minimum_notice_hides_slots_that_start_too_soon() -> None:
    rules = replace(HALF_HOUR, minimum_notice=timedelta(hours=1))

    assert offered(rules, now="08:30") == ["09:30", "10:00", "10:30"]
    assert offered(rules, now="08:30:01") == ["10:00", "10:30"]


def test_the_booking_horizon_hides_slots_that_start_too_late() -> None:
    rules = replace(HALF_HOUR, booking_horizon=timedelta(hours=1, minutes=30))

    assert offered(rules, now="08:30") == ["09:00", "09:30", "10:00"]
    assert offered(rules, now="08:29:59") == ["09:00", "09:30"]


def test_a_slot_that_has_begun_is_not_offered() -> None:
    assert offered(HALF_HOUR, now="09:00") == ["09:00", "09:30", "10:00", "10:30"]
    assert offered(HALF_HOUR, now="09:00:00.000001") == ["09:30", "10:00", "10:30"]


def test_a_notice_beyond_the_horizon_offers_nothing() -> None:
    rules = replace(HALF_HOUR, minimum_notice=timedelta(days=2), booking_horizon=timedelta(days=1))

    window = bookable_window(rules, MIDNIGHT)

    assert window == Span(MIDNIGHT + timedelta(days=2), MIDNIGHT + timedelta(days=2))
    assert offered(rules) == []


def test_a_notice_as_long_as_the_horizon_leaves_one_minute() -> None:
    rules = replace(HALF_HOUR, minimum_notice=timedelta(days=1), booking_horizon=timedelta(days=1))

    window = bookable_window(rules, MIDNIGHT)

    assert window.until - window.start == MINUTE


def test_taken_time_is_not_offered_and_its_neighbours_are() -> None:
    assert offered(HALF_HOUR, "09:30-10:00") == ["09:00", "10:00", "10:30"]


def test_offered_times_do_not_drift_as_the_day_fills_up() -> None:
    assert offered(HALF_HOUR, "09:00-09:10") == ["09:30", "10:00", "10:30"]


def test_a_buffer_before_keeps_its_distance_from_taken_time() -> None:
    rules = replace(HALF_HOUR, buffer_before=timedelta(minutes=10))

    assert offered(rules, "09:00-09:20") == ["09:30", "10:00", "10:30"]
    assert offered(rules, "09:00-09:21") == ["10:00", "10:30"]


def test_a_buffer_after_keeps_its_distance_from_taken_time() -> None:
    rules = replace(HALF_HOUR, buffer_after=timedelta(minutes=10))

    assert offered(rules, "10:10-10:30") == ["09:00", "09:30", "10:30"]
    assert offered(rules, "10:09-10:30") == ["09:00", "10:30"]


def test_buffers_may_reach_out_of_an_opening_and_into_a_closure() -> None:
    hour = timedelta(hours=1)
    rules = replace(HALF_HOUR, buffer_before=hour, buffer_after=hour)

    assert offered(rules) == ["09:00", "09:30", "10:00", "10:30"]
    assert offered(rules, closed=("09:30-10:00",)) == ["09:00", "10:00", "10:30"]


def test_buffers_do_not_reach_into_time_taken_outside_of_an_opening() -> None:
    rules = replace(HALF_HOUR, buffer_before=timedelta(minutes=15))

    assert offered(rules, "08:00-08:50") == ["09:30", "10:00", "10:30"]


def test_buffers_may_reach_out_of_the_bounds_but_appointments_may_not() -> None:
    hour = timedelta(hours=1)
    rules = replace(HALF_HOUR, buffer_before=hour, buffer_after=hour)

    found = offered(rules, hours=WeeklyHours(0, time(0), time(0)))

    assert (found[0], found[-1], len(found)) == ("00:00", "23:30", 48)


def test_a_closure_is_not_offered() -> None:
    assert offered(HALF_HOUR, closed=("09:45-10:15",)) == ["09:00", "10:30"]


def test_a_break_is_not_offered() -> None:
    hours = replace(MORNING, breaks=((time(9, 45), time(10, 15)),))

    assert offered(HALF_HOUR, hours=hours) == ["09:00", "10:30"]


def test_two_openings_have_each_their_own_steps() -> None:
    hours = [MORNING, WeeklyHours(0, time(14, 10), time(15, 10))]

    found = grid_of(
        openings(hours, MONDAY, MONDAY, UTC_ZONE),
        timedelta(minutes=40),
        origin=MIDNIGHT,
        until=MIDNIGHT + timedelta(days=1),
    )

    assert clocks(found) == ["09:00", "09:40", "10:20", "14:10", "14:50"]


def test_a_room_is_free_for_the_buffers_and_open_for_the_appointment() -> None:
    ten = timedelta(minutes=10)
    rules = replace(HALF_HOUR, buffer_before=ten, buffer_after=ten)

    found = room_starts(rules, taken=monday("10:00-11:00"), closed=monday("12:00-23:59"))

    assert [f"{each.start:%H:%M}-{each.until:%H:%M}" for each in found.spans()] == [
        "00:00-09:21",
        "11:10-11:31",
    ]


def test_any_practitioner_offers_what_one_of_them_does() -> None:
    both, one = monday("09:00-09:02"), monday("09:01-09:03")

    found = combine({7: both, 3: one}, None, timedelta(minutes=50))

    assert found == [
        Slot(at("09:00"), at("09:50"), (7,)),
        Slot(at("09:01"), at("09:51"), (3, 7)),
        Slot(at("09:02"), at("09:52"), (3,)),
    ]


def test_a_slot_needs_one_room_of_several() -> None:
    rooms = [monday("09:00-09:01"), monday("09:02-09:03")]

    found = combine({1: monday("09:00-09:04")}, rooms, timedelta(minutes=30))

    assert [slot.start for slot in found] == [at("09:00"), at("09:02")]


def test_without_any_room_nothing_is_offered() -> None:
    assert combine({1: monday("09:00-10:00")}, [], timedelta(minutes=30)) == []


def test_without_any_practitioner_nothing_is_offered() -> None:
    assert combine({}, None, timedelta(minutes=30)) == []


def test_the_nearest_slots_come_in_order_of_time() -> None:
    slots = [Slot(at(text), at("23:00"), (1,)) for text in ("15:00", "09:00", "12:00", "10:00")]

    found = nearest(slots, at("11:00"), 3)

    assert [f"{slot.start:%H:%M}" for slot in found] == ["09:00", "10:00", "12:00"]


def test_of_two_slots_as_near_the_earlier_one_is_named() -> None:
    slots = [Slot(at("12:00"), at("13:00"), (1,)), Slot(at("10:00"), at("11:00"), (1,))]

    assert nearest(slots, at("11:00"), 1) == [slots[1]]
    assert nearest(slots, at("11:00"), 5) == [slots[1], slots[0]]


@pytest.mark.parametrize(
    ("that_day", "last_chosen", "chosen"),
    [
        ({1: 2, 2: 1, 3: 3}, {2: 9}, 2),
        ({1: 1, 2: 1, 3: 1}, {1: 5, 2: 4, 3: 6}, 2),
        ({1: 1, 2: 1, 3: 1}, {1: 1, 2: 2}, 3),
        ({1: 1}, {2: 0, 3: -1}, 3),
        ({}, {2: -1}, 1),
        ({}, {1: 1}, 2),
        ({}, {1: 4, 2: 4, 3: 4}, 1),
    ],
)
def test_the_least_busy_practitioner_is_chosen_then_the_one_whose_turn_it_is(
    that_day: dict[int, int], last_chosen: dict[int, int], chosen: int
) -> None:
    assert least_busy([3, 2, 1], that_day, last_chosen) == chosen


@pytest.mark.parametrize(
    "broken",
    [
        lambda: replace(HALF_HOUR, duration=timedelta(0)),
        lambda: replace(HALF_HOUR, step=timedelta(0)),
        lambda: replace(HALF_HOUR, duration=timedelta(seconds=90)),
        lambda: replace(HALF_HOUR, step=timedelta(seconds=90)),
        lambda: replace(HALF_HOUR, buffer_before=timedelta(seconds=90)),
        lambda: replace(HALF_HOUR, buffer_after=timedelta(seconds=90)),
        lambda: replace(HALF_HOUR, buffer_before=-MINUTE),
        lambda: replace(HALF_HOUR, buffer_after=-MINUTE),
        lambda: replace(HALF_HOUR, minimum_notice=-timedelta.resolution),
        lambda: replace(HALF_HOUR, booking_horizon=-timedelta.resolution),
    ],
)
def test_rules_that_make_no_sense_are_refused(broken: Callable[[], BookingRules]) -> None:
    with pytest.raises(ValueError, match=r"whole minutes|longer than nothing|not negative"):
        broken()


def test_the_shortest_appointment_and_step_is_a_minute() -> None:
    rules = replace(HALF_HOUR, duration=MINUTE, step=MINUTE)

    assert len(offered(rules)) == 120


def minutes_between(low: int, high: int) -> st.SearchStrategy[timedelta]:
    return st.integers(low, high).map(lambda minutes: minutes * MINUTE)


all_rules = st.builds(
    BookingRules,
    duration=minutes_between(1, 100),
    step=minutes_between(1, 90),
    buffer_before=st.just(timedelta(0)) | minutes_between(0, 60),
    buffer_after=st.just(timedelta(0)) | minutes_between(0, 60),
    minimum_notice=st.integers(0, 90_000).map(lambda seconds: timedelta(seconds=seconds)),
    booking_horizon=st.integers(0, 400_000).map(lambda seconds: timedelta(seconds=seconds)),
)


@dataclass(frozen=True)
class Clinic:
    """A practitioner's days around the night on which the clock of the zone changes."""

    zone: ZoneInfo
    day: date
    origin: datetime
    until: datetime
    hours: list[WeeklyHours]
    taken: list[Span]
    closed: list[Span]
    now: datetime

    def timeline(self, spans: list[Span]) -> Timeline:
        return Timeline.over(self.origin, self.until, spans)


@st.composite
def clinics(draw: st.DrawFn) -> Clinic:
    name, changes = draw(st.sampled_from(sorted(oracle.ZONES.items())))
    day = draw(st.sampled_from(changes))
    origin, until = oracle.around(day, days=0)
    seconds = st.integers(0, 72 * 3600)
    spans = st.lists(
        st.builds(
            lambda start, length: Span(
                origin + timedelta(seconds=start), origin + timedelta(seconds=start + length)
            ),
            seconds,
            st.integers(0, 3 * 3600),
        ),
        max_size=4,
    )
    now = origin + timedelta(seconds=draw(st.integers(-24 * 3600, 40 * 3600)))
    hours = draw(hours_around(day))
    return Clinic(ZoneInfo(name), day, origin, until, hours, draw(spans), draw(spans), now)


def hours_around(day: date) -> st.SearchStrategy[list[WeeklyHours]]:
    quarters = st.builds(time, st.integers(0, 5) | st.integers(8, 18), st.sampled_from([0, 10, 30]))
    pairs = st.tuples(quarters, quarters).filter(lambda pair: pair[0] < pair[1])
    whole = st.just((time(0), time(0)))
    hours = st.builds(
        lambda days, times, breaks: WeeklyHours(
            (day + timedelta(days=days)).weekday(), times[0], times[1], breaks=tuple(breaks)
        ),
        st.integers(-1, 1),
        whole | pairs,
        st.lists(pairs, max_size=2),
    )
    return st.lists(hours, min_size=1, max_size=3)


@settings(deadline=None, max_examples=250)
@given(clinics(), all_rules)
def test_what_is_offered_is_what_the_rules_allow_minute_by_minute(
    clinic: Clinic, rules: BookingRules
) -> None:
    days = clinic.day - timedelta(days=1), clinic.day + timedelta(days=1)
    found = openings(clinic.hours, *days, clinic.zone)
    spans = [span for each in found for span in each.spans]

    possible = starts(
        rules,
        hours=clinic.timeline(spans) - clinic.timeline(clinic.closed),
        grid=grid_of(found, rules.step, origin=clinic.origin, until=clinic.until),
        taken=clinic.timeline(clinic.taken),
    )
    offer = within_reach(possible, rules, clinic.now)

    moments = oracle.moments(clinic.zone, clinic.origin, clinic.until)
    asked = [each for each in moments if days[0] <= each.day <= days[1]]
    hours = oracle.open_instants(clinic.hours, asked) - oracle.minutes_of(clinic.closed)
    grid = oracle.grid_instants(clinic.hours, rules.step, asked)
    taken = oracle.minutes_of(clinic.taken)
    assert set(offer.instants()) == {
        each.instant
        for each in moments
        if oracle.may_start(
            rules, each.instant, hours=hours, grid=grid, taken=taken, now=clinic.now
        )
    }


some_minutes = st.frozensets(st.integers(0, 199), max_size=4)


@settings(deadline=None)
@given(some_minutes, some_minutes, all_rules)
def test_a_room_does_when_each_of_its_minutes_does(
    taken: frozenset[int], closed: frozenset[int], rules: BookingRules
) -> None:
    minutes = list(oracle.walk(MIDNIGHT, MIDNIGHT + 200 * MINUTE))

    found = room_starts(rules, taken=timeline(taken, 200), closed=timeline(closed, 200))

    blocked = {minutes[minute] for minute in taken}
    usable = set(minutes) - {minutes[minute] for minute in closed}
    assert set(found.instants()) == {
        start
        for start in minutes
        if oracle.room_may_start(rules, start, taken=blocked, usable=usable)
    }


offers = st.dictionaries(st.integers(1, 5), st.frozensets(st.integers(0, 30)), max_size=4)


@given(offers, st.none() | st.lists(st.frozensets(st.integers(0, 30)), max_size=3))
def test_a_slot_names_each_practitioner_who_is_free_while_a_room_is(
    by_practitioner: dict[int, frozenset[int]], rooms: list[frozenset[int]] | None
) -> None:
    found = combine(
        {each: timeline(minutes, 31) for each, minutes in by_practitioner.items()},
        None if rooms is None else [timeline(minutes, 31) for minutes in rooms],
        MINUTE,
    )

    expected = []
    for minute in range(31):
        if rooms is None or any(minute in room for room in rooms):
            free = tuple(
                each for each in sorted(by_practitioner) if minute in by_practitioner[each]
            )
            start = MIDNIGHT + minute * MINUTE
            expected += [Slot(start, start + MINUTE, free)] if free else []
    assert found == expected
