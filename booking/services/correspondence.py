"""What a message needs to know, gathered from the database for those who render it."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from booking.domain.lifecycle import Partstat, Status, may_change
from booking.messages.facts import AppointmentFacts, ClinicFacts, NoticeFacts, StaffEventFacts
from booking.messages.hygiene import one_line
from booking.messages.languages import known_language
from booking.models import Appointment, Audience, Clinic, Kind, Mode, OwedMessage
from booking.services.links import Keys, token_of
from booking.services.telling import Telling

READING = timedelta(minutes=10)
"""How long a mail waits until it is read, at the least: what holds for less is not promised."""


def clinic_facts(
    clinic: Clinic, mail_from: str, *, tagged: bool = False, language: str = ""
) -> ClinicFacts:
    """The clinic as mails show it: under its neutral name.

    Args:
        language: That of the reader; none for staff, who read what the clinic wrote.
    """
    return ClinicFacts(
        name=one_line(clinic.text("neutral_name", language)),
        phone=clinic.phone,
        address_of_mail=mail_from,
        timezone=clinic.timezone,
        tagged=tagged,
        proposals_welcome=clinic.proposals_welcome,
    )


def appointment_facts(
    appointment: Appointment, *, keys: Keys, base_url: str, now: datetime
) -> AppointmentFacts:
    """The appointment as its patient may see it in a mailbox that others might read."""
    service, language = appointment.service, known_language(appointment.language)
    in_person = service.mode == Mode.IN_PERSON
    return AppointmentFacts(
        uid=appointment.uid,
        sequence=appointment.sequence,
        start=appointment.start_at,
        end=appointment.end_at,
        created_at=appointment.created_at,
        updated_at=appointment.updated_at,
        mode=service.mode.value if isinstance(service.mode, Mode) else Mode(service.mode).value,
        title=appointment.event_title or service.text("event_title", language),
        location=service.location.address if in_person and service.location else "",
        video_url=service.video_url if service.mode == Mode.VIDEO else None,
        patient_address=appointment.patient_email,
        patient_timezone=appointment.patient_timezone,
        language=language,
        partstat=appointment.partstat,
        manage_url=f"{base_url}/appointments/{token_of(appointment, keys)}",
        cancelled=appointment.status == Status.CANCELLED,
        changeable=may_change(
            appointment.start_at, now=now + READING, cutoff=service.change_cutoff
        ),
    )


def facts_of(
    message: OwedMessage, telling: Telling, *, keys: Keys, base_url: str
) -> AppointmentFacts:
    """What a message to a patient's address says; a withdrawn invitation keeps what it was.

    Whoever reads mail at the former address is given no way to the appointment.
    """
    facts = appointment_facts(message.appointment, keys=keys, base_url=base_url, now=telling.stamp)
    facts = replace(
        facts,
        start=telling.start,
        end=telling.start + (facts.end - facts.start),
        kept_until=telling.kept_until,
    )
    if message.kind == Kind.CONFIRM_ADDRESS and (change := message.appointment.address_change):
        key = keys.address_token(change.nonce, change.digest)
        return replace(
            facts,
            patient_address=change.email,
            manage_url=f"{base_url}/addresses/{key}?lang={facts.language}",
            video_url=None,
            kept_until=change.expires_at,
        )
    former = message.former
    if former is None:
        return facts
    return replace(
        facts,
        uid=former.uid,
        sequence=former.sequence,
        patient_address=former.address,
        partstat=Partstat.NEEDS_ACTION,
        manage_url="",
        video_url=None,
        cancelled=True,
    )


def practitioner_event(
    message: OwedMessage, telling: Telling, *, keys: Keys, base_url: str
) -> StaffEventFacts | None:
    """The event for the practitioner's own calendar, if they want one there."""
    practitioner, appointment = message.practitioner, message.appointment
    if practitioner is None or not practitioner.wants_invitations:
        return None
    return StaffEventFacts(
        uid=staff_uid(appointment.reference, practitioner.id, keys),
        sequence=appointment.sequence,
        start=telling.start,
        end=telling.start + (appointment.end_at - appointment.start_at),
        created_at=appointment.created_at,
        updated_at=appointment.updated_at,
        title=f"{appointment.service.event_title} {initials(appointment.patient_name)}",
        location=appointment.room.name if appointment.room else "",
        staff_url=staff_url(appointment, base_url),
        cancelled=telling.kind == Kind.CANCELLED,
    )


def staff_uid(reference: str, resource: int, keys: Keys) -> str:
    """The UID of an appointment in calendars of a practitioner or a room.

    Each has its own: two who share a mailbox do not lose it to one another, and the UID that
    proves a patient's answer stays with the patient. It is made from the reference, since that
    stays when the patient's address is corrected; and by the oldest key, since another UID would
    be another event.

    Args:
        keys: With those that are kept.
    """
    name = f"{reference} {resource}"
    return str(UUID(bytes=keys.first_digest("staff-event", name.encode())[:16], version=4))


def initials(name: str) -> str:
    """The first letters of the first and the last word of a name: "S. R."."""
    words = name.split()
    return " ".join(f"{word[0].upper()}." for word in dict.fromkeys((words[0], words[-1])))


def staff_url(appointment: Appointment, base_url: str) -> str:
    """Where staff see an appointment, once they have signed in."""
    return f"{base_url}/staff/appointments/{appointment.reference}"


def notice_kind(message: OwedMessage, telling: Telling) -> str:
    """Which of the mails to staff tells it."""
    if telling.kind == Kind.CONFIRMED:
        return "notice_booked"
    lives_on = message.appointment.status != Status.CANCELLED
    if telling.kind == Kind.CANCELLED and lives_on:
        return "notice_passed_on"
    return f"notice_{telling.kind}"


def notice_facts(
    message: OwedMessage, telling: Telling, clinic: Clinic, *, base_url: str
) -> NoticeFacts:
    """What staff are told by mail: when, and where to look; nothing about the patient."""
    appointment = message.appointment
    return NoticeFacts(
        staff_url=staff_url(appointment, base_url),
        start=telling.start,
        end=telling.start + (appointment.end_at - appointment.start_at),
        timezone=clinic.timezone,
    )


def address_of(message: OwedMessage, clinic: Clinic) -> str | None:
    """Where the message goes now; None if nobody is to be told any more."""
    match message.audience:
        case Audience.PATIENT if message.kind == Kind.CONFIRM_ADDRESS:
            change = message.appointment.address_change
            return change.email if change else None
        case Audience.PATIENT:
            former = message.former
            return former.address or None if former else message.appointment.patient_email
        case Audience.PRACTITIONER:
            return message.practitioner.email if message.practitioner else None
        case _:
            return clinic.staff_email
