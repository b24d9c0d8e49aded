"""Reading a mailbox over IMAP (RFC 3501), so that a person may read it too."""

import imaplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Literal, Self, get_args
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from imap_tools import AND, BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted, U
from imap_tools.errors import (
    ImapToolsError,
    MailboxFolderSelectError,
    MailboxLoginError,
    UnexpectedCommandStatusError,
)

from .hygiene import is_host
from .incoming.reading import LARGEST
from .smtp import is_loopback

Security = Literal["none", "starttls", "tls"]
After = Literal["keep", "seen", "delete"]
_SCHEMES: dict[str, tuple[Security, int]] = {
    "imap": ("none", 143),
    "imap+starttls": ("starttls", 143),
    "imaps": ("tls", 993),
}

REFUSED = "The mailbox refuses the user or the password."


class MailboxFault(Exception):
    """The mailbox cannot be read now; the text is fit to be stored, without secrets."""


@dataclass(frozen=True, kw_only=True)
class MailboxAddress:
    """Where a mailbox is, and what becomes of a mail once it is stored."""

    host: str
    port: int
    security: Security
    user: str = field(repr=False)
    password: str = field(repr=False)
    folder: str = "INBOX"
    after: After = "keep"

    timeout: float = 20.0
    """Seconds that any one step may take."""

    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)
    """Certificates are always verified."""

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read ``imaps://user:password@host[:port][/FOLDER][?after=keep|seen|delete]``.

        Also ``imap+starttls://``, and ``imap://`` on this machine.

        Raises:
            ValueError: with one sentence, to stand after a setting's name, without secrets.
        """
        parts, port = _split(url)
        security, usual_port = _SCHEMES[parts.scheme]
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if not (user and password):
            raise ValueError("must give a user and a password.")
        if security == "none" and not is_loopback(parts.hostname or ""):
            raise ValueError("would send the password unencrypted: use imaps:// instead.")
        return cls(
            host=parts.hostname or "",
            port=port or usual_port,
            security=security,
            user=user,
            password=password,
            folder=unquote(parts.path.lstrip("/")) or "INBOX",
            after=_after(parts.query),
        )

    @property
    def name(self) -> str:
        """What the database knows it by: its address without the password, hashed."""
        place = f"{self.user}@{self.host.lower()}:{self.port}/{self.folder}"
        return sha256(place.encode("utf-8", "surrogatepass")).hexdigest()

    @contextmanager
    def open(self) -> Iterator["OpenMailbox"]:
        """Sign in and select the folder; what happens at LOGOUT changes nothing.

        Raises:
            MailboxFault: if that cannot be done.
        """
        with _faults():
            client = self._client()
        try:
            with _faults():
                self._sign_in(client)
            yield OpenMailbox(client, self.after)
        finally:
            with suppress(imaplib.IMAP4.error, ImapToolsError, OSError):
                client.logout()

    def _client(self) -> BaseMailBox:
        if self.security == "tls":
            return MailBox(self.host, self.port, timeout=self.timeout, ssl_context=self.tls)
        if self.security == "starttls":
            return MailBoxStartTls(self.host, self.port, timeout=self.timeout, ssl_context=self.tls)
        return MailBoxUnencrypted(self.host, self.port, timeout=self.timeout)

    def _sign_in(self, client: BaseMailBox) -> None:
        ascii_only = (self.user + self.password).isascii()
        sign_in = client.login if ascii_only else client.login_utf8
        try:
            sign_in(self.user, self.password, initial_folder=None)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as fault:
            raise MailboxFault(REFUSED) from fault
        client.folder.set(self.folder, readonly=self.after == "keep")


class OpenMailbox:
    """A folder in which one is signed in; whatever breaks off is a `MailboxFault`."""

    def __init__(self, client: BaseMailBox, after: After) -> None:
        """Remember under which numbering the folder was opened (RFC 3501 §2.3.1.1)."""
        self._client, self._after = client, after
        _, found = client.client.response("UIDVALIDITY")
        validity = found[0] if found else None
        self.uid_validity = int(validity or 0) % 2**31
        """Only compared; databases hold 31 bits of its 32."""

    def above(self, last: int, since: date) -> list[int]:
        """The UIDs of the mails that came after one, in order.

        Args:
            since: At the first look, when `last` is 0, what came before that day is left out.
        """
        criteria = AND(uid=U(str(last + 1), "*")) if last else AND(date_gte=since)
        with _faults():
            found = self._client.uids(criteria, charset=None)
        # The range always names the newest mail, also when it is not new (RFC 3501 §6.4.8).
        return sorted(uid for uid in map(int, found) if uid > last)

    def fetch(self, uid: int) -> bytes | None:
        """A mail, of a long one its beginning; None if it is gone. Nothing is marked as seen."""
        with _faults():
            part = f"(BODY.PEEK[]<0.{LARGEST}>)"
            status, found = self._client.client.uid("FETCH", str(uid), part)
        if status != "OK":
            raise MailboxFault("The mailbox does not hand out a mail.")
        texts = (each[1] for each in found if isinstance(each, tuple))
        return next((text for text in texts if isinstance(text, bytes)), None)

    def finish(self, uid: int) -> None:
        """Do with a mail that is stored what the address says; other mails are not touched."""
        if self._after == "keep":
            return
        flag = r"(\Seen)" if self._after == "seen" else r"(\Deleted)"
        client = self._client.client
        with _faults():
            client.uid("STORE", str(uid), "+FLAGS.SILENT", flag)
            if self._after == "delete" and b"UIDPLUS" in (client.capability()[1][0] or b""):
                client.uid("EXPUNGE", str(uid))  # without RFC 4315 it would empty the whole bin


@contextmanager
def _faults() -> Iterator[None]:
    """Say what went wrong without what was said: a server may repeat names and passwords."""
    try:
        yield
    except ssl.SSLCertVerificationError as fault:
        raise MailboxFault("The certificate of the mailbox is not valid.") from fault
    except (MailboxLoginError, UnicodeError) as fault:
        raise MailboxFault(REFUSED) from fault
    except MailboxFolderSelectError as fault:
        raise MailboxFault("The mailbox has no such folder.") from fault
    except (UnexpectedCommandStatusError, imaplib.IMAP4.error) as fault:
        raise MailboxFault("The mailbox broke off or refused a command.") from fault
    except OSError as fault:
        reason = fault.strerror or type(fault).__name__
        raise MailboxFault(f"The mailbox cannot be reached: {reason}."[:200]) from fault


def _split(url: str) -> tuple[SplitResult, int | None]:
    """The URL's parts, or a sentence that never repeats them: a password is among them."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(
            "must be like imaps://user:password@host/INBOX, with / ? # @ : as %.."
        ) from None
    if parts.scheme not in _SCHEMES:
        raise ValueError("must begin with imaps:// or imap+starttls://.")
    if not is_host(parts.hostname or "") or port == 0 or parts.fragment:
        raise ValueError("must be like imaps://user:password@host/INBOX.")
    return parts, port


def _after(query: str) -> After:
    for known in get_args(After):
        if parse_qs(query, keep_blank_values=True) in ({}, {"after": [known]}):
            found: After = known if query else "keep"
            return found
    raise ValueError("can end in ?after=keep, ?after=seen or ?after=delete.")
