"""What a letter says as lines of text, and what is different between two of them, in words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

# Above this many words on a side, a changed passage is shown as gone and new whole: comparing word by word
# costs the product of both.
MOST_WORDS = 1_500


@dataclass(frozen=True, slots=True)
class Part:
    kind: Literal["same", "gone", "new"]
    text: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Words that came and words that went."""

    new: int
    gone: int


def lines(document: Any) -> list[str]:
    """A line for each text block and for each attribute of an atom that says something, in reading order.

    Of any JSON, also of a document that another version wrote.
    """
    return [line for line in _lines(document) if line.strip()]


def _lines(node: Any) -> Iterator[str]:
    if not isinstance(node, dict):
        return
    content = node.get("content") or []
    if any(isinstance(one, dict) and one.get("type") == "text" for one in content):
        yield "".join(_run(one) for one in content)
        return
    yield from _said(node.get("attrs") or {})
    for one in content:
        yield from _lines(one)


def _run(node: Any) -> str:
    links = [mark["attrs"]["href"] for mark in node.get("marks") or [] if mark.get("type") == "link"]
    text = "\n" if node.get("type") == "hardBreak" else str(node.get("text", ""))
    return text + "".join(f" <{href}>" for href in links)


def _said(attrs: dict[str, Any]) -> Iterator[str]:
    for name, value in attrs.items():
        if isinstance(value, str) and name not in ("id", "align", "tone"):
            yield value
        elif isinstance(value, list):
            yield " ".join(" ".join(map(str, one.values())) if isinstance(one, dict) else str(one) for one in value)


def difference(before: Sequence[str], after: Sequence[str]) -> list[Part]:
    """The lines of `after` with what went and what came in them, ready to be shown one behind the other."""
    parts: list[Part] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            parts += _part("same", before[i1:i2])
        else:
            parts += _changed(before[i1:i2], after[j1:j2])
    return _joined(parts)


def _changed(before: Sequence[str], after: Sequence[str]) -> list[Part]:
    old, new = _words(before), _words(after)
    if not old or not new or max(len(old), len(new)) > MOST_WORDS:
        return _part("gone", before) + _part("new", after)
    parts: list[Part] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(Part("same", "".join(old[i1:i2])))
            continue
        parts += [Part("gone", text)] if (text := "".join(old[i1:i2])) else []
        parts += [Part("new", text)] if (text := "".join(new[j1:j2])) else []
    return parts


def _part(kind: Literal["same", "gone", "new"], found: Sequence[str]) -> list[Part]:
    return [Part(kind, "".join(f"{line}\n" for line in found))] if found else []


def _words(found: Sequence[str]) -> list[str]:
    """Words, blanks and line ends; together again they are the text."""
    return re.findall(r"\n|[^\S\n]+|\w+|[^\w\s]", "".join(f"{line}\n" for line in found))


def _joined(parts: list[Part]) -> list[Part]:
    made: list[Part] = []
    for part in parts:
        if made and made[-1].kind == part.kind:
            made[-1] = Part(part.kind, made[-1].text + part.text)
        else:
            made.append(part)
    return made


def counted(parts: Sequence[Part]) -> Counted:
    def words(kind: str) -> int:
        return sum(len(re.findall(r"\w+", part.text)) for part in parts if part.kind == kind)

    return Counted(words("new"), words("gone"))
