"""What several addresses share: examples, problems, parameters."""

from booking.web import contract
from booking.web.operations.shapes import HOST, LONGEST_KEY, Json, Parameter, Trouble

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
        409,
        "The address holds as many coming appointments as it may; it is mailed their links again.",
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

JSON_BODY = "  -H 'Content-Type: application/json'"
