import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import vobject
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar, Component

from booking.messages.facts import AppointmentFacts, ClinicFacts
from booking.messages.invitation import cancellation, download, request

STAMP = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
UID = "5e0b6a0e-6a3b-4f0c-9f0e-2f1d8f7f2c11"

TEXTS_OF_CLINIC = ["name", "phone", "address_of_mail"]
TEXTS_OF_APPOINTMENT = [
    "uid", "title", "location", "video_url", "patient_address", "partstat", "manage_url",
]  # fmt: skip
LINE_ENDS = ["\r\n", "\r", "\n", "\v", "\f", "\0", "\x1c", "\x85", "\u2028", "\u2029", "\\n", "\\N"]
PROPERTIES = {
    "UID", "SEQUENCE", "DTSTAMP", "CREATED", "LAST-MODIFIED", "DTSTART", "DTEND", "ORGANIZER",
    "SUMMARY", "DESCRIPTION", "LOCATION", "STATUS", "CLASS", "TRANSP",
    "X-MICROSOFT-DISALLOW-COUNTER",
}  # fmt: skip


def a_clinic(**changes: Any) -> ClinicFacts:
    clinic = ClinicFacts(
        name="Elm Street Clinic",
        phone="(555) 010-0199",
        address_of_mail="hello@clinic.example",
        timezone="America/New_York",
    )
    return replace(clinic, **changes)


def an_appointment(**changes: Any) -> AppointmentFacts:
    appointment = AppointmentFacts(
        uid=UID,
        sequence=3,
        start=datetime(2026, 11, 24, 14, 30, tzinfo=UTC),
        end=datetime(2026, 11, 24, 15, 15, tzinfo=UTC),
        created_at=datetime(2026, 11, 1, 9, 0, tzinfo=UTC),
        updated_at=datetime(2026, 11, 2, 7, 59, tzinfo=UTC),
        mode="in_person",
        location="12 Elm Street, Springfield",
        patient_address="pat@home.example",
        patient_timezone="America/New_York",
        manage_url="https://book.clinic.example/appointments/Zk3mQ0x9sLr5Yw1v7TtH2bNcEaUgPdJf8oKi",
    )
    return replace(appointment, **changes)


def requested(**changes: Any) -> bytes:
    return request(a_clinic(), an_appointment(**changes), stamp=STAMP)


def all_three(clinic: ClinicFacts, appointment: AppointmentFacts) -> list[bytes]:
    return [
        request(clinic, appointment, stamp=STAMP),
        cancellation(clinic, appointment, stamp=STAMP),
        download(clinic, appointment),
    ]


def the_event(content: bytes) -> Component:
    (event,) = Calendar.from_ical(content).walk("VEVENT")
    return event


def text_of(content: bytes, name: str = "DESCRIPTION") -> str:
    return str(the_event(content)[name])


def raw_lines(content: bytes) -> list[str]:
    """The content lines, unfolded (RFC 5545 §3.1)."""
    return content.decode().replace("\r\n ", "").removesuffix("\r\n").split("\r\n")


def names(lines: list[str]) -> list[str]:
    return sorted(re.split("[:;]", line, maxsplit=1)[0] for line in lines)


def test_an_invitation_asks_the_patient() -> None:
    lines = raw_lines(requested())

    assert lines[:5] == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Booking//Appointments//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:REQUEST",
    ]
    assert (
        "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE"
        ":mailto:pat@home.example"
    ) in lines
    assert 'ORGANIZER;CN="Elm Street Clinic":mailto:hello@clinic.example' in lines


@pytest.mark.parametrize(
    "line",
    [
        f"UID:{UID}",
        "SEQUENCE:3",
        "DTSTAMP:20261102T080000Z",
        "CREATED:20261101T090000Z",
        "LAST-MODIFIED:20261102T075900Z",
        "DTSTART:20261124T143000Z",
        "DTEND:20261124T151500Z",
        "SUMMARY:Appointment",
        r"LOCATION:12 Elm Street\, Springfield",
        "STATUS:CONFIRMED",
        "CLASS:PRIVATE",
        "TRANSP:OPAQUE",
        "X-MICROSOFT-DISALLOW-COUNTER:TRUE",
    ],
)
def test_an_invitation_says(line: str) -> None:
    assert line in raw_lines(requested())


def test_every_property_stands_once_and_no_other_does() -> None:
    clinic, appointment = a_clinic(), an_appointment()

    for content, people in zip(all_three(clinic, appointment), (1, 1, 0), strict=True):
        frame = {"VERSION", "PRODID", "CALSCALE", "METHOD"}
        expected = [*PROPERTIES, *frame, *["BEGIN", "END"] * 2, *["ATTENDEE"] * people]
        assert names(raw_lines(content)) == sorted(expected)


def test_a_cancellation_names_the_same_event() -> None:
    content = cancellation(a_clinic(), an_appointment(sequence=4), stamp=STAMP)

    asked, cancelled = the_event(requested()), the_event(content)
    assert Calendar.from_ical(content)["METHOD"] == "CANCEL"
    assert cancelled["STATUS"] == "CANCELLED"
    assert cancelled["SEQUENCE"] == 4
    for name in ("UID", "ORGANIZER", "ATTENDEE", "DTSTART"):
        assert cancelled[name] == asked[name]


def test_a_download_asks_nobody_and_stays_the_same() -> None:
    content = download(a_clinic(), an_appointment())

    assert content == download(a_clinic(), an_appointment())
    assert Calendar.from_ical(content)["METHOD"] == "PUBLISH"
    assert b"ATTENDEE" not in content
    assert b"DTSTAMP:20261102T075900Z" in content
    assert the_event(content)["UID"] == the_event(requested())["UID"]


def test_a_cancelled_appointment_downloads_as_cancelled() -> None:
    content = download(a_clinic(), an_appointment(cancelled=True))

    assert text_of(content, "STATUS") == "CANCELLED"
    assert text_of(content).startswith("This appointment is cancelled.")


def test_what_ends_at_a_former_address_is_not_called_cancelled() -> None:
    content = cancellation(a_clinic(), an_appointment(manage_url="", cancelled=True), stamp=STAMP)

    assert text_of(content).startswith("This invitation no longer applies")
    assert "cancelled" not in text_of(content)


def test_times_of_any_zone_are_told_in_utc() -> None:
    paris = timezone(timedelta(hours=1))

    content = requested(start=datetime(2026, 11, 24, 15, 30, 0, 999, tzinfo=paris))

    assert b"DTSTART:20261124T143000Z\r\n" in content
    assert b"TZID" not in content


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        request(a_clinic(), an_appointment(), stamp=STAMP.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("heard", "told"),
    [("ACCEPTED", "ACCEPTED"), ("tentative", "TENTATIVE"), ("X;CN=you", "NEEDS-ACTION")],
)
def test_a_resend_carries_the_answer_that_was_heard(heard: str, told: str) -> None:
    attendee = the_event(requested(partstat=heard))["ATTENDEE"]

    assert attendee.params["PARTSTAT"] == told
    assert set(attendee.params) == {"CUTYPE", "ROLE", "PARTSTAT", "RSVP"}


def test_the_text_leads_back_to_the_clinic() -> None:
    text = text_of(requested())

    assert "Tuesday 24 November 2026, 9:30 am to 10:15 am, New York time" in text
    assert an_appointment().manage_url in text
    assert "(555) 010-0199" in text


def test_what_is_too_near_to_change_online_is_not_offered_for_change() -> None:
    assert "See, move or cancel your appointment: https:" in text_of(requested())
    assert "\nSee your appointment: https:" in text_of(requested(changeable=False))


def test_the_patients_own_link_stands_in_the_text_only() -> None:
    holders = [line for line in raw_lines(requested()) if "book.clinic.example" in line]

    assert names(holders) == ["DESCRIPTION"]


def test_both_times_are_told_if_the_clocks_differ() -> None:
    text = text_of(requested(patient_timezone="Europe/London"))

    assert "Clinic time: Tuesday 24 November 2026, 9:30 am to 10:15 am, New York time" in text
    assert "Your time: Tuesday 24 November 2026, 2:30 pm to 3:15 pm, London time" in text


def test_a_video_call_has_its_link_in_property_and_text() -> None:
    content = requested(mode="video", location="", video_url="https://v.example/a?b=1;c,d")

    conference = "CONFERENCE;VALUE=URI;FEATURE=AUDIO,VIDEO;LABEL=Video call:https://v.example/"
    assert f"{conference}a?b=1;c,d" in raw_lines(content)
    assert "https://v.example/a?b=1;c,d" in text_of(content)
    assert the_event(content)["LOCATION"] == "Video"


def test_a_script_is_not_a_video_link() -> None:
    assert b"script" not in requested(mode="video", video_url="javascript:alert(1)")


def test_a_phone_call_takes_place_by_phone() -> None:
    content = requested(mode="phone", location="")

    assert text_of(content, "LOCATION") == "Phone"
    assert "We will call you" in text_of(content)


def test_a_name_is_quoted_and_free_of_what_clients_misread() -> None:
    content = request(a_clinic(name='A "B", C; D: E^F\\G'), an_appointment(), stamp=STAMP)

    assert 'ORGANIZER;CN="A B , C D E F G":mailto:hello@clinic.example' in raw_lines(content)


def splitters() -> list[Callable[[str], list[str]]]:
    return [
        lambda text: text.split("\r\n"),
        str.splitlines,
        lambda text: re.split("\r\n|\r|\n|\v|\f|\0|\x85|\u2028|\u2029", text),
    ]


@pytest.mark.parametrize("end", LINE_ENDS)
@pytest.mark.parametrize("field", [*TEXTS_OF_CLINIC, *TEXTS_OF_APPOINTMENT])
def test_no_text_can_add_a_property(field: str, end: str) -> None:
    evil = f'a{end}ATTENDEE;CN="x":mailto:evil@x.example{end}BEGIN:VALARM{end}x;y,z\\"q":r'
    if field == "video_url":
        evil = f"https://v.example/{evil}"
    of_clinic = {field: evil} if field in TEXTS_OF_CLINIC else {}
    of_appointment = {field: evil} if field in TEXTS_OF_APPOINTMENT else {}
    usual = all_three(a_clinic(), an_appointment(video_url="https://v.example/"))

    contents = all_three(
        a_clinic(**of_clinic),
        an_appointment(**{"video_url": "https://v.example/"} | of_appointment),
    )

    for content, harmless in zip(contents, usual, strict=True):
        for split in splitters():
            lines = split(content.decode().replace("\r\n ", ""))
            assert names(lines) == names(split(harmless.decode().replace("\r\n ", "")))
        assert names(list(the_event(content))) == names(list(the_event(harmless)))


@given(st.text(), st.text(), st.text())
def test_whatever_the_text_lines_are_short_whole_and_clean(a: str, b: str, c: str) -> None:
    content = request(a_clinic(name=a), an_appointment(title=b, location=c), stamp=STAMP)

    lines = content.removesuffix(b"\r\n").split(b"\r\n")
    assert all(len(line) <= 75 and line.decode() for line in lines)
    assert not re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]", content.decode())
    assert content.count(b"\n") == content.count(b"\r") == content.count(b"\r\n")


@pytest.mark.parametrize("unit", ["👩‍⚕️", "e\u0301", "漢", "🏳️‍🌈 ", "ü,"])
def test_long_lines_fold_between_characters(unit: str) -> None:
    content = requested(title=unit * 60)

    for line in content.split(b"\r\n"):
        assert len(line) <= 75
        line.decode()
    assert the_event(content)["SUMMARY"] == (unit * 60).strip()


@pytest.mark.parametrize("make", [request, cancellation])
def test_a_foreign_parser_reads_the_same(make: Callable[..., bytes]) -> None:
    content = make(a_clinic(), an_appointment(title="Ünïcode; a, b \\ c"), stamp=STAMP)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        event = vobject.readOne(content.decode()).vevent

    assert event.uid.value == UID
    assert event.dtstart.value == an_appointment().start
    assert event.dtend.value == an_appointment().end
    assert event.summary.value == "Ünïcode; a, b \\ c"
    assert event.attendee.value == "mailto:pat@home.example"
    assert event.attendee.params["RSVP"] == ["TRUE"]
