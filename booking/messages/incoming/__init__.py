"""Mails that come in: what each one is, read without guessing and without trust.

Pure functions over bytes. `understand` never raises, whatever it is given.
"""

import re
from email.message import Message

from .answers import answer_in
from .bounces import bounce_in
from .kinds import Answer, Attendee, AutoReply, Bounce, Incoming, Other
from .reading import FAULTS, Part, about, dated_at, fingerprint, header, leaves, parsed, sender
from .texts import text_of

__all__ = [
    "UNREADABLE",
    "Answer",
    "Attendee",
    "AutoReply",
    "Bounce",
    "Incoming",
    "Other",
    "fingerprint",
    "understand",
]

_AUTOMATIC = re.compile(
    r"(?i)\s*(automatic reply|auto(?:matic)?[- ]?(?:reply|response)|out of (?:the )?office"
    r"|autoreply|automatische antwort|abwesenheitsnotiz|réponse automatique|respuesta automática"
    r"|resposta automática|risposta automatica|automatisch antwoord|autosvar)\b"
)
UNREADABLE = Incoming(
    sender="", subject="", dated_at=None, about=(), text="", content=Other(damaged=True)
)
"""A mail of which nothing can be made out."""


def understand(raw: bytes) -> Incoming:
    """What a received mail is, from its bytes as they came."""
    try:
        mail = parsed(raw)
        parts = list(leaves(mail))
        ours = about(mail)
        return Incoming(
            sender=sender(mail),
            subject=header(mail, "Subject")[:200],
            dated_at=dated_at(mail),
            about=ours,
            text=text_of(parts),
            content=_content(mail, parts, ours),
        )
    except FAULTS:
        return UNREADABLE


def _content(
    mail: Message, parts: list[Part], ours: tuple[str, ...]
) -> Answer | Bounce | AutoReply | Other:
    """A report before an answer: what comes back may hold an answer that was not meant for us."""
    is_report = mail.get_content_type() == "multipart/report"
    if is_report and (bounce := bounce_in(mail, parts, ours)):
        return bounce
    try:
        answer = None if is_report else answer_in(parts)
    except ValueError:
        return Other(damaged=True)
    if answer:
        return answer
    if bounce := bounce_in(mail, parts, ours):
        return bounce
    return AutoReply() if _is_automatic(mail) else Other()


def _is_automatic(mail: Message) -> bool:
    """Whether a machine wrote it to whoever wrote (RFC 3834 §5), or to a whole list."""
    submitted = header(mail, "Auto-Submitted").partition(";")[0].strip().lower()
    if submitted not in ("", "no"):
        return True
    if any(mail.get(name) for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Reply-From")):
        return True
    precedence = header(mail, "Precedence").lower()
    if precedence in ("auto_reply", "bulk", "junk", "list") or mail.get("List-Id"):
        return True
    if mail.get("X-Auto-Response-Suppress") and _AUTOMATIC.match(header(mail, "Subject")):
        return True
    report = str(mail.get_param("report-type", "")).lower()
    return report == "disposition-notification" or bool(_AUTOMATIC.match(header(mail, "Subject")))
