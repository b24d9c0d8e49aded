"""Keys of the API: made, renewed and ended by administrators, recognised by a digest.

A key opens as long as whoever has seen it may still see everything: it rests from the moment its
maker is disabled or is no administrator any more, until another one renews it.
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session, joinedload

from booking.models import ApiKey, Role, Scope, User
from booking.services import audit
from booking.services.links import token_digest
from booking.services.people import Deed

PREFIX = "bk_"
"""So that a key is recognised where it should not be: in a repository, in a mail."""
LONGEST = 100
"""Characters of what is looked up as a key; ours have 46."""


class NameTaken(Exception):
    """Another key is or was called so."""


class UnknownKey(Exception):
    """No key that works has this number."""


class RenewedMeanwhile(Exception):
    """The key is not the one that was looked at: somebody has renewed it."""


@dataclass(frozen=True)
class NewKey:
    """A key that is asked for."""

    name: str
    scopes: Collection[Scope]
    expires_at: datetime | None


@dataclass(frozen=True)
class Asker:
    """A program that has shown its key."""

    number: int
    name: str
    scopes: frozenset[Scope]
    last_used_on: date | None

    @property
    def actor(self) -> str:
        """Who acts, for history and audit trail; no address reads so."""
        return f"key:{self.name}"


def keys(session: Session) -> Sequence[ApiKey]:
    """All that there are and were: those that have not ended first, by name."""
    query = select(ApiKey).order_by(ApiKey.ended_at.is_not(None), ApiKey.name)
    return session.scalars(query.options(joinedload(ApiKey.made_by))).all()


def key(session: Session, number: int) -> ApiKey:
    """The key of this number, if it has not ended.

    Raises:
        UnknownKey: if there is none.
    """
    found = session.get(ApiKey, number)
    if found is None or found.ended_at is not None:
        raise UnknownKey
    return found


def make(session: Session, new: NewKey, deed: Deed) -> tuple[ApiKey, str]:
    """Make a key; it is told this once.

    Raises:
        NameTaken: if the trail knows another by that name.
    """
    alike = select(ApiKey.id).where(func.lower(ApiKey.name) == new.name.lower())
    if session.scalar(alike) is not None:
        raise NameTaken
    token = _new_token()
    made = ApiKey(
        name=new.name,
        scopes=" ".join(each for each in Scope if each in new.scopes),
        digest=token_digest(token),
        made_by_id=_whose(session, deed),
        created_at=deed.now,
        renewed_at=deed.now,
        expires_at=new.expires_at,
    )
    session.add(made)
    session.flush()
    _note(session, "key.make", made, deed, tuple(made.scopes.split()))
    return made, token


def renew(
    session: Session, number: int, seen: datetime, overlap: timedelta, deed: Deed
) -> tuple[ApiKey, str]:
    """Give it another secret; the one before works on for the overlap, or ends at once.

    Args:
        seen: When it was renewed last as far as who asks knows, so that a button that is pressed
            twice does not end what was just copied.

    Raises:
        UnknownKey: if there is none.
        RenewedMeanwhile: if it is another by now.
    """
    found = _locked(session, number)
    if found.renewed_at != seen:
        raise RenewedMeanwhile
    token = _new_token()
    found.former_digest = found.digest if overlap else None
    found.former_until = deed.now + overlap if overlap else None
    found.former_by_id = found.made_by_id if overlap else None
    found.digest, found.renewed_at = token_digest(token), deed.now
    found.made_by_id = _whose(session, deed)
    session.flush()
    session.refresh(found)
    _note(session, "key.renew", found, deed)
    return found, token


def end(session: Session, number: int, deed: Deed) -> ApiKey:
    """End it, and the one before it, at once and for good.

    Raises:
        UnknownKey: if there is none.
    """
    found = _locked(session, number)
    found.ended_at = deed.now
    found.former_digest = found.former_until = found.former_by_id = None
    session.flush()
    _note(session, "key.end", found, deed)
    return found


def asker_of(session: Session, token: str, *, now: datetime) -> Asker | None:
    """Who shows this key; None if it opens nothing.

    What is compared is a digest, by an index: how long that takes says nothing about any key,
    since nobody can make up one whose digest begins like another's.
    """
    if not token.startswith(PREFIX) or len(token) > LONGEST:
        return None
    digest = token_digest(token)
    query = select(ApiKey).where(or_(ApiKey.digest == digest, ApiKey.former_digest == digest))
    both = (joinedload(ApiKey.made_by), joinedload(ApiKey.former_by))
    found = session.scalar(query.options(*both))
    if found is None or not _opens(found, digest, now):
        return None
    scopes = frozenset(map(Scope, found.scopes.split()))
    return Asker(found.id, found.name, scopes, found.last_used_on)


def note_use(session: Session, asker: Asker, *, today: date) -> None:
    """Keep the clinic's day as the last on which the key was used."""
    ours = update(ApiKey).where(ApiKey.id == asker.number)
    session.execute(ours.values(last_used_on=today))


def state(found: ApiKey, *, now: datetime) -> str:
    """One word for people: works, rests, expired or ended."""
    if found.ended_at is not None:
        return "ended"
    if found.expires_at is not None and found.expires_at <= now:
        return "expired"
    return "works" if _is_trusted(found.made_by) else "rests"


def resting(session: Session, person: int) -> Sequence[str]:
    """The names of the keys that rest while this person is no administrator."""
    query = select(ApiKey.name).where(ApiKey.made_by_id == person, ApiKey.ended_at.is_(None))
    return session.scalars(query.order_by(ApiKey.name)).all()


def _locked(session: Session, number: int) -> ApiKey:
    session.get(ApiKey, number, with_for_update={"of": ApiKey}, populate_existing=True)
    return key(session, number)


def _opens(found: ApiKey, digest: bytes, now: datetime) -> bool:
    if found.ended_at is not None or (found.expires_at is not None and found.expires_at <= now):
        return False
    if found.digest == digest:
        return _is_trusted(found.made_by)
    return (
        found.former_until is not None and now < found.former_until and _is_trusted(found.former_by)
    )


def _is_trusted(user: User | None) -> bool:
    return user is not None and user.active and user.role == Role.ADMINISTRATOR


def _new_token() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def _whose(session: Session, deed: Deed) -> int:
    return session.scalars(select(User.id).where(User.email == deed.actor)).one()


def _note(
    session: Session, action: str, found: ApiKey, deed: Deed, fields: tuple[str, ...] = ()
) -> None:
    audit.note(
        session,
        action,
        keys=deed.house.keys,
        actor=deed.actor,
        now=deed.now,
        subject=f"key:{found.name}",
        fields=fields,
    )
