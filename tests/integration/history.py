"""A clinic that has been at work for years: what is past must cost nothing."""

from datetime import datetime, time, timedelta
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Partstat, Status
from booking.models import (
    Appointment,
    AppointmentEvent,
    Audience,
    HealthcareService,
    Kind,
    Occupancy,
    OpeningHours,
    OwedMessage,
    Practitioner,
    Resource,
)

HALF_AN_HOUR = timedelta(minutes=30)
AT_A_TIME = 5_000


def past_appointments(
    session: Session, count: int, *, before: datetime, everybody: bool = False, after: int = 0
) -> None:
    """Fulfilled appointments, one after another, each with its mail.

    Args:
        everybody: Of all practitioners side by side; otherwise of the first alone.
        after: How many there are already.
    """
    people = session.scalars(select(Practitioner.id).order_by(Practitioner.id)).all()
    people = people if everybody else people[:1]
    service = session.scalars(select(HealthcareService.id)).first()
    most = after + count
    for first in range(after, most, AT_A_TIME):
        rows = [
            appointment_row(number, before - HALF_AN_HOUR * (number // len(people) + 2))
            | {"practitioner_id": people[number % len(people)], "service_id": service}
            for number in range(first, min(most, first + AT_A_TIME))
        ]
        _store(session, rows)


def _store(session: Session, rows: list[dict[str, object]]) -> None:
    newest = session.scalar(select(func.max(Appointment.id))) or 0
    session.execute(insert(Appointment), rows)
    added = select(Appointment.uid, Appointment.id).where(Appointment.id > newest)
    known = {row.uid: row.id for row in session.execute(added)}
    session.execute(
        insert(Occupancy),
        [
            {
                "resource_id": row["practitioner_id"],
                "appointment_id": known[str(row["uid"])],
                "blocked_from": row["start_at"],
                "blocked_until": row["end_at"],
            }
            for row in rows
        ],
    )
    session.execute(insert(AppointmentEvent), [_event(known[str(r["uid"])], r) for r in rows])
    session.execute(insert(OwedMessage), [_message(known[str(r["uid"])], r) for r in rows])


def more_practitioners(session: Session, service: HealthcareService, count: int) -> None:
    """Colleagues who offer the service too, on every weekday."""
    for number in range(count):
        colleague = Practitioner(slug=f"colleague-{number}", name=f"Colleague {number}")
        session.add(colleague)
        session.flush()
        for weekday in range(5):
            session.add(
                OpeningHours(
                    resource_id=colleague.id, weekday=weekday, opens=time(9), closes=time(17)
                )
            )
        service.resources.append(session.get_one(Resource, colleague.id))
    session.flush()


def appointment_row(number: int, start: datetime) -> dict[str, object]:
    """One row of a patient who came, with a number of its own."""
    unique = UUID(int=number + 1)
    return {
        "reference": f"P{number:07}",
        "uid": str(unique),
        "link_nonce": unique.bytes,
        "link_digest": unique.bytes,
        "start_at": start,
        "end_at": start + HALF_AN_HOUR,
        "status": Status.FULFILLED,
        "partstat": Partstat.ACCEPTED,
        "patient_name": "Alex Rivers",
        "patient_email": f"alex{number}@mail.example",
        "email_key": f"alex{number}@mail.example",
        "patient_phone": f"+1212{number:07}",
        "patient_timezone": "America/New_York",
        "consented_at": start,
        "created_at": start,
        "updated_at": start,
    }


def _event(appointment: int, row: dict[str, object]) -> dict[str, object]:
    start = row["start_at"]
    common = {"appointment_id": appointment, "at": start, "start_at": start}
    return common | {"verb": "fulfil", "actor": "desk"}


def _message(appointment: int, row: dict[str, object]) -> dict[str, object]:
    return {
        "appointment_id": appointment,
        "sequence": 0,
        "kind": Kind.CONFIRMED,
        "audience": Audience.PATIENT,
        "message_id": UUID(int=appointment).hex,
        "due_at": row["start_at"],
        "next_attempt_at": row["start_at"],
        "settled_at": row["start_at"],
        "sent_at": row["start_at"],
    }
