"""How much text stands in each part of a page."""

import html
import re
from bisect import bisect_right

from samizdat.core.content.templates.elements import Element

# What is no letter: markup, blanks, and signs without a picture that pad a preview text, by themselves or by name.
_GAP = re.compile(
    r"<!--.*?(?:-->|\Z)|<style(?:(?!<style).)*?</style>|<[^<>]*>|(&(?:#\w{1,8}|\w{2,20});)"
    r"|[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff]+",
    re.DOTALL,
)


class TextLengths:
    """How many letters of text stand between two places of a page: counted once, asked for each element."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.places, self.counts = [0], [0]
        position = count = 0
        for gap in _GAP.finditer(page):
            count += gap.start() - position + (gap[1] is not None and html.unescape(gap[1]).isalnum())
            position = gap.end()
            self.places.append(position)
            self.counts.append(count)

    def first(self, element: Element, count: int = 5) -> str:
        """How its words begin."""
        words = html.unescape(re.sub(r"<[^<>]*>", " ", self.page[element.inner : element.inner_end])).split()
        return " ".join(words[:count]) + ("…" if len(words) > count else "")

    def inside(self, element: Element) -> int:
        return self._before(element.inner_end) - self._before(element.inner)

    def _before(self, place: int) -> int:
        at = bisect_right(self.places, place) - 1
        return self.counts[at] + place - self.places[at]
