"""The texts of a document as one source for the merge language, and back.

A condition may begin in one block and end in another, so the language has to read all texts at once. Each text stands
on a line of its own behind its number; so does each block, with no text. What a condition that is known already leaves
out is missing afterwards, number and all, and its block with it.
"""

import html
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from samizdat.core.content.blocks.schema import Node
from samizdat.core.content.problems import ContentProblem

# Control characters never get into a document (parser.py), so these are no text.
_OPEN, _CLOSE = "\x1e", "\x1f"
_NUMBER = re.compile(rf"{_OPEN}(\d+){_CLOSE}")
_TAG_ENDS = re.compile(r"%\}|\|\*|-->")
_TAG_IN_COMMENT = re.compile(r"<!--[ \t]*(\*\|(?:(?!\*\||-->)[^\n])*?\|\*)[ \t]*-->")
_COMMENT = re.compile(r"<!--(?!\s*\[if|\s*<!\[|>)(?:.*?-->|.*)", re.DOTALL)
_NO_TEXT = frozenset({"id", "tone", "align", "start", "end", "fundraiser"})


@dataclass(frozen=True, slots=True)
class BlockSpot:
    """A text of a document, `holder[key]`; or a whole node, where there is no key. `block`: its number, 1 = first."""

    node: Node
    holder: Any
    key: str | int | None
    block: int

    @property
    def text(self) -> str:
        return "" if self.key is None else str(self.holder[self.key])


def spots(document: Node) -> Iterator[BlockSpot]:
    """Every node and every text, in the order in which they are read."""
    for number, block in enumerate(document.get("content", ()), 1):
        yield from _spots(block, number)


def _spots(node: Node, block: int) -> Iterator[BlockSpot]:
    if node["type"] == "text":
        for mark in node.get("marks", ()):
            if mark["type"] == "link":
                yield BlockSpot(node, mark["attrs"], "href", block)
        yield BlockSpot(node, node, "text", block)
        return
    yield BlockSpot(node, node, None, block)
    for name, value in node.get("attrs", {}).items():
        if isinstance(value, str) and name not in _NO_TEXT:
            yield BlockSpot(node, node["attrs"], name, block)
        elif name in ("amounts", "answers"):
            yield from (BlockSpot(node, value, index, block) for index in range(len(value)))
        elif name == "links":
            yield from (BlockSpot(node, link, key, block) for link in value for key in ("network", "url"))
    for child in node.get("content", ()):
        yield from _spots(child, block)


@dataclass(frozen=True, slots=True)
class CommentedBlocks:
    """`source` for the merge language; `block_of` tells the block of one of its lines."""

    source: str
    _lines: list[int]
    _blocks: list[int]

    def block_of(self, line: int) -> int:
        at = bisect_right(self._lines, line) - 1
        return self._blocks[at] if at >= 0 else 1


def marked(document: Node) -> CommentedBlocks:
    written: list[str] = []
    lines: list[int] = []
    blocks: list[int] = []
    line = 1
    for number, spot in enumerate(spots(document)):
        line += 1
        lines.append(line)
        blocks.append(spot.block)
        label = f"{_OPEN}{number}{_CLOSE}"
        # After a tag the number stands again: what comes before it may be left out.
        text = _TAG_ENDS.sub(lambda end, label=label: end[0] + label, spot.text)  # type: ignore[misc]
        written.append(f"\n{label}{text}")
        line += text.count("\n")
    return CommentedBlocks("".join(written), lines, blocks)


def unmarked(document: Node, written: str) -> Node:
    """A copy of the document with the texts of a source that came out of the merge language."""
    parts = _NUMBER.split(written)
    texts: dict[int, str] = {}
    for number, text in zip(parts[1::2], parts[2::2], strict=True):
        texts[int(number)] = texts.get(int(number), "") + text
    copy: Node = json.loads(json.dumps(document))
    for index, block in enumerate(copy.get("content", ()), 1):
        block["block"] = index  # Flaws speak of it, whatever vanishes.
    gone: set[int] = set()
    for number, spot in enumerate(spots(copy)):
        kept = texts.get(number)
        if spot.key is None:
            if kept is None:
                gone.add(id(spot.node))
        else:
            # The line break before the next number is no part of the text.
            spot.holder[spot.key] = (kept or "").removesuffix("\n")
            if kept is not None:  # A text of the block stayed, so the block does.
                gone.discard(id(spot.node))
    _prune(copy, gone)
    return copy


def _prune(node: Node, gone: set[int]) -> bool:
    """Take out what was left out; whether anything of the node stays."""
    if node["type"] == "text":
        return bool(node["text"] != "")
    content = node.get("content", [])
    if content:
        node["content"] = [child for child in content if _prune(child, gone)]
        return bool(node["content"])
    return id(node) not in gone


def without_comments(document: Node) -> Node:
    """Raw HTML without its comments, before the merge language reads it; tags that stood in one are uncovered."""
    for spot in spots(document):
        if spot.key == "source":
            bare = _TAG_IN_COMMENT.sub(lambda tag: html.unescape(tag[1]), spot.text)
            spot.holder["source"] = _COMMENT.sub("", bare)
    return document


def without(document: Node, flaws: Iterable[ContentProblem]) -> Node:
    """The document without the tags of these flaws, and without links that would lead nowhere then."""
    document = without_comments(document)
    source = marked(document).source
    # From the end: what is cut does not move what stands before it.
    for flaw in sorted(flaws, key=lambda flaw: -flaw.start):
        source = source[: flaw.start] + source[flaw.end :]
    cut = unmarked(document, source)
    for block in cut.get("content", ()):
        del block["block"]
    _unlink(cut)
    return cut


def _unlink(node: Node) -> bool:
    """Take out texts and buttons whose address is gone; whether the node stays."""
    if any(mark["type"] == "link" and not mark["attrs"]["href"] for mark in node.get("marks", ())):
        return False
    if node["type"] == "button" and not node["attrs"]["link"]:
        return False
    if content := node.get("content"):
        node["content"] = [child for child in content if _unlink(child)]
        return bool(node["content"])
    return True
