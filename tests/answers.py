"""Mails as patients, their calendars and mail servers send them, about appointments of a test."""

from datetime import datetime
from uuid import uuid4

from booking.messages.incoming import understand
from booking.models import Appointment, OwedMessage, ReceivedMail
from booking.models.database import db, transaction
from booking.services.replies import receive
from tests.builders import HOUSE, NOW

SAM = "sam@mail.example"
CRLF = "\r\n"


def an_answer(
    uid: str,
    partstat: str = "ACCEPTED",
    *,
    attendee: str = SAM,
    sequence: int | None = 0,
    stamped: str = "20261123T130000Z",
    method: str = "REPLY",
    more: tuple[str, ...] = (),
) -> bytes:
    """An answer as most calendars send it; each call is a mail of its own."""
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"METHOD:{method}",
        "BEGIN:VEVENT",
        f"UID:{uid}",
        f"DTSTAMP:{stamped}",
        f"ATTENDEE;PARTSTAT={partstat}:mailto:{attendee}",
        *(() if sequence is None else (f"SEQUENCE:{sequence}",)),
        *more,
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    )
    kind = f"text/calendar; charset=utf-8; method={method}"
    return a_mail(CRLF.join(lines), kind=kind, subject="Re: Appointment")


def a_proposal(uid: str, start: str = "20261125T150000Z", **more: str) -> bytes:
    """A wish for another time; `start` as a calendar writes it."""
    return an_answer(uid, "TENTATIVE", method="COUNTER", more=(f"DTSTART:{start}",), **more)  # type: ignore[arg-type]


def a_mail(
    body: str = "May I bring my sister?",
    *,
    kind: str = "text/plain; charset=utf-8",
    subject: str = "A question",
    sender: str = SAM,
    headers: tuple[str, ...] = (),
) -> bytes:
    """Any mail to the clinic."""
    lines = (
        f"From: {sender}",
        "To: appointments@clinic.example",
        f"Subject: {subject}",
        "Date: Mon, 23 Nov 2026 13:00:00 +0000",
        f"Message-ID: <{uuid4()}@mail.example>",
        *headers,
        "MIME-Version: 1.0",
        f"Content-Type: {kind}",
        "",
        body,
    )
    return CRLF.join(lines).encode()


def a_bounce(message: OwedMessage, *, action: str = "failed") -> bytes:
    """A mail server's report about a message of ours."""
    parts = (
        "--r",
        "Content-Type: text/plain",
        "",
        "It could not be delivered.",
        "--r",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.mail.example",
        "",
        f"Final-Recipient: rfc822; {SAM}",
        f"Action: {action}",
        "Status: 5.1.1",
        f"Diagnostic-Code: smtp; 550 5.1.1 <{SAM}> unknown",
        "",
        "--r",
        "Content-Type: message/rfc822",
        "",
        f"Message-ID: <{message.message_id}@clinic.example>",
        "",
        "--r--",
        "",
    )
    kind = "multipart/report; report-type=delivery-status; boundary=r"
    sender = "MAILER-DAEMON@mx.mail.example"
    return a_mail(CRLF.join(parts), kind=kind, subject="Undelivered mail", sender=sender)


def take_in(raw: bytes, *, now: datetime = NOW) -> ReceivedMail:
    """Receive a mail as worker, command and gateway do."""
    incoming = understand(raw)
    with transaction() as session:
        number = receive(session, incoming, raw, HOUSE, now=now).id
    db.session.expire_all()
    return db.session.get_one(ReceivedMail, number)


def uid_of(appointment: int) -> str:
    """What only who saw the invitation knows."""
    db.session.rollback()
    return db.session.get_one(Appointment, appointment).uid
