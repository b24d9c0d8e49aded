"""The address of a calendar, as somebody typed it in."""

from base64 import b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from .faults import BadAddress, NotSecure

LONGEST_ADDRESS = 2000
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Address:
    """Where a calendar is, taken apart; the user and the password stand apart from the rest."""

    url: str = field(repr=False)
    host: str
    port: int
    secure: bool
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def origin(self) -> tuple[bool, str, int]:
        """Whom it belongs to: what is secret for one origin is not told to another."""
        return self.secure, self.host, self.port

    def allowed(self, hosts: Collection[str]) -> bool:
        """Whether the clinic named it as one of its own network."""
        return self.host in hosts or f"{self.host}:{self.port}" in hosts

    @property
    def authorization(self) -> str:
        """The header of basic sign-in (RFC 7617), empty where there is no user."""
        if not self.user:
            return ""
        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()


def address_of(text: str, *, hosts: Collection[str] = ()) -> Address:
    """Understand an address as people paste it; `webcal` is another word for https.

    Args:
        hosts: Names, or names with ports, that may be plain http.

    Raises:
        BadAddress: if it is none of a calendar.
        NotSecure: if it would travel in the open.
    """
    text = text.strip()
    if len(text) > LONGEST_ADDRESS or any(each <= " " or each in '\\"<>\x7f' for each in text):
        raise BadAddress
    try:
        parts = urlsplit(text)
        scheme = {"webcal": "https", "webcals": "https"}.get(parts.scheme, parts.scheme)
        usual = PORTS[scheme]
        port = parts.port or usual
        host = (parts.hostname or "").rstrip(".").encode("idna").decode("ascii").lower()
    except (ValueError, KeyError):
        raise BadAddress from None
    if not host:
        raise BadAddress
    shown = f"[{host}]" if ":" in host else host
    netloc = shown if port == usual else f"{shown}:{port}"
    found = Address(
        url=urlunsplit((scheme, netloc, parts.path or "/", parts.query, "")),
        host=host,
        port=port,
        secure=scheme == "https",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )
    if not (found.secure or found.allowed(hosts)):
        raise NotSecure
    return found
