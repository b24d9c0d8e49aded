"""A clinic in a database of its own, for measuring."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import structlog
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text as sql
from werkzeug.test import TestResponse

from booking.app import create_app
from booking.messages.transports import Transport
from booking.models.database import db, transaction
from tests import postgres
from tests.builders import CLINIC, NOW, Clock, Mailbox, a_clinic, the_service
from tests.conftest import migrate, settings_for
from tests.integration.history import AT_A_TIME, more_practitioners, past_appointments

FAR_AHEAD = CLINIC.replace("booking_horizon_days = 30", "booking_horizon_days = 730")
"""The same clinic, open for bookings two years ahead."""


DATABASES = ("sqlite", "postgresql")
LATELY = timedelta(days=7)
"""The past that is no longer shown begins so long ago."""


@contextmanager
def a_measured_app(
    past: int,
    text: str = CLINIC,
    *,
    transport: Transport | None = None,
    database: str = "sqlite",
    colleagues: int = 0,
) -> Iterator[Flask]:
    """The service with so many appointments behind it, and so many more who offer `video`."""
    with an_empty_database(database) as url:
        migrate(url)
        app = create_app(settings_for(url), clock=Clock(), transport=transport or Mailbox())
        app.test_client_class = Visitor
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # written, not printed
        with app.app_context():
            with transaction() as session:
                a_clinic(session, text)
                more_practitioners(session, the_service(session, "video"), colleagues)
            for first in range(0, past, AT_A_TIME):  # life does not write them all at once either
                with transaction() as session:
                    past_appointments(
                        session,
                        min(AT_A_TIME, past - first),
                        before=NOW - LATELY,
                        everybody=bool(colleagues),
                        after=first,
                    )
            _refresh_statistics()
            yield app
            db.session.remove()
            db.engine.dispose()


@contextmanager
def a_served_clinic(
    database: str, *, past: int = 20_000, colleagues: int = 0, text: str = CLINIC
) -> Iterator[str]:
    """The address of a database with a clinic in it, for processes that serve it."""
    with a_measured_app(past, text, database=database, colleagues=colleagues) as app:
        db.session.remove()
        url: str = app.config["SQLALCHEMY_DATABASE_URI"]
        yield url


@contextmanager
def an_empty_database(kind: str) -> Iterator[str]:
    """A file, or a database on a server of its own."""
    if kind == "sqlite":
        with TemporaryDirectory() as folder:
            yield f"sqlite:///{Path(folder) / 'booking.db'}"
    else:
        with postgres.server() as server:
            yield postgres.make_database(server, "booking_measured")


def _refresh_statistics() -> None:
    """As PostgreSQL does by itself a while after many rows have come."""
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sql("VACUUM ANALYZE"))


class Visitor(FlaskClient):
    """A client whose every request has a context of its own, as in real life.

    Otherwise the clinic and a reading transaction would be left over from the request before.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Fetch."""
        with self.application.app_context():
            return super().open(*args, buffered=True, **kwargs)


def cpu(work: Callable[[], object], *, times: int, rounds: int = 5) -> float:
    """Milliseconds of CPU of this process for one piece of work, in the best of some rounds."""
    return min(_round(work, times) for _ in range(rounds))


def _round(work: Callable[[], object], times: int) -> float:
    began = process_time()
    for _ in range(times):
        work()
    return (process_time() - began) / times * 1000
