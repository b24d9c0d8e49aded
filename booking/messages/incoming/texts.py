"""What a mail says, as plain text for a person."""

from collections.abc import Sequence
from contextlib import suppress
from html.parser import HTMLParser

from ..hygiene import one_line
from .reading import Part

LONGEST = 20_000
"""Characters of a mail's text that are shown."""
MOST_HTML = 100_000
_BREAKS = frozenset({"p", "br", "div", "li", "tr", "table", "h1", "h2", "h3", "blockquote", "hr"})
_UNSEEN = frozenset({"style", "script", "title", "head"})


def readable(text: str, longest: int = LONGEST) -> str:
    """The text without control characters, with at most one empty line in a row."""
    lines: list[str] = []
    for line in text[: longest * 4].replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        plain = one_line(line)
        if plain or (lines and lines[-1]):
            lines.append(plain)
    return "\n".join(lines).strip()[:longest]


def text_of(parts: Sequence[Part]) -> str:
    """The plain text of a mail; that of its HTML where it has none of its own."""
    bodies = [each for each in parts if not (each.attached or each.name)]
    plain = [each.text for each in bodies if each.kind == "text/plain" and each.content.strip()]
    if not plain:
        plain = [html_text(each.text) for each in bodies if each.kind == "text/html"]
    return readable("\n\n".join(plain))


def html_text(html: str) -> str:
    """The words of a page, a line for each block."""
    reader = _Reader()
    with suppress(AssertionError, NotImplementedError):  # its word for markup that it cannot read
        reader.feed(html[:MOST_HTML])
    return "".join(reader.pieces)


class _Reader(HTMLParser):
    """Keeps the words and the ends of lines."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in _UNSEEN and not self._unseen:
            self._unseen = tag
        if tag in _BREAKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._unseen:
            self._unseen = ""
        if tag in _BREAKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(" ".join(data.split("\n")))
