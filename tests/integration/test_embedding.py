"""The times on the clinic's own website: framed by whom we know, without a cookie."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking.app import create_app
from booking.models.database import db
from tests.builders import Clock, Mailbox
from tests.conftest import settings_for
from tests.visits import form_path, get

SITE = "https://www.clinic.example"


@pytest.fixture
def framed(sqlite_app: Flask, clock: Clock, mailbox: Mailbox) -> Iterator[FlaskClient]:
    """A service whose times one website may show."""
    url = sqlite_app.config["SQLALCHEMY_DATABASE_URI"]
    settings = replace(settings_for(url), embed_origins=(SITE,))
    app = create_app(settings, clock=clock, transport=mailbox)
    with app.app_context():
        yield app.test_client()
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize("path", ["/?embed=1", "/services/visit?embed=1"])
def test_the_times_can_be_framed_by_the_site_that_is_named(framed: FlaskClient, path: str) -> None:
    answer = framed.get(path)

    assert f"frame-ancestors {SITE};" in answer.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert b"Exit this page" not in answer.data


@pytest.mark.parametrize(
    "path", ["/", "/services/visit", form_path() + "&embed=1", "/find?embed=1", "/login?embed=1"]
)
def test_nothing_else_can_be_framed(framed: FlaskClient, path: str) -> None:
    answer = framed.get(path)

    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_without_a_site_no_page_can_be_framed(client: FlaskClient) -> None:
    answer = client.get("/?embed=1")

    assert answer.headers["X-Frame-Options"] == "DENY"
    assert b"Exit this page" in answer.data


def test_the_frame_stays_one_until_a_time_is_chosen(framed: FlaskClient) -> None:
    services = get(framed, "/?embed=1")
    times = get(framed, services.link("First consultation"))

    assert "embed=1" in times.link("Later:")
    assert "embed=1" not in times.link(", 9:00 am")
    assert [each.get("target") for each in times.all("base")] == ["_top"]


def test_the_language_that_the_website_wants_stays_without_a_cookie(framed: FlaskClient) -> None:
    services = get(framed, "/?embed=1&lang=es")
    times = get(framed, services.link("First consultation"))
    form = get(framed, times.link(", 9:00 a."))

    assert [each.all("html")[0].get("lang") for each in (services, times, form)] == ["es"] * 3
    assert "Set-Cookie" not in framed.get("/services/visit?embed=1&lang=es").headers


def test_every_site_may_load_the_script_and_it_is_small(client: FlaskClient) -> None:
    answer = client.get("/embed.js")

    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert len(answer.data) <= 3000
    assert Path("booking/static/embed.js").read_bytes() == answer.data
