"""Patients read their own language, from the first page to the last mail; staff read English."""

import re
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from booking.messages import languages
from booking.messages.mail import Mail
from booking.models import Appointment, ServiceReminder
from booking.models.database import db, transaction
from booking.web.fields import utc_text
from tests.builders import Clock, Mailbox, at, the_service
from tests.pages import Page, page_of
from tests.readings import PATIENT
from tests.unit.test_languages import BANNED_IN_SPANISH, PLACES, messages
from tests.unit.test_mail import BANNED
from tests.visits import (
    SAM,
    a_link,
    a_member_of_staff,
    a_reference,
    book,
    deliver,
    form_path,
    get,
    send,
    sign_in,
    the_appointment,
)

SPANISH = {"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}
STYLE = Path(__file__).parents[2] / "booking" / "static" / "style.css"


def language_of(page: Page) -> str:
    return page.all("html")[0].get("lang")


def read(client: FlaskClient, path: str, status: int = 200) -> Page:
    """A page that must be Spanish through and through."""
    return is_spanish(client.get(path), status)


def is_spanish(response: TestResponse, status: int = 200) -> Page:
    assert response.status_code == status
    page = page_of(response)
    assert language_of(page) == "es"
    words = f"{page.text} {page.title}"
    for each in messages("es"):
        for part in PLACES.split(each.id) if isinstance(each.id, str) else ():
            if " " in part.strip() and part != each.string:
                assert part not in words, f"{response.request.path}: {part}"
    return page


def words_of(mail: Mail) -> tuple[str, str]:
    """Subject and text."""
    parsed = message_from_bytes(mail.content, policy=policy.default)
    body = parsed.get_body(("plain",))
    assert body is not None
    return str(parsed["Subject"]), body.get_content()


def test_the_address_chooses_and_the_visit_remembers(client: FlaskClient) -> None:
    assert language_of(get(client, "/")) == "en"
    assert language_of(get(client, "/?lang=es")) == "es"
    assert language_of(get(client, "/services/visit")) == "es"
    assert language_of(get(client, "/find?lang=en")) == "en"
    assert language_of(get(client, "/services/visit")) == "en"
    assert language_of(get(client, "/?lang=xx")) == "en"


def test_a_browser_that_prefers_spanish_gets_it(client: FlaskClient) -> None:
    assert language_of(page_of(client.get("/", headers=SPANISH))) == "es"
    assert language_of(page_of(client.get("/", headers={"Accept-Language": "fr"}))) == "en"


def test_the_other_language_is_one_link_away_on_the_same_page(client: FlaskClient) -> None:
    path = "/services/video?month=2026-12&tz=Europe%2FLondon"
    page = get(client, path)
    [link] = [each for each in page.all("a") if each.text == "Español"]

    assert link.get("lang") == link.get("hreflang") == "es"
    there = get(client, link.get("href"))
    assert language_of(there) == "es"
    assert "diciembre de 2026" in there.text
    assert "hora de Londres" in there.text
    assert language_of(get(client, there.link("English"))) == "en"


def test_an_address_cannot_make_the_link_lead_elsewhere(client: FlaskClient) -> None:
    page = get(client, "/?_external=1&_scheme=evil&lang=en&x=%22%3E")

    assert page.link("Español").startswith("/?")


def test_a_whole_visit_in_spanish(client: FlaskClient) -> None:
    read(client, "/?lang=es")
    read(client, "/services/video?tz=Europe/London")
    read(client, "/services/visit")
    read(client, "/services/visit?month=2027-06")
    form = read(client, form_path(service="call"))
    page = is_spanish(send(client, form, "/book", name="", email="sam@", phone="12"), 422)
    assert "Escriba su nombre." in page.text
    nearly = send(client, get(client, form_path()), "/book", **SAM | {"email": "sam@gmial.com"})
    assert "¿Quiso escribir sam@gmail.com?" in is_spanish(nearly, 422).text

    path = book(client, service="call").location

    assert "“Cita”" in read(client, path).text
    read(client, f"{path}/reschedule")
    start = utc_text(at("Wed 10:00"))
    chosen = read(client, f"{path}/reschedule?start={start}")
    assert client.post(f"{path}/reschedule", data=chosen.form().values()).status_code == 303
    assert "Su cita se cambió" in read(client, f"{path}?moved=1").text
    too_long = send(client, read(client, f"{path}/cancel"), reason="x" * 501)
    assert "El motivo puede tener" in is_spanish(too_long, 422).text
    send(client, get(client, f"{path}/cancel"))
    assert "Su cita está cancelada" in read(client, path).text
    read(client, f"{path}/cancel", 409)
    lost = send(client, read(client, "/find"), email="nobody")
    assert "Escriba un correo electrónico completo" in is_spanish(lost, 422).text
    read(client, "/find?asked=1")
    read(client, "/nothing-here", 404)
    taken = client.get(form_path("Sun 03:00"))
    assert "Esa hora ya no está libre" in is_spanish(taken, 409).text


def test_a_form_that_is_shown_again_in_another_language_books_nothing(
    sqlite_app: Flask, client: FlaskClient
) -> None:
    form = get(client, form_path("Tue 09:00")).form("/book")
    typed = SAM | {"name": "Sam <Rivers"}
    address = f"{form.get('action')}?lang=es&again=1"

    again = client.post(address, data=form.values() | typed)
    without = client.post(address, data={"start": "soon"})

    shown = is_spanish(again).form("/book").values()
    assert {name: shown[name] for name in typed} == typed
    assert (shown["key"], shown["start"]) == (form.values()["key"], form.values()["start"])
    assert (without.status_code, without.location) == (303, "/services/visit")
    with sqlite_app.app_context():
        assert db.session.scalars(select(Appointment)).all() == []


def test_the_appointment_keeps_the_language_and_its_mails_follow(
    sqlite_app: Flask, client: FlaskClient, clock: Clock, mailbox: Mailbox
) -> None:
    with transaction() as session:
        the_service(session, "video").reminders = [ServiceReminder(before=timedelta(days=2))]
    get(client, "/?lang=es")
    path = book(client, "Fri 09:00", "video").location
    assert the_appointment().language == "es"
    get(client, "/?lang=en")
    deliver(sqlite_app)
    clock.forward(minutes=5)
    move = client.get(f"{path}/reschedule?start={utc_text(at('Fri 11:00'))}")
    client.post(f"{path}/reschedule", data=page_of(move).form().values())
    clock.forward(minutes=5)
    deliver(sqlite_app)
    clock.now = at("Wed 12:00")
    deliver(sqlite_app)
    send(client, get(client, f"{path}/cancel"))
    clock.forward(minutes=5)
    deliver(sqlite_app)

    mails = [words_of(each) for each in mailbox.to(PATIENT)]
    assert [subject.partition(":")[0] for subject, _ in mails] == [
        "Confirmada",
        "Actualizada",
        "Recordatorio",
        "Cancelada",
    ]
    for subject, text in mails:
        for word in (*BANNED, *BANNED_IN_SPANISH):
            assert not re.search(rf"\b{word}", f"{subject} {text}".lower())
        assert "¿Preguntas? Llámenos" in text
    notices = [words_of(each)[0] for each in mailbox.to("desk@clinic.example")]
    assert notices
    assert all(re.match("Booked|Updated|Cancelled", each) for each in notices)


def test_the_file_for_a_calendar_is_in_the_language_of_the_appointment(
    client: FlaskClient,
) -> None:
    get(client, "/?lang=es")
    path = book(client).location
    get(client, f"{path}?lang=en")

    assert "SUMMARY:Cita" in client.get(f"{path}/invite.ics").get_data(as_text=True)


def test_the_patients_page_is_in_its_own_language_until_another_is_asked_for(
    client: FlaskClient, sqlite_app: Flask
) -> None:
    get(client, "/?lang=es")
    spanish = book(client).location
    other = sqlite_app.test_client()

    assert language_of(get(other, spanish)) == "es"
    assert language_of(get(other, f"{spanish}?lang=en")) == "en"
    assert language_of(get(other, f"{spanish}/reschedule")) == "en"
    english = a_link("Tue 14:00")
    assert language_of(page_of(client.get(english, headers=SPANISH))) == "en"
    with client.session_transaction() as kept:
        assert spanish.rpartition("/")[2] not in str(dict(kept))


def test_staff_read_english_and_see_which_language_the_patient_reads(
    client: FlaskClient,
) -> None:
    get(client, "/?lang=es")
    book(client)
    spanish = the_appointment().reference
    english = a_reference("Wed 10:00")
    a_member_of_staff()
    sign_in(client)

    page = page_of(client.get(f"/staff/appointments/{spanish}?lang=es", headers=SPANISH))

    assert language_of(page) == "en"
    assert "Tuesday" in page.text
    assert re.search(r"Language\s*Spanish", page.text)
    assert not [each for each in page.all("a") if each.text == "Español"]
    assert "Language" not in get(client, f"/staff/appointments/{english}").text


def test_the_sign_in_is_english(client: FlaskClient) -> None:
    assert language_of(page_of(client.get("/login?lang=es", headers=SPANISH))) == "en"


def test_a_program_says_the_language(client: FlaskClient) -> None:
    body = {
        "service": "visit",
        "start": utc_text(at("Tue 09:00")),
        "email_consent": True,
        "patient": {"name": "Sam Rivers", "email": PATIENT, "language": "xx"},
    }

    refused = client.post("/api/v1/appointments", json=body, headers=SPANISH)
    assert refused.json
    assert refused.json["errors"] == {"patient.language": ["Choose one of: en, es."]}
    body["patient"]["language"] = "es"  # type: ignore[index]
    assert client.post("/api/v1/appointments", json=body).status_code == 201
    assert the_appointment().language == "es"


def test_a_program_that_says_nothing_means_english(client: FlaskClient) -> None:
    patient = {"name": "", "email": PATIENT}
    body = {"service": "visit", "start": "x", "email_consent": True, "patient": patient}

    answer = client.post("/api/v1/appointments", json=body, headers=SPANISH)

    assert answer.json
    assert answer.json["errors"]["patient.name"] == ["Enter your name."]


def test_a_language_that_is_read_from_the_right(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(languages.LANGUAGES, "ar", "العربية")

    page = get(client, "/services/visit?lang=ar")

    assert (language_of(page), page.all("html")[0].get("dir")) == ("ar", "rtl")


def test_the_style_sheet_knows_no_left_and_no_right() -> None:
    style = STYLE.read_text()
    sided = re.findall(r"[-\s{;](?:left|right)\s*[:;-]|text-align: (?:left|right)", style)
    shorthands = re.findall(r"(?:padding|margin): [^;\s]+ ([^;\s]+) [^;\s]+ ([^;\s]+);", style)
    lopsided = [(right, left) for right, left in shorthands if right != left]

    assert not sided
    assert not lopsided
