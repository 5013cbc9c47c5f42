"""JSON to a document in its canonical spelling, or one sentence with the number of the block; and back to JSON."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from samizdat.core.content.blocks.schema import (
    INLINE,
    KINDS,
    MARKS,
    MAX_ANSWERS,
    MAX_BLOCKS,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_HTML,
    MAX_LINK,
    MAX_LINKS,
    MAX_TEXTS,
    VERSION,
    WITH_ID,
    Attr,
    Node,
)
from samizdat.core.content.problems import ContentProblem

_KEYS = frozenset({"type", "attrs", "content"})
_MARK_ORDER = list(MARKS)

type _Path = tuple[int, ...]


class BadDocument(ValueError):
    """Not a document. `flaw` says what is wrong and in which block (its `line`; 1 = first)."""

    def __init__(self, flaw: ContentProblem) -> None:
        super().__init__(flaw.sentence)
        self.flaw = flaw

    def __reduce__(self) -> tuple[type["BadDocument"], tuple[ContentProblem]]:
        return BadDocument, (self.flaw,)


def parse(source: str) -> Node:
    """The document of a JSON text. Errors: BadDocument. Cost: 25 ms for 2,000 blocks."""
    size = len(source.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise _bad("doc_big", size=f"{size:,}", limit=f"{MAX_BYTES:,}")
    try:
        raw = json.loads(source, parse_constant=_no_constant)
    except RecursionError:
        number = _deepest(source)
        raise (_bad("doc_deep", (number,), limit=str(MAX_DEPTH)) if number else _bad("doc_no_doc")) from None
    except ValueError as wrong:  # JSONDecodeError, and numbers of thousands of digits
        raise _bad("doc_no_json", number=str(getattr(wrong, "pos", 0))) from None
    return check(raw)


_SIGNS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[][{}]', re.DOTALL)


def _deepest(source: str) -> int:
    """The block of the document in which a text is nested too deep to be read as JSON; 0 where that is in none."""
    open_: list[str] = []
    block = 0
    for sign in _SIGNS.finditer(source):
        match sign[0]:
            case "{" | "[" as begins:
                block += begins == "{" and open_ == ["{", "["]
                open_.append(begins)
            case "}" | "]":
                del open_[-1:]
        if len(open_) > 4 * MAX_DEPTH and open_[:3] == ["{", "[", "{"]:
            return block
    return 0


def check(raw: object) -> Node:
    """The canonical document of what JSON held. Errors: BadDocument."""
    if not isinstance(raw, dict) or raw.get("type") != "doc":
        raise _bad("doc_no_doc")
    version = _mapping(raw.get("attrs")).get("version", VERSION)
    if version != VERSION or isinstance(version, bool):
        raise _bad("doc_version", version=_shown(version))
    return _Check().node(raw, ())


def dumps(document: Node) -> str:
    """The one spelling of a document: `dumps(parse(text))` is the same for all texts that say the same."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _bad(code: str, path: _Path = (), **values: str) -> BadDocument:
    if path:
        values["block"] = ".".join(map(str, path))
    return BadDocument(ContentProblem(path[0] if path else 1, code, values))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _shown(value: object) -> str:
    text = " ".join(_tidy(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)[:100]).split())
    return text if len(text) <= 40 else text[:37] + "..."


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LONE = re.compile(r"[\ud800-\udfff]")
# Browsers run these; blanks and control characters before the colon do not keep them from it.
_RUNS = re.compile(
    r"\s*(?:j\s*a\s*v\s*a|v\s*b|l\s*i\s*v\s*e)\s*s\s*c\s*r\s*i\s*p\s*t\s*:|\s*d\s*a\s*t\s*a\s*:", re.IGNORECASE
)


def _tidy(text: str) -> str:
    text = text if text.isascii() else _LONE.sub("\ufffd", text)
    return _CONTROL.sub("", text)


_BREAKS = re.compile(r"[ \t\r\n]+")


def _one_blank(match: re.Match[str]) -> str:
    return " " if "\n" in match[0] or "\r" in match[0] else match[0].replace("\t", " ")


def _line(text: str) -> str:
    """Of text on one line: a line break in it means a blank, as in HTML."""
    text = _tidy(text)
    return _BREAKS.sub(_one_blank, text) if not text.isprintable() else text


class _Check:
    def __init__(self) -> None:
        self.blocks = 0
        self.ids: set[str] = set()

    def node(self, raw: object, path: _Path, parent: str = "") -> Node:
        if not isinstance(raw, dict):
            raise _bad("doc_no_block", path)
        name = raw.get("type")
        kind = KINDS.get(name) if isinstance(name, str) else None
        if kind is None or not isinstance(name, str):
            raise _bad("doc_type", path, type=_shown(name))
        if name in INLINE:
            raise _bad("doc_place", path, type=name, parent=parent)
        if len(path) > MAX_DEPTH:
            raise _bad("doc_deep", path, limit=str(MAX_DEPTH))
        self.blocks += 1
        if self.blocks > MAX_BLOCKS + 1:  # the document itself is none
            raise _bad("doc_blocks", path, limit=f"{MAX_BLOCKS:,}")
        if strange := set(raw) - _KEYS:
            raise _bad("doc_attr", path, type=name, attr=_shown(min(strange, key=str)))
        node: Node = {"type": name}
        if attrs := self.with_id(raw.get("attrs"), kind.attrs, name, path, parent):
            node["attrs"] = attrs
        content = raw.get("content")
        if content is None:
            content = []
        if not isinstance(content, list):
            raise _bad("doc_value", path, type=name, attr="content", value=_shown(content))
        inner = self.inline(content, name, path) if kind.inside == INLINE else self.inside(content, name, path)
        if inner:
            node["content"] = inner
        return node

    def inside(self, content: list[object], name: str, path: _Path) -> list[Node]:
        kind = KINDS[name]
        nodes = []
        for number, raw in enumerate(content, 1):
            here = (*path, number)
            inner = raw.get("type") if isinstance(raw, dict) else None
            if isinstance(inner, str) and inner in KINDS and inner not in kind.inside:
                raise _bad("doc_place", here, type=inner, parent=name)
            if inner == "footer" and number != len(content):
                raise _bad("doc_last", here)
            if name == "listItem" and (inner == "paragraph") != (number == 1):
                raise _bad("doc_item", here)
            nodes.append(self.node(raw, here, name))
        if not kind.least <= len(nodes) <= kind.most:
            raise _bad("doc_count", path or (1,), type=name, count=str(len(nodes)))
        return nodes

    def inline(self, content: Sequence[object], name: str, path: _Path) -> list[Node]:
        """Text and line breaks; neighbors with the same marks become one, empty ones vanish (they say nothing)."""
        nodes: list[Node] = []
        for raw in content:
            if not isinstance(raw, dict):
                raise _bad("doc_no_block", path)
            inner = raw.get("type")
            if not isinstance(inner, str) or inner not in INLINE:
                code = "doc_place" if isinstance(inner, str) and inner in KINDS else "doc_type"
                raise _bad(code, path, type=_shown(inner), parent=name)
            if strange := set(raw) - ({"type", "text", "marks"} if inner == "text" else {"type", "marks"}):
                raise _bad("doc_attr", path, type=inner, attr=_shown(min(strange, key=str)))
            marks = self.marks(raw.get("marks"), path)
            if inner == "hardBreak":
                nodes.append({"type": "hardBreak"})  # A bold line break is a line break.
                continue
            text = raw.get("text")
            if not isinstance(text, str):
                raise _bad("doc_value", path, type="text", attr="text", value=_shown(text))
            if not (text := _line(text)):
                continue
            if nodes and nodes[-1]["type"] == "text" and nodes[-1].get("marks", []) == marks:
                nodes[-1]["text"] += text
            else:
                nodes.append(
                    {"type": "text", "marks": marks, "text": text} if marks else {"type": "text", "text": text}
                )
        return nodes

    def marks(self, raw: object, path: _Path) -> list[Node]:
        if raw is None:
            return []
        if not isinstance(raw, list):
            raise _bad("doc_value", path, type="text", attr="marks", value=_shown(raw))
        marks_by_name: dict[str, Node] = {}
        for mark in raw:
            name = mark.get("type") if isinstance(mark, dict) else None
            if not isinstance(name, str) or name not in MARKS:
                raise _bad("doc_mark", path, mark=_shown(name))
            if strange := set(mark) - {"type", "attrs"}:
                raise _bad("doc_attr", path, type=name, attr=_shown(min(strange, key=str)))
            attrs = self.attrs(mark.get("attrs"), MARKS[name], name, path)
            marks_by_name.setdefault(name, {"type": name, "attrs": attrs} if attrs else {"type": name})
        return sorted(marks_by_name.values(), key=lambda mark: _MARK_ORDER.index(mark["type"]))

    def with_id(self, raw: object, known: Mapping[str, Attr], name: str, path: _Path, parent: str) -> dict[str, Any]:
        """The attributes, with the id of a block first. A second block with the same id has none."""
        if name not in WITH_ID or not isinstance(raw, dict) or "id" not in raw:
            return self.attrs(raw, known, name, path)
        attrs = self.attrs(raw, {"id": _ID, **known}, name, path)
        if attrs["id"] is None or attrs["id"] in self.ids or parent not in ("doc", "column"):
            del attrs["id"]
        else:
            self.ids.add(attrs["id"])
        return attrs

    def attrs(self, raw: object, known: Mapping[str, Attr], name: str, path: _Path) -> dict[str, Any]:
        if raw is None:
            raw = {}
        if not isinstance(raw, dict):
            raise _bad("doc_value", path, type=name, attr="attrs", value=_shown(raw))
        if strange := set(raw) - set(known):
            raise _bad("doc_attr", path, type=name, attr=_shown(min(strange, key=str)))
        attrs: dict[str, Any] = {}
        for attr, rule in known.items():
            value = raw.get(attr)
            attrs[attr] = _default(rule) if value is None else self.value(value, rule, (name, attr, path))
        return attrs

    def value(self, value: object, rule: Attr, at: tuple[str, str, _Path]) -> object:
        try:
            parsed = _READ[rule.value](value)
        except _Runs:
            raise _bad("doc_script", at[2], url=_shown(value)) from None
        except (TypeError, ValueError, KeyError):
            raise _wrong(value, at) from None
        if rule.one_of and parsed not in rule.one_of:
            raise _wrong(value, at)
        return parsed


def _wrong(value: object, at: tuple[str, str, _Path]) -> BadDocument:
    return _bad("doc_value", at[2], type=at[0], attr=at[1], value=_shown(value))


def _default(rule: Attr) -> object:
    return list(rule.default) if isinstance(rule.default, tuple) else rule.default


class _Runs(Exception):
    """An address that a browser would run."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return _line(value)


def _link(value: object) -> str:
    url = _text(value).strip()
    if _RUNS.match(url):
        raise _Runs
    if len(url) > MAX_LINK:
        raise ValueError
    return url


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _number(value: object) -> int:
    """JSON of a browser may write 2.0 nowhere; true is no number."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1_000_000:
        raise ValueError
    return value


def _width(value: object) -> int:
    width = _number(value)
    if not 1 <= width <= 2_000:
        raise ValueError
    return width


def _moment(value: object) -> str:
    """A local time, as <input type=datetime-local> gives it; empty while there is none."""
    text = _text(value).strip()
    if not text:
        return ""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?", text):
        raise ValueError
    return datetime.fromisoformat(text).strftime("%Y-%m-%dT%H:%M").zfill(16)


def _html(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_HTML:
        raise ValueError
    return _tidy(value.replace("\r\n", "\n").replace("\r", "\n"))


def _answers(value: object) -> list[str]:
    return _texts(value, MAX_ANSWERS)


def _texts(value: object, most: int = MAX_TEXTS) -> list[str]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError
    return [_text(text) for text in value]


def _links(value: object) -> list[dict[str, str]]:
    if not isinstance(value, list) or len(value) > MAX_LINKS:
        raise ValueError
    links = []
    for link in value:
        if not isinstance(link, dict) or set(link) - {"network", "url"}:
            raise ValueError
        links.append({"network": _text(link.get("network", "")), "url": _link(link.get("url", ""))})
    return links


def _id(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9]{4,20}", value):
        raise ValueError
    return value


def _color(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise ValueError
    return value.lower()


_ID = Attr("id", None)
_READ = {
    "id": _id,
    "text": _text,
    "link": _link,
    "source": _link,
    "flag": _flag,
    "number": _number,
    "version": _number,
    "width": _width,
    "moment": _moment,
    "html": _html,
    "texts": _texts,
    "answers": _answers,
    "links": _links,
    "color": _color,
}
