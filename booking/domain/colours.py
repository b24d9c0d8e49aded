"""Colours that can be read: contrast by WCAG 2.2, and a clinic's own colour made to fit.

A clinic chooses one colour. Its hue is kept, its lightness is moved until everything that is drawn
with it reaches what WCAG asks for, in the light and in the dark theme.
"""

import colorsys
import re
from dataclasses import dataclass

TEXT = 4.5
"""Contrast of text (WCAG 2.2, 1.4.3)."""
SHAPES = 3.0
"""Contrast of borders and of what shows the focus (1.4.11)."""
STEPS = 200
WEAK, STRONG = 0.10, 0.18
"""How much of the colour tints the ground of notices and of what is pointed at."""


@dataclass(frozen=True)
class Colour:
    """One colour of sRGB, each part from 0 to 255."""

    red: int
    green: int
    blue: int

    @classmethod
    def read(cls, text: str) -> "Colour":
        """Understand `#1f5f58`.

        Raises:
            ValueError: if it is none.
        """
        found = re.fullmatch(r"#?([0-9a-f]{6})", text.strip().lower(), re.ASCII)
        if found is None:
            raise ValueError(f"{text!r} is no colour")
        return cls(*bytes.fromhex(found[1]))

    def __str__(self) -> str:
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"

    @property
    def luminance(self) -> float:
        """Relative luminance, 0 for black and 1 for white (WCAG 2.2, glossary)."""
        red, green, blue = (_linear(each / 255) for each in (self.red, self.green, self.blue))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def mixed(self, other: "Colour", share: float) -> "Colour":
        """This colour with a share of another in it."""
        pairs = zip(
            (self.red, self.green, self.blue), (other.red, other.green, other.blue), strict=True
        )
        return Colour(*(round(mine + (theirs - mine) * share) for mine, theirs in pairs))

    def at(self, lightness: float) -> "Colour":
        """The same hue and saturation, at a lightness from 0 to 1 (HSL)."""
        hue, _, saturation = colorsys.rgb_to_hls(self.red / 255, self.green / 255, self.blue / 255)
        return Colour(
            *(round(each * 255) for each in colorsys.hls_to_rgb(hue, lightness, saturation))
        )

    @property
    def lightness(self) -> float:
        """Of HSL, from 0 to 1."""
        return colorsys.rgb_to_hls(self.red / 255, self.green / 255, self.blue / 255)[1]


WHITE, BLACK = Colour(255, 255, 255), Colour(0, 0, 0)


@dataclass(frozen=True)
class Theme:
    """The ground that a clinic's colour stands on; the same as in the stylesheet."""

    name: str
    paper: Colour
    card: Colour
    ink: Colour
    dark: bool


LIGHT = Theme("light", Colour.read("#fbf8f3"), WHITE, Colour.read("#22302e"), dark=False)
DARK = Theme(
    "dark",
    Colour.read("#141b1a"),
    Colour.read("#1c2524"),
    Colour.read("#e9ece8"),
    dark=True,
)


@dataclass(frozen=True)
class Accent:
    """The shades that one theme draws with."""

    accent: Colour
    strong: Colour
    """Under the pointer."""
    on_accent: Colour
    """Text on a button."""
    mist: Colour
    mist_strong: Colour

    def pairs(self, theme: Theme) -> list[tuple[str, Colour, Colour, float]]:
        """What stands on what, and the contrast that it needs."""
        grounds = (theme.paper, theme.card, self.mist, self.mist_strong)
        links = [("link", self.accent, ground, TEXT) for ground in grounds]
        return [
            *links,
            ("link, pointed at", self.strong, theme.paper, TEXT),
            ("button", self.on_accent, self.accent, TEXT),
            ("button, pointed at", self.on_accent, self.strong, TEXT),
            ("text", theme.ink, self.mist, TEXT),
            ("text", theme.ink, self.mist_strong, TEXT),
        ]


def contrast(one: Colour, other: Colour) -> float:
    """From 1, the same, to 21, black on white (WCAG 2.2, glossary)."""
    lighter, darker = sorted((one.luminance, other.luminance), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def accent_of(chosen: Colour, theme: Theme) -> Accent:
    """The shades of a clinic's colour in a theme: the chosen one itself if it can be read."""
    return next(each for each in _shades(chosen, theme) if _is_readable(each, theme))


def _shades(chosen: Colour, theme: Theme) -> list[Accent]:
    """Ever further from the ground, beginning with the chosen colour; black or white at the end."""
    end = 1.0 if theme.dark else 0.0
    begin = chosen.lightness
    lightnesses = [begin + (end - begin) * step / STEPS for step in range(STEPS + 1)]
    shades = [chosen, *(chosen.at(each) for each in lightnesses[1:])]
    return [_accent(each, theme) for each in shades]


def _accent(shade: Colour, theme: Theme) -> Accent:
    strong = shade.mixed(WHITE if theme.dark else BLACK, 0.15)
    on_accent = max((theme.paper if theme.dark else WHITE, BLACK), key=lambda c: contrast(c, shade))
    return Accent(
        shade, strong, on_accent, theme.card.mixed(shade, WEAK), theme.card.mixed(shade, STRONG)
    )


def _is_readable(accent: Accent, theme: Theme) -> bool:
    return all(contrast(one, other) >= least for _, one, other, least in accent.pairs(theme))


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
