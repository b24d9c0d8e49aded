"""What the front desk does all day, and in how few steps it is done."""

import re

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect
from sqlalchemy import select

from booking.models import Appointment, OpeningHours, Practitioner
from booking.models.database import db
from tests.browser.conftest import Opener, Site, sign_in
from tests.builders import at

pytestmark = [
    # A browser that goes on before a file has come leaves it open in the small server of tests.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SCREENS = {
    "phone": ViewportSize(width=360, height=740),
    "tablet": ViewportSize(width=768, height=1024),
    "desk": ViewportSize(width=1440, height=900),
}
WAYS = {
    f"{name}, {'script' if script else 'no script'}": {
        "viewport": screen,
        "java_script_enabled": script,
    }
    for name, screen in SCREENS.items()
    for script in (True, False)
}


class Hand:
    """Somebody who presses, and counts it."""

    def __init__(self, page: Page) -> None:
        self.page, self.presses = page, 0

    def press(self, what: Locator) -> None:
        what.click()
        self.presses += 1

    def link(self, name: str) -> None:
        self.press(self.page.get_by_role("link", name=re.compile(name)).first)

    def button(self, name: str) -> None:
        self.press(self.page.get_by_role("button", name=re.compile(name)).first)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_days_tasks_take_few_steps(
    site: Site, open_page: Opener, way: dict[str, object]
) -> None:
    """One visit for all of them, since each begins where the desk happens to be."""
    site.book("Mon 12:00", "phone-call", week=0, name="Robin Fields", email="robin@mail.example")
    moved = site.book("Thu 10:00", practitioner="maya-ellison")
    afternoon = [
        site.book(f"Thu {hour}:00", "video-consultation", practitioner="maya-ellison",
                  email=f"a{hour}@mail.example", phone=None)
        for hour in (14, 15, 16)
    ]  # fmt: skip
    page = open_page(site, **way)
    sign_in(page)

    # Who is next today: nothing to press, and nothing to scroll.
    expect(page.locator(".entry.next")).to_contain_text("Next")
    expect(page.locator(".next-up")).to_contain_text("Next 10:30 am Morgan Lake")
    assert page.evaluate("scrollY") == 0
    expect(page.locator(".next-up")).to_be_in_viewport(ratio=1)

    hand = Hand(page)
    hand.button("arrived$")
    expect(page.locator(".said")).to_contain_text("arrived")
    assert hand.presses == 1

    hand = Hand(page)
    hand.press(
        page.locator(".entry", has_text=re.compile("10:00 am.*Sam Rivers", re.DOTALL)).get_by_role(
            "link", name="Move"
        )
    )
    hand.link("Friday 4 December, 9:30 am")
    hand.button("Move the appointment")
    expect(page.locator(".said")).to_contain_text("Moved.")
    assert hand.presses == 3
    assert _now(site, moved.id).start_at == at("Fri 09:30", week=1)

    page.goto("/staff/day/?on=2026-12-03")
    hand = Hand(page)
    hand.press(page.locator("[data-practitioner='maya-ellison']").get_by_role(
        "link", name=re.compile("^9:00 am to")))  # fmt: skip
    page.get_by_label("Name", exact=True).fill("Kim Lane")
    page.get_by_label("Phone number").fill("(212) 555-0155")
    hand.button("Book this appointment")
    expect(page.locator(".said")).to_contain_text("no invitation is sent")
    assert hand.presses == 2

    page.goto("/staff/day/?on=2026-12-03")
    hand = Hand(page)
    hand.link("Close a time of Dr. Maya Ellison")
    page.get_by_label("From").fill("13:30")
    hand.button("^Close$")
    expect(page.get_by_role("heading", level=1)).to_contain_text("3 appointments lie in this time")
    hand.press(page.get_by_label("Cancel all"))
    hand.button("Close this time")
    assert {_now(site, each.id).status for each in afternoon} == {"cancelled"}
    assert hand.presses == 4, "on two pages"


def test_a_practitioner_with_other_hours_in_odd_and_even_months(
    site: Site, open_page: Opener
) -> None:
    page = open_page(site, java_script_enabled=False, viewport=ViewportSize(width=360, height=740))
    sign_in(page)
    hand = Hand(page)
    hand.press(page.get_by_text("More", exact=True))  # the ways that are not for every day
    hand.link("^Schedule$")
    hand.link("Add a practitioner")
    page.get_by_label("Name", exact=True).fill("Noor Haddad")
    for box in page.locator("input[name=services]").all():
        box.check()
    hand.button("Add|Save")
    for opens, months in (("09:00", range(1, 13, 2)), ("14:00", range(2, 13, 2))):
        hand.link("Add hours")
        page.get_by_label("Monday").check()
        page.get_by_label("From", exact=True).fill(opens)
        page.get_by_label("Until", exact=True).fill("18:00")
        for month in range(1, 13):
            page.locator(f"#months-{month}").set_checked(month in months)
        hand.button("Show")
        hand.button("^Save")

    with site.app.app_context():
        who = db.session.scalars(
            select(Practitioner).where(Practitioner.name == "Noor Haddad")
        ).one()
        rules = db.session.scalars(select(OpeningHours).where(OpeningHours.resource_id == who.id))
        assert sorted(str(each.opens) for each in rules.unique()) == ["09:00:00", "14:00:00"]


def test_why_thursday_shows_nothing_is_said(site: Site, open_page: Opener) -> None:
    """It is Thanksgiving."""
    page = open_page(site, java_script_enabled=False)
    sign_in(page)
    hand = Hand(page)
    hand.link("^Day$")
    hand.link("^Week$")
    hand.press(page.locator("[data-day='2026-11-26']").get_by_role("link", name=re.compile("^Why")))

    expect(page.locator("main")).to_contain_text("All day: A public holiday.")
    assert hand.presses == 3


def _now(site: Site, number: int) -> Appointment:
    with site.app.app_context():
        return db.session.get_one(Appointment, number)
