"""The catalogs hold all that patients read, whole and in step with the sources."""

import re
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from booking.messages import invitation, links, wording
from booking.messages.languages import ENGLISH, FOLDER, LANGUAGES, catalog, city, direction
from booking.messages.mail import PATIENT_KINDS
from tests.unit.test_invitation import STAMP, a_clinic, an_appointment
from tests.unit.test_mail import BANNED, MODES, header, text_of, to_patient

ROOT = Path(__file__).parents[2]
TRANSLATED = sorted(LANGUAGES.keys() - {ENGLISH})
PLACES = re.compile(r"%\(\w+\)s|%")
BANNED_IN_SPANISH = ("ketamina", "infusi", "depresi", "tratamiento", "terap", "psiqui", "ansiedad",
                     "adicci", "consulta", "señor", "médic", "pacient")  # fmt: skip
TUESDAY = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)
LATER = datetime(2026, 11, 24, 15, 15, tzinfo=UTC)


@cache
def texts(language: str) -> Catalog:
    with (FOLDER / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language)


def forms_of(text: Any) -> tuple[str, ...]:
    """A text; or its singular and plural."""
    return (text,) if isinstance(text, str) else tuple(text)


def messages(language: str) -> list[Message]:
    return [each for each in texts(language) if each.id]


@cache
def sources() -> frozenset[Any]:
    """Every text that the sources mark, as `bin/translate` finds them."""
    parse: Any = parse_mapping_cfg
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse(file)
    keywords = DEFAULT_KEYWORDS | {"_l": None, "_": None}
    found = extract_from_dir(ROOT, methods, options, keywords)
    return frozenset(message for _, _, message, _, _ in found)


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_for_patients_is_translated(language: str) -> None:
    left = [each.id for each in messages(language) if each.fuzzy or not all(forms_of(each.string))]

    assert not left


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalog_knows_what_the_sources_say_and_nothing_else(language: str) -> None:
    known = {each.id if isinstance(each.id, str) else tuple(each.id) for each in messages(language)}

    assert known ^ sources() == set(), "run bin/translate"


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_fills_in_the_same_places(language: str) -> None:
    for each in messages(language):
        wanted = {tuple(sorted(PLACES.findall(text))) for text in forms_of(each.id)}
        given = {tuple(sorted(PLACES.findall(text))) for text in forms_of(each.string)}
        assert wanted == given, each.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_ends_as_its_text_does(language: str) -> None:
    """A sentence stays a sentence, a label a label: texts are joined to others."""
    for each in messages(language):
        text, given = forms_of(each.id)[0], forms_of(each.string)[0]
        assert (text[-1] in ":? ") == (given[-1] in ":? "), text
        if not text.startswith("%(time)"):
            assert text.endswith(".") == given.endswith("."), text


def test_what_only_staff_read_is_left_out() -> None:
    places = {place for each in messages("es") for place, _ in each.locations}

    assert "templates/patient/appointment.html" in places
    assert not [each for each in places if "/staff/" in each or "notice" in each]


def test_a_language_without_a_catalog_is_english_and_knows_its_direction() -> None:
    assert catalog("ar").gettext("Your name") == "Your name"
    assert (direction("ar"), direction("es")) == ("rtl", "ltr")


def test_spanish_times_read_as_people_write_them() -> None:
    zone = "America/New_York"

    when = wording.when_text(TUESDAY, LATER, zone, language="es").replace("\u00a0", " ")
    day = wording.day_text(TUESDAY, zone, today=date(2026, 1, 1), language="es")
    short = wording.short_when(TUESDAY, zone, language="es").replace("\u00a0", " ")

    assert when == (
        "martes 24 de noviembre de 2026, de 9:30 a. m. a 10:15 a. m., hora de Nueva York"
    )
    assert day == "martes 24 de noviembre"
    assert short == "24 de noviembre, 9:30 a. m."
    assert wording.month_text(date(2026, 11, 1), language="es") == "noviembre de 2026"


def test_english_places_are_called_as_before() -> None:
    assert city("America/St_Johns", "en") == "St Johns"
    assert city("Asia/Calcutta", "en") == "Kolkata", "as browsers still call the zone"
    assert city("Europe/Kiev", "en") == city("Europe/Kyiv", "en") == "Kyiv"
    assert city("Europe/London", "es") == "Londres"
    assert city("Asia/Calcutta", "es") == city("Asia/Kolkata", "es") == "Calcuta"
    assert city("America/Bogota", "es") == "Bogotá"
    assert city("America/Chicago", "es") == "Chicago"


def test_a_spanish_event_is_spanish() -> None:
    facts = an_appointment(language="es", mode="video", location="", title="Appointment")

    event = invitation.request(a_clinic(), facts, stamp=STAMP).decode().replace("\r\n ", "")

    assert "SUMMARY:Cita\r\n" in event
    assert "Ver\\, cambiar o cancelar su cita" in event
    assert "See" not in event
    assert "Todo%20lo%20dem%C3%A1s" in links.google_calendar_url(facts)


def test_a_title_that_somebody_chose_is_theirs() -> None:
    facts = an_appointment(language="es", title="Dentist")

    assert b"SUMMARY:Dentist\r\n" in invitation.download(a_clinic(), facts)


@pytest.mark.parametrize("kind", sorted(PATIENT_KINDS))
def test_a_spanish_mail_is_spanish_and_tells_nobody_why(kind: str) -> None:
    english = [each.id for each in messages("es") if isinstance(each.id, str) and " " in each.id]
    for mode in MODES:
        mail = to_patient(kind, language="es", title="Appointment", **mode)
        words = [header(mail, "Subject"), text_of(mail, "plain"), text_of(mail, "html")]
        for text in english:
            assert text not in " ".join(words)
        for word in (*BANNED, *BANNED_IN_SPANISH):
            assert not re.search(rf"\b{word}", " ".join(words).lower())
        assert '<html lang="es" dir="ltr">' in words[2]
        assert "cita el" in words[0] or kind == "confirm_address"
