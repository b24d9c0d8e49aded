"""Whoever would rather come earlier is told when a time comes free, one after another.

A time that is offered is held for them under the law of appointments until they answer or the
deadline has passed; then it goes to the next who waits. Taking it moves the appointment in one
transaction, so the old time comes free for the next in its turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from booking.domain.lifecycle import Status
from booking.domain.openings import local_day
from booking.domain.refusals import SlotTaken, TooLate, WrongState
from booking.domain.slots import Slot
from booking.domain.timeline import Span
from booking.domain.waiting import Wish
from booking.models import (
    Appointment,
    Clinic,
    Hold,
    Mode,
    Outcome,
    WaitlistEntry,
    WaitlistOffer,
)
from booking.services.allocation import choose
from booking.services.appointments import (
    House,
    lock,
    patient_may_change,
    record,
    reschedule_appointment,
)
from booking.services.availability import free_slots
from booking.services.holds import hold_for_offer, let_go
from booking.services.links import Keys
from booking.services.owing import owe_offer

MOST_OFFERS = 3
"""How often one person is offered a time."""
LEAST_TIME = timedelta(minutes=15)
"""An offer that would end sooner than this is not made."""
_IN_VAIN = or_(Appointment.status != Status.BOOKED, WaitlistOffer.start_at >= Appointment.start_at)
"""Whoever was offered it has cancelled, or comes as early by now."""


@dataclass(frozen=True)
class Waiting:
    """What somebody who waits has said."""

    wish: Wish
    practitioner: int | None
    """With whom alone, by id; None: with anybody."""


def join(
    session: Session, appointment: Appointment, waiting: Waiting, house: House, *, now: datetime
) -> WaitlistEntry:
    """Put an appointment's patient on the list, or change what they said; the place is kept.

    Raises:
        WrongState: if there is nothing to wait for any more, or nothing more will be offered.
        TooLate: if the appointment may not be moved any more.
    """
    lock(session, appointment)
    if appointment.status != Status.BOOKED or appointment.start_at <= now:
        raise WrongState("Only who is booked waits for an earlier time.")
    if not patient_may_change(appointment, now=now):
        raise TooLate
    if has_had_all(session, appointment):
        raise WrongState("Nobody is offered more.")
    entry = entry_of(session, appointment)
    if entry is None:
        entry = WaitlistEntry(appointment_id=appointment.id, joined_at=now)
        session.add(entry)
    elif entry.ended_at is not None:
        entry.ended_at, entry.joined_at = None, now
    entry.practitioner_id = waiting.practitioner
    entry.weekdays, entry.parts = waiting.wish.weekdays, waiting.wish.parts
    entry.until_on = waiting.wish.until_on
    session.flush()
    record(session, house, appointment, "wait", "patient", now)
    return entry


def leave(
    session: Session, appointment: Appointment, house: House, *, actor: str, now: datetime
) -> None:
    """Take the patient off the list; a time that was offered goes to the next."""
    lock(session, appointment)
    entry = entry_of(session, appointment)
    if entry is None or entry.ended_at is not None:
        return
    _close_open_offer(session, entry, Outcome.DECLINED, house.keys)
    entry.ended_at = now
    record(session, house, appointment, "leave", actor, now)


def accept(session: Session, appointment: Appointment, house: House, *, now: datetime) -> None:
    """Move the appointment to the time that was offered; where it is there already, it stays.

    Raises:
        WrongState: if nothing is offered any more.
        SlotTaken: if the time is gone all the same; the appointment keeps its own.
        TooLate: if the appointment may not be changed any more.
    """
    lock(session, appointment)
    offer = open_offer(session, appointment, now=now)
    if offer is None:
        if has_taken(session, appointment):  # the button was pressed twice
            return
        raise WrongState("Nothing is offered any more.")
    _close_open_offer(session, offer.entry, Outcome.TAKEN, house.keys)
    offer.entry.ended_at = now
    with_whom = offer.practitioner.slug
    start = offer.start_at
    reschedule_appointment(session, appointment, start, house, now=now, practitioner=with_whom)


def decline(
    session: Session,
    appointment: Appointment,
    house: House,
    *,
    now: datetime,
    outcome: Outcome = Outcome.DECLINED,
) -> None:
    """Let the offered time go to the next; the patient stays on the list.

    Raises:
        WrongState: if nothing is offered any more.
    """
    lock(session, appointment)
    offer = open_offer(session, appointment, now=now)
    if offer is None:
        raise WrongState("Nothing is offered any more.")
    _close_open_offer(session, offer.entry, outcome, house.keys)


def entry_of(session: Session, appointment: Appointment) -> WaitlistEntry | None:
    """What the patient of an appointment has said, also when it counts no longer."""
    query = select(WaitlistEntry).where(WaitlistEntry.appointment_id == appointment.id)
    return session.scalar(query)


def open_offer(
    session: Session, appointment: Appointment, *, now: datetime
) -> WaitlistOffer | None:
    """The time that is offered to an appointment's patient just now."""
    query = select(WaitlistOffer).join(WaitlistOffer.entry).join(WaitlistEntry.appointment)
    return session.scalar(
        query.where(
            WaitlistEntry.appointment_id == appointment.id,
            WaitlistOffer.outcome == Outcome.OPEN,
            WaitlistOffer.expires_at > now,
            ~_IN_VAIN,
        )
    )


def is_waiting(session: Session, appointment: Appointment, *, now: datetime) -> bool:
    """Whether an appointment's patient can still be offered an earlier time.

    Not after the last day that would suit, nor when they may not move any more.
    """
    entry = entry_of(session, appointment)
    if entry is None or not patient_may_change(appointment, now=now):
        return False
    clock = clock_of(appointment, session.get_one(Clinic, 1))
    return _still_waits(entry, now) and now.astimezone(clock).date() <= entry.until_on


def has_had_all(session: Session, appointment: Appointment) -> bool:
    """Whether an appointment's patient was offered a time as often as anybody is."""
    entry = entry_of(session, appointment)
    return entry is not None and len(entry.offers) >= MOST_OFFERS


def waiting_now(session: Session, *, now: datetime) -> Sequence[WaitlistEntry]:
    """Everybody who waits for something that can still come, in the order of their turn."""
    query = _those_who_wait(now).options(
        joinedload(WaitlistEntry.appointment, innerjoin=True).options(
            joinedload(Appointment.service, innerjoin=True),
            joinedload(Appointment.practitioner, innerjoin=True),
        ),
        joinedload(WaitlistEntry.practitioner),
        selectinload(WaitlistEntry.offers),
    )
    return session.scalars(query).all()


def has_taken(session: Session, appointment: Appointment) -> bool:
    """Whether an appointment is booked at a time that was offered to its patient."""
    query = select(WaitlistOffer.id).join(WaitlistOffer.entry)
    taken = query.where(
        WaitlistEntry.appointment_id == appointment.id,
        WaitlistOffer.outcome == Outcome.TAKEN,
        WaitlistOffer.start_at == appointment.start_at,
    )
    return appointment.status == Status.BOOKED and session.scalar(taken) is not None


def open_offers(session: Session, *, now: datetime) -> int:
    """How many times are offered just now: fewer as soon as one is declined or has run out."""
    still_open = (WaitlistOffer.outcome == Outcome.OPEN, WaitlistOffer.expires_at > now)
    return session.scalar(select(func.count(WaitlistOffer.id)).where(*still_open)) or 0


def offered_in_vain(session: Session) -> Sequence[int]:
    """Those who were offered a time that is of no use to them any more, by id."""
    query = select(WaitlistOffer.entry_id).join(WaitlistOffer.entry)
    query = query.join(WaitlistEntry.appointment)
    return session.scalars(query.where(WaitlistOffer.outcome == Outcome.OPEN, _IN_VAIN)).all()


def take_back(session: Session, entry: WaitlistEntry, house: House, *, now: datetime) -> None:
    """Let a time that was offered in vain go to the next."""
    lock(session, entry.appointment)
    session.refresh(entry)
    _expire(session, entry, house.keys, now)


def offer_next(session: Session, entry: WaitlistEntry, house: House, *, now: datetime) -> bool:
    """Offer somebody who waits the first time that would suit, and hold it; whether there was one.

    What another has taken between the look and the lock is not offered.
    """
    service = lock(session, entry.appointment)
    clinic = session.get_one(Clinic, 1)
    session.refresh(entry)  # who has left meanwhile is offered nothing
    _expire(session, entry, house.keys, now)
    if not _is_next(entry, now):
        return False
    last = entry.appointment.start_at - service.change_cutoff  # when they may still move
    for slot in _suitable(session, clinic, entry, now=now):
        deadline = min(now + house.deadline, slot.start - service.minimum_notice, last)
        if deadline - now >= LEAST_TIME:
            return _offer(session, clinic, entry, slot, house, now=now, deadline=deadline)
    return False


def clock_of(appointment: Appointment, clinic: Clinic) -> ZoneInfo:
    """By whose clock a patient says when they would come: the clinic's, where they go there."""
    if appointment.service.mode == Mode.IN_PERSON:
        return clinic.zone
    return ZoneInfo(appointment.patient_timezone)


def suits(entry: WaitlistEntry, start: datetime, practitioner: int, clinic: Clinic) -> bool:
    """Whether somebody who waits would be glad of a time."""
    appointment = entry.appointment
    return (
        start < appointment.start_at
        and entry.practitioner_id in (None, practitioner)
        and any(each.id == practitioner for each in appointment.service.practitioners)
        and _wish(entry).suits(start.astimezone(clock_of(appointment, clinic)))
    )


def _offer(
    session: Session,
    clinic: Clinic,
    entry: WaitlistEntry,
    slot: Slot,
    house: House,
    *,
    now: datetime,
    deadline: datetime,
) -> bool:
    appointment = entry.appointment
    service, own = appointment.service, appointment.practitioner_id
    try:
        who, room = choose(
            session, clinic, service, slot.start, slot.practitioners, now=now, favourite=own
        )
    except SlotTaken:
        return False
    offer = WaitlistOffer(
        entry_id=entry.id,
        practitioner_id=who,
        start_at=slot.start,
        offered_at=now,
        expires_at=deadline,
        outcome=Outcome.OPEN,
    )
    session.add(offer)
    session.flush()
    hold = Hold(
        key_digest=_keys(offer, house.keys)[0],
        service_id=service.id,
        practitioner_id=who,
        start_at=slot.start,
        expires_at=deadline,
    )
    hold_for_offer(session, service, hold, room, now=now)
    owe_offer(session, appointment, offer.id, now=now)
    record(session, house, appointment, "offer", "waitlist", now)
    session.expire(entry, ["offers"])
    return True


def _suitable(
    session: Session, clinic: Clinic, entry: WaitlistEntry, *, now: datetime
) -> list[Slot]:
    """The free times before the appointment that would suit and were not offered before."""
    appointment = entry.appointment
    zone = clock_of(appointment, clinic)
    last = local_day(entry.until_on, zone).until
    span = Span(now, max(now, min(last, appointment.start_at)))
    whom = None if entry.practitioner_id is None else [entry.practitioner_id]
    found = free_slots(session, clinic, appointment.service, span, now=now, practitioners=whom)
    wish, before = _wish(entry), {each.start_at for each in entry.offers}
    return [
        each
        for each in found
        if each.start not in before and wish.suits(each.start.astimezone(zone))
    ]


def _is_next(entry: WaitlistEntry, now: datetime) -> bool:
    return _still_waits(entry, now) and not any(
        each.outcome == Outcome.OPEN for each in entry.offers
    )


def _still_waits(entry: WaitlistEntry, now: datetime) -> bool:
    appointment = entry.appointment
    return (
        entry.ended_at is None
        and appointment.status == Status.BOOKED
        and appointment.start_at > now
        and len(entry.offers) < MOST_OFFERS
    )


def _expire(session: Session, entry: WaitlistEntry, keys: Keys, now: datetime) -> None:
    for offer in entry.offers:
        if offer.outcome == Outcome.OPEN and (offer.expires_at <= now or _is_in_vain(offer)):
            offer.outcome = Outcome.EXPIRED
            let_go(session, *_keys(offer, keys))


def _is_in_vain(offer: WaitlistOffer) -> bool:
    appointment = offer.entry.appointment
    return appointment.status != Status.BOOKED or offer.start_at >= appointment.start_at


def _close_open_offer(session: Session, entry: WaitlistEntry, outcome: Outcome, keys: Keys) -> None:
    for offer in entry.offers:
        if offer.outcome == Outcome.OPEN:
            offer.outcome = outcome
            let_go(session, *_keys(offer, keys))
    session.flush()


def _keys(offer: WaitlistOffer, keys: Keys) -> tuple[bytes, ...]:
    return keys.digests("offer", str(offer.id).encode())


def _wish(entry: WaitlistEntry) -> Wish:
    return Wish(entry.weekdays, entry.parts, entry.until_on)


def _those_who_wait(now: datetime) -> Select[WaitlistEntry]:
    return (
        select(WaitlistEntry)
        .join(WaitlistEntry.appointment)
        .where(
            WaitlistEntry.ended_at.is_(None),
            Appointment.status == Status.BOOKED,
            Appointment.start_at > now,
        )
        .order_by(WaitlistEntry.joined_at, WaitlistEntry.id)
    )
