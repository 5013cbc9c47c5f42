"""HTML of a template read as blocks, and how the template has its text, so that written blocks look as it did.

Nothing of it is lost: words, links and pictures become blocks where these can be dressed as they were; what has a table
or a look of its own stays HTML, in a block of its own. What cannot be read in this way at all stays HTML as a whole.
"""

import html
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal

from samizdat.core.content.blocks import BadDocument, parse
from samizdat.core.content.blocks.schema import Node
from samizdat.core.content.blocks.styles import PLAIN, BlockStyles
from samizdat.core.content.checks.contrast import color
from samizdat.core.content.render import cleaning
from samizdat.core.content.templates.tree import Child, TextRun, TreeNode, children_of

# A page of its own, styles, and what only Outlook reads cannot be blocks.
_NEVER = re.compile(r"<(?:!doctype|html|head|body|style)\b|<!--\s*\[if", re.IGNORECASE)
_TAG_IN_COMMENT = re.compile(r"<!--\s{0,9}(\*\|[^|<>]{1,200}\|\*|\{%[^<>]{1,200}?%\})\s{0,9}-->")
_MERGE = re.compile(r"\*\||\{\{|\{%")
_EDGE = re.compile(r"\*\|(?:IF|IFNOT|INTERESTED):|\{%-?\s*if\b|(\*\|END:|\{%-?\s*end)", re.IGNORECASE)
_LINE = frozenset({
    "a", "abbr", "b", "bdi", "bdo", "big", "br", "cite", "code", "del", "em", "font", "i", "img", "ins", "kbd",
    "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
})  # fmt: skip
_MARKS = {"b": "bold", "strong": "bold", "i": "italic", "em": "italic"}
_WORN_AS = {"b": "strong", "i": "em"}
_WRAPPERS = frozenset({"div", "center", "span", "font", "section", "article"})
# Say nothing about how it looks, or stand in the block itself.
_ASIDE = frozenset({"href", "src", "alt", "width", "height", "start", "target", "title"})
_MARGIN = re.compile(r"(?:^|;)\s*margin[\w-]*\s*:[^;]*")
# In pixels: another picture has other ones. A part of what is around it stays.
_SIZE = re.compile(r"(?:(?<=;)|^)\s*(?:width\s*:\s*[\d.]+px|height\s*:\s*[\d.]+(?:px)?)[^;]*;?")
_ONE_COLOR = re.compile(r"\s*color\s*:\s*(#[0-9a-f]{3,8}|rgba?\([^()]*\)|[a-z]+)\s*+;?\s*+", re.IGNORECASE)
_PIXELS = re.compile(r"\s*(\d{1,4})(?:px)?\s*")


@dataclass(frozen=True, slots=True)
class ReadElement:
    """`document` in its canonical spelling; `is_picture`: a picture and nothing else; `kept`: a part stayed HTML."""

    document: Node
    dress: BlockStyles
    is_picture: bool
    kept: bool


def read(source: str) -> ReadElement | None:
    """None where not one word of it would be in a block of its own. Cost: 0.5 ms for 1,000 characters."""
    if _NEVER.search(source) or not source.strip() or cleaning.nesting(source) > cleaning.MAX_NESTING:
        return None
    page = cleaning.clean(_TAG_IN_COMMENT.sub(r"\1", source), outlook=False)
    if "<table" in page and _EDGE.search(page):
        return None  # A condition between rows would not stay there.
    reader = _BlockReader(page)
    blocks = reader.blocks()
    editable = [block for block in blocks if block["type"] != "html"]
    if not editable or not all(map(_is_whole, blocks)):
        return None
    try:
        document = parse(json.dumps({"type": "doc", "content": blocks}))
    except BadDocument:
        return None
    is_picture = [block["type"] for block in blocks] == ["picture"]
    return ReadElement(document, reader.dress, is_picture, len(editable) < len(blocks))


def dress_of(source: str) -> BlockStyles:
    result = read(source)
    return result.dress if result else PLAIN


def _is_whole(block: Node) -> bool:
    """Every condition that begins in a block ends in it."""
    depth = 0
    for edge in _EDGE.finditer(_said(block)):
        depth += -1 if edge[1] else 1
        if depth < 0:
            return False
    return depth == 0


def _said(node: Node) -> str:
    source: str = node.get("attrs", {}).get("source", "")
    return str(node.get("text", "")) + source + "".join(map(_said, node.get("content", ())))


class _NoSuchBlock(Exception):
    """Something that no block has."""


class _BlockReader:
    def __init__(self, page: str) -> None:
        self.page = page
        children, before, after = self._unwrapped(children_of(page))
        self.children = children
        every = [node for child in children if isinstance(child, TreeNode) for node in (child, *child.all())]
        self.worn = _most_worn(every)
        pictures = [node for node in every if node.tag == "img"]
        self.dress = BlockStyles(
            attrs={tag: _written(attrs) for tag, attrs in self.worn.items() if attrs},
            lines=not any(node.tag == "p" for node in every),
            pictures=_held(every) if pictures else "",
            before=before,
            after=after,
        )

    def _unwrapped(self, children: list[Child]) -> tuple[list[Child], str, str]:
        """What stands inside of an element around everything, and the tags of that."""
        before = after = ""
        while True:
            solid = [child for child in children if not _is_blank(child)]
            wrapper = solid[0] if len(solid) == 1 else None
            if (
                not isinstance(wrapper, TreeNode)
                or wrapper.tag not in _WRAPPERS
                or _MERGE.search(" ".join(wrapper.attrs.values()))
            ):
                return children, before, after
            before, after = (
                before + self.page[wrapper.start : wrapper.inner],
                self.page[wrapper.inner_end : wrapper.end] + after,
            )
            children = wrapper.children

    # --- blocks ---

    def blocks(self) -> list[Node]:
        out: list[Node] = []
        self._among(self.children, out)
        return _joined(out)

    def _among(self, children: Iterable[Child], out: list[Node]) -> None:
        run: list[Child] = []
        for child in children:
            if _is_line(child):
                run.append(child)
            elif (
                isinstance(child, TreeNode)
                and child.tag == "div"
                and not child.attrs
                and all(map(_is_line, child.children))
            ):
                # A line of its own.
                run += [*_break_after(run), *child.children]
                run += _break_after(run)
            else:
                self._lines(run, out)
                run = []
                self._block(child, out)
        self._lines(run, out)

    def _block(self, child: Child, out: list[Node]) -> None:
        assert isinstance(child, TreeNode)
        if child.tag == "div" and not child.attrs:
            self._among(child.children, out)
            return
        try:
            out += self._made(child)
        except _NoSuchBlock:
            out.append(_raw(self.page[child.start : child.end]))

    def _made(self, node: TreeNode) -> list[Node]:
        """Errors: _Odd."""
        self._fits(node)
        match node.tag:
            case "p":
                if picture := self._picture(node.children):
                    return [picture]
                inner = self._inline(node.children)
                return [{"type": "paragraph", "content": inner}] if inner else []
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                level = int(node.tag[1])
                return [{"type": "heading", "attrs": {"level": level}, "content": self._inline(node.children)}]
            case "ul" | "ol":
                return [self._list(node)]
            case "blockquote":
                return [{"type": "blockquote", "content": self._paragraphs(node)}]
            case "hr":
                return [{"type": "divider"}]
        raise _NoSuchBlock

    def _list(self, node: TreeNode) -> Node:
        items = [child for child in node.children if not _is_blank(child)]
        list_node: Node = {"type": "bulletList" if node.tag == "ul" else "orderedList", "content": []}
        if start := node.attrs.get("start", ""):
            list_node["attrs"] = {"start": int(start) if re.fullmatch(r"\d{1,5}", start) else 1}
        for item in items:
            if not isinstance(item, TreeNode) or item.tag != "li":
                raise _NoSuchBlock
            self._fits(item)
            words = [child for child in item.children if _is_line(child)]
            further = [child for child in item.children if not _is_line(child)]
            if len(further) > 1 or item.children[len(item.children) - len(further) :] != further:
                raise _NoSuchBlock
            inner: list[Node] = [{"type": "paragraph", "content": self._inline(words)}]
            for child in further:
                assert isinstance(child, TreeNode)
                if child.tag not in ("ul", "ol"):
                    raise _NoSuchBlock
                self._fits(child)
                inner.append(self._list(child))
            list_node["content"].append({"type": "listItem", "content": inner})
        return list_node

    def _paragraphs(self, parent: TreeNode) -> list[Node]:
        solid = [child for child in parent.children if not _is_blank(child)]
        if not solid or not all(isinstance(child, TreeNode) and child.tag == "p" for child in solid):
            raise _NoSuchBlock
        return [node for child in solid for node in self._made(child) if node["type"] == "paragraph"]  # type: ignore[arg-type]

    def _lines(self, run: list[Child], out: list[Node]) -> None:
        """Text that stands in no element of its own: an empty line parts two paragraphs."""
        if run and isinstance(last := run[-1], TreeNode) and last.tag == "br" and last.start == last.end:
            run = run[:-1]  # Of the last line's own element.
        parts = _parted(run)
        for number, part in enumerate(parts):
            try:
                if picture := self._picture(part):
                    out.append(picture)
                elif inner := self._inline(part):
                    out.append({"type": "paragraph", "content": inner})
            except _NoSuchBlock:
                # Between two lines there are breaks, which are written between blocks of text alone.
                behind = "<br><br>" if number and self.dress.lines else ""
                ahead = "<br><br>" if number < len(parts) - 1 and self.dress.lines else ""
                out.append(_raw(f"{behind}{self.page[part[0].start : part[-1].end or part[-1].start]}{ahead}"))

    def _picture(self, children: Iterable[Child]) -> Node | None:
        """A picture that stands alone, with its link."""
        solid = [child for child in children if not _is_blank(child)]
        if len(solid) != 1 or not isinstance(solid[0], TreeNode):
            return None
        node, link = solid[0], ""
        if node.tag == "a":
            self._fits(node)
            inner, link = [child for child in node.children if not _is_blank(child)], node.attrs.get("href", "")
            if len(inner) != 1 or not isinstance(inner[0], TreeNode):
                return None
            node = inner[0]
        if node.tag != "img":
            return None
        self._fits(node)
        src, alt = node.attrs.get("src", ""), node.attrs.get("alt", "")
        if _MERGE.search(src):
            raise _NoSuchBlock
        return {"type": "picture", "attrs": {"src": src, "alt": alt, "link": link, "width": _width(node.attrs)}}

    # --- text ---

    def _inline(self, children: Iterable[Child]) -> list[Node]:
        """Errors: _Odd."""
        return _collapsed([*self._nodes(children, ())])

    def _nodes(self, children: Iterable[Child], marks: tuple[Node, ...]) -> Iterator[Node]:
        for child in children:
            if isinstance(child, TextRun):
                yield (
                    {"type": "text", "text": child.text, "marks": list(marks)}
                    if marks
                    else {"type": "text", "text": child.text}
                )
            elif child.tag == "br":
                yield {"type": "hardBreak"}
            elif child.tag in _MARKS:
                self._fits(child)
                outer = _uncolored(marks) if "color" in self._worn_by(child).get("style", "") else marks
                yield from self._nodes(child.children, (*outer, {"type": _MARKS[child.tag]}))
            elif child.tag == "a" and child.attrs.get("href"):
                self._fits(child)
                # A link has a color of its own, whatever it stands in.
                link: Node = {"type": "link", "attrs": {"href": child.attrs["href"]}}
                yield from self._nodes(child.children, (*_uncolored(marks), link))
            elif child.tag in ("a", "span", "font") and not set(child.attrs) - _ASIDE:
                yield from self._nodes(child.children, marks)
            elif child.tag in ("span", "font") and (color_value := _color_of(child)):
                color: Node = {"type": "color", "attrs": {"color": color_value}}
                yield from self._nodes(child.children, (*_uncolored(marks), color))
            else:
                raise _NoSuchBlock

    def _fits(self, node: TreeNode) -> None:
        """It looks as the others of its kind do; margins may differ. Errors: _Odd."""
        if _compared(_look_of(node)) != _compared(self._worn_by(node)):
            raise _NoSuchBlock

    def _worn_by(self, node: TreeNode) -> Mapping[str, str]:
        """What most of its kind have."""
        return self.worn.get(_WORN_AS.get(node.tag, node.tag), {})


# --- how it looks ---


def _color_of(node: TreeNode) -> str:
    """The color of its text, where that is all that it says; else ""."""
    look = _look_of(node)
    match = _ONE_COLOR.fullmatch(look.get("style") or f"color:{look.get('color', '')}")
    parts = color(match[1]) if match and len(look) == 1 else None
    return "#{:02x}{:02x}{:02x}".format(*parts) if parts else ""


def _uncolored(marks: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(mark for mark in marks if mark["type"] != "color")


def _held(every: Iterable[TreeNode]) -> Literal["bare", "p"]:
    """What pictures stand in."""
    in_text = any(node.tag == "p" and any(inner.tag == "img" for inner in node.all()) for node in every)
    return "p" if in_text else "bare"


def _look_of(node: TreeNode) -> dict[str, str]:
    attrs = {name: value for name, value in node.attrs.items() if name not in _ASIDE}
    if node.tag == "img" and "style" in attrs:
        attrs["style"] = _SIZE.sub("", attrs["style"])
    if attrs.get("dir") == "ltr":
        del attrs["dir"]  # Editors write it on every other paragraph of a letter that is read that way anyhow.
    return {name: value for name, value in attrs.items() if value.strip()}


def _most_worn(every: Iterable[TreeNode]) -> dict[str, dict[str, str]]:
    """Tag -> the attributes that most of its kind have. Those with a merge tag in them are nobody's."""
    counts: dict[str, Counter[tuple[tuple[str, str], ...]]] = {}
    for node in every:
        look = _look_of(node)
        if not _MERGE.search(" ".join(look.values())):
            counts.setdefault(_WORN_AS.get(node.tag, node.tag), Counter())[tuple(look.items())] += 1
    return {tag: dict(counter.most_common(1)[0][0]) for tag, counter in counts.items()}


def _compared(look: Mapping[str, str]) -> dict[str, str]:
    plain = {name: re.sub(r"[\s;]+", "", _MARGIN.sub("", value)).lower() for name, value in look.items()}
    return {name: value for name, value in plain.items() if value}


def _written(attrs: Mapping[str, str]) -> str:
    return "".join(f' {name}="{html.escape(value)}"' for name, value in attrs.items())


def _width(attrs: Mapping[str, str]) -> int | None:
    styled = re.search(r"(?:^|;)\s*width\s*:([^;]*)", attrs.get("style", ""))
    for value in (attrs.get("width", ""), styled[1] if styled else ""):
        if (match := _PIXELS.fullmatch(value)) and 1 <= int(match[1]) <= 2_000:
            return int(match[1])
    return None


# --- small things ---


def _is_blank(child: Child) -> bool:
    return isinstance(child, TextRun) and not child.text.strip(" \t\r\n\f")


def _is_line(child: Child) -> bool:
    if isinstance(child, TextRun):
        return True
    return child.tag in _LINE and all(descendant.tag in _LINE for descendant in child.all())


def _break_after(run: list[Child]) -> list[Child]:
    last = next((child for child in reversed(run) if not _is_blank(child)), None)
    if last is None or (isinstance(last, TreeNode) and last.tag == "br"):
        return []
    return [TreeNode("br", {}, last.end, last.end, last.end, last.end)]


def _parted(run: list[Child]) -> list[list[Child]]:
    """A run of lines, cut at every two breaks that have words on both sides and are not inside of a condition."""
    for child, after in pairwise(run):
        if isinstance(child, TextRun):
            child.end = after.start
    solid = [number for number, child in enumerate(run) if not _is_blank(child)]
    breaks = {number for number in solid if isinstance(node := run[number], TreeNode) and node.tag == "br"}
    depths, begun = _depths(run), 0
    parts: list[list[Child]] = []
    for before, first, second, behind in zip(solid, solid[1:], solid[2:], solid[3:], strict=False):
        exactly_two = first in breaks and second in breaks and before not in breaks and behind not in breaks
        if exactly_two and depths[begun] == depths[first]:
            parts.append(run[begun:first])
            begun = second + 1
    last = run[begun:]
    if any(not _is_blank(child) for child in last):
        parts.append(last)
    return parts


def _depths(run: list[Child]) -> list[int]:
    """How many conditions are open before each of them."""
    edges = (sum(-1 if edge[1] else 1 for edge in _EDGE.finditer(_words_of(child))) for child in run)
    return [0, *accumulate(edges)]


def _words_of(child: Child) -> str:
    return child.text if isinstance(child, TextRun) else "".join(map(_words_of, child.children))


def _collapsed(nodes: list[Node]) -> list[Node]:
    """As browsers do: blanks are one, and none stands at an end of a line."""
    result: list[Node] = []
    for node in nodes:
        if node["type"] == "text":
            text = re.sub(r"[ \t\r\n\f]+", " ", node["text"])
            if not result or result[-1]["type"] == "hardBreak" or result[-1]["text"].endswith(" "):
                text = text.removeprefix(" ")
            if not text:
                continue
            node = {**node, "text": text}
        elif result and result[-1]["type"] == "text":
            _trimmed(result)
        result.append(node)
    _trimmed(result)
    return result


def _trimmed(nodes: list[Node]) -> None:
    while nodes and nodes[-1]["type"] == "text" and nodes[-1]["text"].endswith(" "):
        last = nodes.pop()
        if text := last["text"].rstrip(" "):
            nodes.append({**last, "text": text})
            return


def _raw(source: str) -> Node:
    return {"type": "html", "attrs": {"source": source}}


def _joined(blocks: Iterable[Node]) -> list[Node]:
    """Neighboring HTML as one block."""
    joined_blocks: list[Node] = []
    for block in blocks:
        if block["type"] == "html" and joined_blocks and joined_blocks[-1]["type"] == "html":
            joined_blocks[-1] = _raw(joined_blocks[-1]["attrs"]["source"] + block["attrs"]["source"])
        else:
            joined_blocks.append(block)
    return joined_blocks
