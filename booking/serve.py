"""Web server and worker under one command.

One parent, which does nothing but watch: it forks gunicorn and the worker from a process that
has loaded everything, begins again whichever dies, and ends both when it is told to stop.
"""

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from types import FrameType

import structlog
from flask import Flask
from flask_migrate import upgrade
from flask_security.utils import hash_password
from gunicorn.app.base import BaseApplication
from sqlalchemy.exc import SQLAlchemyError

from booking import seed, worker
from booking.messages.maildir import MaildirTransport
from booking.models import schema
from booking.models.database import db, transaction
from booking.services import people
from booking.services.outbox import new_holder
from booking.settings import Settings
from booking.web import metrics
from booking.web.state import Booking

log = structlog.get_logger("serve")

GRACE = 15.0
"""Seconds that children have to finish what they are doing."""
CALM = 5.0
"""A child that lived shorter than this is begun again only after a pause."""
DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl(2)."""


class Web(BaseApplication):  # type: ignore[misc]
    """Gunicorn, told everything by our settings."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app, self._settings = app, settings
        super().__init__()

    def load_config(self) -> None:
        settings = self._settings
        chosen = {
            "bind": f"{settings.bind}:{settings.port}",
            "workers": settings.web_workers,
            "threads": settings.web_threads,
            "worker_class": "gthread",
            "preload_app": True,
            "graceful_timeout": int(GRACE) - 5,
            "timeout": 60,
            "keepalive": 5,
            "limit_request_line": 4094,
            "limit_request_fields": 60,
            "control_socket_disable": True,
            "loglevel": "error",
            "forwarded_allow_ips": "127.0.0.1",
            "post_fork": _after_fork,
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._app


def serve(app: Flask) -> int:
    """Migrate, seed the demo, serve; returns the exit status."""
    state: Booking = app.extensions["booking"]
    settings = state.settings
    fault = _port_fault(settings) or _prepare(app)
    if fault:
        print(fault, file=sys.stderr)  # noqa: T201
        return 1
    _announce(settings, state, _first_link(app))
    holder = new_holder()
    family = Family(
        web=lambda: Web(app, settings).run(),
        worker=lambda: worker.run(app, holder),
    )
    with metrics.shared() if settings.metrics_token else nullcontext():
        return family.live()


def serve_web(app: Flask) -> int:
    """The web server alone, on a database that is there and migrated; returns the exit status."""
    settings: Settings = app.extensions["booking"].settings
    fault = _port_fault(settings) or newer_schema_of(app)
    if fault:
        print(fault, file=sys.stderr)  # noqa: T201
        return 1
    with app.app_context():
        db.engine.dispose()  # no connection may be shared with the children
    sys.argv = ["booking"]  # gunicorn reads it
    with metrics.shared() if settings.metrics_token else nullcontext():
        Web(app, settings).run()
    return 0


def seed_demo(app: Flask) -> bool:
    """Fill an empty database with the demo clinic, and its sign-in."""
    state: Booking = app.extensions["booking"]
    hashed = hash_password(seed.DEMO_PASSWORD)
    with transaction() as session:
        return seed.seed_demo(session, state.house, hashed, now=state.clock())


def newer_schema() -> str | None:
    """What is wrong, in a sentence, if a newer release has migrated the database."""
    with db.engine.connect() as connection:
        found = schema.newer(connection)
    db.engine.dispose()  # no connection may be shared with the children
    return found


def newer_schema_of(app: Flask) -> str | None:
    """The same for who serves without us; a database that is not there yet, or away, is none."""
    path = app.extensions["booking"].settings.sqlite_path
    if path is not None and not path.is_file():  # asking would make it
        return None
    with app.app_context(), suppress(SQLAlchemyError):
        return newer_schema()
    return None


class Family:
    """The children of one parent: begun again when they die, ended when it is told to end."""

    def __init__(self, **children: Callable[[], object]) -> None:
        self._children = children
        self._running: dict[int, str] = {}
        self._began: dict[str, float] = {}
        self._stopping = False

    def live(self) -> int:
        """Until a signal says otherwise."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        for name in self._children:
            self._begin(name)
        while not self._stopping:
            self._reap()
            time.sleep(0.2)
        return self._end()

    def _begin(self, name: str) -> None:
        pid = os.fork()
        if pid == 0:
            _be_a_child(self._children[name])
        self._running[pid] = name
        self._began[name] = time.monotonic()

    def _reap(self) -> None:
        for pid, name in list(self._running.items()):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                continue
            del self._running[pid]
            log.error("child_died", child=name)
            if time.monotonic() - self._began[name] < CALM:
                time.sleep(1)
            if not self._stopping:
                self._begin(name)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _end(self) -> int:
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while self._running and time.monotonic() < deadline:
            for pid in list(self._running):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del self._running[pid]
            time.sleep(0.05)
        self._signal(signal.SIGKILL)
        return 0

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._running:
            os.kill(pid, number)


def _be_a_child(work: Callable[[], object]) -> None:
    """Do the work of a child and end; the parent's death ends it too."""
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _die_with_parent()
        sys.argv = ["booking"]
        work()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(status)


def _after_fork(_server: object, _worker: object) -> None:
    _die_with_parent()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(DIE_WITH_PARENT, signal.SIGTERM)


def _port_fault(settings: Settings) -> str | None:
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.bind, settings.port))
        except OSError as error:
            return (
                f"Port {settings.port} on {settings.bind} cannot be used: {error.strerror}. "
                "Set BOOKING_PORT to another."
            )
    return None


def _prepare(app: Flask) -> str | None:
    """Bring the database up to date; returns what is wrong, in a sentence."""
    settings: Settings = app.extensions["booking"].settings
    try:
        if settings.sqlite_path is not None:
            _private_folder(settings.sqlite_path.absolute().parent)
        with app.app_context():
            if fault := newer_schema():
                return fault
            upgrade()
            if settings.demo:
                seed_demo(app)
            db.engine.dispose()  # no connection may be shared with the children
    except (SQLAlchemyError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        return f"BOOKING_DATABASE_URL names a database that cannot be used: {_one_line(cause)}."
    return None


def _private_folder(folder: Path) -> None:
    os.umask(0o077)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")


def _first_link(app: Flask) -> str | None:
    """The way in for the first administrator, where nobody can sign in yet."""
    state: Booking = app.extensions["booking"]
    if state.settings.demo:
        return None
    with app.app_context():
        with transaction() as session:
            token = people.first_link(session, state.house.keys, now=state.clock())
        db.engine.dispose()  # no connection may be shared with the children
    return f"{state.settings.base_url}/join/{token}" if token else None


def _announce(settings: Settings, state: Booking, first_link: str | None) -> None:
    lines = [f"Booking is at {settings.base_url}/ (staff: {settings.base_url}/staff/)"]
    if settings.demo:
        lines.append(f"Demo sign-in: {seed.DEMO_SIGN_IN}  password: {seed.DEMO_PASSWORD}")
    if first_link:
        lines.append(f"Nobody can sign in yet. Within 24 hours, once: {first_link}")
    if isinstance(state.transport, MaildirTransport):
        lines.append(f"Mail goes to the folder {settings.smtp_url.removeprefix('maildir:')}/new")
    else:
        lines.append("Mail goes to the relay that BOOKING_SMTP_URL names")
    lines.append("Stop with Ctrl-C")
    print("\n".join(lines), flush=True)  # noqa: T201
