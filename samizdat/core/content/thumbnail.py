"""A small drawing of an email: rectangles for its headings, lines, images and buttons, made from its blocks."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil

from samizdat.core.content.blocks.schema import Node

WIDTH, HEIGHT = 100, 125  # of the drawing, in its own units
_LEFT, _TOP, _WIDE, _BOTTOM = 22.0, 16.0, 56.0, 114.0
_PAGE = (14.0, 8.0, 72.0, 112.0)
_LINE, _STEP = 2.6, 6.0  # height of a line of text, and from one line to the next
_CHARACTERS = 42  # in a line over the whole width
_MOST_LINES = 4  # of one paragraph: a drawing shows how the email is built, not how long it is


@dataclass(frozen=True, slots=True)
class Shape:
    """A rectangle. `kind` is its CSS class: pg page, hd heading, tx text, im image, cb color, rd red, am box."""

    kind: str
    x: float
    y: float
    width: float
    height: float


def drawing(blocks: Iterable[Node], design: str = "") -> tuple[Shape, ...]:
    """The first page of the email. design: which built-in frame is around it; "" for none of them."""
    shapes, top = _framed(design)
    pen = _Pen(top)
    for block in blocks:
        if pen.y > _BOTTOM:
            break
        pen.draw(block)
    return (*shapes, *(shape for shape in pen.shapes if shape.y + shape.height <= _PAGE[1] + _PAGE[3]))


def _framed(design: str) -> tuple[list[Shape], float]:
    """The page with its masthead, and where the text begins."""
    page = Shape("pg", *_PAGE)
    match design:
        case "carbon":
            mast = [Shape("hd", _LEFT, _TOP, 26, 2.6), Shape("rd", _LEFT, _TOP + 5, 16, 2)]
            return [Shape("pg", 20, 14, 72, 110), page, *mast], _TOP + 14
        case "plain":
            rule = Shape("tx", _LEFT, _TOP + 6.5, _WIDE, 0.8)
            return [page, Shape("hd", _LEFT, _TOP, 22, 3.4), rule], _TOP + 13
        case "banner":
            return [page, Shape("cb", _PAGE[0] + 0.3, _PAGE[1] + 0.3, _PAGE[2] - 0.6, 14)], _TOP + 13
        case _:
            return [page], _TOP


class _Pen:
    """Draws block under block, from `y` on, between `x` and `x + wide`."""

    def __init__(self, y: float, x: float = _LEFT, wide: float = _WIDE) -> None:
        self.shapes: list[Shape] = []
        self.x, self.y, self.wide = x, y, wide

    def draw(self, block: Node) -> None:
        attrs = block.get("attrs", {})
        match block["type"]:
            case "heading":
                large = attrs.get("level", 1) == 1
                self._put("hd", min(self.wide, 46 if large else 34), 5 if large else 3.6, 4.4)
            case "paragraph" | "footer" | "html":
                self._lines(_length(block) or 3 * _CHARACTERS)
            case "bulletList" | "orderedList":
                self._list(block)
            case "blockquote":
                self._quote(block)
            case "picture" | "video":
                self._put("im", self.wide, min(26.0, self.wide * 0.44), 6)
            case "button":
                self._put("hd", min(self.wide, 26), 7, 5)
            case "divider":
                self._put("tx", self.wide, 0.8, 5)
            case "columns":
                self._columns(block.get("content", []))
            case "callout":
                self._boxed("am" if attrs.get("tone") == "warn" else "im", block)
            case "donation" | "question" | "event":
                self._card(block["type"])
            case "social":
                self.shapes += [Shape("cb", self.x + 6 * place, self.y, 4, 4) for place in range(3)]
                self.y += 9

    def _put(self, kind: str, width: float, height: float, after: float) -> None:
        self.shapes.append(Shape(kind, round(self.x, 1), round(self.y, 1), round(width, 1), height))
        self.y += height + after

    def _lines(self, characters: int, kind: str = "tx") -> None:
        per_line = max(1, int(_CHARACTERS * self.wide / _WIDE))
        count = min(_MOST_LINES, max(1, ceil(characters / per_line)))
        for line in range(count):
            last = line == count - 1
            self._put(kind, self.wide * (0.6 if last else 1), _LINE, _STEP - _LINE)
        self.y += 2

    def _list(self, block: Node) -> None:
        for item in block.get("content", []):
            self.shapes.append(Shape("hd", self.x, round(self.y, 1), 2, 2.6))
            inner = _Pen(self.y, self.x + 5, self.wide - 5)
            inner._lines(min(_length(item), int(_CHARACTERS * 0.6)))
            self.shapes += inner.shapes
            self.y = inner.y - 2
        self.y += 2

    def _quote(self, block: Node) -> None:
        inner = _Pen(self.y, self.x + 5, self.wide - 5)
        inner._lines(_length(block))
        self.shapes += [Shape("cb", self.x, round(self.y, 1), 1.2, round(inner.y - self.y - 4, 1)), *inner.shapes]
        self.y = inner.y

    def _boxed(self, kind: str, block: Node) -> None:
        inner = _Pen(self.y + 4, self.x + 4, self.wide - 8)
        inner._lines(_length(block))
        self.shapes += [Shape(kind, self.x, round(self.y, 1), self.wide, round(inner.y - self.y - 1, 1)), *inner.shapes]
        self.y = inner.y + 3

    def _card(self, kind: str) -> None:
        """What has a title, a line under it and something to press."""
        if kind == "event":
            self.shapes.append(Shape("cb", self.x, round(self.y, 1), 12, 14))
            for row, width in ((1, 0.9), (7, 0.5)):
                self.shapes.append(Shape("tx", self.x + 16, round(self.y + row, 1), (self.wide - 16) * width, _LINE))
            self.y += 20
            return
        self._put("hd", self.wide * 0.5, 3.6, 3.4)
        self._lines(_CHARACTERS, "am" if kind == "donation" else "tx")
        for place in range(3):
            self.shapes.append(Shape("cb", self.x + 19 * place, round(self.y, 1), 16, 7))
        self.y += 12

    def _columns(self, columns: list[Node]) -> None:
        gap = 6.0
        wide = (self.wide - gap * (len(columns) - 1)) / max(1, len(columns))
        lowest = self.y
        for place, column in enumerate(columns):
            inner = _Pen(self.y, self.x + place * (wide + gap), wide)
            for block in column.get("content", []):
                inner.draw(block)
            self.shapes += inner.shapes
            lowest = max(lowest, inner.y)
        self.y = lowest


def _length(node: Node) -> int:
    """Characters of text in a node and all that is in it."""
    return len(node.get("text", "")) + sum(map(_length, node.get("content", [])))


# Read from the beginning and only until the drawing is full, so a template of 300 KB costs no more than one of 10.
_PIECE = re.compile(
    r"<!--(?:.*?-->|.*)|<(style|script|head|title)\b[^<>]{0,2000}>(?:.*?</\1\s{0,9}>|.*)"
    r"|\{\{\s{0,9}content\s{0,9}\}\}|<(/?)(?:mj-)?([a-z][a-z0-9-]{0,15})\b([^<>]{0,2000})>|[^<{]+|[<{]",
    re.DOTALL | re.IGNORECASE,
)
_ENDS_TEXT = frozenset(
    ("p", "div", "td", "th", "tr", "table", "text", "section", "column", "h1", "h2", "h3", "h4", "h5", "h6", "li", "br")
)
_MOST_READ = 60_000  # characters
_BUTTON = re.compile(r"background|class=[\"'][^\"']{0,100}\b(?:btn|button)", re.IGNORECASE)
_SMALL = re.compile(r"\b(?:width|height)=[\"']?(?:[0-9]|[1-9][0-9])(?:px)?[\"'\s>]", re.IGNORECASE)


def blocks_of_html(source: str, inside: Iterable[Node] = ()) -> Iterator[Node]:
    """What a page of HTML or MJML looks like, as blocks. inside: what stands in the place of {{ content }}."""
    text, heading, in_button = 0, "", False
    for piece in _PIECE.finditer(source[:_MOST_READ]):
        tag = (piece[3] or "").lower()
        if tag in _ENDS_TEXT or tag in ("img", "image", "button", "hr", "divider") or "content" in piece[0][:12]:
            if text > 2:
                yield _text_block(heading, text)
            text, heading = 0, ""
        if piece[0].startswith("{{"):
            yield from inside
        elif tag in ("img", "image") and not piece[2] and not _SMALL.search(piece[4]):
            yield {"type": "picture"}
        elif (tag == "button" and not piece[2]) or (tag == "a" and not piece[2] and _BUTTON.search(piece[4])):
            in_button = True
            yield {"type": "button"}
        elif tag in ("a", "button"):
            in_button = False
        elif tag in ("hr", "divider") and not piece[2]:
            yield {"type": "divider"}
        elif tag in ("h1", "h2", "h3", "h4", "h5", "h6") and not piece[2]:
            heading = tag
        elif piece[0][0] not in "<{" and not in_button:
            text += len(piece[0].strip())
    if text > 2:
        yield _text_block(heading, text)


def _text_block(heading: str, characters: int) -> Node:
    if heading:
        return {"type": "heading", "attrs": {"level": 1 if heading == "h1" else 2}}
    return {"type": "paragraph", "content": [{"type": "text", "text": " " * characters}]}
