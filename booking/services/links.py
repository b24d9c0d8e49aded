"""Secrets that open one door each, all made from the one secret of the installation.

That secret can change. What is made is made from the newest; what was made from a former one is
recognised for as long as that is known.

The database stores what is needed to recognise or remake a patient's link, never the link: who
steals the database alone cannot open an appointment.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.fernet import Fernet, MultiFernet

from booking.models import Appointment, Seal

NONCE_BYTES = 16
REFERENCE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that is mistaken for a digit on the telephone."""


@dataclass(frozen=True)
class OldKey:
    """The key of one purpose of a secret that may be known no more."""

    purpose: str
    key: bytes = field(repr=False)
    until: int
    """The last entry of the audit trail for which it counts."""


@dataclass(frozen=True)
class Keys:
    """The purposes of the secret key; what opens one door is no use at another."""

    secret: str = field(repr=False)
    former: tuple[str, ...] = field(default=(), repr=False)
    """Secrets of former times, the newest first."""
    kept: tuple[OldKey, ...] = field(default=(), repr=False)
    """Of secrets that came before those, the newest first; the database keeps them, sealed."""

    def digest(self, purpose: str, message: bytes) -> bytes:
        """HMAC-SHA256 under the newest key of that purpose."""
        return hmac.digest(key_of(self.secret, purpose), message, "sha256")

    def digests(self, purpose: str, message: bytes, *, entry: int = 0) -> tuple[bytes, ...]:
        """The same under every key that is known, the newest first.

        Args:
            entry: Which entry of the audit trail it is for; those that are kept count up to one.
        """
        known = [key_of(each, purpose) for each in (self.secret, *self.former)]
        known += [old.key for old in self.kept if old.purpose == purpose and entry <= old.until]
        return tuple(hmac.digest(key, message, "sha256") for key in dict.fromkeys(known))

    def first_digest(self, purpose: str, message: bytes) -> bytes:
        """The same under the oldest key: for what must never come out differently."""
        kept = [old.key for old in self.kept if old.purpose == purpose]
        oldest = kept[-1] if kept else key_of((self.secret, *self.former)[-1], purpose)
        return hmac.digest(oldest, message, "sha256")

    def patient_token(self, nonce: bytes, version: int, known_by: bytes = b"") -> str:
        """The 43 characters that stand in a patient's link: 256 bits, base64url."""
        return self._token("patient-link", nonce + version.to_bytes(4, "big"), known_by)

    def feed_token(self, nonce: bytes, version: int, known_by: bytes = b"") -> str:
        """The 43 characters of a feed's address; a new version ends the one before."""
        return self._token("feed", nonce + version.to_bytes(4, "big"), known_by)

    def account_token(self, nonce: bytes, known_by: bytes = b"") -> str:
        """The 43 characters of a link that lets somebody set up their own sign-in, once."""
        return self._token("account-link", nonce, known_by)

    def address_token(self, nonce: bytes, known_by: bytes = b"") -> str:
        """The 43 characters of the link by which another address confirms."""
        return self._token("address-link", nonce, known_by)

    @cached_property
    def seal(self) -> MultiFernet:
        """Encrypts sent mails and addresses of foreign calendars at rest."""
        return self.opener(Seal.HOUSE)

    @cached_property
    def second_step_seal(self) -> MultiFernet:
        """Encrypts what authenticator apps of staff share with us, at rest and on its way."""
        return self.opener(Seal.SECOND_STEP)

    def opener(self, seal: Seal) -> MultiFernet:
        """Seals with the newest key, and opens with every one that is known."""
        return MultiFernet([_fernet(each, seal) for each in (self.secret, *self.former)])

    def newest_alone(self, seal: Seal) -> Fernet:
        """Opens only what is sealed with the newest key."""
        return _fernet(self.secret, seal)

    def _token(self, purpose: str, message: bytes, known_by: bytes) -> str:
        """The one that the database knows by a digest; where it knows none, the newest."""
        macs = self.digests(purpose, message)
        made = [urlsafe_b64encode(mac).decode().rstrip("=") for mac in macs]
        return next((each for each in made if token_digest(each) == known_by), made[0])


def key_of(secret: str, purpose: str) -> bytes:
    """The key of one purpose; neither the secret nor another key can be had from it."""
    return hmac.digest(secret.encode(), purpose.encode(), "sha256")


def _fernet(secret: str, seal: Seal) -> Fernet:
    return Fernet(urlsafe_b64encode(hmac.digest(key_of(secret, seal), b"", "sha256")))


def token_digest(token: str) -> bytes:
    """What the database knows a token by; any string is good input."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def token_of(appointment: Appointment, keys: Keys) -> str:
    """The key of the appointment's link as it is valid now."""
    known_by = appointment.link_digest or b""
    return keys.patient_token(appointment.link_nonce, appointment.link_version, known_by)


def renew_link(appointment: Appointment, keys: Keys) -> None:
    """Make the link of the mail to come the one that opens the appointment.

    They differ only once a former secret is known no more: what the database recognises is then
    a link that cannot be made.
    """
    appointment.link_digest = token_digest(token_of(appointment, keys))


def new_reference() -> str:
    """Eight random characters, about 40 bits."""
    return "".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(8))
