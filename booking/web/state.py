"""What the app carries: its settings, its clock, its keys, and the clinic of the request."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from flask import current_app, g

from booking.messages.mail import Renderer
from booking.messages.transports import Transport
from booking.models import Clinic
from booking.models.database import db
from booking.services.appointments import House
from booking.services.remembering import Memory
from booking.settings import Settings


@dataclass(frozen=True)
class Booking:
    """What `create_app` was given, where every view can reach it."""

    settings: Settings
    clock: Callable[[], datetime]
    transport: Transport
    renderer: Renderer
    house: House
    memory: Memory
    """What this process remembers of the free times."""


def booking() -> Booking:
    """The app's own state."""
    return cast(Booking, current_app.extensions["booking"])


def now() -> datetime:
    """The present instant, in UTC, by the app's clock."""
    return booking().clock()


class NoClinic(Exception):
    """The database holds no clinic yet."""


def clinic() -> Clinic:
    """The clinic, read once for each request.

    Raises:
        NoClinic: if none was loaded yet.
    """
    if "clinic" not in g:
        found = db.session.get(Clinic, 1)
        if found is None:
            raise NoClinic
        g.clinic = found
    return cast(Clinic, g.clinic)
