"""A careful reader of our pages: every page that a test fetches is read, and must be in order."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.messages.languages import LANGUAGES, direction

VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
    ]
)
TYPED = frozenset({"input", "select", "textarea"})
UNSEEN_INPUTS = frozenset({"hidden", "submit", "button"})
OUTGOING = frozenset(
    {
        "www.weather.gov",
        "www.openstreetmap.org",
        "calendar.google.com",
        "outlook.live.com",
        "outlook.office.com",
        "video.clinic.example",
        "video.harborlight.example",
    }
)
"""Where a link may lead away to: the exit, the map, two calendars, the video room."""
FETCHING = ("src", "srcset", "action", "formaction", "poster", "data", "background")


@dataclass
class Element:
    """One element, as it stands in the source."""

    tag: str
    attributes: dict[str, str]
    within: "Element | None" = None
    pieces: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What it says, white space made plain."""
        return " ".join("".join(self._words()).split())

    def _words(self) -> Iterator[str]:
        for piece in self.pieces:
            if isinstance(piece, str):
                yield piece
            else:
                yield from piece._words()
                yield " " if piece.tag in ("p", "li", "br", "dd", "dt", "h1", "h2", "div") else ""

    def get(self, name: str) -> str:
        """An attribute, or nothing."""
        return self.attributes.get(name, "")

    def all(self, *tags: str, **attributes: str) -> list["Element"]:
        """Everything inside with one of these tags and all of these attributes."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            each
            for each in self._inside()
            if (not tags or each.tag in tags) and wanted.items() <= each.attributes.items()
        ]

    def _inside(self) -> Iterator["Element"]:
        for piece in self.pieces:
            if isinstance(piece, Element):
                yield piece
                yield from piece._inside()

    def is_in(self, tag: str) -> bool:
        """Whether an element of that tag is around it."""
        return self.within is not None and (self.within.tag == tag or self.within.is_in(tag))


class Form(Element):
    """A form, and what a browser would send if nobody typed anything."""

    def values(self) -> dict[str, str]:
        """Names and values, in the order of the page."""
        found: dict[str, str] = {}
        for each in self.all(*TYPED):
            if each.get("name"):
                found |= _value(each)
        return found

    @property
    def labels(self) -> dict[str, str]:
        """What each visible field is called, by name."""
        named = {each.get("for"): each.text for each in self.all("label")}
        return {each.get("name"): named.get(each.get("id"), "") for each in self.all(*TYPED)}


def _value(each: Element) -> dict[str, str]:
    name, kind = each.get("name"), each.get("type")
    if each.tag == "textarea":
        return {name: "".join(piece for piece in each.pieces if isinstance(piece, str))}
    if each.tag == "select":
        options = each.all("option")
        chosen = [option for option in options if "selected" in option.attributes] or options[:1]
        return {name: chosen[0].get("value")} if chosen else {}
    if kind in ("checkbox", "radio") and "checked" not in each.attributes:
        return {}
    return {name: each.get("value")}


class Page(Element):
    """A whole page."""

    faults: list[str]
    address: str = ""
    """Where it was found."""

    @property
    def heading(self) -> str:
        """What its one `h1` says."""
        return self.all("h1")[0].text

    @property
    def title(self) -> str:
        """What the browser's tab says."""
        return self.all("title")[0].text

    def form(self, ending: str = "") -> Form:
        """The form whose action ends so; that of the page itself before that of its header."""
        forms = [each for each in self.all("form") if each.get("action").endswith(ending)]
        forms.sort(key=lambda each: (each.is_in("header"), each.get("method") != "post"))
        assert forms, f"no form leads to {ending!r}"
        assert isinstance(forms[0], Form)
        return forms[0]

    def link(self, words: str) -> str:
        """Where the first link leads that says these words."""
        found = [each.get("href") for each in self.all("a") if words in each.text]
        assert found, f"no link says {words!r}"
        return found[0]

    def links(self) -> list[str]:
        """Every address of ours that the page leads to or loads, without its fragment."""
        found = [each.get("href") or each.get("src") for each in self.all("a", "link", "script")]
        ours = (each.partition("#")[0] for each in found if each.startswith("/"))
        return list(dict.fromkeys(ours))

    def alerts(self) -> list[Element]:
        """What went wrong, as it is read out first."""
        return self.all(role="alert")


class _Reader(HTMLParser):
    """Builds the tree; what is not closed in order is a fault."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page("document", {})
        self.page.faults = []
        self.doctype = ""
        self._open: list[Element] = [self.page]

    def handle_decl(self, decl: str) -> None:
        self.doctype = decl.lower()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = Counter(name for name, _ in attrs)
        for name, count in names.items():
            if count > 1:
                self.page.faults.append(f"<{tag}> has {name} {count} times")
        made = Form if tag == "form" else Element
        element = made(tag, {name: value or "" for name, value in attrs}, self._open[-1])
        self._open[-1].pieces.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if self._open[-1].tag != tag:
            self.page.faults.append(f"</{tag}> closes <{self._open[-1].tag}>")
            return
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].pieces.append(data)

    def close(self) -> None:
        super().close()
        self.page.faults += [f"<{each.tag}> is never closed" for each in self._open[1:]]


def read(html: str) -> Page:
    """A page and what is wrong with it."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    page = reader.page
    if reader.doctype != "doctype html":
        page.faults.append("no <!doctype html>")
    for check in (_frame, _ids, _names, _references, _summary, _inline, _origins, _forms):
        page.faults += check(page)
    return page


def page_of(response: TestResponse) -> Page:
    """The page that was answered, in order."""
    assert response.mimetype == "text/html", response.mimetype
    page = read(response.get_data(as_text=True))
    page.address = response.request.full_path.rstrip("?")
    assert not page.faults, f"{response.request.path}: {page.faults}"
    return page


class CheckedClient(FlaskClient):
    """A test client that reads every page it is given.

    Each request has a context of its own, as in real life: what one leaves in `g`, or in its
    database session, the next does not find.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Fetch, and refuse a page with a fault."""
        with self.application.app_context():
            response = super().open(*args, buffered=True, **kwargs)
        shown = response.request.method not in ("HEAD", "OPTIONS") and not response.location
        if shown and response.mimetype == "text/html":
            page_of(response)
        return response


def _frame(page: Page) -> Iterator[str]:
    for tag in ("html", "head", "body", "main", "h1", "title"):
        count = sum(not each.is_in("svg") for each in page.all(tag))
        if count != 1:
            yield f"{count} <{tag}>"
        elif tag in ("h1", "title") and not page.all(tag)[0].text:
            yield f"an empty <{tag}>"
    if not any(page.all("html", lang=tag, dir=direction(tag)) for tag in LANGUAGES):
        yield "no language"
    if not page.all("meta", name="viewport", content="width=device-width, initial-scale=1"):
        yield "no viewport, or one that keeps the page from being enlarged"


def _ids(page: Page) -> Iterator[str]:
    counted = Counter(each.get("id") for each in page.all() if "id" in each.attributes)
    for name, count in counted.items():
        if count > 1 or not name:
            yield f"the id {name!r} stands {count} times"


def _names(page: Page) -> Iterator[str]:
    """Whatever one can act on has a name."""
    labelled = {each.get("for") for each in page.all("label") if each.text}
    for each in page.all(*TYPED):
        if each.get("type") in UNSEEN_INPUTS or each.get("aria-label"):
            continue
        if each.get("id") not in labelled:
            yield f"<{each.tag} name={each.get('name')}> has no label"
    for each in page.all("button", "a"):
        pictures = "".join(picture.get("alt") for picture in each.all("img"))
        if not (each.text or each.get("aria-label") or pictures):
            yield f"a <{each.tag}> has no name"
    for each in page.all("img"):
        if "alt" not in each.attributes:
            yield f"{each.get('src')} has no alt"


def _references(page: Page) -> Iterator[str]:
    """Every id that is named is there."""
    ids = {each.get("id") for each in page.all()}
    for each in page.all():
        for name in ("for", "aria-describedby", "aria-labelledby", "aria-controls"):
            missing = set(each.get(name).split()) - ids
            if missing:
                yield f"{name} of <{each.tag}> names {missing}, which is not there"
        target = each.get("href")
        if each.tag == "a" and target.startswith("#") and target[1:] not in ids:
            yield f"the link {target} leads nowhere"


def _summary(page: Page) -> Iterator[str]:
    """What the error summary points at can be seen."""
    for alert in page.alerts():
        for link in alert.all("a"):
            target = page.all(id=link.get("href")[1:]) if link.get("href").startswith("#") else []
            if target and target[0].get("type") == "hidden":
                yield f"the summary points at {link.get('href')}, which cannot be seen"


def _inline(page: Page) -> Iterator[str]:
    """Nothing that a strict policy would block."""
    if page.all("style"):
        yield "a <style>"
    for each in page.all("script"):
        if not each.get("src") or each.text:
            yield "an inline <script>"
    for each in page.all():
        for name in each.attributes:
            if name == "style" or name.startswith("on"):
                yield f"<{each.tag}> has {name}="


def _origins(page: Page) -> Iterator[str]:
    """Nothing is loaded from elsewhere; links lead away only where we know."""
    for each in page.all():
        fetched = [each.get(name) for name in FETCHING]
        if each.tag == "link":
            fetched.append(each.get("href"))
        for address in filter(None, fetched):
            if urlsplit(address).scheme or urlsplit(address).netloc:
                yield f"<{each.tag}> fetches {address}"
        if each.tag == "a":
            yield from _leads(urlsplit(each.get("href")))


def _leads(link: Any) -> Iterator[str]:
    if link.scheme == "webcal" and link.hostname == "127.0.0.1":
        return  # our own feed, for the calendar app that answers to that scheme
    if link.scheme not in ("", "http", "https", "tel", "mailto"):
        yield f"a link of scheme {link.scheme}"
    if link.netloc and link.hostname not in OUTGOING:
        yield f"a link to {link.netloc}"


def _forms(page: Page) -> Iterator[str]:
    for form in page.all("form"):
        posts = form.get("method").lower() == "post"
        if posts and not form.all("input", name="csrf_token"):
            yield f"the form to {form.get('action')} has no token"
        if not form.all("button"):
            yield f"the form to {form.get('action')} has no button"
        if form.is_in("form"):
            yield "a form in a form"
