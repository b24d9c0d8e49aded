"""What a received mail can be, as plain values.

Whatever identifies a person, opens a door or speaks of health stays out of ``repr``.
"""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Attendee:
    """Somebody for whom a calendar answered (RFC 5545 §3.8.4.1)."""

    address: str = field(repr=False)
    """In lower case, without ``mailto:``; empty where none can be read."""

    partstat: str
    """In upper case, as it came; ``NEEDS-ACTION`` where none was given (§3.2.12)."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a calendar answered to an invitation, by REPLY or COUNTER (RFC 5546 §3.2.3, §3.2.7)."""

    uid: str = field(repr=False)
    attendees: tuple[Attendee, ...]
    """Each of them once; an answer that counts names exactly one."""

    sequence: int | None
    """The SEQUENCE that is answered; None where the calendar left it out."""

    stamped_at: datetime | None
    """DTSTAMP."""

    replied_at: datetime | None
    """X-MICROSOFT-CDO-REPLYTIME."""

    comment: str = field(repr=False)
    """Plain text, length-limited, for staff only."""

    proposes: bool
    """Whether it asks for another time instead of answering."""

    proposed_start: datetime | None = None
    """In UTC; None where the time has no zone that we know."""

    proposed_end: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Bounce:
    """What a mail server says about a mail of ours (RFC 3464, or in its own words)."""

    message_ids: tuple[str, ...]
    """The left halves of the Message-IDs that it may be about, the likeliest first."""

    failed: bool
    """False for a delay, a relay or a success, of which nothing follows."""

    diagnostic: str
    """Why, in a few words that are fit to be stored: they hold no address."""


@dataclass(frozen=True)
class AutoReply:
    """Written by a machine to whoever wrote: out of office, read receipts, newsletters."""


@dataclass(frozen=True, kw_only=True)
class Other:
    """Something for a person to read."""

    damaged: bool = False
    """Whether it holds a calendar's answer that cannot be made out."""


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """A received mail, understood as far as can be without guessing."""

    sender: str = field(repr=False)
    """What From says: a hint for staff, proof of nothing."""

    subject: str = field(repr=False)
    dated_at: datetime | None
    """The mail's own Date."""

    about: tuple[str, ...]
    """The left halves of those of our Message-IDs that it may answer to, from reply keys,
    In-Reply-To and References."""

    text: str = field(repr=False)
    """What it says, as plain text, length-limited."""

    content: Answer | Bounce | AutoReply | Other
