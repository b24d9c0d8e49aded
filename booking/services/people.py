"""Who works here and may do what: invited, changed, disabled; and how one becomes one of them."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from booking.models import AccountLink, Role, StaffSession, User
from booking.services import audit
from booking.services.accounts import create_user, whose
from booking.services.appointments import House
from booking.services.links import NONCE_BYTES, Keys, token_digest

INVITATION_LIFE = timedelta(hours=48)
FIRST_LINK_LIFE = timedelta(hours=24)
FIRST = "first administrator"
"""Who acts, for the audit, where there is nobody yet."""


class UnknownPerson(Exception):
    """Nobody here has this number."""


class OwnAccess(Exception):
    """Nobody changes their own role or takes their own access away: another has to look."""


class LastAdministrator(Exception):
    """Without an administrator nobody could ever be let in again."""


class LinkEnded(Exception):
    """The link was used, has run out, or never was."""


@dataclass(frozen=True)
class Standing:
    """What somebody is to be here."""

    role: Role
    practitioner: str = ""
    """Which of the practitioners a clinician is, by slug."""


@dataclass(frozen=True)
class Newcomer:
    """What somebody says of themselves when they set up their sign-in."""

    name: str
    password_hash: str = field(repr=False)
    email: str = ""
    """Where nobody has been invited: the first administrator's address."""


@dataclass(frozen=True)
class Deed:
    """Who changes something about people, and when."""

    actor: str
    now: datetime
    house: House


def people(session: Session) -> Sequence[User]:
    """Everybody who has, had or is to have access, by address."""
    return session.scalars(select(User).order_by(User.email)).all()


def person(session: Session, number: int) -> User:
    """Somebody of the clinic.

    Raises:
        UnknownPerson: if nobody has that number.
    """
    found = session.get(User, number)
    if found is None:
        raise UnknownPerson
    return found


def invitations(session: Session) -> dict[int, AccountLink]:
    """The invitations that are open, by whom they are for."""
    query = select(AccountLink).where(AccountLink.user_id.is_not(None))
    return {each.user_id: each for each in session.scalars(query) if each.user_id is not None}


def invite(session: Session, email: str, standing: Standing, nobodys: str, deed: Deed) -> User:
    """Make an account that opens once its owner has set a password, and owe them the mail.

    Args:
        nobodys: The hash of a password that nobody knows.

    Raises:
        AccountExists: if the address has an account.
        NobodyToBe: if role and practitioner do not fit together.
    """
    made = _account(session, email, nobodys, standing, deed)
    made.active, made.joined_at = False, None
    _new_link(session, made, deed.house.keys, deed.now + INVITATION_LIFE, mail_at=deed.now)
    _note(session, "person.invite", made, deed, ("email", "role"))
    return made


def let_in(
    session: Session, email: str, password_hash: str, standing: Standing, deed: Deed
) -> User:
    """Somebody whose password was set at the command line, who may sign in at once.

    Raises:
        AccountExists: if the address has an account.
        NobodyToBe: if role and practitioner do not fit together.
    """
    made = _account(session, email, password_hash, standing, deed)
    _note(session, "person.join", made, deed, ("email", "password", "role"))
    return made


def _account(
    session: Session, email: str, password_hash: str, standing: Standing, deed: Deed
) -> User:
    role, practitioner = standing.role, standing.practitioner
    return create_user(
        session, email, password_hash, now=deed.now, role=role, practitioner=practitioner
    )


def invite_again(session: Session, number: int, deed: Deed) -> User:
    """Send a new link to who has not come yet, or has lost the password; the one before ends.

    Raises:
        OwnAccess: if it is who asks.
        UnknownPerson: if nobody has that number.
    """
    found = another(session, number, deed)
    if found.state != "disabled":
        session.execute(delete(AccountLink).where(AccountLink.user_id == found.id))
        _new_link(session, found, deed.house.keys, deed.now + INVITATION_LIFE, mail_at=deed.now)
        _note(session, "person.invite_again", found, deed)
    return found


def change_role(session: Session, number: int, standing: Standing, deed: Deed) -> User:
    """Let somebody do more, or less, from now on.

    Raises:
        OwnAccess: if it is who asks.
        LastAdministrator: if nobody would be left to let others in.
        NobodyToBe: if role and practitioner do not fit together.
        UnknownPerson: if nobody has that number.
    """
    found = another(session, number, deed)
    practitioner = whose(session, standing.role, standing.practitioner)
    if standing.role != Role.ADMINISTRATOR:
        _check_another_administrator(session, found)
    found.role, found.practitioner_id = standing.role, practitioner
    session.flush()
    _note(session, "person.role", found, deed, ("role", "practitioner"))
    return found


def disable(session: Session, number: int, deed: Deed) -> User:
    """Take somebody's access away: every session and every open invitation ends at once.

    Raises:
        OwnAccess: if it is who asks.
        LastAdministrator: if nobody would be left to let others in.
        UnknownPerson: if nobody has that number.
    """
    found = another(session, number, deed)
    _check_another_administrator(session, found)
    found.active = False
    session.execute(delete(StaffSession).where(StaffSession.user_id == found.id))
    session.execute(delete(AccountLink).where(AccountLink.user_id == found.id))
    session.flush()
    _note(session, "person.disable", found, deed)
    return found


def enable(session: Session, number: int, deed: Deed) -> User:
    """Give somebody's access back; who never set a password needs a new invitation instead.

    Raises:
        UnknownPerson: if nobody has that number.
    """
    found = person(session, number)
    if found.joined_at is not None:
        found.active = True
        session.flush()
        _note(session, "person.enable", found, deed)
    return found


def open_link(session: Session, token: str, *, now: datetime, to_use: bool = False) -> AccountLink:
    """The link that a token opens.

    Args:
        to_use: Whether it is about to be used up, so that nobody else may do so meanwhile.

    Raises:
        LinkEnded: if it was used, has run out, or never was: nobody learns which.
    """
    query = select(AccountLink).where(AccountLink.digest == token_digest(token))
    found = session.scalar(query.with_for_update() if to_use else query)
    if found is None or found.expires_at <= now or (found.user_id is None and _anybody(session)):
        raise LinkEnded
    return found


def join(session: Session, token: str, newcomer: Newcomer, house: House, *, now: datetime) -> User:
    """Let who holds the link in, with the name and the password that they chose. It works once.

    Whoever was in with the password before is not any more.

    Raises:
        LinkEnded: if it was used, has run out, or never was.
    """
    link = open_link(session, token, now=now, to_use=True)
    joined = link.user
    if joined is None:
        joined = create_user(session, newcomer.email, newcomer.password_hash, now=now)
    joined.name, joined.password = newcomer.name, newcomer.password_hash
    joined.active, joined.joined_at = True, now
    session.delete(link)
    session.execute(delete(StaffSession).where(StaffSession.user_id == joined.id))
    session.flush()
    actor = joined.email if link.user_id else FIRST
    _note(session, "person.join", joined, Deed(actor, now, house), ("name", "password"))
    return joined


def first_link(session: Session, keys: Keys, *, now: datetime) -> str | None:
    """A new link for the first administrator, by its token; None once there is anybody."""
    if _anybody(session):
        return None
    session.execute(delete(AccountLink).where(AccountLink.user_id.is_(None)))
    return _new_link(session, None, keys, now + FIRST_LINK_LIFE, mail_at=None)


def _anybody(session: Session) -> bool:
    return session.scalar(select(User.id).limit(1)) is not None


def _new_link(
    session: Session, user: User | None, keys: Keys, expires_at: datetime, mail_at: datetime | None
) -> str:
    nonce = secrets.token_bytes(NONCE_BYTES)
    token = keys.account_token(nonce)
    link = AccountLink(
        user=user,
        nonce=nonce,
        digest=token_digest(token),
        expires_at=expires_at,
        message_id=uuid4().hex,
        next_attempt_at=mail_at,
    )
    session.add(link)
    session.flush()
    return token


def another(session: Session, number: int, deed: Deed) -> User:
    """Somebody who is not who asks.

    Raises:
        OwnAccess: if it is who asks.
        UnknownPerson: if nobody has that number.
    """
    found = person(session, number)
    if found.email == deed.actor:
        raise OwnAccess
    return found


def _check_another_administrator(session: Session, leaving: User) -> None:
    """Refuse to lose the last one; all are locked, so that two cannot send each other away."""
    query = select(User).where(User.role == Role.ADMINISTRATOR, User.active).order_by(User.id)
    staying = session.scalars(
        query.with_for_update().execution_options(populate_existing=True)
    ).all()
    if [each.id for each in staying] == [leaving.id]:
        raise LastAdministrator


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
