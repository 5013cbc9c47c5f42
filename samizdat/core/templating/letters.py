"""How much text stands in each part of a page."""

import html
import re
from bisect import bisect_right

from samizdat.core.templating.elements import Element


class Letters:
    """How many letters of text stand between two places of a page: counted once, asked for each element."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.places, self.counts = [0], [0]
        position = count = 0
        for gap in re.finditer(r"<style(?:(?!<style).)*?</style>|<[^<>]*>|\s+", page, re.DOTALL):
            count += gap.start() - position
            position = gap.end()
            self.places.append(position)
            self.counts.append(count)

    def first(self, one: Element, count: int = 5) -> str:
        """How its words begin."""
        found = html.unescape(re.sub(r"<[^>]*>", " ", self.page[one.inner : one.inner_end])).split()
        return " ".join(found[:count]) + ("…" if len(found) > count else "")

    def inside(self, one: Element) -> int:
        return self._before(one.inner_end) - self._before(one.inner)

    def _before(self, place: int) -> int:
        at = bisect_right(self.places, place) - 1
        return self.counts[at] + place - self.places[at]
