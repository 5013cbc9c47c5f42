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

from samizdat.core.checks.contrast import colour
from samizdat.core.document import BadDocument, parse
from samizdat.core.document.dress import PLAIN, Dress
from samizdat.core.document.schema import Node
from samizdat.core.letter import cleaning
from samizdat.core.templating.tree import Child, Knot, Words, children_of

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
_ONE_COLOUR = re.compile(r"\s*color\s*:\s*(#[0-9a-f]{3,8}|rgba?\([^()]*\)|[a-z]+)\s*+;?\s*+", re.IGNORECASE)
_PIXELS = re.compile(r"\s*(\d{1,4})(?:px)?\s*")


@dataclass(frozen=True, slots=True)
class Read:
    """`document` in its canonical spelling; `is_picture`: a picture and nothing else; `kept`: a part stayed HTML."""

    document: Node
    dress: Dress
    is_picture: bool
    kept: bool


def read(source: str) -> Read | None:
    """None where not one word of it would be in a block of its own. Cost: 0.5 ms for 1,000 characters."""
    if _NEVER.search(source) or not source.strip() or cleaning.nesting(source) > cleaning.MAX_NESTING:
        return None
    page = cleaning.clean(_TAG_IN_COMMENT.sub(r"\1", source), outlook=False)
    if "<table" in page and _EDGE.search(page):
        return None  # A condition between rows would not stay there.
    reader = _Reader(page)
    blocks = reader.blocks()
    editable = [block for block in blocks if block["type"] != "html"]
    if not editable or not all(map(_is_whole, blocks)):
        return None
    try:
        document = parse(json.dumps({"type": "doc", "content": blocks}))
    except BadDocument:
        return None
    is_picture = [block["type"] for block in blocks] == ["picture"]
    return Read(document, reader.dress, is_picture, len(editable) < len(blocks))


def dress_of(source: str) -> Dress:
    found = read(source)
    return found.dress if found else PLAIN


def _is_whole(block: Node) -> bool:
    """Every condition that begins in a block ends in it."""
    depth = 0
    for edge in _EDGE.finditer(_said(block)):
        depth += -1 if edge[1] else 1
        if depth < 0:
            return False
    return depth == 0


def _said(node: Node) -> str:
    source = node.get("attrs", {}).get("source", "")
    return str(node.get("text", "")) + source + "".join(map(_said, node.get("content", ())))


class _Odd(Exception):
    """Something that no block has."""


class _Reader:
    def __init__(self, page: str) -> None:
        self.page = page
        children, before, after = self._unwrapped(children_of(page))
        self.children = children
        every = [one for child in children if isinstance(child, Knot) for one in (child, *child.all())]
        self.worn = _most_worn(every)
        pictures = [one for one in every if one.tag == "img"]
        self.dress = Dress(
            attrs={tag: _written(attrs) for tag, attrs in self.worn.items() if attrs},
            lines=not any(one.tag == "p" for one in every),
            pictures=_held(every) if pictures else "",
            before=before,
            after=after,
        )

    def _unwrapped(self, children: list[Child]) -> tuple[list[Child], str, str]:
        """What stands inside of an element around everything, and the tags of that."""
        before = after = ""
        while True:
            solid = [child for child in children if not _is_blank(child)]
            one = solid[0] if len(solid) == 1 else None
            if not isinstance(one, Knot) or one.tag not in _WRAPPERS or _MERGE.search(" ".join(one.attrs.values())):
                return children, before, after
            before, after = before + self.page[one.start : one.inner], self.page[one.inner_end : one.end] + after
            children = one.children

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
                isinstance(child, Knot)
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
        assert isinstance(child, Knot)
        if child.tag == "div" and not child.attrs:
            self._among(child.children, out)
            return
        try:
            out += self._made(child)
        except _Odd:
            out.append(_raw(self.page[child.start : child.end]))

    def _made(self, one: Knot) -> list[Node]:
        """Errors: _Odd."""
        self._fits(one)
        match one.tag:
            case "p":
                if picture := self._picture(one.children):
                    return [picture]
                inner = self._inline(one.children)
                return [{"type": "paragraph", "content": inner}] if inner else []
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                level = int(one.tag[1])
                return [{"type": "heading", "attrs": {"level": level}, "content": self._inline(one.children)}]
            case "ul" | "ol":
                return [self._list(one)]
            case "blockquote":
                return [{"type": "blockquote", "content": self._paragraphs(one)}]
            case "hr":
                return [{"type": "divider"}]
        raise _Odd

    def _list(self, one: Knot) -> Node:
        items = [child for child in one.children if not _is_blank(child)]
        made: Node = {"type": "bulletList" if one.tag == "ul" else "orderedList", "content": []}
        if start := one.attrs.get("start", ""):
            made["attrs"] = {"start": int(start) if re.fullmatch(r"\d{1,5}", start) else 1}
        for item in items:
            if not isinstance(item, Knot) or item.tag != "li":
                raise _Odd
            self._fits(item)
            words = [child for child in item.children if _is_line(child)]
            further = [child for child in item.children if not _is_line(child)]
            if len(further) > 1 or item.children[len(item.children) - len(further) :] != further:
                raise _Odd
            inner: list[Node] = [{"type": "paragraph", "content": self._inline(words)}]
            for child in further:
                assert isinstance(child, Knot)
                if child.tag not in ("ul", "ol"):
                    raise _Odd
                self._fits(child)
                inner.append(self._list(child))
            made["content"].append({"type": "listItem", "content": inner})
        return made

    def _paragraphs(self, one: Knot) -> list[Node]:
        solid = [child for child in one.children if not _is_blank(child)]
        if not solid or not all(isinstance(child, Knot) and child.tag == "p" for child in solid):
            raise _Odd
        return [node for child in solid for node in self._made(child) if node["type"] == "paragraph"]  # type: ignore[arg-type]

    def _lines(self, run: list[Child], out: list[Node]) -> None:
        """Text that stands in no element of its own: an empty line parts two paragraphs."""
        if run and isinstance(last := run[-1], Knot) and last.tag == "br" and last.start == last.end:
            run = run[:-1]  # Of the last line's own element.
        parts = _parted(run)
        for number, part in enumerate(parts):
            try:
                if picture := self._picture(part):
                    out.append(picture)
                elif inner := self._inline(part):
                    out.append({"type": "paragraph", "content": inner})
            except _Odd:
                # Between two lines there are breaks, which are written between blocks of text alone.
                behind = "<br><br>" if number and self.dress.lines else ""
                ahead = "<br><br>" if number < len(parts) - 1 and self.dress.lines else ""
                out.append(_raw(f"{behind}{self.page[part[0].start : part[-1].end or part[-1].start]}{ahead}"))

    def _picture(self, children: Iterable[Child]) -> Node | None:
        """A picture that stands alone, with its link."""
        solid = [child for child in children if not _is_blank(child)]
        if len(solid) != 1 or not isinstance(solid[0], Knot):
            return None
        one, link = solid[0], ""
        if one.tag == "a":
            self._fits(one)
            inner, link = [child for child in one.children if not _is_blank(child)], one.attrs.get("href", "")
            if len(inner) != 1 or not isinstance(inner[0], Knot):
                return None
            one = inner[0]
        if one.tag != "img":
            return None
        self._fits(one)
        src, alt = one.attrs.get("src", ""), one.attrs.get("alt", "")
        if _MERGE.search(src):
            raise _Odd
        return {"type": "picture", "attrs": {"src": src, "alt": alt, "link": link, "width": _width(one.attrs)}}

    # --- text ---

    def _inline(self, children: Iterable[Child]) -> list[Node]:
        """Errors: _Odd."""
        return _collapsed([*self._nodes(children, ())])

    def _nodes(self, children: Iterable[Child], marks: tuple[Node, ...]) -> Iterator[Node]:
        for child in children:
            if isinstance(child, Words):
                yield {"type": "text", "text": child.text, **({"marks": list(marks)} if marks else {})}
            elif child.tag == "br":
                yield {"type": "hardBreak"}
            elif child.tag in _MARKS:
                self._fits(child)
                outer = _uncoloured(marks) if "color" in self._worn_by(child).get("style", "") else marks
                yield from self._nodes(child.children, (*outer, {"type": _MARKS[child.tag]}))
            elif child.tag == "a" and child.attrs.get("href"):
                self._fits(child)
                # A link has a colour of its own, whatever it stands in.
                link = {"type": "link", "attrs": {"href": child.attrs["href"]}}
                yield from self._nodes(child.children, (*_uncoloured(marks), link))
            elif child.tag in ("a", "span", "font") and not set(child.attrs) - _ASIDE:
                yield from self._nodes(child.children, marks)
            elif child.tag in ("span", "font") and (found := _colour_of(child)):
                colour = {"type": "colour", "attrs": {"colour": found}}
                yield from self._nodes(child.children, (*_uncoloured(marks), colour))
            else:
                raise _Odd

    def _fits(self, one: Knot) -> None:
        """It looks as the others of its kind do; margins may differ. Errors: _Odd."""
        if _compared(_look_of(one)) != _compared(self._worn_by(one)):
            raise _Odd

    def _worn_by(self, one: Knot) -> Mapping[str, str]:
        """What most of its kind have."""
        return self.worn.get(_WORN_AS.get(one.tag, one.tag), {})


# --- how it looks ---


def _colour_of(one: Knot) -> str:
    """The colour of its text, where that is all that it says; else ""."""
    look = _look_of(one)
    found = _ONE_COLOUR.fullmatch(look.get("style") or f"color:{look.get('color', '')}")
    parts = colour(found[1]) if found and len(look) == 1 else None
    return "#{:02x}{:02x}{:02x}".format(*parts) if parts else ""


def _uncoloured(marks: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(mark for mark in marks if mark["type"] != "colour")


def _held(every: Iterable[Knot]) -> Literal["bare", "p"]:
    """What pictures stand in."""
    in_text = any(one.tag == "p" and any(inner.tag == "img" for inner in one.all()) for one in every)
    return "p" if in_text else "bare"


def _look_of(one: Knot) -> dict[str, str]:
    attrs = {name: value for name, value in one.attrs.items() if name not in _ASIDE}
    if one.tag == "img" and "style" in attrs:
        attrs["style"] = _SIZE.sub("", attrs["style"])
    if attrs.get("dir") == "ltr":
        del attrs["dir"]  # Editors write it on every other paragraph of a letter that is read that way anyhow.
    return {name: value for name, value in attrs.items() if value.strip()}


def _most_worn(every: Iterable[Knot]) -> dict[str, dict[str, str]]:
    """Tag -> the attributes that most of its kind have. Those with a merge tag in them are nobody's."""
    counts: dict[str, Counter[tuple[tuple[str, str], ...]]] = {}
    for one in every:
        look = _look_of(one)
        if not _MERGE.search(" ".join(look.values())):
            counts.setdefault(_WORN_AS.get(one.tag, one.tag), Counter())[tuple(look.items())] += 1
    return {tag: dict(found.most_common(1)[0][0]) for tag, found in counts.items()}


def _compared(look: Mapping[str, str]) -> dict[str, str]:
    plain = {name: re.sub(r"[\s;]+", "", _MARGIN.sub("", value)).lower() for name, value in look.items()}
    return {name: value for name, value in plain.items() if value}


def _written(attrs: Mapping[str, str]) -> str:
    return "".join(f' {name}="{html.escape(value)}"' for name, value in attrs.items())


def _width(attrs: Mapping[str, str]) -> int | None:
    styled = re.search(r"(?:^|;)\s*width\s*:([^;]*)", attrs.get("style", ""))
    for said in (attrs.get("width", ""), styled[1] if styled else ""):
        if (found := _PIXELS.fullmatch(said)) and 1 <= int(found[1]) <= 2_000:
            return int(found[1])
    return None


# --- small things ---


def _is_blank(child: Child) -> bool:
    return isinstance(child, Words) and not child.text.strip(" \t\r\n\f")


def _is_line(child: Child) -> bool:
    if isinstance(child, Words):
        return True
    return child.tag in _LINE and all(one.tag in _LINE for one in child.all())


def _break_after(run: list[Child]) -> list[Child]:
    last = next((child for child in reversed(run) if not _is_blank(child)), None)
    if last is None or (isinstance(last, Knot) and last.tag == "br"):
        return []
    return [Knot("br", {}, last.end, last.end, last.end, last.end)]


def _parted(run: list[Child]) -> list[list[Child]]:
    """A run of lines, cut at every two breaks that have words on both sides and are not inside of a condition."""
    for child, after in pairwise(run):
        if isinstance(child, Words):
            child.end = after.start
    solid = [number for number, child in enumerate(run) if not _is_blank(child)]
    breaks = {number for number in solid if isinstance(found := run[number], Knot) and found.tag == "br"}
    depths, begun = _depths(run), 0
    parts: list[list[Child]] = []
    for before, one, two, behind in zip(solid, solid[1:], solid[2:], solid[3:], strict=False):
        exactly_two = one in breaks and two in breaks and before not in breaks and behind not in breaks
        if exactly_two and depths[begun] == depths[one]:
            parts.append(run[begun:one])
            begun = two + 1
    last = run[begun:]
    if any(not _is_blank(child) for child in last):
        parts.append(last)
    return parts


def _depths(run: list[Child]) -> list[int]:
    """How many conditions are open before each of them."""
    edges = (sum(-1 if edge[1] else 1 for edge in _EDGE.finditer(_words_of(child))) for child in run)
    return [0, *accumulate(edges)]


def _words_of(child: Child) -> str:
    return child.text if isinstance(child, Words) else "".join(map(_words_of, child.children))


def _collapsed(nodes: list[Node]) -> list[Node]:
    """As browsers do: blanks are one, and none stands at an end of a line."""
    made: list[Node] = []
    for node in nodes:
        if node["type"] == "text":
            text = re.sub(r"[ \t\r\n\f]+", " ", node["text"])
            if not made or made[-1]["type"] == "hardBreak" or made[-1]["text"].endswith(" "):
                text = text.removeprefix(" ")
            if not text:
                continue
            node = {**node, "text": text}
        elif made and made[-1]["type"] == "text":
            _trimmed(made)
        made.append(node)
    _trimmed(made)
    return made


def _trimmed(made: list[Node]) -> None:
    while made and made[-1]["type"] == "text" and made[-1]["text"].endswith(" "):
        last = made.pop()
        if text := last["text"].rstrip(" "):
            made.append({**last, "text": text})
            return


def _raw(source: str) -> Node:
    return {"type": "html", "attrs": {"source": source}}


def _joined(blocks: Iterable[Node]) -> list[Node]:
    """Neighbouring HTML as one block."""
    made: list[Node] = []
    for block in blocks:
        if block["type"] == "html" and made and made[-1]["type"] == "html":
            made[-1] = _raw(made[-1]["attrs"]["source"] + block["attrs"]["source"])
        else:
            made.append(block)
    return made
