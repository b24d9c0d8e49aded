"""Members of staff and their open sessions."""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import uuid4

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from booking.models import StaffSession, User

SESSION_LIFE = timedelta(hours=12)
"""How long a sign-in lasts at the most."""
IDLE_LIFE = timedelta(minutes=15)
"""How long it lasts without a sign of life."""
SHORTEST_PASSWORD = 15
"""NIST SP 800-63B-4 §3.1.1.2, where the password stands alone."""


class AccountExists(Exception):
    """Somebody has this address already."""


def create_user(session: Session, email: str, password_hash: str, *, now: datetime) -> User:
    """Let a member of staff in.

    Raises:
        AccountExists: if the address has an account.
    """
    email = email.lower()
    if session.scalar(select(User.id).where(User.email == email)) is not None:
        raise AccountExists
    user = User(
        email=email, password=password_hash, active=True, fs_uniquifier=uuid4().hex, created_at=now
    )
    session.add(user)
    session.flush()
    return user


def open_session(session: Session, user: User, *, now: datetime) -> str:
    """Begin a session; the key goes into the cookie, its digest into the database."""
    key = secrets.token_urlsafe(32)
    session.add(StaffSession(key_digest=_digest(key), user_id=user.id, created_at=now))
    return key


def session_holds(session: Session, user: User, key: str, *, now: datetime) -> bool:
    """Whether the key names a session of this user that has not ended or grown too old."""
    found = session.get(StaffSession, _digest(key))
    return found is not None and found.user_id == user.id and now < found.created_at + SESSION_LIFE


def close_session(session: Session, key: str) -> None:
    """End a session, and with it every copy of its cookie."""
    session.execute(delete(StaffSession).where(StaffSession.key_digest == _digest(key)))


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()
