"""Where a letter goes, and the parts that it may fill, repeat or leave out: Mailchimp's marks become comments.

mc:edit        <!--place:NAME-->…<!--/place-->              around what is inside; around a picture itself
mc:repeatable  <!--repeat:NAME|VARIANT-->…<!--/repeat-->    around the element; neighbors of one name are one part
               <!--more:NAME|VARIANT-->…<!--/more-->        behind one that the letter itself is in: it can be added
mc:hideable    <!--hide:NAME-->…<!--/hide-->                around the element
"""

import html
import re
from bisect import bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from samizdat.core.content.render.cleaning import VOID
from samizdat.core.content.templates.bare_html import TextLengths
from samizdat.core.content.templates.elements import Element, elements
from samizdat.core.content.templates.notes import Note, naming
from samizdat.core.content.templates.region_names import given
from samizdat.core.content.templates.regions_by_guess import main_part, other_parts
from samizdat.core.content.templates.visibility import preview_texts, seen

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
class MarkedRegions:
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


def marked(page: str) -> MarkedRegions:
    page, previews = _with_preview_text(_OURS.sub("", page))
    page_elements = elements(page)
    hidden = preview_texts(page, page_elements)
    edits = _outermost(
        element
        for element in page_elements
        if element.attrs.get("mc:edit")
        and (element.inner_end > element.inner or _bare(element))
        and not any(element is other or other.holds(element) for other in hidden)
    )
    main, notes = _main(page, page_elements, edits)
    notes = [*previews, *notes]
    if main is not None and not any(_KNOWN.intersection(element.attrs) for element in page_elements):
        edits = other_parts(page, page_elements, main)
    around = [*edits, *([main] if main else [])]
    free = _outside(page_elements, around)
    repeats = _outermost(element for element in free if "mc:repeatable" in element.attrs)
    _movable, around_letter = _parted(repeats, main)
    hides, fixed = _parted(
        [element for element in free if "mc:hideable" in element.attrs and "mc:repeatable" not in element.attrs], main
    )
    names = _Names()
    others = [element for element in edits if element is not main][:MAX_PARTS]
    filling = [_place(_with_link(page, element, page_elements), element, names) for element in others]
    repeating = _repeat_marks(page, repeats[:MAX_PARTS], edits, names, {id(element) for element in around_letter})
    mores = [mark for mark in repeating if mark.kind == "more"]
    hiding = [_mark("hide", element, names.free(_called(element, "mc:hideable"))) for element in hides[:MAX_PARTS]]
    notes += _counted("note_repeat", {mark.name.partition("|")[0] for mark in repeating})
    notes += _counted("note_hide", {mark.name for mark in hiding})
    notes += _counted("note_more", mores) + _counted("note_fixed", fixed)
    strange = {name for element in page_elements for name in element.attrs if name.startswith("mc:")} - _KNOWN
    notes += naming("note_designer", sorted(strange))
    sample = page[main.inner : main.inner_end].strip() if main else ""
    marks = [mark for mark in repeating if mark.kind != "more"]
    models = [(mark, _model(page, mark, edits)) for mark in mores]
    source = _written(page, [*marks, *hiding, *filling], main, models)
    return MarkedRegions(_MC.sub("", source), _MC.sub("", sample), tuple(mark.name for mark in filling), tuple(notes))


_PREVIEW = re.compile(r"\*\|MC_PREVIEW_TEXT\|\*|\{\{\s*preheader\b", re.IGNORECASE)
_SIGN = re.compile(r"\w")


def _with_preview_text(page: str) -> tuple[str, list[Note]]:
    """The preview text of each letter in the place of the one that the template came with, which nobody would see
    there and everybody in the list of mails. Signs that pad it stay.
    """
    texts = [(element, words) for element in preview_texts(page, elements(page)) if (words := _words(page, element))]
    is_said = bool(_PREVIEW.search(page))
    for number, (element, _text) in reversed([*enumerate(texts)]):
        if _PREVIEW.search(page, element.inner, element.inner_end):
            continue
        page = page[: element.inner] + ("" if number or is_said else "{{ preheader }}") + page[element.inner_end :]
    old = [words for _element, words in texts if not _PREVIEW.search(words)]
    return page, [Note("note_preview", {"words": " ".join(old)[:80]})] if old else []


def _words(page: str, element: Element) -> str:
    """What it says; "" where only blanks and padding stand in it."""
    text = html.unescape(re.sub(r"<[^<>]*>", " ", page[element.inner : element.inner_end]))
    return " ".join(text.split()) if _SIGN.search(text) else ""


def _mark(kind: str, element: Element, name: str) -> _Mark:
    return _Mark(kind, name, element.start, element.end, element.start)


def _bare(element: Element) -> bool:
    return element.tag in VOID


def _outermost(candidates: Iterable[Element]) -> list[Element]:
    kept: list[Element] = []
    for element in candidates:  # In the order of the page: what holds another comes before it.
        if not (kept and kept[-1].holds(element)):
            kept.append(element)
    return kept


def _outside(candidates: list[Element], around: list[Element]) -> list[Element]:
    """Those that are in none of the others, which do not hold each other."""
    free, behind = list[Element](), -1
    borders = {id(element) for element in around}
    for element in candidates:
        if element.start >= behind:
            free.append(element)
            behind = element.end if id(element) in borders else behind
    return free


def _parted(candidates: list[Element], main: Element | None) -> tuple[list[Element], list[Element]]:
    """Those that can be repeated or left out, and those that cannot: the letter itself is inside."""
    fixed = [element for element in candidates if main and (element is main or element.holds(main))]
    return [element for element in candidates if element not in fixed], fixed  # at most the ancestors of one element


def _called(element: Element, *names: str, otherwise: str = "part") -> str:
    """A name that a person gave it, else the first that it has."""
    labels = [element.attrs[name] for name in ("mc:label", *names, "mc:label", "mc:edit") if element.attrs.get(name)]
    unsaid = labels[1:] if element.attrs.get("mc:label") else labels
    return next((name for name in labels if given(name)), next(iter(unsaid), otherwise))


def _counted(code: str, items: Collection[object]) -> list[Note]:
    return [Note(code, {"count": f"{len(items)}"})] if items else []


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
    inside = [element for element in edits if mark.start <= element.start and element.end <= mark.end][:MAX_PARTS]
    places = [_place(element, element, names) for element in inside]
    moved = [replace(place, start=place.start - mark.start, end=place.end - mark.start) for place in places]
    return f"{mark.opening}{_written(page[mark.start : mark.end], moved, None)}{mark.closing}"


def _repeat_marks(
    page: str, repeats: list[Element], edits: list[Element], names: _Names, around_letter: Collection[int]
) -> list[_Mark]:
    """around_letter: the id of the one that holds the letter, which stays where it is."""
    marks: list[_Mark] = []
    together = {
        id(following)
        for element, following in pairwise(repeats)
        if element.attrs["mc:repeatable"] == following.attrs["mc:repeatable"]
        and _BETWEEN.fullmatch(page, element.end, following.start)
        if id(following) not in around_letter
    }
    name = ""
    for element in repeats:
        if id(element) not in together:
            first = next((edit.attrs["mc:edit"] for edit in edits if element.holds(edit)), "part")
            name = names.free(_called(element, "mc:repeatable", otherwise=first))
        variant = re.sub(r"[<>|/\s]+|--", " ", element.attrs.get("mc:variant", "")).strip()[:60]
        marks.append(_mark("more" if id(element) in around_letter else "repeat", element, f"{name}|{variant}"))
    return marks


def _place(around: Element, element: Element, names: _Names) -> _Mark:
    start, end = (around.start, around.end) if _bare(element) else (element.inner, element.inner_end)
    return _Mark(
        "place",
        names.free(_called(element, "mc:edit", otherwise="image" if _bare(element) else "text")),
        start,
        end,
        around.start,
    )


def _with_link(page: str, element: Element, page_elements: list[Element]) -> Element:
    """A picture with the link around it alone, so that the letter may lead it elsewhere."""
    if not _bare(element):
        return element
    at = bisect_right(page_elements, element.start, key=lambda other: other.start) - 1
    for other in reversed(page_elements[max(at - 3, 0) : at]):
        inside = f"{page[other.inner : element.start]}{page[element.end : other.inner_end]}"
        if other.tag == "a" and other.holds(element) and not inside.strip() and "mc:repeatable" not in other.attrs:
            return other
    return element


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


def _main(page: str, page_elements: list[Element], edits: list[Element]) -> tuple[Element | None, list[Note]]:
    """The part that the letter itself goes into; None where the page says it."""
    if _CONTENT.search(page):
        return None, []
    filled = [element for element in edits if element.inner_end > element.inner]
    letters = TextLengths(seen(page, page_elements))
    filled = [element for element in filled if letters.inside(element)] or [
        element for element in filled if not _words(page, element)
    ]
    if not filled:
        return main_part(page, page_elements, letters), [Note("note_guess")]
    alone = {
        id(element)
        for element in _outside(
            page_elements, _outermost(element for element in page_elements if "mc:repeatable" in element.attrs)
        )
    }

    most = max(map(letters.inside, filled))

    def weight(element: Element) -> tuple[bool, bool, bool, int]:
        name, size = element.attrs["mc:edit"], letters.inside(element)
        single = id(element) in alone and "mc:repeatable" not in element.attrs
        beside = bool(_BESIDE.search(name))
        # A heading or foot outside of parts to repeat is no place for a campaign.
        return bool(_MAIN.search(name)) and not beside, not beside, single and size * 2 >= most, size

    main = max(filled, key=weight)
    return main, [Note("note_place", {"words": letters.first(main)})]
