"""Keys of a secret that changes: made from the newest, recognised under all."""

import pytest
from cryptography.fernet import InvalidToken

from booking.models import Seal
from booking.services.links import Keys, OldKey, key_of, token_digest
from booking.settings import SettingError, Settings
from tests.builders import SECRET

NEWER = "another-secret-that-is-only-used-in-tests-98765"
BEFORE, AFTER = Keys(SECRET), Keys(NEWER, (SECRET,))
NONCE = bytes(16)
ENVIRON = {"BOOKING_DEMO": "1", "BOOKING_SECRET_KEY": NEWER}


@pytest.mark.parametrize("seal", Seal)
def test_what_was_sealed_under_a_former_key_is_opened(seal: Seal) -> None:
    sealed = BEFORE.opener(seal).encrypt(b"a note")

    assert AFTER.opener(seal).decrypt(sealed) == b"a note"


@pytest.mark.parametrize("seal", Seal)
def test_what_is_sealed_is_sealed_under_the_newest_key(seal: Seal) -> None:
    sealed = AFTER.opener(seal).encrypt(b"a note")

    assert Keys(NEWER).opener(seal).decrypt(sealed) == b"a note"
    with pytest.raises(InvalidToken):
        BEFORE.opener(seal).decrypt(sealed)


def test_one_seal_does_not_open_what_another_has_sealed() -> None:
    sealed = AFTER.seal.encrypt(b"a note")

    with pytest.raises(InvalidToken):
        AFTER.second_step_seal.decrypt(sealed)


def test_a_link_that_is_known_stays_the_one_that_was_sent() -> None:
    for token in ("patient_token", "feed_token"):
        sent = getattr(BEFORE, token)(NONCE, 1)
        assert getattr(AFTER, token)(NONCE, 1, token_digest(sent)) == sent
    for token in ("account_token", "address_token"):
        sent = getattr(BEFORE, token)(NONCE)
        assert getattr(AFTER, token)(NONCE, token_digest(sent)) == sent


def test_a_link_that_is_new_or_cannot_be_made_is_the_newest() -> None:
    lost = token_digest(Keys("x" + SECRET).patient_token(NONCE, 1))

    assert AFTER.patient_token(NONCE, 1) == Keys(NEWER).patient_token(NONCE, 1)
    assert AFTER.patient_token(NONCE, 1, lost) == Keys(NEWER).patient_token(NONCE, 1)


def test_what_must_not_come_out_differently_is_made_from_the_oldest_key() -> None:
    kept = (OldKey("staff-event", key_of(SECRET, "staff-event"), 0),)
    third = Keys("x" + NEWER, (NEWER,), kept)

    assert AFTER.first_digest("staff-event", b"x") == BEFORE.digest("staff-event", b"x")
    assert third.first_digest("staff-event", b"x") == BEFORE.digest("staff-event", b"x")


def test_no_key_shows_itself() -> None:
    kept = (OldKey("audit", key_of(SECRET, "audit"), 0),)
    shown = repr(Keys(NEWER, (SECRET,), kept))

    assert NEWER not in shown
    assert SECRET not in shown
    assert repr(kept[0].key) not in shown


def test_former_secrets_are_read_the_newest_first() -> None:
    third = "x" + SECRET

    settings = Settings.from_environ(
        ENVIRON | {"BOOKING_FORMER_SECRET_KEYS": f" {SECRET}\n,{third},, {SECRET}"}
    )

    assert settings.former_secret_keys == (SECRET, third)
    assert SECRET not in repr(settings)


@pytest.mark.parametrize("former", ["short", f"{SECRET},short", NEWER, "a" * 40])
def test_a_former_secret_that_cannot_be_one_is_refused_by_name(former: str) -> None:
    with pytest.raises(SettingError, match="BOOKING_FORMER_SECRET_KEYS"):
        Settings.from_environ(ENVIRON | {"BOOKING_FORMER_SECRET_KEYS": former})
