"""Sends the invitations of members of staff, one at a time, beside the mails to patients."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import structlog

from booking.messages.mail import Mail, Renderer
from booking.messages.transports import (
    PermanentFailure,
    RelayDown,
    RelayMisconfigured,
    TemporaryFailure,
    Transport,
)
from booking.models import AccountLink, Clinic
from booking.models.database import db, end_reading, transaction
from booking.services import welcomes
from booking.services.correspondence import clinic_facts
from booking.services.links import Keys

log = structlog.get_logger("worker")

REST = 2.0
"""Seconds between two looks for something due."""


class WelcomeSender:
    """Delivers the invitations that are owed."""

    def __init__(
        self,
        *,
        transport: Transport,
        renderer: Renderer,
        keys: Keys,
        base_url: str,
        mail_from: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._transport, self._renderer, self._keys = transport, renderer, keys
        self._base_url, self._mail_from, self._clock = base_url, mail_from, clock

    def turn(self) -> float:
        """Send what is due; returns the seconds to rest before the next turn."""
        while self._anything_due():
            now = self._clock()
            with transaction() as session:
                link = welcomes.claim(session, now=now)
                if link is None:
                    break
                claimed = welcomes.Claimed(link.id, link.attempts)
                compose = self._writing(link, session.get_one(Clinic, 1), now)
            self._send(claimed, compose())
        return REST

    def _writing(self, link: AccountLink, clinic: Clinic, now: datetime) -> Callable[[], Mail]:
        """All that the mail needs to know, read now; it is written outside of the transaction."""
        domain = self._mail_from.partition("@")[2]
        return partial(
            self._renderer.compose_welcome,
            clinic_facts(clinic, self._mail_from),
            recipient=link.user.email if link.user else "",
            url=f"{self._base_url}/join/{self._keys.account_token(link.nonce, link.digest)}",
            expires_at=link.expires_at,
            message_id=f"<{link.message_id}@{domain}>",
            sent_at=now,
        )

    def _send(self, claimed: welcomes.Claimed, mail: Mail) -> None:
        verdict: Callable[..., None]
        try:
            with self._transport.connect() as connection:
                connection.send(mail)
        except PermanentFailure as error:
            verdict = partial(welcomes.give_up, error=error.text)
        except (TemporaryFailure, RelayDown, RelayMisconfigured) as error:
            verdict = partial(welcomes.postpone, error=error.text, now=self._clock())
        else:
            verdict = partial(welcomes.settle_sent, now=self._clock())
        with transaction() as session:
            verdict(session, claimed)
        log.info("settled", welcome=claimed.link, verdict=verdict.func.__name__)

    def _anything_due(self) -> bool:
        try:
            return welcomes.anything_due(db.session(), now=self._clock())
        finally:
            end_reading()
