"""What a screen reader says of a letter, in its order: headings, text, links, descriptions of pictures, lists.

Tables with role="presentation" are frames and nothing is said of them. What is hidden (display:none, aria-hidden) and
pictures with an empty description are passed over, as every screen reader does.
"""

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Literal

type Kind = Literal["letter", "heading", "text", "item", "quote", "table"]


@dataclass(frozen=True, slots=True)
class TextBit:
    """A run of words. `kind`: text, link (with its address), picture, or nameless: a picture without a description,
    of which the reader hears the name of its file.
    """

    kind: Literal["text", "link", "picture", "nameless"]
    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """What is said in one go. `level` of headings, 1 to 6."""

    kind: Kind
    bits: tuple[TextBit, ...]
    level: int = 0


_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_BLOCKS = frozenset(
    """address article aside blockquote body caption center dd div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6
    header hr li main nav ol p pre section table tbody td tfoot th thead tr ul""".split()  # noqa: SIM905
)
_SILENT = frozenset(["head", "script", "style", "template", "title"])
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_HEADING = re.compile(r"h([1-6])")


def aloud(page: str) -> tuple[Line, ...]:
    reader = _SpokenTextParser()
    reader.feed(page)
    reader.close()
    reader.flush()
    return tuple(reader.lines)


class _SpokenTextParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[Line] = []
        self.bits: list[TextBit] = []
        self.open: list[tuple[str, bool]] = []  # name, whether what is inside of it is said
        self.links: list[str] = []

    @property
    def silent(self) -> bool:
        return any(not is_spoken for _name, is_spoken in self.open)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        hidden = tag in _SILENT or values.get("aria-hidden") == "true" or bool(_HIDDEN.search(values.get("style", "")))
        if tag in _BLOCKS:
            self.flush()
        described = values.get("role") == "img" and tag != "img"
        if not self.silent and not hidden:
            self._say(tag, values, described)
        if tag not in _VOID:
            self.open.append((tag, not hidden and not described))

    def _say(self, tag: str, values: dict[str, str], described: bool) -> None:
        label = " ".join(values.get("aria-label", "").split())
        if described:
            self._add(TextBit("picture", label) if label else TextBit("nameless", ""))
        elif tag == "img":
            self._picture(values)
        elif tag == "a":
            self.links.append(values.get("href", ""))
        elif tag == "br":
            self._add(TextBit("text", " "))
        elif values.get("role") == "article" and label:
            self.lines.append(Line("letter", (TextBit("text", label),)))
        elif tag == "table" and values.get("role") not in ("presentation", "none"):
            self.lines.append(Line("table", ()))

    def _picture(self, values: dict[str, str]) -> None:
        if values.get("role") in ("presentation", "none") or ("alt" in values and not values["alt"].strip()):
            return
        alt = " ".join(values.get("alt", "").split())
        file = values.get("src", "").rpartition("/")[2]
        self._add(TextBit("picture", alt) if alt else TextBit("nameless", file))

    def handle_endtag(self, tag: str) -> None:
        if not any(name == tag for name, _is_spoken in self.open):
            return
        if tag in _BLOCKS:
            self.flush()
        while self.open:
            name, _is_spoken = self.open.pop()
            if name == "a" and self.links and not self.silent:
                self.links.pop()
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self._add(TextBit("text", data))

    def _add(self, bit: TextBit) -> None:
        if self.links and self.links[-1] and bit.kind == "text":
            bit = TextBit("link", bit.text, self.links[-1])
        last = self.bits[-1] if self.bits else None
        if last is not None and last.kind == bit.kind and last.url == bit.url and bit.kind in ("text", "link"):
            self.bits[-1] = TextBit(bit.kind, last.text + bit.text, bit.url)
        else:
            self.bits.append(bit)

    def flush(self) -> None:
        """Ends a line: what was collected stands in the innermost block that is open."""
        bits = [TextBit(bit.kind, " ".join(bit.text.split()), bit.url) for bit in self.bits]
        self.bits = []
        line_bits = tuple(bit for bit in bits if bit.kind == "nameless" or bit.text)
        if line_bits:
            kind, level = self._place()
            self.lines.append(Line(kind, line_bits, level))

    def _place(self) -> tuple[Kind, int]:
        for name, _is_spoken in reversed(self.open):
            if heading := _HEADING.fullmatch(name):
                return "heading", int(heading[1])
            if name == "li":
                return "item", 0
            if name == "blockquote":
                return "quote", 0
        return "text", 0
