"""What a document may hold: one row for each kind of node. docs/content-format.md says the same in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Required, TypedDict

VERSION = 1
MAX_BYTES = 1_000_000  # of JSON: a long letter of 100 blocks has 60,000
MAX_BLOCKS = 2_000
MAX_DEPTH = 12
MAX_LINK = 2_000  # characters; browsers and mail programs cut longer ones
MAX_HTML = 300_000  # characters of one raw HTML block, as of an HTML letter
MAX_TEXTS = 12  # amounts of a donation
MAX_LINKS = 20  # of a social block
MAX_ANSWERS = 6  # of a question


class Node(TypedDict, total=False):
    """A block, text or mark of a document, as JSON has it."""

    type: Required[str]
    attrs: dict[str, Any]
    content: list["Node"]
    text: str
    marks: list["Node"]
    tokens: list[str]  # Of edges of conditions, while a letter is rendered.
    block: int  # Its number in the document, meanwhile.


type Value = Literal[
    "text", "link", "source", "flag", "width", "moment", "html", "texts", "answers", "links", "number", "version", "id",
    "color",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attr:
    """One attribute: of what kind, what it is when left out, and where only few values are meant, which."""

    value: Value
    default: Any = ""
    one_of: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockType:
    """A kind of node: what may stand inside of it, from how many to how many, and its attributes."""

    inside: frozenset[str] = frozenset()
    least: int = 0
    most: int = MAX_BLOCKS
    attrs: Mapping[str, Attr] = field(default_factory=dict)


INLINE = frozenset({"text", "hardBreak"})
LISTS = frozenset({"bulletList", "orderedList"})
# What a column may hold; columns do not nest.
BLOCKS = LISTS | {
    "heading", "paragraph", "blockquote", "picture", "button", "divider",
    "callout", "social", "donation", "event", "question", "video", "html",
}  # fmt: skip
MARKS: Mapping[str, Mapping[str, Attr]] = {
    "link": {"href": Attr("link")},
    "bold": {},
    "italic": {},
    "color": {"color": Attr("color", "#000000")},
}

# Blocks at the top and in a column may have an id, which says nothing about the letter: merging and comments use it.
WITH_ID = BLOCKS | {"columns", "footer"}

_TEXT, _LINK, _SOURCE = Attr("text"), Attr("link"), Attr("source")

KINDS: Mapping[str, BlockType] = {
    "doc": BlockType(BLOCKS | {"columns", "footer"}, attrs={"version": Attr("version", VERSION)}),
    "heading": BlockType(INLINE, attrs={"level": Attr("number", 1, (1, 2, 3, 4, 5, 6))}),
    "paragraph": BlockType(INLINE),
    "bulletList": BlockType(frozenset({"listItem"}), least=1),
    "orderedList": BlockType(frozenset({"listItem"}), least=1, attrs={"start": Attr("number", 1)}),
    "listItem": BlockType(LISTS | {"paragraph"}, least=1, most=2),
    "blockquote": BlockType(frozenset({"paragraph"}), least=1),
    "picture": BlockType(
        attrs={
            "src": _SOURCE,
            "alt": _TEXT,
            "decorative": Attr("flag", False),
            "link": _LINK,
            "width": Attr("width", None),
        }
    ),
    "button": BlockType(attrs={"text": _TEXT, "link": _LINK, "align": Attr("text", "start", ("start", "center"))}),
    "divider": BlockType(),
    "columns": BlockType(frozenset({"column"}), least=2, most=3),
    "column": BlockType(BLOCKS),
    "callout": BlockType(
        LISTS | {"paragraph"}, least=1, attrs={"tone": Attr("text", "note", ("note", "warn", "good"))}
    ),
    "social": BlockType(attrs={"links": Attr("links", ())}),
    "donation": BlockType(
        attrs={
            "fundraiser": _TEXT,
            "title": _TEXT,
            "text": _TEXT,
            "link": _LINK,
            "label": _TEXT,
            "amounts": Attr("texts", ()),
        }
    ),
    "event": BlockType(
        attrs={
            "title": _TEXT,
            "start": Attr("moment"),
            "end": Attr("moment"),
            "place": _TEXT,
            "link": _LINK,
            "about": _TEXT,
        }
    ),
    "question": BlockType(attrs={"question": _TEXT, "answers": Attr("answers", ())}),
    "video": BlockType(attrs={"src": _SOURCE, "link": _LINK, "alt": _TEXT}),
    "footer": BlockType(frozenset({"paragraph"}), least=1),
    "html": BlockType(attrs={"source": Attr("html")}),
    "text": BlockType(),
    "hardBreak": BlockType(),
}
