"""Every page in a real browser: for everybody's eyes, fingers and settings."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Response

from tests.browser.conftest import DESKTOP, PHONE, Furnished, Opener, sign_in, watched

pytestmark = [
    # A browser that goes on before a file has come leaves it open in the small server of tests.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

AXE = Axe().axe_script
RUN = """
async options => (await axe.run(options)).violations
  .map(each => ({id: each.id, nodes: each.nodes.slice(0, 3).map(node => node.html.slice(0, 160))}))
"""
COLOURS = ["color-contrast", "link-in-text-block"]
LAYOUT = ["color-contrast", "scrollable-region-focusable", "target-size"]
TARGETS = (
    "button, .button, a.day, a.slot, .exit, .brand, .turn a, input[type=checkbox], select, "
    "summary, .back a, .way-back a, .bottom a, .patient .rows dd > a"
)
"""Links within a sentence are as high as their line, as WCAG allows (2.5.8)."""
TOO_SMALL = """
selector => [...document.querySelectorAll(selector)]
  .filter(each => each.getClientRects().length)
  .map(each => [each, (each.labels?.[0]?.closest(".tick-row") ?? each).getBoundingClientRect()])
  .filter(([_, box]) => box.height < 43.5 || box.width < 43.5)
  .map(([each, box]) => `${each.textContent.trim().slice(0, 30)} ${box.width}×${box.height}`)
"""
SPACED = """* { line-height: 1.5 !important; letter-spacing: 0.12em !important;
word-spacing: 0.16em !important; } p { margin-bottom: 2em !important; }"""
CUT_OFF = """
() => [...document.querySelectorAll("body *")]
  .filter(each => each.getClientRects().length && !each.closest(".unseen, .skip, select, option"))
  .filter(each => /hidden|clip/.test(getComputedStyle(each).overflow))
  .filter(({scrollWidth, clientWidth, scrollHeight, clientHeight}) =>
    scrollWidth > clientWidth + 1 || scrollHeight > clientHeight + 1)
  .map(each => `${each.tagName}.${each.className}: ${each.textContent.trim().slice(0, 40)}`)
"""
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"

ASKED = {
    "staff service": ("#video_url", "https://video.harborlight.example/other", "Show what"),
    "staff service, new": ("#duration", "soon", "Show what"),
    "staff place": ("#address", "9 Hill Road, Albany, NY 12207", "Save"),
}
"""What is typed where, and pressed, to be asked before anything is saved, or to be told a fault."""


def every_page(furnished: Furnished, page: Page) -> Iterator[str]:
    """Open one page after another, those that answer a wrong form among them; gives the names."""
    for name, path in furnished.pages.items():
        page.goto(path)
        yield name
    page.goto(furnished.pages["form of a call"])
    page.get_by_label("Email address", exact=True).fill("sam@")
    page.get_by_role("button", name="Book this appointment").click()
    page.get_by_role("alert").wait_for()
    page.wait_for_load_state("load")  # with its stylesheet
    yield "form with errors"
    page.goto("/login")
    page.get_by_label("Email address").fill("nobody@clinic.example")
    page.get_by_label("Password").fill("not-the-password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    page.wait_for_load_state("load")  # with its stylesheet
    yield "sign-in refused"
    sign_in(page)
    for name, path in furnished.staff.items():
        page.goto(path)
        yield name
    for name, (which, typed, button) in ASKED.items():
        page.goto(furnished.staff[name])
        page.locator(which).fill(typed)
        page.get_by_role("button", name=button).click()
        page.locator(".notice").first.wait_for()
        page.wait_for_load_state("load")  # with its stylesheet
        yield f"{name}, asked with {typed}"


@dataclass
class Seen:
    """What was found wrong with one page, in every way of looking at it."""

    violations: dict[str, list[Any]] = field(default_factory=dict)
    too_wide: dict[int, int] = field(default_factory=dict)
    """Pixels that it is too wide, by the width of the window."""
    too_small: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def seen(chromium: Browser, furnished: Furnished) -> dict[str, Seen]:
    """Every page, opened once and looked at in every way.

    All of axe in a wide window; what colours and widths change is looked at again. Nothing is
    shown at one width alone, and in the dark nothing but the colours is another.
    """
    with watched(chromium) as opened:
        page = opened(furnished.site, reduced_motion="reduce")
        return {name: _look(page) for name in every_page(furnished, page)}


def _look(page: Page) -> Seen:
    page.evaluate(AXE)
    seen = Seen({"light": _violations(page)})
    page.emulate_media(color_scheme="dark")
    seen.violations["dark"] = _violations(page, COLOURS)
    page.emulate_media(color_scheme="light")
    for width in (640, 320, PHONE["width"]):
        page.set_viewport_size({"width": width, "height": PHONE["height"]})
        if (excess := page.evaluate(TOO_WIDE)) > 0:
            seen.too_wide[width] = excess
    seen.violations["phone"] = _violations(page, LAYOUT)
    seen.too_small = page.evaluate(TOO_SMALL, TARGETS)
    page.set_viewport_size(DESKTOP)
    return seen


def _violations(page: Page, rules: list[str] | None = None) -> Any:
    return page.evaluate(
        RUN, {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
    )


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_axe_finds_nothing_on_any_page(seen: dict[str, Seen], look: str) -> None:
    found = {name: page.violations[look] for name, page in seen.items()}
    assert {name: violations for name, violations in found.items() if violations} == {}


def test_no_page_scrolls_sideways(seen: dict[str, Seen]) -> None:
    """On small phones, and at a zoom of 200 % in a window of 1280 pixels (WCAG 1.4.4, 1.4.10)."""
    assert {name: page.too_wide for name, page in seen.items() if page.too_wide} == {}


def test_whatever_one_touches_is_large_enough(seen: dict[str, Seen]) -> None:
    assert {name: page.too_small for name, page in seen.items() if page.too_small} == {}


def test_nothing_is_cut_off_where_readers_space_their_text(
    furnished: Furnished, open_page: Opener
) -> None:
    """WCAG 1.4.12, on a phone: lines, paragraphs, letters and words further apart."""
    page = open_page(furnished.site, viewport=PHONE, bypass_csp=True)
    found = dict[str, Any]()

    for name, path in furnished.pages.items():
        if name.startswith("staff"):
            continue
        page.goto(path)
        page.add_style_tag(content=SPACED)
        cut, excess = page.evaluate(CUT_OFF), page.evaluate(TOO_WIDE)
        if cut or excess > 0:
            found[name] = (cut, excess)

    assert found == {}


@pytest.mark.parametrize(
    "wish", [{"reduced_motion": "reduce"}, {"forced_colors": "active"}], ids=str
)
def test_less_motion_and_forced_colours_are_respected(
    furnished: Furnished, open_page: Opener, wish: dict[str, str]
) -> None:
    page = open_page(furnished.site, **wish)

    for name in ("services", "times", "form", "appointment", "move, chosen"):
        page.goto(furnished.pages[name])
        assert page.evaluate("document.getAnimations().length") == 0


def test_in_forced_colours_only_days_with_free_times_have_a_frame(
    furnished: Furnished, open_page: Opener
) -> None:
    page = open_page(furnished.site, forced_colors="active")
    page.goto(furnished.pages["times"])
    frame = "each => getComputedStyle(each).borderColor"

    busy = page.locator("span.day:not(.today, .chosen)").first
    paper = page.locator("body").evaluate("each => getComputedStyle(each).backgroundColor")

    assert busy.evaluate(frame) == paper
    assert page.locator(".day.free").first.evaluate(frame) != paper


def test_staff_print_their_day(furnished: Furnished, open_page: Opener) -> None:
    page = open_page(furnished.site)
    sign_in(page)
    page.emulate_media(media="print")

    printed = page.pdf()

    assert printed.startswith(b"%PDF")
    assert page.get_by_role("link", name="Upcoming").is_hidden()


def test_a_printed_appointment_says_when_where_and_whom_to_call(
    furnished: Furnished, open_page: Opener
) -> None:
    page = open_page(furnished.site)
    page.goto(furnished.pages["appointment"])
    page.emulate_media(media="print")

    printed = page.locator("body").inner_text()

    for words in ("Monday 30 November", "120 Water Street", "Call us on (212) 555-0142"):
        assert words in printed
    for words in ("Exit this page", "Cancel it", "Google", "Your data"):
        assert words not in printed


def test_a_script_that_slipped_in_would_not_run(furnished: Furnished, open_page: Opener) -> None:
    page = open_page(furnished.site)

    policy = page.request.get("/").headers["content-security-policy"]

    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


def test_the_times_page_is_light_for_who_comes_first(
    furnished: Furnished, open_page: Opener
) -> None:
    """At most 60 kB on the wire even when nothing is packed, and 3 files before it can be used."""
    page = open_page(furnished.site, viewport=PHONE)
    answers = list[Response]()
    page.on("response", lambda each: answers.append(each))

    page.goto(furnished.pages["times"], wait_until="networkidle")

    weights = {each.url: len(each.body()) for each in answers}
    assert sum(weights.values()) < 60_000, weights
    blocking = "link[rel=stylesheet], script[src]:not([type=module], [defer], [async])"
    assert 1 + page.locator(blocking).count() <= 3
    assert len(weights) > 1
