"""Mails that come in: what each is, whoever wrote it, and that nothing can break the reading.

`tests/mails` holds mails as calendars, people and mail servers write them, with names of ours.
"""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.messages.incoming import Answer, AutoReply, Bounce, Other, understand
from booking.messages.incoming.answers import content_line
from booking.messages.incoming.zones import instant
from tests.effort import effort

MAILS = Path(__file__).parent.parent / "mails"
UID = "7b0c6c0e-4f0b-4a5e-9d5b-3f0f6f6d2a11"
KEY = "0123456789abcdef0123456789abcdef"
SAM = "sam@mail.example"
STAMP = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
THURSDAY = datetime(2026, 11, 25, 15, tzinfo=UTC)
ENOUGH = 20
"""What the worst of mails may cost, in the unit of `effort`."""

ANSWERS: dict[str, tuple[str, str]] = {
    "apple-mail-no-method": ("ACCEPTED", ""),
    "evolution-accepted": ("ACCEPTED", ""),
    "exchange-accepted": ("ACCEPTED", ""),
    "exchange-declined": ("DECLINED", "I cannot come that day."),
    "exchange-no-organizer-bad-times": ("TENTATIVE", ""),
    "fastmail-accepted": ("ACCEPTED", ""),
    "google-accepted": ("ACCEPTED", ""),
    "google-declined-comment": ("DECLINED", "Sorry, I can't walk that far"),
    "ios-accepts-after-refusal": ("ACCEPTED", ""),
    "lotus-declined": ("DECLINED", "Not possible"),
    "nextcloud-accepted": ("ACCEPTED", "See you soon"),
    "odd-bare-cr": ("ACCEPTED", ""),
    "odd-bare-lf": ("ACCEPTED", ""),
    "odd-base64-only-in-name": ("ACCEPTED", ""),
    "odd-base64-unnamed": ("ACCEPTED", ""),
    "odd-base64-with-footer": ("ACCEPTED", ""),
    "odd-bom-and-preface": ("ACCEPTED", ""),
    "odd-double-cr": ("ACCEPTED", ""),
    "odd-empty-first-part": ("ACCEPTED", ""),
    "odd-iso-2022-jp": ("ACCEPTED", "ありがとう"),
    "odd-latin1-unnamed": ("ACCEPTED", "À demain"),
    "odd-mbox-line": ("ACCEPTED", ""),
    "odd-qp-unnamed": ("ACCEPTED", ""),
    "odd-two-events-alike": ("ACCEPTED", ""),
    "odd-utf16": ("ACCEPTED", "Grüße"),
    "odd-windows-1252": ("ACCEPTED", "À bientôt – Zoë"),
    "odd-wrong-charset": ("ACCEPTED", "Grüße"),
    "outlook-octet-stream": ("ACCEPTED", ""),
    "outlookcom-accepted": ("ACCEPTED", ""),
    "sogo-accepted": ("ACCEPTED", ""),
    "thunderbird-declined": ("DECLINED", ""),
    "yahoo-accepted": ("ACCEPTED", ""),
    "zimbra-tentative": ("TENTATIVE", "perhaps, if the bus runs"),
}
PROPOSALS: dict[str, datetime | None] = {
    "exchange-counter": THURSDAY,
    "exchange-counter-own-zone": THURSDAY,
    "google-counter": THURSDAY,
    "ios-proposal": THURSDAY,
    "odd-floating-counter": None,
    "zimbra-counter": THURSDAY,
}
FAILURES = {
    "bounce-amazon": "550 4.4.7 Message expired: unable to deliver in 840 minutes",
    "bounce-base64-report": "550 5.1.1 (address) Recipient address rejected: User unknown",
    "bounce-domino": "User sam (address) not listed in Domino Directory",
    "bounce-exchange": "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient (address)"
    " not found by SMTP address lookup",
    "bounce-exchange-2003": "< mx.mail.example #5.1.1>",
    "bounce-exim": "550 5.1.1 (address) User Unknown",
    "bounce-global": "550 5.1.1 (address) Recipient address rejected: User unknown",
    "bounce-gmail": "550-5.1.1 The email account that you tried to reach does not exist.",
    "bounce-headers-of-a-part": "Returned Mail: User unknown",
    "bounce-postfix": "550 5.1.1 (address) Recipient address rejected: User unknown",
    "bounce-postfix-headers": "550 5.1.1 (address) Recipient address rejected: User unknown",
    "bounce-qmail": "Remote host said: 550 no such user here (address)",
    "bounce-yahoo": "554: delivery error: dd This user doesn't have an account (address) [0]",
}
NO_FAILURES = ("bounce-exim-delayed", "bounce-postfix-delayed", "bounce-relayed")
MACHINES = ("newsletter", "out-of-office", "out-of-office-german", "read-receipt")
FOR_A_PERSON: dict[str, bool] = {
    "odd-no-uid": True,
    "odd-request-sent-back": False,
    "odd-two-events-unlike": True,
    "outlook-winmail": False,
    "person-by-reply-key": False,
    "person-forwards-a-reply": False,
    "person-writes": False,
    "person-writes-html": False,
    "smime-opaque": False,
}
OF_MANY_MINDS = ("bounce-of-another-mail", "lotus-delegated", "odd-two-attendees")


def mail(name: str) -> bytes:
    return (MAILS / f"{name}.eml").read_bytes()


def answer(name: str) -> Answer:
    content = understand(mail(name)).content
    assert isinstance(content, Answer)
    return content


def bounce(name: str) -> Bounce:
    content = understand(mail(name)).content
    assert isinstance(content, Bounce)
    return content


def test_every_mail_of_the_folder_is_concluded_somewhere() -> None:
    concluded = {*ANSWERS, *PROPOSALS, *FAILURES, *NO_FAILURES, *MACHINES, *FOR_A_PERSON}

    assert {each.stem for each in MAILS.glob("*.eml")} == concluded | set(OF_MANY_MINDS)


@pytest.mark.parametrize(("name", "partstat", "comment"), [(n, *a) for n, a in ANSWERS.items()])
def test_an_answer_is_found_wherever_the_client_puts_it(
    name: str, partstat: str, comment: str
) -> None:
    found = answer(name)

    assert [(each.address, each.partstat) for each in found.attendees] == [(SAM, partstat)]
    assert (found.uid, found.stamped_at, found.comment) == (UID, STAMP, comment)
    assert found.sequence == (None if name == "outlookcom-accepted" else 0)
    assert not found.proposes


@pytest.mark.parametrize(("name", "start"), PROPOSALS.items())
def test_a_proposal_is_told_from_an_answer(name: str, start: datetime | None) -> None:
    found = answer(name)

    assert found.proposes
    assert found.proposed_start == start


@pytest.mark.parametrize(("name", "diagnostic"), FAILURES.items())
def test_a_failure_names_our_message_and_why_but_no_address(name: str, diagnostic: str) -> None:
    found = bounce(name)

    assert found.failed
    assert found.message_ids == (KEY,)
    assert found.diagnostic == diagnostic


@pytest.mark.parametrize("name", NO_FAILURES)
def test_a_delay_and_a_success_are_no_failures(name: str) -> None:
    assert not bounce(name).failed


def test_a_bounce_names_the_mail_that_came_back_and_not_ours() -> None:
    assert bounce("bounce-of-another-mail").message_ids == ("f" * 32,)


@pytest.mark.parametrize("name", MACHINES)
def test_what_machines_write_by_themselves_is_known_as_such(name: str) -> None:
    assert understand(mail(name)).content == AutoReply()


@pytest.mark.parametrize(("name", "damaged"), FOR_A_PERSON.items())
def test_everything_else_is_for_a_person(name: str, damaged: bool) -> None:
    assert understand(mail(name)).content == Other(damaged=damaged)


@pytest.mark.parametrize("name", ["lotus-delegated", "odd-two-attendees"])
def test_who_answers_along_is_not_left_out(name: str) -> None:
    assert len(answer(name).attendees) == 2


def test_microsofts_time_of_the_answer_is_read() -> None:
    assert answer("exchange-accepted").replied_at == STAMP.replace(minute=4, second=55)


@pytest.mark.parametrize("name", ["person-writes", "person-writes-html", "person-by-reply-key"])
def test_a_person_is_known_by_what_they_answer_to(name: str) -> None:
    assert understand(mail(name)).about == (KEY,)


def test_a_persons_words_are_plain_text() -> None:
    written = understand(mail("person-writes"))
    formatted = understand(mail("person-writes-html"))

    assert written.text == "Hello,\n\nmay I bring my sister? I’ll be on time.\n\nSam"
    assert written.subject == "Re: appointment on 24 November"
    assert written.sender == SAM
    assert formatted.text == "Hello,\n\nis there parking nearby?"


def test_nothing_personal_stands_in_what_a_log_would_show() -> None:
    shown = repr(understand(mail("google-declined-comment")))

    assert not any(secret in shown for secret in (SAM, UID, "walk", "Declined: Appointment"))


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("America/New_York", "15:00"),
        ("Eastern Standard Time", "15:00"),
        ("W. Europe Standard Time", "09:00"),
        ("/freeassociation.sourceforge.net/Europe/Berlin", "09:00"),
        ("/mozilla.org/20070129_1/Europe/Berlin", "09:00"),
        ('"Asia/Kolkata"', "04:30"),
    ],
)
def test_foreign_names_of_zones_are_understood(zone: str, expected: str) -> None:
    found = instant("20261125T100000", zone, "")

    assert found is not None
    assert f"{found:%H:%M}" == expected


@pytest.mark.parametrize(
    ("time_text", "zone"),
    [
        ("20261125T100000", ""),
        ("20261125T100000", "Nowhere"),
        ("20261125T100000", "../../etc/passwd"),
        ("20261125", "Europe/Berlin"),
        ("20261325T100000Z", ""),
        ("99991231T235959", "Etc/GMT+12"),
        ("", "Europe/Berlin"),
    ],
)
def test_a_time_that_may_mean_several_instants_means_none(time_text: str, zone: str) -> None:
    assert instant(time_text, zone, "") is None


@pytest.mark.parametrize(
    "rule", ["FREQ=SECONDLY", "FREQ=YEARLY;BYMINUTE=1,2", "FREQ=YEARLY;BYSECOND=0", "COUNT=9"]
)
def test_a_zone_with_rules_of_no_clock_is_not_expanded(rule: str) -> None:
    zone = (
        "BEGIN:VTIMEZONE\nTZID:Bomb\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\n"
        f"TZOFFSETTO:+0200\nRRULE:{rule}\nEND:STANDARD\nEND:VTIMEZONE\n"
    )

    assert instant("20261125T100000", "Bomb", zone) is None
    yearly = zone.replace(rule, "FREQ=YEARLY;BYMONTH=1;BYDAY=1SU")
    assert instant("20261125T100000", "Bomb", yearly) == THURSDAY.replace(hour=8)


def test_a_zone_of_one_mail_is_not_remembered_for_the_next() -> None:
    def zone(offset: str) -> str:
        return (
            "BEGIN:VTIMEZONE\nTZID:Mine\nBEGIN:STANDARD\nDTSTART:19700101T000000\n"
            f"TZOFFSETFROM:{offset}\nTZOFFSETTO:{offset}\nEND:STANDARD\nEND:VTIMEZONE\n"
        )

    first, second = (instant("20261125T100000", "Mine", zone(each)) for each in ("+0200", "-0300"))

    assert (first, second) == (THURSDAY.replace(hour=8), THURSDAY.replace(hour=13))
    assert instant("20261125T100000", "Mine", "") is None


@pytest.mark.parametrize(
    ("raw", "params", "value"),
    [
        ("ATTENDEE;CN=Sam;PARTSTAT=ACCEPTED:mailto:a@b", {"PARTSTAT": "ACCEPTED"}, "mailto:a@b"),
        ('ATTENDEE;CN="a;b:c,d":mailto:a@b', {"CN": "a;b:c,d"}, "mailto:a@b"),
        ("ATTENDEE;X=^na^'b^^:mailto:a@b", {"X": '\na"b^'}, "mailto:a@b"),
        ('ATTENDEE;CN=a "b" c;PARTSTAT=DECLINED:mailto:a@b', {"PARTSTAT": "DECLINED"}, "a@b"),
        ("ATTENDEE;CN=a", {}, ""),
    ],
)
def test_a_line_is_read_as_well_as_can_be(raw: str, params: dict[str, str], value: str) -> None:
    line = content_line(raw)

    assert params.items() <= line.params.items()
    assert line.value.endswith(value)


def test_outlooks_wrapping_of_a_uid_is_undone() -> None:
    head = "040000008200E00074C5B7101A82E008" + "0" * 24 + "00000000" + "37000000" + "0" * 8
    wrapped = head + b"vCal-Uid\1\0\0\0".hex() + UID.encode().hex() + "00"
    raw = mail("zimbra-counter").replace(UID.encode(), wrapped.upper().encode())

    content = understand(raw).content

    assert isinstance(content, Answer)
    assert content.uid == UID


def test_markup_that_cannot_be_read_takes_nothing_else_with_it() -> None:
    page = "<p>Hello</p><![broken[ x"

    found = understand(f"Content-Type: text/html\r\n\r\n{page}".encode())

    assert found.text == "Hello"
    assert found.content == Other()


def hostile() -> dict[str, bytes]:
    """Mails made to be slow."""
    head = b"From: a@mail.example\r\nSubject: x\r\n"
    nested = b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(20)
    )
    event = b"Content-Type: text/calendar\n\nBEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\nUID:x\n"
    daemon = b"From: MAILER-DAEMON@mail.example\nSubject: failure notice\n\n"
    return {
        "nested": head + nested * 400,
        "nested, with many lines": head + nested + b"x\n" * 29_000,
        "parts": head + b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\n" * 150_000,
        "mails in mails": head + b"Content-Type: message/rfc822\n\n" * 30_000,
        "headers": head + b"A: b\n" * 200_000,
        "a long header": head + b"Content-Type: text/plain" + b';"' * 400_000 + b"\n\nx",
        "brackets": b"From: " + b"(" * 900_000 + b"\n\nx",
        "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 70_000 + b"\n\nx",
        "tags": head + b"Content-Type: text/html\n\n" + b"<" * 900_000,
        "a long line": head + event + b"ATTENDEE" + b';A="' * 60_000,
        "commas": head + event + b"ATTENDEE;A=" + b'"",' * 60_000,
        "lines": head + event + b"A:b\n" * 250_000,
        "events": head + event + b"END:VEVENT\nBEGIN:VEVENT\nUID:x\n" * 8_000,
        "at signs": daemon + b"550 " + b"@" * 900_000,
        "quotes": daemon + b"> \t" * 300_000,
        "nothing": b"\0" * 1_000_000,
    }


@pytest.mark.parametrize("name", hostile())
def test_no_mail_takes_long(name: str) -> None:
    raw = hostile()[name]

    assert effort(lambda: understand(raw)) < ENOUGH


def test_no_damage_to_a_mail_stops_the_reading() -> None:
    chance = random.Random(20261123)
    mails = [path.read_bytes() for path in sorted(MAILS.glob("*.eml"))]

    for _ in range(2000):
        damaged = bytearray(chance.choice(mails))
        for _ in range(chance.randrange(1, 8)):
            place = chance.randrange(len(damaged))
            piece = bytes(chance.choices(b"\0\r\n\t\"';:=,-\xff\x80AZ09<>@", k=chance.randrange(5)))
            damaged[place : place + chance.randrange(12)] = piece
        understand(bytes(damaged))


@given(st.binary(max_size=400))
def test_any_bytes_are_understood_somehow(raw: bytes) -> None:
    assert isinstance(understand(raw).text, str)


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=200))
def test_any_words_can_stand_in_a_mail(subject: str, kind: str, body: str) -> None:
    raw = f"Subject: {subject}\r\nContent-Type: text/{kind}\r\n\r\n{body}"

    found = understand(raw.encode("utf-8", "surrogatepass"))

    assert not any(letter in found.subject for letter in "\r\n\0\u2028\u202e")
    assert not any(letter in found.text for letter in "\r\0\u2028\u202e")
