"""The same clinic twice: as we serve it, and as django-appointment does.

Both have one gunicorn worker with four threads, a SQLite file that is written the same way, and
write their mails into a folder. Both begin as their own documentation says.
"""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from benchmarks.browser import Browser
from benchmarks.clinic import LATELY, a_served_clinic
from benchmarks.served import THREADS, seconds_of
from tests.builders import NEW_YORK, NOW, SECRET
from tests.ports import free_port

ROOT = Path(__file__).parent.parent
PATIENCE = 60.0
CODE = """SELECT code FROM appointment_emailverificationcode AS sent
JOIN auth_user ON auth_user.id = sent.user_id WHERE email = ? ORDER BY sent.id DESC"""
AT_A_TIME = """SELECT count(*) FROM appointment_appointment AS made
JOIN appointment_appointmentrequest AS wish ON wish.id = made.appointment_request_id
WHERE wish.date = ? AND wish.start_time = ?"""
LENGTH = timedelta(minutes=30)
CLINIC = """
[clinic]
name = "Quiet Harbor Clinic"
neutral_name = "Quiet Harbor"
timezone = "America/New_York"
country = "US"
region = "NY"
phone = "(212) 555-0142"
staff_email = "desk@clinic.example"
crisis_text = "In crisis? Call or text this number at any hour."
crisis_phone = "988"
exit_url = "https://www.weather.gov/"
appointments_per_contact = 1000

[[practitioners]]
slug = "ada"
name = "Ada Bell"
email = "ada@clinic.example"

[[practitioners.hours]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
opens = "09:00"
closes = "17:00"

[[services]]
slug = "video"
name = "Consultation"
mode = "video"
video_url = "https://video.clinic.example/room"
duration = 30
step = 30
minimum_notice = 0
booking_horizon_days = 90
reminders = []
practitioners = ["ada"]
"""


@dataclass(frozen=True)
class Patient:
    """Who books."""

    number: int
    known: bool = False
    """Whether this browser has booked before, and is signed in where there are accounts."""

    name = "Sam Rivers"
    phone = "2125550123"

    @property
    def email(self) -> str:
        """An address of their own."""
        return f"sam{self.number}@mail.example"


@dataclass(frozen=True)
class Service:
    """A service that runs."""

    port: int
    pid: int
    database: Path
    start: float
    """Seconds from its command to the first page of times."""

    def seconds(self) -> float:
        """The CPU that all its processes have used."""
        return sum(seconds_of(pid) for pid in processes(self.pid))

    def memory(self) -> float:
        """Megabytes of all its processes; what they share counts once (PSS)."""
        kilobytes = 0
        for pid in processes(self.pid):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return kilobytes / 1024

    def mails(self) -> int:
        """How many it has written; a file may hold several."""
        files = [each for each in (self.database.parent / "mail").rglob("*") if each.is_file()]
        return sum(each.read_bytes().lower().count(b"\nmessage-id:") for each in files)

    def ask(self, statement: str, *values: str) -> str:
        """The first field of what a statement finds in its database, or changes there."""
        with closing(sqlite3.connect(self.database, timeout=PATIENCE)) as line, line:
            found = line.execute(statement, values).fetchone()
        return str(found[0]) if found else ""


def processes(pid: int) -> list[int]:
    """A process with its children, and theirs."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in processes(int(child)))]


@contextmanager
def running(
    command: Sequence[str], environ: Mapping[str, str], port: int, database: Path, page: str
) -> Iterator[Service]:
    """Begin a service, and end it."""
    began = time.perf_counter()
    parent = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not answers(port, page):
            if time.perf_counter() - began > PATIENCE or parent.poll() is not None:
                raise TimeoutError(f"{command[0]} does not answer.")
            time.sleep(0.02)
        yield Service(port, parent.pid, database, time.perf_counter() - began)
    finally:
        parent.terminate()
        parent.wait(PATIENCE)


def answers(port: int, page: str) -> bool:
    """Whether somebody who knocks is shown the page."""
    try:
        return Browser(port, 0).get(page) == 200
    except OSError:
        return False


Press = Callable[[], int]
"""Presses the last button; gives the status of the answer."""


class Ours:
    """This service as `flask serve` runs it: web server and worker."""

    name = "ours"
    page = "/services/video"
    headers: ClassVar[dict[str, str]] = {}

    @contextmanager
    def clinic(self, past: int) -> Iterator[Path]:
        """Its database, with so many appointments behind it."""
        with a_served_clinic("sqlite", past=past, text=CLINIC) as url:
            database = Path(url.removeprefix("sqlite:///"))
            with closing(sqlite3.connect(database)) as line, line:
                # Django-appointment erases nobody: what the worker would spend on it is no answer.
                line.execute("UPDATE clinic SET erase_after_days = NULL")
            yield database

    @contextmanager
    def served(self, database: Path) -> Iterator[Service]:
        """The service on it; mails are made at once, as they are on the other side."""
        port = free_port()
        environ = {
            "BOOKING_SECRET_KEY": SECRET,
            "BOOKING_DATABASE_URL": f"sqlite:///{database}",
            "BOOKING_BASE_URL": f"http://127.0.0.1:{port}",
            "BOOKING_PORT": str(port),
            "BOOKING_SMTP_URL": f"maildir:{database.parent / 'mail'}",
            "BOOKING_MAIL_FROM": "appointments@clinic.example",
            "BOOKING_PROXIES": "1",
            "BOOKING_UNDO_SECONDS": "0",
            "BOOKING_WEB_WORKERS": "1",
            "BOOKING_WEB_THREADS": str(THREADS),
        }
        command = (sys.executable, "-m", "flask", "--app", "wsgi", "serve")
        with running(command, environ, port, database, self.page) as service:
            yield service

    def days(self, first: date, count: int) -> list[str]:
        """What is asked for the free times of some days."""
        last = first + timedelta(days=count - 1)
        return [f"/api/v1/slots?service=video&from={first}&to={last}"]

    def starts(self, answer: Any) -> list[datetime]:
        """The free times in an answer."""
        return [
            datetime.fromisoformat(each["start"]).astimezone(NEW_YORK) for each in answer["slots"]
        ]

    def change(self, service: Service) -> None:
        """Let what is remembered of the practitioner's times be old, as a booking does."""
        service.ask("UPDATE time_version SET version = version + 1 RETURNING version")

    def choose(self, _service: Service, browser: Browser, start: datetime, who: Patient) -> Press:
        """All pages up to the last button."""
        browser.get(self.page)
        browser.get(f"{self.page}?day={start:%Y-%m-%d}")
        browser.get(f"{self.page}/book?start={start.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
        fields = browser.fields("//form[@data-hold]") | {
            "name": who.name,
            "email": who.email,
            "phone": who.phone,
            "email_consent": "y",
        }

        def press() -> int:
            browser.beside(f"{self.page}/hold", fields)  # its script does when somebody types
            return browser.post(f"{self.page}/book", fields)

        return press

    def settle(self, service: Service) -> None:
        """Wait until every mail is written."""
        while int(service.ask("SELECT count(*) FROM outbox WHERE settled_at IS NULL")):
            time.sleep(0.05)

    def appointments(self, service: Service, start: datetime) -> int:
        """How many there are at a time."""
        at = f"{start.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        query = "SELECT count(*) FROM appointment WHERE datetime(start_at) = ?"
        return int(service.ask(f"{query} AND status = 'booked'", at))


class Theirs:
    """django-appointment, under gunicorn as Django's documentation says."""

    name = "django-appointment"
    page = "/appointment/request/1/"
    headers: ClassVar[dict[str, str]] = {"X-Requested-With": "XMLHttpRequest"}
    _slots = "/appointment/ajax/available_slots/?staff_member=1&service_id=1&selected_date="
    _days_off = "/appointment/ajax/request_staff_info/?staff_member=1"

    def __init__(self, python: str) -> None:
        self._python = python

    @contextmanager
    def clinic(self, past: int) -> Iterator[Path]:
        """Its database, with as many appointments behind it as ours."""
        with TemporaryDirectory() as folder:
            seed = (self._python, "-m", "benchmarks.django_appointment.seed")
            arguments = (str(past), (NOW - LATELY).isoformat())
            environ = os.environ | self._environ(Path(folder))
            subprocess.run([*seed, *arguments], cwd=ROOT, env=environ, check=True)
            yield Path(folder) / "appointment.db"

    @contextmanager
    def served(self, database: Path) -> Iterator[Service]:
        """The service on it."""
        port = free_port()
        options = (f"--threads={THREADS}", "--keep-alive=5", "--no-control-socket")
        served = (f"--bind=127.0.0.1:{port}", "django.core.wsgi:get_wsgi_application()")
        command = (self._python, "-m", "gunicorn", *options, *served)
        environ = self._environ(database.parent)
        with running(command, environ, port, database, self.page) as service:
            yield service

    def days(self, first: date, count: int) -> list[str]:
        """What is asked for the free times of some days: each of them."""
        return [f"{self._slots}{first + timedelta(days=each)}" for each in range(count)]

    def starts(self, answer: Any) -> list[datetime]:
        """The free times in an answer; they stand there as the clinic's clock shows them."""
        walls = [datetime.fromisoformat(start) for start, _ in answer["available_slots"]]
        return [wall.replace(tzinfo=NEW_YORK) for wall in walls]

    def change(self, service: Service) -> None:
        """Nothing is remembered of anybody's times."""

    def choose(self, service: Service, browser: Browser, start: datetime, who: Patient) -> Press:
        """All pages up to the last button; whoever is new types the code of a mail there."""
        browser.get(self.page)
        for day in (datetime.now(NEW_YORK), start):  # its script asks for today's first
            browser.beside(self._days_off)
            browser.beside(f"{self._slots}{day:%Y-%m-%d}")
        browser.post("/appointment/request-submit/", self._wish(browser, start))
        browser.follow()
        details, page = self._details(browser, who), browser.path
        if who.known:
            return lambda: browser.post(page, details)
        browser.post(page, details)
        browser.follow()
        code = {"code": service.ask(CODE, who.email)}
        fields, page = browser.fields("//form[@method='post']") | code, browser.path
        return lambda: browser.post(page, fields)

    def _wish(self, browser: Browser, start: datetime) -> dict[str, str]:
        return browser.fields("//form[@id='djappt-booking-form']") | {
            "staff_member": "1",
            "service": "1",
            "date": f"{start:%Y-%m-%d}",
            "start_time": f"{start:%H:%M}",
            "end_time": f"{start + LENGTH:%H:%M}",
        }

    def _details(self, browser: Browser, who: Patient) -> dict[str, str]:
        fields = browser.fields("//form[@id='djappt-client-form']")
        mine = {"name": who.name, "phone_0": "US", "phone_1": who.phone, "payment_type": "full"}
        return fields | mine | ({} if who.known else {"email": who.email})

    def settle(self, service: Service) -> None:
        """Its mails are written before it answers."""

    def appointments(self, service: Service, start: datetime) -> int:
        """How many there are at a time."""
        return int(service.ask(AT_A_TIME, f"{start:%Y-%m-%d}", f"{start:%H:%M:%S}"))

    def _environ(self, folder: Path) -> dict[str, str]:
        settings = {"DJANGO_SETTINGS_MODULE": "benchmarks.django_appointment.settings"}
        return settings | {"BENCHMARK_FOLDER": str(folder)}


Side = Ours | Theirs
