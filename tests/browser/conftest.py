"""A real browser in front of the real service, and what is true of every visit."""

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_security.utils import hash_password
from playwright.sync_api import Browser, Error, Page, ViewportSize, sync_playwright
from sqlalchemy import func, select
from werkzeug.serving import make_server

from booking import seed
from booking.app import create_app
from booking.domain.lifecycle import Verb
from booking.domain.waiting import ANY_DAY, ANY_PART, Wish
from booking.messages.transports import PermanentFailure
from booking.models import AddressChange, Appointment, Event, OwedMessage, Scope, SentMessage
from booking.models.database import db, transaction
from booking.services import api_keys, waitlist, webhooks
from booking.services.appointments import book_appointment, cancel_appointment, note_attendance
from booking.services.contact_changes import ask_for_address
from booking.services.links import token_of
from booking.services.people import Deed
from booking.services.requests import BookingRequest, PatientDetails
from booking.services.waitlist import Waiting
from booking.services.webhooks import NewWebhook
from booking.worker import worker_of
from booking.worker.waitlist import WaitlistOfferer
from tests.browser.halves import in_halves
from tests.builders import HOUSE, Clock, Mailbox, at
from tests.conftest import settings_for
from tests.kept import with_kept_templates
from tests.ports import free_port

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NO_LIMITS = replace(HOUSE, limits=False)
EXIT = "https://www.weather.gov/"
WEBSITE = "http://localhost:8009"
"""It may show the times in a frame."""
PHONE = ViewportSize(width=360, height=740)
DESKTOP = ViewportSize(width=1280, height=900)


@dataclass
class Site:
    """The demo clinic, served on a port of this machine, its clock standing still."""

    url: str
    app: Flask
    mailbox: Mailbox
    clock: Clock

    def book(self, start: str, service: str = "first-consultation", **patient: Any) -> Appointment:
        """An appointment made behind the scenes."""
        details = {
            "name": "Sam Rivers",
            "email": "sam@mail.example",
            "phone": "+12125550123",
            "timezone": "America/New_York",
            "may_leave_message": False,
        }
        request = BookingRequest(
            start=at(start, week=patient.pop("week", 1)),
            practitioner=patient.pop("practitioner", None),
            patient=PatientDetails(**(details | patient)),  # type: ignore[arg-type]
        )
        with self.app.app_context(), transaction() as session:
            made = book_appointment(session, service, request, NO_LIMITS, now=self.clock.now)
            session.flush()
            session.expunge(made)
            return made

    def link(self, made: Appointment) -> str:
        """The address of a patient's page."""
        return f"/appointments/{token_of(made, HOUSE.keys)}"

    def appointments(self) -> int:
        """How many there are."""
        with self.app.app_context():
            return db.session.scalar(select(func.count()).select_from(Appointment)) or 0

    def deliver(self) -> None:
        """Let the worker send what is due."""
        with self.app.app_context():
            worker_of(self.app).turn()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        sentence = "No chromium was found: install it (on Debian: apt-get install chromium)."
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(sentence)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def site(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Site]:
    """A fresh demo clinic for one test."""
    yield from _serve(migrated_sqlite, tmp_path)


@pytest.fixture(scope="session")
def furnished(
    migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Furnished"]:
    """A demo clinic with something on every page; tests only look at it."""
    for site in _serve(migrated_sqlite, tmp_path_factory.mktemp("furnished")):
        yield Furnished(site, _addresses(site))


@dataclass
class Furnished:
    """A site and the addresses of all its kinds of pages."""

    site: Site
    pages: dict[str, str]
    """Name and path of what a patient can open."""
    staff: dict[str, str] = field(init=False)
    """The same for staff."""

    def __post_init__(self) -> None:
        self.staff = {
            name: self.pages.pop(name) for name in list(self.pages) if name.startswith("staff")
        }


@dataclass
class Watch:
    """What a visit must not do."""

    origin: str
    strangers: list[str] = field(default_factory=list)
    noises: list[str] = field(default_factory=list)

    def over(self, page: Page) -> Page:
        """Listen to a page."""
        page.on("request", self._request)
        page.on("console", lambda message: self._noise(message.text))
        page.on("pageerror", lambda error: self.noises.append(str(error)))
        page.on("requestfailed", lambda request: self._failed(request.url, request.failure))
        return page

    def _request(self, request: Any) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "about:", EXIT)):
            self.strangers.append(request.url)

    def _noise(self, text: str) -> None:
        # Chromium notes an answer of 4xx to the page itself; our forms answer so on purpose.
        if "the server responded with a status of 4" not in text:
            self.noises.append(text)

    def _failed(self, url: str, failure: str | None) -> None:
        if failure != "net::ERR_ABORTED":
            self.noises.append(f"{url}: {failure}")


Opener = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Opener]:
    """Opens pages that are watched."""
    with watched(chromium) as opened:
        yield opened


@contextmanager
def watched(chromium: Browser) -> Iterator[Opener]:
    """Opens pages that must ask nothing of another origin, and leave the console silent."""
    watches, contexts = [], []

    def opened(site: Site, **options: Any) -> Page:
        context = chromium.new_context(
            base_url=site.url, **({"viewport": DESKTOP, "locale": "en-US"} | options)
        )
        context.set_default_timeout(10_000)
        context.route(f"{EXIT}**", lambda route: route.fulfill(body="<h1>Weather</h1>"))
        contexts.append(context)
        watches.append(Watch(site.url))
        return watches[-1].over(context.new_page())

    yield opened
    for context in contexts:
        for page in context.pages:  # what closing cuts off would look like a fault of the page
            with suppress(Error):
                page.wait_for_load_state()
        context.close()
    assert [each for watch in watches for each in watch.strangers] == []
    assert [each for watch in watches for each in watch.noises] == []


def sign_in(page: Page) -> None:
    """Sign in as the demo's front desk."""
    page.goto("/login")
    page.get_by_label("Email address").fill(seed.DEMO_SIGN_IN)
    page.get_by_label("Password").fill(seed.DEMO_PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("heading", name="Upcoming appointments").wait_for()


def _serve(template: Path, folder: Path) -> Iterator[Site]:
    path, port = folder / "booking.db", free_port()
    shutil.copy(template, path)
    url, clock, mailbox = f"http://127.0.0.1:{port}", Clock(), Mailbox()
    more = {"BOOKING_BASE_URL": url, "BOOKING_EMBED_ORIGINS": WEBSITE}
    settings = settings_for(f"sqlite:///{path}", **more)
    app = create_app(settings, clock=clock, transport=mailbox)
    app = in_halves(with_kept_templates(app))
    with app.app_context(), transaction() as session:
        seed.seed_demo(session, HOUSE, hash_password(seed.DEMO_PASSWORD), now=clock.now)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Site(url, app, mailbox, clock)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        with app.app_context():
            db.engine.dispose()


def _addresses(site: Site) -> dict[str, str]:
    coming = site.book("Mon 09:00", email="one@mail.example")
    video = site.book("Tue 09:00", "video-consultation", timezone="Europe/Berlin", phone=None)
    call = site.book("Fri 09:00", "phone-call", email="three@mail.example")
    cancelled = site.book("Wed 09:00", email="four@mail.example")
    with site.app.app_context(), transaction() as session:
        cancel_appointment(session, session.merge(cancelled), HOUSE, now=site.clock.now)
        today = session.scalars(
            select(Appointment)
            .where(Appointment.start_at > site.clock.now)
            .order_by(Appointment.start_at)
            .limit(1)
        ).one()
        note_attendance(session, today, Verb.ARRIVE, HOUSE, actor="desk", now=site.clock.now)
    site.deliver()
    lost = site.book("Thu 11:30", email="lost@mail.example", phone="+12125550177")
    site.mailbox.refuse_mail = PermanentFailure("550 5.1.1 no such mailbox")
    site.deliver()
    site.mailbox.refuse_mail = None
    patient, staff = site.link(coming), f"/staff/appointments/{coming.reference}"
    book = "/services/first-consultation/book?start="
    with site.app.app_context(), transaction() as session:
        sent = select(SentMessage.outbox_id).join(OwedMessage).order_by(SentMessage.id)
        letter = session.scalar(sent.where(OwedMessage.appointment_id == coming.id).limit(1))
        waiting = Waiting(Wish(ANY_DAY, ANY_PART, date(2026, 12, 31)), None)
        waitlist.join(session, session.merge(coming), waiting, HOUSE, now=site.clock.now)
        mine = session.merge(video)
        ask_for_address(session, mine, "new@mail.example", HOUSE, now=site.clock.now)
        asked = session.get_one(AddressChange, mine.id)
        wish = HOUSE.keys.address_token(asked.nonce)
    with site.app.app_context(), transaction() as session:
        deed = Deed(seed.DEMO_SIGN_IN, site.clock.now, HOUSE)
        api_keys.make(session, api_keys.NewKey("Records", [*Scope], None), deed)
        hook = NewWebhook("https://records.example/hook", [*Event], with_patient=True)
        made, _ = webhooks.add(session, hook, deed)
        made.failing_since = made.paused_at = site.clock.now
        made.last_error = "The other side answered 503."
    with site.app.app_context():
        WaitlistOfferer(house=HOUSE, clock=site.clock).turn()
    return {
        "an earlier time": f"{site.link(video)}/earlier",
        "an earlier time, offered": f"{patient}/offer",
        "an offer that has ended": f"{site.link(call)}/offer",
        "contact": f"{patient}/contact",
        "contact, another asked": f"{site.link(video)}/contact",
        "erase": f"{patient}/erase",
        "erase, cancelled": f"{site.link(cancelled)}/erase",
        "a new address": f"/addresses/{wish}",
        "find": "/find",
        "find, asked": "/find?asked=1",
        "services": "/",
        "times": "/services/first-consultation",
        "times of a call": "/services/phone-call?practitioner=priya-raman",
        "times in another zone": "/services/video-consultation?tz=Asia/Tokyo&day=2026-12-02",
        "a day with nothing free": "/services/first-consultation?day=2026-11-26",
        "a month with nothing free": "/services/first-consultation?month=2199-01",
        "form": f"{book}{_start('Mon 11:30')}&practitioner=maya-ellison",
        "form of a call": f"/services/phone-call/book?start={_start('Wed 08:00')}",
        "form of a taken time": f"{book}{_start('Sun 10:00')}",
        "appointment": patient,
        "appointment by video": site.link(video),
        "appointment by phone": site.link(call),
        "moved": f"{patient}?moved=1",
        "cancelled": site.link(cancelled),
        "move": f"{patient}/reschedule",
        "move, chosen": f"{patient}/reschedule?start={_start('Tue 10:00')}",
        "cancel": f"{patient}/cancel",
        "not there": "/nowhere",
        "sign-in": "/login",
        "staff list": "/staff/",
        "staff list, empty": "/staff/?from=2030-01-01&practitioner=jonas-feld",
        "staff appointment": staff,
        "staff appointment, not reached": f"/staff/appointments/{lost.reference}",
        "staff cancel": f"{staff}/cancel",
        "staff move": f"{staff}/reschedule",
        "staff move, chosen": f"{staff}/reschedule?start={_start('Tue 10:00')}",
        "staff message": f"{staff}/messages/{letter}",
        "staff address": f"{staff}/address",
        "staff day": "/staff/day/",
        "staff day, another": "/staff/day/?on=2030-01-01",
        "staff week of one": "/staff/day/week?practitioner=maya-ellison",
        "staff month": "/staff/day/month",
        "staff day sheet": "/staff/day/sheet",
        "staff day sheet, full": "/staff/day/sheet/full",
        "staff caller": "/staff/book",
        "staff waiting": "/staff/waitlist/",
        "staff search": "/staff/search?status=booked",
        "staff numbers": "/staff/numbers/",
        "staff account": "/staff/account/",
        "staff app": "/staff/account/app",
        "staff confirm": "/staff/account/confirm",
        "staff audit": "/staff/audit/?check=1",
        "staff calendars": "/staff/calendars/",
        "staff keys": "/staff/keys/",
        "staff webhooks": "/staff/webhooks/",
        "staff webhook, new": "/staff/webhooks/new",
        "staff webhook, renew": "/staff/webhooks/1/renew",
        "staff key, new": "/staff/keys/new",
        "staff key, renew": "/staff/keys/1/renew",
        "staff schedule": "/staff/schedule/",
        "staff week": "/staff/schedule/practitioners/maya-ellison",
        "staff hours": "/staff/schedule/practitioners/maya-ellison/hours/new",
        "staff extra opening": "/staff/schedule/practitioners/maya-ellison/extra/new",
        "staff practitioner": "/staff/schedule/practitioners/maya-ellison/details",
        "staff closures": "/staff/schedule/closures/",
        "staff closure": "/staff/schedule/closures/new",
        "staff holidays": "/staff/schedule/closures/holidays",
        "staff why": "/staff/schedule/why?service=first-consultation&day=2026-11-26",
        "staff services": "/staff/schedule/services/",
        "staff service": "/staff/schedule/services/video-consultation",
        "staff service, new": "/staff/schedule/services/new",
        "staff rooms": "/staff/schedule/rooms/",
        "staff room": "/staff/schedule/rooms/new",
        "staff places": "/staff/schedule/places/",
        "staff place": "/staff/schedule/places/1",
        "staff clinic": "/staff/schedule/clinic/",
        "staff erase": f"/staff/appointments/{cancelled.reference}/erase",
        "styleguide": "/styleguide",
        "api": "/api/",
        "staff look": "/staff/schedule/look/",
        "staff data": "/staff/schedule/data/",
        "staff texts": "/staff/schedule/texts/",
        "staff texts of a service": "/staff/schedule/texts/first-consultation",
    }


def _start(when: str) -> str:
    return f"{at(when, week=1):%Y-%m-%dT%H:%M:%SZ}"
