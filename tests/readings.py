"""What a calendar app would find in a mail, read by a library and not by us."""

from datetime import datetime
from email import message_from_bytes, policy
from typing import Any

from icalendar import Calendar

from booking.messages.mail import Mail
from tests.builders import Mailbox

PATIENT = "sam@mail.example"


def told(mailbox: Mailbox, address: str = PATIENT) -> list[tuple[str, int]]:
    """Method and SEQUENCE of each event that an address got, oldest first."""
    return [(method(each), sequence(each)) for each in mailbox.to(address) if has_event(each)]


def subjects(mailbox: Mailbox, address: str = PATIENT) -> list[str]:
    """What the mails to an address are called, without the time."""
    found = [
        message_from_bytes(each.content, policy=policy.default) for each in mailbox.to(address)
    ]
    return [str(each["Subject"]).partition(":")[0] for each in found]


def text_of(mail: Mail) -> str:
    """The plain text of a mail."""
    part = message_from_bytes(mail.content, policy=policy.default).get_body(("plain",))
    assert part
    return str(part.get_content())


def has_event(mail: Mail) -> bool:
    """Whether the mail says anything to a calendar."""
    return b"text/calendar" in mail.content


def calendar(mail: Mail) -> Any:
    parts: list[Any] = list(message_from_bytes(mail.content).walk())
    [text] = [p.get_payload(decode=True) for p in parts if p.get_content_type() == "text/calendar"]
    return Calendar.from_ical(text)


def event(mail: Mail) -> Any:
    [found] = calendar(mail).walk("VEVENT")
    return found


def method(mail: Mail) -> str:
    return str(calendar(mail)["METHOD"])


def sequence(mail: Mail) -> int:
    return int(event(mail)["SEQUENCE"])


def uid(mail: Mail) -> str:
    return str(event(mail)["UID"])


def stamp(mail: Mail) -> datetime:
    found: datetime = event(mail)["DTSTAMP"].dt
    return found
