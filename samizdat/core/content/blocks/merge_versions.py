"""Two people wrote in one letter at the same time: both sets of changes in one letter, block by block.

A three-way merge on plain JSON blocks, as dicts: what both began from, mine, theirs. A block that only one of them
touched is as they left it; one that both changed stands twice, mine first, and somebody decides. Changing is stronger
than removing, so nothing that was typed is lost. Blocks are known by their `attrs.id` (docs/content-format.md); one
without is known by what it says.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise, takewhile

from samizdat.core.content.blocks.schema import Node


def merge_text(base: str, mine: str, theirs: str) -> str | None:
    """Two changes of one text, each taken as one piece that was replaced. None where the pieces overlap; what was put
    in at the same place stands theirs first, as it was there first.
    """
    if mine == theirs or theirs == base:
        return mine
    (begin, end, new), (start, stop, _mine) = _piece(base, theirs), _piece(base, mine)
    if end <= start:
        return base[:begin] + new + base[end:start] + mine[start:]
    if stop <= begin:
        return mine[: len(mine) - len(base) + begin] + new + base[end:]
    return None


def _piece(base: str, text: str) -> tuple[int, int, str]:
    """(from, to) of base that the text has something else for, and what."""
    begin = _same(base, text)
    tail = min(_same(base[::-1], text[::-1]), min(len(base), len(text)) - begin)
    return begin, len(base) - tail, text[begin : len(text) - tail]


def _same(first: str, second: str) -> int:
    """How many characters both begin with."""
    return sum(1 for _pair in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


@dataclass(frozen=True, slots=True)
class MergedDraft:
    """`doubled`: for each block that both changed, the ids of my version and of theirs, which stands behind mine."""

    blocks: list[Node]
    doubled: list[tuple[str, str]]


def merge(base: Sequence[Node], mine: Sequence[Node], theirs: Sequence[Node], new_id: Callable[[], str]) -> MergedDraft:
    """All three are the blocks of a document, top level. `new_id` gives an id that no block has.

    Without a common beginning (`base` empty) a block that differs stands twice.
    """
    if any(map(id_of, mine)):  # It comes from a page, which was given the letter as `numbered` has it.
        base, mine, theirs = numbered(base), numbered(mine), numbered(theirs)
    began, ours, others = _named(base), _named(mine), _named(theirs)
    kept: dict[str, Node] = {}
    behind: dict[str, Node] = {}
    doubled: list[tuple[str, str]] = []
    for name in [*ours, *(name for name in others if name not in ours)]:
        block, other = _one(began.get(name), ours.get(name), others.get(name))
        if block is not None:
            kept[name] = block
        if block is not None and other is not None and block["type"] != "footer":
            behind[name] = with_id(other, new_id())
            doubled.append((id_of(block), id_of(behind[name])))
        elif block is not None and other is not None:
            kept[name] = _joined(block, other)
    blocks = []
    for name in _order(list(began), list(ours), list(others)):
        blocks += [candidate for candidate in (kept.get(name), behind.get(name)) if candidate is not None]
    return MergedDraft(_footer_last(blocks), doubled)


def _one(base: Node | None, mine: Node | None, theirs: Node | None) -> tuple[Node | None, Node | None]:
    """The block as it is to be, and the other version where both changed it."""
    if mine == theirs or theirs == base:
        return mine, None
    if mine == base:
        return theirs, None
    if mine is None or theirs is None:
        return mine or theirs, None
    return mine, theirs


def _order(base: list[str], mine: list[str], theirs: list[str]) -> list[str]:
    """The order of the other, unless I moved something; what only the other has comes behind what it stands behind
    there."""
    moved = _common(mine, base) != _common(base, mine)
    first, second = (mine, theirs) if moved else (theirs, mine)
    # What stands behind each; "", which no block is called, stands before all. Looking for places would be the square.
    behind = dict(pairwise(["", *first, ""]))
    before = ""
    for name in second:
        if name not in behind:
            behind[before], behind[name] = name, behind[before]
        before = name
    result: list[str] = []
    while name := behind[result[-1] if result else ""]:
        result.append(name)
    return result


def _common(names: Iterable[str], others: Iterable[str]) -> list[str]:
    there = set(others)
    return [name for name in names if name in there]


def _named(blocks: Sequence[Node]) -> dict[str, Node]:
    """By id where there is one that no block before it has; else by what the block says and how often it was said."""
    by_name: dict[str, Node] = {}
    counts: Counter[str] = Counter()
    for block in blocks:
        name = id_of(block)
        if not name or name in by_name:
            words = _said(block)
            counts[words] += 1
            # A sign that no id has stands first.
            name = f"#{counts[words]} {words}"
        by_name[name] = block
    return by_name


def _joined(mine: Node, *others: Node) -> Node:
    """A letter has one footer: what the others say besides comes under mine."""
    lines = list(mine.get("content", ()))
    texts = set(map(_said, lines))
    for other in others:
        new = [line for line in other.get("content", ()) if _said(line) not in texts]
        lines += new
        texts.update(map(_said, new))
    return {**mine, "content": lines}


def _said(block: object) -> str:
    return json.dumps(block, sort_keys=True, ensure_ascii=False)


def _footer_last(blocks: list[Node]) -> list[Node]:
    footers = [block for block in blocks if block["type"] == "footer"]
    if not footers:
        return blocks
    return [block for block in blocks if block["type"] != "footer"] + [_joined(*footers)]


def numbered(blocks: Sequence[Node]) -> list[Node]:
    """Each block with an id, at the top and in columns. Those that have none get the first free ones in the order of
    reading: whoever opens the same letter, as a program or a starter wrote it, finds the same ids in it.
    """
    taken = {id_of(block) for block in _all(blocks)}
    free = (name for name in map("n{:04}".format, count(1)) if name not in taken)
    return [_numbered(block, free) for block in blocks]


def _numbered(block: Node, free: Iterator[str]) -> Node:
    named = block if id_of(block) else with_id(block, next(free))
    if named["type"] != "columns":
        return named
    columns: list[Node] = [
        {**column, "content": [_numbered(inner, free) for inner in column.get("content", ())]}
        for column in named.get("content", ())
    ]
    return {**named, "content": columns}


def _all(blocks: Iterable[Node]) -> Iterator[Node]:
    for block in blocks:
        yield block
        if block["type"] == "columns":
            for column in block.get("content", ()):
                yield from column.get("content", ())


def numbered_body(body: str) -> str:
    """The JSON of a document, numbered; as it is where it is none."""
    try:
        document = json.loads(body)
        return json.dumps({**document, "content": numbered(document.get("content", ()))}, ensure_ascii=False)
    except (ValueError, TypeError, KeyError, AttributeError):
        return body


def id_of(block: Node) -> str:
    """The id of a block; empty for none."""
    return str((block.get("attrs") or {}).get("id") or "")


def with_id(block: Node, name: str) -> Node:
    return {**block, "attrs": {**(block.get("attrs") or {}), "id": name}}
