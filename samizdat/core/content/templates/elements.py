"""The elements of a page, each with where it begins and ends in the source."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

from samizdat.core.content.render.cleaning import VOID

_CLOSING = re.compile(r"</[^>]*>")


@dataclass(frozen=True, slots=True)
class Element:
    """Offsets: of its tag, of what is inside, and behind its end tag. Without an inside all but the last are equal."""

    tag: str
    attrs: Mapping[str, str]
    start: int
    inner: int
    inner_end: int
    end: int

    def holds(self, other: "Element") -> bool:
        return self is not other and self.start <= other.start and other.end <= self.end


@dataclass(slots=True)
class _OpenElement:
    tag: str
    attrs: dict[str, str]
    start: int
    inner: int


def elements(page: str) -> list[Element]:
    """In the order in which they begin."""
    return sorted(_ElementParser(page).elements, key=lambda element: element.start)


class _ElementParser(HTMLParser):
    """What is never closed ends where its parent does."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=False)
        self.page = page
        self.lines = [0, *(match.end() for match in re.finditer("\n", page))]
        self.stack: list[_OpenElement] = []
        self.elements: list[Element] = []
        self.feed(page)
        self.close()
        self._close_to(0, len(page))

    def _at(self) -> int:
        line, column = self.getpos()
        return self.lines[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        start, text = self._at(), self.get_starttag_text() or ""
        values = {name: value or "" for name, value in attrs}
        if tag in VOID or text.endswith("/>"):
            self.elements.append(Element(tag, values, start, start, start, start + len(text)))
        else:
            self.stack.append(_OpenElement(tag, values, start, start + len(text)))

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        for depth in range(len(self.stack) - 1, -1, -1):
            if self.stack[depth].tag == tag:
                start = self._at()
                self._close_to(depth + 1, start)
                element = self.stack.pop()
                closing = _CLOSING.match(self.page, start)
                self._take(element, start, closing.end() if closing else start)
                return

    def _close_to(self, depth: int, end: int) -> None:
        while len(self.stack) > depth:
            self._take(self.stack.pop(), end, end)

    def _take(self, element: _OpenElement, inner_end: int, end: int) -> None:
        self.elements.append(Element(element.tag, element.attrs, element.start, element.inner, inner_end, end))
