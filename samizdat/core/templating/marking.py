"""Where a letter goes, and the parts that it may fill, repeat or leave out: Mailchimp's marks become comments.

mc:edit        <!--place:NAME-->…<!--/place-->              around what is inside; around a picture itself
mc:repeatable  <!--repeat:NAME|VARIANT-->…<!--/repeat-->    around the element; neighbours of one name are one part
               <!--more:NAME|VARIANT-->…<!--/more-->        behind one that the letter itself is in: it can be added
mc:hideable    <!--hide:NAME-->…<!--/hide-->                around the element
"""

import html
import re
from bisect import bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from samizdat.core.letter.cleaning import VOID
from samizdat.core.templating.elements import Element, elements
from samizdat.core.templating.guessing import main_part, other_parts
from samizdat.core.templating.letters import Letters
from samizdat.core.templating.naming import given
from samizdat.core.templating.notes import Note, naming
from samizdat.core.templating.visibility import preview_texts, seen

MAX_PARTS = 200  # of each kind; a real template has some twenty
# None of these looks further than to where the next of its kind begins, so what is never closed costs nothing.
_OURS = re.compile(r"<!--/?(?:place|repeat|hide|more)\b(?:(?!<!--).)*?-->", re.DOTALL)
_MC = re.compile(r"\smc:[\w-]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>]+))?", re.IGNORECASE)
_KNOWN = frozenset({"mc:edit", "mc:repeatable", "mc:hideable", "mc:variant", "mc:label"})
_MAIN = re.compile(r"content|body|main|article|story", re.IGNORECASE)
_BESIDE = re.compile(r"header|footer|social|util|reward|teaser|sidebar|link|image|logo|column01", re.IGNORECASE)
_CONTENT = re.compile(r"\{\{\s*content\s*\}\}")
_BETWEEN = re.compile(r"(?:\s|<!--(?:(?!-->).)*-->)*", re.DOTALL)
_KINDS = ("repeat", "hide", "place")  # the outermost of one element first


@dataclass(frozen=True, slots=True)
class Marked:
    """`source` with {{ content }} and our comments; `sample` stood where the letter goes; `places` are names."""

    source: str
    sample: str
    places: tuple[str, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class _Mark:
    kind: str
    name: str  # with the variant of a repeatable part
    start: int
    end: int
    order: int  # of its element in the page

    @property
    def opening(self) -> str:
        return f"<!--{self.kind}:{html.escape(self.name)}-->"

    @property
    def closing(self) -> str:
        return f"<!--/{self.kind}-->"


def marked(page: str) -> Marked:
    page, previews = _with_preview_text(_OURS.sub("", page))
    found = elements(page)
    hidden = preview_texts(page, found)
    edits = _outermost(
        one
        for one in found
        if one.attrs.get("mc:edit")
        and (one.inner_end > one.inner or _bare(one))
        and not any(one is other or other.holds(one) for other in hidden)
    )
    main, notes = _main(page, found, edits)
    notes = [*previews, *notes]
    if main is not None and not any(_KNOWN.intersection(one.attrs) for one in found):
        edits = other_parts(page, found, main)
    around = [*edits, *([main] if main else [])]
    free = _outside(found, around)
    repeats = _outermost(one for one in free if "mc:repeatable" in one.attrs)
    _movable, around_letter = _parted(repeats, main)
    hides, fixed = _parted(
        [one for one in free if "mc:hideable" in one.attrs and "mc:repeatable" not in one.attrs], main
    )
    names = _Names()
    others = [one for one in edits if one is not main][:MAX_PARTS]
    filling = [_place(_with_link(page, one, found), one, names) for one in others]
    repeating = _repeat_marks(page, repeats[:MAX_PARTS], edits, names, {id(one) for one in around_letter})
    mores = [mark for mark in repeating if mark.kind == "more"]
    hiding = [_mark("hide", one, names.free(_called(one, "mc:hideable"))) for one in hides[:MAX_PARTS]]
    notes += _counted("note_repeat", {mark.name.partition("|")[0] for mark in repeating})
    notes += _counted("note_hide", {mark.name for mark in hiding})
    notes += _counted("note_more", mores) + _counted("note_fixed", fixed)
    strange = {name for one in found for name in one.attrs if name.startswith("mc:")} - _KNOWN
    notes += naming("note_designer", sorted(strange))
    sample = page[main.inner : main.inner_end].strip() if main else ""
    marks = [mark for mark in repeating if mark.kind != "more"]
    models = [(mark, _model(page, mark, edits)) for mark in mores]
    source = _written(page, [*marks, *hiding, *filling], main, models)
    return Marked(_MC.sub("", source), _MC.sub("", sample), tuple(mark.name for mark in filling), tuple(notes))


_PREVIEW = re.compile(r"\*\|MC_PREVIEW_TEXT\|\*|\{\{\s*preheader\b", re.IGNORECASE)
_SIGN = re.compile(r"\w")


def _with_preview_text(page: str) -> tuple[str, list[Note]]:
    """The preview text of each letter in the place of the one that the template came with, which nobody would see
    there and everybody in the list of mails. Signs that pad it stay.
    """
    texts = [(one, words) for one in preview_texts(page, elements(page)) if (words := _words(page, one))]
    is_said = bool(_PREVIEW.search(page))
    for number, (one, _said) in reversed([*enumerate(texts)]):
        if _PREVIEW.search(page, one.inner, one.inner_end):
            continue
        page = page[: one.inner] + ("" if number or is_said else "{{ preheader }}") + page[one.inner_end :]
    old = [words for _one, words in texts if not _PREVIEW.search(words)]
    return page, [Note("note_preview", {"words": " ".join(old)[:80]})] if old else []


def _words(page: str, one: Element) -> str:
    """What it says; "" where only blanks and padding stand in it."""
    said = html.unescape(re.sub(r"<[^<>]*>", " ", page[one.inner : one.inner_end]))
    return " ".join(said.split()) if _SIGN.search(said) else ""


def _mark(kind: str, one: Element, name: str) -> _Mark:
    return _Mark(kind, name, one.start, one.end, one.start)


def _bare(one: Element) -> bool:
    return one.tag in VOID


def _outermost(found: Iterable[Element]) -> list[Element]:
    kept: list[Element] = []
    for one in found:  # In the order of the page: what holds another comes before it.
        if not (kept and kept[-1].holds(one)):
            kept.append(one)
    return kept


def _outside(found: list[Element], around: list[Element]) -> list[Element]:
    """Those that are in none of the others, which do not hold each other."""
    free, behind = list[Element](), -1
    borders = {id(one) for one in around}
    for one in found:
        if one.start >= behind:
            free.append(one)
            behind = one.end if id(one) in borders else behind
    return free


def _parted(found: list[Element], main: Element | None) -> tuple[list[Element], list[Element]]:
    """Those that can be repeated or left out, and those that cannot: the letter itself is inside."""
    fixed = [one for one in found if main and (one is main or one.holds(main))]
    return [one for one in found if one not in fixed], fixed  # at most the ancestors of one element


def _called(one: Element, *names: str, otherwise: str = "part") -> str:
    """A name that a person gave it, else the first that it has."""
    said = [one.attrs[name] for name in ("mc:label", *names, "mc:label", "mc:edit") if one.attrs.get(name)]
    unsaid = said[1:] if one.attrs.get("mc:label") else said
    return next((name for name in said if given(name)), next(iter(unsaid), otherwise))


def _counted(code: str, found: Collection[object]) -> list[Note]:
    return [Note(code, {"count": f"{len(found)}"})] if found else []


class _Names:
    """Names that are comments, keys and words on a page, and stand for one part each."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def free(self, wanted: str) -> str:
        name = plain = re.sub(r"[<>|/\s]+|--", " ", wanted).strip()[:60] or "part"
        number = 1
        while name in self.taken:
            number += 1
            name = f"{plain} #{number}"
        self.taken.add(name)
        return name


def _model(page: str, mark: _Mark, edits: list[Element]) -> str:
    """What stands around the letter, as something that can be added behind it."""
    names = _Names()
    inside = [one for one in edits if mark.start <= one.start and one.end <= mark.end][:MAX_PARTS]
    places = [_place(one, one, names) for one in inside]
    moved = [replace(one, start=one.start - mark.start, end=one.end - mark.start) for one in places]
    return f"{mark.opening}{_written(page[mark.start : mark.end], moved, None)}{mark.closing}"


def _repeat_marks(
    page: str, repeats: list[Element], edits: list[Element], names: _Names, around_letter: Collection[int]
) -> list[_Mark]:
    """around_letter: the id of the one that holds the letter, which stays where it is."""
    marks: list[_Mark] = []
    together = {
        id(two)
        for one, two in pairwise(repeats)
        if one.attrs["mc:repeatable"] == two.attrs["mc:repeatable"] and _BETWEEN.fullmatch(page, one.end, two.start)
        if id(two) not in around_letter
    }
    name = ""
    for one in repeats:
        if id(one) not in together:
            first = next((edit.attrs["mc:edit"] for edit in edits if one.holds(edit)), "part")
            name = names.free(_called(one, "mc:repeatable", otherwise=first))
        variant = re.sub(r"[<>|/\s]+|--", " ", one.attrs.get("mc:variant", "")).strip()[:60]
        marks.append(_mark("more" if id(one) in around_letter else "repeat", one, f"{name}|{variant}"))
    return marks


def _place(around: Element, one: Element, names: _Names) -> _Mark:
    start, end = (around.start, around.end) if _bare(one) else (one.inner, one.inner_end)
    return _Mark(
        "place",
        names.free(_called(one, "mc:edit", otherwise="image" if _bare(one) else "text")),
        start,
        end,
        around.start,
    )


def _with_link(page: str, one: Element, found: list[Element]) -> Element:
    """A picture with the link around it alone, so that the letter may lead it elsewhere."""
    if not _bare(one):
        return one
    at = bisect_right(found, one.start, key=lambda other: other.start) - 1
    for other in reversed(found[max(at - 3, 0) : at]):
        inside = f"{page[other.inner : one.start]}{page[one.end : other.inner_end]}"
        if other.tag == "a" and other.holds(one) and not inside.strip() and "mc:repeatable" not in other.attrs:
            return other
    return one


def _written(page: str, marks: list[_Mark], main: Element | None, models: Iterable[tuple[_Mark, str]] = ()) -> str:
    """The page with its marks. At one point the inner part ends before the outer one, and begins after it."""
    points: list[tuple[int, int, tuple[int, int], str]] = []
    points += [(mark.end, 0, (-mark.order, 0), text) for mark, text in models]
    for mark in marks:
        inner = (mark.order, _KINDS.index(mark.kind))
        points.append((mark.end, 0, (-inner[0], -inner[1]), mark.closing))
        points.append((mark.start, 1, inner, mark.opening))
    out, position = list[str](), 0
    if main:
        points.append((main.inner, 2, (0, 0), "{{ content }}"))
    for at, kind, _order, text in sorted(points):
        out += [page[position:at], text]
        position = main.inner_end if main and kind == 2 else at
    return "".join([*out, page[position:]])


def _main(page: str, found: list[Element], edits: list[Element]) -> tuple[Element | None, list[Note]]:
    """The part that the letter itself goes into; None where the page says it."""
    if _CONTENT.search(page):
        return None, []
    filled = [one for one in edits if one.inner_end > one.inner]
    letters = Letters(seen(page, found))
    filled = [one for one in filled if letters.inside(one)] or [one for one in filled if not _words(page, one)]
    if not filled:
        return main_part(page, found, letters), [Note("note_guess")]
    alone = {id(one) for one in _outside(found, _outermost(one for one in found if "mc:repeatable" in one.attrs))}

    most = max(map(letters.inside, filled))

    def weight(one: Element) -> tuple[bool, bool, bool, int]:
        name, size = one.attrs["mc:edit"], letters.inside(one)
        single = id(one) in alone and "mc:repeatable" not in one.attrs
        beside = bool(_BESIDE.search(name))
        # A heading or foot outside of parts to repeat is no place for a campaign.
        return bool(_MAIN.search(name)) and not beside, not beside, single and size * 2 >= most, size

    main = max(filled, key=weight)
    return main, [Note("note_place", {"words": letters.first(main)})]
