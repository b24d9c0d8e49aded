"""What is past its time is erased: after as many days as the clinic says, or at the patient's wish.

What is left of an appointment counts it, its time, service and practitioner, and names nobody. Its
link, its mails, notes and what came in about it are gone; the audit trail never held more than its
reference. The least that a clinic keeps is a rule for the patient's wish, since there may be a bill
or a question about who came.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from secrets import token_bytes
from uuid import uuid4

from sqlalchemy import ColumnElement, Select, and_, delete, exists, false, func, or_, select, update
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Status
from booking.domain.refusals import WrongState
from booking.models import (
    AddressChange,
    Appointment,
    AppointmentNote,
    Clinic,
    FormerInvitation,
    IdempotencyKey,
    OwedCall,
    OwedMessage,
    ReceivedMail,
    SentMessage,
    Told,
    WaitlistEntry,
)
from booking.services.appointments import PATIENT, House, record
from booking.services.inbox import opened
from booking.services.links import NONCE_BYTES, token_digest, token_of
from booking.services.schedules import Act, put

BY_ITSELF = "retention"
"""The actor where the clinic's rule acted."""
NOBODY = "Erased"
"""Stands for the name, so that lists and calendars have something to show."""
BATCH = 20
_OWED = exists().where(
    OwedMessage.appointment_id == Appointment.id, OwedMessage.settled_at.is_(None)
)


class Hindrance(StrEnum):
    """Why personal data cannot go yet."""

    COMING = "coming"
    """The appointment is not over."""
    OWED = "owed"
    """A message about it has yet to leave, and needs them."""


@dataclass(frozen=True)
class Rules:
    """After how many days personal data go."""

    erase_after_days: int | None
    """Of every appointment; None: only at somebody's wish."""
    erase_on_wish_after_days: int
    """At the patient's wish."""


@dataclass(frozen=True)
class Forecast:
    """How many appointments lose their personal data, and when."""

    now: int
    in_30_days: int
    oldest: datetime | None
    """The beginning of the oldest that still has them."""


def change_rules(session: Session, clinic: Clinic, rules: Rules, *, act: Act) -> None:
    """Let it be so from now on; dates that patients were promised stay."""
    changed = put(clinic, {name: getattr(rules, name) for name in Rules.__dataclass_fields__})
    session.flush()
    if changed:
        act.note(session, "retention.change", "clinic", changed)


def wish_erasure(
    session: Session, appointment: Appointment, house: House, *, now: datetime
) -> datetime:
    """Promise the patient that their data go; gives the day.

    Raises:
        WrongState: if the appointment is yet to come: it must be cancelled first.
    """
    session.refresh(appointment, with_for_update={"of": Appointment})
    when = erasable_from(session.get_one(Clinic, 1), appointment, now=now)
    if appointment.erase_at is None:
        appointment.erase_at = when
        record(session, house, appointment, "wish_erasure", PATIENT, now)
    return appointment.erase_at


def unwish_erasure(
    session: Session, appointment: Appointment, house: House, *, now: datetime
) -> None:
    """Keep what was to go at the patient's wish; where nothing was wished, nothing happens."""
    session.refresh(appointment, with_for_update={"of": Appointment})
    if appointment.erase_at is not None:
        appointment.erase_at = None
        record(session, house, appointment, "keep_data", PATIENT, now)


def erasable_from(clinic: Clinic, appointment: Appointment, *, now: datetime) -> datetime:
    """When the data of an appointment go at the patient's wish; never before now.

    Raises:
        WrongState: if the appointment is yet to come.
    """
    cancelled = appointment.status == Status.CANCELLED
    over = appointment.updated_at if cancelled else appointment.end_at
    if over > now:
        raise WrongState
    return max(now, over + timedelta(days=clinic.erase_on_wish_after_days))


def forecast(session: Session, rules: Rules, *, now: datetime) -> Forecast:
    """What these rules would erase at once, and within 30 days."""

    def count(until: datetime) -> int:
        query = select(func.count(Appointment.id)).where(_due(rules, until))
        return session.scalar(query) or 0

    at_once = count(now)
    oldest = select(func.min(Appointment.end_at)).where(Appointment.erased_at.is_(None))
    return Forecast(at_once, count(now + timedelta(days=30)) - at_once, session.scalar(oldest))


def erase_due(session: Session, house: House, *, now: datetime) -> int:
    """Erase a few of those whose time has come; how many. Call it until there are none."""
    rules = rules_of(session.get_one(Clinic, 1))
    query: Select[Appointment] = select(Appointment).where(_due(rules, now), ~_OWED)
    query = query.order_by(Appointment.end_at).limit(BATCH)
    found = session.scalars(query.with_for_update(skip_locked=True, of=Appointment)).all()
    for appointment in found:
        actor = PATIENT if appointment.erase_at and appointment.erase_at <= now else BY_ITSELF
        erase(session, appointment, house, actor=actor, now=now)
    if rules.erase_after_days is not None:
        before = now - timedelta(days=rules.erase_after_days)
        session.execute(
            delete(ReceivedMail).where(
                ReceivedMail.received_at < before, ReceivedMail.appointment_id.is_(None)
            )
        )
    return len(found)


def appointments_of(session: Session, address: str) -> Sequence[Appointment]:
    """All of whoever has this email address, oldest first, locked."""
    query = select(Appointment).where(Appointment.email_key == address.strip().lower())
    query = query.order_by(Appointment.start_at).with_for_update(of=Appointment)
    return session.scalars(query).all()


def letters_of(session: Session, address: str, house: House) -> list[int]:
    """The mails that came from this address and are about no appointment.

    Who wrote stands only in what is sealed: each is opened, so ask before a transaction that
    writes.
    """
    query = select(ReceivedMail).where(ReceivedMail.appointment_id.is_(None))
    query, found, last = query.order_by(ReceivedMail.id).limit(BATCH), [], 0
    while mails := session.scalars(query.where(ReceivedMail.id > last)).all():
        theirs = (each for each in mails if opened(each, house).sender.lower() == address.lower())
        found += [each.id for each in theirs]
        last = mails[-1].id
    return found


def erase_letters(session: Session, numbers: Sequence[int]) -> None:
    """Take these mails away, unless they have become those of an appointment meanwhile."""
    query = delete(ReceivedMail).where(ReceivedMail.appointment_id.is_(None))
    for number in numbers:
        session.execute(query.where(ReceivedMail.id == number))


def rules_of(clinic: Clinic) -> Rules:
    """The clinic's rules as they are."""
    return Rules(clinic.erase_after_days, clinic.erase_on_wish_after_days)


def hindrance(session: Session, appointment: Appointment, *, now: datetime) -> Hindrance | None:
    """What is in the way of erasing the data of an appointment now, if anything."""
    if appointment.status != Status.CANCELLED and appointment.end_at > now:
        return Hindrance.COMING
    owed = select(Appointment.id).where(Appointment.id == appointment.id, _OWED)
    return Hindrance.OWED if session.scalar(owed) is not None else None


def erase(
    session: Session, appointment: Appointment, house: House, *, actor: str, now: datetime
) -> None:
    """Take everything personal from an appointment that is over or cancelled.

    Raises:
        WrongState: if something is in the way (`hindrance`).
    """
    if appointment.erased_at is not None:
        return
    if hindrance(session, appointment, now=now):
        raise WrongState
    _forget_person(session, appointment, house)
    _forget_letters(session, appointment, now)
    for about in (
        AppointmentNote,
        IdempotencyKey,
        WaitlistEntry,
        AddressChange,
        ReceivedMail,
        Told,
        OwedCall,
    ):
        session.execute(delete(about).where(about.appointment_id == appointment.id))
    appointment.erase_at, appointment.erased_at = None, now
    session.flush()
    record(session, house, appointment, "erase", actor, now)


def _forget_person(session: Session, appointment: Appointment, house: House) -> None:
    appointment.patient_name = NOBODY
    appointment.patient_email = appointment.email_key = ""
    appointment.patient_phone = appointment.carer_phone = None
    appointment.call_name = appointment.carer_name = appointment.event_title = ""
    appointment.cancel_reason = ""
    appointment.may_leave_message = appointment.may_text = False
    appointment.patient_timezone = session.get_one(Clinic, 1).timezone
    appointment.uid = str(uuid4())  # no calendar's answer finds it any more
    appointment.link_nonce = token_bytes(NONCE_BYTES)
    appointment.link_digest = token_digest(token_of(appointment, house.keys))


def _forget_letters(session: Session, appointment: Appointment, now: datetime) -> None:
    """That messages were sent stays; what they said and where they went does not."""
    ours = OwedMessage.appointment_id == appointment.id
    sent = select(OwedMessage.id).where(ours)
    session.execute(delete(SentMessage).where(SentMessage.outbox_id.in_(sent)))
    session.execute(update(OwedMessage).where(ours).values(last_error=""))
    failed = (ours, OwedMessage.failed_at.is_not(None), OwedMessage.handled_at.is_(None))
    session.execute(update(OwedMessage).where(*failed).values(handled_at=now))
    former = FormerInvitation.appointment_id == appointment.id
    session.execute(update(FormerInvitation).where(former).values(address=""))


def _due(rules: Rules, until: datetime) -> ColumnElement[bool]:
    """Whose time has come by then; each half follows an index."""
    by_rule: ColumnElement[bool] = false()
    if rules.erase_after_days is not None:
        last = until - timedelta(days=rules.erase_after_days)
        by_rule = and_(Appointment.erased_at.is_(None), Appointment.end_at <= last)
    return or_(by_rule, Appointment.erase_at <= until)  # erasing forgets the wish
