"""From the bytes of a mail to its parts (RFC 5322, RFC 2045).

Nothing here trusts the sender: sizes and counts are limited before anything is parsed, since
the parser's work grows with the product of parts and nesting.
"""

import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.policy import Compat32
from email.utils import parsedate_to_datetime
from hashlib import sha256
from quopri import decodestring

from ..hygiene import one_line

LARGEST = 1024 * 1024
"""Bytes of a mail that are read; a mail that matters to us is far smaller."""
LONGEST_HEADER = 8 * 1024
MOST_PARTS, MOST_DELIMITERS, MOST_HEADERS, MOST_LINE_ENDS = 200, 2000, 4000, 60_000
DEEPEST = 20
FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MessageError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What the email package raises, in one place or another, for mails that are damaged."""

_BOUNDARY = re.compile(rb"(?i)boundary\s*=")
_CONTENT_TYPE = re.compile(rb"(?im)^content-type\s*:")
_DELIMITER = re.compile(rb"(?:^|[\r\n])--")
_HEADER = re.compile(rb"(?m)^[!-9;-~]+:")
_LINE_END = re.compile(rb"[\r\n]")
_OWN_FIELD = re.compile(rb"(?i)(?:message-id|date|from|content-[a-z-]+)\s*:")
_OUR_KEY = re.compile(r"(?<![0-9A-Za-z])([0-9a-fA-F]{32})@")
_REPLY_KEY = re.compile(r"\+([0-9a-fA-F]{32})@")
_ADDRESS = re.compile(r"[^\s<>,;:\"()]{1,64}@[^\s<>,;:\"()]{1,255}")
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class _ShortHeaders(Compat32):
    """Cuts headers while they are read: the parser's work grows with their square."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:LONGEST_HEADER]


_POLICY = _ShortHeaders()


@dataclass(frozen=True)
class Part:
    """A leaf of a mail: what it says it is, and its bytes."""

    kind: str
    name: str
    method: str
    """The ``method`` parameter of its Content-Type, in upper case (RFC 6047 §2.4)."""
    attached: bool
    charset: str
    content: bytes
    """The transfer encoding undone."""
    raw: bytes
    """As it stands in the mail, for senders that misname the encoding."""
    message_id: str
    """A Message-ID among its own headers, where a server put a returned mail's headers there."""

    @property
    def text(self) -> str:
        """The content in the charset that it names, or in the one that it seems to have."""
        return decoded(self.content, self.charset)


def parsed(raw: bytes) -> Message:
    """The mail's structure; of a mail too intricate to be safe only its headers and its text.

    Raises:
        RecursionError, ValueError and others of `FAULTS`: if it is too damaged.
    """
    raw = raw[:LARGEST].removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if _is_intricate(raw):
        head = re.split(rb"\r?\n\r?\n", raw[: LONGEST_HEADER * 4], maxsplit=1)[0]
        plain = re.sub(rb"(?im)^(content-[a-z-]+|mime-version)\s*:", b"X-Left-Out:", head)
        return message_from_bytes(plain + b"\n\n", policy=_POLICY)
    return message_from_bytes(raw, policy=_POLICY)


def fingerprint(raw: bytes) -> str:
    """What makes this mail itself and no other, on whichever way it comes to us.

    Relays add headers and change line ends; who sent what, when and under which name stays.
    """
    head, _, body = re.sub(rb"\r*\n|\r", b"\n", raw).lstrip(b"\n").partition(b"\n\n")
    fields = re.sub(rb"\n[ \t]+", b"", head).split(b"\n")
    own = sorted(re.sub(rb"\s", b"", each) for each in fields if _OWN_FIELD.match(each))
    return sha256(b"\n".join([*own, b"", body.rstrip()])).hexdigest()


def _is_intricate(raw: bytes) -> bool:
    limits = (
        (_BOUNDARY, DEEPEST),
        (_CONTENT_TYPE, MOST_PARTS),
        (_DELIMITER, MOST_DELIMITERS),
        (_HEADER, MOST_HEADERS),
        (_LINE_END, MOST_LINE_ENDS),
    )
    return any(len(pattern.findall(raw)) > most for pattern, most in limits)


def leaves(mail: Message) -> Iterator[Part]:
    """The leaf parts in order; what lies inside another mail is not the sender's own word."""
    if mail.is_multipart():
        if mail.get_content_maintype() != "message":
            for each in mail.get_payload():
                if isinstance(each, Message):
                    yield from leaves(each)
        return
    yield _part(mail)


def enclosed(mail: Message) -> Iterator[Message]:
    """The parts that are reports or other mails, those at the top first."""
    if mail.get_content_maintype() == "message" and mail.is_multipart():
        yield mail
    elif mail.is_multipart():
        for each in mail.get_payload():
            if isinstance(each, Message):
                yield from enclosed(each)


def _part(leaf: Message) -> Part:
    content = leaf.get_payload(decode=True)
    kind, method, charset = leaf.get_content_type(), _param(leaf, "method"), _param(leaf, "charset")
    if kind.startswith("multipart/"):
        kind = "text/plain"  # its parts cannot be told apart: it is read as it stands
    disposition = str(leaf.get("Content-Disposition", "")).lower()
    name = _file_name(leaf)
    del leaf["Content-Transfer-Encoding"]
    raw = leaf.get_payload(decode=True)
    return Part(
        kind=kind,
        name=name,
        method=method.upper(),
        attached=disposition.lstrip().startswith("attachment"),
        charset=charset,
        content=content if isinstance(content, bytes) else b"",
        raw=raw if isinstance(raw, bytes) else b"",
        message_id=str(leaf.get("Message-ID", "")),
    )


def _param(leaf: Message, name: str) -> str:
    """A parameter of Content-Type, however oddly it is encoded (RFC 2231)."""
    try:
        found = leaf.get_param(name, "")
        value = found[2] if isinstance(found, tuple) else found
        return str(value).strip().strip("\"'")
    except FAULTS:
        return ""


def _file_name(leaf: Message) -> str:
    try:
        return str(leaf.get_filename() or "").strip().lower()
    except FAULTS:
        return ""


def decoded(data: bytes, charset: str = "") -> str:
    """Text from bytes: by its byte order mark, its charset, as UTF-8, as Windows writes."""
    marks = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
    marked = next((name for mark, name in marks if data.startswith(mark)), _unmarked_utf16(data))
    for name in (marked, charset, "utf-8", "windows-1252"):
        try:
            if name:
                return data.decode(name).lstrip("\ufeff")
        except (ValueError, LookupError, TypeError):  # a codec need not be one for text
            continue
    return data.decode("latin-1")


def _unmarked_utf16(data: bytes) -> str:
    """Text in ASCII letters that takes two bytes each is UTF-16, whatever it is called."""
    for name, zeros in (("utf-16-le", data[1:64:2]), ("utf-16-be", data[:64:2])):
        if len(zeros) > 4 and not any(zeros):
            return name
    return ""


def undone(part: Part) -> Iterator[bytes]:
    """What a part may have meant: as its encoding says, and as those do that misname it."""
    yield part.content
    yield part.raw
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", part.raw)
    yield b64decode(letters[: len(letters) // 4 * 4])
    yield decodestring(part.raw)


def header(mail: Message, name: str) -> str:
    """A header on one line, encoded words undone (RFC 2047); the first where there are several."""
    try:
        value = str(mail.get(name, ""))[:LONGEST_HEADER]
    except FAULTS:
        return ""
    try:
        pieces = decode_header(value) if "=?" in value else [(value, None)]
        words = [
            decoded(piece, charset or "") if isinstance(piece, bytes) else piece
            for piece, charset in pieces
        ]
        value = "".join(words)
    except (*FAULTS, HeaderParseError):
        pass
    return one_line(value.encode("utf-8", "replace").decode())


def sender(mail: Message) -> str:
    """The address that From names."""
    found = _ADDRESS.findall(header(mail, "From")[:1000])
    return str(found[-1]).lower() if found else ""


def dated_at(mail: Message) -> datetime | None:
    """Date, where it can be read and is of our times."""
    try:
        found = parsedate_to_datetime(header(mail, "Date"))
        return sensible(found if found.tzinfo else found.replace(tzinfo=UTC))
    except FAULTS:
        return None


def sensible(instant: datetime) -> datetime | None:
    """The instant in UTC and whole seconds, if it can be meant."""
    try:
        found = instant.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        return None
    return found if _EARLIEST <= found < _LATEST else None


def our_keys(text: str) -> list[str]:
    """What may be the left half of a Message-ID of ours, in order."""
    return [each.lower() for each in _OUR_KEY.findall(text)]


def about(mail: Message) -> tuple[str, ...]:
    """Our messages that the mail names: by reply key, In-Reply-To and References."""
    found: list[str] = []
    for name in ("To", "Delivered-To", "X-Original-To", "Envelope-To", "Cc"):
        for value in mail.get_all(name, []):
            found += [each.lower() for each in _REPLY_KEY.findall(str(value))]
    found += our_keys(header(mail, "In-Reply-To"))
    found += reversed(our_keys(header(mail, "References")))
    return tuple(dict.fromkeys(found))[:20]
