"""From an appointment to the bytes of a mail (RFC 5322, RFC 6047)."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.header import Header
from email.message import MIMEPart
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from uuid import uuid4

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from . import invitation
from .facts import AppointmentFacts, ClinicFacts, NoticeFacts, StaffEventFacts
from .hygiene import header_text, one_line, plain_address, telephone_address, web_address
from .languages import ENGLISH, LANGUAGES, catalog, direction
from .wording import (
    clock_text,
    day_text,
    hours_text,
    local_times,
    short_when,
    where_text,
    zone_name,
    zones_differ,
)

_METHODS: dict[str, tuple[str, Callable[..., bytes]]] = {
    "confirmed": ("REQUEST", invitation.request),
    "rescheduled": ("REQUEST", invitation.request),
    "cancelled": ("CANCEL", invitation.cancellation),
    "withdrawn": ("CANCEL", invitation.cancellation),
}
"""Mails that change the patient's calendar, and how; the others leave it alone, since a repeated
invitation would ask again for an answer that was given."""
_PRACTITIONER_METHODS: dict[bool, tuple[str, Callable[..., bytes]]] = {
    False: ("REQUEST", invitation.practitioner_request),
    True: ("CANCEL", invitation.practitioner_cancellation),
}
PATIENT_KINDS = frozenset(
    {
        *_METHODS,
        "reminder",
        "declined",
        "unchanged",
        "offered",
        "confirm_address",
        "address_asked",
        "phone_changed",
    }
)
NOTICE_KINDS = frozenset(
    {
        "notice_booked",
        "notice_rescheduled",
        "notice_cancelled",
        "notice_passed_on",
        "notice_declined",
    }
)

_POLICY = SMTP.clone(cte_type="7bit")
_LINE = 78
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9._-]+@[A-Za-z0-9.-]+>")


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One mail to one person, ready for the wire."""

    sender: str
    recipient: str = field(repr=False)
    message_id: str

    content: bytes = field(repr=False)
    """The whole message with CRLF line ends, in ASCII."""


def new_message_id(domain: str) -> str:
    """A random Message-ID; it never contains the UID, since mail logs keep it."""
    return f"<{uuid4().hex}@{domain}>"


class Renderer:
    """Turns facts into mails, with the templates of one folder."""

    def __init__(self, templates: Path) -> None:
        """Read templates from `templates`, the folder that has ``email/`` in it."""
        self._environments = {each: _environment(templates, each) for each in LANGUAGES}

    def compose_patient(
        self,
        kind: str,
        clinic: ClinicFacts,
        appointment: AppointmentFacts,
        *,
        message_id: str,
        stamp: datetime,
        sent_at: datetime,
    ) -> Mail:
        """The patient's mail; with the invitation in it, twice the same bytes (RFC 6047 §2).

        Raises:
            ValueError: if the kind is unknown, or a header or address would be unsafe.
        """
        if kind not in PATIENT_KINDS:
            raise ValueError(f"There is no mail to patients called {kind!r}.")
        context = _patient_context(clinic, appointment)
        subject, text, html = self._texts(kind, context, appointment.language)
        body = _multipart("alternative", *_bodies(text, html))
        if kind in _METHODS:
            method, render = _METHODS[kind]
            body = _with_event(body, render(clinic, appointment, stamp=stamp), method)
        return _mail(clinic, appointment.patient_address, message_id, subject, sent_at, body)

    def compose_notice(
        self,
        kind: str,
        clinic: ClinicFacts,
        notice: NoticeFacts,
        *,
        recipient: str,
        message_id: str,
        stamp: datetime,
        sent_at: datetime,
        event: StaffEventFacts | None = None,
    ) -> Mail:
        """The mail that sends staff to their page: a time, a link, no patient.

        Args:
            event: What the mail puts into the recipient's calendar, or takes out of it.

        Raises:
            ValueError: if the kind is unknown, or a header or address would be unsafe.
        """
        if kind not in NOTICE_KINDS:
            raise ValueError(f"There is no notice called {kind!r}.")
        subject, text, html = self._texts(kind, _notice_context(clinic, notice))
        body = _multipart("alternative", *_bodies(text, html))
        if event is not None:
            method, render = _PRACTITIONER_METHODS[event.cancelled]
            calendar = render(clinic, event, address=recipient, stamp=stamp)
            body = _with_event(body, calendar, method)
        return _mail(clinic, recipient, message_id, subject, sent_at, body)

    def compose_welcome(
        self,
        clinic: ClinicFacts,
        *,
        recipient: str,
        url: str,
        expires_at: datetime,
        message_id: str,
        sent_at: datetime,
    ) -> Mail:
        """The mail that invites somebody to become a member of staff.

        Raises:
            ValueError: if a header or address would be unsafe.
        """
        zone = clinic.timezone
        day = day_text(expires_at, zone)
        context: dict[str, object] = {
            "clinic_name": one_line(clinic.name),
            "clinic_phone": one_line(clinic.phone),
            "url": web_address(url),
            "until": f"{day}, {clock_text(expires_at, zone)}, {zone_name(zone, expires_at)}",
        }
        subject, text, html = self._texts("welcome", context)
        body = _multipart("alternative", *_bodies(text, html))
        return _mail(clinic, recipient, message_id, subject, sent_at, body)

    def compose_trial(self, us: ClinicFacts, *, recipient: str, sent_at: datetime) -> Mail:
        """The mail that shows whether mail leaves; it says nothing of anybody.

        Raises:
            ValueError: if an address would be unsafe.
        """
        subject, text, html = self._texts("trial", {"clinic_name": one_line(us.name)})
        body = _multipart("alternative", *_bodies(text, html))
        domain = us.address_of_mail.partition("@")[2]
        return _mail(us, recipient, new_message_id(domain), subject, sent_at, body)

    def _texts(
        self, kind: str, context: dict[str, object], language: str = ENGLISH
    ) -> tuple[str, str, str]:
        """Subject, plain text and HTML of one message."""
        environment = self._environments[language]

        def render(part: str, **more: str) -> str:
            return environment.get_template(f"email/{kind}/{part}").render(context | more)

        subject = render("subject.txt").strip()
        text = render("body.txt", subject=subject).strip() + "\n"
        return subject, text, render("body.html", subject=subject)


def _environment(templates: Path, language: str) -> Environment:
    """The templates in one language; those for staff are only ever read in English."""
    environment = Environment(
        loader=FileSystemLoader(templates),
        extensions=["jinja2.ext.i18n"],
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tel"] = telephone_address
    texts = catalog(language)
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        texts.gettext, texts.ngettext, newstyle=True
    )
    environment.globals.update(language=language, direction=direction(language))
    return environment


def _patient_context(clinic: ClinicFacts, appointment: AppointmentFacts) -> dict[str, object]:
    zone, language = appointment.patient_timezone, appointment.language
    when = short_when(appointment.start, zone, language=language)
    if zones_differ(zone, clinic.timezone, appointment.start):
        when = f"{when}, {zone_name(zone, appointment.start, language=language)}"
    return {
        "clinic_name": one_line(clinic.name),
        "clinic_phone": one_line(clinic.phone),
        "short_when": when,
        "times": local_times(clinic, appointment),
        "mode": appointment.mode,
        "changeable": appointment.changeable,
        "where": one_line(where_text(appointment)),
        "video_url": web_address(appointment.video_url),
        "manage_url": web_address(appointment.manage_url),
        "keep_url": web_address(f"{appointment.manage_url}/keep"),
        "cancel_url": web_address(f"{appointment.manage_url}/cancel"),
        "contact_url": web_address(f"{appointment.manage_url}/contact"),
        "offer_url": web_address(f"{appointment.manage_url}/offer"),
        "kept_until": _until(appointment, zone),
    }


def _until(appointment: AppointmentFacts, zone: str) -> str:
    until, language = appointment.kept_until, appointment.language
    if until is None:
        return ""
    zone_in_words = zone_name(zone, until, language=language)
    return f"{short_when(until, zone, language=language)}, {zone_in_words}"


def _notice_context(clinic: ClinicFacts, notice: NoticeFacts) -> dict[str, object]:
    return {
        "clinic_name": one_line(clinic.name),
        "short_when": short_when(notice.start, notice.timezone),
        "day": day_text(notice.start, notice.timezone),
        "hours": hours_text(notice.start, notice.end, notice.timezone),
        "zone": zone_name(notice.timezone, notice.start),
        "staff_url": web_address(notice.staff_url),
    }


def _bodies(text: str, html: str) -> tuple[MIMEPart, MIMEPart]:
    plain, rich = MIMEPart(_POLICY), MIMEPart(_POLICY)
    plain.set_content(text, cte="quoted-printable")
    rich.set_content(html, subtype="html", cte="quoted-printable")
    return plain, rich


def _with_event(alternatives: MIMEPart, calendar: bytes, method: str) -> MIMEPart:
    """The event twice, the same bytes: as the last of the alternatives, and to keep."""
    alternatives.attach(_inline(calendar, method))
    return _multipart("mixed", alternatives, _attachment(calendar))


def _inline(calendar: bytes, method: str) -> MIMEPart:
    """The copy that calendar apps act on: no Content-Disposition, no Content-ID."""
    part = MIMEPart(_POLICY)
    params = {"charset": "utf-8", "method": method}
    part.set_content(calendar, maintype="text", subtype="calendar", params=params)
    return part


def _attachment(calendar: bytes) -> MIMEPart:
    """The copy to keep; not a second text/calendar, which would show two bars."""
    part = MIMEPart(_POLICY)
    part.set_content(
        calendar,
        maintype="application",
        subtype="ics",
        params={"name": "invite.ics"},
        disposition="attachment",
        filename="invite.ics",
    )
    return part


def _multipart(subtype: str, *parts: MIMEPart) -> MIMEPart:
    whole = MIMEPart(_POLICY)
    whole["Content-Type"] = f"multipart/{subtype}"
    for part in parts:
        whole.attach(part)
    return whole


def _mail(
    clinic: ClinicFacts,
    recipient: str,
    message_id: str,
    subject: str,
    sent_at: datetime,
    body: MIMEPart,
) -> Mail:
    """Put the headers above the body.

    They are written here and not by the email package: it loses the quotes of a long
    display name with a comma in it, and folds long Message-IDs into encoded words.
    """
    steady = plain_address(clinic.address_of_mail)
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("A Message-ID is not of the form <letters@domain>.")
    sender = _tagged(steady, message_id) if clinic.tagged else steady
    headers = {
        "From": _mailbox(clinic.name, steady),
        "To": plain_address(recipient),
        **({"Reply-To": sender} if clinic.tagged else {}),
        "Subject": _unstructured(subject),
        "Date": format_datetime(sent_at),
        "Message-ID": message_id,
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
    }
    block = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    content = block.encode("ascii") + body.as_bytes()
    return Mail(sender=sender, recipient=recipient, message_id=message_id, content=content)


def _tagged(address: str, message_id: str) -> str:
    """The address with the key of one message in it (RFC 5233): what comes back names it."""
    local, _, domain = address.partition("@")
    key = message_id.strip("<>").partition("@")[0]
    return plain_address(f"{local}+{key}@{domain}")


def _mailbox(name: str, address: str) -> str:
    """Name and address, the name quoted (RFC 5322 §3.4) or in encoded words (RFC 2047 §5)."""
    if header_text(name).isascii() and len(name) < _LINE // 2:
        escaped = name.replace("\\", r"\\").replace('"', r"\"")
        return f'"{escaped}" <{address}>'
    return f"{_encoded_words(name, 'From')}\r\n <{address}>"


def _unstructured(text: str) -> str:
    if header_text(text).isascii() and len(f"Subject: {text}") <= _LINE:
        return text
    return _encoded_words(text, "Subject")


def _encoded_words(text: str, header: str) -> str:
    """Encoded words of at most 75 characters, one per line, split between characters."""
    return Header(text, "utf-8", header_name=header).encode(linesep="\r\n")
