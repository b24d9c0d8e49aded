"""The real service behind the real nginx, with the configuration of `deploy/nginx.conf`."""

import http.client
import json
import os
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pytest

from booking.services.links import Keys
from booking.web.gate import ALWAYS
from tests import builders, nginx
from tests.integration.servers import ROOT, Service, Wish, a_service, coming_days, linux_only
from tests.nginx import Proxy
from tests.ports import free_port

pytestmark = linux_only

KIB = 1024
THREADS = 2
TOKEN = "a-token-that-only-the-watcher-of-metrics-knows"
KEY = "a-key-that-opens-something"
WHO = ("127.0.0.1", "127.0.0.5", "203.0.113.9")
"""The proxy, who asks, and whom they claim to be."""


class House(NamedTuple):
    """All that stands on the machine of a clinic."""

    proxy: Proxy
    service: Service
    database: Path


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    nginx.require()
    folder, secure = tmp_path_factory.mktemp("nginx"), free_port()
    with ExitStack() as stack:
        service = stack.enter_context(
            a_service(
                f"sqlite:///{folder}/booking.db",
                folder / "service.log",
                BOOKING_BASE_URL=f"https://localhost:{secure}",
                BOOKING_PROXIES=1,
                BOOKING_RATE_LIMITS="on",
                BOOKING_METRICS_TOKEN=TOKEN,
                BOOKING_WEB_WORKERS=1,
                BOOKING_WEB_THREADS=THREADS,
            )
        )
        proxy = stack.enter_context(nginx.before(service.port, folder / "proxy", secure))
        yield House(proxy, service, folder / "booking.db")


def test_a_page_comes_back_by_tls_with_the_services_own_headers(house: House) -> None:
    answer, body = house.proxy.ask("GET", "/")

    assert answer.status == 200
    assert b"<h1" in body
    assert answer.headers.get_all("Strict-Transport-Security") == ["max-age=31536000"]
    assert "nginx/" not in (answer.headers["Server"] or "")


def test_the_plain_address_leads_to_the_secure_one(house: House) -> None:
    answer = house.proxy.ask_plainly("/services/x?day=2026-11-27")

    assert answer.status == 308
    assert answer.headers["Location"] == (
        f"https://localhost:{house.proxy.secure}/services/x?day=2026-11-27"
    )


def test_another_name_gets_not_even_a_certificate(house: House) -> None:
    with (
        closing(http.client.HTTPSConnection("127.0.0.1", house.proxy.secure)) as line,
        pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"),
    ):
        line.connect()


def test_a_booking_counts_for_who_made_it_and_links_to_the_secure_address(house: House) -> None:
    start = coming_days(house.service.client, "video-consultation", count=1, practitioner=None)[0]
    wish = Wish("video-consultation", start, 1, practitioner=None)

    answer, body = house.proxy.ask(
        "POST",
        "/api/v1/appointments",
        json.dumps(wish.body).encode(),
        address="127.0.0.5",
        Content_Type="application/json",
        Idempotency_Key="one",
        X_Forwarded_For="203.0.113.9",
        Forwarded="for=203.0.113.9",
    )

    assert answer.status == 201, body
    assert f"https://localhost:{house.proxy.secure}/".encode() in body
    assert b"http://" not in body
    keys = Keys(builders.SECRET)
    counted = {who: keys.digest("rate-limit", who.encode()).hex()[:32] for who in WHO}
    with closing(sqlite3.connect(house.database)) as database:
        rows = " ".join(key for (key,) in database.execute("SELECT key FROM rate_counter"))
    assert [who for who in WHO if counted[who] in rows] == ["127.0.0.5"]


@pytest.mark.parametrize(
    ("path", "taken", "refused"),
    [
        ("/", 64 * KIB, 65 * KIB),
        ("/staff/schedule/look/logo", 200 * KIB, 201 * KIB),
        ("/api/v1/replies", 2048 * KIB, 2049 * KIB),
    ],
)
def test_a_body_that_is_too_long_ends_at_the_proxy(
    house: House, path: str, taken: int, refused: int
) -> None:
    within, _ = house.proxy.ask("POST", path, b"x" * taken)
    beyond, _ = house.proxy.ask("POST", path, b"x" * refused)

    assert within.headers["X-Request-Id"]  # the service said something about it
    assert (beyond.status, beyond.headers["X-Request-Id"]) == (413, None)


def test_slow_senders_hold_no_thread(house: House) -> None:
    begun = b"POST /find HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nemail="
    with ExitStack() as stack:
        slow = [stack.enter_context(house.proxy.line()) for _ in range(3 * THREADS)]
        for line in slow:
            line.sendall(begun)

        answer, _ = house.proxy.ask("GET", "/healthz")

        assert answer.status == 200
        assert all(waits(line) for line in slow)  # it did not have to be sent away first


def test_metrics_are_for_this_machine_and_only_with_the_token(house: House) -> None:
    ask, bearer = house.proxy.ask, f"Bearer {TOKEN}"

    told, body = ask("GET", "/metrics", Authorization=bearer)
    without, _ = ask("GET", "/metrics")
    elsewhere, _ = ask("GET", "/metrics", address="127.0.0.9", Authorization=bearer)

    assert (told.status, without.status, elsewhere.status) == (200, 401, 403)
    assert b"booking_schema_current 1" in body
    assert elsewhere.headers["X-Request-Id"] is None  # it ended at the proxy


def test_who_claims_to_be_near_reads_no_metrics(house: House) -> None:
    for path in ("/metrics", "/metrics?x=1", "//metrics", "/x/../metrics", "/%6detrics"):
        answer, body = house.proxy.ask(
            "GET",
            path,
            address="127.0.0.9",
            Authorization=f"Bearer {TOKEN}",
            X_Forwarded_For="127.0.0.1",
            X_Real_IP="10.0.0.1",
            Forwarded="for=127.0.0.1",
        )
        assert answer.status == 403, path
        assert b"booking_" not in body


def waits(line: ssl.SSLSocket) -> bool:
    """Whether a connection is open and nothing was said on it yet."""
    line.setblocking(False)
    try:
        line.recv(1)
    except ssl.SSLWantReadError:
        return True
    return False


def test_no_log_holds_a_path_or_an_address(tmp_path: Path) -> None:
    nginx.require()
    path = f"/appointments/{KEY}?from={KEY}"
    with nginx.before(free_port(), tmp_path / "proxy", free_port()) as proxy:
        nobody, _ = proxy.ask("GET", path, address="127.0.0.7", Referer=f"https://localhost/{KEY}")
        long, _ = proxy.ask("POST", path, b"x" * 65 * KIB, address="127.0.0.7")
        proxy.ask_plainly(path)

    assert (nobody.status, long.status) == (503, 413)
    assert " 503 GET " in proxy.logged()
    assert " 308 GET " in proxy.logged()
    assert KEY not in proxy.logged()
    assert "127.0.0.7" not in proxy.logged()


def test_while_the_service_is_away_its_visitors_are_told_so_in_words(tmp_path: Path) -> None:
    nginx.require()
    with nginx.before(free_port(), tmp_path / "proxy", free_port()) as proxy:
        page, words = proxy.ask("POST", "/services/visit/book", b"name=Sam")
        answer, problem = proxy.ask("GET", "/api/v1/services")

    assert page.status == answer.status == 503
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "it may have worked" in words.decode()
    assert b"nginx" not in words
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    for name in ("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"):
        assert page.headers.get_all(name) == [ALWAYS[name]]
    assert page.headers["Cache-Control"] == answer.headers["Cache-Control"] == "no-store"
    assert int(page.headers["Retry-After"]) == int(answer.headers["Retry-After"]) == 30
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(problem)["status"] == 503


def test_the_containers_question_is_answered(house: House) -> None:
    environ = os.environ | {"BOOKING_BASE_URL": f"HTTPS://LocalHost:{house.proxy.secure}"}
    command = (sys.executable, ROOT / "deploy" / "healthy.py")

    answers = [
        subprocess.run(
            command, env=environ | {"BOOKING_PORT": str(port)}, capture_output=True, check=False
        ).returncode
        for port in (house.service.port, free_port())
    ]

    assert answers[0] == 0
    assert answers[1] != 0
