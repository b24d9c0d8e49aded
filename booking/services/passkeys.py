"""Passkeys: the questions that are put to a browser, and whether an answer is right (WebAuthn).

The cryptography is that of the `webauthn` package; here stands what we insist on: that the device
has recognised its owner, that each question is answered once, and that the answer is for us.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import webauthn
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from booking.models import Passkey, SpentChallenge, User

CHALLENGE_LIFE = timedelta(minutes=5)
CHALLENGE_BYTES = 32
OF_EVERY_KIND = AuthenticatorSelectionCriteria(
    resident_key=ResidentKeyRequirement.REQUIRED,
    user_verification=UserVerificationRequirement.REQUIRED,
)
"""In the device or on a key of its own, but one that finds its account and knows its owner."""
MALFORMED = (WebAuthnException, ValueError, TypeError, KeyError, RecursionError)
"""What the package raises for an answer that is wrong, or is none at all."""


class PasskeyRefused(Exception):
    """The answer proves nothing: nobody learns why."""


@dataclass(frozen=True)
class Site:
    """For whom a passkey is."""

    origin: str
    """As the browser sees it, `https://book.example.org`."""
    name: str

    @property
    def host(self) -> str:
        """The name that the passkey belongs to."""
        return urlsplit(self.origin).hostname or ""


@dataclass(frozen=True)
class NewPasskey:
    """The public half, as a device has made it."""

    credential: bytes
    public_key: bytes
    sign_count: int


def options_to_make(site: Site, user: User, challenge: bytes, known: Iterable[Passkey]) -> str:
    """What the browser is asked to make, as JSON; not on a device that has one already."""
    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name=site.name,
        user_id=_handle(user),
        user_name=user.email,
        user_display_name=user.name or user.email,
        challenge=challenge,
        authenticator_selection=OF_EVERY_KIND,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential) for each in known],
    )
    return webauthn.options_to_json(options)


def options_to_prove(site: Site, challenge: bytes) -> str:
    """What the browser is asked to sign, as JSON; whose passkey it is, its answer says."""
    options = webauthn.generate_authentication_options(
        rp_id=site.host,
        challenge=challenge,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def made(
    session: Session, site: Site, answer: str, challenge: bytes, *, now: datetime
) -> NewPasskey:
    """The passkey that the browser has made.

    Raises:
        PasskeyRefused: if the answer is not to this question, or is known already.
    """
    try:
        found = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except MALFORMED as error:
        raise PasskeyRefused from error
    _spend(session, challenge, now=now)
    query = select(Passkey.id).where(Passkey.credential == found.credential_id)
    if session.scalar(query) is not None:
        raise PasskeyRefused
    return NewPasskey(found.credential_id, found.credential_public_key, found.sign_count)


def prove(session: Session, site: Site, answer: str, challenge: bytes, *, now: datetime) -> User:
    """Whose passkey has answered; it is used by that.

    Raises:
        PasskeyRefused: if the answer is not to this question, or of no passkey that we know.
    """
    found = _of(session, answer)
    try:
        proved = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=found.public_key,
            credential_current_sign_count=found.sign_count,
            require_user_verification=True,
        )
    except MALFORMED as error:
        raise PasskeyRefused from error
    _spend(session, challenge, now=now)
    found.sign_count, found.used_at = proved.new_sign_count, now
    session.flush()
    return found.user


def _of(session: Session, answer: str) -> Passkey:
    """The passkey that an answer names, locked, so that two answers are counted one by one."""
    try:
        said = json.loads(answer)
        credential = base64url_to_bytes(said["rawId"])
        handle = said["response"].get("userHandle")
        account = base64url_to_bytes(handle) if handle else None
    except (*MALFORMED, AttributeError) as error:
        raise PasskeyRefused from error
    query = select(Passkey).where(Passkey.credential == credential)
    query = query.with_for_update().execution_options(populate_existing=True)
    found = session.scalar(query)
    if found is None or account not in (None, _handle(found.user)):
        raise PasskeyRefused
    return found


def _spend(session: Session, challenge: bytes, *, now: datetime) -> None:
    digest = hashlib.sha256(challenge).digest()
    session.add(SpentChallenge(digest=digest, expires_at=now + CHALLENGE_LIFE))
    try:
        session.flush()
    except IntegrityError as error:
        raise PasskeyRefused from error


def _handle(user: User) -> bytes:
    """What a device knows the account by: random, and nothing about the person (§14.6.1)."""
    return user.fs_uniquifier.encode()
