"""Where a letter goes, and what else it may change, in a page that does not say so.

The letter goes into the longest part. The words of every other cell, where they can be blocks, and every picture
outside of it are places; what is between them stays as it is.
"""

import html
import re
from collections.abc import Iterator
from itertools import pairwise

from samizdat.core.content.templates.bare_html import TextLengths
from samizdat.core.content.templates.blocks import read
from samizdat.core.content.templates.elements import Element
from samizdat.core.content.templates.visibility import seen

_CELLS = frozenset({"td", "th", "div", "body", "article", "main", "section", "header", "footer", "center"})
_UNSAID = re.compile(r"\*\|[^|<>]{0,200}\|\*|<[^<>]*>")
_WAY_OUT = re.compile(
    r"\*\|(?:UNSUB|UPDATE_PROFILE|LIST:ADDRESS|HTML:LIST)|\{\{\s*(?:unsubscribe|postal)", re.IGNORECASE
)
TRIES = 8  # of the longest cells, until the words of one can be blocks
LEAST = 20  # pixels of a picture that shows something; smaller ones hold a table apart


def main_part(page: str, elements: list[Element], letters: TextLengths) -> Element:
    """The innermost cell that holds half of all words, or, where nothing of it can be blocks or the way out is in it,
    the longest cell that is better; the whole page where there is no cell.
    """
    longest = _longest(page, elements, letters)
    is_good = _can_be_blocks(page, longest)
    if is_good and not _has_way_out(page, longest):
        return longest
    cells = sorted(_leaves(elements), key=letters.inside, reverse=True)[:TRIES]
    good = [cell for cell in cells if letters.inside(cell) and _can_be_blocks(page, cell)]
    texts = [cell for cell in good if not _has_way_out(page, cell)]
    # A page in one cell has its way out there as well: a heading above it is not the letter.
    if texts and letters.inside(texts[0]) * 4 >= letters.inside(good[0]):
        return texts[0]
    return longest if is_good or not good else good[0]


def _longest(page: str, elements: list[Element], letters: TextLengths) -> Element:
    body = next((element for element in elements if element.tag == "body"), None) or Element(
        "", {}, 0, 0, len(page), len(page)
    )
    whole = max(letters.inside(body), 1)  # A page without a word is the letter as a whole.
    good = [
        element
        for element in elements
        if element.tag in _CELLS and element.inner >= body.inner and letters.inside(element) * 2 >= whole
    ]
    return min(good, key=lambda element: element.inner_end - element.inner, default=body)


def other_parts(page: str, elements: list[Element], main: Element) -> list[Element]:
    """Cells of words, and pictures in none of them, in the order of the page."""
    shown = seen(page, elements, phones=True)
    cells = [
        element
        for element in _leaves(elements)
        if not element.holds(main) and not main.holds(element) and element is not main
        if _says_something(shown[element.inner : element.inner_end]) and _can_be_blocks(page, element)
    ]
    taken = sorted([*cells, main], key=lambda element: element.start)
    pictures = [element for element in _outside(elements, taken) if element.tag == "img" and _shows(element)]
    return sorted([*cells, *pictures], key=lambda element: element.start)


def _leaves(elements: list[Element]) -> Iterator[Element]:
    """Cells without another cell or a table in them."""
    cells = [cell for cell in elements if cell.tag in _CELLS or cell.tag == "table"]
    for cell, after in pairwise([*cells, None]):
        if cell is not None and cell.tag not in ("table", "body") and (after is None or after.start >= cell.end):
            yield cell


def _has_way_out(page: str, element: Element) -> bool:
    return bool(_WAY_OUT.search(page, element.inner, element.inner_end))


def _says_something(source: str) -> bool:
    return bool(re.search(r"\w", html.unescape(_UNSAID.sub(" ", source))))


def _can_be_blocks(page: str, element: Element) -> bool:
    return read(page[element.inner : element.inner_end]) is not None


def _outside(elements: list[Element], taken: list[Element]) -> Iterator[Element]:
    """Those that begin in none of the others, which do not hold each other."""
    ends = iter([*taken, None])
    now = next(ends)
    for element in elements:
        while now is not None and element.start >= now.end:
            now = next(ends)
        if now is None or element.start < now.start:
            yield element


def _shows(picture: Element) -> bool:
    sizes = [re.match(r"\s*(\d{1,4})", picture.attrs.get(side, "")) for side in ("width", "height")]
    return bool(picture.attrs.get("src")) and all(int(size[1]) >= LEAST for size in sizes if size)
