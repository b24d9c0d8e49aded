"""Keys of former secrets, for what cannot be written anew under another.

The audit trail proves by not being rewritten; of a recovery code only the digest is known; an event
in a colleague's calendar is found again by its UID. Of a former secret the keys of these three
purposes are kept, sealed under the newest, so that the secret itself need not be.
"""

import hmac
from dataclasses import replace

from cryptography.fernet import InvalidToken
from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.models import KeptKey
from booking.services.links import Keys, OldKey, key_of

PURPOSES = ("audit", "recovery-code", "staff-event")


def with_kept(session: Session, keys: Keys) -> Keys:
    """The keys together with those that the database keeps."""
    query = select(KeptKey.sealed).order_by(KeptKey.id.desc())
    opened = [_opened(sealed, keys) for sealed in session.scalars(query)]
    return replace(keys, kept=tuple(each for each in opened if each is not None))


def keep(session: Session, keys: Keys, *, until: int) -> None:
    """Keep what is needed of each former secret that is named.

    Args:
        until: The last entry of the audit trail for which they count.
    """
    for secret in reversed(keys.former):  # the oldest first: the order of their ids is theirs
        for purpose in PURPOSES:
            _keep(session, OldKey(purpose, key_of(secret, purpose), until), keys)


def _keep(session: Session, old: OldKey, keys: Keys) -> None:
    mark = hmac.digest(old.key, b"mark", "sha256")[:16].hex()
    known = (KeptKey.purpose == old.purpose, KeptKey.mark == mark)
    row = session.scalar(select(KeptKey).where(*known)) or KeptKey(purpose=old.purpose, mark=mark)
    row.sealed = keys.seal.encrypt(f"{old.purpose} {old.until} {old.key.hex()}".encode())
    session.add(row)
    session.flush()


def _opened(sealed: bytes, keys: Keys) -> OldKey | None:
    """With the purpose that is sealed with it; None if it is sealed under a secret not known."""
    try:
        purpose, until, key = keys.seal.decrypt(sealed).decode().split(" ")
    except InvalidToken:
        return None
    return OldKey(purpose, bytes.fromhex(key), int(until))
