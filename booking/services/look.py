"""How the clinic looks: its colour and its logo."""

from hashlib import sha256

from sqlalchemy.orm import Session

from booking.domain.colours import Colour
from booking.domain.pictures import read_picture
from booking.models import Clinic, Logo
from booking.services.schedules import Act

LARGEST_LOGO = 100 * 1024


class TooLarge(ValueError):
    """The file has too many bytes."""


def change_colour(session: Session, clinic: Clinic, colour: Colour | None, *, act: Act) -> None:
    """Draw with this colour from now on, or with the product's own."""
    clinic.accent = str(colour) if colour else None
    session.flush()
    act.note(session, "look.change", "clinic", ["accent"])


def put_logo(session: Session, clinic: Clinic, content: bytes, *, act: Act) -> None:
    """Show this picture beside the clinic's name.

    Raises:
        TooLarge: if it has more than 100 KiB.
        NoPicture: if it is no PNG and no JPEG.
    """
    if len(content) > LARGEST_LOGO:
        raise TooLarge
    picture = read_picture(content)
    session.merge(Logo(id=1, media_type=picture.media_type, content=content))
    clinic.logo_digest = sha256(content).hexdigest()[:16]
    clinic.logo_width, clinic.logo_height = picture.width, picture.height
    session.flush()
    act.note(session, "look.change", "clinic", ["logo"])


def remove_logo(session: Session, clinic: Clinic, *, act: Act) -> None:
    """Show the name alone."""
    found = session.get(Logo, 1)
    if found:
        session.delete(found)
    clinic.logo_digest = clinic.logo_width = clinic.logo_height = None
    session.flush()
    act.note(session, "look.change", "clinic", ["logo"])
