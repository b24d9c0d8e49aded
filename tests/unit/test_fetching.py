"""Addresses that strangers give us: where we go, where we never go, and how much we take."""

import gzip
import resource
import socket
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import pytest
import urllib3.util.connection

from booking.domain.timeline import Span
from booking.messages.foreign import apart, fetching
from booking.messages.foreign.address import address_of
from booking.messages.foreign.apart import read_apart
from booking.messages.foreign.faults import (
    BadAddress,
    CalendarFault,
    InnerAddress,
    NotACalendar,
    NotSecure,
    NotThere,
    ServerTrouble,
    SignInNeeded,
    TooLarge,
    TooManyRedirects,
    TooMuchWork,
    TooSlow,
    Unreachable,
)
from booking.messages.foreign.fetching import Fetched, fetch
from booking.messages.foreign.questions import Question, Reading
from tests.calendar_server import CalendarServer, Raw, calendar_server
from tests.effort import effort

EVENT = b"BEGIN:VEVENT\r\nUID:1\r\nDTSTART:20261124T140000Z\r\nDTEND:20261124T150000Z\r\n"
CALENDAR = b"BEGIN:VCALENDAR\r\n" + EVENT + b"END:VEVENT\r\nEND:VCALENDAR\r\n"
HOUR = Span(datetime(2026, 11, 24, 14, tzinfo=UTC), datetime(2026, 11, 24, 15, tzinfo=UTC))


@pytest.fixture
def server() -> Iterator[CalendarServer]:
    with calendar_server() as running:
        yield running


def fetched(server: CalendarServer, url: str, **known: str) -> Fetched | None:
    """Fetch from the server, which lies in the clinic's own network."""
    return fetch(url, hosts=[server.host], **known)


def question(server: CalendarServer, url: str) -> Question:
    return Question(
        kind="ics",
        address=url,
        since=datetime(2026, 11, 1, tzinfo=UTC),
        until=datetime(2027, 1, 1, tzinfo=UTC),
        timezone="America/New_York",
        hosts=(server.host,),
    )


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("https://cal.example/a.ics", "https://cal.example/a.ics"),
        ("  webcal://cal.example/a.ics?x=1#top ", "https://cal.example/a.ics?x=1"),
        ("WEBCALS://Cal.Example./", "https://cal.example/"),
        ("https://cal.example:8443", "https://cal.example:8443/"),
        ("https://user:pass@cal.example/", "https://cal.example/"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
    ],
)
def test_an_address_is_understood_as_people_paste_it(typed: str, understood: str) -> None:
    assert address_of(typed).url == understood


def test_user_and_password_are_taken_out_of_the_address() -> None:
    found = address_of("https://ada:p%40ss%3A@cal.example/")

    assert (found.user, found.password) == ("ada", "p@ss:")
    assert "ada" not in repr(found)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "calendar",
        "ftp://cal.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///a.ics",
        "https://cal.example\\@127.0.0.1/",
        "https://cal.example/a b",
        "https://cal.example/\r\nHost: inner",
        "https://cal.example:99999/",
        "https://[::1/",
        "https://cal..example/",
        "https://cal.example/" + "a" * 2000,
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(BadAddress):
        address_of(typed)


def test_what_travels_in_the_open_is_refused_outside_of_the_clinics_network() -> None:
    assert (
        address_of("http://files.clinic.example/", hosts=["files.clinic.example"]).secure is False
    )
    with pytest.raises(NotSecure):
        address_of("http://cal.example/", hosts=["files.clinic.example"])


INNER = (
    "127.0.0.1 127.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 localhost localhost. 0.0.0.0 "
    "10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 192.0.0.192 198.18.0.1 224.0.0.1 "
    "255.255.255.255 [::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [fe80::1] "
    "[fd00::1] [fec0::1] [64:ff9b::7f00:1] [2002:7f00:1::] [2001::1] [ff02::1] "
    "[::ffff:0:127.0.0.1] "
    "①②⑦.⓪.⓪.① 127。0。0。1"
)


@pytest.mark.parametrize("host", INNER.split())
def test_no_spelling_of_an_inner_address_is_followed(host: str) -> None:
    """T-94. Where the machine has no IPv6, its addresses lead nowhere at all."""
    reachable = ":" not in host or urllib3.util.connection.HAS_IPV6

    with pytest.raises(InnerAddress if reachable else Unreachable):
        fetch(f"https://{host}/latest/meta-data/")


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Names that mean one address today and another tomorrow; gives the connections tried."""

    def install(*addresses: str) -> list[str]:
        answers, tried, real = iter(addresses), list[str](), socket.getaddrinfo

        def resolve(host: str, *args: Any, **kwargs: Any) -> Any:
            return real(next(answers) if host == "cal.example" else host, *args, **kwargs)

        def connect(address: tuple[str, int], *_args: Any, **_kwargs: Any) -> Any:
            tried.append(address[0])
            raise ConnectionRefusedError

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setattr(urllib3.util.connection, "create_connection", connect)
        return tried

    return install


def test_a_name_that_means_an_inner_address_is_not_followed(
    resolver: Callable[..., list[str]],
) -> None:
    tried = resolver("10.0.0.7")

    with pytest.raises(InnerAddress):
        fetch("https://cal.example/a.ics")

    assert tried == []


def test_a_name_that_changes_its_mind_is_taken_at_its_first_word(
    resolver: Callable[..., list[str]],
) -> None:
    """DNS rebinding: the address that was judged is the one that is connected to."""
    tried = resolver("93.184.216.34", "127.0.0.1", "127.0.0.1")

    with pytest.raises(Unreachable):
        fetch("https://cal.example/a.ics")

    assert tried == ["93.184.216.34"]


def test_a_calendar_is_fetched_with_what_tells_it_from_the_next(server: CalendarServer) -> None:
    url = server.serve(CALENDAR, etag='"v1"', last_modified="Mon, 23 Nov 2026 08:00:00 GMT")

    found = fetched(server, url)

    assert found == Fetched(CALENDAR, '"v1"', "Mon, 23 Nov 2026 08:00:00 GMT")


def test_what_has_not_changed_is_not_fetched_again(server: CalendarServer) -> None:
    url = server.serve(CALENDAR, etag='"v1"')

    assert fetched(server, url, etag='"v1"', last_modified="Mon, 23 Nov 2026 08:00:00 GMT") is None
    assert server.asked[0].headers["If-Modified-Since"] == "Mon, 23 Nov 2026 08:00:00 GMT"


def test_a_tag_too_long_to_keep_is_not_kept(server: CalendarServer) -> None:
    found = fetched(server, server.serve(CALENDAR, etag='"' + "x" * 300 + '"'))

    assert found is not None
    assert found.etag == ""


def test_a_packed_calendar_is_unpacked(server: CalendarServer) -> None:
    found = fetched(server, server.serve(gzip.compress(CALENDAR), content_encoding="gzip"))

    assert found is not None
    assert found.content == CALENDAR


def test_redirects_are_followed_three_times_and_no_more(server: CalendarServer) -> None:
    server.serve(CALENDAR, path="/end")
    for step in range(4):
        server.serve(status=302, path=f"/{step}", location="/end" if step == 0 else f"/{step - 1}")

    found = fetched(server, server.url("/2"))

    assert found is not None
    with pytest.raises(TooManyRedirects):
        fetched(server, server.url("/3"))


@pytest.mark.parametrize(
    ("location", "fault"),
    [
        ("https://169.254.169.254/latest/meta-data/", InnerAddress),
        ("https://[::ffff:10.0.0.1]/", InnerAddress),
        ("https://localhost/", InnerAddress),
        ("//127.0.0.1/", NotSecure),
        ("http://93.184.216.34/", NotSecure),
        ("file:///etc/passwd", BadAddress),
        ("gopher://127.0.0.1:11211/x", BadAddress),
        ("", ServerTrouble),
    ],
)
def test_a_redirect_is_judged_like_an_address(
    server: CalendarServer, location: str, fault: type[CalendarFault]
) -> None:
    with pytest.raises(fault):
        fetched(server, server.serve(status=302, location=location))


def test_a_password_stays_with_the_place_it_was_typed_for(server: CalendarServer) -> None:
    with calendar_server() as other:
        server.serve(status=302, path="/within", location="/away")
        server.serve(status=302, path="/away", location=other.serve(CALENDAR))

        fetch(server.url("/within", user="ada:secret"), hosts=[server.host, other.host])

        basic = "Basic " + b64encode(b"ada:secret").decode()
        assert [each.headers.get("Authorization") for each in server.asked] == [basic, basic]
        assert [each.headers.get("Authorization") for each in other.asked] == [None]


def test_neither_a_proxy_nor_a_netrc_of_the_machine_is_used(
    server: CalendarServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ada password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    fetched(server, server.serve(CALENDAR))

    assert "Authorization" not in server.asked[0].headers


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (401, SignInNeeded),
        (403, SignInNeeded),
        (404, NotThere),
        (410, NotThere),
        (429, ServerTrouble),
        (500, ServerTrouble),
    ],
)
def test_any_other_answer_than_a_calendar_is_told_in_words(
    server: CalendarServer, status: int, fault: type[CalendarFault]
) -> None:
    with pytest.raises(fault) as caught:
        fetched(server, server.serve(b"secret", status))

    assert 0 < len(caught.value.text) <= 200
    assert server.host not in caught.value.text


def flood(out: BufferedIOBase) -> None:
    """50 MB, and nobody said so before."""
    out.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(800):
        out.write(b"X" * 65_536)


def endless_headers(out: BufferedIOBase) -> None:
    out.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(100_000):
        out.write(f"X-{number}: {'y' * 100}\r\n".encode())


def drip(out: BufferedIOBase) -> None:
    out.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(40):
        out.write(b"X")
        out.flush()
        time.sleep(0.05)


def slow_headers(out: BufferedIOBase) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 400:
        out.write(bytes([byte]))
        out.flush()
        time.sleep(0.05)


def not_http(out: BufferedIOBase) -> None:
    out.write(b"220 mail.example ESMTP\r\n")


def a_gzip_bomb() -> bytes:
    return gzip.compress(b"X" * 50_000_000)


NASTY: dict[
    str, tuple[bytes | Callable[[BufferedIOBase], None], dict[str, str], type[CalendarFault]]
] = {
    "50 MB": (flood, {}, TooLarge),
    "50 MB packed into 50 KB": (a_gzip_bomb(), {"content_encoding": "gzip"}, TooLarge),
    "headers without end": (endless_headers, {}, Unreachable),
    "no HTTP": (not_http, {}, Unreachable),
    "less than it promised": (CALENDAR, {"content_length": "9999"}, Unreachable),
    "packed, but not": (CALENDAR, {"content_encoding": "gzip"}, NotACalendar),
    "packed in a way nobody asked for": (CALENDAR, {"content_encoding": "br"}, NotACalendar),
}


@pytest.mark.parametrize(("answer", "headers", "fault"), NASTY.values(), ids=NASTY)
def test_a_nasty_answer_is_refused_before_it_costs_anything(
    server: CalendarServer,
    answer: bytes | Raw,
    headers: dict[str, str],
    fault: type[CalendarFault],
) -> None:
    if callable(answer):
        url = server.serve_raw("/nasty", answer)
    else:
        url = server.serve(answer, 200, "/a.ics", **headers)

    def refused() -> None:
        with pytest.raises(fault):
            fetched(server, url)

    assert effort(refused) < 40


def test_a_drip_meets_the_deadline(server: CalendarServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "LONGEST", 0.3)
    began = time.monotonic()

    with pytest.raises(TooSlow):
        fetched(server, server.serve_raw("/drip", drip))

    assert time.monotonic() - began < 5


def test_nobody_there_is_told_in_words() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{held.getsockname()[1]}"

        with pytest.raises(Unreachable):
            fetch(f"http://{host}/", hosts=[host])


def test_a_calendar_is_read_in_a_process_of_its_own(server: CalendarServer) -> None:
    url = server.serve(CALENDAR, etag='"v1"')

    assert read_apart(question(server, url)) == Reading([HOUR], '"v1"')


def test_a_fault_crosses_the_border_by_its_name(server: CalendarServer) -> None:
    with pytest.raises(NotThere):
        read_apart(question(server, server.url("/nothing")))


def test_headers_that_trickle_are_ended_with_the_process(
    server: CalendarServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "WALL", 1.5)

    with pytest.raises(TooSlow):
        read_apart(question(server, server.serve_raw("/slow", slow_headers)))


def test_a_bomb_that_nobody_thought_of_ends_only_its_own_process(server: CalendarServer) -> None:
    """A rule that never comes true: the 30th of February, day by day, until the year 9999."""
    never = b"RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30\r\nEND:VEVENT"
    url = server.serve(CALENDAR.replace(b"END:VEVENT", never))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    with pytest.raises(TooMuchWork):
        read_apart(question(server, url))

    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used < apart.CPU + 0.5


def test_the_process_is_told_no_secret_of_ours(
    server: CalendarServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a stranger's calendar could learn from its surroundings is nothing."""
    spy, seen = tmp_path / "spy", tmp_path / "seen"
    spy.write_text(f"#!/bin/sh\n/usr/bin/env > {seen}\necho '{{\"unchanged\": true}}'\n")
    spy.chmod(0o700)
    monkeypatch.setenv("BOOKING_SECRET_KEY", "a secret")
    monkeypatch.setattr(sys, "executable", str(spy))

    assert read_apart(question(server, server.url())) is None
    assert "PYTHONPATH" in seen.read_text()
    assert "BOOKING" not in seen.read_text()
