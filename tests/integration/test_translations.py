"""What the clinic writes itself is read in the reader's language, and entered where it stands."""

import re
from email import message_from_bytes, policy

import pytest
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar
from pydantic import BaseModel
from sqlalchemy import select

from booking.messages import languages
from booking.models import AuditEntry, Clinic, Location, OwedMessage, Practitioner, Role
from booking.models.database import db, transaction
from booking.services import clinic_file
from booking.services.clinic_file import ClinicFileError, read_clinic_file
from booking.web.clinic_forms import PlaceForm
from booking.web.schedule_forms import ClinicTextsForm, PractitionerForm, ServiceTextsForm
from booking.web.translating import TextsForm
from tests.builders import CLINIC, Clock, Mailbox, the_service
from tests.pages import Page, page_of
from tests.readings import PATIENT
from tests.visits import a_link, a_member_of_staff, book, deliver, form_path, get, send, sign_in

TEXTS, PLACES = "/staff/schedule/texts/", "/staff/schedule/places/"
SERVICE = {
    "name": "Primera consulta",
    "summary": "Venga a conocernos.",
    "event_title": "Reunión",
    "preparation": "Traiga una lista de sus medicamentos.",
}
HOUSE = {
    "name": "Clínica Puerto Tranquilo",
    "neutral_name": "Puerto Tranquilo",
    "crisis_text": "¿En crisis? Llame o escriba a cualquier hora.",
}
THE_WAY = "Suba al segundo piso."


@pytest.fixture
def spanish(client: FlaskClient) -> FlaskClient:
    """A visitor who reads Spanish, at a clinic that has said everything in Spanish."""
    with transaction() as session:
        the_service(session, "visit").translations = {"es": SERVICE}
        session.get_one(Clinic, 1).translations = {"es": HOUSE}
        session.scalars(select(Location)).one().translations = {"es": {"directions": THE_WAY}}
        ada = session.scalars(select(Practitioner).where(Practitioner.slug == "ada")).one()
        ada.title, ada.translations = "Physician", {"es": {"title": "Médica"}}
    get(client, "/?lang=es")
    return client


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    """A browser in which a member of staff is signed in."""
    a_member_of_staff()
    sign_in(client)
    return client


def said(page: Page, *texts: str) -> list[str]:
    """Those of the texts that the page does not say."""
    return [each for each in texts if each not in page.text]


def trail(action: str) -> list[tuple[str, str]]:
    db.session.rollback()
    query = select(AuditEntry.subject, AuditEntry.fields).where(AuditEntry.action == action)
    return [(each.subject, each.fields) for each in db.session.execute(query)]


def test_a_spanish_reader_reads_the_spanish_texts_on_every_page(spanish: FlaskClient) -> None:
    services, times = get(spanish, "/"), get(spanish, "/services/visit")
    form = get(spanish, form_path(practitioner="ada"))
    mine = get(spanish, book(spanish, practitioner="ada").location)

    assert said(services, SERVICE["name"], SERVICE["summary"], *HOUSE["crisis_text"].split()) == []
    assert said(times, SERVICE["name"], "Médica") == []
    assert said(form, SERVICE["name"], f"“{SERVICE['event_title']}”") == []
    wanted = [SERVICE["name"], SERVICE["preparation"], SERVICE["event_title"], THE_WAY, "Médica"]
    assert said(mine, *wanted, HOUSE["name"]) == []
    for page in (services, times, form, mine):
        assert "First consultation" not in page.text
        assert "Quiet Harbor" not in page.text
        assert "In crisis?" not in page.text
        assert "En una crisis, llame" not in page.text, "the clinic says it itself"


def test_an_english_reader_reads_what_was_written(spanish: FlaskClient) -> None:
    page = get(spanish, "/?lang=en")

    assert said(page, "First consultation", "Quiet Harbor Clinic", "In crisis?") == []
    assert "Primera" not in page.text
    assert [each for each in page.all("p") + page.all("h2") if each.get("lang")] == []


def test_what_was_not_translated_is_never_empty(client: FlaskClient) -> None:
    with transaction() as session:
        the_service(session, "visit").translations = {"es": {"name": ""}}

    page = get(client, "/services/visit?lang=es")

    assert page.heading == "First consultation"
    assert page.all("h1")[0].get("lang") == "en", "it is read out as what it is"
    assert "In crisis? Call or text" in page.text
    assert said(get(client, "/"), "Quiet Harbor Clinic") == []


@pytest.mark.parametrize("language", ["es", "en"])
def test_mails_and_events_are_in_the_language_of_the_appointment(
    sqlite_app: Flask, spanish: FlaskClient, mailbox: Mailbox, language: str
) -> None:
    get(spanish, f"/?lang={language}")
    path = book(spanish).location
    get(spanish, f"{path}?lang={'en' if language == 'es' else 'es'}")
    deliver(sqlite_app)

    spanish_words, english_words = ("Reunión", "Puerto Tranquilo"), ("Appointment", "Quiet Harbor")
    wanted = spanish_words if language == "es" else english_words
    (mail,) = mailbox.to(PATIENT)
    parsed = message_from_bytes(mail.content, policy=policy.default)
    (ics, *_) = (each for each in parsed.walk() if each.get_content_type() == "text/calendar")
    downloaded = spanish.get(f"{path}/invite.ics").data
    assert parsed["From"].addresses[0].display_name == wanted[1]
    for content in (bytes(ics.get_payload(decode=True)), downloaded):
        event = Calendar.from_ical(content).walk("VEVENT")[0]
        assert (str(event["summary"]), event["organizer"].params["CN"]) == wanted


def test_staff_are_written_to_and_shown_what_the_clinic_wrote(
    sqlite_app: Flask, spanish: FlaskClient, mailbox: Mailbox
) -> None:
    book(spanish)
    deliver(sqlite_app)
    a_member_of_staff()
    sign_in(spanish)

    (notice,) = mailbox.to("desk@clinic.example")
    assert b'From: "Quiet Harbor" <' in notice.content
    page = get(spanish, TEXTS)
    assert "First consultation" in page.text
    assert "Primera consulta" not in page.text


def test_a_title_that_the_patient_chose_stays(spanish: FlaskClient) -> None:
    path = book(spanish, event_title="Dentista").location

    assert "SUMMARY:Dentista" in spanish.get(f"{path}/invite.ics").get_data(as_text=True)


def test_another_title_is_told_to_nobody_by_itself(
    sqlite_app: Flask, spanish: FlaskClient, mailbox: Mailbox, clock: Clock
) -> None:
    book(spanish)
    deliver(sqlite_app)
    before = len(mailbox.mails)
    a_member_of_staff()
    sign_in(spanish)

    send(spanish, get(spanish, f"{TEXTS}visit"), event_title_es="Encuentro", save="y")
    clock.forward(minutes=5)
    deliver(sqlite_app)

    assert len(mailbox.mails) == before
    assert db.session.scalars(select(OwedMessage.kind).distinct()).all() == ["confirmed"]


def test_the_api_names_services_in_the_language_that_is_asked_for(spanish: FlaskClient) -> None:
    def name(query: str) -> str:
        answer = spanish.get(f"/api/v1/services{query}").json
        assert answer
        return str(answer["services"][0]["name"])

    assert name("?lang=es") == "Primera consulta"
    assert name("?lang=en") == "First consultation"
    assert name("") == "First consultation"
    answer = spanish.get("/api/v1/services?lang=xx")
    assert answer.status_code == 422
    assert answer.json
    assert list(answer.json["errors"]) == ["lang"]


def test_a_services_texts_are_entered_beside_the_originals(desk: FlaskClient) -> None:
    entered = {f"{name}_es": text for name, text in SERVICE.items()}

    looked = page_of(send(desk, get(desk, f"{TEXTS}visit"), **entered))
    db.session.rollback()
    untouched = the_service(db.session(), "visit").translations
    send(desk, looked, save="y")

    assert untouched == {}
    assert "In Spanish Title Reunión" in re.sub(r"\s+", " ", looked.all("section")[0].text)
    db.session.rollback()
    assert the_service(db.session(), "visit").translations == {"es": SERVICE}
    assert trail("texts.change") == [
        ("visit", "name.es summary.es event_title.es preparation.es"),
    ]
    assert get(desk, f"{TEXTS}visit").form("").values()["name_es"] == "Primera consulta"


def test_the_list_says_what_is_not_translated_yet(desk: FlaskClient) -> None:
    def lines() -> list[str]:
        found = [each.text for each in get(desk, TEXTS).all("li") if "in calendars" in each.text]
        return [each for each in found if "not all of it in Spanish" in each]

    before = lines()
    send(desk, get(desk, f"{TEXTS}video"), name_es="Consulta por video", save="y")

    assert len(before) == 4
    assert [each for each in before if each not in lines()] == [
        each for each in before if "Video" in each
    ]


def test_the_clinics_texts_are_entered_and_emptied(desk: FlaskClient) -> None:
    send(desk, get(desk, TEXTS), **{f"{name}_es": text for name, text in HOUSE.items()})
    send(desk, get(desk, TEXTS), name_es=" ")

    db.session.rollback()
    kept = {name: text for name, text in HOUSE.items() if name != "name"}
    assert db.session.get_one(Clinic, 1).translations == {"es": kept}
    assert [fields for _, fields in trail("texts.change")] == [
        "name.es neutral_name.es crisis_text.es",
        "name.es",
    ]


def test_the_way_and_the_title_are_entered_too(desk: FlaskClient) -> None:
    send(desk, get(desk, f"{PLACES}1"), directions_es=THE_WAY)
    send(desk, get(desk, "/staff/schedule/practitioners/ada/details"), title_es="Médica")

    db.session.rollback()
    assert db.session.get_one(Location, 1).translations == {"es": {"directions": THE_WAY}}
    ada = db.session.scalars(select(Practitioner).where(Practitioner.slug == "ada")).one()
    assert ada.translations == {"es": {"title": "Médica"}}
    assert trail("place.change") == [("place-1", "directions.es")]


def test_translations_survive_the_question_about_another_address(desk: FlaskClient) -> None:
    a_link("Tue 09:00")

    question = page_of(
        send(desk, get(desk, f"{PLACES}1"), address="1 New Road", directions_es=THE_WAY)
    )
    send(desk, question)

    db.session.rollback()
    place = db.session.get_one(Location, 1)
    assert (place.address, place.translations) == ("1 New Road", {"es": {"directions": THE_WAY}})


@pytest.mark.parametrize(
    ("path", "typed", "sentence"),
    [
        (TEXTS, {"crisis_text_es": "x" * 301}, "In Spanish: "),
        (TEXTS, {"neutral_name_es": "Puerto\u202e"}, "a character that we cannot use"),
        (f"{TEXTS}visit", {"event_title_es": "x" * 61}, "up to 60 characters"),
        (f"{TEXTS}visit", {"preparation_es": "=?utf-8?q?x?="}, "a character that we cannot use"),
        (f"{PLACES}1", {"directions_es": "x" * 1001}, "up to 1000 characters"),
    ],
)
def test_what_guards_the_original_guards_its_translation(
    desk: FlaskClient, path: str, typed: dict[str, str], sentence: str
) -> None:
    answer = send(desk, get(desk, path), save="y", **typed)

    assert answer.status_code == 422
    page = page_of(answer)
    assert any(sentence in each.text for each in page.alerts())
    assert page.all("details")[-1].get("open") is not None


def test_who_may_not_change_the_texts_may_not_translate_them(client: FlaskClient) -> None:
    a_member_of_staff(role=Role.AUDITOR)
    sign_in(client)

    answer = client.post(f"{TEXTS}visit", data={"name_es": "x"})

    assert answer.status_code in (400, 403)
    assert the_service(db.session(), "visit").translations == {}


def test_with_one_language_nothing_is_asked(
    desk: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(languages.LANGUAGES, "es")

    for path in (TEXTS, f"{TEXTS}visit", f"{PLACES}1"):
        assert "Spanish" not in get(desk, path).text


def test_a_clinic_that_writes_spanish_is_asked_for_english(desk: FlaskClient) -> None:
    with transaction() as session:
        session.get_one(Clinic, 1).language = "es"

    page = get(desk, TEXTS)
    values = page.form("").values()

    assert "In English" in page.text
    assert {"name_en", "crisis_text_en"} <= values.keys()
    assert not [name for name in values if name.endswith("_es")]
    assert "En una crisis" not in get(desk, "/?lang=es").text
    assert "In a crisis, call this number" in get(desk, "/?lang=en").text


def test_the_frame_speaks_the_readers_language(spanish: FlaskClient) -> None:
    page = page_of(spanish.get("/?embed=1", headers={"Accept-Language": "es"}))

    assert said(page, SERVICE["name"], SERVICE["summary"]) == []


def test_a_patients_own_data_name_the_service_in_their_language(spanish: FlaskClient) -> None:
    path = book(spanish).location

    answer = send(spanish, get(spanish, path), "/data")

    assert "Primera consulta" in str(answer.json)


IN_FILE = CLINIC.replace(
    '\n[[services]]\nslug = "video"',
    '\n[services.translations.es]\nname = "Primera consulta"\n\n[[services]]\nslug = "video"',
    1,
)


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        ("translations.es", "translations.fr", "is no language that patients can choose: en, es"),
        ("translations.es", "translations.en", "services.visit: en is the clinic's own language"),
        ('name = "Primera', 'slug = "Primera', "services.0.translations.es.slug"),
        ("Primera consulta", "x" * 101, "services.0.translations.es.name"),
    ],
)
def test_a_fault_of_a_translation_in_the_file_says_where_it_is(
    right: str, wrong: str, sentence: str
) -> None:
    with pytest.raises(ClinicFileError) as fault:
        read_clinic_file(IN_FILE.replace(right, wrong, 1))

    assert sentence in str(fault.value)
    assert len(str(fault.value).splitlines()) == 1


def test_the_file_and_the_pages_ask_for_the_same_texts() -> None:
    forms: dict[type[TextsForm], type[BaseModel]] = {
        ClinicTextsForm: clinic_file.ClinicInLanguage,
        ServiceTextsForm: clinic_file.ServiceInLanguage,
        PlaceForm: clinic_file.LocationInLanguage,
        PractitionerForm: clinic_file.PractitionerInLanguage,
    }

    for form, part in forms.items():
        assert tuple(part.model_fields) == form.of.TRANSLATED
