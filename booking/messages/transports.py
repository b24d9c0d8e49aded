"""The ways in which mail leaves us, chosen by one URL."""

from pathlib import Path

from .delivery import (
    Connection,
    DeliveryError,
    PermanentFailure,
    RelayDown,
    RelayMisconfigured,
    TemporaryFailure,
    Transport,
)
from .maildir import MaildirTransport
from .smtp import SMTP_SCHEMES, SmtpTransport

__all__ = [
    "Connection",
    "DeliveryError",
    "MaildirTransport",
    "PermanentFailure",
    "RelayDown",
    "RelayMisconfigured",
    "SmtpTransport",
    "TemporaryFailure",
    "Transport",
    "transport_from_url",
]


def transport_from_url(url: str) -> Transport:
    """The transport that a setting names.

    Raises:
        ValueError: with one sentence, to stand after the setting's name, without secrets.
    """
    scheme, _, rest = url.partition(":")
    if scheme.lower() == "maildir":
        return MaildirTransport(_folder(rest))
    if scheme.lower() in SMTP_SCHEMES and rest.startswith("//"):
        return SmtpTransport.from_url(url)
    raise ValueError("must begin with smtp://, smtp+starttls://, smtps:// or maildir:.")


def _folder(rest: str) -> Path:
    """The folder of ``maildir:PATH``; ``maildir:///PATH`` is read as people mean it."""
    path = rest[2:] if rest.startswith("///") else rest
    if not path or "\0" in path:
        raise ValueError("must name a folder after maildir:.")
    return Path(path)
