"""Links that put an appointment into a calendar on another company's site.

Whoever follows one tells that company the time, so the text is neutral and holds
neither the patient's own link nor the video link.
"""

from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from .facts import AppointmentFacts
from .hygiene import one_line
from .languages import translator
from .wording import title_text


def google_calendar_url(appointment: AppointmentFacts) -> str:
    """A filled-in event of Google Calendar."""
    span = f"{_basic(appointment.start)}/{_basic(appointment.end)}"
    query = {
        "action": "TEMPLATE",
        "text": one_line(title_text(appointment.title, appointment.language)),
        "dates": span,
        "details": _details(appointment),
        "location": _place(appointment),
    }
    return f"https://calendar.google.com/calendar/render?{_encoded(query)}"


def outlook_live_url(appointment: AppointmentFacts) -> str:
    """A filled-in event of Outlook.com, for private accounts."""
    return _outlook_url("outlook.live.com", appointment)


def outlook_office_url(appointment: AppointmentFacts) -> str:
    """A filled-in event of Outlook on the web, for accounts of work or school."""
    return _outlook_url("outlook.office.com", appointment)


def _outlook_url(host: str, appointment: AppointmentFacts) -> str:
    query = {
        "path": "/calendar/action/compose",
        "rru": "addevent",
        "subject": one_line(title_text(appointment.title, appointment.language)),
        "startdt": _extended(appointment.start),
        "enddt": _extended(appointment.end),
        "body": _details(appointment),
        "location": _place(appointment),
    }
    return f"https://{host}/calendar/0/deeplink/compose?{_encoded(query)}"


def _encoded(query: dict[str, str]) -> str:
    """The query, empty values left out, spaces as %20: Outlook shows a + as a plus."""
    return urlencode({name: text for name, text in query.items() if text}, quote_via=quote)


def _details(appointment: AppointmentFacts) -> str:
    _ = translator(appointment.language)
    return _("Everything else is in the mail from the clinic.")


def _place(appointment: AppointmentFacts) -> str:
    _ = translator(appointment.language)
    places = {"video": _("Video"), "phone": _("Phone")}
    return places.get(appointment.mode, one_line(appointment.location))


def _basic(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _extended(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
