"""Every form with what nobody means, and every kind of refusal with all of its headers."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.models import Clinic
from booking.models.database import db
from tests.answers import a_mail, take_in
from tests.builders import Clock, Mailbox
from tests.conftest import a_running_app, settings_for
from tests.contracts.test_routes import addresses
from tests.integration.test_security import HEADERS
from tests.pages import Form, page_of
from tests.visits import a_link, a_member_of_staff, get, send, sign_in, the_appointment

NOBODY_MEANS = (
    "\0",
    "9" * 5000,
    "99999999999999999999",
    "9999-12-31",
    "\r\n\u2028\u202e=?utf-8?q?x?=",
    "[" * 3000,
)
STYLE = "/static/style.css"
API = "/api/v1/appointments"
Ask = Callable[[FlaskClient], TestResponse]


def flood(client: FlaskClient) -> TestResponse:
    """Ask for lost links until it is too much."""
    page = get(client, "/find")
    return [send(client, page, "/find", email="sam@mail.example") for _ in range(7)][-1]


def fail(client: FlaskClient) -> TestResponse:
    """Meet a fault of ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clinic, "zone", property(lambda _: 1 / 0))
        return client.get("/services/visit")


def wait_in_vain(client: FlaskClient) -> TestResponse:
    """Ask while a table is not to be had."""
    db.session.remove()
    with db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE healthcare_service RENAME TO gone")
    return client.get("/")


def booked_twice(client: FlaskClient) -> TestResponse:
    """Want a time that somebody has."""
    path = "/services/call/book?start=2026-11-24T14:00:00Z"
    page = get(client, path)
    a_link("Tue 09:00", service="call")
    typed = {
        "name": "Eve",
        "email": "eve@mail.example",
        "phone": "2125550123",
        "email_consent": "y",
    }
    return send(client, page, "/book", **typed)


REFUSALS: dict[int, tuple[Ask, ...]] = {
    302: (lambda client: client.get("/staff/"),),
    304: (
        lambda client: client.get(
            STYLE, headers={"If-None-Match": client.get(STYLE).headers["ETag"]}
        ),
    ),
    308: (lambda client: client.get("/staff"),),
    400: (
        lambda client: client.get("/", headers={"Host": "evil.example"}),
        lambda client: client.post("/let-go"),
        lambda client: client.post(API, data="{", content_type="application/json"),
    ),
    401: (
        lambda client: client.get("/metrics"),
        lambda client: client.get("/api/v1/staff/appointments"),
    ),
    404: (
        lambda client: client.get("/" + "x" * 9000),
        lambda client: client.get("/%00"),
        lambda client: client.get("/static/"),
        lambda client: client.get("/feeds/x.ics"),
        lambda client: client.get("/api/v1/appointments/x"),
        lambda client: client.get("/api/fhir/slots/x.ndjson"),
    ),
    405: (
        lambda client: client.open("/", method="TRACE"),
        lambda client: client.put(API),
    ),
    409: (booked_twice,),
    413: (
        lambda client: client.post("/find", data={"email": "x" * 70000}),
        lambda client: client.post(API, data=b" " * 70000, content_type="application/json"),
    ),
    415: (lambda client: client.post(API, data="x"),),
    416: (lambda client: client.get(STYLE, headers={"Range": "bytes=99999999-"}),),
    422: (
        lambda client: client.post("/find"),
        lambda client: client.post(API, json={}),
    ),
    429: (flood,),
    500: (fail,),
    503: (wait_in_vain, lambda client: client.get("/readyz")),
}
"""Each kind of answer that is no page, and ways to get it."""


@pytest.fixture
def whole(sqlite_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[Flask]:
    """A clinic with all doors and all limits."""
    wanted = {
        "BOOKING_RATE_LIMITS": "on",
        "BOOKING_PUBLISH_SLOTS": "1",
        "BOOKING_METRICS_TOKEN": "a-token-that-only-the-watcher-of-metrics-knows",
    }
    yield from a_running_app(settings_for(sqlite_url, **wanted), clock, mailbox)


def test_every_kind_of_refusal_has_the_headers_of_a_page(whole: Flask) -> None:
    """T-48, T-85, T-96."""
    client = whole.test_client()

    for status, ways in REFUSALS.items():
        for ask in ways:
            answer = ask(client)
            assert answer.status_code == status
            assert HEADERS.items() <= dict(answer.headers).items(), status
            assert status == 304 or answer.headers["Cache-Control"] == "no-store", status
            assert status == 304 or answer.headers["X-Robots-Tag"] == "noindex", status
            assert "Server" not in answer.headers


def forms_of(client: FlaskClient, paths: list[str]) -> Iterator[tuple[str, Form]]:
    """Every form that changes something, once, and where it leads."""
    seen = set()
    for path in paths:
        answer = client.get(path)
        if answer.status_code == 200 and answer.mimetype == "text/html":
            for form in page_of(answer).all("form", method="post"):
                assert isinstance(form, Form)
                leads = form.get("action") or path
                if leads not in seen and leads != "/logout":
                    seen.add(leads)
                    yield leads, form


def test_no_form_breaks_on_what_nobody_means(
    postgres_url: str, clock: Clock, mailbox: Mailbox
) -> None:
    """T-41, T-42, T-66: in every field of every form at once, on the stricter of the databases."""
    for app in a_running_app(settings_for(postgres_url), clock, mailbox):
        client = app.test_client()
        link = a_link("Tue 09:00")
        take_in(a_mail())
        a_member_of_staff()
        sign_in(client)
        everywhere = addresses(app, link, the_appointment().reference)
        paths = [path for rule, path in everywhere if "GET" in (rule.methods or ())]

        tried = 0
        for leads, form in forms_of(
            client, [*paths, "/services/visit/book?start=2026-11-24T15:00:00Z"]
        ):
            for text in NOBODY_MEANS:
                typed = dict.fromkeys(form.values(), text)
                typed["csrf_token"] = form.values()["csrf_token"]
                answer = client.post(leads, data=typed)
                assert answer.status_code < 500, (leads, text[:20])
                tried += answer.status_code == 422

    assert tried > 100, tried
