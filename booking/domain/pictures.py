"""What a picture is, told by its first bytes: PNG (ISO 15948 §11.2.2), JPEG (ITU T.81 B.2.2).

Nothing is decoded: the browser that shows it does that. What we need is that it is one of the two,
and how large, so that the page can leave its place free.
"""

from dataclasses import dataclass

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG that tell its size (SOF)."""
LARGEST_SIDE = 4000


class NoPicture(ValueError):
    """These bytes are no PNG and no JPEG, or one too large to be shown."""


@dataclass(frozen=True)
class Picture:
    """Type and size in pixels."""

    media_type: str
    width: int
    height: int


def read_picture(content: bytes) -> Picture:
    """Type and size.

    Raises:
        NoPicture: if it is none that browsers show everywhere, or larger than 4,000 pixels.
    """
    if content.startswith(PNG) and content[12:16] == b"IHDR":
        found = Picture("image/png", _number(content[16:20]), _number(content[20:24]))
    elif content.startswith(JPEG):
        found = _jpeg(content)
    else:
        raise NoPicture
    if not (0 < found.width <= LARGEST_SIDE and 0 < found.height <= LARGEST_SIDE):
        raise NoPicture
    return found


def _jpeg(content: bytes) -> Picture:
    at = len(JPEG)
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], _number(content[at + 2 : at + 4])
        if marker in FRAMES:
            height, width = _number(content[at + 5 : at + 7]), _number(content[at + 7 : at + 9])
            return Picture("image/jpeg", width, height)
        if length < 2:
            break
        at += 2 + length
    raise NoPicture


def _number(part: bytes) -> int:
    return int.from_bytes(part, "big")
