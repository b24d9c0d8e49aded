"""Delivery to a relay by SMTP (RFC 5321), one recipient per transaction."""

import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache, partial
from ipaddress import ip_address
from typing import Literal, Self
from urllib.parse import SplitResult, unquote, urlsplit

from .delivery import PermanentFailure, RelayDown, RelayMisconfigured, TemporaryFailure
from .hygiene import is_address, is_host
from .mail import Mail

Security = Literal["none", "starttls", "tls"]

_SCHEMES: dict[str, tuple[Security, int]] = {
    "smtp": ("none", 25),
    "smtp+starttls": ("starttls", 587),
    "smtps": ("tls", 465),
}
SMTP_SCHEMES = frozenset(_SCHEMES)

_ASKS_FOR_LOGIN = frozenset({530, 534, 535, 538})
_SERVICE_CLOSING = 421
_START_INPUT = 354
_PATIENCE_AT_QUIT = 2.0

_Reply = tuple[int, bytes]


@cache
def _verifying() -> ssl.SSLContext:
    """The machine's authorities, read once: it takes 40 ms."""
    return ssl.create_default_context()


class Step(Enum):
    """What has been reached on the way of a mail to the relay."""

    NAME = auto()
    """The relay's name was resolved."""
    LINE = auto()
    """It can be reached."""
    BANNER = auto()
    HELLO = auto()
    """It answered EHLO."""
    SECURED = auto()
    """The line is encrypted and the certificate is good."""
    LOGIN = auto()
    SENDER = auto()
    RECIPIENT = auto()
    CONTENT = auto()
    """The mail is the relay's."""


Watch = Callable[[Step], None]
"""Told of each step once it has been taken."""


def _nobody(_step: Step) -> None:
    """Nobody watches."""


@dataclass(frozen=True, kw_only=True)
class SmtpTransport:
    """A relay and how to speak to it."""

    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)

    timeout: float = 8.0
    """Seconds that any one step may take."""

    tls: ssl.SSLContext = field(default_factory=_verifying, repr=False)
    """Certificates are always verified."""

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read ``smtp://``, ``smtp+starttls://`` or ``smtps://[user:password@]host[:port]``.

        Raises:
            ValueError: with one sentence, to stand after a setting's name, without secrets.
        """
        parts, port = _split(url)
        security, usual_port = _SCHEMES[parts.scheme]
        host = parts.hostname or ""
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if bool(user) != bool(password):
            raise ValueError("must give a user and a password, or neither.")
        if user and security == "none" and not is_loopback(host):
            raise ValueError(
                "would send the password unencrypted: use smtp+starttls:// or smtps://."
            )
        return cls(
            host=host, port=port or usual_port, security=security, user=user, password=password
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        """What is gone through until a mail is the relay's, in this order."""
        return (
            *(Step.NAME, Step.LINE),
            *([Step.SECURED] if self.security == "tls" else []),
            *(Step.BANNER, Step.HELLO),
            *([Step.SECURED] if self.security == "starttls" else []),
            *([Step.LOGIN] if self.user else []),
            *(Step.SENDER, Step.RECIPIENT, Step.CONTENT),
        )

    @contextmanager
    def connect(self, watch: Watch = _nobody) -> Iterator["SmtpConnection"]:
        """Log in to the relay, and leave it politely: what happens at QUIT changes nothing."""
        connection = SmtpConnection(partial(self.open, watch), watch)
        try:
            yield connection
        finally:
            connection.quit()

    def open(self, watch: Watch = _nobody) -> smtplib.SMTP:
        """A session in which mail can be sent."""
        with _faults_of_opening():
            client = _Client(self, watch)
            try:
                client.local_hostname = self._own_name(client)
                client.ehlo_or_helo_if_needed()
                watch(Step.HELLO)
                if self.security == "starttls":
                    client.starttls(context=self.tls)
                    watch(Step.SECURED)
                if self.user:
                    client.login(self.user, self.password)
                    watch(Step.LOGIN)
                client.ehlo_or_helo_if_needed()
            except BaseException:
                client.close()
                raise
            return client

    def _own_name(self, client: smtplib.SMTP) -> str:
        """What to say in EHLO: our mail domain, or the address we call from (§4.1.4)."""
        domain = self.user.rpartition("@")[2] if is_address(self.user) else ""
        if domain or client.sock is None:
            return domain or "localhost"
        own = ip_address(client.sock.getsockname()[0].partition("%")[0])
        return f"[IPv6:{own}]" if own.version == 6 else f"[{own}]"


class _Client(smtplib.SMTP):
    """Connects and reads the banner, and tells of each step of it."""

    def __init__(self, relay: SmtpTransport, watch: Watch) -> None:
        """Connect at once; a name is given lest smtplib asks the DNS for ours."""
        self._relay, self._watch = relay, watch
        super().__init__(relay.host, relay.port, "localhost", timeout=relay.timeout)
        watch(Step.BANNER)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """What smtplib's own does, for both kinds of line."""
        line = self._line(host, port, timeout)
        self._watch(Step.LINE)
        if self._relay.security == "tls":
            line = self._relay.tls.wrap_socket(line, server_hostname=host)
            self._watch(Step.SECURED)
        return line

    def _line(self, host: str, port: int, timeout: float) -> socket.socket:
        try:
            line = socket.create_connection((host, port), timeout)
        except (socket.gaierror, UnicodeError):
            raise
        except OSError:
            self._watch(Step.NAME)  # there was an address to try
            raise
        self._watch(Step.NAME)
        return line


class SmtpConnection:
    """One session after another with the same relay, opened anew when it was closed."""

    def __init__(self, open_session: Callable[[], smtplib.SMTP], watch: Watch = _nobody) -> None:
        """Open the first session at once, so that faults of the relay show early."""
        self._open, self._watch = open_session, watch
        self._client = open_session()
        self._used = False

    def send(self, mail: Mail) -> None:
        """Hand over one mail; it is the relay's when this returns.

        Raises:
            RelayDown, RelayMisconfigured: nothing can be sent now.
            TemporaryFailure, PermanentFailure: this mail was not taken.
        """
        if not (is_address(mail.sender) and is_address(mail.recipient)):
            raise PermanentFailure("The address cannot be used.")
        self._begin(mail.sender)
        self._watch(Step.SENDER)
        self._used = True
        reply = self._ask("RCPT", lambda: self._client.rcpt(mail.recipient))
        self._expect_success("RCPT", reply, mail)
        self._watch(Step.RECIPIENT)
        reply = self._ask("DATA", lambda: self._client.docmd("DATA"))
        if reply[0] != _START_INPUT:
            self._refused("DATA", reply, mail)
        self._hand_over(mail)
        self._watch(Step.CONTENT)

    def quit(self) -> None:
        """Say goodbye without caring for the answer: every mail is settled already."""
        with suppress(smtplib.SMTPException, OSError):
            if self._client.sock is not None:
                self._client.sock.settimeout(_PATIENCE_AT_QUIT)
                self._client.quit()
        self._client.close()

    def _begin(self, sender: str) -> None:
        """MAIL; a session that was good for other mails but no longer is, is opened anew."""
        try:
            self._envelope_sender(sender)
        except RelayDown:
            if not self._used:
                raise
            self._used = False
            self._client = self._open()
            self._envelope_sender(sender)

    def _envelope_sender(self, sender: str) -> None:
        try:
            reply = self._client.mail(sender)
        except (smtplib.SMTPException, OSError) as fault:
            self._client.close()
            raise RelayDown("The connection broke at MAIL.") from fault
        if reply[0] == _SERVICE_CLOSING:
            self._client.close()
            raise RelayDown(_text(reply))
        self._expect_success("MAIL", reply)

    def _ask(self, stage: str, step: Callable[[], _Reply]) -> _Reply:
        """Take a step before the final dot: if the line breaks here, nothing was sent."""
        try:
            return step()
        except (smtplib.SMTPException, OSError) as fault:
            self._client.close()
            raise TemporaryFailure(f"The connection broke at {stage}.") from fault

    def _hand_over(self, mail: Mail) -> None:
        """Send content and final dot, then wait for the relay to take it (§4.5.3.2.6).

        Once the last byte has left us, silence may mean that the mail was taken.
        """
        try:
            self._client.send(_on_the_wire(mail.content))
        except (smtplib.SMTPException, OSError) as fault:
            self._client.close()
            raise TemporaryFailure("The connection broke before the final dot.") from fault
        try:
            reply = self._client.getreply()
        except (smtplib.SMTPException, OSError) as fault:
            self._client.close()
            text = "The connection broke after the final dot."
            raise TemporaryFailure(text, maybe_sent=True) from fault
        self._expect_success("the final dot", reply, mail)

    def _expect_success(self, stage: str, reply: _Reply, mail: Mail | None = None) -> None:
        if not 200 <= reply[0] < 300:
            self._refused(stage, reply, mail)

    def _refused(self, stage: str, reply: _Reply, mail: Mail | None) -> None:
        """Leave the session fit for the next mail, and say what the reply means."""
        code, text = reply[0], _text(reply, mail)
        if not 400 <= code < 600:
            self._client.close()
            text = f"The relay's answer at {stage} makes no sense."
            raise TemporaryFailure(text, maybe_sent=stage == "the final dot")
        self._reset(code)
        if code in _ASKS_FOR_LOGIN:
            raise RelayMisconfigured(text)
        if code >= 500:
            raise PermanentFailure(text)
        raise TemporaryFailure(text)

    def _reset(self, code: int) -> None:
        """RSET, or close a session that the relay has given up."""
        try:
            if code == _SERVICE_CLOSING or self._client.rset()[0] != 250:
                self._client.close()
        except (smtplib.SMTPException, OSError):
            self._client.close()


@contextmanager
def _faults_of_opening() -> Iterator[None]:
    """Tell a relay that is away from one that will not have us.

    The order matters: all of these but UnicodeError are OSErrors.
    """
    try:
        yield
    except ssl.SSLCertVerificationError as fault:
        reason = fault.verify_message or "unknown reason"
        raise RelayMisconfigured(_short(f"The certificate is not valid: {reason}.")) from fault
    except smtplib.SMTPResponseException as fault:
        text = _text((fault.smtp_code, _as_bytes(fault.smtp_error)))
        if 500 <= fault.smtp_code < 600:
            raise RelayMisconfigured(text) from fault
        raise RelayDown(text) from fault
    except smtplib.SMTPServerDisconnected as fault:
        raise RelayDown("The relay closed the connection or fell silent.") from fault
    except smtplib.SMTPException as fault:
        raise RelayMisconfigured(_short(str(fault))) from fault
    except UnicodeError as fault:
        raise RelayMisconfigured("Host, user or password cannot be sent as ASCII.") from fault
    except OSError as fault:
        reason = fault.strerror or type(fault).__name__
        raise RelayDown(_short(f"The relay cannot be reached: {reason}.")) from fault


def _split(url: str) -> tuple[SplitResult, int | None]:
    """The URL's parts, or a sentence that never repeats them: a password is among them."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("must end in host:port, with / ? # @ : in a password as %..") from None
    if not is_host(parts.hostname or "") or port == 0:
        raise ValueError("must name a host, with no port or one from 1 to 65535.")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must end after host and port, with / ? # in a password as %..")
    return parts, port


def is_loopback(host: str) -> bool:
    """Whether the host is this machine, so that nothing travels."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _on_the_wire(content: bytes) -> bytes:
    """Dots at line starts doubled, ended by a dot on a line of its own (§4.5.2)."""
    stuffed = re.sub(rb"(?m)^\.", b"..", content)
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")


def _text(reply: _Reply, mail: Mail | None = None) -> str:
    """A reply fit to be kept: anything like an address, or its local part, is left out."""
    code, said = reply
    text = re.sub(r"\S*@\S*", "(address)", said.decode("ascii", "replace"))
    if mail:
        local_part = re.escape(mail.recipient.partition("@")[0])
        text = re.sub(rf"(?i)(?<!\w){local_part}(?!\w)", "(address)", text)
    return _short(f"{code} {text}")


def _short(text: str) -> str:
    """At most 200 printable ASCII characters on one line."""
    printable = "".join(c if " " <= c <= "~" else " " for c in text)
    return " ".join(printable.split())[:200]


def _as_bytes(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode("ascii", "replace")
