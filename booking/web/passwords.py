"""What a password may be (NIST SP 800-63B-4 §3.1.1): long, not a common one, and nothing else."""

import re
import unicodedata

from booking.services.accounts import SHORTEST_PASSWORD

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
