"""Members of staff and their open sessions."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import uuid4

from sqlalchemy import ScalarSelect, delete, exists, select, update
from sqlalchemy.orm import Session

from booking.models import Passkey, Practitioner, Role, StaffSession, User

SESSION_LIFE = timedelta(hours=12)
"""How long a sign-in lasts at the most."""
IDLE_LIFE = timedelta(minutes=15)
"""How long it lasts without a sign of life."""
SHORTEST_PASSWORD = 15
"""NIST SP 800-63B-4 §3.1.1.2, where the password stands alone."""
MOST_WRONG_ANSWERS = 5
"""How many wrong codes or passwords a session lives through."""


class Reach(StrEnum):
    """How far a session goes."""

    EVERYTHING = "everything"
    SECOND_STEP = "second_step"
    """The password was right; the second step has to be taken."""
    SETTING_UP = "setting_up"
    """The password was right; there is no second step yet, and there has to be one."""


class SessionEnded(Exception):
    """The session was ended while somebody acted in it."""


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


def open_session(
    session: Session, user: User, *, now: datetime, device: str = "", second_step: bool = False
) -> str:
    """Begin a session; the key goes into the cookie, its digest into the database.

    Args:
        second_step: Whether the way in was two steps at once, as a passkey is.
    """
    key = secrets.token_urlsafe(32)
    begun = StaffSession(
        key_digest=digest_of(key),
        user_id=user.id,
        created_at=now,
        device=device,
        second_step_at=now if second_step else None,
        confirmed_at=now,
    )
    session.add(begun)
    return key


def find_session(
    session: Session, user: User, key: str, *, now: datetime
) -> tuple[StaffSession, bool] | None:
    """The session that the key opens, and whether its owner has a second step; None if it has
    ended, has grown too old or is somebody else's."""
    passkey = exists().where(Passkey.user_id == StaffSession.user_id)
    query = select(StaffSession, passkey).where(
        StaffSession.key_digest == digest_of(key),
        StaffSession.user_id == user.id,
        StaffSession.created_at > now - SESSION_LIFE,
    )
    found = session.execute(query).one_or_none()
    return (found[0], user.app_sealed is not None or bool(found[1])) if found else None


def reach(found: StaffSession, *, has_second_step: bool, required: bool) -> Reach:
    """How far a session goes: to everything, to its second step, or to the setting up of one."""
    if found.second_step_at is not None:
        return Reach.EVERYTHING
    if has_second_step:
        return Reach.SECOND_STEP
    return Reach.SETTING_UP if required else Reach.EVERYTHING


def prove_again(session: Session, key: str, *, now: datetime, second_step: bool = False) -> str:
    """Whoever holds the session has proved to be its owner: it goes on, under a new key.

    Args:
        second_step: Whether what they proved was the second step.

    Raises:
        SessionEnded: if it has ended meanwhile.
    """
    found = hold(session, key)
    renewed = secrets.token_urlsafe(32)
    found.key_digest = digest_of(renewed)
    found.confirmed_at, found.wrong_answers = now, 0
    if second_step:
        found.second_step_at = now
    session.flush()
    return renewed


def note_wrong_answer(session: Session, key: str) -> bool:
    """Count a wrong code or password; whether it was one too many, and the session has ended.

    Raises:
        SessionEnded: if it had ended before.
    """
    found = hold(session, key)
    found.wrong_answers += 1
    if found.wrong_answers < MOST_WRONG_ANSWERS:
        return False
    session.delete(found)
    return True


def hold(session: Session, key: str) -> StaffSession:
    """The session that the key opens, locked until the transaction ends.

    Raises:
        SessionEnded: if it has ended.
    """
    query = select(StaffSession).where(StaffSession.key_digest == digest_of(key))
    found = session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if found is None:
        raise SessionEnded
    return found


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
    others = (StaffSession.user_id == _id_of(email), StaffSession.key_digest != digest_of(key))
    session.execute(delete(StaffSession).where(*others))


def close_one(session: Session, email: str, mark: str) -> None:
    """End the session of somebody that is marked so; that of nobody else."""
    chosen = (StaffSession.user_id == _id_of(email), StaffSession.key_digest.startswith(mark))
    session.execute(delete(StaffSession).where(*chosen))


def close_all(session: Session, user: User) -> None:
    """End every session of somebody."""
    session.execute(delete(StaffSession).where(StaffSession.user_id == user.id))


def _id_of(email: str) -> ScalarSelect[int]:
    return select(User.id).where(User.email == email).scalar_subquery()


def change_password(session: Session, email: str, password_hash: str) -> None:
    """Let somebody sign in with another password from now on."""
    session.scalars(select(User).where(User.email == email)).one().password = password_hash
    session.flush()


def renew_hash(session: Session, user: int, before: str, after: str) -> None:
    """The same password in another hash, unless it has been changed meanwhile."""
    same = (User.id == user, User.password == before)
    session.execute(update(User).where(*same).values(password=after))


def digest_of(key: str) -> str:
    """What the database knows a session by."""
    return sha256(key.encode()).hexdigest()
