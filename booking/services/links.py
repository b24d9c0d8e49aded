"""Secrets that open one door each, all made from the one key of the installation.

The database stores what is needed to recognise or remake a patient's link, never the link: who
steals the database alone cannot open an appointment.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.fernet import Fernet

from booking.models import Appointment

NONCE_BYTES = 16
REFERENCE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that is mistaken for a digit on the telephone."""


@dataclass(frozen=True)
class Keys:
    """The purposes of the secret key; what opens one door is no use at another."""

    secret: str = field(repr=False)

    def digest(self, purpose: str, message: bytes) -> bytes:
        """HMAC-SHA256 under the key of that purpose."""
        key = hmac.digest(self.secret.encode(), purpose.encode(), "sha256")
        return hmac.digest(key, message, "sha256")

    def patient_token(self, nonce: bytes, version: int) -> str:
        """The 43 characters that stand in a patient's link: 256 bits, base64url."""
        mac = self.digest("patient-link", nonce + version.to_bytes(4, "big"))
        return urlsafe_b64encode(mac).decode().rstrip("=")

    def feed_token(self, nonce: bytes, version: int) -> str:
        """The 43 characters of a feed's address; a new version ends the one before."""
        mac = self.digest("feed", nonce + version.to_bytes(4, "big"))
        return urlsafe_b64encode(mac).decode().rstrip("=")

    def account_token(self, nonce: bytes) -> str:
        """The 43 characters of a link that lets somebody set up their own sign-in, once."""
        mac = self.digest("account-link", nonce)
        return urlsafe_b64encode(mac).decode().rstrip("=")

    def address_token(self, nonce: bytes) -> str:
        """The 43 characters of the link by which another address confirms."""
        mac = self.digest("address-link", nonce)
        return urlsafe_b64encode(mac).decode().rstrip("=")

    @cached_property
    def seal(self) -> Fernet:
        """Encrypts sent mails and addresses of foreign calendars at rest."""
        return Fernet(urlsafe_b64encode(self.digest("sent-message", b"")))

    @cached_property
    def second_step_seal(self) -> Fernet:
        """Encrypts what authenticator apps of staff share with us, at rest and on its way."""
        return Fernet(urlsafe_b64encode(self.digest("second-step", b"")))


def token_digest(token: str) -> bytes:
    """What the database knows a token by; any string is good input."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def token_of(appointment: Appointment, keys: Keys) -> str:
    """The key of the appointment's link as it is valid now."""
    return keys.patient_token(appointment.link_nonce, appointment.link_version)


def renew_link(appointment: Appointment, keys: Keys) -> None:
    """Make the link of the mail to come the one that opens the appointment.

    They differ only after the secret key was changed: what the database recognises is then a
    link that cannot be made any more.
    """
    appointment.link_digest = token_digest(token_of(appointment, keys))


def new_reference() -> str:
    """Eight random characters, about 40 bits."""
    return "".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(8))
