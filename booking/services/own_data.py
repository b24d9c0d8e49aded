"""What we know of a patient through one appointment, for them to keep (GDPR articles 15, 20)."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.models import Appointment, AppointmentEvent, Audience, OwedMessage
from booking.services import audit
from booking.services.appointments import PATIENT, House
from booking.services.waitlist import entry_of

THEM, US = "you", "the clinic"
CALENDAR = "calendar"


def own_data(
    session: Session,
    appointment: Appointment,
    house: House,
    *,
    actor: str = PATIENT,
    now: datetime,
) -> dict[str, Any]:
    """All of it in plain values, instants in UTC; noted in the audit trail, so call it last.

    What staff have written down for themselves is not in it: for that one asks the clinic.
    """
    found = {
        "made_at": _utc(now),
        "appointment": _appointment(appointment),
        "you": _person(appointment),
        "earlier_time_wanted": _wish(session, appointment),
        "history": [_event(each) for each in _history(session, appointment)],
        "emails_to_you": [_message(each) for each in _messages(session, appointment)],
    }
    note, subject = "data.export", appointment.reference
    audit.note(session, note, keys=house.keys, actor=actor, now=now, subject=subject)
    return found


def _appointment(each: Appointment) -> dict[str, Any]:
    return {
        "reference": each.reference,
        "status": str(each.status),
        "start": _utc(each.start_at),
        "end": _utc(each.end_at),
        "service": each.service.text("name", each.language),
        "practitioner": each.practitioner.name,
        "room": each.room.name if each.room else None,
        "calendar_answer": str(each.partstat),
        "booked_at": _utc(each.created_at),
        "changed_at": _utc(each.updated_at),
        "to_be_erased_at": _utc(each.erase_at) if each.erase_at else None,
    }


def _person(each: Appointment) -> dict[str, Any]:
    return {
        "name": each.patient_name,
        "email": each.patient_email,
        "phone": each.patient_phone,
        "timezone": each.patient_timezone,
        "may_leave_message": each.may_leave_message,
        "may_text": each.may_text,
        "ask_for_on_the_phone": each.call_name,
        "event_title": each.event_title,
        "booked_by": each.carer_name,
        "booked_by_phone": each.carer_phone,
        "agreed_to_emails_at": _utc(each.consented_at),
        "reason_for_cancelling": each.cancel_reason,
    }


def _wish(session: Session, appointment: Appointment) -> dict[str, Any] | None:
    entry = entry_of(session, appointment)
    if entry is None:
        return None
    return {
        "since": _utc(entry.joined_at),
        "until": entry.until_on.isoformat(),
        "ended": _utc(entry.ended_at) if entry.ended_at else None,
        "offered": [_utc(each.start_at) for each in entry.offers],
    }


def _event(each: AppointmentEvent) -> dict[str, Any]:
    by = THEM if each.actor in (PATIENT, CALENDAR) else US
    return {"at": _utc(each.at), "what": each.verb, "by": by, "start": _utc(each.start_at)}


def _message(each: OwedMessage) -> dict[str, Any]:
    return {"what": str(each.kind), "sent_at": _utc(each.sent_at) if each.sent_at else None}


def _history(session: Session, appointment: Appointment) -> list[AppointmentEvent]:
    query = select(AppointmentEvent).where(AppointmentEvent.appointment_id == appointment.id)
    return list(session.scalars(query.order_by(AppointmentEvent.id)))


def _messages(session: Session, appointment: Appointment) -> list[OwedMessage]:
    query = select(OwedMessage).where(
        OwedMessage.appointment_id == appointment.id, OwedMessage.audience == Audience.PATIENT
    )
    return list(session.scalars(query.order_by(OwedMessage.id)))


def _utc(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
