"""The real service, begun as its operators begin it: one command, its children, a port."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import pytest

from booking.app import create_app, utc_now
from booking.models.database import db, transaction
from tests import builders
from tests.conftest import settings_for
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "flask", "--app", "wsgi", "serve")
PATIENCE = 30.0
GONE = (OSError, http.client.HTTPException)
"""What a client sees of a server that was killed."""
NOBODY_LISTENS = "smtp://127.0.0.1:9"

linux_only = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="reads the children of a process from /proc"
)

Found = TypeVar("Found")


class Answer(NamedTuple):
    """What came back for a request."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """Somebody on the other end of a connection; a new one for each request."""

    port: int

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, None, headers)

    def post_json(self, path: str, body: object, **headers: str) -> Answer:
        headers = {"Content-Type": "application/json"} | headers
        return self.ask("POST", path, json.dumps(body).encode(), headers)

    def post_form(self, path: str, body: dict[str, str], **headers: str) -> Answer:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | headers
        return self.ask("POST", path, urlencode(body).encode(), headers)

    def ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        """Ask once; raises one of `GONE` if there is no whole answer."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            line.request(method, path, body, headers)
            answer = line.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            line.close()

    def book(self, wish: "Wish", key: str) -> Answer:
        """Book by the API."""
        return self.post_json("/api/v1/appointments", wish.body, **{"Idempotency-Key": key})

    def free(self, service: str, first: date, last: date, practitioner: str | None) -> list[str]:
        """The starts that the API offers."""
        query: dict[str, object] = {"service": service, "from": first, "to": last}
        if practitioner:
            query["practitioner"] = practitioner
        answer = self.get(f"/api/v1/slots?{urlencode(query)}")
        return [each["start"] for each in answer.json["slots"]]


class Wish(NamedTuple):
    """A slot that somebody wants, as an API client writes it."""

    service: str
    start: str
    patient: int
    practitioner: str | None = "ada"

    @property
    def body(self) -> dict[str, object]:
        return {
            "service": self.service,
            "start": self.start,
            "practitioner": self.practitioner,
            "patient": {
                "name": "Sam Rivers",
                "email": f"sam{self.patient}@mail.example",
                "phone": f"+1212555{self.patient % 10_000:04}",
            },
            "email_consent": True,
        }


@dataclass
class Service:
    """A running service."""

    begun: Callable[[], subprocess.Popen[bytes]]
    port: int

    def __post_init__(self) -> None:
        self.process = self.begun()

    @property
    def client(self) -> Client:
        return Client(self.port)

    def web_workers(self) -> list[int]:
        """The processes that answer requests."""
        return children_of(self.family()[0])

    def web_master(self) -> int:
        return self.family()[0]

    def delivery_worker(self) -> int:
        return self.family()[1]

    def family(self) -> tuple[int, int]:
        """The web server's master, which has children, and the delivery worker, which has none."""

        def settled() -> tuple[int, int] | None:
            masters = [each for each in children_of(self.process.pid) if children_of(each)]
            others = [each for each in children_of(self.process.pid) if each not in masters]
            return (masters[0], others[0]) if len(masters) == len(others) == 1 else None

        return eventually(settled)

    def everybody(self) -> list[int]:
        """The parent and all that descend from it."""
        return [self.process.pid, *descendants_of(self.process.pid)]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop; returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE)

    def begin_again(self) -> None:
        """What a service manager does after it has ended."""
        self.process = self.begun()


@contextmanager
def a_service(
    database_url: str, log: Path, *, stdin: int = subprocess.DEVNULL, **settings: object
) -> Iterator[Service]:
    """A service on a port of its own, that answers; ended, with all its children, at the end."""
    environ = environment(database_url, BOOKING_PORT=(port := free_port()), **settings)

    def begun() -> subprocess.Popen[bytes]:
        with log.open("a") as output:
            return subprocess.Popen(
                COMMAND,
                cwd=ROOT,
                env=environ,
                stdin=stdin,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    service = Service(begun, port)
    try:
        eventually(lambda: answers(service))
        yield service
        if service.process.poll() is None:
            service.end()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(service.process.pid, signal.SIGKILL)
        service.process.wait()


def environment(database_url: str, **settings: object) -> dict[str, str]:
    """What a demo needs to know, and nothing of our own surroundings."""
    chosen: dict[str, object] = {
        "PATH": os.environ["PATH"],
        "BOOKING_DEMO": 1,
        "BOOKING_SECRET_KEY": builders.SECRET,
        "BOOKING_DATABASE_URL": database_url,
        "BOOKING_SMTP_URL": NOBODY_LISTENS,
        "BOOKING_RATE_LIMITS": "off",
    }
    return {name: str(each) for name, each in (chosen | settings).items()}


def answers(service: Service) -> bool:
    """Whether it serves; a service that has ended will not."""
    assert service.process.poll() is None, "the service ended"
    with suppress(*GONE):
        return service.client.get("/healthz").status == 200
    return False


def furnish(database_url: str) -> None:
    """Put the small clinic into a migrated database."""
    app = create_app(settings_for(database_url))
    with app.app_context():
        with transaction() as session:
            builders.a_clinic(session)
        db.session.remove()
        db.engine.dispose()


def coming_days(
    client: Client, service: str, *, count: int, practitioner: str | None = "ada"
) -> list[str]:
    """The starts of the next full days: no holiday is among them, nor a day that has begun."""
    first = utc_now().date() + timedelta(days=2)
    by_day: dict[str, list[str]] = {}
    for start in client.free(service, first, first + timedelta(days=26), practitioner):
        by_day.setdefault(start[:10], []).append(start)
    most = max(len(each) for each in by_day.values())
    full = [each for each in by_day.values() if len(each) == most]
    return [start for day in full[:count] for start in day]


def eventually(look: Callable[[], Found | None], *, within: float = PATIENCE) -> Found:
    """Look again and again until there is something to see."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
    return found


def children_of(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def descendants_of(pid: int) -> list[int]:
    return [each for child in children_of(pid) for each in (child, *descendants_of(child))]


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is not only waiting to be buried."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
