"""The addresses for anybody: what is offered, appointments by their token, and machines."""

from booking.messages.languages import LANGUAGES
from booking.web import contract
from booking.web.operations.common import (
    DAY,
    EXAMPLE_APPOINTMENT,
    EXAMPLE_BOOKING,
    EXAMPLE_PRACTITIONER,
    EXAMPLE_SLOT,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    TAG,
    TOKEN,
    UNWELL,
    WRITING,
)
from booking.web.operations.shapes import HOST, MOST_DAYS, Operation, Parameter, Reply

PUBLIC = (
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
)

MACHINES = (
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
