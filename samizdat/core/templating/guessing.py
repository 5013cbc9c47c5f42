"""Where a letter goes, and what else it may change, in a page that does not say so.

The letter goes into the longest part. The words of every other cell, where they can be blocks, and every picture
outside of it are places; what is between them stays as it is.
"""

import html
import re
from collections.abc import Iterator
from itertools import pairwise

from samizdat.core.templating.blocks import read
from samizdat.core.templating.elements import Element
from samizdat.core.templating.letters import Letters
from samizdat.core.templating.visibility import seen

_CELLS = frozenset({"td", "th", "div", "body", "article", "main", "section", "header", "footer", "center"})
_UNSAID = re.compile(r"\*\|[^|<>]{0,200}\|\*|<[^<>]*>")
_WAY_OUT = re.compile(
    r"\*\|(?:UNSUB|UPDATE_PROFILE|LIST:ADDRESS|HTML:LIST)|\{\{\s*(?:unsubscribe|postal)", re.IGNORECASE
)
TRIES = 8  # of the longest cells, until the words of one can be blocks
LEAST = 20  # pixels of a picture that shows something; smaller ones hold a table apart


def main_part(page: str, found: list[Element], letters: Letters) -> Element:
    """The innermost cell that holds half of all words, or, where nothing of it can be blocks or the way out is in it,
    the longest cell that is better; the whole page where there is no cell.
    """
    longest = _longest(page, found, letters)
    is_good = _can_be_blocks(page, longest)
    if is_good and not _has_way_out(page, longest):
        return longest
    cells = sorted(_leaves(found), key=letters.inside, reverse=True)[:TRIES]
    good = [one for one in cells if letters.inside(one) and _can_be_blocks(page, one)]
    texts = [one for one in good if not _has_way_out(page, one)]
    # A page in one cell has its way out there as well: a heading above it is not the letter.
    if texts and letters.inside(texts[0]) * 4 >= letters.inside(good[0]):
        return texts[0]
    return longest if is_good or not good else good[0]


def _longest(page: str, found: list[Element], letters: Letters) -> Element:
    body = next((one for one in found if one.tag == "body"), None) or Element("", {}, 0, 0, len(page), len(page))
    whole = max(letters.inside(body), 1)  # A page without a word is the letter as a whole.
    good = [one for one in found if one.tag in _CELLS and one.inner >= body.inner and letters.inside(one) * 2 >= whole]
    return min(good, key=lambda one: one.inner_end - one.inner, default=body)


def other_parts(page: str, found: list[Element], main: Element) -> list[Element]:
    """Cells of words, and pictures in none of them, in the order of the page."""
    shown = seen(page, found, phones=True)
    cells = [
        one
        for one in _leaves(found)
        if not one.holds(main) and not main.holds(one) and one is not main
        if _says_something(shown[one.inner : one.inner_end]) and _can_be_blocks(page, one)
    ]
    taken = sorted([*cells, main], key=lambda one: one.start)
    pictures = [one for one in _outside(found, taken) if one.tag == "img" and _shows(one)]
    return sorted([*cells, *pictures], key=lambda one: one.start)


def _leaves(found: list[Element]) -> Iterator[Element]:
    """Cells without another cell or a table in them."""
    cells = [one for one in found if one.tag in _CELLS or one.tag == "table"]
    for one, after in pairwise([*cells, None]):
        if one is not None and one.tag not in ("table", "body") and (after is None or after.start >= one.end):
            yield one


def _has_way_out(page: str, one: Element) -> bool:
    return bool(_WAY_OUT.search(page, one.inner, one.inner_end))


def _says_something(source: str) -> bool:
    return bool(re.search(r"\w", html.unescape(_UNSAID.sub(" ", source))))


def _can_be_blocks(page: str, one: Element) -> bool:
    return read(page[one.inner : one.inner_end]) is not None


def _outside(found: list[Element], taken: list[Element]) -> Iterator[Element]:
    """Those that begin in none of the others, which do not hold each other."""
    ends = iter([*taken, None])
    now = next(ends)
    for one in found:
        while now is not None and one.start >= now.end:
            now = next(ends)
        if now is None or one.start < now.start:
            yield one


def _shows(picture: Element) -> bool:
    sizes = [re.match(r"\s*(\d{1,4})", picture.attrs.get(side, "")) for side in ("width", "height")]
    return bool(picture.attrs.get("src")) and all(int(size[1]) >= LEAST for size in sizes if size)
