"""A clinic in a database of its own, for measuring."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from flask import Flask

from booking.app import create_app
from booking.messages.transports import Transport
from booking.models.database import db, transaction
from tests.builders import CLINIC, NOW, Clock, Mailbox, a_clinic
from tests.conftest import migrate, settings_for
from tests.integration.history import past_appointments

FAR_AHEAD = CLINIC.replace("booking_horizon_days = 30", "booking_horizon_days = 730")
"""The same clinic, open for bookings two years ahead."""


@contextmanager
def a_measured_app(
    past: int, text: str = CLINIC, *, transport: Transport | None = None
) -> Iterator[Flask]:
    """The service on SQLite, with so many appointments behind it."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'booking.db'}"
        migrate(url)
        app = create_app(settings_for(url), clock=Clock(), transport=transport or Mailbox())
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # written, not printed
        with app.app_context():
            with transaction() as session:
                a_clinic(session, text)
                past_appointments(session, past, before=NOW)
            yield app
            db.session.remove()
            db.engine.dispose()
