"""The calendar object of one appointment: asked, cancelled, or to download.

One VEVENT per message, times in UTC, nothing that tells why somebody comes.
"""

from datetime import UTC, datetime
from urllib.parse import quote

from icalendar import Calendar, Event, vCalAddress, vText, vUri

from .facts import AppointmentFacts, ClinicFacts, StaffEventFacts
from .hygiene import one_line, web_address
from .languages import translator
from .wording import local_times, title_text, where_text

PRODUCT = "-//Booking//Appointments//EN"
_ANSWERS = frozenset({"NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE"})
_UNFIT_FOR_A_NAME = str.maketrans('";:\\^', "     ")
_FIT_FOR_MAILTO = "@!$&'*+,-./:;=_~"


def request(clinic: ClinicFacts, appointment: AppointmentFacts, *, stamp: datetime) -> bytes:
    """Ask the patient, for the first time or again (RFC 5546 §3.2.2)."""
    event = _event(clinic, appointment, stamp=stamp, cancelled=False)
    event.add("attendee", _attendee(appointment))
    return _calendar("REQUEST", event)


def cancellation(clinic: ClinicFacts, appointment: AppointmentFacts, *, stamp: datetime) -> bytes:
    """Take the event out of the patient's calendar (RFC 5546 §3.2.5)."""
    event = _event(clinic, appointment, stamp=stamp, cancelled=True)
    event.add("attendee", _attendee(appointment))
    return _calendar("CANCEL", event)


def download(clinic: ClinicFacts, appointment: AppointmentFacts) -> bytes:
    """The event as a file (RFC 5546 §3.2.1), the same bytes as long as nothing changes.

    It has no ATTENDEE: a REQUEST opened as a file tells Outlook users that they are
    the organizer.
    """
    event = _event(
        clinic, appointment, stamp=appointment.updated_at, cancelled=appointment.cancelled
    )
    return _calendar("PUBLISH", event)


def practitioner_request(
    clinic: ClinicFacts, event: StaffEventFacts, *, address: str, stamp: datetime
) -> bytes:
    """Put the event into a practitioner's own calendar, for the first time or again."""
    return _calendar("REQUEST", _practitioner_event(clinic, event, address, stamp))


def practitioner_cancellation(
    clinic: ClinicFacts, event: StaffEventFacts, *, address: str, stamp: datetime
) -> bytes:
    """Take the event out of a practitioner's calendar."""
    return _calendar("CANCEL", _practitioner_event(clinic, event, address, stamp))


def _calendar(method: str, event: Event) -> bytes:
    """Wrap the event; METHOD stands before the first component."""
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", PRODUCT)
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    calendar.add_component(event)
    return bytes(calendar.to_ical(sorted=False))


def _event(
    clinic: ClinicFacts, appointment: AppointmentFacts, *, stamp: datetime, cancelled: bool
) -> Event:
    """What all messages to a patient say alike."""
    event = outline(appointment, stamp)
    event.add("organizer", organizer(clinic))
    event.add("summary", one_line(title_text(appointment.title, appointment.language)))
    event.add("description", _description(clinic, appointment, cancelled=cancelled))
    event.add("location", _location(appointment))
    if (video := web_address(appointment.video_url)) and not cancelled:
        event.add("conference", _conference(video, appointment.language))
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("class", "PRIVATE")
    event.add("transp", "OPAQUE")
    if not clinic.proposals_welcome:
        event.add("x-microsoft-disallow-counter", "TRUE")
    return event


def _practitioner_event(
    clinic: ClinicFacts, facts: StaffEventFacts, address: str, stamp: datetime
) -> Event:
    """No answer is asked for: who is needed at work is asked elsewhere."""
    event = outline(facts, stamp)
    event.add("organizer", organizer(clinic))
    event.add("attendee", _invited(address, "NEEDS-ACTION", rsvp=False))
    event.add("summary", one_line(facts.title))
    event.add("description", web_address(facts.staff_url))
    if facts.location:
        event.add("location", one_line(facts.location))
    event.add("status", "CANCELLED" if facts.cancelled else "CONFIRMED")
    event.add("class", "PRIVATE")
    event.add("transp", "OPAQUE")
    event.add("x-microsoft-disallow-counter", "TRUE")
    return event


def outline(facts: AppointmentFacts | StaffEventFacts, stamp: datetime) -> Event:
    """Which event, of which revision, when (RFC 5545 §3.6.1)."""
    event = Event()
    event.add("uid", one_line(facts.uid))
    event.add("sequence", facts.sequence)
    event.add("dtstamp", _utc(stamp))
    event.add("created", _utc(facts.created_at))
    event.add("last-modified", _utc(facts.updated_at))
    event.add("dtstart", _utc(facts.start))
    event.add("dtend", _utc(facts.end))
    return event


def _utc(instant: datetime) -> datetime:
    """The instant in UTC, whole seconds: written ``…Z``, it needs no VTIMEZONE."""
    if instant.tzinfo is None:
        raise ValueError("An instant without a time zone cannot be told to a calendar.")
    return instant.astimezone(UTC).replace(microsecond=0)


def organizer(clinic: ClinicFacts) -> vCalAddress:
    """The clinic's mailbox, the same in every message of one UID (RFC 5545 §3.8.4.3)."""
    mailbox = _mailto(clinic.address_of_mail)
    mailbox.params["CN"] = vText(one_line(clinic.name.translate(_UNFIT_FOR_A_NAME)))
    return mailbox


def _attendee(appointment: AppointmentFacts) -> vCalAddress:
    """The patient, without a name, with the answer heard so far."""
    return _invited(appointment.patient_address, appointment.partstat, rsvp=True)


def _invited(address: str, partstat: str, *, rsvp: bool) -> vCalAddress:
    """Who is to come (RFC 5545 §3.8.4.1)."""
    attendee, heard = _mailto(address), partstat.upper()
    attendee.params["CUTYPE"] = vText("INDIVIDUAL")
    attendee.params["ROLE"] = vText("REQ-PARTICIPANT")
    attendee.params["PARTSTAT"] = vText(heard if heard in _ANSWERS else "NEEDS-ACTION")
    attendee.params["RSVP"] = vText("TRUE" if rsvp else "FALSE")
    return attendee


def _mailto(address: str) -> vCalAddress:
    return vCalAddress("mailto:" + quote(one_line(address), safe=_FIT_FOR_MAILTO))


def _conference(url: str, language: str) -> vUri:
    """Where the call takes place (RFC 7986 §5.11), VALUE given as the RFC demands."""
    conference, _ = vUri(url), translator(language)
    conference.params["VALUE"] = "URI"
    conference.params["FEATURE"] = ["AUDIO", "VIDEO"]
    conference.params["LABEL"] = _("Video call")
    return conference


def _location(appointment: AppointmentFacts) -> str:
    if appointment.mode == "in_person":
        return one_line(where_text(appointment))
    _ = translator(appointment.language)
    return _("Phone") if appointment.mode == "phone" else _("Video")


def _description(clinic: ClinicFacts, appointment: AppointmentFacts, *, cancelled: bool) -> str:
    """Times, place, the way back to us: the only place of the patient's own link."""
    _ = translator(appointment.language)
    lines = [_ended(appointment)] if cancelled else []
    lines += [time.text for time in local_times(clinic, appointment)]
    if not cancelled:
        lines += [where_text(appointment), web_address(appointment.video_url)]
    final = cancelled or not appointment.changeable
    see = _("See your appointment") if final else _("See, move or cancel your appointment")
    lines.append(f"{see}: {appointment.manage_url}" if appointment.manage_url else "")
    questions = _("Questions? Call us")
    lines.append(f"{questions}: {clinic.phone}" if clinic.phone else "")
    return "\n".join(line for line in map(one_line, lines) if line)


def _ended(appointment: AppointmentFacts) -> str:
    """Why the event ends; at an address that is no longer theirs, the appointment may live on."""
    _ = translator(appointment.language)
    theirs = bool(appointment.manage_url)
    return _("This appointment is cancelled.") if theirs else _("This invitation no longer applies")
