"""What a message needs to know: plain values, so that rendering never reads the database.

Values that identify a person or open a door stay out of ``repr`` and so out of logs.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Mode = Literal["in_person", "video", "phone"]


@dataclass(frozen=True, kw_only=True)
class ClinicFacts:
    """Who writes."""

    name: str
    """A neutral name: it stands in the mail's From and in the calendar."""

    phone: str

    address_of_mail: str
    """The one steady mailbox that is From and ORGANIZER, and that somebody reads."""

    timezone: str

    tagged: bool = False
    """Whether each mail has its own envelope sender and Reply-To, ``local+key@domain``."""

    proposals_welcome: bool = False
    """Whether calendar apps may offer to propose another time."""


@dataclass(frozen=True, kw_only=True)
class AppointmentFacts:
    """What is told to a patient.

    The practitioner's name is not among it: it can be looked up and tells the speciality.
    """

    uid: str = field(repr=False)
    """A bare random UUID, the secret that an answer must know (RFC 7986 §5.3)."""

    sequence: int
    start: datetime
    end: datetime
    created_at: datetime
    updated_at: datetime
    mode: Mode

    title: str = "Appointment"
    """The event's neutral title."""

    location: str = ""
    """One line of street address; empty unless the mode is ``in_person``."""

    video_url: str | None = field(default=None, repr=False)
    patient_address: str = field(repr=False)
    patient_timezone: str

    language: str = "en"
    """In which the patient is written to, one of `languages.LANGUAGES`."""

    partstat: str = "NEEDS-ACTION"
    """The answer heard so far (RFC 5545 §3.2.12)."""

    manage_url: str = field(repr=False)
    """The patient's own link; empty in what goes to an address that is no longer theirs."""
    cancelled: bool = False
    changeable: bool = True
    """Whether whoever reads it soon can still move or cancel it online."""

    kept_until: datetime | None = None
    """In an offer: how long its time is kept."""


@dataclass(frozen=True, kw_only=True)
class StaffEventFacts:
    """What stands in a calendar of the clinic: initials at the most, and no way to the patient."""

    uid: str = field(repr=False)
    sequence: int
    start: datetime
    end: datetime
    created_at: datetime
    updated_at: datetime
    title: str = field(repr=False)
    location: str = ""
    """A room."""

    staff_url: str
    """Opens after sign-in only."""

    cancelled: bool = False


@dataclass(frozen=True, kw_only=True)
class NoticeFacts:
    """What is told to staff and practitioners by mail: a time and a link, no patient."""

    staff_url: str
    start: datetime
    end: datetime
    timezone: str
