"""What the app carries: its settings, its clock, its keys, and the clinic of the request."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, cast

from flask import current_app, g

from booking.messages.mail import Renderer
from booking.messages.transports import Transport
from booking.models import Clinic, HealthcareService
from booking.models.database import db
from booking.services.appointments import House
from booking.services.availability import service_for_all
from booking.services.remembering import Memory
from booking.settings import Settings
from booking.web.kept import Kept

if TYPE_CHECKING:
    from booking.web.times import Times

LETTERS, SLOTS = 8_000_000, 50_000
"""How much a process keeps: text in characters, and laid-out months by the slots in them."""
KEY = 3_000
"""What the key of a text weighs beside it: whoever asks for days without end gets short answers."""


def _weight(text: str) -> int:
    return KEY + len(text)


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
    texts: Kept[str] = field(default_factory=lambda: Kept(LETTERS, _weight))
    """What it has written of them."""
    times: "Kept[Times]" = field(default_factory=lambda: Kept(SLOTS, len))
    """The months that it has laid out."""


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
        _remember(db.session.get(Clinic, 1))
    return cast(Clinic, g.clinic)


def service_on_offer(slug: str, *, in_short: bool = False) -> HealthcareService | None:
    """The service of that name, if it is not for staff alone; with the clinic, in one look.

    Args:
        in_short: For who needs to know of both only what a form asks by.

    Raises:
        NoClinic: if there is a service but none.
    """
    found = service_for_all(db.session(), slug, in_short=in_short)
    if found is None:
        return None
    service, its_clinic = found
    _remember(its_clinic)
    return service


def _remember(found: Clinic | None) -> None:
    if found is None:
        raise NoClinic
    g.clinic = found
