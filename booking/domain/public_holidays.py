"""The public holidays of a country or of one of its regions, to fill in as closures."""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from types import MappingProxyType

import holidays
from holidays.registry import EntityLoader

ALPHA_2 = 2


@lru_cache(maxsize=1)
def countries() -> tuple[str, ...]:
    """The ISO 3166-1 alpha-2 codes of all countries whose public holidays are known."""
    # The library knows them by three letters too, and the United Kingdom by its other name.
    known = EntityLoader.get_country_codes(include_aliases=False)
    return tuple(sorted(each for each in known if len(each) == ALPHA_2))


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    """All codes that the library takes; its own list of them would load every country."""
    return frozenset(EntityLoader.get_country_codes())


@lru_cache(maxsize=64)
def regions(country: str) -> Mapping[str, str]:
    """The states or provinces of a country that have holidays of their own: code and name.

    Raises:
        ValueError: if the country is not known.
    """
    if country not in countries():
        raise ValueError(f"The public holidays of {country!r} are not known.")
    aliases = holidays.country_holidays(country).get_subdivision_aliases()
    named = {code: next(iter(names), code) for code, names in aliases.items()}
    return MappingProxyType(dict(sorted(named.items(), key=lambda each: each[1])))


@lru_cache(maxsize=256)
def public_holidays(country: str, region: str | None, year: int) -> Mapping[date, str]:
    """The names of the public holidays of a year by their date, in order of the dates.

    Args:
        country: ISO 3166-1 alpha-2 code, such as ``US``.
        region: The code of a state or province, such as ``CA``; absent for the whole country.

    Raises:
        ValueError: if the country or the region is not known.
    """
    # Asked first, since the library takes the name of any of its classes for a country.
    if country not in _names():
        raise ValueError(f"The public holidays of {country!r} are not known.")
    try:
        found = holidays.country_holidays(country, subdiv=region, years=year)
    except NotImplementedError as unknown:
        raise ValueError(
            f"The public holidays of {region!r} in {country} are not known."
        ) from unknown
    return MappingProxyType(dict(sorted(found.items())))
