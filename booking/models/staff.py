"""Who signs in, and the sessions that are open."""

from datetime import datetime
from enum import StrEnum

from flask_security.core import UserMixin
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.models.base import Base, Seal, sealed_by


class Role(StrEnum):
    """What somebody is at the clinic; `web/permissions.py` says what each may do."""

    ADMINISTRATOR = "administrator"
    SCHEDULER = "scheduler"
    CLINICIAN = "clinician"
    AUDITOR = "auditor"


class User(Base, UserMixin):
    """A member of staff."""

    __tablename__ = "staff_user"
    __table_args__ = (
        CheckConstraint(
            "(role = 'clinician') = (practitioner_id IS NOT NULL)", name="clinician_is_somebody"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password: Mapped[str] = mapped_column(String(255))
    """An argon2id hash."""
    name: Mapped[str] = mapped_column(String(120), default="")
    active: Mapped[bool] = mapped_column(default=True)
    role: Mapped[Role] = mapped_column(String(16))
    practitioner_id: Mapped[int | None] = mapped_column(ForeignKey("resource.id"))
    """Whose appointments a clinician sees; empty for every other role."""
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    joined_at: Mapped[datetime | None]
    """When they set their own password; empty while an invitation is open."""
    app_sealed: Mapped[bytes | None] = mapped_column(LargeBinary, info=sealed_by(Seal.SECOND_STEP))
    """The secret that their authenticator app shares with us (RFC 6238), sealed."""
    app_counter: Mapped[int | None]
    """The time step of the newest code that was taken: it and older ones are not taken again."""

    @property
    def state(self) -> str:
        """One word for people."""
        if self.joined_at is None:
            return "invited"
        return "active" if self.active else "disabled"


class StaffSession(Base):
    """One sign-in on one device. Without its row a cookie opens nothing, wherever it was copied."""

    __tablename__ = "staff_session"

    key_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("staff_user.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(index=True)
    device: Mapped[str] = mapped_column(String(60), default="")
    """What it looks like to people, as `Firefox on Windows`; empty if it did not say."""
    second_step_at: Mapped[datetime | None]
    """When the second step was taken; empty where a password alone began it."""
    confirmed_at: Mapped[datetime | None]
    """When somebody last proved to be its owner."""
    wrong_answers: Mapped[int] = mapped_column(default=0)
    """Codes and passwords that were wrong since then; a few of them end it."""


class Passkey(Base):
    """A key pair on somebody's device, of which we hold the public half (WebAuthn Level 3)."""

    __tablename__ = "passkey"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("staff_user.id", ondelete="CASCADE"), index=True
    )
    credential: Mapped[bytes] = mapped_column(LargeBinary(1023), unique=True)
    """What the device knows it by; at most 1023 bytes (§4)."""
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    """Rises with each use where the device counts: a copy of the key would be noticed."""
    name: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship()


class RecoveryCode(Base):
    """A code for the day on which the device is lost. It goes when it is used."""

    __tablename__ = "recovery_code"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("staff_user.id", ondelete="CASCADE"), primary_key=True
    )
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    """A keyed hash: who has only the database cannot even guess."""


class SpentChallenge(Base):
    """A question to a passkey that was answered, so that the same answer opens nothing again."""

    __tablename__ = "spent_challenge"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class AccountLink(Base):
    """A link that opens once: for who was invited, or for the first administrator.

    The mail that carries it is owed by the row itself, and is written when it leaves: neither
    the link nor the mail is stored.
    """

    __tablename__ = "account_link"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("staff_user.id", ondelete="CASCADE"), unique=True
    )
    """Who was invited; empty where there is nobody yet, and nothing to be mailed."""
    nonce: Mapped[bytes] = mapped_column(LargeBinary(16))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    """What the link is known by; it is made from the nonce and a key outside of the database."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
    message_id: Mapped[str] = mapped_column(String(32), unique=True)
    """The left half of the Message-ID, the same in every attempt."""
    next_attempt_at: Mapped[datetime | None] = mapped_column(index=True)
    """When the mail is to be tried next, and until when whoever tries it is left alone; empty
    when nothing is to be sent any more."""
    attempts: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(String(200), default="")
    """Why it could not be sent, as people are told."""

    user: Mapped[User | None] = relationship()
