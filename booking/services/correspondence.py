"""What a message needs to know, gathered from the database for those who render it."""

from booking.domain.lifecycle import Status
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


def notice_facts(appointment: Appointment, clinic: Clinic, *, base_url: str) -> NoticeFacts:
    """What staff are told by mail: when, and where to look; nothing about the patient."""
    return NoticeFacts(
        staff_url=f"{base_url}/staff/appointments/{appointment.reference}",
        start=appointment.start_at,
        end=appointment.end_at,
        timezone=clinic.timezone,
    )


def patient_kind(message: OwedMessage) -> Kind:
    """A move that overtook the first confirmation is told as a confirmation."""
    if message.kind == Kind.RESCHEDULED and message.appointment.told_sequence is None:
        return Kind.CONFIRMED
    return Kind(message.kind)


def address_of(message: OwedMessage, clinic: Clinic) -> str | None:
    """Where the message goes now; None if nobody is to be told any more."""
    match message.audience:
        case Audience.PATIENT:
            return message.appointment.patient_email
        case Audience.PRACTITIONER:
            return message.appointment.practitioner.email
        case _:
            return clinic.staff_email
