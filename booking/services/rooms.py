"""The rooms in which patients are met, as staff keep them."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.models import Appointment, Room
from booking.services.allocation import lock_all
from booking.services.clinic_settings import free_slug
from booking.services.relocating import coming
from booking.services.schedules import Act, put


class StillBooked(Exception):
    """Coming appointments lie in the room, and nobody has said that they know."""

    def __init__(self, references: list[str]) -> None:
        super().__init__()
        self.references = references


@dataclass(frozen=True)
class RoomDetails:
    """What staff say of a room."""

    name: str
    location_id: int | None
    active: bool
    """Whether appointments can be booked into it."""


def rooms(session: Session) -> Sequence[Room]:
    """All rooms, also those out of use."""
    return session.scalars(select(Room).order_by(Room.name)).all()


def room(session: Session, slug: str) -> Room | None:
    """The room that is called so, in use or not."""
    return session.scalar(select(Room).where(Room.slug == slug))


def add_room(session: Session, details: RoomDetails, *, act: Act) -> Room:
    """Another room; no service takes it yet."""
    made = Room(slug=free_slug(session, details.name), version=0, **asdict(details))
    session.add(made)
    session.flush()
    act.note(session, "room.add", made.slug)
    return made


def change_room(
    session: Session, which: Room, details: RoomDetails, *, known: Collection[str], act: Act
) -> None:
    """Change what is on file; coming appointments stay, also in a room out of use.

    Args:
        known: The references of the appointments that staff know to lie in it.

    Raises:
        StillBooked: if it goes out of use and others lie in it, also one that was booked
            meanwhile. Nothing is changed.
    """
    lock_all(session)
    if which.active and not details.active:
        lying = coming(session, Appointment.room_id == which.id, now=act.now)
        hit = [each.reference for each in lying]
        if any(each not in known for each in hit):
            raise StillBooked(hit)
    changed = put(which, asdict(details))
    session.flush()
    if changed:
        act.note(session, "room.change", which.slug, changed)
