"""Where in what was written a word of the compiled letter came from."""

import html
import json
import re
from functools import cached_property
from typing import Any

# Signs that Markdown puts between the words of one phrase.
_SIGNS = re.compile(r"[*_`>#\\]+")
_TAGS = re.compile(r"<[^<>]{0,2000}>")


class Whereabouts:
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
    def _raw(self) -> list[str]:
        return self._parts if self._format == "blocks" else self._body.split("\n")

    def place_of(self, *needles: str) -> tuple[str, int]:
        """(place, number) as a flaw has them; ("letter", 0) for what stands in the frame alone. The same is asked of
        each date of a letter that says one a thousand times."""
        if needles not in self._found:
            self._found[needles] = self._place_of(*needles)
        return self._found[needles]

    def _place_of(self, *needles: str) -> tuple[str, int]:
        place = "block" if self._format == "blocks" else "body"
        for needle in needles:
            for number, part in enumerate(self._raw, 1):
                if needle and needle in part:
                    return place, number
        for needle in needles:
            wanted = _plain(needle)
            for number, part in enumerate(self._parts, 1):
                if wanted and wanted in part:
                    return place, number
        return "letter", 0

    @cached_property
    def words(self) -> str:
        """All that was written, as one text."""
        return "\n".join(self._parts)

    def word(self, word: str) -> tuple[str, int]:
        """Where a whole word stands first, upper and lower case as given."""
        place = "block" if self._format == "blocks" else "body"
        found = re.compile(rf"(?<![^\W\d_]){re.escape(word)}(?![^\W\d_])")
        for number, part in enumerate(self._raw, 1):
            if found.search(part):
                return place, number
        return self.place_of(word)


def _plain(text: str) -> str:
    """As somebody reads it: no marks, one kind of blank."""
    return " ".join(_SIGNS.sub("", html.unescape(text)).split())


def _blocks(body: str) -> list[Any]:
    try:
        document = json.loads(body)
        return [block for block in document.get("content", []) if isinstance(block, dict)]
    except (ValueError, AttributeError, RecursionError):
        return []


def _texts(node: Any) -> list[str]:
    """Every text of a block, those of one paragraph as one."""
    if isinstance(node, str):
        return [node]
    if isinstance(node, list):
        if node and all(isinstance(one, dict) and one.get("type") in ("text", "hardBreak") for one in node):
            said = "".join(str(one.get("text", " ")) for one in node)
            return [said, *(text for one in node for text in _texts(one.get("marks", [])))]
        return [text for one in node for text in _texts(one)]
    if isinstance(node, dict):
        inner = (value for name, value in node.items() if name not in ("type", "id", "text"))
        return [*([node["text"]] if isinstance(node.get("text"), str) else []), *(t for v in inner for t in _texts(v))]
    return []
