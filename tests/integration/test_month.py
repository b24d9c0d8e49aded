"""The month of free times: what it shows, in which clock, and whatever its address says."""

from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from booking.models import OpeningHours, Resource
from booking.models.database import transaction
from tests.builders import CLINIC, Clock, a_clinic, an_appointment, at
from tests.pages import Page
from tests.visits import a_booked_page, a_link, book, form_path, get, the_appointment

VISIT, VIDEO = "/services/visit", "/services/video"
NIGHT = """

[[practitioners]]
slug = "nova"
name = "Nova Night"
hours = [{ days = ["sun"], opens = "00:00", closes = "04:00" }]

[[services]]
slug = "night"
name = "Night call"
mode = "phone"
duration = 30
step = 30
minimum_notice = 60
booking_horizon_days = 30
practitioners = ["nova"]
"""

ODD = (
    "2026-13",
    "2026-02-30",
    "9999-12",
    "9999-12-31",
    "0000-00-00",
    "0001-01",
    "-1",
    "2026-11-1",
    "x" * 5000,
    "%00",
    "%ED%A0%80",
    "%ff%fe",
    "٢٠٢٦-١١",
    "../../etc/localtime",
    "Mars/Olympus",
    "localtime",
    "{{7*7}}",
    "1 OR 1=1",
    "",
)


def free_days(page: Page) -> list[str]:
    """The days that can be opened, as they are read out."""
    return [
        each.get("aria-label").removesuffix(", free times")
        for each in page.all("a")
        if each.get("aria-label").endswith(", free times")
    ]


def slots(page: Page) -> list[str]:
    """The times of the open day, as they are read out."""
    return [each.all("span", class_="unseen")[0].text for each in page.all("a", class_="slot")]


def test_the_first_free_day_is_open_already(client: FlaskClient) -> None:
    page = get(client, VISIT)

    assert page.all("h2", id="times-title")[0].text == "Monday 23 November"
    assert slots(page)[0] == "Monday 23 November, 9:00 am, New York time"


def test_a_public_holiday_is_not_offered(client: FlaskClient) -> None:
    """Thanksgiving is on 26 November in 2026."""
    page = get(client, f"{VISIT}?day=2026-11-26")

    assert free_days(page) == [
        "Monday 23 November",
        "Tuesday 24 November",
        "Wednesday 25 November",
        "Friday 27 November",
        "Monday 30 November",
    ]
    assert "Nothing is free on this day." in page.text
    assert get(client, page.link("See Friday 27 November"))


def test_the_day_is_told_in_parts(client: FlaskClient) -> None:
    page = get(client, f"{VISIT}?day=2026-11-24")

    assert [each.text for each in page.all("h3")] == ["Morning", "Afternoon"]


def test_a_taken_time_is_not_shown_and_nobody_learns_why(client: FlaskClient) -> None:
    """T-19: the page of a full morning reads like that of a closed one."""
    before = get(client, f"{VISIT}?day=2026-11-24").text
    with transaction() as session:
        an_appointment(session, "Tue 09:00")

    page = get(client, f"{VISIT}?day=2026-11-24")

    assert "9:00 am" in before
    assert "9:00 am" not in page.text
    assert not any(word in page.text for word in ("Sam", "busy", "booked", "taken", "left"))


def test_a_month_with_nothing_free_leads_to_the_next_free_day(
    client: FlaskClient, clock: Clock
) -> None:
    clock.now = at("Mon 08:00", week=-6)

    page = get(client, f"{VISIT}?month=2026-12")

    assert page.all("h2", id="times-title")[0].text == "Nothing is free in December 2026"
    assert "The next free day is" in page.text
    assert slots(get(client, page.link("See ")))


def test_a_month_that_is_as_good_as_over_is_skipped(client: FlaskClient, clock: Clock) -> None:
    clock.now = at("Mon 16:30", week=1)

    page = get(client, VISIT)

    assert page.all("h2", id="month-title")[0].text == "December 2026"


def test_a_clinic_with_nothing_free_at_all_says_whom_to_call(client: FlaskClient) -> None:
    with transaction() as session:
        for rule in session.query(OpeningHours):
            session.delete(rule)

    page = get(client, VISIT)

    assert "Nothing is free online just now." in page.text
    assert get(client, form_path(), 409).text.count("(212) 555-0142")


def test_one_can_turn_the_pages_but_not_into_the_past(client: FlaskClient) -> None:
    page = get(client, VISIT)

    assert not [each for each in page.all("a") if "October" in each.text]
    december = get(client, page.link("December"))
    assert december.all("h2", id="month-title")[0].text == "December 2026"
    assert december.link("November") == "/services/visit?month=2026-11"


def test_choices_stay_while_the_pages_turn(client: FlaskClient) -> None:
    page = get(client, f"{VIDEO}?practitioner=ben&tz=Asia/Tokyo")

    for link in (page.link("December"), page.all("a", class_="slot")[0].get("href")):
        assert "practitioner=ben" in link
        assert "tz=Asia/Tokyo" in link or "tz=Asia%2FTokyo" in link


def test_only_the_practitioner_asked_for_is_shown(client: FlaskClient) -> None:
    page = get(client, f"{VISIT}?practitioner=ben")

    assert "Tuesday 24 November" not in free_days(page)
    assert page.form("/visit").values()["practitioner"] == "ben"


def test_times_are_shown_in_the_zone_chosen_and_the_clinics_is_named(client: FlaskClient) -> None:
    page = get(client, f"{VIDEO}?tz=Europe/Berlin&day=2026-11-24")

    assert slots(page)[0].startswith("Tuesday 24 November, 3:00 pm, Berlin time")
    assert "Times are in Berlin time" in page.text
    assert "The clinic is on New York time" in page.text


def test_a_day_of_the_visitor_is_the_visitors_own(client: FlaskClient) -> None:
    """The afternoon of New York is the next morning of Tokyo."""
    page = get(client, f"{VIDEO}?tz=Asia/Tokyo&day=2026-11-25")

    assert "Wednesday 25 November, 5:30 am, Tokyo time" in " ".join(slots(page))


def test_in_person_only_the_clinics_clock_counts(client: FlaskClient) -> None:
    page = get(client, f"{VISIT}?tz=Asia/Tokyo")

    assert "Tokyo" not in page.text
    assert "New York time" in page.text


def test_an_appointment_shows_both_clocks_where_they_differ(client: FlaskClient) -> None:
    link = a_link("Tue 09:00", service="video", timezone="Europe/Berlin")

    page = get(client, link)

    assert "3:00 pm to 3:30 pm, Berlin time" in page.text.replace("–", "to")
    assert "9:00 am" in page.text
    assert "New York time" in page.text


def test_a_zone_of_the_same_hour_is_not_told_twice(client: FlaskClient) -> None:
    page = get(client, a_link("Tue 09:00", service="video", timezone="America/Toronto"))

    assert "That is" not in page.text


def test_the_zone_chosen_goes_with_the_booking(client: FlaskClient) -> None:
    book_page = get(client, form_path("Tue 09:00", "video", tz="Europe/Berlin"))

    assert book_page.form("/book").values()["timezone"] == "Europe/Berlin"
    assert "3:00 pm" in book_page.text


def test_an_unknown_zone_is_as_none(client: FlaskClient) -> None:
    a_booked_page(client)
    book(client, "Wed 09:00", "video", timezone="../../etc/passwd")

    assert the_appointment().patient_timezone == "America/New_York"


def test_in_the_night_when_the_clock_goes_back_each_hour_is_told_apart(
    client: FlaskClient, clock: Clock
) -> None:
    """7 November 2027: half past one comes twice, and both can be booked."""
    clock.now = datetime(2027, 11, 1, 12, tzinfo=UTC)
    _add_the_night()

    page = get(client, "/services/night?day=2027-11-07")

    names = slots(page)
    assert [each for each in names if "1:30 am" in each] == [
        "Sunday 7 November, 1:30 am (UTC−4), New York time",
        "Sunday 7 November, 1:30 am (UTC−5), New York time",
    ]
    assert len(names) == len(set(names)) == 10


def test_in_the_night_when_the_clock_goes_forward_the_missing_hour_is_not_offered(
    client: FlaskClient, clock: Clock
) -> None:
    """14 March 2027: there is no half past two."""
    clock.now = datetime(2027, 3, 8, 12, tzinfo=UTC)
    _add_the_night()

    page = get(client, "/services/night?day=2027-03-14")

    assert not [each for each in slots(page) if ", 2:" in each]
    assert len(slots(page)) == 6


def test_a_day_of_another_year_names_its_year(client: FlaskClient, clock: Clock) -> None:
    clock.now = datetime(2026, 12, 28, 14, tzinfo=UTC)

    page = get(client, f"{VISIT}?day=2027-01-04")

    assert page.all("h2", id="times-title")[0].text == "Monday 4 January 2027"


def test_weeks_begin_as_they_do_in_the_clinics_country(client: FlaskClient) -> None:
    page = get(client, VISIT)

    assert page.all("th")[0].text.endswith("Sunday")


@pytest.mark.parametrize("path", [VISIT, VIDEO, "/services/visit/book", "reschedule"])
def test_a_bad_address_is_harmless(client: FlaskClient, path: str) -> None:
    if path == "reschedule":
        path = f"{a_link()}/reschedule"

    for value in ODD:
        names = ("month", "day", "tz", "practitioner", "start")
        answer = client.get(f"{path}?{'&'.join(f'{name}={value}' for name in names)}")
        assert answer.status_code in (200, 303), value


def test_parameters_that_come_twice_or_as_lists_are_harmless(client: FlaskClient) -> None:
    answer = client.get(f"{VISIT}?month=2026-12&month=x&day[]=1&tz[a]=b&practitioner=ada&a=" + "b")

    assert answer.status_code == 200


def test_the_farthest_months_are_only_empty(client: FlaskClient) -> None:
    for month in ("2000-01", "2199-12", "2026-03", "2026-11"):
        assert get(client, f"{VIDEO}?month={month}&tz=Pacific/Apia")


def _add_the_night() -> None:
    """A clinic that also answers on Sunday nights."""
    with transaction() as session:
        for table in ("service_resource", "opening_break", "opening_hours", "healthcare_service"):
            session.connection().exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608
        session.query(Resource).delete()
        for table in ("location", "clinic"):
            session.connection().exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608
        a_clinic(session, CLINIC + NIGHT)


def test_a_zone_stands_once_in_the_list_whatever_the_browser_calls_it(client: FlaskClient) -> None:
    page = get(client, f"{VIDEO}?tz=Asia/Calcutta")

    assert [each.text for each in page.all("option") if "Kolkata" in each.text] == ["Kolkata time"]
    assert "Times are in Kolkata time." in page.text


def test_choosing_somebody_keeps_the_day(client: FlaskClient) -> None:
    page = get(client, f"{VISIT}?month=2026-11&day=2026-11-25")

    assert page.form("/visit").values()["day"] == "2026-11-25"


def test_after_the_last_free_day_of_a_month_comes_the_next(client: FlaskClient) -> None:
    page = get(client, f"{VISIT}?month=2026-11&day=2026-11-30")

    assert page.all("nav", class_="turn turn-days")[0].all("a")[-1].text.endswith("December →")
