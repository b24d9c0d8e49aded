"""The languages that patients are written to in, and their catalogs.

A catalog is read from its `.po` once for each process: no compiled file can be older than it.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.core import get_global
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "es": "Español"}
"""By BCP 47 tag, each as its speakers call it; the texts in the code are English."""
FOLDER = Path(__file__).parent.parent / "translations"


def known_language(tag: str | None) -> str:
    """The language itself if it is one of ours, otherwise English."""
    return tag if tag in LANGUAGES else ENGLISH


@lru_cache
def catalog(language: str) -> NullTranslations:
    """The texts of a language; English ones where it has none."""
    path = FOLDER / language / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return NullTranslations()
    with path.open("rb") as file:
        texts = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, texts)
    compiled.seek(0)
    return Translations(compiled)


@lru_cache
def translator(language: str) -> Callable[..., str]:
    """`_`: gives a text in that language, with its places filled in."""
    texts = catalog(language)

    def translate(text: str, **places: object) -> str:
        found = texts.gettext(text)
        return found % places if places else found

    return translate


@lru_cache
def direction(language: str) -> str:
    """Where its lines begin: `ltr` or `rtl`."""
    return Locale.parse(language).text_direction


def english_name(language: str) -> str:
    """What English calls it: "Spanish"."""
    return Locale.parse(language).get_display_name(ENGLISH) or language


@lru_cache
def weekday_names(language: str) -> tuple[str, ...]:
    """Monday first."""
    return _in_order(Locale.parse(language).days["format"]["wide"].items())


@lru_cache
def month_names(language: str) -> tuple[str, ...]:
    """January first."""
    return _in_order(Locale.parse(language).months["format"]["wide"].items())


def zone_today(zone: str) -> str:
    """What a zone is called today: browsers still say `Asia/Calcutta` and `Europe/Kiev`."""
    found: str = get_global("zone_aliases").get(zone, zone)
    return found


@lru_cache
def city(zone: str, language: str) -> str:
    """The place of an IANA zone, as people call it there: "New York", "Nueva York"."""
    zone = zone_today(zone)
    ours = zone.rpartition("/")[2].replace("_", " ")
    if language == ENGLISH:
        return ours
    called = Locale.parse(language).time_zones  # the CLDR keeps a place under its first name
    former = (old for old, new in get_global("zone_aliases").items() if new == zone)
    names = (called[each]["city"] for each in (zone, *former) if "city" in called.get(each, {}))
    return str(next(names, ours))


def _in_order(names: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(name for _, name in sorted(names))


def country_name(country: str) -> str:
    """`Germany` for DE, in English."""
    return str(Locale.parse(ENGLISH).territories.get(country, country))
