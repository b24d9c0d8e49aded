"""What `flask doctor` looks at: whether mail leaves, step by step, and whether the worker works."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from booking.messages.delivery import DeliveryError, TemporaryFailure, Transport
from booking.messages.facts import ClinicFacts
from booking.messages.mail import Mail
from booking.messages.smtp import SmtpTransport, Step
from booking.services import invariants
from booking.services.pulse import Pulse, read_pulse
from booking.web.state import Booking

Tell = Callable[[str], None]
"""Takes one line for who has asked."""

DONE = {
    Step.NAME: "the relay's name leads to an address",
    Step.LINE: "the relay can be reached",
    Step.BANNER: "the relay greets",
    Step.HELLO: "the relay answers to our name",
    Step.SECURED: "the line is encrypted, and the certificate is the relay's",
    Step.LOGIN: "the relay lets us in",
    Step.SENDER: "the relay takes mail from BOOKING_MAIL_FROM",
    Step.RECIPIENT: "the relay takes mail for this recipient",
    Step.CONTENT: "the relay has taken the message",
}
REMEDY = {
    Step.NAME: "Check the host in BOOKING_SMTP_URL, and the name servers of this machine.",
    Step.LINE: "Check the port in BOOKING_SMTP_URL, firewalls, and whether the relay runs.",
    Step.BANNER: "Check that this port is for mail: 465 needs smtps://, 587 smtp+starttls://. The "
    "relay may also refuse this machine: ask who runs it.",
    Step.HELLO: "Ask who runs the relay whether it refuses this machine.",
    Step.SECURED: "The certificate must be valid today, for the host as BOOKING_SMTP_URL names it, "
    "from an authority that this machine trusts. Port 587 needs smtp+starttls://, 465 smtps://.",
    Step.LOGIN: "Check user and password in BOOKING_SMTP_URL; special characters are written "
    "as %...",
    Step.SENDER: "The relay must allow BOOKING_MAIL_FROM as sender; or it wants a user and a "
    "password in BOOKING_SMTP_URL.",
    Step.RECIPIENT: "Check the address; a relay that refuses every address elsewhere wants a user "
    "and a password in BOOKING_SMTP_URL.",
    Step.CONTENT: "Its answer says what it dislikes about the message; ask who runs it.",
}
FOR_NOW = (
    "It may be taken later: many refuse at first who is new to them. The service would try again "
    "for two days; ask once more in ten minutes."
)
"""For an answer that begins with 4 (RFC 5321 §4.2.1)."""


def examine(state: Booking, session: Session, address: str, tell: Tell) -> bool:
    """Send a test message to `address`, then look at worker and clock; whether all is well."""
    mail = _a_mail(state, address)
    if isinstance(state.transport, SmtpTransport):
        leaves = _by_steps(state.transport, mail, tell)
    else:
        leaves = _at_once(state.transport, mail, tell)
    return _awake(state, session, tell) and leaves


def _a_mail(state: Booking, address: str) -> Mail:
    """A mail that needs no database, and is sent as all others are."""
    settings = state.settings
    us = ClinicFacts(
        name="Booking",
        phone="",
        address_of_mail=settings.mail_from,
        timezone="UTC",
        tagged=settings.mail_tags,
    )
    return state.renderer.compose_trial(us, recipient=address, sent_at=state.clock())


def _by_steps(relay: SmtpTransport, mail: Mail, tell: Tell) -> bool:
    left = list(relay.steps)

    def reached(step: Step) -> None:
        left.remove(step)
        tell(f"yes  {DONE[step]}")

    try:
        with relay.connect(reached) as connection:
            connection.send(mail)
    except DeliveryError as fault:
        later = isinstance(fault, TemporaryFailure) and fault.text.startswith("4")
        _no(tell, DONE[left[0]], fault.text, FOR_NOW if later else REMEDY[left[0]])
    return not left


def _at_once(transport: Transport, mail: Mail, tell: Tell) -> bool:
    """Where no relay is set, but a folder."""
    what = "the folder that BOOKING_SMTP_URL names takes the message"
    try:
        with transport.connect() as connection:
            connection.send(mail)
    except DeliveryError as fault:
        _no(tell, what, fault.text)
        return False
    tell(f"yes  {what}")
    return True


def _awake(state: Booking, session: Session, tell: Tell) -> bool:
    now = state.clock()
    try:
        pulse = read_pulse(session, now=now)
        faults = list(invariants.clock_faults(session, now))
    except SQLAlchemyError:
        _no(
            tell, "the database can be read", "Run flask db upgrade, or check BOOKING_DATABASE_URL."
        )
        return False
    _waiting(pulse, tell)
    if pulse.worker_alive:
        tell("yes  the worker is awake")
    else:
        _no(tell, "the worker is awake", _last_turn(pulse), "Run flask serve, or flask worker.")
    if faults:
        _no(tell, invariants.CLOCK, *faults)
    else:
        tell(f"yes  {invariants.CLOCK}")
    return pulse.worker_alive and not faults


def _waiting(pulse: Pulse, tell: Tell) -> None:
    if pulse.unsent:
        oldest = _in_words(pulse.oldest_unsent)
        tell(f"     messages waiting to leave: {pulse.unsent}, the oldest for {oldest}")
    else:
        tell("     no message waits to leave")


def _last_turn(pulse: Pulse) -> str:
    if pulse.last_turn is None:
        return "It has never had a turn."
    return f"Time since its last turn: {_in_words(pulse.last_turn)}."


def _in_words(length: timedelta) -> str:
    minutes = length // timedelta(minutes=1)
    days, hours = minutes // 1440, minutes % 1440 // 60
    return f"{days} d {hours} h {minutes % 60} min" if days else f"{hours} h {minutes % 60} min"


def _no(tell: Tell, what: str, *more: str) -> None:
    tell(f"no   {what}")
    for line in more:
        tell(f"     {line}")
