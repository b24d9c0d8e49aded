"""The places where patients are met, as staff keep them; who is booked hears of a new address."""

from dataclasses import asdict, dataclass, field
from hashlib import sha256

from sqlalchemy.orm import Session

from booking.domain.translations import Translations
from booking.models import Location, Mode
from booking.services.allocation import lock_all
from booking.services.appointments import House
from booking.services.relocating import Reach, reach, relocate
from booking.services.schedules import Act, put
from booking.services.telling import place_of


class TellsPatients(Exception):
    """Patients would be told of the new address, and nobody has said that they know."""

    def __init__(self, concerned: Reach) -> None:
        super().__init__()
        self.concerned = concerned


@dataclass(frozen=True)
class PlaceDetails:
    """What staff say of a place."""

    name: str
    address: str
    directions: str
    translations: Translations = field(default_factory=dict)


def fingerprint(place: Location, details: PlaceDetails) -> str:
    """A short text for the change that somebody was asked about."""
    seen = (place.id, place.address, details)
    return sha256(repr(seen).encode()).hexdigest()[:16]


def add_place(session: Session, details: PlaceDetails, *, act: Act) -> Location:
    """Another place; no service is met there yet."""
    made = Location(**asdict(details))
    session.add(made)
    session.flush()
    act.note(session, "place.add", _subject(made))
    return made


def change_place(
    session: Session, place: Location, details: PlaceDetails, house: House, *, seen: str, act: Act
) -> int:
    """Change what is on file, and owe everybody who comes there the new address; gives how many.

    Args:
        seen: The fingerprint of the change about which staff were asked, if they were.

    Raises:
        TellsPatients: if that makes it known to somebody, and staff were not asked about this
            very change. Nothing is changed.
    """
    everything = lock_all(session)
    here = [
        each for each in everything if each.mode == Mode.IN_PERSON and each.location_id == place.id
    ]
    if place.address != details.address and seen != fingerprint(place, details):
        concerned = reach(session, here, now=act.now)
        if concerned.anybody:
            raise TellsPatients(concerned)
    former = {each.id: place_of(each) for each in here}
    changed = put(place, asdict(details))
    session.flush()
    told = relocate(session, here, former, house, act=act)
    if changed:
        act.note(session, "place.change", _subject(place), changed)
    return told


def _subject(place: Location) -> str:
    return f"place-{place.id}"
