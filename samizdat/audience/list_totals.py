"""How many of a list are in each status, in all and by tag: counted as rows move, in their transaction."""

from collections import Counter
from collections.abc import Iterable, Mapping

from samizdat.audience import sql
from samizdat.audience.models import CLEANED, FOUND_DEAD, JOINED, LEFT, SUBSCRIBED


class ListTotals:
    """Collects moves of subscriptions and writes their sums at once."""

    def __init__(self, today: str = "", way: int = 0) -> None:
        """`today` (YYYY-MM-DD) and `way` of GROWN_BY: where moves are to be counted for the growth of a list."""
        self._today, self._way = today, way
        self._growth: Counter[tuple[int, int]] = Counter()
        self._lists: Counter[tuple[int, int]] = Counter()
        self._tags: Counter[tuple[int, int, int]] = Counter()

    def enter(self, list_id: int, status: int, tags: Iterable[int], many: int = 1) -> None:
        """So many more subscriptions of people with these tags."""
        self._lists[list_id, status] += many
        if status == SUBSCRIBED:
            self._growth[list_id, JOINED] += many
        for tag in tags:
            self._tags[list_id, tag, status] += many

    def carry(self, list_id: int, status: int, tag: int, many: int) -> None:
        """So many more of these subscriptions are of people with this tag; fewer, below zero."""
        self._tags[list_id, tag, status] += many

    def move(
        self,
        before: Mapping[int, int],
        tags_before: Iterable[int],
        after: Mapping[int, int],
        tags_after: Iterable[int],
    ) -> None:
        """One subscriber's subscriptions (list -> status) and tags, as they were and as they are."""
        for list_id, status in before.items():
            self._lists[list_id, status] -= 1
            for tag in tags_before:
                self._tags[list_id, tag, status] -= 1
        for list_id, status in after.items():
            self._lists[list_id, status] += 1
            for tag in tags_after:
                self._tags[list_id, tag, status] += 1
        for list_id in before.keys() | after.keys():
            what = _growth(before.get(list_id), after.get(list_id))
            if what is not None:
                self._growth[list_id, what] += 1

    def write(self) -> None:
        """Adds the sums to the stored ones, in the transaction of the rows, and forgets them."""
        sql.add_list_totals([(*key, more) for key, more in sorted(self._lists.items()) if more])
        sql.add_tag_totals([(*key, more) for key, more in sorted(self._tags.items()) if more])
        if self._today:
            growth = [(list_id, self._today, what, self._way, more) for (list_id, what), more in self._growth.items()]
            sql.add_growth(sorted(row for row in growth if row[4]))
        self._lists.clear()
        self._tags.clear()
        self._growth.clear()


def _growth(before: int | None, after: int | None) -> int | None:
    """What a change of status is for the growth of a list."""
    if before == after or SUBSCRIBED not in (before, after):
        return None
    if after == SUBSCRIBED:
        return JOINED
    return FOUND_DEAD if after == CLEANED else LEFT
