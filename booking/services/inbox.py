"""What people do about mails that came in: staff, and the patient who is asked."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography.fernet import InvalidToken
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session, joinedload

from booking.domain.lifecycle import Partstat, Status
from booking.domain.refusals import TooLate, UnknownMail, WrongState
from booking.domain.timeline import Span
from booking.messages.incoming import UNREADABLE, Answer, Incoming, understand
from booking.models import (
    Appointment,
    Clinic,
    HealthcareService,
    Matter,
    ReceivedMail,
    ReplyMailbox,
)
from booking.services.appointments import (
    PATIENT,
    House,
    lock,
    record,
    reschedule_appointment,
)
from booking.services.availability import load_diary
from booking.services.owing import owe_again, owe_unchanged
from booking.services.replies import settle

MOST_SHOWN, MOST_OPENED = 50, 20
A_WHILE = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)


def waiting(session: Session, *, now: datetime, only: int | None = None) -> Sequence[ReceivedMail]:
    """What staff should look at: about appointments first, then the rest, each oldest first.

    A "no" or a proposal counts only while there is something to decide about it.

    Args:
        only: The practitioner whose mails may be seen, where not everybody's may.
    """
    coming = and_(Appointment.status == Status.BOOKED, Appointment.start_at > now)
    open_no = and_(ReceivedMail.partstat == Partstat.DECLINED, coming)
    open_no = and_(open_no, Appointment.partstat == Partstat.DECLINED)
    current = and_(coming, ReceivedMail.sequence == Appointment.sequence)
    said = ReceivedMail.partstat.in_((Partstat.ACCEPTED, Partstat.TENTATIVE))
    query = (
        select(ReceivedMail)
        .outerjoin(ReceivedMail.appointment)
        .where(
            ReceivedMail.handled_at.is_(None),
            or_(
                ReceivedMail.matter == Matter.MESSAGE,
                said,
                open_no,
                and_(ReceivedMail.partstat.is_(None), current),
            ),
        )
        .order_by(ReceivedMail.appointment_id.is_(None), ReceivedMail.id)
        .limit(MOST_SHOWN)
        .options(joinedload(ReceivedMail.appointment))
    )
    if only is not None:
        query = query.where(Appointment.practitioner_id == only)
    return session.scalars(query).all()


def received(
    session: Session, appointment: Appointment, house: House
) -> list[tuple[ReceivedMail, str]]:
    """The newest mails about an appointment, oldest first, each with its comment."""
    query = select(ReceivedMail).where(ReceivedMail.appointment_id == appointment.id)
    newest = session.scalars(query.order_by(ReceivedMail.id.desc()).limit(MOST_OPENED)).all()
    return [(each, comment_of(opened(each, house))) for each in reversed(newest)]


def mailbox_trouble(session: Session, *, now: datetime) -> ReplyMailbox | None:
    """The mailbox for answers, where it has been out of reach for longer than a while."""
    query = select(ReplyMailbox).where(ReplyMailbox.failing_since < now - A_WHILE)
    return session.scalar(query.limit(1))


def mail_by_id(session: Session, number: int) -> ReceivedMail:
    """A received mail.

    Raises:
        UnknownMail: if there is none with this number.
    """
    found = session.get(ReceivedMail, number)
    if found is None:
        raise UnknownMail
    return found


def opened(mail: ReceivedMail, house: House) -> Incoming:
    """What a mail says, read anew from its sealed copy.

    One that was sealed under a secret that is known no more is unreadable.
    """
    try:
        return understand(house.keys.seal.decrypt(mail.sealed))
    except InvalidToken:
        return UNREADABLE


def comment_of(said: Incoming) -> str:
    """What was written along with a calendar's answer."""
    return said.content.comment if isinstance(said.content, Answer) else ""


def is_undecided(mail: ReceivedMail) -> bool:
    """Whether a proposal still waits for an answer, about the appointment as it is now."""
    appointment = mail.appointment
    return (
        mail.matter == Matter.PROPOSAL
        and mail.handled_at is None
        and appointment is not None
        and appointment.status == Status.BOOKED
        and mail.sequence == appointment.sequence
    )


def can_be_had(session: Session, mail: ReceivedMail, *, now: datetime) -> bool:
    """Whether the appointment could move to the proposed time, by the question of every page."""
    appointment, start = mail.appointment, mail.proposed_start_at
    if appointment is None or start is None or not is_undecided(mail):
        return False
    diary = load_diary(
        session,
        session.get_one(Clinic, 1),
        session.get_one(HealthcareService, appointment.service_id),
        Span(start, start + MINUTE),
        now=now,
        ignoring=appointment.id,
    )
    return any(slot.start == start for slot in diary.slots())


def accept_proposal(
    session: Session, number: int, house: House, *, actor: str, now: datetime
) -> Appointment:
    """Move the appointment to the time that was proposed.

    Raises:
        SlotTaken: if that time cannot be had; the appointment keeps its own.
        WrongState: if there is nothing to decide any more.
        UnknownMail: if there is no such mail.
    """
    mail = mail_by_id(session, number)
    if mail.appointment is None:
        raise WrongState
    lock(session, mail.appointment)
    session.refresh(mail)
    if mail.proposed_start_at is None or not is_undecided(mail):
        raise WrongState
    start = mail.proposed_start_at
    moved = reschedule_appointment(session, mail.appointment, start, house, now=now, actor=actor)
    mail.handled_at, mail.handled_by = now, actor
    return moved


def decline_proposal(session: Session, number: int, *, actor: str, now: datetime) -> Appointment:
    """Keep the appointment where it is, and tell the patient.

    Raises:
        WrongState: if there is nothing to decide any more.
        UnknownMail: if there is no such mail.
    """
    mail = mail_by_id(session, number)
    if mail.appointment is None:
        raise WrongState
    lock(session, mail.appointment)
    session.refresh(mail)
    if not is_undecided(mail):
        raise WrongState
    owe_unchanged(session, mail.appointment, now=now)
    mail.handled_at, mail.handled_by = now, actor
    return mail.appointment


def handle(session: Session, number: int, *, actor: str, now: datetime) -> ReceivedMail:
    """Take a mail off the list of what waits.

    Raises:
        UnknownMail: if there is no such mail.
    """
    mail = mail_by_id(session, number)
    if mail.handled_at is None:
        mail.handled_at, mail.handled_by = now, actor
    return mail


def keep_appointment(
    session: Session, appointment: Appointment, house: House, *, now: datetime
) -> Appointment:
    """The patient wants to come after all: the invitation goes back into their calendar.

    Pressed twice, it does nothing more.

    Raises:
        WrongState: if it is not booked any more.
        TooLate: if it has begun.
    """
    lock(session, appointment)
    check_keepable(appointment, now=now)
    if appointment.partstat == Partstat.ACCEPTED:
        return appointment
    if appointment.partstat == Partstat.DECLINED:
        owe_again(session, appointment, now=now)
    appointment.partstat, appointment.answered_at = Partstat.ACCEPTED, now
    settle(session, appointment, Matter.ANSWER, now=now, actor=PATIENT)
    record(session, house, appointment, "keep", PATIENT, now)
    return appointment


def check_keepable(appointment: Appointment, *, now: datetime) -> None:
    """Refuse what cannot be kept.

    Raises:
        WrongState: if it is not booked any more.
        TooLate: if it has begun.
    """
    if appointment.status != Status.BOOKED:
        raise WrongState
    if appointment.start_at <= now:
        raise TooLate
