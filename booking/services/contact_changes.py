"""The patient's own change of address or phone number.

Another address counts only once it has been confirmed there, by a link that only its mailbox has;
the address on file hears of it at once and can stop it. So whoever finds an open page cannot turn
the mails away unnoticed, and whoever has lost the old mailbox is not locked out.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_bytes

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking.domain.lifecycle import Status
from booking.domain.refusals import TooLate, TooManyChanges, UnknownAppointment, WrongState
from booking.models import AddressChange, Appointment, Audience, Kind, OwedMessage
from booking.services.appointments import PATIENT, House, lock, record
from booking.services.links import NONCE_BYTES, token_digest
from booking.services.owing import owe_about_contact
from booking.services.readdressing import correct_address, forget_wish

LIFE = timedelta(days=2)
"""How long another address may take to confirm."""
MOST_ASKED = 5
"""Nobody's mailbox is flooded from one appointment's page."""


@dataclass(frozen=True)
class Calls:
    """The number that a patient is called on, and what they allow there."""

    phone: str | None
    """E.164; None for none."""
    may_leave_message: bool = False
    may_text: bool = False


def change_calls(
    session: Session, appointment: Appointment, calls: Calls, house: House, *, now: datetime
) -> None:
    """Call another number from now on, and tell the address on file.

    What was allowed was allowed on the former number: it is said anew with each.

    Raises:
        WrongState, TooLate: if the appointment is cancelled or over.
    """
    _lock_coming(session, appointment, now)
    before = Calls(appointment.patient_phone, appointment.may_leave_message, appointment.may_text)
    after = calls if calls.phone else Calls(None)
    if before == after:
        return
    appointment.patient_phone = after.phone
    appointment.may_leave_message, appointment.may_text = after.may_leave_message, after.may_text
    if before.phone != after.phone:
        owe_about_contact(session, appointment, Kind.PHONE_CHANGED, now=now)
    record(session, house, appointment, "phone", PATIENT, now)


def ask_for_address(
    session: Session, appointment: Appointment, email: str, house: House, *, now: datetime
) -> None:
    """Ask another address to confirm that it is the patient's, and tell the one on file.

    A wish for another that came before is forgotten; asking for the address on file is only that.

    Raises:
        TooManyChanges: if that was asked too often.
        WrongState, TooLate: if the appointment is cancelled or over.
    """
    _lock_coming(session, appointment, now)
    waiting = pending(session, appointment, now=now)
    if waiting and waiting.email == email:
        return  # pressed twice: the link that is under way stays good
    forget_wish(session, appointment)
    if email == appointment.patient_email:
        return
    if _times_asked(session, appointment) >= MOST_ASKED:
        raise TooManyChanges
    nonce = token_bytes(NONCE_BYTES)
    session.add(
        AddressChange(
            appointment_id=appointment.id,
            email=email,
            nonce=nonce,
            digest=token_digest(house.keys.address_token(nonce)),
            asked_at=now,
            expires_at=min(now + LIFE, appointment.start_at),
        )
    )
    session.flush()
    for kind in (Kind.CONFIRM_ADDRESS, Kind.ADDRESS_ASKED):
        owe_about_contact(session, appointment, kind, now=now)
    record(session, house, appointment, "ask_address", PATIENT, now)


def change_by_token(session: Session, token: str, *, now: datetime) -> AddressChange:
    """The wish that a link in the mail to the new address opens.

    Raises:
        UnknownAppointment: if there is none any more, or it took too long.
    """
    query = select(AddressChange).where(AddressChange.digest == token_digest(token))
    found = session.scalar(query)
    if found is None or found.expires_at <= now:
        raise UnknownAppointment
    return found


def confirm_address(session: Session, token: str, house: House, *, now: datetime) -> Appointment:
    """Write to the new address from now on.

    Raises:
        UnknownAppointment: if the link opens nothing any more.
        WrongState, TooLate: if the appointment is cancelled or over.
    """
    appointment = change_by_token(session, token, now=now).appointment
    _lock_coming(session, appointment, now)
    email = change_by_token(session, token, now=now).email  # it may have been stopped meanwhile
    return correct_address(session, appointment, email, house, now=now, actor=PATIENT)


def stop(session: Session, appointment: Appointment, house: House, *, now: datetime) -> None:
    """Let the address on file stay what it is."""
    lock(session, appointment)
    if forget_wish(session, appointment):
        record(session, house, appointment, "keep_address", PATIENT, now)


def pending(session: Session, appointment: Appointment, *, now: datetime) -> AddressChange | None:
    """The address that has yet to confirm, if any."""
    found = session.get(AddressChange, appointment.id)
    return found if found and found.expires_at > now else None


def _lock_coming(session: Session, appointment: Appointment, now: datetime) -> None:
    lock(session, appointment)
    session.expire(appointment, ["address_change"])
    if appointment.status != Status.BOOKED:
        raise WrongState
    if appointment.start_at <= now:
        raise TooLate


def _times_asked(session: Session, appointment: Appointment) -> int:
    query = select(func.count()).where(
        OwedMessage.appointment_id == appointment.id,
        OwedMessage.audience == Audience.PATIENT,
        OwedMessage.kind == Kind.CONFIRM_ADDRESS,
    )
    return session.scalar(query) or 0
