"""What is asked about an address that looks mistyped, and what is left alone."""

import pytest

from booking.domain.typos import PROVIDERS, probably_meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sam@gmial.com", "sam@gmail.com"),
        ("sam@gmail.con", "sam@gmail.com"),
        ("sam@gmai.com", "sam@gmail.com"),
        ("sam@gmaill.com", "sam@gmail.com"),
        ("Sam.R@GMAIL.CMO", "Sam.R@gmail.com"),
        ("sam@hotmial.com", "sam@hotmail.com"),
        ("sam@yahooo.com", "sam@yahoo.com"),
        ("sam@outlok.com", "sam@outlook.com"),
        ("sam@iclod.com", "sam@icloud.com"),
        ("sam@clinic-friends.con", "sam@clinic-friends.com"),
    ],
)
def test_what_looks_mistyped_is_asked_about(typed: str, meant: str) -> None:
    assert probably_meant(typed) == meant


@pytest.mark.parametrize(
    "typed",
    [
        *(f"sam@{each}" for each in PROVIDERS),
        "sam@mail.example",
        "sam@example.org",
        "sam@kings-college.ac.uk",
        "sam@gal.com",
        "sam@posteo.de",
        "sam@GMAIL.com",
    ],
)
def test_what_is_right_is_left_alone(typed: str) -> None:
    assert probably_meant(typed) is None
