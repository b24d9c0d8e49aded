"""What a message needs to know, gathered from the database for those who render it."""

from dataclasses import replace

from booking.domain.lifecycle import Partstat, Status
from booking.messages.facts import AppointmentFacts, ClinicFacts, NoticeFacts
from booking.models import Appointment, Audience, Clinic, Kind, Mode, OwedMessage
from booking.services.links import Keys, token_of


def clinic_facts(clinic: Clinic, mail_from: str) -> ClinicFacts:
    """The clinic as mails show it: under its neutral name."""
    return ClinicFacts(
        name=clinic.neutral_name,
        phone=clinic.phone,
        address_of_mail=mail_from,
        timezone=clinic.timezone,
        proposals_welcome=clinic.proposals_welcome,
    )


def appointment_facts(appointment: Appointment, *, keys: Keys, base_url: str) -> AppointmentFacts:
    """The appointment as its patient may see it in a mailbox that others might read."""
    service = appointment.service
    in_person = service.mode == Mode.IN_PERSON
    return AppointmentFacts(
        uid=appointment.uid,
        sequence=appointment.sequence,
        start=appointment.start_at,
        end=appointment.end_at,
        created_at=appointment.created_at,
        updated_at=appointment.updated_at,
        mode=service.mode.value if isinstance(service.mode, Mode) else Mode(service.mode).value,
        title=service.event_title,
        location=service.location.address if in_person and service.location else "",
        video_url=service.video_url if service.mode == Mode.VIDEO else None,
        patient_address=appointment.patient_email,
        patient_timezone=appointment.patient_timezone,
        partstat=appointment.partstat,
        manage_url=f"{base_url}/appointments/{token_of(appointment, keys)}",
        cancelled=appointment.status == Status.CANCELLED,
    )


def facts_of(message: OwedMessage, *, keys: Keys, base_url: str) -> AppointmentFacts:
    """What a message to a patient's address says; a withdrawn invitation keeps what it was.

    Whoever reads mail at the former address is given no way to the appointment.
    """
    facts = appointment_facts(message.appointment, keys=keys, base_url=base_url)
    former = message.former
    if former is None:
        return facts
    return replace(
        facts,
        uid=former.uid,
        sequence=former.sequence,
        start=former.start_at,
        end=former.end_at,
        patient_address=former.address,
        partstat=Partstat.NEEDS_ACTION,
        manage_url="",
        video_url=None,
        cancelled=True,
    )


def notice_kind(kind: Kind) -> str:
    """Which of the mails to staff tells it."""
    return "notice_booked" if kind == Kind.CONFIRMED else f"notice_{kind}"


def notice_facts(appointment: Appointment, clinic: Clinic, *, base_url: str) -> NoticeFacts:
    """What staff are told by mail: when, and where to look; nothing about the patient."""
    return NoticeFacts(
        staff_url=f"{base_url}/staff/appointments/{appointment.reference}",
        start=appointment.start_at,
        end=appointment.end_at,
        timezone=clinic.timezone,
    )


def address_of(message: OwedMessage, clinic: Clinic) -> str | None:
    """Where the message goes now; None if nobody is to be told any more."""
    match message.audience:
        case Audience.PATIENT:
            former = message.former
            return former.address or None if former else message.appointment.patient_email
        case Audience.PRACTITIONER:
            return message.practitioner.email if message.practitioner else None
        case _:
            return clinic.staff_email
