"""Blocks to Markdown and back, where nothing is lost by it; HTML from blocks, one way.

Whether something would be lost is not reasoned out but tried: what was written is read again and compared.
"""

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from markdown_it.token import Token

from samizdat.core.content.blocks.parser import dumps, parse
from samizdat.core.content.blocks.schema import Node
from samizdat.core.content.markdown import markdown

# Merge tags go through as words: `*|FNAME|*` would be emphasis, and quotes of a default are nothing to escape.
_TAG = re.compile(r"\*\|(?:(?!\*\|)[^\n])*?\|\*|\{\{(?:(?!\{\{)[^\n])*?\}\}|\{%(?:(?!\{%)[^\n])*?%\}")
_SPECIAL = re.compile(r"([\\`*_\[\]<>&~|!])")
_AT_START = re.compile(r"^([^\S\n]*)([#+\-=:]|\d{1,9}(?=[.)]))", re.MULTILINE)


def to_markdown(document: Node) -> str | None:
    """The same letter in Markdown; None where Markdown cannot say all of it."""
    for emphasis in "*_":
        try:
            written = _Writer(emphasis).blocks(document.get("content", ()))
        except _Cannot:
            return None
        again = _read(written)
        if again is not None and normalized(again) == normalized(document):
            return written
    return None


def from_markdown(text: str) -> Node | None:
    """The same letter in blocks; None where blocks cannot say all of it."""
    raw_document = _read(text)
    if raw_document is None:
        return None
    document = parse(dumps(raw_document))
    written = to_markdown(document)
    if written is None or _shape(text) != _shape(written):
        return None
    return document


class _Cannot(Exception):
    """Not to be said in the other language."""


# --- writing ---


class _Writer:
    def __init__(self, emphasis: str) -> None:
        self.emphasis = emphasis

    def blocks(self, blocks: Iterable[Node]) -> str:
        written = [text for block in blocks if (text := self.block(block))]
        return "\n\n".join(written) + ("\n" if written else "")

    def block(self, block: Node) -> str:
        match block["type"]:
            case "heading":
                return f"{'#' * block['attrs']['level']} {self.inline(block)}"
            case "paragraph":
                return _AT_START.sub(_escaped_start, self.inline(block))
            case "bulletList" | "orderedList":
                return self.list(block)
            case "blockquote":
                return _indented(self.blocks(block["content"]).rstrip("\n"), "> ", "> ")
            case "divider":
                return "---"
            case "picture":
                return self.picture(block["attrs"])
        raise _Cannot

    def list(self, block: Node) -> str:
        numbers = count(block["attrs"]["start"]) if block["type"] == "orderedList" else None
        written = []
        for item in block["content"]:
            mark = f"{next(numbers)}. " if numbers else "- "
            first, *rest = item["content"]
            inner = [self.block(first), *map(self.list, rest)]
            written.append(_indented("\n".join(inner), mark, " " * len(mark)))
        return "\n".join(written)

    def picture(self, attrs: Mapping[str, Any]) -> str:
        if attrs["decorative"] or attrs["width"] or not re.match(r"https?://", attrs["src"]):
            raise _Cannot
        image = f"![{_escaped(attrs['alt'])}]({_address(attrs['src'])})"
        return f"[{image}]({_address(attrs['link'])})" if attrs["link"] else image

    def inline(self, block: Node) -> str:
        return "".join(self.text(node) for node in _tidied(block.get("content", ())))

    def text(self, node: Node) -> str:
        if node["type"] == "hardBreak":
            return "\\\n"
        written = _escaped(node["text"])
        marks = {mark["type"]: mark.get("attrs", {}) for mark in node.get("marks", ())}
        if "italic" in marks:
            written = f"{self.emphasis}{written}{self.emphasis}"
        if "bold" in marks:
            written = f"**{written}**"
        return f"[{written}]({_address(marks['link']['href'])})" if "link" in marks else written


def _escaped(text: str) -> str:
    parts, position = [], 0
    for tag in _TAG.finditer(text):
        parts += [_SPECIAL.sub(r"\\\1", text[position : tag.start()]), tag[0]]
        position = tag.end()
    return "".join([*parts, _SPECIAL.sub(r"\\\1", text[position:])])


def _escaped_start(start: re.Match[str]) -> str:
    return f"{start[1]}{start[2]}\\" if start[2].isdigit() else f"{start[1]}\\{start[2]}"


def _address(url: str) -> str:
    return url if re.fullmatch(r"[^\s()<>\\]+", url) else f"<{re.sub(r'([<>\\])', r'\\\1', url)}>"


def _indented(text: str, first: str, others: str) -> str:
    lines = text.split("\n")
    return "\n".join((first if number == 0 else others).rstrip(" " if not line else "") + line
                     for number, line in enumerate(lines))  # fmt: skip


# --- reading ---


def _read(text: str) -> Node | None:
    """The document of a Markdown text, without its attributes filled in; None where there is no block for something."""
    tags: list[str] = []
    word = next(word for word in (f"zm{number}x" for number in count()) if word not in text)

    def hidden(tag: re.Match[str]) -> str:
        tags.append(tag[0])
        return f"{word}{len(tags) - 1}q"

    hidden_text = _TAG.sub(hidden, text)
    try:
        blocks = [*_TokenReader(markdown().parse(hidden_text)).blocks(None)]
    except _Cannot:
        return None
    written = json.dumps({"type": "doc", "attrs": {"version": 1}, "content": blocks}, ensure_ascii=False)
    shown = re.sub(rf"{word}(\d+)q", lambda match: json.dumps(tags[int(match[1])], ensure_ascii=False)[1:-1], written)
    document: Node = json.loads(shown)
    return document


class _TokenReader:
    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = iter(tokens)

    def blocks(self, end: str | None) -> Iterator[Node]:
        for token in self.tokens:
            if token.type == end:
                return
            yield self.block(token)

    def block(self, token: Token) -> Node:
        match token.type:
            case "heading_open" if token.tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
                return {"type": "heading", "attrs": {"level": int(token.tag[1])}, "content": self.line()}
            case "paragraph_open":
                inline = next(self.tokens)
                next(self.tokens)
                return _picture(inline) or {"type": "paragraph", "content": _inline(inline.children or [])}
            case "bullet_list_open":
                return {"type": "bulletList", "content": [*self.items("bullet_list_close")]}
            case "ordered_list_open":
                start = int(token.attrGet("start") or 1)
                return {
                    "type": "orderedList",
                    "attrs": {"start": start},
                    "content": [*self.items("ordered_list_close")],
                }
            case "blockquote_open":
                inside = [*self.blocks("blockquote_close")]
                if any(block["type"] != "paragraph" for block in inside) or not inside:
                    raise _Cannot
                return {"type": "blockquote", "content": inside}
            case "hr":
                return {"type": "divider"}
        raise _Cannot

    def line(self) -> list[Node]:
        inline = next(self.tokens)
        next(self.tokens)
        return _inline(inline.children or [])

    def items(self, end: str) -> Iterator[Node]:
        for token in self.tokens:
            if token.type == end:
                return
            inside = [*self.blocks("list_item_close")]
            kinds = [block["type"] for block in inside]
            if (
                not kinds
                or len(kinds) > 2
                or kinds[0] != "paragraph"
                or not {*kinds[1:]} <= {"bulletList", "orderedList"}
            ):
                raise _Cannot
            yield {"type": "listItem", "content": inside}


def _picture(inline: Token) -> Node | None:
    """A paragraph that is one picture, by itself or inside of a link."""
    children, link = inline.children or [], ""
    if len(children) == 3 and children[0].type == "link_open" and not children[0].attrGet("title"):
        link, children = str(children[0].attrGet("href")), children[1:2]
    if len(children) != 1 or children[0].type != "image" or children[0].attrGet("title"):
        return None
    attrs = {
        "src": str(children[0].attrGet("src")),
        "alt": "".join(part.content or " " for part in children[0].children or []),
        "link": link,
    }
    return {"type": "picture", "attrs": {**attrs, "decorative": False, "width": None}}


def _inline(tokens: list[Token]) -> list[Node]:
    nodes: list[Node] = []
    marks: list[Node] = []
    for token in tokens:
        match token.type:
            case "text":
                nodes.append({"type": "text", "text": token.content, "marks": [*marks]})
            case "softbreak":
                nodes.append({"type": "text", "text": " ", "marks": [*marks]})
            case "hardbreak":
                nodes.append({"type": "hardBreak"})
            case "strong_open" | "em_open":
                marks.append({"type": "bold" if token.type == "strong_open" else "italic"})
            case "link_open" if not token.attrGet("title"):
                marks.append({"type": "link", "attrs": {"href": str(token.attrGet("href"))}})
            case "strong_close" | "em_close" | "link_close":
                marks.pop()
            case _:
                raise _Cannot
    return [node for node in nodes if node["type"] != "text" or node["text"]]


# --- comparing ---


def _tidied(inline: Iterable[Node]) -> list[Node]:
    """Inline nodes without what is not seen: blanks at the ends and twice, marks on blanks at the ends of words."""
    nodes: list[Node] = []
    for node in inline:
        if node["type"] != "text":
            nodes.append({"type": "hardBreak"})
            continue
        text = re.sub(r"[ \t\n]+", " ", node["text"])
        words = text.strip(" ")
        before = text[: len(text) - len(text.lstrip(" "))]
        after = text[len(before) + len(words) :]
        for part, marks in ((before, []), (words, node.get("marks") or []), (after, [])):
            if part:
                _append(nodes, part, marks)
    for number, node in enumerate(nodes):
        if node["type"] == "text":
            first = number == 0 or nodes[number - 1]["type"] == "hardBreak"
            last = number == len(nodes) - 1 or nodes[number + 1]["type"] == "hardBreak"
            text = node["text"].lstrip(" ") if first else node["text"]
            node["text"] = text.rstrip(" ") if last else text
    return [node for node in nodes if node["type"] != "text" or node["text"]]


def _append(nodes: list[Node], text: str, marks: list[Node]) -> None:
    if nodes and nodes[-1]["type"] == "text" and nodes[-1]["marks"] == marks:
        nodes[-1]["text"] = re.sub(" +", " ", nodes[-1]["text"] + text)
    elif text.startswith(" ") and nodes and nodes[-1]["type"] == "text" and nodes[-1]["text"].endswith(" "):
        _append(nodes, text.lstrip(" "), marks) if text.strip(" ") else None
    else:
        nodes.append({"type": "text", "text": text, "marks": marks})


def normalized(node: Node) -> object:
    """What a document says, without numbers of blocks, empty paragraphs and the spelling of addresses."""
    kind = node["type"]
    attrs = {
        name: _same_address(name, value)
        for name, value in node.get("attrs", {}).items()
        if name not in ("id", "version")
    }
    if kind in ("paragraph", "heading"):
        inline = [
            (inline_node["type"], inline_node.get("text"), sorted(map(_mark, inline_node.get("marks", ()))))
            for inline_node in _tidied(node.get("content", ()))
        ]
        return (kind, attrs, inline)
    inside = [normalized(child) for child in node.get("content", ())]
    return (kind, attrs, [child for child in inside if child != ("paragraph", {}, [])])


def _mark(mark: Node) -> tuple[str, str]:
    return mark["type"], _same_address("href", mark.get("attrs", {}).get("href", ""))


def _same_address(name: str, value: Any) -> Any:
    if name in ("href", "src", "link") and isinstance(value, str):
        return markdown().normalizeLink(_TAG.sub(lambda tag: tag[0].encode().hex(), value))
    return value


def _shape(text: str) -> str:
    """The HTML of a Markdown text, without what is not seen."""
    shown = markdown().render(_TAG.sub(lambda tag: f"zt{tag[0].encode().hex()}", text))
    shown = re.sub(r"<li>\s*<p>((?:(?!<p>).)*?)</p>", r"<li>\1", shown, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s*(<[^<>]*>)\s*|\s+", lambda match: match[1] or " ", shown))
