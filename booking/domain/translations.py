"""What the clinic writes itself, in its own language and in others."""

from collections.abc import Iterable, Mapping

Translations = dict[str, dict[str, str]]
"""By language and name of the field: `{"es": {"name": "Primera consulta"}}`."""


def text_in(language: str, field: str, own: str | None, others: Translations) -> str:
    """The text in a language, or as the clinic wrote it where it has none there."""
    return others.get(language, {}).get(field) or own or ""


def tidied(others: Mapping[str, Mapping[str, str | None]]) -> Translations:
    """Only what says something: an empty text would hide the clinic's own."""
    kept = {
        language: {field: text.strip() for field, text in texts.items() if text and text.strip()}
        for language, texts in others.items()
    }
    return {language: texts for language, texts in kept.items() if texts}


def differences(before: Translations, after: Translations) -> list[str]:
    """The names of the texts that are others, such as `name.es`."""
    languages = dict.fromkeys([*before, *after])
    return [
        f"{field}.{language}"
        for language in languages
        for field in _fields(before.get(language, {}), after.get(language, {}))
    ]


def _fields(before: Mapping[str, str], after: Mapping[str, str]) -> Iterable[str]:
    fields = dict.fromkeys([*before, *after])
    return (each for each in fields if before.get(each) != after.get(each))
