"""The public holidays that staff can fill in as closures."""

from datetime import date

import pytest

from booking.domain.public_holidays import public_holidays


def test_a_country_has_its_holidays_in_order_of_date() -> None:
    found = public_holidays("US", None, 2026)

    assert found[date(2026, 11, 26)] == "Thanksgiving Day"
    assert list(found) == sorted(found)
    assert {day.year for day in found} == {2026}


def test_a_region_adds_its_own() -> None:
    bavaria, germany = public_holidays("DE", "BY", 2026), public_holidays("DE", None, 2026)

    assert date(2026, 1, 6) in bavaria
    assert date(2026, 1, 6) not in germany
    assert set(germany) < set(bavaria)


def test_what_is_handed_out_cannot_be_written_to() -> None:
    found = public_holidays("US", None, 2026)

    with pytest.raises(TypeError):
        found[date(2026, 1, 2)] = "A day off"  # type: ignore[index]


@pytest.mark.parametrize(
    ("country", "region"), [("XX", None), ("", None), ("HolidayBase", None), ("US", "ZZ")]
)
def test_an_unknown_place_is_refused_with_a_sentence(country: str, region: str | None) -> None:
    with pytest.raises(ValueError, match=r"^The public holidays of .+ are not known\.$"):
        public_holidays(country, region, 2026)
