"""Opening hours on the wall, turned into instants, against the minute-by-minute oracle."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking.domain.openings import Opening, WeeklyHours, grid, local_day, openings
from booking.domain.slots import grid_of
from booking.domain.timeline import Span, Timeline
from tests.unit import oracle

NEW_YORK = ZoneInfo("America/New_York")
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)  # Sundays
MONDAY = date(2026, 3, 2)
HALF_HOUR = timedelta(minutes=30)

clocks = st.builds(time, st.integers(0, 23), st.integers(0, 59))
nights = st.builds(time, st.integers(0, 3), st.sampled_from([0, 1, 15, 30, 45]))
ends = st.just(time(0)) | clocks | nights


def in_order(interval: tuple[time, time]) -> bool:
    return interval[1] == time(0) or interval[0] < interval[1]


intervals = st.tuples(clocks | nights, ends).filter(in_order)


@st.composite
def weekly_hours(draw: st.DrawFn, near: date) -> WeeklyHours:
    """Hours that mostly hold on the date or on the one before or after it."""
    opens, closes = draw(st.just((time(0), time(0))) | intervals)
    around = st.integers(-2, 2).map(lambda days: near + timedelta(days=days))
    return WeeklyHours(
        weekday=draw(around).weekday(),
        opens=opens,
        closes=closes,
        valid_from=draw(st.none() | around),
        valid_until=draw(st.none() | around),
        breaks=tuple(draw(st.lists(intervals, max_size=3))),
    )


@st.composite
def clinics(draw: st.DrawFn) -> tuple[ZoneInfo, date, list[WeeklyHours]]:
    """A zone, a date on which its clock changes, and opening hours around it."""
    name, changes = draw(st.sampled_from(sorted(oracle.ZONES.items())))
    day = draw(st.sampled_from(changes)) + timedelta(days=draw(st.integers(-1, 1)))
    return ZoneInfo(name), day, draw(st.lists(weekly_hours(day), min_size=1, max_size=3))


def instants(found: Iterable[Opening]) -> list[datetime]:
    """Every open minute, as often as it is open."""
    return [minute for each in found for span in each.spans for minute in walk(span)]


def walk(span: Span) -> list[datetime]:
    return list(oracle.walk(span.start, span.until))


def shown(found: Iterable[datetime], zone: ZoneInfo = NEW_YORK) -> list[str]:
    return [f"{instant.astimezone(zone):%H:%M%z}" for instant in found]


def steps(found: list[Opening], step: timedelta) -> list[datetime]:
    spans = [span for opening in found for span in grid(opening, step)]
    return [minute for span in spans for minute in oracle.walk(span.start, span.until, step)]


def one(hours: WeeklyHours, day: date, zone: ZoneInfo = NEW_YORK) -> list[Opening]:
    return openings([hours], day, day, zone)


@settings(deadline=None)
@given(clinics())
def test_an_instant_is_open_when_the_clock_shows_an_open_time(
    clinic: tuple[ZoneInfo, date, list[WeeklyHours]],
) -> None:
    zone, day, hours = clinic
    moments = oracle.moments(zone, *oracle.around(day, days=1))
    days = [day - timedelta(days=1), day, day + timedelta(days=1)]

    found = openings(hours, days[0], days[-1], zone)

    asked = [each for each in moments if each.day in days]
    assert set(instants(found)) == oracle.open_instants(hours, asked)
    for opening in found:
        assert len(instants([opening])) == len(set(instants([opening])))
        assert list(opening.spans) == sorted(opening.spans)
        assert all(a.until < b.start for a, b in pairwise(opening.spans))
    assert [each.spans[0].start for each in found] == sorted(each.spans[0].start for each in found)


@settings(deadline=None)
@given(clinics(), st.integers(1, 200))
def test_a_step_is_counted_on_the_wall_from_the_beginning_of_its_opening(
    clinic: tuple[ZoneInfo, date, list[WeeklyHours]], minutes: int
) -> None:
    zone, day, hours = clinic
    step, bounds = timedelta(minutes=minutes), oracle.around(day, days=0)
    asked = [each for each in oracle.moments(zone, *bounds) if each.day == day]
    opened = openings(hours, day, day, zone)

    found = grid_of(opened, step, origin=bounds[0], until=bounds[1])

    assert set(found.instants()) == oracle.grid_instants(hours, step, asked)
    assert all(span.start < span.until for each in opened for span in grid(each, step))


@settings(deadline=None)
@given(clinics(), st.integers(0, 72 * 60), st.integers(0, 72 * 60), st.integers(1, 200))
def test_a_grid_does_not_depend_on_the_bounds_that_are_looked_at(
    clinic: tuple[ZoneInfo, date, list[WeeklyHours]], first: int, last: int, minutes: int
) -> None:
    zone, day, hours = clinic
    found, (origin, until) = openings(hours, day, day, zone), oracle.around(day, days=0)
    begin, end = (origin + timedelta(minutes=each) for each in sorted((first, last)))
    step = timedelta(minutes=minutes)

    narrow = grid_of(found, step, origin=begin, until=end)

    wide = grid_of(found, step, origin=origin, until=until)
    assert list(narrow.instants()) == list(wide.window(begin, end).instants())


@settings(deadline=None)
@given(clinics())
def test_a_local_day_holds_the_instants_of_its_date(
    clinic: tuple[ZoneInfo, date, list[WeeklyHours]],
) -> None:
    zone, day, _ = clinic
    moments = oracle.moments(zone, *oracle.around(day, days=0))

    found = local_day(day, zone)

    inside = [each.instant for each in moments if each.day == day]
    if inside:
        assert found == Span(inside[0], inside[-1] + oracle.MINUTE)
    else:
        assert found.start == found.until == next(e.instant for e in moments if e.day > day)


WEEK = [
    WeeklyHours(day, opens, closes, breaks=breaks)
    for day in range(7)
    for opens, closes, breaks in (
        (time(0), time(5), ((time(1, 20), time(2, 10)), (time(3, 30), time(3, 45)))),
        (time(9 + day % 2, 30), time(0), ((time(12), time(13)), (time(12, 30), time(14)))),
    )
]
YEARS = {"Pacific/Apia": 2011, "America/St_Johns": 2010, "America/New_York": 2026}


@pytest.mark.parametrize("name", oracle.ZONES)
def test_two_years_agree_with_the_clock_on_the_wall(name: str) -> None:
    zone, first = ZoneInfo(name), date(YEARS.get(name, 2021), 1, 1)
    last, every, step = first.replace(year=first.year + 2), timedelta(minutes=5), 25
    beginning, end = local_day(first, zone).start, local_day(last, zone).until
    moments = oracle.moments(zone, beginning, end, every)

    found = openings(WEEK, first, last, zone)

    on_grid = grid_of(found, timedelta(minutes=step), origin=beginning, until=end)
    spans = [span for each in found for span in each.spans]
    fifths = Timeline.over(beginning, end, [Span(beginning, end)], every=every)
    is_open = Timeline.over(beginning, end, spans) & fifths
    assert list(is_open.instants()) == sorted(oracle.open_instants(WEEK, moments))
    assert list((on_grid & fifths).instants()) == sorted(
        oracle.grid_instants(WEEK, timedelta(minutes=step), moments)
    )


def test_the_hour_that_a_spring_night_leaves_out_offers_nothing() -> None:
    found = one(WeeklyHours(6, time(1), time(4)), SPRING)

    assert shown(steps(found, HALF_HOUR)) == [
        "01:00-0500",
        "01:30-0500",
        "03:00-0400",
        "03:30-0400",
    ]
    assert [each.spans for each in found] == [
        (Span(datetime(2026, 3, 8, 6, tzinfo=UTC), datetime(2026, 3, 8, 8, tzinfo=UTC)),)
    ]


def test_an_opening_within_the_missing_hour_does_not_take_place() -> None:
    assert one(WeeklyHours(6, time(2), time(3)), SPRING) == []


def test_steps_after_the_missing_hour_are_those_of_the_clock_on_the_wall() -> None:
    found = one(WeeklyHours(6, time(1), time(5)), SPRING)

    assert shown(steps(found, timedelta(minutes=45))) == [
        "01:00-0500",
        "01:45-0500",
        "03:15-0400",
        "04:00-0400",
        "04:45-0400",
    ]


def test_the_hour_that_an_autumn_night_repeats_is_open_both_times() -> None:
    found = one(WeeklyHours(6, time(1), time(2)), AUTUMN)

    assert shown(steps(found, HALF_HOUR)) == [
        "01:00-0400",
        "01:30-0400",
        "01:00-0500",
        "01:30-0500",
    ]


def test_a_break_in_the_repeated_hour_is_a_break_both_times() -> None:
    found = one(WeeklyHours(6, time(1), time(2), breaks=((time(1), time(1, 30)),)), AUTUMN)

    assert shown(steps(found, HALF_HOUR)) == ["01:30-0400", "01:30-0500"]


def test_a_break_does_not_start_the_steps_anew() -> None:
    hours = WeeklyHours(0, time(9), time(11), breaks=((time(9, 40), time(10, 10)),))

    found = steps(one(hours, MONDAY), HALF_HOUR)

    assert shown(found) == ["09:00-0500", "09:30-0500", "10:30-0500"]


def test_a_stretch_that_ends_where_its_first_step_would_be_has_none() -> None:
    breaks = ((time(9), time(9, 10)), (time(9, 30), time(10)))
    hours = WeeklyHours(0, time(9), time(10), breaks=breaks)

    found = [grid(opening, HALF_HOUR) for opening in one(hours, MONDAY)]

    assert found == [[]]


def test_an_opening_may_last_until_midnight() -> None:
    found = one(WeeklyHours(0, time(23), time(0)), MONDAY)

    assert shown(steps(found, HALF_HOUR)) == ["23:00-0500", "23:30-0500"]


def test_hours_hold_from_their_first_to_their_last_date() -> None:
    first, last = MONDAY + timedelta(weeks=1), MONDAY + timedelta(weeks=2)
    hours = WeeklyHours(0, time(9), time(10), valid_from=first, valid_until=last)

    found = openings([hours], MONDAY, MONDAY + timedelta(weeks=5), NEW_YORK)

    assert [each.begins for each in found] == [
        datetime(2026, 3, 9, 9, tzinfo=NEW_YORK),
        datetime(2026, 3, 16, 9, tzinfo=NEW_YORK),
    ]


def test_samoa_had_no_30_december_in_2011() -> None:
    apia = ZoneInfo("Pacific/Apia")
    hours = [WeeklyHours(day, time(9), time(17)) for day in range(7)]

    found = openings(hours, date(2011, 12, 29), date(2011, 12, 31), apia)

    assert [each.begins.date() for each in found] == [date(2011, 12, 29), date(2011, 12, 31)]


def test_a_day_that_a_zone_has_skipped_is_empty_at_the_moment_of_the_change() -> None:
    change = datetime(2011, 12, 30, 10, tzinfo=UTC)

    found = local_day(date(2011, 12, 30), ZoneInfo("Pacific/Apia"))

    assert found == Span(change, change)


def test_a_day_of_the_change_has_an_hour_less_or_more() -> None:
    spring, autumn = local_day(SPRING, NEW_YORK), local_day(AUTUMN, NEW_YORK)

    assert spring.until - spring.start == timedelta(hours=23)
    assert autumn.until - autumn.start == timedelta(hours=25)


def test_a_day_that_has_no_midnight_begins_at_one() -> None:
    havana = ZoneInfo("America/Havana")

    found = local_day(date(2026, 3, 8), havana)

    assert shown([found.start], havana) == ["01:00-0400"]


def test_no_days_have_no_openings() -> None:
    hours = [WeeklyHours(day, time(9), time(17)) for day in range(7)]

    assert openings(hours, MONDAY, MONDAY - timedelta(days=1), NEW_YORK) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: WeeklyHours(7, time(9), time(10)),
        lambda: WeeklyHours(-1, time(9), time(10)),
        lambda: WeeklyHours(0, time(9), time(9)),
        lambda: WeeklyHours(0, time(9), time(8)),
        lambda: WeeklyHours(0, time(9, 0, 30), time(10)),
        lambda: WeeklyHours(0, time(9), time(10, 0, 0, 1)),
        lambda: WeeklyHours(0, time(9), time(10), breaks=((time(9, 30), time(9, 30)),)),
        lambda: WeeklyHours(0, time(9), time(10), breaks=((time(9, 30, 1), time(9, 40)),)),
    ],
)
def test_hours_that_make_no_sense_are_refused(make: Callable[[], WeeklyHours]) -> None:
    with pytest.raises(ValueError, match=r"weekday|whole minutes|must end"):
        make()


@pytest.mark.parametrize("day", [0, 6])
def test_a_week_runs_from_monday_to_sunday(day: int) -> None:
    hours = WeeklyHours(day, time(9), time(10))

    assert hours.holds_on(MONDAY + timedelta(days=day))


def test_an_opening_without_a_zone_has_no_steps() -> None:
    opening = Opening(datetime(2026, 3, 2, 9, tzinfo=UTC), ())

    with pytest.raises(ValueError, match="time zone"):
        grid(opening, HALF_HOUR)
