"""Web server and worker under one command.

One parent, which does nothing but watch: it forks gunicorn and the worker from a process that
has loaded everything, begins again whichever dies, and ends both when it is told to stop.

The parent holds the socket on which gunicorn listens. Who knocks while gunicorn begins again, or
while the whole program gives way to a newer one (SIGHUP), waits a moment and is not turned away.
"""

import os
import socket
import sys
from contextlib import nullcontext, suppress
from pathlib import Path

from flask import Flask
from flask_migrate import upgrade
from flask_security.utils import hash_password
from gunicorn.app.base import BaseApplication
from sqlalchemy.exc import SQLAlchemyError

from booking import seed, worker
from booking.listening import CannotListenError, begin_anew, listen
from booking.messages.maildir import MaildirTransport
from booking.models import schema
from booking.models.database import db, transaction
from booking.plain_worker import PlainWorker
from booking.processes import GRACE, Family, die_with_parent
from booking.services import people
from booking.services.outbox import new_holder
from booking.settings import Settings
from booking.web import metrics
from booking.web.state import Booking


class Web(BaseApplication):  # type: ignore[misc]
    """Gunicorn, told everything by our settings."""

    def __init__(self, app: Flask, settings: Settings, listener: socket.socket) -> None:
        self._app, self._settings = app, settings
        self._bind = f"fd://{listener.detach()}"  # gunicorn closes it
        super().__init__()

    def load_config(self) -> None:
        settings = self._settings
        chosen = {
            "bind": self._bind,
            "workers": settings.web_workers,
            "threads": settings.web_threads,
            "worker_class": PlainWorker,
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
    try:
        listener = listen(settings)
    except CannotListenError as error:
        return _refuse(str(error))
    if fault := _prepare(app):
        return _refuse(fault)
    _announce(settings, state, _first_link(app))
    holder = new_holder()
    family = Family(
        web=lambda: Web(app, settings, listener).run(),
        worker=lambda: _work(app, holder, listener),
    )
    with metrics.shared() if settings.metrics_token else nullcontext():
        anew = family.live()
        if not anew:
            listener.close()  # who comes now is turned away at once
        family.end()
    if anew:
        begin_anew(listener)
    return 0


def serve_web(app: Flask) -> int:
    """The web server alone, on a database that is there and migrated; returns the exit status."""
    settings: Settings = app.extensions["booking"].settings
    try:
        listener = listen(settings)
    except CannotListenError as error:
        return _refuse(str(error))
    if fault := newer_schema_of(app):
        return _refuse(fault)
    with app.app_context():
        db.engine.dispose()  # no connection may be shared with the children
    sys.argv = ["booking"]  # gunicorn reads it
    with metrics.shared() if settings.metrics_token else nullcontext():
        Web(app, settings, listener).run()
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


def _work(app: Flask, holder: str, listener: socket.socket) -> None:
    listener.close()  # the port must be free again as soon as nobody serves on it
    worker.run(app, holder)


def _after_fork(_server: object, _worker: object) -> None:
    die_with_parent()


def _refuse(fault: str) -> int:
    print(fault, file=sys.stderr)  # noqa: T201
    return 1


def _prepare(app: Flask) -> str | None:
    """Bring the database up to date; returns what is wrong, in a sentence."""
    settings: Settings = app.extensions["booking"].settings
    try:
        if settings.sqlite_path is not None:
            private_folder(settings.sqlite_path.absolute().parent)
        with app.app_context():
            if fault := newer_schema():
                return fault
            upgrade()
            if settings.demo:
                seed_demo(app)
            db.engine.dispose()  # no connection may be shared with the children
    except (SQLAlchemyError, OSError) as error:
        return cannot_be_used(error)
    return None


def private_folder(folder: Path) -> None:
    """Make the folder of the database, if it is not there, for us alone."""
    os.umask(0o077)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def cannot_be_used(error: Exception) -> str:
    """The sentence about a database that does not let us in."""
    cause = " ".join(str(getattr(error, "orig", None) or error).split())[:200].rstrip(".?")
    return f"BOOKING_DATABASE_URL names a database that cannot be used: {cause}."


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
