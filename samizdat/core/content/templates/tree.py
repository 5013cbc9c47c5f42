"""A piece of HTML, cleaned and so well-formed, as a tree that knows where each part stands in the source."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

from samizdat.core.content.render import cleaning


def children_of(page: str) -> "list[Child]":
    """What stands at the top of it."""
    return _Tree(page).root.children


@dataclass(slots=True)
class TextRun:
    text: str
    start: int
    end: int = 0


@dataclass(slots=True)
class TreeNode:
    """An element and where it, and what is inside, begins and ends in the page."""

    tag: str
    attrs: Mapping[str, str]
    start: int
    inner: int
    inner_end: int = 0
    end: int = 0
    children: "list[Child]" = field(default_factory=list)

    def all(self) -> "Iterator[TreeNode]":
        for child in self.children:
            if isinstance(child, TreeNode):
                yield child
                yield from child.all()


type Child = TreeNode | TextRun


class _Tree(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.lines = [0, *(match.end() for match in re.finditer("\n", page))]
        self.root = TreeNode("", {}, 0, 0, len(page), len(page))
        self.open = [self.root]
        self.feed(page)
        self.close()
        for node in self.open[1:]:
            node.inner_end = node.end = len(page)

    def _at(self) -> int:
        line, column = self.getpos()
        return self.lines[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        start = self._at()
        inner = start + len(self.get_starttag_text() or "")
        node = TreeNode(tag, {name: value or "" for name, value in attrs}, start, inner, inner, inner)
        self.open[-1].children.append(node)
        if tag not in cleaning.VOID:
            self.open.append(node)

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        if len(self.open) > 1 and self.open[-1].tag == tag:
            node = self.open.pop()
            node.inner_end = self._at()
            node.end = node.inner_end + len(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(TextRun(data, self._at()))
