"""Whatever colour a clinic chooses, everybody can read what is drawn with it."""

import colorsys
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.colours import BLACK, DARK, LIGHT, WHITE, Colour, Theme, accent_of, contrast
from booking.domain.pictures import NoPicture, Picture, read_picture
from booking.web.styleguide import pairs, tokens

SHEET = (Path(__file__).parents[2] / "booking/static/style.css").read_text(encoding="utf-8")
part = st.integers(0, 255)
colours = st.builds(Colour, part, part, part)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (300).to_bytes(4, "big") + (80).to_bytes(4, "big")
JPEG = bytes.fromhex("ffd8 ffe0 0010 4a464946000101000001000100 00 ffc0 0011 08 0050 012c 03")


@given(colours, st.sampled_from([LIGHT, DARK]))
def test_every_colour_can_be_read_in_every_theme(chosen: Colour, theme: Theme) -> None:
    accent = accent_of(chosen, theme)

    for what, one, other, least in accent.pairs(theme):
        assert contrast(one, other) >= least, what


@given(colours)
def test_the_hue_stays(chosen: Colour) -> None:
    found = accent_of(chosen, LIGHT).accent
    hue, lightness, saturation = hls(chosen)
    new_hue, new_lightness, _ = hls(found)

    if min(saturation, lightness, 1 - lightness, new_lightness) > 0.15:
        assert min(abs(hue - new_hue), 1 - abs(hue - new_hue)) < 0.03


def hls(colour: Colour) -> tuple[float, float, float]:
    return colorsys.rgb_to_hls(colour.red / 255, colour.green / 255, colour.blue / 255)


def test_a_colour_that_can_be_read_is_left_alone() -> None:
    assert accent_of(Colour.read("#1F5F58"), LIGHT).accent == Colour.read("#1f5f58")


def test_contrast_is_measured_as_wcag_says() -> None:
    assert contrast(WHITE, BLACK) == pytest.approx(21)
    assert contrast(WHITE, Colour.read("#777777")) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("text", ["", "red", "#12345", "#1234567", "#12345g", "url(x)"])
def test_what_is_no_colour_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no colour"):
        Colour.read(text)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_the_grounds_are_those_of_the_stylesheet(theme: Theme) -> None:
    there = tokens(SHEET)[theme.name]

    assert (there["paper"], there["card"], there["ink"]) == (theme.paper, theme.card, theme.ink)


def test_every_pair_of_the_stylesheet_reaches_what_it_needs() -> None:
    for pair in pairs(SHEET):
        assert min(pair.light, pair.dark) >= pair.least, pair
    assert len(re.findall(r"^ +--[a-z-]+: #", SHEET, re.MULTILINE)) == 28


def test_a_picture_is_told_by_its_first_bytes() -> None:
    assert read_picture(PNG) == Picture("image/png", 300, 80)
    assert read_picture(JPEG) == Picture("image/jpeg", 300, 80)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        PNG[:16] + bytes(8),
        PNG[:16] + (5000).to_bytes(4, "big") * 2,
        JPEG[:22],
        b"\xff\xd8\xff\xe0\0\0" * 20,
        b"GIF89a" + bytes(20),
    ],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(NoPicture):
        read_picture(content)
