"""Every address of the API: what is asked, what comes back, and an example of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from booking.messages.languages import LANGUAGES
from booking.models import Scope
from booking.web import contract

MOST_DAYS = 62
"""Of free slots in one answer."""
MOST_LISTED = 100
"""Of appointments in one answer."""
LONGEST_KEY = 200
"""Characters of an `Idempotency-Key`."""
HOST = "https://book.example.org"
"""Stands in examples for the host of the clinic."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """What an address, a query or a header carries."""

    name: str
    description: str
    example: str
    schema: Json
    place: Literal["query", "path", "header"] = "query"
    required: bool = False


@dataclass(frozen=True)
class Reply:
    """An answer that is no problem; `schema` is a model, a JSON Schema, or None without a body."""

    status: int
    description: str
    schema: type[contract.Answer] | Json | None = None
    example: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trouble:
    """What a code means, with which status it comes, in which shape, and with which headers."""

    status: int
    description: str
    shape: type[contract.Problem] = contract.Problem
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Json = field(default_factory=dict)
    """What an example holds beside the members that every problem has."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One verb of one address."""

    verb: Literal["get", "post"]
    path: str
    """Below `/api/v1`."""
    name: str
    """For programs: stays the same."""
    tag: Literal["Offer", "Appointments", "Desk", "Machines"]
    summary: str
    description: str
    curl: str
    replies: tuple[Reply, ...]
    problems: tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()
    body: type[contract.Body] | None = None
    body_required: bool = True
    sends: Json | None = None
    """An example of the body."""
    scope: Scope | None = None
    """What a key needs, where one is asked for."""
    raw_bodies: tuple[str, ...] = ()
    """Types of a body that is not JSON."""


EXAMPLE_TOKEN = "Zr0mVYxW4uH5sTq9kLb2nC7dE8fG1hJ3aP6oI5uY4tR"  # noqa: S105 (opens nothing)
EXAMPLE_SLOT = {
    "start": "2026-11-24T14:00:00Z",
    "end": "2026-11-24T14:45:00Z",
    "practitioners": ["maya-ellison"],
}
EXAMPLE_PRACTITIONER = {"slug": "maya-ellison", "name": "Dr. Maya Ellison"}
EXAMPLE_APPOINTMENT = {
    "token": EXAMPLE_TOKEN,
    "status": "booked",
    "service": "first-consultation",
    "start": EXAMPLE_SLOT["start"],
    "end": EXAMPLE_SLOT["end"],
    "sequence": 0,
    "practitioner": EXAMPLE_PRACTITIONER,
    "links": {
        "self": f"{HOST}/api/v1/appointments/{EXAMPLE_TOKEN}",
        "manage": f"{HOST}/appointments/{EXAMPLE_TOKEN}",
        "invite": f"{HOST}/appointments/{EXAMPLE_TOKEN}/invite.ics",
    },
}
EXAMPLE_REFERENCE = "7KX2M9QD"
EXAMPLE_OF_THE_DESK: Json = {
    "reference": EXAMPLE_REFERENCE,
    "status": "booked",
    "service": "first-consultation",
    "start": EXAMPLE_SLOT["start"],
    "end": EXAMPLE_SLOT["end"],
    "sequence": 0,
    "practitioner": EXAMPLE_PRACTITIONER,
    "room": None,
    "created_at": "2026-11-20T09:12:00Z",
    "updated_at": "2026-11-20T09:12:00Z",
    "patient": {
        "name": "Sam Rivers",
        "email": "sam@mail.example",
        "phone": "+12125550123",
        "may_leave_message": False,
        "timezone": "America/New_York",
        "language": "en",
    },
}
EXAMPLE_BOOKING = {
    "service": "first-consultation",
    "start": "2026-11-24T14:00:00Z",
    "patient": {"name": "Sam Rivers", "email": "sam@mail.example"},
    "email_consent": True,
}

RETRY = {"Retry-After": "Seconds after which it is worth another try."}
PROBLEMS = {
    "bad_request": Trouble(400, "The body is not JSON."),
    "bad_signature": Trouble(
        401,
        "The signature is missing, wrong or more than five minutes off.",
        headers={"WWW-Authenticate": "`Booking-Signature`."},
    ),
    "bad_key": Trouble(
        401,
        "No key, or one that opens nothing: it has ended, or rests, or never was.",
        headers={"WWW-Authenticate": "`Bearer` (RFC 6750)."},
    ),
    "insufficient_scope": Trouble(
        403,
        "The key may not do that.",
        headers={"WWW-Authenticate": "`Bearer` with the scope that it takes."},
    ),
    "too_late": Trouble(403, "It is within the service's cut-off, or over."),
    "not_found": Trouble(404, "There is nothing here."),
    "not_offered": Trouble(404, "No such service or practitioner can be booked online."),
    "slot_taken": Trouble(
        409,
        "The time is not free, or no longer: the nearest free ones come along.",
        contract.TakenProblem,
        more={"alternatives": [EXAMPLE_SLOT]},
    ),
    "wrong_state": Trouble(409, "The appointment is cancelled or over."),
    "too_many_appointments": Trouble(
        409, "The contact holds as many coming appointments as it may."
    ),
    "request_entity_too_large": Trouble(413, "The body is too large."),
    "unsupported_media_type": Trouble(415, "The body is of another type than those named here."),
    "invalid": Trouble(
        422,
        "Something is missing or wrong; `errors` says what, field by field.",
        contract.InvalidProblem,
        more={"errors": {"start": ["Choose a time again."]}},
    ),
    "key_reused": Trouble(422, "The `Idempotency-Key` came before with another body."),
    "too_many_requests": Trouble(
        429, "Too much in a short time from one address, network, contact or key.", headers=RETRY
    ),
    "busy": Trouble(503, "The database is busy; nothing was written.", headers=RETRY),
    "away": Trouble(
        503,
        "The database does not answer just now: ask again with the same key, which alone tells"
        " whether it was written.",
        headers=RETRY,
    ),
    "no_clinic": Trouble(503, "There is no clinic yet."),
}
"""Every code that the API answers with, besides those that no described request can meet."""

UNWELL = ("busy", "away", "no_clinic")
WRITING = ("bad_request", "request_entity_too_large", "unsupported_media_type", "invalid")
TAG = {"ETag": "Another as soon as the answer is; send it back as `If-None-Match`."}

TOKEN = Parameter(
    "token",
    "The appointment's key, as the booking answered it.",
    EXAMPLE_TOKEN,
    {"type": "string", "minLength": 1},
    "path",
    required=True,
)
IF_NONE_MATCH = Parameter(
    "If-None-Match",
    "The `ETag` of an answer that is still there.",
    '"0123456789abcdef0123456789abcdef"',
    {"type": "string"},
    "header",
)
DAY: Json = {"type": "string", "format": "date"}

REFERENCE = Parameter(
    "reference",
    "What staff know the appointment by.",
    EXAMPLE_REFERENCE,
    {"type": "string", "minLength": 1},
    "path",
    required=True,
)
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "New for each wish. The same key with the same body gives the same appointment"
    " again; kept for 24 hours.",
    "5f0c0f0e-6f0b-4b52-9a53-0d8f3f6a1c11",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
    "header",
)
BEARER = "  -H 'Authorization: Bearer bk_…'"
JSON_BODY = "  -H 'Content-Type: application/json'"
KEYED = ("bad_key", "insufficient_scope", "too_many_requests", *UNWELL)
ONE = f"{HOST}/api/v1/staff/appointments/{EXAMPLE_REFERENCE}"
DESK = (
    Operation(
        verb="get",
        path="/staff/appointments",
        name="listAppointments",
        tag="Desk",
        scope=Scope.READ,
        summary="Who comes when",
        description="The appointments that begin on some days of the clinic, both included; at most"
        f" {MOST_DAYS} days, {MOST_LISTED} at a time, cancelled ones among them. For more ask again"
        " with `next` as `after`: nothing is met twice, whatever is booked meanwhile.",
        curl=f"curl '{HOST}/api/v1/staff/appointments?from=2026-11-24&to=2026-11-30' \\\n{BEARER}",
        parameters=(
            Parameter("from", "The first day.", "2026-11-24", DAY, required=True),
            Parameter("to", "The last day, itself included.", "2026-11-30", DAY, required=True),
            Parameter(
                "practitioner",
                "Slug of a practitioner; without it everybody's.",
                "maya-ellison",
                {"type": "string"},
            ),
            Parameter(
                "service",
                "Slug of a service; without it all.",
                "first-consultation",
                {"type": "string"},
            ),
            Parameter(
                "after",
                "What the answer before gave as `next`.",
                f"2026-11-24T14:00:00Z_{EXAMPLE_REFERENCE}",
                {"type": "string"},
            ),
        ),
        replies=(
            Reply(
                200,
                "The appointments.",
                contract.StaffAppointmentsAnswer,
                {"appointments": [EXAMPLE_OF_THE_DESK], "next": None},
            ),
        ),
        problems=("invalid", *KEYED),
    ),
    Operation(
        verb="post",
        path="/staff/appointments",
        name="bookForCaller",
        tag="Desk",
        scope=Scope.WRITE,
        summary="Book for somebody who has called",
        description="By the rules of the desk: any service, no limit for one contact; an address or"
        " a number is needed. With an address an invitation is mailed, without one nobody is told.",
        curl=f"curl {HOST}/api/v1/staff/appointments \\\n{BEARER} \\\n{JSON_BODY} \\\n"
        """  -d '{"service": "first-consultation", "start": "2026-11-24T14:00:00Z",
       "patient": {"name": "Sam Rivers", "phone": "(212) 555-0123"}}'""",
        parameters=(IDEMPOTENCY_KEY,),
        body=contract.StaffBookingBody,
        sends={
            "service": "first-consultation",
            "start": "2026-11-24T14:00:00Z",
            "patient": {"name": "Sam Rivers", "phone": "(212) 555-0123"},
        },
        replies=(
            Reply(
                201,
                "It is booked.",
                contract.StaffAppointmentAnswer,
                EXAMPLE_OF_THE_DESK,
                {"Location": "The appointment, in this API."},
            ),
        ),
        problems=(*WRITING, "not_offered", "slot_taken", "key_reused", *KEYED),
    ),
    Operation(
        verb="get",
        path="/staff/appointments/{reference}",
        name="readAppointmentOfTheDesk",
        tag="Desk",
        scope=Scope.READ,
        summary="One appointment, with the patient",
        description="Each reading is in the clinic's audit trail, under the name of the key.",
        curl=f"curl {ONE} \\\n{BEARER}",
        parameters=(REFERENCE,),
        replies=(
            Reply(200, "The appointment.", contract.StaffAppointmentAnswer, EXAMPLE_OF_THE_DESK),
        ),
        problems=("not_found", *KEYED),
    ),
    Operation(
        verb="post",
        path="/staff/appointments/{reference}/reschedule",
        name="moveAppointment",
        tag="Desk",
        scope=Scope.WRITE,
        summary="Move an appointment for a patient",
        description="To another free start, also within the cut-off for patients; they are told by"
        " mail. If the new time is gone, the appointment stays where it was.",
        curl=f"curl {ONE}/reschedule \\\n{BEARER} \\\n{JSON_BODY} \\\n"
        """  -d '{"start": "2026-11-24T15:00:00Z"}'""",
        parameters=(REFERENCE,),
        body=contract.MoveBody,
        sends={"start": "2026-11-24T15:00:00Z"},
        replies=(
            Reply(
                200,
                "It is moved.",
                contract.StaffAppointmentAnswer,
                EXAMPLE_OF_THE_DESK
                | {"start": "2026-11-24T15:00:00Z", "end": "2026-11-24T15:45:00Z", "sequence": 1},
            ),
        ),
        problems=(*WRITING, "not_found", "not_offered", "slot_taken", "wrong_state", *KEYED),
    ),
    Operation(
        verb="post",
        path="/staff/appointments/{reference}/cancel",
        name="cancelForPatient",
        tag="Desk",
        scope=Scope.WRITE,
        summary="Cancel an appointment for a patient",
        description="Also within the cut-off for patients; they are told by mail. A request without"
        " a body gives no reason.",
        curl=f"curl -X POST {ONE}/cancel \\\n{BEARER}",
        parameters=(REFERENCE,),
        body=contract.CancelBody,
        body_required=False,
        sends={"reason": "The practitioner is ill."},
        replies=(
            Reply(
                200,
                "It is cancelled.",
                contract.StaffAppointmentAnswer,
                EXAMPLE_OF_THE_DESK | {"status": "cancelled", "sequence": 1},
            ),
        ),
        problems=(*WRITING, "not_found", "wrong_state", *KEYED),
    ),
    Operation(
        verb="post",
        path="/staff/appointments/{reference}/attendance",
        name="noteAttendance",
        tag="Desk",
        scope=Scope.WRITE,
        summary="Note whether the patient came",
        description="From the day of the appointment on. Nobody is told by mail.",
        curl=f"curl {ONE}/attendance \\\n{BEARER} \\\n{JSON_BODY} \\\n"
        """  -d '{"status": "arrived"}'""",
        parameters=(REFERENCE,),
        body=contract.AttendanceBody,
        sends={"status": "arrived"},
        replies=(
            Reply(
                200,
                "It is noted.",
                contract.StaffAppointmentAnswer,
                EXAMPLE_OF_THE_DESK | {"status": "arrived"},
            ),
        ),
        problems=(*WRITING, "not_found", "slot_taken", "wrong_state", *KEYED),
    ),
)

OPERATIONS = (
    Operation(
        verb="get",
        path="/services",
        name="listServices",
        tag="Offer",
        summary="What can be booked",
        description="The services that anybody can find, in the clinic's own order.",
        curl=f"curl {HOST}/api/v1/services",
        parameters=(
            Parameter(
                "lang",
                "In which language services are named, where the clinic has said it there;"
                " without it as the clinic wrote them.",
                "es",
                {"type": "string", "enum": [*LANGUAGES]},
            ),
        ),
        replies=(
            Reply(
                200,
                "The services.",
                contract.ServicesAnswer,
                {
                    "services": [
                        {
                            "slug": "first-consultation",
                            "name": "First consultation",
                            "duration_minutes": 45,
                            "mode": "in_person",
                            "practitioners": [EXAMPLE_PRACTITIONER],
                        }
                    ]
                },
            ),
        ),
        problems=("invalid", *UNWELL),
    ),
    Operation(
        verb="get",
        path="/slots",
        name="listSlots",
        tag="Offer",
        summary="Free slots of a service",
        description=f"The free slots that begin on some days, both included; at most {MOST_DAYS}"
        " days. What is listed can be booked; what is not listed cannot.",
        curl=f"curl '{HOST}/api/v1/slots?service=first-consultation&from=2026-11-24&to=2026-11-30'",
        parameters=(
            Parameter(
                "service",
                "Slug of the service.",
                "first-consultation",
                {"type": "string", "minLength": 1},
                required=True,
            ),
            Parameter("from", "The first day.", "2026-11-24", DAY, required=True),
            Parameter("to", "The last day, itself included.", "2026-11-30", DAY, required=True),
            Parameter(
                "practitioner",
                "Slug of a practitioner; without it anybody's slots.",
                "maya-ellison",
                {"type": "string"},
            ),
            Parameter(
                "tz",
                "IANA name of the zone whose days are meant; without it the clinic's.",
                "America/New_York",
                {"type": "string"},
            ),
            IF_NONE_MATCH,
        ),
        replies=(
            Reply(
                200,
                "The slots.",
                contract.SlotsAnswer,
                {
                    "service": "first-consultation",
                    "timezone": "America/New_York",
                    "slots": [EXAMPLE_SLOT],
                },
                TAG,
            ),
            Reply(304, "What the asker has is still so.", headers=TAG),
        ),
        problems=("not_offered", "invalid", *UNWELL),
    ),
    Operation(
        verb="post",
        path="/appointments",
        name="bookAppointment",
        tag="Appointments",
        summary="Book a slot",
        description="The patient is mailed an invitation. Send an `Idempotency-Key`: a request that"
        " is repeated with it, since its answer was lost, finds the appointment that it made.",
        curl=f"curl {HOST}/api/v1/appointments \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        "  -H 'Idempotency-Key: 5f0c0f0e-6f0b-4b52-9a53-0d8f3f6a1c11' \\\n"
        """  -d '{"service": "first-consultation", "start": "2026-11-24T14:00:00Z",
       "patient": {"name": "Sam Rivers", "email": "sam@mail.example"},
       "email_consent": true}'""",
        parameters=(IDEMPOTENCY_KEY,),
        body=contract.BookingBody,
        sends=EXAMPLE_BOOKING,
        replies=(
            Reply(
                201,
                "It is booked.",
                contract.AppointmentAnswer,
                EXAMPLE_APPOINTMENT,
                {"Location": "The appointment, in this API."},
            ),
        ),
        problems=(
            *WRITING,
            "not_offered",
            "slot_taken",
            "too_many_appointments",
            "key_reused",
            "too_many_requests",
            *UNWELL,
        ),
    ),
    Operation(
        verb="get",
        path="/appointments/{token}",
        name="readAppointment",
        tag="Appointments",
        summary="Read an appointment",
        description="Nothing is told about the patient: who holds the token knows who they are.",
        curl=f"curl {HOST}/api/v1/appointments/TOKEN",
        parameters=(TOKEN,),
        replies=(Reply(200, "The appointment.", contract.AppointmentAnswer, EXAMPLE_APPOINTMENT),),
        problems=("not_found", *UNWELL),
    ),
    Operation(
        verb="post",
        path="/appointments/{token}/reschedule",
        name="rescheduleAppointment",
        tag="Appointments",
        summary="Move an appointment",
        description="To another free start. The practitioner stays if free then, otherwise another"
        " is chosen. If the new time is gone, the appointment stays where it was.",
        curl=f"curl {HOST}/api/v1/appointments/TOKEN/reschedule \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        """  -d '{"start": "2026-11-24T15:00:00Z"}'""",
        parameters=(TOKEN,),
        body=contract.RescheduleBody,
        sends={"start": "2026-11-24T15:00:00Z"},
        replies=(
            Reply(
                200,
                "It is moved.",
                contract.AppointmentAnswer,
                EXAMPLE_APPOINTMENT
                | {"start": "2026-11-24T15:00:00Z", "end": "2026-11-24T15:45:00Z", "sequence": 1},
            ),
        ),
        problems=(
            *WRITING,
            "too_late",
            "not_found",
            "slot_taken",
            "wrong_state",
            "too_many_requests",
            *UNWELL,
        ),
    ),
    Operation(
        verb="post",
        path="/appointments/{token}/cancel",
        name="cancelAppointment",
        tag="Appointments",
        summary="Cancel an appointment",
        description="With or without a reason; a request without a body gives none.",
        curl=f"curl -X POST {HOST}/api/v1/appointments/TOKEN/cancel",
        parameters=(TOKEN,),
        body=contract.CancelBody,
        body_required=False,
        sends={"reason": "I am away."},
        replies=(
            Reply(
                200,
                "It is cancelled.",
                contract.AppointmentAnswer,
                EXAMPLE_APPOINTMENT | {"status": "cancelled", "sequence": 1},
            ),
        ),
        problems=(*WRITING, "too_late", "not_found", "wrong_state", *UNWELL),
    ),
    *DESK,
    Operation(
        verb="post",
        path="/replies",
        name="handOverMail",
        tag="Machines",
        summary="Hand over a mail that came in",
        description="For mail gateways: one raw mail as the body, at most 2 MiB, signed with"
        " `BOOKING_INBOUND_KEY`. Repeat until 204 is heard. Where no key is set there is no such"
        " address.",
        curl=f"curl {HOST}/api/v1/replies \\\n"
        "  -H 'Content-Type: message/rfc822' \\\n"
        '  -H "Booking-Signature: t=$TIME,v1=$HMAC" \\\n'
        "  --data-binary @mail.eml",
        parameters=(
            Parameter(
                "Booking-Signature",
                '`t=<unix seconds>,v1=<hex of HMAC-SHA256(key, "<t>." + body)>`, good for five'
                " minutes.",
                "t=1795528800,v1=" + "0" * 64,
                {"type": "string"},
                "header",
                required=True,
            ),
        ),
        raw_bodies=("message/rfc822", "application/octet-stream"),
        replies=(Reply(204, "It is stored, now or before."),),
        problems=(
            "bad_signature",
            "not_found",
            "request_entity_too_large",
            "unsupported_media_type",
            *UNWELL,
        ),
    ),
    Operation(
        verb="get",
        path="/openapi.json",
        name="readDescription",
        tag="Machines",
        summary="This document",
        description="OpenAPI 3.1.",
        curl=f"curl {HOST}/api/v1/openapi.json",
        parameters=(IF_NONE_MATCH,),
        replies=(
            Reply(200, "The document.", {"type": "object"}, headers=TAG),
            Reply(304, "What the asker has is still so.", headers=TAG),
        ),
        problems=(),
    ),
)
