"""An address that was wrong: the invitation goes to the right one, and leaves the other."""

from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy.orm import Session

from booking.domain.lifecycle import Status
from booking.models import AddressChange, Appointment, Audience, FormerInvitation, Kind, Told
from booking.services.allocation import mark_changed
from booking.services.appointments import House, forget_answer, lock, mark_moved, record
from booking.services.links import renew_link
from booking.services.owing import (
    may_have_reached,
    owe_again,
    owe_patient,
    owe_staff,
    owe_withdrawal,
    settle_former,
)


def correct_address(
    session: Session,
    appointment: Appointment,
    email: str,
    house: House,
    *,
    now: datetime,
    actor: str,
) -> Appointment:
    """Write to another address from now on: a new event there, the old one withdrawn.

    The new event has a new UID, since the old address knows the old one and could answer under
    it; the links sent before open nothing any more. An address that no message has reached hears
    nothing of this.

    Args:
        email: One checked address. The one on file already changes nothing but is written to
            again.
    """
    lock(session, appointment)
    if email == appointment.patient_email:
        owe_again(session, appointment, now=now)
        return appointment
    forget_wish(session, appointment)
    former = _retire_invitation(session, appointment, now)
    appointment.uid = str(uuid4())
    appointment.patient_email, appointment.email_key = email, email.lower()
    forget_answer(appointment)
    appointment.link_version += 1
    renew_link(appointment, house.keys)
    mark_moved(session, appointment, now)
    mark_changed(session, appointment)
    kind = Kind.CANCELLED if appointment.status == Status.CANCELLED else Kind.CONFIRMED
    owe_patient(session, appointment, kind, now=now, wait=timedelta())
    owe_staff(session, appointment, kind, due_at=now)  # what waited for them counts no longer
    if former.address:
        owe_withdrawal(session, former, now=now)
    record(session, house, appointment, "readdress", actor, now)
    return appointment


def forget_wish(session: Session, appointment: Appointment) -> bool:
    """Wait for no other address to confirm any more; whether one was waited for."""
    found = session.get(AddressChange, appointment.id, populate_existing=True)
    if found is None:
        return False
    session.delete(found)
    session.flush()
    session.expire(appointment, ["address_change"])
    return True


def _retire_invitation(
    session: Session, appointment: Appointment, now: datetime
) -> FormerInvitation:
    """Put the invitation that counted so far among those that count no longer.

    Its address is kept only until it has been told, and not at all if nothing has reached it.
    """
    told = session.get(Told, (appointment.id, Audience.PATIENT, 0))
    former = FormerInvitation(
        appointment_id=appointment.id,
        uid=appointment.uid,
        address=appointment.patient_email if may_have_reached(session, appointment) else "",
        sequence=appointment.sequence + 1,
        stamped_at=told.stamped_at if told else now,
        start_at=told.start_at if told and told.start_at else appointment.start_at,
        created_at=now,
    )
    session.add(former)
    session.flush()
    settle_former(session, appointment, former, now=now)
    if told:
        session.delete(told)
    session.flush()
    return former
