"""What may stand in a line of a header, an address or a calendar."""

import re
import unicodedata

_UNSAFE_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BIDI = frozenset("\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_ADDRESS = re.compile(
    r"(?=.{3,254}\Z)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
"""A dot-atom at a host name (RFC 5321 §4.1.2): no quotes, comments, groups or literals."""
_HOST = re.compile(r"[\w.-]+|[0-9a-f.]*:[0-9a-f:.]*(%\w+)?")
"""A name, also one in letters of other languages, or an address."""


def _is_unsafe(character: str) -> bool:
    """Whether it controls lines or direction: C0, C1, surrogates, U+2028/9, bidi."""
    return unicodedata.category(character) in _UNSAFE_CATEGORIES or character in _BIDI


def one_line(text: str) -> str:
    """The text on one line, control characters and runs of spaces become one space."""
    return " ".join("".join(" " if _is_unsafe(c) else c for c in text).split())


def web_address(url: str | None) -> str:
    """The URL, if it leads to a web page; nothing otherwise, so that no script is linked."""
    line = "".join(one_line(url or "").split())
    return line if line.lower().startswith(("https://", "http://")) else ""


def telephone_address(number: str) -> str:
    """The address that dials a number as it is written (RFC 3966 §5.1.4).

    ``(0)`` after a country's code is what is dialled inside the country, in place of the code.
    """
    number = number.strip()
    if number.startswith("+"):
        number = number.replace("(0)", "")
    return "tel:" + "".join(each for each in number if each in "+0123456789")


def header_text(value: str) -> str:
    """The value itself, if it may stand in a header.

    Python before 3.11.10 writes what an encoded word decodes to, line ends included, so
    that ``=?`` in a value is an injection.

    Raises:
        ValueError: if it holds a control character or the start of an encoded word.
    """
    if "=?" in value or any(_is_unsafe(character) for character in value):
        raise ValueError("A header value holds a control character or an encoded word.")
    return value


def is_address(address: str) -> bool:
    """Whether this is one plain ASCII address and nothing else."""
    return _ADDRESS.fullmatch(address) is not None


def is_host(host: str) -> bool:
    """Whether this may be the name or the address of a server."""
    return _HOST.fullmatch(host) is not None


def plain_address(address: str) -> str:
    """The address itself, if it is one.

    Raises:
        ValueError: if it is not one plain ASCII address.
    """
    if not is_address(address):
        raise ValueError("A mail address is not one plain ASCII address.")
    return address
