"""What a rule says no to, each with a code that stays the same for other programs."""

from typing import ClassVar


class Refusal(Exception):
    """A rule said no."""

    code: ClassVar[str] = "refused"


class SlotTaken(Refusal):
    """Somebody else has the time, or it was never free."""

    code = "slot_taken"


class NotOffered(Refusal):
    """The service, the practitioner or the time cannot be booked online."""

    code = "not_offered"


class TooLate(Refusal):
    """The appointment is too near, or over, for the patient to change it."""

    code = "too_late"


class WrongState(Refusal):
    """The appointment is in a state in which this cannot be done."""

    code = "wrong_state"


class TooManyAppointments(Refusal):
    """The patient already holds as many appointments as one person may."""

    code = "too_many_appointments"


class TooManyChanges(Refusal):
    """Another address was asked for too often."""

    code = "too_many_changes"


class KeyReused(Refusal):
    """The same idempotency key came before with a different request."""

    code = "key_reused"


class UnknownAppointment(Refusal):
    """No appointment answers to this token."""

    code = "not_found"


class UnknownMail(Refusal):
    """No received mail has this number."""

    code = "not_found"
