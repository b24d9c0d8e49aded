"""What is owed to whom after a change: written in the transaction of the change itself."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Status
from booking.domain.reminders import reminders_ahead
from booking.models import (
    Appointment,
    Audience,
    Clinic,
    FormerInvitation,
    Kind,
    OwedMessage,
    Practitioner,
    ServiceReminder,
    Told,
)
from booking.models.base import table_of, write

MINUTE = timedelta(minutes=1)

_REMINDERS = table_of(ServiceReminder).c
_LENGTHS = (
    select(_REMINDERS.before)
    .where(_REMINDERS.service_id == bindparam("service"))
    .order_by(_REMINDERS.before.desc())
)
_CONCERNED = (
    select(Practitioner.id)
    .where(
        Practitioner.email.is_not(None),
        or_(
            Practitioner.id == bindparam("practitioner"),
            Practitioner.id.in_(
                select(OwedMessage.practitioner_id).where(
                    OwedMessage.appointment_id == bindparam("appointment"),
                    OwedMessage.practitioner_id.is_not(None),
                )
            ),
        ),
    )
    .order_by(Practitioner.id)
)
"""Those with an address who have an appointment, or had it."""


def owe(
    session: Session, appointment: Appointment, kind: Kind, *, now: datetime, wait: timedelta
) -> None:
    """Owe everyone concerned a message about the appointment as it is after this change.

    Everyone is who has it now, and who was ever to be told of it: what each is told, if anything,
    is decided when the message leaves (`telling.what_to_tell`).

    Args:
        wait: How long a change may still be taken back; the messages are held until then.
    """
    session.flush()
    to_patient = _for_patient(session, appointment, kind, now=now, wait=wait)
    to_staff = _for_staff(session, appointment, kind, due_at=now + wait)
    write(session, OwedMessage, *to_patient, *to_staff)


def owe_staff(session: Session, appointment: Appointment, kind: Kind, *, due_at: datetime) -> None:
    """Owe practitioners and the desk a message; those who know what holds are told nothing."""
    messages = _for_staff(session, appointment, kind, due_at=due_at)
    write(session, OwedMessage, *messages)


def owe_staff_what_waits(session: Session, appointment: Appointment) -> None:
    """Owe practitioners and the desk anew, under the present SEQUENCE, what still waits for them.

    For a change of which they need not hear: without this, what they have not heard yet would be
    taken for out of date.
    """
    waiting = select(OwedMessage).where(
        OwedMessage.appointment_id == appointment.id,
        OwedMessage.audience != Audience.PATIENT,
        OwedMessage.kind.in_((Kind.CONFIRMED, Kind.RESCHEDULED, Kind.CANCELLED)),
        OwedMessage.sequence < appointment.sequence,
        OwedMessage.settled_at.is_(None),
    )
    newest = {
        (each.audience, each.practitioner_id): each
        for each in session.scalars(waiting.order_by(OwedMessage.sequence, OwedMessage.id))
    }
    messages = (
        _message(
            appointment,
            Kind(each.kind),
            Audience(each.audience),
            due_at=each.due_at,
            practitioner=each.practitioner_id,
        )
        for each in newest.values()
    )
    write(session, OwedMessage, *messages)


def owe_patient(
    session: Session, appointment: Appointment, kind: Kind, *, now: datetime, wait: timedelta
) -> None:
    """Owe the patient a message about a change, and the reminders that follow from it.

    Who booked by telephone may have no address: then the desk has told them.
    """
    messages = _for_patient(session, appointment, kind, now=now, wait=wait)
    write(session, OwedMessage, *messages)


def owe_added_reminders(
    session: Session, appointment: Appointment, lengths: Iterable[timedelta], *, now: datetime
) -> None:
    """Owe reminders that the service has from now on; once each, whatever came and went."""
    if not appointment.patient_email:
        return
    for before, due_at in reminders_ahead(appointment.start_at, lengths, after=now):
        message = _reminder(appointment, before, due_at)
        known = select(OwedMessage.id).where(
            OwedMessage.appointment_id == appointment.id,
            OwedMessage.sequence == appointment.sequence,
            OwedMessage.kind == Kind.REMINDER,
            OwedMessage.occasion == message["occasion"],
        )
        if session.scalar(known) is None:
            write(session, OwedMessage, message)


def owe_again(session: Session, appointment: Appointment, *, now: datetime) -> None:
    """Send the patient once more what holds now, under the same SEQUENCE."""
    if not appointment.patient_email:
        return
    kind = Kind.CANCELLED if appointment.status == Status.CANCELLED else Kind.CONFIRMED
    _owe_anew(session, appointment, kind, now=now)


def owe_question(session: Session, appointment: Appointment, *, now: datetime) -> None:
    """Ask the patient whose calendar said no: shall it be kept? And tell staff. Once a SEQUENCE."""
    _owe_once(session, appointment, Kind.DECLINED, Audience.PATIENT, now=now)
    if session.get_one(Clinic, 1).staff_email:
        _owe_once(session, appointment, Kind.DECLINED, Audience.STAFF, now=now)


def owe_unchanged(session: Session, appointment: Appointment, *, now: datetime) -> None:
    """Tell the patient that the time they proposed cannot be had, as often as they propose."""
    _owe_anew(session, appointment, Kind.UNCHANGED, now=now)


def owe_about_contact(
    session: Session, appointment: Appointment, kind: Kind, *, now: datetime
) -> None:
    """Owe a message about another address or number; nobody is told where none is on file."""
    if kind != Kind.CONFIRM_ADDRESS and not appointment.patient_email:
        return
    change = appointment.address_change
    _owe_anew(session, appointment, kind, now=now, occasion=change.occasion if change else "")


def owe_offer(session: Session, appointment: Appointment, offer: int, *, now: datetime) -> None:
    """Tell the patient of a time that is offered to them; without an address staff call."""
    if not appointment.patient_email:
        return
    message = _message(appointment, Kind.OFFERED, Audience.PATIENT, due_at=now, occasion=str(offer))
    write(session, OwedMessage, message)


def owe_withdrawal(session: Session, former: FormerInvitation, *, now: datetime) -> None:
    """Owe the address that an invitation went to its end there."""
    appointment = session.get_one(Appointment, former.appointment_id)
    message = _message(
        appointment, Kind.WITHDRAWN, Audience.PATIENT, due_at=now, occasion=str(former.id)
    )
    write(session, OwedMessage, message | {"former_id": former.id})


def may_have_reached(session: Session, appointment: Appointment) -> bool:
    """Whether anything about the present invitation may lie in the patient's mailbox."""
    query = select(OwedMessage.id).where(
        *_to_the_patient(appointment),
        OwedMessage.kind != Kind.CONFIRM_ADDRESS,  # that went to another mailbox
        OwedMessage.failed_at.is_(None),
        or_(
            OwedMessage.sent_at.is_not(None),
            and_(OwedMessage.settled_at.is_(None), OwedMessage.attempts > 0),
        ),
    )
    return session.scalar(query.limit(1)) is not None


def newest_to_patient(session: Session, appointment: Appointment) -> OwedMessage | None:
    """The last message, sent or to be sent, that says how the appointment stands."""
    query = select(OwedMessage).where(
        *_to_the_patient(appointment),
        OwedMessage.kind.in_((Kind.CONFIRMED, Kind.RESCHEDULED, Kind.CANCELLED)),
        or_(
            OwedMessage.settled_at.is_(None),
            OwedMessage.sent_at.is_not(None),
            OwedMessage.failed_at.is_not(None),
        ),
    )
    return session.scalar(query.order_by(OwedMessage.id.desc()).limit(1))


def settle_former(
    session: Session, appointment: Appointment, former: FormerInvitation, *, now: datetime
) -> None:
    """Close all messages about an invitation that counts no longer: sent, waiting or failed."""
    for message in session.scalars(select(OwedMessage).where(*_to_the_patient(appointment))):
        message.former_id = former.id
        if message.settled_at is None and message.lease is None:
            message.settled_at = now
        if message.failed_at and message.handled_at is None:
            message.handled_at = now
    session.flush()


def take_back(session: Session, appointment: Appointment, *, now: datetime) -> bool:
    """Let go of an appointment's messages if nobody has heard of it and all are still held.

    Returns:
        Whether that was so: then nobody needs to hear of its end either.
    """
    heard = select(Told).where(Told.appointment_id == appointment.id).limit(1)
    unsettled = (OwedMessage.appointment_id == appointment.id, OwedMessage.settled_at.is_(None))
    news = (Kind.CONFIRMED, Kind.RESCHEDULED)
    held = select(func.min(OwedMessage.due_at)).where(*unsettled, OwedMessage.kind.in_(news))
    earliest = session.scalar(held)
    if earliest is None or earliest <= now or session.scalar(heard) is not None:
        return False
    session.execute(update(OwedMessage).where(*unsettled).values(settled_at=now))
    return True


def _for_patient(
    session: Session, appointment: Appointment, kind: Kind, *, now: datetime, wait: timedelta
) -> list[dict[str, Any]]:
    """What the patient is owed about a change."""
    if not appointment.patient_email:
        return []
    new = kind == Kind.CONFIRMED
    if not new:
        _forget_reminders(session, appointment, now=now)
    booked = appointment.status == Status.BOOKED
    return [
        _message(appointment, kind, Audience.PATIENT, due_at=now + wait),
        *(_reminders(session, appointment, after=now + wait if new else now) if booked else ()),
    ]


def _for_staff(
    session: Session, appointment: Appointment, kind: Kind, *, due_at: datetime
) -> list[dict[str, Any]]:
    """What practitioners and the desk are owed about a change."""
    messages = [
        _message(appointment, kind, Audience.PRACTITIONER, due_at=due_at, practitioner=each)
        for each in _concerned(session, appointment, kind)
    ]
    if session.get_one(Clinic, 1).staff_email:
        messages.append(_message(appointment, kind, Audience.STAFF, due_at=due_at))
    return messages


def _concerned(session: Session, appointment: Appointment, kind: Kind) -> Iterable[int]:
    if kind == Kind.CONFIRMED and appointment.sequence == 0:  # nobody had it before
        return [appointment.practitioner_id] if appointment.practitioner.email else []
    whom = {"appointment": appointment.id, "practitioner": appointment.practitioner_id}
    return session.scalars(_CONCERNED, whom)


def _to_the_patient(appointment: Appointment) -> tuple[ColumnElement[bool], ...]:
    return (
        OwedMessage.appointment_id == appointment.id,
        OwedMessage.audience == Audience.PATIENT,
        OwedMessage.former_id.is_(None),
    )


def _owe_once(
    session: Session, appointment: Appointment, kind: Kind, audience: Audience, *, now: datetime
) -> None:
    known = select(OwedMessage.id).where(
        OwedMessage.appointment_id == appointment.id,
        OwedMessage.sequence == appointment.sequence,
        OwedMessage.kind == kind,
        OwedMessage.audience == audience,
    )
    if session.scalar(known) is None:
        write(session, OwedMessage, _message(appointment, kind, audience, due_at=now))


def _owe_anew(
    session: Session, appointment: Appointment, kind: Kind, *, now: datetime, occasion: str = ""
) -> None:
    """Owe the patient a message that they may have had before, as often as this is asked for."""
    message = _message(appointment, kind, Audience.PATIENT, due_at=now, occasion=occasion)
    write(session, OwedMessage, message | {"copy": _next_copy(session, appointment)})


def _reminders(
    session: Session, appointment: Appointment, *, after: datetime
) -> list[dict[str, Any]]:
    lengths = session.scalars(_LENGTHS, {"service": appointment.service_id})
    ahead = reminders_ahead(appointment.start_at, lengths, after=after)
    return [_reminder(appointment, before, due_at) for before, due_at in ahead]


def _reminder(appointment: Appointment, before: timedelta, due_at: datetime) -> dict[str, Any]:
    occasion = str(before // MINUTE)
    return _message(appointment, Kind.REMINDER, Audience.PATIENT, due_at=due_at, occasion=occasion)


def _forget_reminders(session: Session, appointment: Appointment, *, now: datetime) -> None:
    session.execute(
        update(OwedMessage)
        .where(
            OwedMessage.appointment_id == appointment.id,
            OwedMessage.kind == Kind.REMINDER,
            OwedMessage.settled_at.is_(None),
            OwedMessage.lease.is_(None),
        )
        .values(settled_at=now)
    )


def _next_copy(session: Session, appointment: Appointment) -> int:
    """A number that no message to the patient about this appointment bears."""
    query = select(func.count()).where(
        OwedMessage.appointment_id == appointment.id, OwedMessage.audience == Audience.PATIENT
    )
    return session.scalar(query) or 0


def _message(
    appointment: Appointment,
    kind: Kind,
    audience: Audience,
    *,
    due_at: datetime,
    occasion: str = "",
    practitioner: int | None = None,
) -> dict[str, Any]:
    """A row of the outbox."""
    return {
        "appointment_id": appointment.id,
        "sequence": appointment.sequence,
        "kind": kind,
        "audience": audience,
        "occasion": str(practitioner) if practitioner else occasion,
        "practitioner_id": practitioner,
        "due_at": due_at,
        "next_attempt_at": due_at,
    }
