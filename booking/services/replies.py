"""What becomes of a received mail: stored, judged and done in one transaction.

The proof of an answer is the UID that it names: only who saw the invitation knows it. From and
Sender are hints. Whoever shares a calendar knows the UID too, so what an answer does stays small.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Partstat, Status, may_change
from booking.messages.incoming import Answer, AutoReply, Bounce, Incoming, Other, fingerprint
from booking.models import (
    Appointment,
    AppointmentEvent,
    Audience,
    Clinic,
    FormerInvitation,
    Matter,
    OwedMessage,
    ReceivedMail,
    ReplyMailbox,
)
from booking.services.appointments import House, cancel_appointment, lock
from booking.services.outbox import bounced
from booking.services.owing import owe_again, owe_question
from booking.services.telling import answered_sequence

LARGEST_KEPT = 256 * 1024
"""Bytes of a mail that are kept."""
SKEW = timedelta(minutes=15)
"""How wrong a calendar's clock may be."""
CALENDAR = "calendar"
"""Who acts when a clinic lets a calendar's "no" cancel."""
ANSWERS = frozenset({Partstat.ACCEPTED, Partstat.DECLINED, Partstat.TENTATIVE})
DELEGATED = "DELEGATED"
CHANGES = ("book", "reschedule", "cancel", "readdress")
"""The lines of history after which an earlier answer is about something else."""

_UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Verdict(StrEnum):
    """What became of a mail, in one word."""

    APPLIED = "applied"
    PROPOSED = "proposed"
    REPEATED = "repeated"
    """The same was said before."""
    SUPERSEDED = "superseded"
    """A later word came first."""
    OLDER = "older"
    """It is about a time that the appointment has no more."""
    OVER = "over"
    """The appointment is cancelled or past."""
    NO_ANSWER = "no_answer"
    DELEGATED = "delegated"
    FORMER = "former"
    """The invitation was meant for another address."""
    PARTY_CRASHER = "party_crasher"
    """It answers for somebody who was not invited."""
    UNKNOWN = "unknown"
    """It names no appointment or message of ours."""
    BOUNCED = "bounced"
    NOT_FAILED = "not_failed"
    """A delay or a success, of which nothing follows."""
    AUTOMATIC = "automatic"
    MESSAGE = "message"
    UNREADABLE = "unreadable"


FOR_A_PERSON = frozenset({Verdict.PROPOSED, Verdict.DELEGATED, Verdict.MESSAGE, Verdict.UNREADABLE})
"""What always waits until somebody has looked at it."""


@dataclass(frozen=True)
class _Case:
    """One mail before its judge."""

    session: Session
    mail: ReceivedMail
    house: House
    now: datetime


def receive(
    session: Session, incoming: Incoming, raw: bytes, house: House, *, now: datetime
) -> ReceivedMail:
    """Store a mail and do what it asks for; one that is known already does nothing again.

    Args:
        incoming: The mail as `understand` reads it, or `UNREADABLE`.
        raw: The mail as it came.
    """
    mail, is_new = _stored(session, incoming, raw, house, now)
    if is_new:
        case = _Case(session, mail, house, now)
        verdict = _judge(case, incoming)
        mail.verdict = verdict
        if not _waits(mail, verdict, incoming):
            mail.handled_at = now
        session.flush()
    return mail


def _stored(
    session: Session, incoming: Incoming, raw: bytes, house: House, now: datetime
) -> tuple[ReceivedMail, bool]:
    """The row of the mail, and whether it is new: of two readers the second waits for the first."""
    digest = fingerprint(raw)
    values = {
        "digest": digest,
        "received_at": now,
        "matter": Matter.MESSAGE,
        "verdict": Verdict.UNREADABLE,
        "sealed": house.keys.seal.encrypt(raw[:LARGEST_KEPT]),
        "dated_at": _believed(incoming.dated_at, now),
    }
    inserting = _insert(session)(ReceivedMail).values(**values).on_conflict_do_nothing()
    is_new = session.scalar(inserting.returning(ReceivedMail.id)) is not None
    return session.scalars(select(ReceivedMail).where(ReceivedMail.digest == digest)).one(), is_new


def place_in(session: Session, mailbox: str) -> ReplyMailbox:
    """How far a mailbox has been read, locked; a new one at its beginning."""
    fresh = {"name": mailbox, "uid_validity": 0, "last_uid": 0, "last_error": ""}
    session.execute(_insert(session)(ReplyMailbox).values(**fresh).on_conflict_do_nothing())
    return session.get_one(ReplyMailbox, mailbox, with_for_update=True)


def _insert(session: Session) -> Callable[..., Any]:
    return sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert


def _waits(mail: ReceivedMail, verdict: Verdict, incoming: Incoming) -> bool:
    """Whether a person should look: at a "no" that still stands, and at whatever says words."""
    if verdict != Verdict.APPLIED or mail.appointment is None:
        return verdict in FOR_A_PERSON
    if mail.appointment.status != Status.BOOKED:
        return False
    said = isinstance(incoming.content, Answer) and incoming.content.comment
    return bool(said) or mail.partstat == Partstat.DECLINED


def _judge(case: _Case, incoming: Incoming) -> Verdict:
    match incoming.content:
        case Answer() as answer:
            return _judge_answer(case, answer)
        case Bounce() as bounce:
            return _judge_bounce(case, bounce)
        case AutoReply():
            case.mail.matter = Matter.IGNORED
            _attach(case, incoming.about)
            return Verdict.AUTOMATIC
        case Other(damaged=damaged):
            case.mail.matter = Matter.MESSAGE
            _attach(case, incoming.about)
            return Verdict.UNREADABLE if damaged else Verdict.MESSAGE


def _judge_answer(case: _Case, answer: Answer) -> Verdict:
    """Whether an answer counts, by the first rule that it fails; then what it does."""
    mail = case.mail
    mail.matter = Matter.PROPOSAL if answer.proposes else Matter.ANSWER
    mail.stamped_at = _believed(answer.stamped_at, case.now)
    mail.replied_at = _believed(answer.replied_at, case.now)
    mail.proposed_start_at, mail.proposed_end_at = answer.proposed_start, answer.proposed_end
    appointment = _invited(case, answer.uid)
    if appointment is None:
        return Verdict.FORMER if mail.appointment_id else Verdict.UNKNOWN
    lock(case.session, appointment)
    mail.appointment = appointment
    if refused := _refused(case, appointment, answer):
        return refused
    if answer.proposes:
        return _propose(case, appointment)
    return _apply(case, appointment, Partstat(answer.attendees[0].partstat))


def _believed(stamp: datetime | None, now: datetime) -> datetime | None:
    """The stamp; none if it lies ahead, since no answer that is made later could overtake it."""
    return stamp if stamp and stamp <= now + SKEW else None


def _invited(case: _Case, uid: str) -> Appointment | None:
    """The appointment that is known under the UID now."""
    if not _UID.fullmatch(uid):
        return None
    found = case.session.scalar(select(Appointment).where(Appointment.uid == uid))
    if found is None:
        former = select(FormerInvitation.appointment_id).where(FormerInvitation.uid == uid)
        case.mail.appointment_id = case.session.scalar(former)
    return found


def _refused(case: _Case, appointment: Appointment, answer: Answer) -> Verdict | None:
    """Why an answer changes nothing; None if it may."""
    stands_for = {
        each.partstat for each in answer.attendees if _is_invited(appointment, each.address)
    }
    if not stands_for or (len(answer.attendees) > 1 and DELEGATED not in stands_for):
        return Verdict.PARTY_CRASHER
    if appointment.status != Status.BOOKED or appointment.start_at <= case.now:
        return Verdict.OVER
    if _is_older(case, appointment, answer):
        _ask_again(case, appointment)
        return Verdict.OLDER
    # A calendar's own SEQUENCE may be ahead of ours; theirs never becomes ours.
    case.mail.sequence = appointment.sequence
    if DELEGATED in stands_for:
        return Verdict.DELEGATED
    if not (answer.proposes or stands_for <= ANSWERS):
        return Verdict.NO_ANSWER
    return None


def _is_invited(appointment: Appointment, address: str) -> bool:
    """Whether it is the address on file, case aside (RFC 5546 §3.2.3)."""
    local, _, domain = address.rpartition("@")
    try:
        address = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return False
    return address == appointment.email_key


def _is_older(case: _Case, appointment: Appointment, answer: Answer) -> bool:
    """Whether it answers a time that holds no more: by SEQUENCE, or failing that by DTSTAMP."""
    if answer.sequence is not None:
        case.mail.sequence = answer.sequence
        return answer.sequence < answered_sequence(case.session, appointment)
    if answer.stamped_at is None:
        return False
    changed = select(AppointmentEvent.at).where(
        AppointmentEvent.appointment_id == appointment.id, AppointmentEvent.verb.in_(CHANGES)
    )
    changed_at = case.session.scalar(changed.order_by(AppointmentEvent.id.desc()).limit(1))
    return changed_at is not None and answer.stamped_at + SKEW < changed_at


def _ask_again(case: _Case, appointment: Appointment) -> None:
    """Send what holds now, once a SEQUENCE: a calendar that answers by itself must not go on."""
    again = select(OwedMessage.id).where(
        OwedMessage.appointment_id == appointment.id,
        OwedMessage.sequence == appointment.sequence,
        OwedMessage.audience == Audience.PATIENT,
        OwedMessage.copy > 0,
    )
    if case.session.scalar(again.limit(1)) is None:
        owe_again(case.session, appointment, now=case.now)


def _apply(case: _Case, appointment: Appointment, partstat: Partstat) -> Verdict:
    mail, session = case.mail, case.session
    mail.partstat = partstat
    if overtaken := _overtaken(case, Matter.ANSWER, Verdict.APPLIED):
        return overtaken
    appointment.partstat, appointment.answered_at = partstat, case.now
    settle(session, appointment, Matter.ANSWER, now=case.now, besides=mail)
    if partstat == Partstat.ACCEPTED:
        settle(session, appointment, Matter.PROPOSAL, now=case.now)
    if partstat == Partstat.DECLINED:
        _declined(case, appointment)
    return Verdict.APPLIED


def _declined(case: _Case, appointment: Appointment) -> None:
    """Ask whether to keep it; where the clinic wants that and it is not too late, cancel."""
    clinic, cutoff = case.session.get_one(Clinic, 1), appointment.service.change_cutoff
    if clinic.decline_cancels and may_change(appointment.start_at, now=case.now, cutoff=cutoff):
        cancel_appointment(case.session, appointment, case.house, now=case.now, actor=CALENDAR)
    else:
        owe_question(case.session, appointment, now=case.now)


def _propose(case: _Case, appointment: Appointment) -> Verdict:
    """Leave the newest proposal for staff; it moves nothing by itself."""
    if overtaken := _overtaken(case, Matter.PROPOSAL, Verdict.PROPOSED):
        return overtaken
    settle(case.session, appointment, Matter.PROPOSAL, now=case.now, besides=case.mail)
    return Verdict.PROPOSED


def _overtaken(case: _Case, matter: Matter, verdict: Verdict) -> Verdict | None:
    """Whether a mail that counted, about the appointment as it is now, said the same or came later.

    All of them are asked: they came in one order, and may have been made in another.
    """
    query = select(ReceivedMail).where(
        ReceivedMail.appointment_id == case.mail.appointment_id,
        ReceivedMail.id != case.mail.id,
        ReceivedMail.matter == matter,
        ReceivedMail.verdict == verdict,
        ReceivedMail.sequence == case.mail.sequence,
    )
    verdicts = (_compared(case.mail, each) for each in case.session.scalars(query))
    return next((each for each in verdicts if each), None)


def _compared(mail: ReceivedMail, other: ReceivedMail) -> Verdict | None:
    """What another mail makes of this one, by the first of their stamps that differ."""
    stamps = [
        (mail.stamped_at, other.stamped_at),
        (mail.replied_at, other.replied_at),
        (mail.dated_at, other.dated_at),
    ]
    for ours, theirs in stamps:
        if ours and theirs and ours != theirs:
            return Verdict.SUPERSEDED if ours < theirs else None
    same = (mail.partstat, mail.proposed_start_at) == (other.partstat, other.proposed_start_at)
    return Verdict.REPEATED if same else None


def settle(
    session: Session,
    appointment: Appointment,
    matter: Matter,
    *,
    now: datetime,
    besides: ReceivedMail | None = None,
    actor: str | None = None,
) -> None:
    """Take the appointment's mails of one matter off the list of what waits."""
    query = select(ReceivedMail).where(
        ReceivedMail.appointment_id == appointment.id,
        ReceivedMail.matter == matter,
        ReceivedMail.handled_at.is_(None),
    )
    for mail in session.scalars(query):
        if mail is not besides:
            mail.handled_at, mail.handled_by = now, actor


def _judge_bounce(case: _Case, bounce: Bounce) -> Verdict:
    """Mark the message that came back; it rises to the top of the staff page."""
    case.mail.matter = Matter.BOUNCE
    message = _message_of(case.session, bounce.message_ids)
    if message is None:
        return Verdict.UNKNOWN
    lock(case.session, message.appointment)
    case.mail.appointment = message.appointment
    if not bounce.failed:
        return Verdict.NOT_FAILED
    error = bounce.diagnostic or "It came back."
    news = bounced(case.session, message, error, now=case.now)
    return Verdict.BOUNCED if news else Verdict.REPEATED


def _attach(case: _Case, keys: Sequence[str]) -> None:
    """Put a mail with the appointment whose message it answers to; never guess by address."""
    message = _message_of(case.session, keys)
    if message is not None:
        case.mail.appointment_id = message.appointment_id


def _message_of(session: Session, keys: Sequence[str]) -> OwedMessage | None:
    """The first of our messages that is named."""
    if not keys:
        return None
    query = select(OwedMessage).where(OwedMessage.message_id.in_(keys))
    found = {each.message_id: each for each in session.scalars(query)}
    return next((found[key] for key in keys if key in found), None)
