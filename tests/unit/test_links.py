from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from booking.messages.facts import AppointmentFacts
from booking.messages.links import google_calendar_url, outlook_live_url, outlook_office_url
from tests.unit.test_invitation import an_appointment

LINKS = [google_calendar_url, outlook_live_url, outlook_office_url]

Link = Callable[[AppointmentFacts], str]


def query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, strict_parsing=True)


def test_google_gets_the_span_in_utc() -> None:
    url = google_calendar_url(an_appointment())

    assert url.startswith("https://calendar.google.com/calendar/render?action=TEMPLATE&text=")
    assert query(url)["dates"] == ["20261124T143000Z/20261124T151500Z"]
    assert query(url)["location"] == ["12 Elm Street, Springfield"]


@pytest.mark.parametrize("host", ["outlook.live.com", "outlook.office.com"])
def test_outlook_gets_the_times_in_utc(host: str) -> None:
    link = outlook_live_url if "live" in host else outlook_office_url

    url = link(an_appointment())

    assert url.startswith(f"https://{host}/calendar/0/deeplink/compose?")
    assert query(url)["startdt"] == ["2026-11-24T14:30:00Z"]
    assert query(url)["enddt"] == ["2026-11-24T15:15:00Z"]
    assert query(url)["subject"] == ["Appointment"]


@pytest.mark.parametrize("link", LINKS)
def test_no_capability_and_no_person_goes_to_another_company(link: Link) -> None:
    url = link(an_appointment(mode="video", video_url="https://video.example/rooms/8f2b"))

    for secret in ("book.clinic.example", "video.example", "home.example", an_appointment().uid):
        assert secret not in url
    assert query(url)["location"] == ["Video"]


@pytest.mark.parametrize("link", LINKS)
def test_text_cannot_add_to_the_query(link: Link) -> None:
    url = link(an_appointment(title="A & B = C? #1 + ü", location="a&action=EVIL\r\nx"))

    assert query(url).get("text", query(url).get("subject")) == ["A & B = C? #1 + ü"]
    assert query(url).get("action") in (None, ["TEMPLATE"])
    assert url.isascii()
    assert not set("+ #\r\n") & set(url)


@pytest.mark.parametrize("link", LINKS)
def test_an_unknown_place_is_left_out(link: Link) -> None:
    assert "location" not in query(link(an_appointment(location="", start=datetime.now(UTC))))
