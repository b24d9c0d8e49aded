"""Attacks that a booking service meets, each as a test; the numbers are those of our own list."""

import re
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import StringIO
from pathlib import Path

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar
from sqlalchemy import select
from werkzeug.test import TestResponse

from booking.messages.transports import RelayDown
from booking.models import Appointment, Clinic
from booking.models.database import db, transaction
from booking.services.links import token_of
from booking.web.gate import POLICY
from tests.builders import HOUSE, Clock, Mailbox
from tests.conftest import a_running_app, settings_for
from tests.pages import page_of
from tests.visits import (
    DESK,
    PASSWORD,
    SAM,
    a_booked_page,
    a_link,
    a_member_of_staff,
    a_reference,
    book,
    deliver,
    form_path,
    get,
    rows,
    send,
    sign_in,
    the_appointment,
)

BANNED = re.compile(r"ketamine|infusion|depress|psych|treat|therap|substance|addict", re.IGNORECASE)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NAME = re.compile(rb"[A-Z-]+[;:]")
SECURE = "https://book.clinic.example"
CANARIES = ("Quetzalina", "Canarybird", "canary.bird", "5550188")


@pytest.fixture
def secure(sqlite_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[FlaskClient]:
    """A client of the app as a real clinic runs it: by https, behind one proxy."""
    changes = {"BOOKING_BASE_URL": SECURE, "BOOKING_PROXIES": "1"}
    for app in a_running_app(settings_for(sqlite_url, **changes), clock, mailbox):
        client = app.test_client()
        client.environ_base |= {
            "HTTP_X_FORWARDED_PROTO": "https",
            "HTTP_X_FORWARDED_FOR": "9.9.9.9",
        }
        client.environ_base["HTTP_HOST"] = "book.clinic.example"
        yield client


# Access


def test_a_link_of_one_bit_more_or_less_opens_nothing(client: FlaskClient) -> None:
    """T-02, T-03: flipped, padded, cut, recoded."""
    link = a_link()
    path, _, token = link.rpartition("/")
    flipped = token[:-1] + chr(ord(token[-1]) ^ 1)
    others = (flipped, token + "=", token + "A", token[:-1], token.swapcase(), f"%20{token}")

    for other in (*others, f"{token}%00", f"{token}.ics", token[::-1]):
        assert client.get(f"{path}/{other}").status_code == 404, other
    assert client.get(link).status_code == 200


def test_a_key_has_256_bits_and_no_two_are_alike(client: FlaskClient) -> None:
    """T-01."""
    assert client
    tokens = {a_link(each).rpartition("/")[2] for each in ("Tue 09:00", "Wed 09:00", "Fri 09:00")}

    assert len(tokens) == 3
    assert all(re.fullmatch(r"[\w-]{43}", each) for each in tokens)


def test_the_key_of_one_appointment_does_nothing_to_another(client: FlaskClient) -> None:
    """T-04: the form of one, sent to the address of the other, changes the addressed one only."""
    mine = a_link("Tue 09:00")
    a_link("Wed 09:00", email="other@mail.example")
    page = get(client, f"{mine}/cancel")

    send(client, page, "", token="other", reference="other", id="2")

    query = select(Appointment).order_by(Appointment.id)
    assert [each.status for each in db.session.scalars(query)] == ["cancelled", "booked"]


def test_no_address_counts(client: FlaskClient) -> None:
    """T-21: neither links nor references nor UIDs tell how many there are."""
    first, second = a_booked_page(client, "Tue 09:00"), a_booked_page(client, "Wed 09:00")

    for link in (first, second):
        text = client.get(f"{link}/invite.ics").get_data(as_text=True)
        assert re.search(r"UID:[0-9a-f]{8}-[0-9a-f]{4}-4", text)
        assert "ETag" not in client.get(link).headers
    assert re.fullmatch(r"[0-9A-Z]{8}", the_appointment().reference)


def test_no_person_stands_in_any_address(client: FlaskClient) -> None:
    """T-87: nor in what is sent along when a link leads away."""
    link = a_booked_page(client)

    for path in (link, f"{link}/reschedule", f"{link}/cancel"):
        page = get(client, path)
        addresses = [each.get("href") for each in page.all("a")]
        assert not any(re.search(r"rivers|sam@|5550123", each, re.I) for each in addresses)
        away = [each for each in addresses if each.startswith("http")]
        assert not any(link.rpartition("/")[2] in each for each in away)


# Mail and calendar: a person's text reaches no header and no property


@pytest.mark.parametrize(
    "name",
    [
        "Sam\r\nBcc: victim@mail.example",
        "=?utf-8?q?hi=0ABcc:_x@y?=",
        "{{'no'*3}} {% raw %} {0.__class__} %(x)s ${x}",
        "<b>Sam</b><script>alert(1)</script>",
        "BEGIN:VALARM\r\nACTION:AUDIO",
        'a;b,c\\d"e:f',
        "Sam\u2028X\u0085Y\x0bZ\x00",
        "👩‍👩‍👧‍👦" * 40,
    ],
)
def test_nothing_that_a_patient_typed_is_in_a_mail(
    sqlite_app: Flask, mailbox: Mailbox, name: str
) -> None:
    """T-23 to T-29, T-30: through the real renderer; free text is not echoed at all."""
    a_link("Tue 09:00")
    a_link("Wed 09:00", name=name)

    deliver(sqlite_app)

    plain, mail = (parsed(each.content) for each in mailbox.to("sam@mail.example"))

    assert mail.keys() == plain.keys()
    text = "".join(str(part.get_content()) for part in mail.walk() if not part.is_multipart())
    for word in ("victim", "VALARM", "alert(1)", "nonono", "<b>Sam", "__class__"):
        assert word not in text
    event, before = (_properties(each) for each in (mail, plain))
    assert event == before


def _properties(mail: EmailMessage) -> list[str]:
    """The names of what the event says, in order."""
    events = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    found = Calendar.from_ical(events[0].get_content())
    return [name for name, _ in found.property_items()]


def parsed(content: bytes) -> EmailMessage:
    """A mail as a mail program reads it."""
    return message_from_bytes(content, _class=EmailMessage, policy=policy.default)


@pytest.mark.parametrize("field", ["neutral_name", "name", "phone"])
def test_the_clinics_own_words_cannot_break_a_calendar_file(
    client: FlaskClient, field: str
) -> None:
    """T-30, T-31: three ways to split lines find the same properties."""
    link = a_link()
    plain = client.get(f"{link}/invite.ics").data
    with transaction() as session:
        hostile = 'Häfen;a,b\\c"d:e\r\nATTACH:x\nBEGIN:VALARM\u2028END:VEVENT 👩‍👩‍👧'
        setattr(session.get_one(Clinic, 1), field, hostile[:60])

    data = client.get(f"{link}/invite.ics").data

    for splitter in (rb"\r\n", rb"\r\n|\r|\n", rb"\n"):
        before, after = (
            [name[0] for line in re.split(splitter, each) if (name := NAME.match(line))]
            for each in (plain, data)
        )
        assert before == after
    for line in data.split(b"\r\n"):
        assert len(line) <= 75
        assert line.decode("utf-8") is not None  # folded between characters


def test_the_calendar_file_has_one_name_and_tells_nothing(client: FlaskClient) -> None:
    """T-33."""
    answer = client.get(f"{a_link()}/invite.ics")

    assert answer.headers["Content-Disposition"] == 'attachment; filename="appointment.ics"'
    assert answer.content_type == "text/calendar; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    text = answer.get_data(as_text=True)
    assert "METHOD:PUBLISH" in text
    assert "SUMMARY:Appointment" in text
    assert not re.search(r"rivers|Ada Bell|First consultation", text, re.I)


def test_the_calendar_file_offers_a_change_as_long_as_one_can_be_made(
    client: FlaskClient, clock: Clock
) -> None:
    link = a_link()
    clock.now = the_appointment().start_at - timedelta(hours=3)
    assert "move or cancel your appointment: " in unfolded(client.get(f"{link}/invite.ics"))

    clock.forward(hours=2)

    assert "\\nSee your appointment: " in unfolded(client.get(f"{link}/invite.ics"))


def unfolded(answer: TestResponse) -> str:
    return answer.get_data(as_text=True).replace("\r\n ", "")


def test_the_file_of_a_cancelled_appointment_says_so(client: FlaskClient) -> None:
    link = a_link()
    send(client, get(client, f"{link}/cancel"), "")

    assert b"STATUS:CANCELLED" in client.get(f"{link}/invite.ics").data


def test_mails_and_titles_are_neutral(
    client: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    """Law 7."""
    link = a_booked_page(client)
    send(client, get(client, f"{link}/cancel"), "")
    deliver(sqlite_app)

    for path in ("/", "/services/visit", link, f"{link}?moved=1", "/login", "/nowhere"):
        title = page_of(client.get(path)).title
        assert not re.search(r"consult|clinic|harbor|ada|rivers", title, re.I), title
    for mail in mailbox.mails:
        read = parsed(mail.content)
        assert not re.search(r"consult|clinic|rivers", str(read["Subject"]), re.I)
        assert not BANNED.search(read.as_string())


# Requests


def test_every_answer_has_its_headers(client: FlaskClient) -> None:
    """T-48, T-96."""
    link = a_link()
    paths = ["/", "/services/visit", form_path(), link, f"{link}/invite.ics", "/nowhere"]
    paths += ["/login", "/staff/", "/api/v1/services", "/api/v1/nothing", "/static/style.css"]

    for path in paths:
        for answer in (client.get(path), client.head(path), client.open(path, method="PROPFIND")):
            assert HEADERS.items() <= dict(answer.headers).items(), path
            assert answer.headers["X-Request-Id"]
    assert "unsafe" not in POLICY
    assert "frame-ancestors 'none'" in POLICY


def test_what_is_private_is_neither_kept_nor_found(client: FlaskClient) -> None:
    """T-85."""
    link = a_link()

    for path in (link, f"{link}/cancel", f"{link}/reschedule", f"{link}/invite.ics", form_path()):
        headers = client.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Robots-Tag"] == "noindex"
        assert headers["Referrer-Policy"] == "no-referrer"
    assert client.get("/").headers["X-Robots-Tag"] == "index"


def test_our_own_files_may_be_kept_but_not_their_absence(client: FlaskClient) -> None:
    found, missing = client.get("/static/style.css"), client.get("/static/none.css")

    assert "immutable" in found.headers["Cache-Control"]
    assert missing.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "a b"])
def test_a_foreign_host_is_refused(client: FlaskClient, host: str) -> None:
    """T-51."""
    answer = client.get("/", headers={"Host": host})

    assert answer.status_code == 400
    assert "evil" not in answer.get_data(as_text=True)


def test_forwarded_names_are_not_believed(client: FlaskClient, mailbox: Mailbox) -> None:
    """T-52, T-53: links come from our own setting."""
    headers = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "host=evil.example",
        "X-Original-URL": "/staff/",
        "X-Rewrite-URL": "/staff/",
        "X-HTTP-Method-Override": "DELETE",
    }
    link = a_booked_page(client)

    answer = client.get(link, headers=headers)
    token = link.rpartition("/")[2]
    api = client.get(f"/api/v1/appointments/{token}", headers=headers)
    deliver(client.application)

    assert "evil" not in answer.get_data(as_text=True)
    assert api.get_json()["links"]["manage"] == f"http://127.0.0.1:8000{link}"
    assert "evil" not in parsed(mailbox.mails[0].content).as_string()


def test_a_real_clinics_cookie_is_locked_to_its_host(secure: FlaskClient) -> None:
    answer = secure.get(form_path(), base_url=SECURE)

    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_forms_work_by_https_although_no_referrer_is_sent(secure: FlaskClient) -> None:
    """Our own policy keeps the Referer away, so that no check may ask for it."""
    a_member_of_staff()
    page = page_of(secure.get("/login", base_url=SECURE))

    typed = page.form("/login").values() | {"email": DESK, "password": PASSWORD}
    signed_in = secure.post("/login", data=typed, base_url=SECURE)
    form = page_of(secure.get(form_path(), base_url=SECURE)).form("/book")
    booked = secure.post("/services/visit/book", data=form.values() | SAM, base_url=SECURE)

    assert (signed_in.status_code, booked.status_code) == (302, 303)


# Logs


def test_no_log_line_holds_a_person_or_a_key(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox, capfd: pytest.CaptureFixture[str]
) -> None:
    """T-39, T-86: a whole visit, with faults, errors and staff, leaves no trace of the person."""
    ours = StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(ours))
    a_member_of_staff()
    person = {"name": "Quetzalina Canarybird", "email": "canary.bird@mail.example"}
    person["phone"] = "(212) 555-0188"
    book(client, **person | {"email": "canary.bird@\r\n"})
    link = book(client, **person).location
    for path in (link, f"{link}/reschedule", f"{link}/invite.ics", f"{link}x", f"{link}/cancel"):
        client.get(path + "?name=Canarybird")
    client.get("/%0d%0aCanarybird", headers={"User-Agent": "Canarybird\x1b[31m"})
    mailbox.refuse_mail = RelayDown("canary.bird@mail.example refused")
    deliver(sqlite_app)
    mailbox.refuse_mail = None
    deliver(sqlite_app)
    sign_in(client, "canary.bird@mail.example", "Canarybird-password-1")
    sign_in(client)
    client.get(f"/staff/appointments/{the_appointment().reference}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clinic, "zone", property(lambda _: 1 / 0))
        assert client.get("/services/visit?tz=Canarybird").status_code == 500
    token = token_of(the_appointment(), HOUSE.keys)

    written = ours.getvalue() + "".join(capfd.readouterr())

    assert '"event": "bug"' in written
    assert '"route": "/appointments/<token>"' in written
    for secret in (*CANARIES, token, PASSWORD, HOUSE.keys.secret):
        assert secret not in written
    assert all(line.startswith("{") for line in written.splitlines())


def test_a_fault_tells_a_visitor_nothing(client: FlaskClient) -> None:
    """T-88."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clinic, "zone", property(lambda _: 1 / 0))

        page, api = client.get("/services/visit"), client.get("/api/v1/slots?service=visit")

    assert page.status_code == 500
    assert page_of(page).heading == "Something went wrong on our side"
    assert not re.search(r"Traceback|Division|File |sqlite", page.get_data(as_text=True))
    assert api.status_code in (422, 500)


def test_a_database_that_fails_is_a_moment_of_patience(client: FlaskClient) -> None:
    """T-88."""
    db.session.remove()
    with db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE healthcare_service RENAME TO gone")

    page, api = client.get("/"), client.get("/api/v1/services")

    assert (page.status_code, api.status_code) == (503, 503)
    assert page.headers["Retry-After"] == "2"
    assert page_of(page).heading == "One moment, please"
    assert api.get_json()["code"] == "busy"


def test_booking_works_while_no_mail_can_leave(client: FlaskClient, mailbox: Mailbox) -> None:
    """T-88."""
    mailbox.refuse_connection = RelayDown("no answer")

    link = a_booked_page(client)
    deliver(client.application)

    assert get(client, link).heading == "Your appointment is booked"


# What no text may break, on either database


def test_a_nul_breaks_nothing(app: Flask) -> None:
    """PostgreSQL refuses text with a NUL: it never gets so far."""
    client = app.test_client()
    a_member_of_staff()
    reference = a_reference()
    body = {
        "service": "vi\0sit",
        "start": "2026-11-24T14:00:00Z",
        "patient": {"name": "S\0m", "email": "sam@mail.example", "timezone": "\0"},
        "practitioner": "a\0",
        "email_consent": True,
    }

    answers = [
        client.get("/services/%00"),
        client.get("/services/visit?practitioner=%00&tz=%00&day=%00&month=%00"),
        client.get("/appointments/%00"),
        client.get("/api/v1/slots?service=%00&from=2026-11-24&to=2026-11-24"),
        client.post("/api/v1/appointments", json=body),
        client.post("/api/v1/appointments", json=body, headers={"Idempotency-Key": "a\x01b"}),
        book(client, "Wed 09:00", name="S\0m", practitioner="\0", timezone="\0", key="\0" * 20),
        sign_in(client, "desk\0@clinic.example", "\0" * 20),
        sign_in(client),
        client.get(f"/staff/?practitioner=%00&from=%00&{reference}"),
        client.get("/staff/appointments/%00"),
    ]

    assert [each.status_code for each in answers] == [
        404, 200, 404, 422, 422, 422, 422, 422, 302, 200, 404
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["' OR '1'='1", "1; DROP TABLE appointment", "%' --", "\\", "_"])
def test_what_looks_like_sql_is_only_text(client: FlaskClient, text: str) -> None:
    """T-37."""
    before = rows()

    for path in ("/services/", "/appointments/", "/api/v1/appointments/"):
        assert client.get(path + text).status_code == 404
    asked = {"service": text, "from": "2026-11-24", "to": "2026-11-24"}
    assert client.get("/api/v1/slots", query_string=asked).status_code == 404

    assert rows() == before


def test_the_database_file_is_for_nobody_else(sqlite_app: Flask) -> None:
    """T-97: the lock beside it as well."""
    path = sqlite_app.extensions["booking"].settings.sqlite_path
    assert isinstance(path, Path)
    a_link()

    assert (Path(f"{path}.writer").stat().st_mode & 0o077) == 0
