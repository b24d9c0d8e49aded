"""What a password may be (NIST SP 800-63B-4 §3.1.1): long, not a common one, and nothing else."""

import hmac
import re
import unicodedata
from base64 import b64encode
from functools import cache

from flask_security.utils import hash_password
from passlib.hash import argon2
from sqlalchemy import select

from booking.models import User
from booking.models.database import db, transaction
from booking.services.accounts import SHORTEST_PASSWORD, renew_hash
from booking.web.state import booking

LONGEST_PASSWORD = 256
COMMON = frozenset(
    {
        "passwordpassword", "password1234567", "password12345678", "password123456789",
        "mypasswordispassword", "thisismypassword", "letmeinletmein", "letmeinplease",
        "iloveyouiloveyou", "iloveyousomuch", "administrator", "administratoradministrator",
        "correcthorsebatterystaple", "trustno1trustno1", "changemechangeme", "changethispassword",
        "welcomewelcome", "welcometotheclinic", "qwertyuiopasdfgh", "qwertyuiopasdfghjkl",
        "qwertyuiopasdfghjklzxcvbnm", "qazwsxedcrfvtgb", "qazwsxedcrfvtgbyhnujm",
        "1qaz2wsx3edc4rfv", "1q2w3e4r5t6y7u8i", "1q2w3e4r5t6y7u8i9o0p", "zaq12wsxcde34rfv",
        "abcdefghijklmno", "abcdefghijklmnop", "abcdefghijklmnopqrstuvwxyz",
        "quietharborinthemorning",
    }
)  # fmt: skip
"""Of the lists of known passwords, those that are long enough to be asked about."""
ROWS = ("0123456789" * 30, "9876543210" * 30, "abcdefghijklmnopqrstuvwxyz" * 10)
REPEATED = re.compile(r"(.{1,6}?)\1+.{0,3}")
"""A short piece over and over, with a bit at the end."""


def normal(text: str) -> str:
    """A password as it is hashed: however it was typed, it is the same (§3.1.1.2)."""
    return unicodedata.normalize("NFKC", text)


def renew_if_former(email: str, text: str) -> None:
    """Hash a password that was hashed under a former secret under the newest, where it is right.

    Only who knows it can do that. Somebody who is not known costs as much time as who is (T-17).
    """
    if not booking().settings.former_secret_keys:
        return
    password = normal(text)
    found = db.session.execute(select(User.id, User.password).where(User.email == email)).first()
    number, hashed = found or (None, _nobodys())
    was = [_is_hash_of(password, hashed, each) for each in booking().settings.former_secret_keys]
    if number is not None and any(was):
        renewed = hash_password(password)
        with transaction() as work:
            renew_hash(work, number, hashed, renewed)


def _is_hash_of(password: str, hashed: str, secret: str) -> bool:
    """Whether the library hashed it so under that secret: HMAC-SHA512, then argon2id."""
    mac = hmac.digest(secret.encode(), password.encode(), "sha512")
    return bool(argon2.verify(b64encode(mac), hashed))


@cache
def _nobodys() -> str:
    return hash_password("of nobody")


def new_password(text: str, *, about: str = "") -> str:
    """A password that may be chosen.

    Args:
        about: The address that it belongs to, which it must not be made of.

    Raises:
        ValueError: with a sentence that says what to do.
    """
    password = normal(text)
    if len(password) < SHORTEST_PASSWORD:
        raise ValueError(f"The password needs at least {SHORTEST_PASSWORD} characters.")
    if len(password) > LONGEST_PASSWORD:
        raise ValueError(f"The password can have up to {LONGEST_PASSWORD} characters.")
    if _is_guessed_soon(password, about):
        raise ValueError("That password is guessed soon. Choose another, such as a few odd words.")
    return password


def _is_guessed_soon(password: str, about: str) -> bool:
    plain = "".join(each for each in password.lower() if each.isalnum())
    known = any(plain.strip("0123456789") == each for each in COMMON) or plain in COMMON
    of_the_address = bool(about) and password.lower() in about.lower() * 3
    return (
        known
        or of_the_address
        or not plain
        or any(plain in row for row in ROWS)
        or REPEATED.fullmatch(plain) is not None
    )
