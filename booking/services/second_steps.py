"""The second step of a sign-in: an authenticator app, passkeys, and codes for the day of loss.

A password can be seen, guessed or fished; what somebody holds in their hand cannot. An app shares
a secret with us, from which both make the same six digits every half minute (TOTP, RFC 6238).
"""

import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from cryptography.fernet import InvalidToken
from passlib.exc import TokenError
from passlib.totp import TOTP
from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.orm import Session

from booking.models import Passkey, RecoveryCode, User
from booking.services import audit
from booking.services.accounts import close_all
from booking.services.kept_keys import with_kept
from booking.services.links import REFERENCE_ALPHABET, Keys
from booking.services.passkeys import NewPasskey
from booking.services.people import Deed, another

CODES = 10
CODE_LENGTH = 12
"""Of 32 letters: 60 bits, and a keyed hash is all that is stored."""
TOLERANCE = 30
"""Seconds by which the clock of an app may be off: one time step (RFC 6238 §5.2)."""
MISREAD = str.maketrans("OIL", "011")
SIX_DIGITS = re.compile(r"[0-9]{6}")


class LastSecondStep(Exception):
    """It is the only one that they have, and everybody has to have one."""


class UnknownSecondStep(Exception):
    """They have no such passkey."""


class SecondStepFirst(Exception):
    """Who only knows the password adds nothing to an account that has a second step."""


class Proof(StrEnum):
    """What an answer proved."""

    NOTHING = "nothing"
    APP = "app"
    RECOVERY_CODE = "recovery_code"


def owner(session: Session, email: str) -> User:
    """The account, locked: of two answers with one code the second waits, and is refused."""
    query = select(User).where(User.email == email)
    query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalars(query).one()


def exists(session: Session, user: User) -> bool:
    """Whether somebody has a second step."""
    return user.app_sealed is not None or bool(passkeys_of(session, user))


def passkeys_of(session: Session, user: User) -> Sequence[Passkey]:
    """The passkeys of somebody, the oldest first."""
    return session.scalars(
        select(Passkey).where(Passkey.user_id == user.id).order_by(Passkey.id)
    ).all()


def codes_left(session: Session, user: User) -> int:
    """How many recovery codes have not been used."""
    query = select(func.count()).where(RecoveryCode.user_id == user.id)
    return session.scalar(query.select_from(RecoveryCode)) or 0


def new_app_secret() -> str:
    """A fresh secret to share with an app: 160 bits in base 32 (RFC 4226 §4)."""
    return cast(str, TOTP.new().base32_key)


def app_address(secret: str, email: str, clinic: str) -> str:
    """What the picture says that an app reads."""
    label, issuer = (text.replace(":", " ") for text in (email, clinic))
    return cast(str, TOTP(secret).to_uri(label=label, issuer=issuer))


def add_app(session: Session, user: User, secret: str, code: str, deed: Deed) -> bool:
    """Take the app as a second step, instead of another that there may be; whether it proved,
    by a code, that it has the secret."""
    step = _time_step(secret, code, None, now=deed.now)
    if step is None:
        return False
    user.app_sealed, user.app_counter = _seal(user, secret, deed.house.keys), step
    session.flush()
    _note(session, "second_step.add", user, deed, ("app",))
    return True


def remove_app(session: Session, user: User, deed: Deed, *, required: bool) -> None:
    """Ask for no codes any more.

    Raises:
        LastSecondStep: if it is the only one, and one is required.
    """
    if user.app_sealed is None:
        return
    user.app_sealed = user.app_counter = None
    session.flush()
    _after_removal(session, user, deed, "app", required=required)


def add_passkey(session: Session, user: User, made: NewPasskey, name: str, deed: Deed) -> None:
    """Take the passkey as a second step, and as a way in."""
    session.add(
        Passkey(
            user_id=user.id,
            credential=made.credential,
            public_key=made.public_key,
            sign_count=made.sign_count,
            name=name,
            created_at=deed.now,
        )
    )
    session.flush()
    _note(session, "second_step.add", user, deed, ("passkey",))


def remove_passkey(
    session: Session, user: User, number: int, deed: Deed, *, required: bool
) -> None:
    """Take the passkey no more.

    Raises:
        UnknownSecondStep: if they have none of that number.
        LastSecondStep: if it is the only one, and one is required.
    """
    found = session.get(Passkey, number)
    if found is None or found.user_id != user.id:
        raise UnknownSecondStep
    session.delete(found)
    session.flush()
    _after_removal(session, user, deed, "passkey", required=required)


def new_codes(session: Session, user: User, deed: Deed) -> list[str]:
    """Make recovery codes, to be shown once; those from before end."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = [_random_code() for _ in range(CODES)]
    keys = deed.house.keys
    session.add_all(RecoveryCode(user_id=user.id, digest=_digests(user, c, keys)[0]) for c in codes)
    session.flush()
    _note(session, "recovery.renew", user, deed)
    return [f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes]


def take_code(session: Session, user: User, typed: str, deed: Deed) -> Proof:
    """What a code proves, which is used up by it: six digits of the app, or a recovery code."""
    code = re.sub(r"[\s-]", "", typed).upper()
    if SIX_DIGITS.fullmatch(code):
        return _take_digits(session, user, code, deed)
    keys = with_kept(session, deed.house.keys)
    wanted = (
        RecoveryCode.user_id == user.id,
        RecoveryCode.digest.in_(_digests(user, code.translate(MISREAD), keys)),
    )
    done = cast(CursorResult[Any], session.execute(delete(RecoveryCode).where(*wanted)))
    if done.rowcount != 1:
        return Proof.NOTHING
    _note(session, "recovery.use", user, deed)
    return Proof.RECOVERY_CODE


def note_passkey_used(session: Session, user: User, deed: Deed) -> None:
    """Say in the audit that a passkey was the second step."""
    _note(session, "second_step.use", user, deed, ("passkey",))


def reset(session: Session, number: int, deed: Deed) -> User:
    """Take every second step of somebody away who has lost the device, and end their sessions.

    Raises:
        OwnAccess: if it is who asks.
        UnknownPerson: if nobody has that number.
    """
    found = another(session, number, deed)
    close_all(session, found)
    found.app_sealed = found.app_counter = None
    session.execute(delete(Passkey).where(Passkey.user_id == found.id))
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == found.id))
    session.flush()
    _note(session, "second_step.reset", found, deed)
    return found


def _take_digits(session: Session, user: User, code: str, deed: Deed) -> Proof:
    secret = _unsealed(user, deed.house.keys)
    step = _time_step(secret, code, user.app_counter, now=deed.now) if secret else None
    if step is None:
        return Proof.NOTHING
    user.app_counter = step
    session.flush()
    _note(session, "second_step.use", user, deed, ("app",))
    return Proof.APP


def _time_step(secret: str, code: str, last: int | None, *, now: datetime) -> int | None:
    """The time step that the code is of; None if it is of none, or not of a newer one (§5.2)."""
    plain = re.sub(r"[\s-]", "", code)
    if not SIX_DIGITS.fullmatch(plain):
        return None
    try:
        found = TOTP(secret).match(plain, time=now, window=TOLERANCE, last_counter=last)
    except TokenError:
        return None
    return cast(int, found.counter)


def _after_removal(session: Session, user: User, deed: Deed, what: str, *, required: bool) -> None:
    if not exists(session, user):
        if required:
            raise LastSecondStep
        session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    _note(session, "second_step.remove", user, deed, (what,))


def _random_code() -> str:
    return "".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(CODE_LENGTH))


def _digests(user: User, code: str, keys: Keys) -> tuple[bytes, ...]:
    return keys.digests("recovery-code", f"{user.id} {code}".encode("utf-8", "replace"))


def _seal(user: User, secret: str, keys: Keys) -> bytes:
    """Sealed together with whose it is: put into another's row it opens nothing."""
    return keys.second_step_seal.encrypt(f"{user.id} {secret}".encode())


def _unsealed(user: User, keys: Keys) -> str:
    """The secret of the app; empty without one, or if its secret is known no more."""
    if user.app_sealed is None:
        return ""
    try:
        whose, _, secret = keys.second_step_seal.decrypt(user.app_sealed).decode().partition(" ")
    except InvalidToken:
        return ""
    return secret if whose == str(user.id) else ""


def _note(
    session: Session, action: str, about: User, deed: Deed, fields: Iterable[str] = ()
) -> None:
    audit.note(
        session,
        action,
        keys=deed.house.keys,
        actor=deed.actor,
        now=deed.now,
        subject=f"person-{about.id}",
        fields=fields,
    )
