"""Whole visits: without JavaScript, with it, with the keyboard alone, in a hurry, and away."""

import re
from typing import Literal

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.conftest import EXIT, PHONE, Opener, Site, sign_in

pytestmark = [
    # A browser that goes on before a file has come leaves it open in the small server of tests.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

FORM = "/services/first-consultation/book?start=2026-11-30T15:00:00Z"
MOST_TABS = 120
SEEN = """each => {
  const { top, bottom } = each.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
}"""
FOCUSED = """() => {
  const each = document.activeElement;
  const ringed = part => {
    const style = getComputedStyle(part);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  };
  const visible = ringed(each) || ringed(each.closest(".card") ?? each) || each.type === "date";
  return [each.labels?.[0]?.textContent ?? each.getAttribute("aria-label") ?? each.textContent,
          visible];  // Chromium marks the part of a date that is being typed
}"""


def fill_in(page: Page) -> None:
    """Type what the form asks for."""
    page.get_by_label("Your name").fill("Sam Rivers")
    page.get_by_label("Email address", exact=True).fill("sam@mail.example")
    page.get_by_label("Send the details of my appointment").check()


def book(page: Page) -> None:
    """Press the button."""
    page.get_by_role("button", name="Book this appointment").click()


def tab_to(page: Page, words: str) -> None:
    """Walk on with the tab key to what says these words; the way is visible at each step."""
    page.wait_for_load_state()  # the stylesheet too: without it nothing is out of sight
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        text, visible = page.evaluate(FOCUSED)
        assert visible, f"the focus on {text.strip()!r} cannot be seen"
        if re.search(words, " ".join(text.split())):
            return
    pytest.fail(f"the tab key never came to {words!r}")


@pytest.mark.parametrize("script", [False, True], ids=["without JavaScript", "with JavaScript"])
def test_a_visitor_books_moves_and_cancels(site: Site, open_page: Opener, script: bool) -> None:
    page = open_page(site, java_script_enabled=script, viewport=PHONE)
    page.goto("/")
    page.get_by_role("link", name="First consultation").click()
    page.get_by_role("link", name=re.compile(r"Later:\s*December")).click()
    page.get_by_role("link", name="Tuesday 1 December, free times").click()
    page.get_by_role("link", name=re.compile("9:00 am")).click()
    book(page)
    expect(page.get_by_role("alert")).to_contain_text("Enter your name.")
    fill_in(page)
    book(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your appointment is booked")
    expect(page.get_by_role("main")).to_contain_text("Tuesday 1 December")

    page.get_by_role("link", name="Move it to another time").click()
    page.get_by_role("link", name="Wednesday 2 December, free times").click()
    page.locator("a.slot").first.click()
    page.get_by_role("button", name="Move the appointment").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your appointment is moved")

    page.get_by_role("link", name="Cancel it").click()
    page.get_by_role("button", name="Cancel the appointment").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your appointment is cancelled")
    site.deliver()
    assert len(site.mailbox.to("sam@mail.example")) == 1


@pytest.mark.parametrize("script", [False, True], ids=["without JavaScript", "with JavaScript"])
@pytest.mark.parametrize(("first", "pages"), [("/", 3), ("/services/first-consultation", 2)])
def test_a_visitor_books_in_few_steps(
    site: Site, open_page: Opener, script: bool, first: str, pages: int
) -> None:
    """What docs/patients-way.md says: a tap for each page, one to agree, and two lines."""
    page = open_page(site, java_script_enabled=script, viewport=PHONE)
    visited: list[str] = []
    page.on("framenavigated", lambda frame: visited.append(frame.url))

    page.goto(first)
    if first == "/":
        page.get_by_role("link", name="First consultation").click()
    page.locator("a.slot").first.click()
    fill_in(page)
    book(page)

    expect(page.get_by_role("heading", level=1)).to_have_text("Your appointment is booked")
    assert len(visited) == pages + 1, "and the one that says so"


@pytest.mark.parametrize(
    ("scripts", "what"),
    [pytest.param(True, "link", id="with scripts"), pytest.param(False, "button", id="without")],
)
def test_another_language_keeps_what_was_typed(
    site: Site, open_page: Opener, scripts: bool, what: Literal["link", "button"]
) -> None:
    page = open_page(site, viewport=PHONE, java_script_enabled=scripts)
    page.goto(FORM)
    fill_in(page)
    page.get_by_label("Email address", exact=True).fill("sam@")
    book(page)
    expect(page.get_by_role("alert")).to_be_visible()
    page.wait_for_load_state()  # with the script that keeps what was typed

    page.get_by_role(what, name="Español").click()

    expect(page.locator("html")).to_have_attribute("lang", "es")
    expect(page.locator("#name")).to_have_value("Sam Rivers")
    expect(page.locator("#email")).to_have_value("sam@")
    expect(page.locator("#email_consent")).to_be_checked()
    page.wait_for_load_state()
    page.get_by_role(what, name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_label("Email address", exact=True).fill("sam@mail.example")
    book(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your appointment is booked")


def test_a_visitor_books_without_the_stylesheet(site: Site, open_page: Opener) -> None:
    """What is read is in its order, and nothing that was hidden stands in the way."""
    page = open_page(site, java_script_enabled=False, viewport=PHONE)
    page.route("**/*.css*", lambda route: route.fulfill(content_type="text/css", body=""))

    page.goto("/")
    page.get_by_role("link", name="First consultation").click()
    page.locator("a.slot").first.wait_for()
    bare = "getComputedStyle(document.body).backgroundColor === 'rgba(0, 0, 0, 0)'"
    assert page.evaluate(bare)
    page.locator("a.slot").first.click()
    fill_in(page)
    book(page)

    expect(page.get_by_role("heading", level=1)).to_have_text("Your appointment is booked")
    page.wait_for_load_state()
    words = page.get_by_role("main").inner_text()
    assert (
        words.index("Your appointment is booked") < words.index("When") < words.index("Cancel it")
    )


def test_the_keyboard_alone_books(site: Site, open_page: Opener) -> None:
    page = open_page(site)
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == ["Skip to the main content", True]
    page.keyboard.press("Enter")
    tab_to(page, "^First consultation")
    page.keyboard.press("Enter")
    page.wait_for_url("**/services/first-consultation")
    tab_to(page, "^Later: December")
    page.keyboard.press("Enter")
    page.wait_for_url("**month=2026-12")
    tab_to(page, "^Tuesday 1 December, free times")
    page.keyboard.press("Enter")
    page.wait_for_url("**day=2026-12-01**")
    tab_to(page, "9:30 am")
    page.keyboard.press("Enter")
    page.wait_for_url("**/book?**")
    tab_to(page, "^Your name")
    page.keyboard.type("Sam Rivers")
    tab_to(page, "^Email address")
    page.keyboard.type("sam@mail.example")
    tab_to(page, "^Send the details")
    page.keyboard.press("Space")
    tab_to(page, "^Book this appointment")

    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Your appointment is booked")


def test_the_keyboard_alone_runs_the_front_desk(site: Site, open_page: Opener) -> None:
    page = open_page(site)
    sign_in(page)
    tab_to(page, "arrived$")

    page.keyboard.press("Enter")

    expect(page.locator(".tag", has_text="Arrived").first).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Upcoming appointments")


def test_what_went_wrong_is_read_out_first_and_leads_to_the_field(
    site: Site, open_page: Opener
) -> None:
    page = open_page(site)
    page.goto(FORM)
    book(page)

    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("link", name="Enter your email address.").click()

    expect(page.get_by_label("Email address", exact=True)).to_be_focused()
    box = page.get_by_label("Email address", exact=True).bounding_box()
    header = page.locator("header").bounding_box()
    assert box
    assert header
    assert box["y"] >= header["y"] + header["height"]  # not hidden under what is sticky


@pytest.mark.parametrize("script", [False, True], ids=["without JavaScript", "with JavaScript"])
def test_an_impatient_double_click_books_once(site: Site, open_page: Opener, script: bool) -> None:
    page = open_page(site, java_script_enabled=script)
    before = site.appointments()
    page.goto(FORM)
    fill_in(page)

    page.get_by_role("button", name="Book this appointment").dblclick()

    expect(page.get_by_role("heading", level=1)).to_have_text("Your appointment is booked")
    assert site.appointments() == before + 1


def test_enlarged_four_times_a_fault_leads_to_its_whole_field_and_the_way_out_stays(
    site: Site, open_page: Opener
) -> None:
    page = open_page(site, viewport=ViewportSize(width=320, height=256))
    page.goto(FORM)
    book(page)
    page.wait_for_load_state()  # with the script that looks at the faults first
    way_out = page.get_by_role("link", name="Exit this page")

    for words in ("Enter your name.", "Enter your email address.", "Tick this box"):
        page.get_by_role("alert").get_by_role("link", name=words).click()
        focused = page.locator(":focus")
        label = page.locator(f"label[for={focused.get_attribute('id')}]")
        for each in (label, way_out):
            page.wait_for_function(SEEN, arg=each.element_handle())


@pytest.mark.parametrize("script", [False, True], ids=["without JavaScript", "with JavaScript"])
def test_going_back_after_booking_books_nothing_more(
    site: Site, open_page: Opener, script: bool
) -> None:
    page = open_page(site, java_script_enabled=script)
    before = site.appointments()
    page.goto(FORM)
    fill_in(page)
    book(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your appointment is booked")

    page.go_back()
    if page.get_by_role("button", name="Book this appointment").count():
        book(page)
        page.wait_for_load_state()

    assert site.appointments() == before + 1


def test_two_who_want_one_time_are_told_apart_and_the_second_types_nothing_again(
    site: Site, open_page: Opener
) -> None:
    form = f"{FORM}&practitioner=maya-ellison"
    first, second = open_page(site), open_page(site)
    for page in (first, second):  # both before anybody types: from then on the time is kept
        page.goto(form)
    for page, address in ((first, "sam@mail.example"), (second, "kim@mail.example")):
        fill_in(page)
        page.get_by_label("Email address", exact=True).fill(address)
    book(first)

    book(second)

    expect(second.get_by_role("alert")).to_contain_text("That time is no longer free")
    expect(second.get_by_label("Email address", exact=True)).to_have_value("kim@mail.example")
    book(second)
    expect(second.get_by_role("heading", level=1)).to_have_text("Your appointment is booked")


@pytest.mark.parametrize("way", ["button", "shift three times"])
def test_leaving_in_a_hurry_leaves_nothing_to_go_back_to(
    site: Site, open_page: Opener, way: str
) -> None:
    page = open_page(site)
    page.goto("about:blank")
    page.goto("/services/first-consultation")

    if way == "button":
        page.get_by_role("link", name="Exit this page").click()
    else:
        for _ in range(3):
            page.keyboard.press("Shift")
    page.wait_for_url(EXIT)
    page.go_back()

    assert page.url == "about:blank"


def test_leaving_works_without_javascript_too(site: Site, open_page: Opener) -> None:
    page = open_page(site, java_script_enabled=False)
    page.goto("/")

    page.get_by_role("link", name="Exit this page").click()

    page.wait_for_url(EXIT)


def test_after_signing_out_the_back_button_shows_nothing(site: Site, open_page: Opener) -> None:
    """T-85."""
    page = open_page(site)
    sign_in(page)
    page.locator(".who a").first.click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Staff sign-in").wait_for()

    page.go_back()

    expect(page.get_by_role("heading", level=1)).to_have_text("Staff sign-in")


def test_a_visitor_elsewhere_sees_both_clocks(site: Site, open_page: Opener) -> None:
    page = open_page(site, timezone_id="Europe/Berlin")
    page.goto("/services/video-consultation")
    page.get_by_label("Show times in").select_option("Europe/Berlin")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#times")).to_contain_text("Times are in Berlin time")

    page.locator("a.slot").first.click()

    expect(page.get_by_role("main")).to_contain_text("Berlin time")
    expect(page.get_by_role("main")).to_contain_text("New York time")
