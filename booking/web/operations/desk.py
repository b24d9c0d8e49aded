"""The addresses for programs of the clinic, which ask with a key."""

from booking.models import Scope
from booking.web import contract
from booking.web.operations.common import (
    DAY,
    EXAMPLE_OF_THE_DESK,
    EXAMPLE_REFERENCE,
    IDEMPOTENCY_KEY,
    JSON_BODY,
    REFERENCE,
    UNWELL,
    WRITING,
)
from booking.web.operations.shapes import HOST, MOST_DAYS, MOST_LISTED, Operation, Parameter, Reply

BEARER = "  -H 'Authorization: Bearer bk_…'"
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
