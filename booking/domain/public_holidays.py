"""The public holidays of a country or of one of its regions, to fill in as closures."""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from types import MappingProxyType

import holidays


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
    if country not in holidays.list_supported_countries():
        raise ValueError(f"The public holidays of {country!r} are not known.")
    try:
        found = holidays.country_holidays(country, subdiv=region, years=year)
    except NotImplementedError as unknown:
        raise ValueError(
            f"The public holidays of {region!r} in {country} are not known."
        ) from unknown
    return MappingProxyType(dict(sorted(found.items())))
