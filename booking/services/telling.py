"""What somebody is told: from what holds now, and from what they were told before.

Nobody hears the same twice: a change that was taken back before it was told leaves nothing to
tell. Whether a message left is known only afterwards, so while one is under way we take them to
know either state, and tell them again rather than leave them in error.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Partstat, Status
from booking.models import (
    Appointment,
    AppointmentEvent,
    Audience,
    HealthcareService,
    Kind,
    Mode,
    Outcome,
    OwedMessage,
    RemindIf,
    Told,
    WaitlistOffer,
)

CHANGES = frozenset({Kind.CONFIRMED, Kind.RESCHEDULED, Kind.CANCELLED})
"""Messages about when, where or whether; patients' calendars act on them."""
ABOUT_CONTACT = frozenset({Kind.CONFIRM_ADDRESS, Kind.ADDRESS_ASKED, Kind.PHONE_CHANGED})
"""Messages that hold whenever the appointment is."""
SECOND = timedelta(seconds=1)
NOTHING = "none"
"""The state of whoever knows that they have no such appointment."""
PLACE = " @"
"""Stands before the place in what patients know; what was written before places were noted has
none, and gets it once the place changes (`relocating`)."""


@dataclass(frozen=True)
class Telling:
    """What a message is about to say."""

    kind: Kind
    stamp: datetime
    """Its DTSTAMP: later than any before to the same people (RFC 5546 §2.1.5)."""
    start: datetime
    """When the appointment begins; where it is over for them, when they thought that it would; in
    an offer, when it could begin."""
    kept_until: datetime | None = None
    """How long an offered time is kept."""


def what_to_tell(session: Session, message: OwedMessage, *, now: datetime) -> Kind | None:
    """What the message says if it leaves now; None if it has nothing true or new to say."""
    appointment = message.appointment
    if message.kind == Kind.WITHDRAWN:
        return Kind.WITHDRAWN if message.former and message.former.address else None
    moved_on = message.sequence != appointment.sequence and message.kind not in ABOUT_CONTACT
    if moved_on or message.former_id:
        return None  # a newer message is owed
    if message.kind in CHANGES:
        return _change(session, message)
    if appointment.status != Status.BOOKED or appointment.start_at <= now:
        return None
    return Kind(message.kind) if _is_worth_telling(session, message, now) else None


def _is_worth_telling(session: Session, message: OwedMessage, now: datetime) -> bool:
    """Whether what it is about, beside the appointment itself, still holds."""
    match message.kind:
        case Kind.DECLINED:
            return message.appointment.partstat == Partstat.DECLINED
        case Kind.REMINDER:
            return _remind(session, message, now)
        case Kind.CONFIRM_ADDRESS | Kind.ADDRESS_ASKED:
            return _is_asked(message, now)
        case Kind.OFFERED:
            return _is_open(_offer(session, message), now)
        case _:
            return True


def last_start(session: Session, message: OwedMessage, kind: Kind) -> datetime:
    """When it is too late to tell: the appointment begins, and its end is of use to whoever expects
    a later time until then."""
    start = message.appointment.start_at
    if kind == Kind.WITHDRAWN and message.former:
        return max(start, message.former.start_at)
    told = _told(session, message) if kind == Kind.CANCELLED else None
    if told is None or told.start_at is None:
        return start
    earlier = _former_starts(session, message.appointment) if told.state is None else []
    return max(start, told.start_at, *earlier)


def begin(session: Session, message: OwedMessage, kind: Kind, *, now: datetime) -> Telling:
    """Note that a message is about to leave, and settle what it says."""
    now, start = now.replace(microsecond=0), message.appointment.start_at
    if kind == Kind.WITHDRAWN and message.former:
        former = message.former
        former.stamped_at = max(now, former.stamped_at + SECOND)
        return Telling(kind, former.stamped_at, former.start_at)
    if kind == Kind.OFFERED:
        offer = _offer(session, message)
        return (
            Telling(kind, now, offer.start_at, offer.expires_at)
            if offer
            else Telling(kind, now, start)
        )
    if kind not in CHANGES:
        return Telling(kind, now, start)
    told = _told(session, message)
    if told is None:
        session.add(Told(**_key(message), stamped_at=now, start_at=start))
        return Telling(kind, now, start)
    told.stamped_at, told.state = max(now, told.stamped_at + SECOND), None
    if kind != Kind.CANCELLED or told.start_at is None:
        told.start_at = start
    return Telling(kind, told.stamped_at, told.start_at)


def has_left(session: Session, message: OwedMessage) -> None:
    """Note what they know, now that the relay has taken the message."""
    if message.kind == Kind.WITHDRAWN and message.former:
        message.former.address = ""  # nobody is written to there any more
    if message.kind not in CHANGES or message.former_id:
        return
    told = _told(session, message)
    if told is None:
        return
    unchanged = message.sequence == message.appointment.sequence
    told.sequence = max(told.sequence or 0, message.sequence)
    told.state = state_of(message) if unchanged else None


def came_back(session: Session, message: OwedMessage) -> None:
    """Note that a message that had left was not delivered: they know nothing for certain."""
    told = _told(session, message)
    if told is not None and message.kind in CHANGES:
        told.state = None


def answered_sequence(session: Session, appointment: Appointment) -> int:
    """The lowest SEQUENCE to which an answer is about what holds now.

    It is that of the last message that they have got, if that told them what holds: changes that
    were taken back raised the appointment's own without their knowledge.
    """
    told = session.get(Told, (appointment.id, Audience.PATIENT, 0))
    if told is None or told.sequence is None or not _knows(told, patient_state(appointment)):
        return appointment.sequence
    return told.sequence


def state_of(message: OwedMessage) -> str:
    """What those whom it is for know of the appointment once they have read the message."""
    appointment = message.appointment
    if not _holds(message):
        return NOTHING
    match message.audience:
        case Audience.PATIENT:
            return patient_state(appointment)
        case Audience.PRACTITIONER:
            return f"{_seconds(appointment)} {appointment.room_id}"
        case _:
            return f"{_when_and_who(appointment)} {appointment.room_id}"


def patient_state(appointment: Appointment) -> str:
    """When, with whom, and where."""
    if appointment.status == Status.CANCELLED:
        return NOTHING
    return f"{_when_and_who(appointment)}{PLACE}{place_of(appointment.service)}"


def place_of(service: HealthcareService) -> str:
    """Where and how one meets, as patients are told it, in short."""
    mode = Mode(service.mode)
    where = ""
    if mode == Mode.IN_PERSON and service.location:
        where = service.location.address
    elif mode == Mode.VIDEO:
        where = service.video_url or ""
    return sha256(f"{mode} {where}".encode()).hexdigest()[:12]


def _change(session: Session, message: OwedMessage) -> Kind | None:
    if message.copy:
        return Kind(message.kind)  # staff want it sent again
    told = _told(session, message)
    if told is not None and _knows(told, state_of(message)):
        return None
    if not _holds(message):
        never_heard = told is None and message.audience != Audience.PATIENT
        return None if never_heard else Kind.CANCELLED
    new = told is None or told.sequence is None or told.state == NOTHING
    return Kind.CONFIRMED if new else Kind.RESCHEDULED


def _knows(told: Told, state: str) -> bool:
    """Whether this is what they know; who knows of no place knows the one that there ever was."""
    return told.state in (state, state.partition(PLACE)[0])


def _holds(message: OwedMessage) -> bool:
    """Whether those whom it is for have the appointment now."""
    appointment = message.appointment
    theirs = message.practitioner_id in (None, appointment.practitioner_id)
    return theirs and appointment.status != Status.CANCELLED


def _when_and_who(appointment: Appointment) -> str:
    return f"{_seconds(appointment)} {appointment.practitioner_id}"


def _seconds(appointment: Appointment) -> int:
    return int(appointment.start_at.timestamp())


def _remind(session: Session, message: OwedMessage, now: datetime) -> bool:
    """Whether the rule still stands, and no later reminder is due as well."""
    appointment = message.appointment
    rules = {
        str(each.before // timedelta(minutes=1)): each for each in appointment.service.reminders
    }
    rule = rules.get(message.occasion)
    if rule is None:
        return False
    if rule.remind_if == RemindIf.NOT_ACCEPTED and appointment.partstat == Partstat.ACCEPTED:
        return False
    later = select(OwedMessage.id).where(
        OwedMessage.appointment_id == appointment.id,
        OwedMessage.kind == Kind.REMINDER,
        OwedMessage.sequence == message.sequence,
        OwedMessage.due_at > message.due_at,
        OwedMessage.due_at <= now,
    )
    return session.scalar(later.limit(1)) is None


def _offer(session: Session, message: OwedMessage) -> WaitlistOffer | None:
    return session.get(WaitlistOffer, int(message.occasion))


def _is_asked(message: OwedMessage, now: datetime) -> bool:
    """Whether the address that the message is about is still waited for."""
    change = message.appointment.address_change
    return change is not None and change.occasion == message.occasion and change.expires_at > now


def _is_open(offer: WaitlistOffer | None, now: datetime) -> bool:
    return offer is not None and offer.outcome == Outcome.OPEN and offer.expires_at > now


def _former_starts(session: Session, appointment: Appointment) -> list[datetime]:
    """Where it has ever been: whoever may have missed the last message may expect any of them."""
    query = select(AppointmentEvent.start_at).where(
        AppointmentEvent.appointment_id == appointment.id
    )
    return list(session.scalars(query))


def _told(session: Session, message: OwedMessage) -> Told | None:
    return session.get(Told, _key(message))


def _key(message: OwedMessage) -> dict[str, Any]:
    return {
        "appointment_id": message.appointment_id,
        "audience": message.audience,
        "practitioner_id": message.practitioner_id or 0,
    }
