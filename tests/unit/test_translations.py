"""A text in a language, or as the clinic wrote it."""

from booking.domain.translations import differences, text_in, tidied

SPANISH = {"es": {"name": "Primera consulta"}}


def test_a_text_is_read_in_the_language_or_as_it_was_written() -> None:
    assert text_in("es", "name", "First consultation", SPANISH) == "Primera consulta"
    assert text_in("en", "name", "First consultation", SPANISH) == "First consultation"
    assert text_in("es", "summary", "Meet us.", SPANISH) == "Meet us."


def test_an_empty_text_never_hides_the_one_that_was_written() -> None:
    assert text_in("es", "name", "First consultation", {"es": {"name": ""}}) == "First consultation"
    assert text_in("es", "title", None, {}) == ""


def test_what_says_nothing_is_not_kept() -> None:
    typed: dict[str, dict[str, str | None]]
    typed = {"es": {"name": " Cita ", "summary": "  ", "title": None}, "fr": {"name": ""}}

    assert tidied(typed) == {"es": {"name": "Cita"}}


def test_differences_are_named_by_field_and_language() -> None:
    after = {"es": {"summary": "Venga."}, "fr": {"name": "Rendez-vous"}}

    assert differences(SPANISH, after) == ["name.es", "summary.es", "name.fr"]
    assert differences(SPANISH, SPANISH) == []
