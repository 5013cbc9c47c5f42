"""What a letter says as lines of text, and what is different between two of them, in words."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate, takewhile
from typing import Literal

from samizdat.core.content.blocks.schema import Node

# Above this many words on a side a changed passage is shown as gone and new whole: nobody reads that word by word.
MOST_WORDS = 1_500
# Characters that differ, of all texts of a page, and pairs of words that are compared each with each: that costs up to
# their number times the shorter side, 800 words half of which are alike took two seconds.
MOST_TEXT, MOST_PAIRS = 200_000, 4_096


@dataclass(frozen=True, slots=True)
class ComparedPart:
    kind: Literal["same", "gone", "new", "rest"]  # rest: what follows is too long to be compared
    text: str


@dataclass(frozen=True, slots=True)
class ComparedWords:
    """Words that came and words that went."""

    new: int
    gone: int


def lines(document: object) -> list[str]:
    """A line for each text block and for each attribute of an atom that says something, in reading order.

    Of any JSON, also of a document that another version wrote.
    """
    return [line for line in _lines(document) if line.strip()]


def _lines(node: object) -> Iterator[str]:
    if not isinstance(node, dict):
        return
    content = node.get("content") or []
    if any(isinstance(child, dict) and child.get("type") == "text" for child in content):
        yield "".join(_run(child) for child in content)
        return
    yield from _said(node.get("attrs") or {})
    for child in content:
        yield from _lines(child)


def _run(node: Node) -> str:
    links = [mark["attrs"]["href"] for mark in node.get("marks") or [] if mark.get("type") == "link"]
    text = "\n" if node.get("type") == "hardBreak" else str(node.get("text", ""))
    return text + "".join(f" <{href}>" for href in links)


def _said(attrs: Mapping[str, object]) -> Iterator[str]:
    for name, value in attrs.items():
        if isinstance(value, str) and name not in ("id", "align", "tone"):
            yield value
        elif isinstance(value, list):
            yield " ".join(" ".join(map(str, item.values())) if isinstance(item, dict) else str(item) for item in value)


def difference(before: Sequence[str], after: Sequence[str]) -> list[ComparedPart]:
    """The lines of `after` with what went and what came in them, ready to be shown one behind the other."""
    return differences([(before, after)])[0]


def differences(
    pairs: Iterable[tuple[Sequence[str], Sequence[str]]], most: int = MOST_TEXT
) -> list[list[ComparedPart]]:
    """The same of several, which compare `most` characters in all. A part of kind "rest" where there are more."""
    comparisons: list[list[ComparedPart]] = []
    for before, after in pairs:
        parts, used = _compared(before, after, most)
        most -= used
        comparisons.append(parts)
    return comparisons


def _compared(before: Sequence[str], after: Sequence[str], most: int) -> tuple[list[ComparedPart], int]:
    """And how many characters that took. What both begin and end with costs nothing."""
    head, tail = _ends(before, after)
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    first_old, first_new = beginning(old, most // 2), beginning(new, most // 2)
    parts = _part("same", before[:head])
    for same, i1, i2, j1, j2 in _runs(first_old, first_new):
        parts += _part("same", first_old[i1:i2]) if same else _changed(first_old[i1:i2], first_new[j1:j2])
    whole = len(first_old) == len(old) and len(first_new) == len(new)
    parts += _part("same", before[len(before) - tail :]) if whole else [ComparedPart("rest", "")]
    return _joined(parts), sum(len(line) + 1 for line in (*first_old, *first_new))


def beginning(text_lines: Sequence[str], most: int) -> list[str]:
    """The lines that fit into so many characters."""
    sizes = accumulate(len(line) + 1 for line in text_lines)
    return [line for line, size in zip(text_lines, sizes, strict=True) if size <= most]


def _changed(before: Sequence[str], after: Sequence[str]) -> list[ComparedPart]:
    old, new = _words(before), _words(after)
    if not old or not new or max(len(old), len(new)) > MOST_WORDS:
        return _part("gone", before) + _part("new", after)
    parts: list[ComparedPart] = []
    for same, i1, i2, j1, j2 in _runs(old, new):
        if same:
            parts.append(ComparedPart("same", "".join(old[i1:i2])))
            continue
        parts += [ComparedPart("gone", text)] if (text := "".join(old[i1:i2])) else []
        parts += [ComparedPart("new", text)] if (text := "".join(new[j1:j2])) else []
    return parts


# --- what is alike ---

type Run = tuple[bool, int, int, int, int]  # alike?, from and to on either side


def _runs(old: Sequence[str], new: Sequence[str]) -> Iterator[Run]:
    """What is alike and what differs, in order. What stands once on either side holds the rest in place; what lies
    between is compared each with each where it is short. That takes as long as the text is.
    """
    i = j = 0
    for at, to in (*_anchors(old, new), (len(old), len(new))):
        yield from _between(old, new, i, at, j, to)
        if at < len(old):
            yield True, at, at + 1, to, to + 1
        i, j = at + 1, to + 1


def _between(old: Sequence[str], new: Sequence[str], i: int, at: int, j: int, to: int) -> Iterator[Run]:
    head, tail = _ends(old[i:at], new[j:to])
    if head:
        yield True, i, i + head, j, j + head
    i, j, end, stop = i + head, j + head, at - tail, to - tail
    if (end - i) * (stop - j) > MOST_PAIRS:
        yield False, i, end, j, stop
    else:
        for kind, i1, i2, j1, j2 in SequenceMatcher(None, old[i:end], new[j:stop], autojunk=False).get_opcodes():
            yield kind == "equal", i + i1, i + i2, j + j1, j + j2
    if tail:
        yield True, end, at, stop, to


def _ends(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many both begin with, and how many of the others both end with."""
    head = _alike(old, new)
    most = min(len(old), len(new)) - head
    return head, min(most, _alike(old[::-1], new[::-1]))


def _alike(old: Sequence[str], new: Sequence[str]) -> int:
    return sum(1 for _pair in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Places of what stands once on either side: the longest row of them that is in order on both."""
    times = Counter(old), Counter(new)
    places = {word: at for at, word in enumerate(new) if times[1][word] == 1}
    once = [(at, places[word]) for at, word in enumerate(old) if times[0][word] == 1 and word in places]
    # Patience sorting: the last of each shortest row so far, and what each stands behind.
    ends: list[int] = []
    last: list[int] = []
    behind: list[int] = []
    for number, (_at, to) in enumerate(once):
        row = bisect_left(ends, to)
        ends[row : row + 1], last[row : row + 1] = [to], [number]
        behind.append(last[row - 1] if row else -1)
    anchors = []
    number = last[-1] if last else -1
    while number >= 0:
        anchors.append(once[number])
        number = behind[number]
    return anchors[::-1]


def _part(kind: Literal["same", "gone", "new"], text_lines: Sequence[str]) -> list[ComparedPart]:
    return [ComparedPart(kind, "".join(f"{line}\n" for line in text_lines))] if text_lines else []


def _words(text_lines: Sequence[str]) -> list[str]:
    """Words, blanks and line ends; together again they are the text."""
    return re.findall(r"\n|[^\S\n]+|\w+|[^\w\s]", "".join(f"{line}\n" for line in text_lines))


def _joined(parts: list[ComparedPart]) -> list[ComparedPart]:
    joined_parts: list[ComparedPart] = []
    for part in parts:
        if joined_parts and joined_parts[-1].kind == part.kind:
            joined_parts[-1] = ComparedPart(part.kind, joined_parts[-1].text + part.text)
        else:
            joined_parts.append(part)
    return joined_parts


def counted(parts: Sequence[ComparedPart]) -> ComparedWords:
    def words(kind: str) -> int:
        return sum(len(re.findall(r"\w+", part.text)) for part in parts if part.kind == kind)

    return ComparedWords(words("new"), words("gone"))
