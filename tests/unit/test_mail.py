import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from booking.messages.facts import NoticeFacts
from booking.messages.mail import NOTICE_KINDS, PATIENT_KINDS, Mail, Renderer, new_message_id
from tests.readings import event
from tests.unit.test_invitation import STAMP, UID, a_clinic, an_appointment

RENDERER = Renderer(Path(__file__).parents[2] / "templates")
MESSAGE_ID = "<0123456789abcdef@clinic.example>"
SENT_AT = datetime(2026, 11, 2, 8, 0, 1, tzinfo=UTC)
METHODS = {
    "confirmed": "REQUEST",
    "rescheduled": "REQUEST",
    "cancelled": "CANCEL",
    "withdrawn": "CANCEL",
}
WITHOUT_AN_EVENT = PATIENT_KINDS - METHODS.keys()
MODES: list[dict[str, Any]] = [
    {},
    {"mode": "phone", "location": ""},
    {"mode": "video", "location": "", "video_url": "https://video.example/rooms/8f2b"},
    {"mode": "video", "location": ""},
    {"patient_timezone": "Europe/London"},
]
BANNED = ("ketamine", "infusion", "depress", "treatment", "psychiatr", "therap", "anxiety",
          "ptsd", "addiction", "consultation", "pat@", "sir", "madam")  # fmt: skip
EVIL = ["a\rb", "a\nBcc: x@evil.example", "a\r\n\r\nb", "a\vb", "a\0b", "a\x85b", "a\u2028b",
        "=?utf-8?q?hi=0ABcc:_x@evil.example?=", "=?utf-8?b?aGkKQmNjOiB4QGV2aWw=?="]  # fmt: skip


def to_patient(
    kind: str = "confirmed", clinic: dict[str, Any] | None = None, **changes: Any
) -> Mail:
    return RENDERER.compose_patient(
        kind,
        a_clinic(**clinic or {}),
        an_appointment(**changes),
        message_id=MESSAGE_ID,
        stamp=STAMP,
        sent_at=SENT_AT,
    )


def to_staff(kind: str = "notice_booked", recipient: str = "desk@clinic.example") -> Mail:
    facts = an_appointment()
    notice = NoticeFacts(
        staff_url="https://book.clinic.example/staff/appointments/17",
        start=facts.start,
        end=facts.end,
        timezone="America/New_York",
    )
    return RENDERER.compose_notice(
        kind,
        a_clinic(),
        notice,
        recipient=recipient,
        message_id=MESSAGE_ID,
        stamp=STAMP,
        sent_at=SENT_AT,
    )


def parsed(mail: Mail) -> EmailMessage:
    return message_from_bytes(mail.content, policy=policy.default)


def text_of(mail: Mail, subtype: str) -> str:
    part = parsed(mail).get_body((subtype,))
    assert part
    return str(part.get_content())


def header(mail: Mail, name: str) -> str:
    """A header as another mail program decodes it."""
    raw = message_from_bytes(mail.content, policy=policy.compat32)[name]
    return str(make_header(decode_header(raw)))


def every_mail() -> list[Mail]:
    patients = [to_patient(kind, **mode) for kind in sorted(PATIENT_KINDS) for mode in MODES]
    return patients + [to_staff(kind) for kind in sorted(NOTICE_KINDS)]


@pytest.mark.parametrize("kind", METHODS)
def test_the_parts_stand_as_calendar_apps_expect(kind: str) -> None:
    message = parsed(to_patient(kind))

    types = [(part.get_content_type(), part.get_content_disposition()) for part in message.walk()]
    assert types == [
        ("multipart/mixed", None),
        ("multipart/alternative", None),
        ("text/plain", None),
        ("text/html", None),
        ("text/calendar", None),
        ("application/ics", "attachment"),
    ]
    assert all(not part.defects for part in message.walk())


@pytest.mark.parametrize("kind", sorted(WITHOUT_AN_EVENT))
def test_what_changes_nothing_says_nothing_to_the_calendar(kind: str) -> None:
    message = parsed(to_patient(kind))

    types = [part.get_content_type() for part in message.walk()]
    assert types == ["multipart/alternative", "text/plain", "text/html"]


@pytest.mark.parametrize("kind", METHODS)
def test_both_copies_are_the_same_bytes_and_name_their_method(kind: str) -> None:
    inline, attached = list(parsed(to_patient(kind)).walk())[-2:]

    content = inline.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert content == attached.get_payload(decode=True)
    assert content.count(b"\n") == content.count(b"\r\n") > 10
    method = Calendar.from_ical(content)["METHOD"]
    assert (inline.get_params() or [])[1:] == [("charset", "utf-8"), ("method", method)]
    assert method == METHODS[kind]
    assert attached.get_filename() == attached.get_param("name") == "invite.ics"
    for part in (inline, attached):
        assert part["Content-Transfer-Encoding"] == "base64"
        assert "Content-ID" not in part


def test_the_headers_are_these_and_no_others() -> None:
    head = to_patient().content.split(b"\r\n\r\n", maxsplit=1)[0].decode()

    assert head.split("\r\n")[:-1] == [
        'From: "Elm Street Clinic" <hello@clinic.example>',
        "To: pat@home.example",
        "Subject: Confirmed: appointment on 24 November, 9:30 am",
        "Date: Mon, 02 Nov 2026 08:00:01 +0000",
        f"Message-ID: {MESSAGE_ID}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ]
    assert head.split("\r\n")[-1].startswith('Content-Type: multipart/mixed; boundary="')


def test_a_tagged_mail_names_itself_where_it_comes_back_to() -> None:
    mail = to_patient(clinic={"tagged": True})

    tagged = "hello+0123456789abcdef@clinic.example"
    assert mail.sender == tagged
    assert header(mail, "Reply-To") == tagged
    assert header(mail, "From") == '"Elm Street Clinic" <hello@clinic.example>'
    assert event(mail)["ORGANIZER"] == "mailto:hello@clinic.example"


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("confirmed", "Confirmed: appointment on 24 November, 9:30 am"),
        ("rescheduled", "Updated: appointment on 24 November, 9:30 am"),
        ("cancelled", "Cancelled: appointment on 24 November, 9:30 am"),
        ("withdrawn", "Withdrawn: appointment on 24 November, 9:30 am"),
        ("reminder", "Reminder: appointment on 24 November, 9:30 am"),
        ("declined", "Please confirm: appointment on 24 November, 9:30 am"),
        ("unchanged", "Unchanged: appointment on 24 November, 9:30 am"),
    ],
)
def test_the_subject_says_the_state_first(kind: str, subject: str) -> None:
    assert parsed(to_patient(kind))["Subject"] == subject


def test_the_subject_names_the_zone_where_it_matters() -> None:
    mail = to_patient(patient_timezone="Europe/London")

    assert header(mail, "Subject") == (
        "Confirmed: appointment on 24 November, 2:30 pm, London time"
    )


def test_a_subject_beyond_ascii_is_encoded() -> None:
    autumn = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)

    mail = to_patient(start=autumn, end=autumn.replace(hour=6))

    assert header(mail, "Subject") == ("Confirmed: appointment on 1 November, 1:30 am (UTC−4)")


@pytest.mark.parametrize(
    "name",
    [
        "Clinic, Elm & Oak",
        'The "Elm" \\ Clinic',
        "A clinic, with a name that goes on, and on, far beyond the end of a line",
        "Klinik Süd, Mitte (am Fluß)",
        "北京诊所" * 20,
        "Hôpital <evil@x.example>, " * 6 + "fin",
    ],
)
def test_any_name_of_a_clinic_is_right_on_the_wire(name: str) -> None:
    mail = to_patient(clinic={"name": name})

    raw = message_from_bytes(mail.content, policy=policy.compat32)["From"]
    phrase, address = raw.rsplit(None, 1)
    assert address == "<hello@clinic.example>"
    if phrase.startswith('"'):
        assert re.sub(r"\\(.)", r"\1", phrase[1:-1]) == name
    else:
        assert str(make_header(decode_header(phrase))) == name
        assert not set(',;<>()"') & set(phrase)
    assert len(parsed(mail)["From"].addresses) == 1


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1))
def test_a_mail_is_ascii_in_short_lines_with_proper_ends(name: str) -> None:
    try:
        content = to_patient(clinic={"name": name}).content
    except ValueError:
        return

    assert content.isascii()
    assert content.count(b"\n") == content.count(b"\r") == content.count(b"\r\n")
    assert max(map(len, content.split(b"\r\n"))) <= 78


def test_long_addresses_and_ids_are_left_whole() -> None:
    address = f"{'a' * 64}@{'b' * 60}.example"
    message_id = new_message_id(f"{'long-name.' * 8}example")

    mail = RENDERER.compose_patient(
        "confirmed",
        a_clinic(),
        an_appointment(patient_address=address),
        message_id=message_id,
        stamp=STAMP,
        sent_at=SENT_AT,
    )

    assert f"\r\nTo: {address}\r\n".encode() in mail.content
    assert f"\r\nMessage-ID: {message_id}\r\n".encode() in mail.content


@pytest.mark.parametrize("evil", EVIL)
def test_no_name_can_add_a_header(evil: str) -> None:
    with pytest.raises(ValueError, match="header value"):
        to_patient(clinic={"name": evil})


@pytest.mark.parametrize(
    "address",
    [
        "", "a", "a@", "@b.example", "a@b.example\r\nRCPT TO:<c@d.example>", "a@b.example,c@d.e",
        "A <a@b.example>", "a(comment)@b.example", '"a b"@b.example', "a@[127.0.0.1]",
        "g:a@b.example;", "ü@b.example", "a@b.example\n", "a..b@c.example", "a@b@c.example",
        "a@b..example", "a@-b.example",
    ],
)  # fmt: skip
def test_only_one_plain_address_gets_mail(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        to_patient(patient_address=address)
    with pytest.raises(ValueError, match="address"):
        to_staff(recipient=address)


def test_the_clinics_own_address_is_plain_too() -> None:
    with pytest.raises(ValueError, match="address"):
        to_patient(clinic={"address_of_mail": "a@b.example>, <c@d.example"})


@pytest.mark.parametrize("message_id", ["x@y", "<x>", "<x@y>\r\nBcc: <z@evil.example>", "<x y@z>"])
def test_a_damaged_message_id_is_refused(message_id: str) -> None:
    with pytest.raises(ValueError, match="Message-ID"):
        RENDERER.compose_patient(
            "confirmed",
            a_clinic(),
            an_appointment(),
            message_id=message_id,
            stamp=STAMP,
            sent_at=SENT_AT,
        )


@pytest.mark.parametrize("kind", ["", "notice_booked", "../confirmed"])
def test_an_unknown_kind_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="no mail"):
        to_patient(kind)


def test_message_ids_are_random_and_know_no_uid() -> None:
    made = {new_message_id("clinic.example") for _ in range(50)}

    assert len(made) == 50
    assert all(re.fullmatch(r"<[0-9a-f]{32}@clinic\.example>", one) for one in made)


def test_the_uid_stands_in_the_calendar_only() -> None:
    mail = to_patient()

    assert UID not in mail.content.decode()
    assert UID not in text_of(mail, "plain") + text_of(mail, "html")


@pytest.mark.parametrize("subtype", ["plain", "html"])
def test_a_patient_reads_when_where_and_what_to_do(subtype: str) -> None:
    text = text_of(to_patient(), subtype)

    assert "Tuesday 24 November 2026" in text
    assert "9:30 am to 10:15 am" in text
    assert "New York time" in text
    assert "12 Elm Street, Springfield" in text
    assert "(555) 010-0199" in text
    assert "See, move or cancel your appointment" in text
    assert an_appointment().manage_url in text


@pytest.mark.parametrize("subtype", ["plain", "html"])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mode": "phone"}, "We will call you on the number you gave."),
        ({"mode": "video", "video_url": "https://v.example/8f2b"}, "https://v.example/8f2b"),
        ({"mode": "video"}, "We will send you the link."),
        ({"patient_timezone": "Europe/London"}, "London time"),
        ({"location": ""}, "At the clinic"),
    ],
)
def test_a_patient_reads_how_we_meet(changes: dict[str, Any], words: str, subtype: str) -> None:
    assert words in text_of(to_patient(**changes), subtype)


@pytest.mark.parametrize("subtype", ["plain", "html"])
def test_a_cancellation_leads_nowhere_any_more(subtype: str) -> None:
    text = text_of(to_patient("cancelled", mode="video", video_url="https://v.example/1"), subtype)

    assert "Your appointment is cancelled" in text
    assert "v.example" not in text
    assert "See your appointment" in text


@pytest.mark.parametrize("subtype", ["plain", "html"])
@pytest.mark.parametrize("kind", ["confirmed", "reminder", "declined", "unchanged"])
def test_what_is_too_near_to_change_online_is_not_offered_for_change(
    kind: str, subtype: str
) -> None:
    text = text_of(to_patient(kind, changeable=False), subtype)

    for promise in ("you can change it", "another free time", "move or cancel", "/cancel"):
        assert promise not in text


@pytest.mark.parametrize(
    ("number", "address"),
    [
        ("(212) 555-0142", "tel:2125550142"),
        ("+44 (0)20 7946 0142", "tel:+442079460142"),
        ("020 7946 0142", "tel:02079460142"),
    ],
)
def test_the_clinics_number_dials(number: str, address: str) -> None:
    assert f'href="{address}"' in text_of(to_patient(clinic={"phone": number}), "html")


def test_a_clinic_without_a_phone_is_not_called() -> None:
    assert "Call us" not in text_of(to_patient(clinic={"phone": ""}), "plain")


def test_html_is_escaped_and_templates_stay_text() -> None:
    evil = "<script>x</script> {{ 7 * 7 }} {0} %s \"'"

    mail = to_patient(clinic={"name": evil}, location=evil)

    assert "<script" not in text_of(mail, "html")
    assert "{{ 7 * 7 }} {0} %s" in text_of(mail, "html")
    assert evil in text_of(mail, "plain")


def test_no_script_is_linked() -> None:
    mail = to_patient(mode="video", video_url="javascript:alert(1)")

    assert "javascript:" not in text_of(mail, "html") + text_of(mail, "plain")


class Addresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.linked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [tag] if tag in ("img", "link", "script", "iframe", "form") else []
        self.fetched += [name for name, _ in attrs if name in ("src", "background", "srcset")]
        self.linked += [value or "" for name, value in attrs if name == "href"]


def test_reading_a_mail_fetches_nothing() -> None:
    for mail in every_mail():
        page = text_of(mail, "html")
        found = Addresses()
        found.feed(page)
        assert found.fetched == []
        assert "url(" not in page
        assert "@import" not in page
        assert all(link.startswith(("https://", "tel:")) for link in found.linked)


def test_no_message_tells_why_or_who() -> None:
    for mail in every_mail():
        calendars = [
            str(part.get_payload(decode=True))
            for part in parsed(mail).walk()
            if part.get_content_type() in ("text/calendar", "application/ics")
        ]
        words = [header(mail, "Subject"), header(mail, "From")]
        words += [text_of(mail, "plain"), text_of(mail, "html")]
        for word in BANNED:
            assert not re.search(rf"\b{word}", " ".join(words).lower())
        for word in BANNED[:10]:
            assert word not in " ".join(calendars).lower()


@pytest.mark.parametrize("kind", sorted(NOTICE_KINDS))
def test_a_notice_is_a_time_and_a_link(kind: str) -> None:
    mail = to_staff(kind)

    types = [part.get_content_type() for part in parsed(mail).walk()]
    assert types == ["multipart/alternative", "text/plain", "text/html"]
    for subtype in ("plain", "html"):
        text = text_of(mail, subtype)
        assert "https://book.clinic.example/staff/appointments/17" in text
        assert "9:30 am to 10:15 am" in text
    assert parsed(mail)["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("subtype", ["plain", "html"])
def test_a_notice_of_a_change_does_not_say_that_it_is_the_time(subtype: str) -> None:
    text = text_of(to_staff("notice_rescheduled"), subtype)

    assert "An appointment has changed" in text
    assert "new time" not in text


def test_an_unknown_notice_is_refused() -> None:
    with pytest.raises(ValueError, match="no notice"):
        to_staff("confirmed")


def test_logs_of_values_hold_no_person() -> None:
    shown = repr(to_patient()) + repr(an_appointment(video_url="https://v.example/1"))

    for secret in ("pat@home.example", UID, "book.clinic.example", "v.example"):
        assert secret not in shown
