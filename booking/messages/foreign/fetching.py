"""Fetching a calendar from an address that somebody typed in.

The address is a stranger's, so it must lead neither into our own network nor to a flood: the name
is resolved once, the address is judged, and that same address is connected to (so that a name
that changes its mind is of no use). Redirects are followed by hand, each judged anew.
"""

import time
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urljoin

import requests
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3.exceptions import HTTPError

from .address import Address, address_of
from .faults import (
    CalendarFault,
    InnerAddress,
    NotACalendar,
    NotThere,
    ServerTrouble,
    SignInNeeded,
    TooLarge,
    TooManyRedirects,
    TooSlow,
    Unreachable,
)

LARGEST = 2 * 1024 * 1024
"""Bytes of a calendar, as they travel and unpacked."""
LONGEST = 20.0
"""Seconds for the whole, redirects included."""
REDIRECTS = 3
CHUNK = 64 * 1024
PATIENCE = (3.0, 5.0)
"""Seconds to connect, and between two pieces of an answer."""
NOT_MODIFIED = 304
LEADS_ON = frozenset({301, 302, 303, 307, 308})
AGENT = "Booking (reads busy times)"

_ALSO_INNER = tuple(
    map(ip_network, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "fec0::/10", "2001::/23"))
)
"""Ways to write an inner address that Python counts among the global ones: IPv4 inside of IPv6
(RFC 4291 §2.5.5), the site-local addresses of old (RFC 3879), and the block of Teredo."""


@dataclass(frozen=True)
class Fetched:
    """What came back, and how to ask next time whether it is still so."""

    content: bytes = field(repr=False)
    etag: str = ""
    last_modified: str = ""


def fetch(
    text: str, *, etag: str = "", last_modified: str = "", hosts: Collection[str] = ()
) -> Fetched | None:
    """Fetch a calendar; None when it is still the one that we know.

    Between two pieces of an answer the time is watched here; a side that lets single bytes of a
    header trickle is ended by `apart`, in which this runs.

    Args:
        etag, last_modified: What came with the one that we know.
        hosts: Names that may lie in the clinic's own network.

    Raises:
        CalendarFault: in one of its kinds, if it cannot be had.
    """
    headers = {"Accept": "text/calendar, text/plain;q=0.5"}
    headers |= {"If-None-Match": etag} if etag else {}
    headers |= {"If-Modified-Since": last_modified} if last_modified else {}
    deadline = time.monotonic() + LONGEST
    response, _ = ask("GET", address_of(text, hosts=hosts), headers, hosts, deadline=deadline)
    if response.status_code == NOT_MODIFIED:
        return None
    judge(response.status_code)
    return Fetched(
        content=response.content,
        etag=short(response.headers.get("ETag", ""), 200),
        last_modified=short(response.headers.get("Last-Modified", ""), 100),
    )


def ask(
    method: str,
    address: Address,
    headers: dict[str, str],
    hosts: Collection[str],
    *,
    deadline: float,
    body: bytes | None = None,
) -> tuple[requests.Response, Address]:
    """Ask at an address and wherever it leads; the answer, and where it was given.

    Args:
        deadline: When the whole must be over, by the monotonic clock.

    Raises:
        CalendarFault: if nobody answers, or too much, or too late, or from an inner address.
    """
    for _ in range(REDIRECTS + 1):
        with session_to(address, hosts) as session:
            response = _exchange(session, method, address, headers, body, deadline)
        if response.status_code not in LEADS_ON:
            return response, address
        address = _next(address, response.headers.get("Location", ""), hosts)
    raise TooManyRedirects


def session_to(address: Address, hosts: Collection[str], *, agent: str = AGENT) -> requests.Session:
    """A session that goes nowhere else: no proxy, no `.netrc`, no redirect, no inner address."""
    allowed = address.allowed(hosts)
    session: requests.Session = HTTPSession(
        Config(
            ip_filter_enable=not allowed,
            ip_filter_allow_loopback_ips=False,
            never_redirect=True,
            default_timeout=PATIENCE,
            user_agent_override=agent,
        )
    )
    session.trust_env = False
    if not allowed:
        session.mount("https://", _Outward(is_https_proto=True))
    return session


def _exchange(
    session: requests.Session,
    method: str,
    address: Address,
    headers: dict[str, str],
    body: bytes | None,
    deadline: float,
) -> requests.Response:
    """Ask once, and take no more of the answer than fits; its `content` is what was taken."""
    headers = headers | {"Accept-Encoding": "gzip"}
    if address.authorization:
        headers["Authorization"] = address.authorization
    with as_faults():
        response = session.request(method, address.url, headers=headers, data=body, stream=True)
        with response:
            response._content = _taken(response, deadline)
    return response


@contextmanager
def as_faults() -> Iterator[None]:
    """Let what the libraries raise be said in our own words, without the address.

    Raises:
        CalendarFault: in one of its kinds.
    """
    try:
        yield
    except InvalidIPAddress:
        raise InnerAddress from None
    except (requests.Timeout, TimeoutError):
        raise TooSlow from None
    except zlib.error:
        raise NotACalendar from None
    except (requests.RequestException, HTTPError, OSError, ValueError):
        raise Unreachable from None


def judge(status: int) -> None:
    """Refuse every answer but a good one.

    Raises:
        SignInNeeded, NotThere, ServerTrouble: by the status.
    """
    faults: dict[int, type[CalendarFault]] = {
        401: SignInNeeded,
        403: SignInNeeded,
        404: NotThere,
        410: NotThere,
    }
    if not 200 <= status < 300:
        raise faults.get(status, ServerTrouble)


class _Outward(IPFilterAdapter):  # type: ignore[misc]
    """Connects to the one address that was resolved and judged, by a stricter eye than its own."""

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        host, pool = super().build_connection_pool_key_attributes(*args, **kwargs)
        found = ip_address(host["host"].strip("[]"))
        inner = any(found in each for each in _ALSO_INNER if each.version == found.version)
        if inner or not found.is_global or found.is_multicast:
            raise InvalidIPAddress
        return host, pool


def _next(address: Address, location: str, hosts: Collection[str]) -> Address:
    """Where a redirect leads; a user and a password stay with the origin they were typed for."""
    if not location:
        raise ServerTrouble
    found = address_of(urljoin(address.url, location), hosts=hosts)
    keeps = found.origin == address.origin
    return replace(
        found,
        user=address.user if keeps else "",
        password=address.password if keeps else "",
    )


def short(value: str, longest: int) -> str:
    """A validator that can be kept and sent back; without one we simply ask for the whole."""
    return value if len(value) <= longest and value.isascii() and value.isprintable() else ""


def _taken(response: requests.Response, deadline: float) -> bytes:
    """The body, unpacked; both forms are counted, so that nothing small becomes something huge."""
    unpack = _unpacking(response.headers.get("Content-Encoding", "").strip().lower())
    packed, found = 0, bytearray()
    while piece := response.raw.read1(CHUNK, decode_content=False):
        packed += len(piece)
        found += unpack.decompress(piece, LARGEST + 1 - len(found)) if unpack else piece
        if max(packed, len(found)) > LARGEST:
            raise TooLarge
        if time.monotonic() > deadline:
            raise TooSlow
    return bytes(found)


def _unpacking(encoding: str) -> Any:
    """What unpacks an encoding that we asked for (RFC 9110 §8.4.1); None for none."""
    if encoding in ("", "identity"):
        return None
    if encoding not in ("gzip", "x-gzip"):
        raise NotACalendar
    return zlib.decompressobj(16 + zlib.MAX_WBITS)
