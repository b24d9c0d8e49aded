"""The calendar of free times with JavaScript: in place, by keyboard, on the visitor's own clock."""

import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from playwright.sync_api import TimeoutError as NotPressed

from tests.browser.conftest import PHONE, WEBSITE, Opener, Site

pytestmark = [
    # A browser that goes on before a file has come leaves it open in the small server of tests.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TIMES = "/services/first-consultation"
VIDEO = "/services/video-consultation"


def mark(page: Page) -> None:
    """Leave something in the page that a page of its own would not have."""
    page.evaluate("window.stayed = true")


def test_month_and_day_change_in_place_and_the_address_can_be_shared(
    site: Site, open_page: Opener
) -> None:
    page = open_page(site)
    page.goto(TIMES)
    mark(page)

    page.get_by_role("link", name=re.compile("^Later:")).click()
    expect(page.locator("#month-title")).to_have_text("December 2026")
    page.get_by_role("link", name="Wednesday 2 December, free times").click()

    expect(page.locator("#times-title")).to_have_text("Wednesday 2 December")
    expect(page.locator("#times-title")).to_be_focused()
    assert page.evaluate("window.stayed")
    assert "day=2026-12-02" in page.url
    page.go_back()
    expect(page.locator("#times-title")).to_have_text("Tuesday 1 December")
    assert page.evaluate("window.stayed")
    page.goto(f"{TIMES}?month=2026-12&day=2026-12-02")
    expect(page.locator("#times-title")).to_have_text("Wednesday 2 December")


def test_the_month_is_one_stop_of_the_tab_key_and_answers_arrows(
    site: Site, open_page: Opener
) -> None:
    page = open_page(site)
    page.goto(f"{TIMES}?month=2026-12&day=2026-12-01")
    page.locator(".day.free[tabindex='0']").focus()

    for key, day in (
        ("ArrowRight", "Wednesday 2"),
        ("ArrowDown", "Wednesday 9"),
        ("End", "Saturday 12"),
        ("Home", "Monday 7"),
        ("ArrowUp", "Monday 7"),
        ("ArrowLeft", "Saturday 5"),
    ):
        page.keyboard.press(key)
        expect(page.locator(":focus")).to_have_attribute(
            "aria-label", f"{day} December, free times"
        )
    assert page.locator(".day.free[tabindex='0']").count() == 1
    page.keyboard.press("PageDown")
    expect(page.locator("#month-title")).to_have_text("January 2027")


def test_a_visitor_from_elsewhere_sees_their_own_clock(site: Site, open_page: Opener) -> None:
    page = open_page(site, timezone_id="America/Los_Angeles")

    page.goto(VIDEO)

    expect(page.locator(".zone")).to_contain_text("Times are in Los Angeles time.")
    expect(page.locator(".zone")).to_contain_text("The clinic is on New York time.")
    page.goto(TIMES)
    expect(page.locator(".zone")).to_contain_text("New York time")  # one comes to the clinic


def test_a_months_free_times_come_in_one_request(site: Site, open_page: Opener) -> None:
    page = open_page(site)
    page.goto(f"{TIMES}?month=2026-12&day=2026-12-01")
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.resource_type))

    for day in ("Wednesday 2", "Thursday 3", "Friday 4", "Wednesday 2"):
        page.get_by_role("link", name=f"{day} December, free times").click()
        expect(page.locator("#times-title")).to_have_text(f"{day} December")
        expect(page.locator("#times-title")).to_be_focused()

    assert asked.count("fetch") == 1
    assert page.url.endswith("&day=2026-12-02#times")
    chosen = page.locator(".day[aria-current=date]")
    expect(chosen).to_have_count(1)
    expect(chosen).to_have_attribute("aria-label", "Wednesday 2 December, free times")
    in_place = page.locator("#times").inner_html()
    page.goto(page.url.partition("#")[0])
    assert page.locator("#times").inner_html() == in_place, "the server says the same"


def test_what_came_a_while_ago_is_asked_for_anew(site: Site, open_page: Opener) -> None:
    page = open_page(site)
    page.clock.install()
    page.goto(f"{TIMES}?month=2026-12&day=2026-12-01")
    page.get_by_role("link", name="Wednesday 2 December, free times").click()
    expect(page.locator("#times-title")).to_have_text("Wednesday 2 December")
    page.clock.fast_forward(61_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.resource_type))

    page.get_by_role("link", name="Thursday 3 December, free times").click()

    expect(page.locator("#times-title")).to_have_text("Thursday 3 December")
    assert asked.count("fetch") == 1


def test_the_last_press_wins_whichever_answer_comes_first(site: Site, open_page: Opener) -> None:
    page = open_page(site)
    page.goto(f"{TIMES}?month=2026-12&day=2026-12-01")
    page.evaluate(
        """() => {
            const ask = window.fetch;
            window.fetch = async (address, more) => {
                const answer = await ask(address, more);
                if (String(address).includes("day=2026-12-02")) {
                    await new Promise((done) => setTimeout(done, 1500));
                    window.late = true;
                }
                return answer;
            };
        }"""
    )

    page.get_by_role("link", name="Wednesday 2 December, free times").click()
    page.get_by_role("link", name="Thursday 3 December, free times").click()
    page.wait_for_timeout(2500)
    assert page.evaluate("window.late"), "the first answer came last"

    expect(page.locator("#times-title")).to_have_text("Thursday 3 December")
    assert "day=2026-12-03" in page.url


def test_times_of_a_day_that_was_left_cannot_be_pressed_while_the_next_is_fetched(
    site: Site, open_page: Opener
) -> None:
    page = open_page(site)
    page.goto(f"{TIMES}?month=2026-12&day=2026-12-01")
    waiting: list[Route] = []
    page.route("**whole=1*", lambda route: waiting.append(route))

    with page.expect_request("**whole=1*"):
        page.get_by_role("link", name="Wednesday 2 December, free times").click()

    expect(page.locator("#times-title")).to_have_text("Tuesday 1 December")
    with pytest.raises(NotPressed):
        page.locator("a.slot").first.click(timeout=500)
    waiting[0].continue_()
    expect(page.locator("#times-title")).to_have_text("Wednesday 2 December")
    page.locator("a.slot").first.click()
    expect(page.get_by_role("main")).to_contain_text("Wednesday 2 December")
    expect(page.get_by_role("button", name="Book this appointment")).to_be_visible()


def test_a_day_that_does_not_come_is_asked_for_as_a_page(site: Site, open_page: Opener) -> None:
    page = open_page(site)
    page.goto(f"{TIMES}?month=2026-12&day=2026-12-01")
    mark(page)
    waiting: list[Route] = []
    page.route("**whole=1*", lambda route: waiting.append(route))
    page.evaluate("AbortSignal.timeout = AbortSignal.timeout.bind(AbortSignal, 100)")

    page.get_by_role("link", name="Wednesday 2 December, free times").click()

    expect(page.locator("#times-title")).to_have_text("Wednesday 2 December")
    assert len(waiting) == 1
    assert not page.evaluate("window.stayed")


def test_choosing_somebody_keeps_the_day_that_was_opened_in_place(
    site: Site, open_page: Opener
) -> None:
    page = open_page(site)
    page.goto(f"{TIMES}?month=2026-12")
    for day in ("Wednesday 2", "Thursday 3"):  # the second without another request
        page.get_by_role("link", name=f"{day} December, free times").click()
        expect(page.locator("#times-title")).to_have_text(f"{day} December")

    page.get_by_label("Who would you like to see?").select_option("maya-ellison")
    page.get_by_role("button", name="Show").click()

    page.wait_for_url(re.compile("practitioner=maya-ellison"))
    expect(page.locator("#times-title")).to_have_text("Thursday 3 December")


def test_another_language_shows_the_day_that_was_opened_in_place(
    site: Site, open_page: Opener
) -> None:
    page = open_page(site)
    page.goto(f"{TIMES}?month=2026-12")
    page.get_by_role("link", name="Thursday 3 December, free times").click()
    expect(page.locator("#times-title")).to_have_text("Thursday 3 December")

    page.get_by_role("link", name="Español").click()

    expect(page.locator("#times-title")).to_have_text("jueves 3 de diciembre")


def test_in_a_frame_of_the_clinics_website_the_choice_of_a_person_leaves_the_frame_whole(
    site: Site, chromium: Browser
) -> None:
    script = f'<script src="{site.url}/embed.js" data-service="{TIMES[10:]}" data-language="es">'
    website = {"content_type": "text/html", "body": f"<!doctype html><h1>Us</h1>{script}</script>"}
    with chromium.new_context(viewport=PHONE, locale="en-US") as context:
        context.grant_permissions(["local-network-access"])  # the website is not on this machine
        page = context.new_page()
        page.route(WEBSITE, lambda route: route.fulfill(**website))
        page.goto(WEBSITE)
        frame = page.frame_locator("iframe")

        frame.locator("#practitioner").select_option("maya-ellison")
        frame.get_by_role("button", name="Mostrar").click()

        free = frame.locator(".day.free").first
        whole = re.compile("practitioner=maya-ellison.*embed=1&lang=es")
        expect(free).to_have_attribute("href", whole)
        inside = frame.locator("body").evaluate("body => body.scrollHeight")
        expect(page.locator("iframe")).to_have_css("height", f"{inside}px")
        assert context.cookies() == []
        frame.locator("a.slot").first.click()
        expect(page.get_by_role("heading", name="Sus datos")).to_be_visible()
