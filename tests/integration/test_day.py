"""The day, the week and the month of the desk: who comes, and where somebody still could."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from booking.models import (
    AuditEntry,
    HealthcareService,
)
from booking.models.database import db, transaction
from tests.builders import Clock, at
from tests.pages import page_of
from tests.visits import a_member_of_staff, a_reference, get, send, sign_in


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    a_member_of_staff()
    sign_in(client)
    return client


def test_the_day_shows_who_comes_and_where_somebody_could(desk: FlaskClient) -> None:
    a_reference("Mon 14:00")

    page = get(desk, "/staff/day/")

    ada = page.all("section", aria_labelledby="who-ada")[0]
    assert "2:00 pm to 2:45 pm Sam Rivers" in ada.text
    assert "9:00 am to 12:00 pm free" in ada.text
    assert "3:00 pm to 5:00 pm free" in ada.text, "the buffer is not free"


def test_a_week_shows_one_practitioner_day_by_day(desk: FlaskClient) -> None:
    a_reference("Wed 10:00")

    page = get(desk, "/staff/day/week?practitioner=ada")

    days = page.all("section")
    assert len(days) == 7
    assert "Sam Rivers" in days[2].text
    assert "9:00 am to 10:00 am free" in days[2].text
    assert "Nobody comes, and nothing is open." in days[6].text


def test_a_day_without_hours_leads_to_the_reason_also_in_the_week(desk: FlaskClient) -> None:
    """It is Thanksgiving; there would be hours."""
    thursday = get(desk, "/staff/day/week?practitioner=ada").all("section")[3]

    [why] = [each for each in thursday.all("a") if each.text.startswith("Why is nothing")]

    assert "All day: A public holiday." in get(desk, why.get("href")).text


def test_a_month_shows_how_full_each_day_is(desk: FlaskClient) -> None:
    a_reference("Wed 10:00")

    page = get(desk, "/staff/day/month?month=2026-11")

    days = {each.text.split(":")[0]: each.text for each in page.all("td") if each.text}
    assert len(days) == 30
    [wednesday] = [text for text in days.values() if "Wednesday 25 November" in text]
    assert "1 · 6 %" in wednesday
    [thanksgiving] = [text for text in days.values() if "Thursday 26 November" in text]
    assert "closed" in thanksgiving


@pytest.mark.parametrize("path", ["?on=x", "week?on=9999-99-99", "month?month=1", "sheet?on=%00"])
def test_an_odd_day_is_today(desk: FlaskClient, path: str) -> None:
    assert get(desk, f"/staff/day/{path}")


def test_a_gap_offers_what_can_begin_in_it(desk: FlaskClient, clock: Clock) -> None:
    """The morning is 9 to 12; at 9:40 the notice of an hour leaves 11:00 of the visits' steps."""
    clock.now = at("Tue 09:40")
    sign_in(desk)
    day = get(desk, "/staff/day/?on=2026-11-24")

    form = get(desk, day.link("9:41 am to 12:00 pm free"))

    typed = form.form("/staff/book").values()
    assert "9:00 am to 9:41 am free" in day.text, "what is past is no link"
    assert (typed["service"], typed["time"], typed["practitioner"]) == ("visit", "11:00", "ada")
    calls = [each.text for each in form.all("a", class_="slot") if "Phone" in each.text]
    assert [each.split(",")[0] for each in calls] == [
        "10:45 am", "11:00 am", "11:15 am", "11:30 am", "11:45 am",
    ]  # fmt: skip


def test_where_nothing_is_on_offer_in_a_gap_the_form_says_so(
    desk: FlaskClient, clock: Clock
) -> None:
    clock.now = at("Tue 11:15")
    sign_in(desk)
    page = get(desk, "/staff/day/?on=2026-11-24")

    form = get(desk, page.link("11:16 am to 12:00 pm free"))

    assert "Nothing is on offer in this time" in form.text
    assert form.form("/staff/book").values()["time"] == "11:16"


def test_a_gap_in_which_no_service_fits_is_no_link(desk: FlaskClient) -> None:
    for start in ("09:00", "09:30", "10:00", "10:30", "11:00"):
        a_reference(f"Tue {start}", service="video", email=f"{start[:2]}{start[3:]}@x.example")
    with transaction() as session:
        session.execute(update(HealthcareService).values(duration=timedelta(minutes=45)))

    page = get(desk, "/staff/day/?on=2026-11-24")

    assert "11:30 am to 12:00 pm free" in page.text
    assert not [each for each in page.all("a") if "11:30 am to 12:00 pm" in each.text]


def test_the_present_is_a_line_in_the_day(desk: FlaskClient) -> None:
    a_reference("Mon 10:00")

    assert "Now, 8:00 am" in get(desk, "/staff/day/").text
    assert "Now, 8:00 am" not in get(desk, "/staff/day/?on=2026-11-24").text


def test_a_gap_leads_to_the_form_with_when_and_with_whom(desk: FlaskClient) -> None:
    page = get(desk, "/staff/day/?on=2026-11-24")

    form = get(desk, page.link("9:00 am to 12:00 pm free")).form("/staff/book").values()

    assert (form["day"], form["time"], form["practitioner"]) == ("2026-11-24", "09:00", "ada")


def test_the_sheet_names_nobody_unless_it_is_asked_to(desk: FlaskClient) -> None:
    a_reference("Mon 14:00")

    page = get(desk, "/staff/day/sheet")
    question = get(desk, page.link("Show full names"))
    before = _actions()
    full = page_of(send(desk, question))

    assert "S. R." in page.text
    assert "(212) 555-0123 – leave no message" in page.text
    assert "Rivers" not in page.text + question.text
    assert "Sam Rivers" in full.text
    assert "sheet.full" not in before
    assert {"sheet.read", "sheet.full"} <= _actions()


def _actions() -> set[str]:
    db.session.rollback()
    return set(db.session.scalars(select(AuditEntry.action)))


@pytest.mark.parametrize(
    "page",
    ["/staff/?from=2026-11-23&practitioner=ada", "/staff/day/", "/staff/day/week?practitioner=ada"],
)
def test_a_button_comes_back_to_its_page_with_filters_and_undo(
    desk: FlaskClient, page: str
) -> None:
    reference = a_reference("Mon 14:00")

    arrived = send(desk, get(desk, page), f"{reference}/arrive")
    undone = send(desk, get(desk, arrived.location), f"{reference}/unmark")

    assert arrived.location == undone.location == page


@pytest.mark.parametrize("page", ["/staff/day/?on=2026-11-24", "/staff/search?status=booked"])
def test_names_are_hidden_on_the_page_on_which_one_asks_for_it(
    desk: FlaskClient, page: str
) -> None:
    assert send(desk, get(desk, page), "/staff/names").location == page


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/login", "\\\\e"])
def test_a_button_comes_back_to_nothing_but_a_page_of_staff(desk: FlaskClient, back: str) -> None:
    page = get(desk, "/staff/day/")

    assert send(desk, page, "/staff/names", back=back).location == "/staff/"


def test_the_lists_show_initials_until_names_are_asked_for(desk: FlaskClient) -> None:
    reference = a_reference("Mon 14:00", call_name="Sammy")
    send(desk, get(desk, "/staff/"), "/staff/names")

    one = f"/staff/appointments/{reference}"
    lists = ("/staff/", "/staff/day/", "/staff/search?status=booked", "/staff/day/week")
    for path in (*lists, f"{one}/cancel", f"{one}/reschedule", f"{one}/address"):
        page = get(desk, path)
        assert "S. R." in page.text, path
        assert "Sam" not in page.text, path
    assert get(desk, one).heading.startswith("S. R.")
    assert get(desk, one).text.count("Sammy") == 1, "behind “Show the name”"
    assert [each.text for each in get(desk, one).all("main")[0].all("summary")] == [
        "Show the name",
        "Show the address",
    ]

    send(desk, get(desk, "/staff/"), "/staff/names")
    assert "Sam Rivers" in get(desk, "/staff/day/").text
