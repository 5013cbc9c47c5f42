"""What a letter makes of its template: words of its own in places, parts repeated, moved, removed or left out.

A part inside of a repeated one has a key for each copy: `story/2/title` is the place `title` in copy 2 of `story`.
"""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

MAX_COPIES = 50  # of one part; a letter is cut off by Gmail long before
# Characters of all that a letter writes into its template, and of the template with it: twice the longest template.
MAX_WRITTEN = MAX_ARRANGED = 600_000
# A part counts as so many characters at least: 50 copies of nothing in each of 50, ten deep, take all memory too.
LEAST_PART = 10
MAX_DEPTH = 250  # of parts inside of parts; an imported page has 200
_MARK = re.compile(r"<!--(place|repeat|hide|more):([^<>]{1,200}?)-->|<!--/(place|repeat|hide|more)-->")


class LayoutTooLong(ValueError):
    """More than a letter may make of its template."""


class WrittenRegion(Struct, frozen=True, array_like=True):
    """A letter's own HTML for a place, and the document of blocks that it was made from; "" where it was HTML."""

    html: str
    blocks: str = ""


class RepeatedCopy(Struct, frozen=True, array_like=True):
    """One copy of a part that can be repeated. `model`: which of the template's variants it is, from 0."""

    id: str
    model: Annotated[int, Meta(ge=0)] = 0


class LayoutChanges(Struct, frozen=True):
    """What one letter made of its template. `copies` and `texts` hold what differs from the template alone. Also where
    it comes in with an export nothing is larger than an editor may make it. Errors: LayoutTooLong."""

    texts: dict[str, WrittenRegion] = {}
    copies: dict[str, tuple[RepeatedCopy, ...]] = {}
    hidden: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        size = sum(len(key) + len(region.html) + len(region.blocks) for key, region in self.texts.items())
        size += sum(map(len, self.hidden)) + sum(map(len, self.copies))
        size += sum(len(copy.id) + 1 for copies in self.copies.values() for copy in copies)
        if size > MAX_WRITTEN or any(len(copies) > MAX_COPIES for copies in self.copies.values()):
            raise LayoutTooLong

    def written(self, key: str, words: WrittenRegion | None) -> "LayoutChanges":
        """None: as the template has it."""
        texts = {other: region for other, region in self.texts.items() if other != key}
        return replace(self, texts=texts if words is None else texts | {key: words})

    def hiding(self, key: str, hidden: bool) -> "LayoutChanges":
        return replace(self, hidden=self.hidden | {key} if hidden else self.hidden - {key})

    def copied(self, part: "RepeatableRegion", id_: str) -> "LayoutChanges":
        """A copy behind the one with that id, with all that was written into it."""
        copies = self.of(part)
        place = _place(copies, id_)
        new = RepeatedCopy(_unused(copies), copies[place].model)
        old, fresh = f"{part.name}/{id_}/", f"{part.name}/{new.id}/"
        texts = {fresh + key.removeprefix(old): region for key, region in self.texts.items() if key.startswith(old)}
        hidden = {fresh + key.removeprefix(old) for key in self.hidden if key.startswith(old)}
        changes = self._with(part, (*copies[: place + 1], new, *copies[place + 1 :]))
        return replace(changes, texts={**self.texts, **texts}, hidden=self.hidden | hidden)

    def added(self, part: "RepeatableRegion", model: int) -> "LayoutChanges":
        """As the template has it, behind the others."""
        copies = self.of(part)
        if not 0 <= model < len(part.models):
            raise KeyError(model)
        return self._with(part, (*copies, RepeatedCopy(_unused(copies), model)))

    def moved(self, part: "RepeatableRegion", id_: str, way: int) -> "LayoutChanges":
        """One up (-1) or down (1); where it cannot go further it stays."""
        copies = [*self.of(part)]
        place = _place(copies, id_)
        other = min(max(place + way, 0), len(copies) - 1)
        copies[place], copies[other] = copies[other], copies[place]
        return self._with(part, tuple(copies))

    def removed(self, part: "RepeatableRegion", id_: str) -> "LayoutChanges":
        """Also the last one: it can be added again. What was written into it goes along."""
        copies = self.of(part)
        gone = copies[_place(copies, id_)]
        prefix = f"{part.name}/{id_}/"
        changes = self._with(part, tuple(copy for copy in copies if copy is not gone))
        texts = {key: region for key, region in self.texts.items() if not key.startswith(prefix)}
        return replace(changes, texts=texts, hidden=frozenset(key for key in self.hidden if not key.startswith(prefix)))

    def of(self, part: "RepeatableRegion") -> tuple[RepeatedCopy, ...]:
        """Copies in their order. What the template has: one of each, or the first of its variants."""
        usual = part.models[:1] if part.models[0].variant else part.models
        there = (RepeatedCopy(str(number), number) for number, model in enumerate(usual) if model.begins)
        return self.copies.get(part.name, tuple(there))

    def _with(self, part: "RepeatableRegion", copies: tuple[RepeatedCopy, ...]) -> "LayoutChanges":
        if len(copies) > MAX_COPIES:
            raise ValueError("too many copies")
        return replace(self, copies={**self.copies, part.name: copies})


def _place(copies: Iterable[RepeatedCopy], id_: str) -> int:
    """Errors: KeyError."""
    for place, copy in enumerate(copies):
        if copy.id == id_:
            return place
    raise KeyError(id_)


def _unused(copies: Iterable[RepeatedCopy]) -> str:
    return str(max((int(copy.id) for copy in copies), default=-1) + 1)


# --- a template as a tree of its parts ---


@dataclass(frozen=True, slots=True)
class Region:
    """`usual`: HTML of the template; `holder`: the tag of the element around it, "" where that is not told."""

    name: str
    usual: str
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Hideable:
    name: str
    inner: "Parts"


@dataclass(frozen=True, slots=True)
class RepeatVariant:
    """`begins`: it stands in the template; otherwise it can only be added."""

    variant: str
    inner: "Parts"
    begins: bool = True


@dataclass(frozen=True, slots=True)
class RepeatableRegion:
    name: str
    models: tuple[RepeatVariant, ...]


type Part = str | Region | Hideable | RepeatableRegion
type Parts = tuple[Part, ...]


def parts_of(source: str) -> Parts:
    """The parts of a template as `take` stores it."""
    tokens = [*_MARK.finditer(source)]

    def read(position: int, index: int, closing: str) -> tuple[list[Part], int, int]:
        """Parts from a position up to the mark that closes; then the position behind it, and the next mark."""
        parts: list[Part] = []
        while index < len(tokens):
            token = tokens[index]
            _text(parts, source[position : token.start()])
            position, index = token.end(), index + 1
            if token[3]:
                if token[3] == closing:
                    return parts, position, index
                continue
            start = position
            inner, position, index = read(position, index, token[1])
            name = html.unescape(token[2])
            if token[1] == "place":
                usual = source[start : source.rfind("<!--/place-->", start, position)]
                parts.append(Region(name, usual, _holder(source, token.start())))
            elif token[1] == "hide":
                parts.append(Hideable(name, tuple(inner)))
            else:
                _repeat(parts, name, tuple(inner), token[1] == "repeat")
        _text(parts, source[position:])
        return parts, len(source), index

    return tuple(read(0, 0, "")[0])


_HOLDER = re.compile(r"<([A-Za-z][A-Za-z0-9]{0,10})\b[^<>]*>\s*")


def _holder(source: str, start: int) -> str:
    """The tag that opens right before this point."""
    match = _HOLDER.fullmatch(source, max(source.rfind("<", 0, start), 0), start)
    return match[1].lower() if match else ""


def _text(parts: list[Part], text: str) -> None:
    if text:
        parts.append(text)


def _repeat(parts: list[Part], name: str, inner: Parts, begins: bool) -> None:
    """Neighbors of one name are models of one part; the blank between them goes along."""
    name, _bar, variant = name.partition("|")
    before = parts[-2] if len(parts) > 1 and isinstance(parts[-1], str) else (parts[-1] if parts else None)
    if isinstance(before, RepeatableRegion) and before.name == name:
        blank = parts.pop() if isinstance(parts[-1], str) else ""
        parts[-1] = RepeatableRegion(
            name, (*before.models, RepeatVariant(variant, (*([blank] if blank else []), *inner), begins))
        )
    else:
        parts.append(RepeatableRegion(name, (RepeatVariant(variant, inner, begins),)))


def arranged(source: str, own: LayoutChanges) -> str:
    """The template as one letter has it, without our comments. Errors: LayoutTooLong."""
    return arranged_parts(parts_of(source), own)


def insist_on_size(source: str, own: LayoutChanges) -> None:
    """Of a template that nobody has looked at, or that a letter fills for the first time. Errors: LayoutTooLong."""
    depth = deepest = 0
    for mark in _MARK.finditer(source):
        depth = max(depth - 1, 0) if mark[3] else depth + 1
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise LayoutTooLong
    arranged(source, own)


def arranged_parts(parts: Parts, own: LayoutChanges, prefix: str = "") -> str:
    """These parts and all that is inside of them. prefix: of their keys, in a copy of a repeated part. Errors:
    LayoutTooLong."""
    out = _Arranged()
    _arrange(parts, own, prefix, out)
    return "".join(out.pieces)


class _Arranged:
    """Pieces of a template, as long as they are not too long together: copies inside of copies multiply."""

    __slots__ = ("_left", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._left = MAX_ARRANGED

    def add(self, piece: str) -> None:
        self._left -= max(len(piece), LEAST_PART)
        if self._left < 0:
            raise LayoutTooLong
        self.pieces.append(piece)


def _arrange(parts: Parts, own: LayoutChanges, prefix: str, out: _Arranged) -> None:
    for part in parts:
        match part:
            case str():
                out.add(part)
            case Region():
                words = own.texts.get(prefix + part.name)
                out.add(part.usual if words is None else words.html)
            case Hideable():
                if prefix + part.name not in own.hidden:
                    _arrange(part.inner, own, prefix, out)
            case RepeatableRegion():
                for copy in own.of(part):
                    if copy.model < len(part.models):
                        out.add("")
                        _arrange(part.models[copy.model].inner, own, f"{part.name}/{copy.id}/", out)


def find(parts: Parts, own: LayoutChanges, key: str) -> Region | Hideable | RepeatableRegion | None:
    """The part with that key, in the template as the letter has it."""
    return next((part for other, part in walk(parts, own) if other == key), None)


def walk(
    parts: Parts, own: LayoutChanges, prefix: str = ""
) -> Iterable[tuple[str, Region | Hideable | RepeatableRegion]]:
    """Every part with its key, inside of each copy as well."""
    for part in parts:
        if isinstance(part, str):
            continue
        yield prefix + part.name, part
        if isinstance(part, Hideable):
            yield from walk(part.inner, own, prefix)
        elif isinstance(part, RepeatableRegion):
            for copy in own.of(part):
                if copy.model < len(part.models):
                    yield from walk(part.models[copy.model].inner, own, f"{part.name}/{copy.id}/")
