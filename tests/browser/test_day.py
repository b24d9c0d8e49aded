"""The day on the screen keeps up with the clinic, and appointments are dragged to other times."""

import pytest
from playwright.sync_api import Page, expect

from booking.domain.lifecycle import Verb
from booking.models import Appointment
from booking.models.database import db, transaction
from booking.services.appointments import note_attendance
from tests.browser.conftest import DESKTOP, PHONE, Opener, Site, sign_in
from tests.builders import HOUSE, at

pytestmark = [
    # A browser that goes on before a file has come leaves it open in the small server of tests.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WEEK = "/staff/day/week?practitioner=maya-ellison&on=2026-12-01"


def look(page: Page) -> None:
    """What the page does by itself from time to time, once its script is there."""
    page.wait_for_load_state("load")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_an_appointment_is_dragged_to_another_day_and_the_page_asks_first(
    site: Site, open_page: Opener
) -> None:
    made = site.book("Tue 10:00", practitioner="maya-ellison")
    page = open_page(site, viewport={"width": 1440, "height": 1800})
    sign_in(page)
    page.goto(WEEK)

    page.locator(f"[data-movable='{made.reference}'] .time").hover()
    page.mouse.down()
    thursday = page.locator("[data-day='2026-12-03']")
    thursday.hover()
    thursday.locator(".drop", has_text="2:00 pm").hover()
    page.mouse.up()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Move the appointment")
    page.get_by_role("button", name="Move the appointment").click()
    expect(page.locator(".said")).to_contain_text("Moved.")
    with site.app.app_context():
        assert db.session.get_one(Appointment, made.id).start_at == at("Thu 14:00", week=1)


def test_the_list_shows_what_a_colleague_has_done_and_stays_where_it_was(
    site: Site, open_page: Opener
) -> None:
    page = open_page(site, viewport={"width": 360, "height": 500})
    made = site.book("Mon 12:00", "phone-call", week=0)
    for number in range(6):
        site.book("Tue 10:00", email=f"n{number}@mail.example", week=number + 1)
    sign_in(page)
    name = page.get_by_role("link", name="Sam Rivers", exact=True).first
    expect(name).to_be_visible()
    page.mouse.wheel(0, 300)
    page.wait_for_function("scrollY > 200")
    with site.app.app_context(), transaction() as session:
        found = session.get_one(Appointment, made.id)
        note_attendance(session, found, Verb.ARRIVE, HOUSE, actor="a colleague", now=site.clock.now)

    look(page)

    expect(page.locator(".tag", has_text="Arrived").last).to_be_attached()
    assert page.evaluate("scrollY") > 200


def test_a_month_stands_whole_on_a_telephone(site: Site, open_page: Opener) -> None:
    site.book("Tue 10:00", practitioner="maya-ellison")
    page = open_page(site, viewport={"width": 360, "height": 740}, java_script_enabled=False)
    sign_in(page)

    page.goto("/staff/day/month?month=2026-12")

    for cell in page.locator(".load a").all():
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 360
        assert cell.evaluate("each => each.scrollWidth <= each.clientWidth")


def test_a_screen_that_nobody_touches_shows_nobody_in_the_end(
    site: Site, open_page: Opener
) -> None:
    page = open_page(site)
    sign_in(page)
    site.clock.forward(minutes=10)
    look(page)
    site.clock.forward(minutes=6)

    look(page)

    expect(page.get_by_role("heading", level=1)).to_have_text("Staff sign-in")


@pytest.mark.parametrize("script", [False, True], ids=["without JavaScript", "with JavaScript"])
def test_on_a_telephone_the_ways_of_every_day_come_first(
    site: Site, open_page: Opener, script: bool
) -> None:
    page = open_page(site, java_script_enabled=script, viewport=PHONE)
    sign_in(page)
    page.wait_for_load_state()  # with its stylesheet
    ways = page.get_by_role("navigation", name="Staff")
    heading = page.get_by_role("heading", level=1).bounding_box()

    assert heading is not None
    assert heading["y"] < PHONE["height"] / 4, "the day is not pushed down"
    expect(ways.get_by_role("link", name="Book")).to_be_visible()
    expect(ways.get_by_role("link", name="Schedule")).to_be_hidden()
    page.get_by_text("More", exact=True).click()
    ways.get_by_role("link", name="Schedule").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Schedule")
    page.set_viewport_size(DESKTOP)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.get_by_text("More", exact=True)).to_be_hidden()
