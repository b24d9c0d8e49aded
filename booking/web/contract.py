"""What the API reads and what it answers, as models.

A body is checked by its model, an answer is made from one, and the document of the API
(`openapi.py`) is made from both: so what it says and what is done cannot drift apart.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from booking.domain.lifecycle import Status
from booking.messages.languages import ENGLISH, LANGUAGES
from booking.models import Mode

NUL = "\0"
"""PostgreSQL stores no text with it, and refuses to look for any."""

Text = Annotated[str, Field(max_length=2000, pattern=f"^[^{NUL}]*$")]
Name = Annotated[
    Text, Field(max_length=120, description="As its owner writes it.", examples=["Sam Rivers"])
]
Reason = Annotated[Text, Field(max_length=500, examples=["I am away."])]
Email = Annotated[Text, Field(max_length=254, examples=["sam@mail.example"])]
Phone = Annotated[Text, Field(max_length=40, examples=["(212) 555-0123"])]
Instant = Annotated[
    str,
    Field(
        json_schema_extra={"format": "date-time"},
        description="RFC 3339, in UTC.",
        examples=["2026-11-24T14:00:00Z"],
    ),
]


class Body(BaseModel):
    """A request body: exact types, what it does not name is left aside."""

    model_config = ConfigDict(strict=True, extra="ignore")


Timezone = Annotated[
    Text | None,
    Field(
        description="IANA name of the zone in which times are told; without it the clinic's.",
        examples=["America/New_York"],
    ),
]
MayLeaveMessage = Annotated[bool, Field(description="Whether a message may be left at the number.")]
Language = Annotated[
    Text,
    Field(
        description="In which language the patient is written to.",
        json_schema_extra={"enum": [*LANGUAGES]},
    ),
]


class PatientBody(Body):
    """Who is to be met."""

    name: Name
    email: Email = Field(description="One plain address; the invitation goes there.")
    phone: Phone | None = Field(
        None, description="As people type it; needed when the service's mode is `phone`."
    )
    timezone: Timezone = None
    may_leave_message: MayLeaveMessage = False
    language: Language = ENGLISH


class BookingBody(Body):
    """What is to be booked, and for whom."""

    service: Text = Field(description="Slug of the service.", examples=["first-consultation"])
    start: Text = Field(
        description="Start of a free slot: RFC 3339, with any offset.",
        json_schema_extra={"format": "date-time"},
        examples=["2026-11-24T14:00:00Z"],
    )
    practitioner: Text | None = Field(
        None,
        description="Slug of a practitioner; without it whoever is free and has fewest"
        " appointments that day is chosen.",
        examples=["maya-ellison"],
    )
    patient: PatientBody
    email_consent: bool = Field(
        description="The patient agrees to be told by email: nothing is booked without.",
        json_schema_extra={"const": True},
    )


class RescheduleBody(Body):
    """Where an appointment is to be moved."""

    start: Text = Field(
        description="Start of a free slot: RFC 3339, with any offset.",
        json_schema_extra={"format": "date-time"},
        examples=["2026-11-24T15:00:00Z"],
    )


class CancelBody(Body):
    """Why an appointment is cancelled; the clinic reads it, nobody is mailed it."""

    reason: Reason = ""


class CallerBody(Body):
    """Who is to be met, with an address or a number, as they told the desk."""

    name: Name
    email: Email | None = Field(
        None, description="The invitation goes there; without it nobody is written to."
    )
    phone: Phone | None = Field(
        None,
        description="As people type it; needed without an address, and when the service's mode is"
        " `phone`.",
    )
    timezone: Timezone = None
    may_leave_message: MayLeaveMessage = False
    language: Language = ENGLISH


class StaffBookingBody(Body):
    """What the desk books, and for whom."""

    service: Text = Field(
        description="Slug of the service; also one that is for staff alone.",
        examples=["first-consultation"],
    )
    start: Text = Field(
        description="Start of a free slot: RFC 3339, with any offset.",
        json_schema_extra={"format": "date-time"},
        examples=["2026-11-24T14:00:00Z"],
    )
    practitioner: Text | None = Field(
        None,
        description="Slug of a practitioner; without it whoever is free and has fewest"
        " appointments that day is chosen.",
        examples=["maya-ellison"],
    )
    patient: CallerBody


class MoveBody(RescheduleBody):
    """Where the desk moves an appointment."""

    practitioner: Text | None = Field(
        None,
        description="Slug of a practitioner; without it the present one if free then, otherwise"
        " another.",
        examples=["maya-ellison"],
    )


class AttendanceBody(Body):
    """Whether the patient came."""

    status: Literal["arrived", "fulfilled", "noshow", "booked"] = Field(
        description="`arrived`, `fulfilled` (was seen), `noshow` (did not come), or `booked`: what"
        " was noted is taken back."
    )


class Answer(BaseModel):
    """Something that is told."""

    model_config = ConfigDict(frozen=True)


class PractitionerAnswer(Answer):
    """Who sees patients."""

    slug: str = Field(description="Names the practitioner in requests.", examples=["maya-ellison"])
    name: str = Field(examples=["Dr. Maya Ellison"])


class ServiceAnswer(Answer):
    """What can be booked."""

    slug: str = Field(description="Names the service in requests.", examples=["first-consultation"])
    name: str = Field(examples=["First consultation"])
    duration_minutes: int = Field(examples=[45])
    mode: Mode = Field(description="How patient and practitioner meet.")
    practitioners: list[PractitionerAnswer] = Field(description="Who offers it.")


class ServicesAnswer(Answer):
    """Everything that anybody can book."""

    services: list[ServiceAnswer]


class SlotAnswer(Answer):
    """A time on offer."""

    start: Instant
    end: Instant
    practitioners: list[str] = Field(
        description="Slugs of those who are free then.", examples=[["maya-ellison"]]
    )


class SlotsAnswer(Answer):
    """The free slots of one service."""

    service: str = Field(description="Slug of the service.", examples=["first-consultation"])
    timezone: str = Field(
        description="IANA name of the zone whose days were asked for.",
        examples=["America/New_York"],
    )
    slots: list[SlotAnswer] = Field(description="In order of time.")


class LinksAnswer(Answer):
    """Where to go on; whoever has one of these addresses has the appointment."""

    self: str = Field(description="The appointment, in this API.")
    manage: str = Field(description="The patient's own page.")
    invite: str = Field(description="The calendar file (iCalendar).")


class AppointmentAnswer(Answer):
    """An appointment, without a word about the patient."""

    token: str = Field(description="Opens the appointment to whoever has it: keep it secret.")
    status: Status
    service: str = Field(description="Slug of the service.", examples=["first-consultation"])
    start: Instant
    end: Instant
    sequence: int = Field(
        ge=0, description="iCalendar SEQUENCE: rises with every change the patient is told of."
    )
    practitioner: PractitionerAnswer
    links: LinksAnswer


class StaffPatientAnswer(Answer):
    """Who comes."""

    name: str = Field(examples=["Sam Rivers"])
    email: str | None
    phone: str | None = Field(description="E.164.")
    may_leave_message: bool = Field(description="Whether a message may be left at the number.")
    timezone: str = Field(description="IANA name of the zone in which they are told times.")
    language: str = Field(description="In which language they are written to.")


class StaffAppointmentAnswer(Answer):
    """An appointment as the desk sees it."""

    reference: str = Field(description="Names it in requests.", examples=["7KX2M9QD"])
    status: Status
    service: str = Field(description="Slug of the service.", examples=["first-consultation"])
    start: Instant
    end: Instant
    sequence: int = Field(
        ge=0, description="iCalendar SEQUENCE: rises with every change the patient is told of."
    )
    practitioner: PractitionerAnswer
    room: str | None = Field(description="Slug of the room, where it takes one.")
    created_at: Instant
    updated_at: Instant
    patient: StaffPatientAnswer | None = Field(
        description="`null` for a key without `appointments:read`, and once it was erased."
    )


class StaffAppointmentsAnswer(Answer):
    """Some appointments, in order of time; cancelled ones are among them."""

    appointments: list[StaffAppointmentAnswer]
    next: str | None = Field(
        description="There are more: ask again with this as `after`. `null` at the end."
    )


class Problem(Answer):
    """What went wrong (RFC 9457)."""

    type: Literal["about:blank"] = "about:blank"
    status: int = Field(description="The HTTP status.")
    code: str = Field(description="For programs: stays the same.")
    title: str = Field(description="For people.")


class InvalidProblem(Problem):
    """What is missing or wrong, field by field."""

    errors: dict[str, list[str]] = Field(
        description="Sentences by the name of the field or parameter."
    )


class TakenProblem(Problem):
    """The time is gone; there are others."""

    alternatives: list[SlotAnswer] = Field(description="The nearest free slots, at most six.")
