"""Where in what was written a word of the compiled letter came from."""

import html
import json
import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate, chain

from samizdat.core.content.blocks.schema import Node

# Of so many words the places are looked for; nobody reads so many flaws.
MOST = 1_000

# Signs that Markdown puts between the words of one phrase.
_SIGNS = re.compile(r"[*_`>#\\]+")
_TAGS = re.compile(r"<[^<>]{0,2000}>")


class TextPositions:
    """The source of a letter: lines of Markdown or HTML, or the top-level blocks of a document, counted from 1."""

    def __init__(self, body: str, format: str) -> None:
        self._body, self._format = body, format
        self._found: dict[tuple[str, ...], tuple[str, int]] = {}

    @cached_property
    def _parts(self) -> list[str]:
        if self._format == "blocks":
            return [_plain(" ".join(_texts(block))) for block in _blocks(self._body)]
        return [_plain(_TAGS.sub("", line) + " " + line) for line in self._body.split("\n")]

    @cached_property
    def _read(self) -> "_Numbered":
        """As somebody reads it."""
        return _Numbered(self._parts)

    @cached_property
    def _raw(self) -> "_Numbered":
        return self._read if self._format == "blocks" else _Numbered(self._body.split("\n"))

    def place_of(self, *needles: str) -> tuple[str, int]:
        """(place, number) as a flaw has them; ("letter", 0) for what stands in the frame alone. The same is asked of
        each date of a letter that says one a thousand times."""
        if needles not in self._found:
            # Each is a walk over the whole text: thousands of links in thousands of lines would be their product.
            self._found[needles] = self._place_of(*needles) if len(self._found) < MOST else ("letter", 0)
        return self._found[needles]

    def _place_of(self, *needles: str) -> tuple[str, int]:
        place = "block" if self._format == "blocks" else "body"
        raw_numbers = (self._raw.number_of(needle) for needle in needles)
        read_numbers = (self._read.number_of(_plain(needle)) for needle in needles)
        number = next(filter(None, chain(raw_numbers, read_numbers)), 0)
        return (place, number) if number else ("letter", 0)

    @cached_property
    def words(self) -> str:
        """All that was written, as one text."""
        return self._read.text

    def word(self, word: str) -> tuple[str, int]:
        """Where a whole word stands first, upper and lower case as given."""
        place = "block" if self._format == "blocks" else "body"
        pattern = re.compile(rf"(?<![^\W\d_]){re.escape(word)}(?![^\W\d_])")
        whole = pattern.search(self._raw.text)
        return (place, self._raw.at(whole.start())) if whole else self.place_of(word)


class _Numbered:
    """Parts as one text, which is searched at once, and which of them a place in it is of, counted from 1."""

    def __init__(self, parts: Sequence[str]) -> None:
        self.text = "\n".join(parts)
        self._starts = [0, *accumulate(len(part) + 1 for part in parts)]

    def at(self, position: int) -> int:
        return bisect_right(self._starts, position)

    def number_of(self, needle: str) -> int:
        """0 for what stands nowhere."""
        position = self.text.find(needle) if needle else -1
        return self.at(position) if position >= 0 else 0


def _plain(text: str) -> str:
    """As somebody reads it: no marks, one kind of blank."""
    return " ".join(_SIGNS.sub("", html.unescape(text)).split())


def _blocks(body: str) -> list[Node]:
    try:
        blocks: list[Node] = json.loads(body).get("content", [])
        return [block for block in blocks if isinstance(block, dict)]
    except (ValueError, AttributeError, RecursionError):
        return []


def _texts(node: object) -> list[str]:
    """Every text of a block, those of one paragraph as one."""
    if isinstance(node, str):
        return [node]
    if isinstance(node, list):
        if node and all(isinstance(child, dict) and child.get("type") in ("text", "hardBreak") for child in node):
            paragraph = "".join(str(child.get("text", " ")) for child in node)
            return [paragraph, *(text for child in node for text in _texts(child.get("marks", [])))]
        return [text for child in node for text in _texts(child)]
    if isinstance(node, dict):
        inner = (value for name, value in node.items() if name not in ("type", "id", "text"))
        return [*([node["text"]] if isinstance(node.get("text"), str) else []), *(t for v in inner for t in _texts(v))]
    return []
