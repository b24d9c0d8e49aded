from datetime import UTC, date, datetime

import pytest

from booking.messages.wording import (
    clock_text,
    day_text,
    local_times,
    short_when,
    when_text,
    where_text,
    zone_name,
    zones_differ,
)
from tests.unit.test_invitation import a_clinic, an_appointment

NEW_YORK = "America/New_York"
HALF_PAST_NINE = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)
QUARTER_PAST_TEN = datetime(2026, 11, 24, 15, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hour", "clock"),
    [(5, "12:05 am"), (6, "1:05 am"), (16, "11:05 am"), (17, "12:05 pm"), (18, "1:05 pm")],
)
def test_the_clock_has_twelve_hours(hour: int, clock: str) -> None:
    assert clock_text(datetime(2026, 11, 24, hour, 5, tzinfo=UTC), NEW_YORK) == clock


def test_the_two_passes_of_an_autumn_hour_are_told_apart() -> None:
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    second = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)

    assert clock_text(first, NEW_YORK) == "1:30 am (UTC−4)"
    assert clock_text(second, NEW_YORK) == "1:30 am (UTC−5)"
    assert short_when(first, NEW_YORK) == "1 November, 1:30 am (UTC−4)"
    assert (
        when_text(first, second, NEW_YORK)
        == "Sunday 1 November 2026, 1:30 am (UTC−4) to 1:30 am (UTC−5), New York time"
    )


@pytest.mark.parametrize(
    ("zone", "instant", "clock"),
    [
        ("Europe/London", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "1:30 am (UTC+0)"),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, 10, tzinfo=UTC), "1:40 am (UTC+10:30)"),
    ],
)
def test_a_repeated_hour_names_any_offset(zone: str, instant: datetime, clock: str) -> None:
    assert clock_text(instant, zone) == clock


def test_the_hours_around_a_spring_gap_need_no_offset() -> None:
    before = datetime(2026, 3, 8, 6, 30, tzinfo=UTC)
    after = datetime(2026, 3, 8, 7, 30, tzinfo=UTC)

    assert clock_text(before, NEW_YORK) == "1:30 am"
    assert clock_text(after, NEW_YORK) == "3:30 am"


def test_the_day_is_the_wall_clocks() -> None:
    late = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)

    assert day_text(late, NEW_YORK) == "Tuesday 24 November 2026"
    assert day_text(late, "Asia/Tokyo") == "Wednesday 25 November 2026"


def test_the_year_is_left_out_only_within_it() -> None:
    assert day_text(HALF_PAST_NINE, NEW_YORK, today=date(2026, 1, 1)) == "Tuesday 24 November"
    assert day_text(HALF_PAST_NINE, NEW_YORK, today=date(2025, 12, 31)).endswith("2026")


def test_a_whole_time_says_day_hours_and_zone() -> None:
    assert (
        when_text(HALF_PAST_NINE, QUARTER_PAST_TEN, NEW_YORK)
        == "Tuesday 24 November 2026, 9:30 am to 10:15 am, New York time"
    )


def test_a_time_over_midnight_names_both_days() -> None:
    assert when_text(HALF_PAST_NINE, QUARTER_PAST_TEN, "Asia/Vladivostok") == (
        "Wednesday 25 November 2026, 12:30 am to 1:15 am, Vladivostok time"
    )
    assert when_text(HALF_PAST_NINE, QUARTER_PAST_TEN, "Asia/Kathmandu").endswith(
        "8:15 pm to 9:00 pm, Kathmandu time"
    )
    assert when_text(HALF_PAST_NINE, QUARTER_PAST_TEN, "Asia/Yangon").startswith("Tuesday")
    assert when_text(
        datetime(2026, 12, 31, 23, 45, tzinfo=UTC), datetime(2027, 1, 1, 0, 30, tzinfo=UTC), "UTC"
    ) == ("Thursday 31 December 2026, 11:45 pm to Friday 1 January 2027, 12:30 am, UTC")


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        ("America/New_York", "New York time"),
        ("America/Argentina/Buenos_Aires", "Buenos Aires time"),
        ("UTC", "UTC"),
        ("Etc/UTC", "UTC"),
        ("Etc/GMT+5", "UTC−5"),
        ("Asia/Kathmandu", "Kathmandu time"),
    ],
)
def test_zones_have_names_that_people_use(zone: str, name: str) -> None:
    assert zone_name(zone, HALF_PAST_NINE) == name


def test_zones_differ_only_if_their_clocks_do() -> None:
    summer = datetime(2026, 7, 1, tzinfo=UTC)

    assert not zones_differ(NEW_YORK, "America/Toronto", HALF_PAST_NINE)
    assert not zones_differ("America/Denver", "America/Phoenix", HALF_PAST_NINE)
    assert zones_differ("America/Denver", "America/Phoenix", summer)


def test_one_time_is_enough_where_the_clocks_agree() -> None:
    times = local_times(a_clinic(), an_appointment(patient_timezone="America/Toronto"))

    assert [time.text for time in times] == [
        "Tuesday 24 November 2026, 9:30 am to 10:15 am, Toronto time"
    ]


def test_the_first_time_is_the_one_to_go_by() -> None:
    away = an_appointment(patient_timezone="Europe/London")
    calling = an_appointment(patient_timezone="Europe/London", mode="phone", location="")

    assert [time.whose for time in local_times(a_clinic(), away)] == ["Clinic time", "Your time"]
    assert [time.whose for time in local_times(a_clinic(), calling)] == ["Your time", "Clinic time"]


def test_where_says_how_we_meet() -> None:
    assert where_text(an_appointment()) == "12 Elm Street, Springfield"
    assert where_text(an_appointment(location="")) == "At the clinic"
    assert where_text(an_appointment(mode="phone")).startswith("We will call you")
    assert where_text(an_appointment(mode="video", video_url="https://v.example/1")) == "By video"
    assert "send you the link" in where_text(an_appointment(mode="video"))
