"""Pages and mails are read by people who are unwell: a child of ten can read them.

Two measures count words to a sentence and syllables to a word: Flesch and Kincaid's grade for
English (a year at school; the fourth is that of nine and ten years), and Szigriszt's perspicuity
for Spanish (above 80 "very easy" on Barrio's scale, INFLESZ).
"""

import re

from tests.unit.test_languages import forms_of, messages

WORD = re.compile(r"[^\W\d_]+")
LONGEST = 20
"""Words of a sentence; GOV.UK asks for at most 25."""


def sentences(texts: list[str]) -> list[list[str]]:
    """The words of each whole sentence."""
    plain = [re.sub(r"%\(\w+\)s", "Ann", each) for each in texts]
    found = [part for each in plain for part in re.split(r"(?<=[.?:])\s+", each)]
    return [WORD.findall(each) for each in found if each.endswith((".", "?"))]


def measures(language: str, vowels: str) -> tuple[float, float, int]:
    """Words to a sentence, syllables to a word, words of the longest sentence."""
    texts = [
        text
        for each in messages("es")
        for text in forms_of(each.id if language == "en" else each.string)
    ]
    read = [each for each in sentences(texts) if each]
    words = [word.lower() for each in read for word in each]
    syllables = sum(max(1, len(re.findall(f"[{vowels}]+", word))) for word in words)
    return len(words) / len(read), syllables / len(words), max(map(len, read))


def test_english_is_for_a_child_of_ten() -> None:
    words, syllables, longest = measures("en", "aeiouy")

    assert 0.39 * words + 11.8 * syllables - 15.59 < 5
    assert longest <= LONGEST


def test_spanish_is_very_easy() -> None:
    words, syllables, longest = measures("es", "aeiouáéíóúü")

    assert 206.84 - 62.3 * syllables - words > 80
    assert longest <= LONGEST
