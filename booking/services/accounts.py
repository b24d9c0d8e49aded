"""Members of staff and their open sessions."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import uuid4

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from booking.models import Practitioner, Role, StaffSession, User

SESSION_LIFE = timedelta(hours=12)
"""How long a sign-in lasts at the most."""
IDLE_LIFE = timedelta(minutes=15)
"""How long it lasts without a sign of life."""
SHORTEST_PASSWORD = 15
"""NIST SP 800-63B-4 §3.1.1.2, where the password stands alone."""


class AccountExists(Exception):
    """Somebody has this address already."""


class NobodyToBe(Exception):
    """A clinician must be one of the practitioners, and nobody else may be."""


def create_user(
    session: Session,
    email: str,
    password_hash: str,
    *,
    now: datetime,
    role: Role = Role.ADMINISTRATOR,
    practitioner: str = "",
) -> User:
    """Let a member of staff in.

    Args:
        practitioner: Which of the practitioners a clinician is, by slug.

    Raises:
        AccountExists: if the address has an account.
        NobodyToBe: if role and practitioner do not fit together.
    """
    email = email.lower()
    if session.scalar(select(User.id).where(User.email == email)) is not None:
        raise AccountExists
    user = User(
        email=email,
        password=password_hash,
        active=True,
        role=role,
        practitioner_id=whose(session, role, practitioner),
        fs_uniquifier=uuid4().hex,
        created_at=now,
        joined_at=now,
    )
    session.add(user)
    session.flush()
    return user


def whose(session: Session, role: Role, practitioner: str) -> int | None:
    """Whose appointments somebody of that role sees; None for those of everybody.

    Raises:
        NobodyToBe: if a clinician is no practitioner, or somebody else is to be one.
    """
    if role != Role.CLINICIAN:
        if practitioner:
            raise NobodyToBe
        return None
    query = select(Practitioner.id).where(Practitioner.slug == practitioner, Practitioner.active)
    found = session.scalar(query)
    if found is None:
        raise NobodyToBe
    return found


def open_session(session: Session, user: User, *, now: datetime) -> str:
    """Begin a session; the key goes into the cookie, its digest into the database."""
    key = secrets.token_urlsafe(32)
    session.add(StaffSession(key_digest=digest_of(key), user_id=user.id, created_at=now))
    return key


def session_holds(session: Session, user: User, key: str, *, now: datetime) -> bool:
    """Whether the key names a session of this user that has not ended or grown too old."""
    found = session.get(StaffSession, digest_of(key))
    return found is not None and found.user_id == user.id and now < found.created_at + SESSION_LIFE


def close_session(session: Session, key: str) -> None:
    """End a session, and with it every copy of its cookie."""
    session.execute(delete(StaffSession).where(StaffSession.key_digest == digest_of(key)))


def open_sessions(session: Session, email: str, *, now: datetime) -> Sequence[StaffSession]:
    """Where somebody is signed in, the newest first; some may have grown idle meanwhile."""
    query = (
        select(StaffSession)
        .join(User, User.id == StaffSession.user_id)
        .where(User.email == email, StaffSession.created_at > now - SESSION_LIFE)
        .order_by(StaffSession.created_at.desc(), StaffSession.key_digest)
    )
    return session.scalars(query).all()


def close_others(session: Session, email: str, key: str) -> None:
    """End every session of somebody but the one that the key opens."""
    whom = select(User.id).where(User.email == email).scalar_subquery()
    others = (StaffSession.user_id == whom, StaffSession.key_digest != digest_of(key))
    session.execute(delete(StaffSession).where(*others))


def change_password(session: Session, email: str, password_hash: str) -> None:
    """Let somebody sign in with another password from now on."""
    session.scalars(select(User).where(User.email == email)).one().password = password_hash
    session.flush()


def digest_of(key: str) -> str:
    """What the database knows a session by."""
    return sha256(key.encode()).hexdigest()
