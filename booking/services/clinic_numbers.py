"""The clinic's habits: how many appointments one may hold, who is told, what calendars may do."""

from dataclasses import asdict, dataclass

from sqlalchemy.orm import Session

from booking.models import Clinic, FeedShows
from booking.services.schedules import Act, put


@dataclass(frozen=True)
class ClinicNumbers:
    """What holds for the whole clinic; time zone and country are not among it.

    With another time zone every opening hour would mean another instant.
    """

    appointments_per_contact: int
    exit_url: str
    staff_email: str | None
    feed_shows: FeedShows
    proposals_welcome: bool
    decline_cancels: bool


def change_numbers(session: Session, clinic: Clinic, numbers: ClinicNumbers, *, act: Act) -> None:
    """Let it be so from now on; what was booked and sent stays."""
    changed = put(clinic, asdict(numbers))
    session.flush()
    if changed:
        act.note(session, "clinic.change", "clinic", changed)
