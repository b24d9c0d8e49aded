"""What mail servers say about mails of ours: by the book (RFC 3464), or in words of their own."""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Sequence
from email import message_from_string
from email.message import Message

from ..hygiene import one_line
from .kinds import Bounce
from .reading import Part, decoded, enclosed, header, our_keys

LONGEST_DIAGNOSTIC = 150
MOST_BLOCKS = 50
LONGEST_EXPLANATION = 4000
REPORTS = frozenset({"message/delivery-status", "message/global-delivery-status"})
HEADERS = frozenset({"text/rfc822-headers", "message/rfc822-headers", "message/global-headers"})

_ADDRESS = re.compile(r"\S*@\S*")
_CODE = re.compile(r"\b[45]\d\d[ :-]|\b[245]\.\d{1,3}\.\d{1,3}\b")
_DAEMON = re.compile(r"(?i)mailer.?daemon|post.?master|mail.?deliver|mdaemon|system.?administrator")
_FAILED = re.compile(
    r"(?i)undeliver|not be delivered|n.t be delivered|unable to deliver|could ?n.t deliver"
    r"|could not deliver|delivery (?:has )?fail|failed delivery|delivery failure|failure notice"
    r"|delivery status notification \(failure\)|returned mail|returning message to sender"
    r"|permanent (?:fatal )?error|did not reach|can(?:'|no)t (?:be )?deliver|user unknown"
    r"|mail failure|was rejected|message blocked|able to deliver|nondeliverable|no such user"
    r"|invalid (?:[a-z ]{0,20})?(?:user|address|recipient)|mailbox (?:is )?(?:full|unavailable)"
    r"|non remis|unzustellbar|konnte nicht zugestellt|no se pudo entregar|non recapitabil"
    r"|impossibile recapitare|kunde inte levereras|kon niet worden"
)
_DELAYED = re.compile(
    r"(?i)\bdelay|not yet been delivered|will (?:be retried|keep trying|continue to|retry)"
    r"|will try again|still (?:being )?(?:undelivered|trying|retried)"
    r"|warning: (?:message|could not send)|this is (?:just )?a warning"
    r"|do(?:es)? not need to (?:do anything|resend)"
)


def bounce_in(mail: Message, parts: Sequence[Part], about: Sequence[str]) -> Bounce | None:
    """What a mail server reports; None if the mail is something else."""
    blocks = [block for each in enclosed(mail) for block in _blocks(each)]
    by_the_book = [each for each in blocks if each.get("action") or each.get("status")]
    if by_the_book:
        failed = any(_has_failed(each) for each in by_the_book)
        words = next((_words(each) for each in by_the_book if _has_failed(each)), "")
    elif _is_from_a_server(mail, parts):
        said = _said(mail, parts)
        failed = _says_failure(mail, said)
        words = _telling_line(said)
    else:
        return None
    keys = [*_returned(mail, parts), *about, *_named_in(parts)]
    return Bounce(
        message_ids=tuple(dict.fromkeys(keys))[:20],
        failed=failed,
        diagnostic=storable(words),
    )


def storable(words: str) -> str:
    """A diagnostic that may be kept: short, on one line, without addresses."""
    return one_line(_ADDRESS.sub("(address)", words))[:LONGEST_DIAGNOSTIC].strip()


def _blocks(report: Message) -> Iterator[dict[str, str]]:
    """The groups of fields of a delivery report (RFC 3464 §2.1), names in lower case."""
    if report.get_content_type() not in REPORTS:
        return
    coded = str(report.get("Content-Transfer-Encoding", "")).strip().lower() == "base64"
    for each in list(report.get_payload())[:MOST_BLOCKS]:
        if not isinstance(each, Message):
            continue
        if each.keys():
            yield _fields(each)
        body = each.get_payload()
        text = body if isinstance(body, str) else ""
        for group in re.split(r"\n\s*\n", _uncoded(text) if coded else text)[:MOST_BLOCKS]:
            yield _fields(message_from_string(group.strip()))


def _fields(group: Message) -> dict[str, str]:
    return {name.lower(): str(value).strip() for name, value in group.items()}


def _uncoded(text: str) -> str:
    try:
        return decoded(b64decode(text)).replace("\r\n", "\n")
    except (NotBase64, ValueError):
        return text


def _has_failed(fields: dict[str, str]) -> bool:
    """By its action (RFC 3464 §2.3.3); where it names none, by its status."""
    action = fields.get("action", "").partition("(")[0].strip().lower()
    return action == "failed" if action else fields.get("status", "").startswith("5")


def _words(fields: dict[str, str]) -> str:
    diagnostic = fields.get("diagnostic-code", "")
    return diagnostic.partition(";")[2] or diagnostic or fields.get("status", "")


def _is_from_a_server(mail: Message, parts: Sequence[Part]) -> bool:
    """Whether a mail without a report in it is one all the same."""
    if mail.get("X-Failed-Recipients") or _report_type(mail) == "delivery-status":
        return True
    server = bool(_DAEMON.search(header(mail, "From"))) or header(mail, "Return-Path") == "<>"
    said = _said(mail, parts)
    if _FAILED.search(said):
        return server or bool(_returned(mail, parts))
    return server and bool(_DELAYED.search(said))


def _report_type(mail: Message) -> str:
    found = (
        mail.get_param("report-type", "") if mail.get_content_type() == "multipart/report" else ""
    )
    return str(found).lower()


def _says_failure(mail: Message, said: str) -> bool:
    """A server that still tries says so; one that has given up may name an earlier delay."""
    subject = header(mail, "Subject")
    if _DELAYED.search(subject):
        return False
    if _FAILED.search(subject) or mail.get("X-Failed-Recipients"):
        return True
    return bool(_FAILED.search(said)) and not _DELAYED.search(said)


def _said(mail: Message, parts: Sequence[Part]) -> str:
    """Subject and text, as far as the server's own words go."""
    text = next((each.text for each in parts if each.kind.startswith("text/")), "")
    return f"{header(mail, 'Subject')}\n{text[:LONGEST_EXPLANATION]}"


def _telling_line(said: str) -> str:
    """The line in which a server gives its reason: one with a code, or one that says failure."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    coded = (line for line in lines if _CODE.search(line))
    return next(coded, next((line for line in lines if _FAILED.search(line)), ""))


def _returned(mail: Message, parts: Sequence[Part]) -> list[str]:
    """The Message-ID of the mail that came back, from its headers or from what is left of them."""
    found: list[str] = []
    for each in enclosed(mail):
        inner = each.get_payload() if each.get_content_type() not in REPORTS else []
        for one in inner:
            if isinstance(one, Message):
                headers = "\n".join(f"{name}: {value}" for name, value in one.items())
                found += _keys_in(headers)
    for part in parts:
        found += our_keys(part.message_id)
        if part.kind in HEADERS:
            found += _keys_in(part.text)
    return found


def _named_in(parts: Sequence[Part]) -> list[str]:
    """What the text names, where a server put the returned mail into it (qmail, Exim)."""
    return [key for each in parts if each.kind.startswith("text/") for key in _keys_in(each.text)]


def _keys_in(text: str) -> list[str]:
    """Message-IDs first, then whatever else looks like one of ours: relays rename the header."""
    named = re.findall(r"(?im)^[> \t]*message-id:\s*<([^>\s]{1,200})>", text)
    return [key for each in (*named, text) for key in our_keys(each)]
