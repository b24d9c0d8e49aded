"""What people were promised and told, beside what is stored."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC
from email import message_from_bytes
from email.message import Message
from typing import Any

from icalendar import Calendar
from sqlalchemy import Engine, select

from booking.app import create_app, utc_now
from booking.models import Appointment, Occupancy
from booking.models.database import db
from booking.services import invariants
from booking.services.links import token_digest
from chaos.stories import Story
from tests.builders import HOUSE
from tests.conftest import settings_for
from tests.smtp_sink import SmtpSink

WELL = (200, 201)


def compared(engine: Engine, stories: Sequence[Story]) -> dict[str, int]:
    """What people were promised, beside what is stored."""
    promised = {token_digest(each.token): each for each in stories if each.token}
    query = select(
        Appointment.link_digest, Appointment.id, Appointment.start_at, Appointment.status
    )
    with engine.connect() as connection:
        stored = {row.link_digest: row for row in connection.execute(query)}
        taken = Counter(connection.scalars(select(Occupancy.appointment_id)))
    both = [(stored[each], promised[each]) for each in stored.keys() & promised.keys()]
    answered = Counter(status for each in stories for _, status in each.answers)
    return {
        "promised and not there": len(promised.keys() - stored.keys()),
        "there and not promised": len(stored.keys() - promised.keys()),
        "at another time": sum(row.start_at.isoformat()[:16] != s.start[:16] for row, s in both),
        "in another state": sum((row.status == "cancelled") != s.cancelled for row, s in both),
        "half written": sum(taken[row.id] != (0 if s.cancelled else 1) for row, s in both),
        "answers of 500": sum(n for status, n in answered.items() if status == 500),
        "unexpected answers": sum(
            n for status, n in answered.items() if status not in (*WELL, 409, 500, 503)
        ),
    }


def broken(url: str) -> int:
    """What `flask check` finds."""
    app = create_app(settings_for(url))
    with app.app_context():
        found = invariants.check(db.session(), HOUSE.keys, now=utc_now())
        count = sum(len(each.faults) for each in found)
        db.session.remove()
        db.engine.dispose()
    return count


def told(engine: Engine, sink: SmtpSink) -> tuple[int, dict[str, int]]:
    """How many messages came twice, and what patients were told beside what holds."""
    mails = [message_from_bytes(each.content) for each in sink.received]
    arrived = Counter(str(each["Message-ID"]) for each in mails)
    last: dict[str, tuple[int, bool, str]] = {}
    known: dict[str, str] = {}
    falls = 0
    for mail in mails:
        event = event_in(mail)
        if event is None:
            continue
        uid, sequence, cancelled, start = event
        if uid in last and sequence < last[uid][0]:
            falls += 1
        if not cancelled:
            known[uid] = start
        last[uid] = (sequence, cancelled, start)
    query = select(Appointment.uid, Appointment.status, Appointment.start_at, Appointment.sequence)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    wrong = untold = 0
    for row in rows:
        cancelled, start = row.status == "cancelled", f"{row.start_at:%Y%m%dT%H%M}"
        # Who has not heard of a move yet is told of the end of what they know.
        final = (row.sequence, cancelled, known.get(row.uid, start) if cancelled else start)
        if row.uid not in last:
            untold += 1
        elif last[row.uid] != final:
            wrong += 1
    return arrived.total() - len(arrived), {
        "patients told nothing": untold,
        "patients told something else last": wrong,
        "a sequence that fell": falls,
    }


def event_in(mail: Message) -> tuple[str, int, bool, str] | None:
    """UID, SEQUENCE, whether it is off, and when, in UTC, of a patient's invitation."""
    for part in mail.walk():
        if part.get_content_type() == "text/calendar":
            content: Any = part.get_payload(decode=True)
            calendar: Any = Calendar.from_ical(content)
            event = calendar.walk("VEVENT")[0]
            start = event["DTSTART"].dt.astimezone(UTC)
            off = str(calendar["METHOD"]) == "CANCEL"
            return str(event["UID"]), int(event.get("SEQUENCE", 0)), off, f"{start:%Y%m%dT%H%M}"
    return None
