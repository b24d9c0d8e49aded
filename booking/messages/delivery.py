"""What it means to deliver a mail, and the four ways in which it fails.

Like the domain's refusals, these are named for what happened.
"""

from contextlib import AbstractContextManager
from typing import Protocol

from .mail import Mail


class Connection(Protocol):
    """An open way to the relay, good for many mails."""

    def send(self, mail: Mail) -> None:
        """Hand over one mail; on return the relay has taken responsibility for it.

        Raises:
            DeliveryError: one of its four kinds, saying what to do next.
        """


class Transport(Protocol):
    """A way to deliver mails."""

    def connect(self) -> AbstractContextManager[Connection]:
        """Open a connection for a while.

        Raises:
            RelayDown: if it cannot be reached now.
            RelayMisconfigured: if it will not serve us as we are configured.
        """


class DeliveryError(Exception):
    """A mail, or any mail, could not be handed over."""

    def __init__(self, text: str) -> None:
        """Keep `text`, which is fit to be stored: short, ASCII and without addresses."""
        super().__init__(text)
        self.text = text


class RelayDown(DeliveryError):
    """The relay cannot be reached now: back off, without counting it as an attempt."""


class RelayMisconfigured(DeliveryError):
    """The relay will not serve us until somebody changes a setting: keep all mail, alarm."""


class TemporaryFailure(DeliveryError):
    """This mail may go through later."""

    def __init__(self, text: str, *, maybe_sent: bool = False) -> None:
        """Say whether the relay may have taken the mail although it never said so."""
        super().__init__(text)
        self.maybe_sent = maybe_sent
        """If so, only a repeat with the same Message-ID is right."""


class PermanentFailure(DeliveryError):
    """This mail will never go through: a person has to be told."""
