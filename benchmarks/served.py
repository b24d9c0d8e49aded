"""The whole service under gunicorn beside a bare Flask under the same: CPU a request, and waiting.

python -m benchmarks.served
"""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPMessage
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

from flask import Flask

from benchmarks.clinic import a_served_clinic
from benchmarks.times_page import JSON, PAGE, bare_flask
from booking.app import create_app
from booking.processes import keep_what_is_loaded
from tests.builders import Clock, Mailbox
from tests.conftest import settings_for
from tests.ports import free_port

THREADS, CLIENTS = 4, 8
REQUESTS, ROUNDS = 300, 3
UNDER_LOAD = 1_000
FEWER = 10
"""So many times less often are several paths asked for."""
URL = "BENCHMARK_DATABASE_URL"


def ours() -> Flask:
    """What gunicorn serves of us, at the hour of the measured clinic, as `wsgi.py` loads it."""
    settings = settings_for(os.environ[URL], BOOKING_RATE_LIMITS="on", BOOKING_PROXIES=1)
    app = create_app(settings, clock=Clock(), transport=Mailbox())
    keep_what_is_loaded()
    return app


def bare() -> Flask:
    """What gunicorn serves beside it: the same JSON, and a page as long, out of nothing."""
    with ours().test_client() as client:
        return bare_flask(client.get(JSON).get_json())


class Answer(NamedTuple):
    """What came back."""

    headers: HTTPMessage
    text: str


class Line:
    """A connection that is kept open, as a browser's or a proxy's is."""

    def __init__(self, port: int) -> None:
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str, **headers: str) -> "Answer":
        """Fetch, and read to the end."""
        self._line.request("GET", path, headers={"Host": "127.0.0.1:8000"} | headers)
        answer = self._line.getresponse()
        text = answer.read().decode()
        assert answer.status in (200, 304), (path, answer.status)
        return Answer(answer.headers, text)

    def post(self, path: str, body: str, expected: int, **headers: str) -> None:
        """Send, and see that it is answered so."""
        self._line.request("POST", path, body, {"Host": "127.0.0.1:8000"} | headers)
        answer = self._line.getresponse()
        said = answer.read()
        assert answer.status == expected, (path, answer.status, said)


@contextmanager
def gunicorn(factory: str) -> Iterator[tuple[int, int]]:
    """One worker with some threads: its port, and the process that does the work."""
    port = free_port()
    command = (
        sys.executable,
        "-m",
        "gunicorn",
        "--threads",
        str(THREADS),
        "--no-control-socket",
        "--keep-alive=60",
    )
    served = (f"--bind=127.0.0.1:{port}", f"benchmarks.served:{factory}()")
    parent = subprocess.Popen(
        [*command, *served], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
            try:
                Line(port).get("/json" if factory == "bare" else "/healthz")
            except OSError:
                time.sleep(0.1)
                continue
            yield port, int(children[0])
            return
        raise TimeoutError("gunicorn does not answer.")
    finally:
        parent.terminate()
        parent.wait(30)


def seconds_of(pid: int) -> float:
    """The CPU that the threads of a process have used, to the nanosecond (Linux, schedstats)."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in threads) / 1e9


def cpu(
    pid: int, work: Callable[[], object], requests: int = REQUESTS, rounds: int = ROUNDS
) -> float:
    """Milliseconds of the server's CPU for a request, in the best of some rounds."""
    found = []
    for _ in range(rounds):
        began = seconds_of(pid)
        for _ in range(requests):
            work()
        found.append((seconds_of(pid) - began) / requests * 1000)
    return min(found)


def waits(port: int, *paths: str, **headers: str) -> tuple[float, float]:
    """Milliseconds that half, and 99 of 100, wait at the most while several ask at once.

    Of several paths each client asks one after another, and has waited when all are there.
    """

    def visit(_number: int) -> list[float]:
        line, found = Line(port), []
        for _ in range(UNDER_LOAD // CLIENTS // (1 if len(paths) == 1 else FEWER)):
            began = time.perf_counter()
            for path in paths:
                line.get(path, **headers)
            found.append((time.perf_counter() - began) * 1000)
        return found

    with ThreadPoolExecutor(CLIENTS) as clients:
        every = [each for found in clients.map(visit, range(CLIENTS)) for each in found]
    hundredths = quantiles(every, n=100)
    return hundredths[49], hundredths[98]


def measured(factory: str, paths: dict[str, str]) -> dict[str, tuple[float, float, float]]:
    """CPU, and both waits, of each path."""
    found = {}
    with gunicorn(factory) as (port, pid):
        line = Line(port)
        for what, path in paths.items():
            spent = cpu(pid, lambda path=path: line.get(path))  # type: ignore[misc]
            found[what] = (spent, *waits(port, path))
        if factory == "ours":
            tag = line.get(JSON).headers["ETag"]
            spent = cpu(pid, lambda: line.get(JSON, **{"If-None-Match": tag}))
            found["304"] = (spent, 0.0, 0.0)
    return found


def main() -> None:
    """Both kinds of database; each beside the bare Flask of the same run."""
    print(
        f"{'database':<12}{'what':<12}{'CPU, ms':>8}{'bare pages':>12}{'p50, ms':>9}{'p99, ms':>9}"
    )
    for database in ("sqlite", "postgresql"):
        with a_served_clinic(database) as url:
            os.environ[URL] = url
            least = measured("bare", {"bare JSON": "/json", "bare page": "/page"})
            found = least | measured("ours", {"JSON": JSON, "page": PAGE})
        for what, (spent, half, most) in found.items():
            ratio = spent / least["bare page"][0]
            print(f"{database:<12}{what:<12}{spent:>8.2f}{ratio:>12.1f}{half:>9.1f}{most:>9.1f}")


if __name__ == "__main__":
    main()
