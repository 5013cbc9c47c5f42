"""The web copy of a letter with slips mended in it: in its title and text, in addresses of links and descriptions of
pictures, never in its markup. Pure.

What is looked for is looked for as a text, in a page that is taken apart once: an expression of 998 words took words
times characters, 2 s for one correction of a page, and a letter may have fifty.
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from samizdat.core.content.render import Content, archive_copy

# Characters by which all corrections of a page may lengthen it: a letter that stands in 100,000 places, replaced by a
# sentence, and each of its letters by another one, would take all memory there is.
MOST_GROWTH = 100_000

# What is not closed goes on to the end: no input makes a search go back and forth.
_TAG = re.compile(
    r"(<!--.*?(?:-->|\Z)|<(?:style|script)\b.*?(?:</(?:style|script)>|\Z)|<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*+>)",
    re.DOTALL | re.IGNORECASE,
)
_ADDRESS = re.compile(r"\s(?:href|alt|title)\s*=\s*(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
_BLANKS = re.compile(r"\s{2,}|[^\S ]")
_SIGN = re.compile(r"\s+|\S")


@dataclass(frozen=True, slots=True)
class CorrectedCopy:
    """`places`: in how many the last correction mended something; `too_long`: that it was left out for its growth."""

    title: str
    page: str
    places: int = 0
    too_long: bool = False


def corrected_copy(content: Content, corrections: Sequence[tuple[str, str]], *, now: datetime) -> CorrectedCopy:
    """The web copy with each (wrong, right) in their order, one that would make it too long left out."""
    title, page = archive_copy(content, now=now)
    return corrected(title, page, corrections)


def corrected(title: str, page: str, corrections: Sequence[tuple[str, str]]) -> CorrectedCopy:
    heading = _Text(title, title)
    pieces = list(_pieces(page))
    texts = [heading, *(piece for piece in pieces if isinstance(piece, _Text))]
    room, places, too_long = MOST_GROWTH, 0, False
    for wrong, right in corrections:
        wrong = " ".join(wrong.split())
        counts = [(text, count) for text in texts if (count := text.count(wrong))] if wrong else []
        places = sum(count for _text, count in counts)
        growth = places * (len(right) - len(wrong))
        too_long = growth > room
        if not too_long:
            room -= growth
            for text, _count in counts:
                text.replace(wrong, right)
    written = "".join(piece.written() if isinstance(piece, _Text) else piece for piece in pieces)
    return CorrectedCopy(heading.text, written, places, too_long)


class _Text:
    """What may be mended, as readers see it. `source`: as it stands in the page, with the quotation marks of a value.
    White space counts as one blank, as it does on a page."""

    __slots__ = ("_is_mended", "_is_value", "_plain", "_source", "text")

    def __init__(self, text: str, source: str, *, is_value: bool = False) -> None:
        self.text, self._source, self._is_value, self._is_mended = text, source, is_value, False
        self._plain = _BLANKS.sub(" ", text)

    def count(self, wrong: str) -> int:
        return self._plain.count(wrong)

    def replace(self, wrong: str, right: str) -> None:
        if self._plain == self.text:
            self.text = self.text.replace(wrong, right)
        else:
            self.text = "".join(self._replaced(wrong, right))
        self._is_mended, self._plain = True, _BLANKS.sub(" ", self.text)

    def _replaced(self, wrong: str, right: str) -> Iterator[str]:
        """Other white space stays as it is: a line of a program is a line."""
        starts = [sign.start() for sign in _SIGN.finditer(self.text)] + [len(self.text)]
        at = 0
        while (place := self._plain.find(wrong, at)) >= 0:
            yield self.text[starts[at] : starts[place]]
            yield right
            at = place + len(wrong)
        yield self.text[starts[at] :]

    def written(self) -> str:
        if not self._is_mended:
            return self._source
        return f'"{html.escape(self.text)}"' if self._is_value else html.escape(self.text, quote=False)


def _pieces(page: str) -> Iterator[_Text | str]:
    for place, part in enumerate(_TAG.split(page)):
        if place % 2 == 0:
            yield _Text(html.unescape(part), part)
        elif part.startswith("<!"):
            yield part
        else:
            yield from _pieces_of_tag(part)


def _pieces_of_tag(tag: str) -> Iterator[_Text | str]:
    at = 0
    for value in _ADDRESS.finditer(tag):
        yield tag[at : value.start(1)]
        yield _Text(html.unescape(value[1][1:-1]), value[1], is_value=True)
        at = value.end()
    yield tag[at:]
