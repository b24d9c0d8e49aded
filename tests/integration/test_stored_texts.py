"""What was stored in spite of every check harms nobody who reads it: pages, mails, files, programs.

Whatever a form refuses, a clinic file, another release or a hand in the database may have written.
So every text that is stored is replaced at once, those of tables and columns to come as well.
"""

import csv
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from io import StringIO
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Column, String, Table, delete, select, update
from sqlalchemy.orm import Session

from booking.models import (
    Appointment,
    Base,
    CalendarKind,
    Clinic,
    Closure,
    Event,
    HealthcareService,
    Kind,
    Location,
    OwedMessage,
    Practitioner,
    Scope,
    SentMessage,
    ServiceReminder,
    Told,
    WaitlistOffer,
)
from booking.models.database import transaction
from booking.services import (
    api_keys,
    busy,
    contact_changes,
    desk,
    owing,
    readdressing,
    waitlist,
    webhooks,
)
from booking.services.api_keys import NewKey
from booking.services.appointments import cancel_appointment, reschedule_appointment
from booking.services.busy import NewCalendar
from booking.services.links import token_of
from booking.services.people import Deed
from booking.services.webhooks import NewWebhook
from tests.answers import a_mail, an_answer, take_in
from tests.builders import HOUSE, NOW, Clock, Mailbox, an_appointment, at, the_service
from tests.conftest import a_running_app, settings_for
from tests.contracts.test_routes import addresses
from tests.integration.test_feeds import subscribe
from tests.integration.test_metrics import BEARER, TOKEN
from tests.integration.test_waitlist import ANYTIME
from tests.pages import page_of
from tests.visits import DESK, a_member_of_staff, deliver, sign_in

MARKUP = "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>{{7*7}}"
LINES = (
    "=1+1\r\nATTACH:x\r\nBcc: x@y.example\n\n.\r\n\u2028END:VEVENT\u0085BEGIN:VALARM\x0b\t"
    ';VALUE=URI:";,\\'
)
CODES = re.compile(
    r"timezone|country|region|language|feed_shows|accent|digest|media_type|purpose|mark|key|slug"
    r"|mode|visibility|kind|reference|uid|status|partstat|role|password|fs_uniquifier|message_id"
    r"|verb|answer_before|event$|lease|matter|verdict|state|audience|occasion|outcome|remind_if"
    r"|scopes|events|network|etag|last_modified"
)
"""Columns that hold a word of our own: with another one in it, a row means nothing."""
ENCODED = "=?utf-8?q?hi=0D=0ABcc:_x@y.example?="
ADDRESSES = r"email|former_invitation\.address"
WEB = "https://video.clinic.example/"
DEED = Deed(DESK, NOW, HOUSE)
NAME = re.compile(rb"[A-Z-]+[;:]")


@pytest.fixture
def furnished(sqlite_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[Flask]:
    """A clinic that uses everything there is, and has told everybody so far."""
    wanted = {"BOOKING_PUBLISH_SLOTS": "1", "BOOKING_METRICS_TOKEN": TOKEN}
    for app in a_running_app(settings_for(sqlite_url, **wanted), clock, mailbox):
        a_member_of_staff()
        with transaction() as work:
            furnish(work)
        deliver(app)
        take_in(a_mail(MARKUP, subject=MARKUP, sender=f'"{MARKUP}" <sam@mail.example>'))
        take_in(an_answer(the_first().uid, "DECLINED", more=(f"COMMENT:{MARKUP}",)))
        yield app


def furnish(work: Session) -> None:
    """Something of everything that holds a text."""
    work.get_one(Clinic, 1).crisis_text = "Call us."
    the_service(work, "visit").reminders = [ServiceReminder(before=timedelta(hours=20))]
    for each in work.scalars(select(Practitioner)):
        each.wants_invitations = True
    first = an_appointment(work, "Tue 09:00", event_title="Walk", language="es")
    an_appointment(work, "Wed 09:00", service="video")
    an_appointment(work, "Wed 13:00", service="call")
    an_appointment(work, "Wed 14:00", service="call")
    cancelled = an_appointment(work, "Fri 09:00")
    cancel_appointment(work, cancelled, HOUSE, now=NOW, reason="Away")
    desk.write_note(work, first, "Call first", HOUSE, actor=DESK, now=NOW)
    waitlist.join(work, first, ANYTIME, HOUSE, now=NOW)
    work.add(Closure(starts_at=at("Thu 09:00"), ends_at=at("Thu 17:00"), reason="Training"))
    calendar = NewCalendar(CalendarKind.ICS, "Own", "https://cal.example/a.ics")
    ada = work.scalars(select(Practitioner).where(Practitioner.slug == "ada")).one()
    busy.add_calendar(work, ada, calendar, keys=HOUSE.keys, now=NOW).last_error = "Too slow"
    api_keys.make(work, NewKey("Records", (Scope.READ,), None), DEED)
    webhooks.add(work, NewWebhook("https://program.example/", [Event.BOOKED], True), DEED)


def the_first() -> Appointment:
    """The appointment about which there is most to say."""
    with transaction() as work:
        return work.get_one(Appointment, 1)


def texts() -> Iterator[tuple[Table, "Column[Any]"]]:
    """Every column with words of people in it, whoever they are."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, String) and not CODES.search(column.name):
                yield table, column


def replace_every(text: str, *, besides: str = "nothing") -> None:
    """Write a text into each of them that is filled in, in each language."""
    with transaction() as work:
        for table, column in texts():
            length = column.type.length  # type: ignore[attr-defined]
            if not re.search(besides, f"{table.name}.{column.name}"):
                filled = update(table).where(column.is_not(None))
                before = WEB if column.name.endswith("_url") else ""
                work.execute(filled.values({column: f"{before}{text}"[:length]}))
        translated: list[Clinic | HealthcareService | Location] = []
        for kind in (Clinic, HealthcareService, Location):
            translated += work.scalars(select(kind))
        for row in translated:
            names = [name for name in row.TRANSLATED if not re.search(besides, name)]
            row.translations = {"es": dict.fromkeys(names, text[:60])}


def owe_one_of_each_kind() -> None:
    """Let everything happen of which somebody is told."""
    with transaction() as work:
        first, readdressed, moved, gone = (work.get_one(Appointment, each) for each in (1, 2, 3, 4))
        owing.owe_again(work, first, now=NOW)
        owing.owe_unchanged(work, first, now=NOW)
        entry = waitlist.entry_of(work, first)
        assert entry
        offer = WaitlistOffer(
            entry_id=entry.id,
            practitioner_id=first.practitioner_id,
            start_at=at("Mon 16:00"),
            offered_at=NOW,
            expires_at=NOW + timedelta(days=9),
        )
        work.add(offer)
        work.flush()
        owing.owe_offer(work, first, offer.id, now=NOW)
        contact_changes.ask_for_address(work, first, "new@mail.example", HOUSE, now=NOW)
        contact_changes.change_calls(work, first, contact_changes.Calls(None), HOUSE, now=NOW)
        reschedule_appointment(work, moved, at("Wed 13:30"), HOUSE, now=NOW)
        cancel_appointment(work, gone, HOUSE, now=NOW)
        other = "other@mail.example"
        readdressing.correct_address(work, readdressed, other, HOUSE, now=NOW, actor=DESK)


def shape(content: bytes) -> str:
    """All of a mail but its words: headers, parts, and the properties of its event."""
    mail = message_from_bytes(content, policy=policy.default)
    found: list[object] = []
    for part in mail.walk():
        found += [part.get_content_type(), *part.keys()]
        if part.get_content_type() == "text/calendar":
            found += properties(part.get_payload(decode=True))  # type: ignore[arg-type]
    return repr(found)


def html_of(content: bytes) -> list[str]:
    """What a mail program shows."""
    parts = message_from_bytes(content, policy=policy.default).walk()
    return [str(part.get_content()) for part in parts if part.get_content_type() == "text/html"]


def properties(calendar: bytes) -> list[list[bytes]]:
    """The names of its properties, for each way in which programs find lines."""
    splitters = (rb"\r\n(?![ \t])", rb"(?:\r\n|\r|\n)(?![ \t])")
    unicode = [each.encode() for each in calendar.decode().splitlines() if each[:1] not in " \t"]
    ways = [*(re.split(each, calendar) for each in splitters), unicode]
    return [[name[0] for each in way if (name := NAME.match(each))] for way in ways]


def test_markup_in_any_text_is_only_text_on_every_page(furnished: Flask) -> None:
    """T-35: for patients and staff, in both languages, on paper and among what was found."""
    client = furnished.test_client()
    sign_in(client)
    link = f"/appointments/{token_of(the_first(), HOUSE.keys)}"
    everywhere = addresses(furnished, link, the_first().reference)
    paths = [path for rule, path in everywhere if "GET" in (rule.methods or ())]
    paths += [f"{path}?lang=es" for path in ("/", "/services/visit", link, f"{link}/earlier")]
    paths += [
        "/staff/mail/2",
        "/staff/day/sheet?full=1",
        "/staff/schedule/why?service=visit&on=2026-11-26",
    ]
    replace_every(MARKUP)
    shown = 0

    for path in paths:
        answer = client.get(path)
        assert answer.status_code < 500 or path == "/readyz", path
        if answer.status_code == 200 and answer.mimetype == "text/html":
            page = page_of(answer)
            shown += "<img src=x" in page.text
            assert not page.all("img", src="x"), path
            assert not re.search(r">49|49<", answer.text), path

    assert shown > 40


def test_no_text_adds_anything_to_any_mail(
    furnished: Flask, mailbox: Mailbox, clock: Clock
) -> None:
    """T-23, T-30: a mail of each kind keeps the headers, parts and properties that it has."""
    owe_one_of_each_kind()
    clock.forward(hours=6)  # the reminder is due
    deliver(furnished)
    plain = {shape(each.content) for each in mailbox.mails}
    assert kinds_that_left() == set(Kind)
    mailbox.mails.clear()
    make_due_again()
    replace_every(LINES, besides=ADDRESSES)

    deliver(furnished)

    assert {shape(each.content) for each in mailbox.mails} == plain


def test_markup_in_any_text_is_only_text_in_every_mail(
    furnished: Flask, mailbox: Mailbox, clock: Clock
) -> None:
    """T-28."""
    replace_every(MARKUP, besides=ADDRESSES)
    mailbox.mails.clear()
    make_due_again()
    owe_one_of_each_kind()
    clock.forward(hours=6)

    deliver(furnished)

    assert kinds_that_left() == set(Kind)
    pages = [part for each in mailbox.mails for part in html_of(each.content)]
    assert len(pages) == len(mailbox.mails)
    assert any("&lt;img src=x" in each for each in pages)
    assert not any(re.search("<img|<script", each) for each in pages)


def test_a_sender_who_cannot_be_written_into_a_header_writes_to_nobody(
    furnished: Flask, mailbox: Mailbox
) -> None:
    """T-24: the one name that stands in a header is refused there, and staff see it."""
    owe_one_of_each_kind()
    replace_every(ENCODED, besides=ADDRESSES)
    mailbox.mails.clear()

    deliver(furnished)

    assert mailbox.mails == []


def kinds_that_left() -> set[Kind]:
    with transaction() as work:
        left = work.scalars(select(OwedMessage).where(OwedMessage.sent_at.is_not(None)))
        return {Kind(each.kind) for each in left}


def make_due_again() -> None:
    """As if nothing had left since."""
    with transaction() as work:
        work.execute(delete(Told))
        work.execute(delete(SentMessage))
        work.execute(update(OwedMessage).values(settled_at=None, sent_at=None))


def test_no_text_adds_anything_to_a_calendar(furnished: Flask) -> None:
    """T-30: neither to the patient's file nor to the subscription of a practitioner."""
    client = furnished.test_client()
    paths = [f"/appointments/{token_of(the_first(), HOUSE.keys)}/invite.ics", subscribe()]
    before = [properties(client.get(path).data) for path in paths]
    replace_every(LINES)

    after = [client.get(path).data for path in paths]

    assert [properties(each) for each in after] == before
    assert all(len(line) <= 75 for each in after for line in each.split(b"\r\n"))


def test_no_text_adds_a_line_or_a_formula_to_a_file(furnished: Flask) -> None:
    """T-36, T-39: for spreadsheets, for finders of free times, and for Prometheus."""
    client = furnished.test_client()
    sign_in(client)
    replace_every(LINES)

    weeks = client.get("/staff/numbers/weeks.csv").data.decode("utf-8-sig")
    cells = [*csv.reader(StringIO(weeks, newline=""))]
    files = [each["url"] for each in client.get("/api/fhir/$bulk-publish").get_json()["output"]]
    told = client.get("/metrics", headers=BEARER).text

    assert {len(row) for row in cells} == {8}
    assert "".join(cell[:1] for row in cells for cell in row).strip("0123456789'bcdmsw") == ""
    for file in files:
        for line in client.get(file).data.removesuffix(b"\n").split(b"\n"):
            assert set(json.loads(line)) >= {"resourceType", "id", "meta"}
    assert "=1+1" not in told
