"""How many of a list are in each status, in all and by tag: counted as rows move, in their transaction."""

from collections import Counter
from collections.abc import Iterable, Mapping

from samizdat import dialect


class Totals:
    """Collects moves of subscriptions and writes their sums at once."""

    def __init__(self) -> None:
        self._lists: Counter[tuple[int, int]] = Counter()
        self._tags: Counter[tuple[int, int, int]] = Counter()

    def enter(self, list_id: int, status: int, tags: Iterable[int], many: int = 1) -> None:
        """So many more subscriptions of people with these tags."""
        self._lists[list_id, status] += many
        for tag in tags:
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
            self.enter(list_id, status, tags_after)

    def write(self) -> None:
        """Adds the sums to the stored ones, in the transaction of the rows, and forgets them."""
        dialect.add_list_totals([(*key, more) for key, more in sorted(self._lists.items()) if more])
        dialect.add_tag_totals([(*key, more) for key, more in sorted(self._tags.items()) if more])
        self._lists.clear()
        self._tags.clear()
