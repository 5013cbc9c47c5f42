"""Presses of links by days and answers to questions, as far as they may be said (core/totals)."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from samizdat.audience.exporting import besides
from samizdat.audience.exporting.people import House
from samizdat.audience.exporting.values import day, whole
from samizdat.campaigns.models import AnswerTotal, Campaign, LinkTotal
from samizdat.campaigns.portable.belongings import Belongings
from samizdat.campaigns.portable.letters import edition_of
from samizdat.core import totals

SMALL = (1 << 15) - 1


class _Sums(Belongings):
    """Rows of a table of sums: its columns but the edition, and `count`. Only what a report says leaves the house."""

    table: Any
    numbers: tuple[str, ...]  # Columns that are small whole numbers.
    days: tuple[str, ...] = ()

    def rows(self, home: House, letter: Campaign) -> Iterator[dict[str, Any]]:
        edition = edition_of(letter)
        if edition is None or letter.accepted < totals.FLOOR:
            return
        rows = self.table.objects.filter(edition=edition, place__in=totals.load(edition.counted_places))
        columns = (*self.numbers, *self.days, "count")
        for key, some in groupby(rows.order_by(*columns).values(*columns), lambda row: [row[n] for n in self.numbers]):
            found = [*some]
            if sum(row["count"] for row in found) >= totals.FEWEST:
                yield from (dict(zip(self.numbers, key, strict=True)) | told for told in self.told(letter, found))

    def told(self, letter: Campaign, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """What may be said of the rows of one link or answer."""
        yield {"count": totals.rounded(sum(row["count"] for row in rows))}

    def read(self, told: dict[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {name: whole(told[name], SMALL) for name in self.numbers}
        return row | {"count": whole(told["count"])} | {name: day(told[name]) for name in self.days}

    def make(self, letter: Campaign, rows: list[dict[str, Any]], places: besides.Places) -> None:
        edition = edition_of(letter)
        if edition is not None:
            self.table.objects.bulk_create([self.table(edition=edition, **row) for row in rows], ignore_conflicts=True)


class Clicks(_Sums):
    """How often a link was pressed: `place` of the version, `link`, `day` (the last of a span), `count`."""

    name, table, numbers, days = "clicks", LinkTotal, ("place", "link"), ("day",)

    def told(self, letter: Campaign, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        if spans := totals.spans({row["day"]: row["count"] for row in rows}):
            yield from ({"day": last.isoformat(), "count": count} for _first, last, count in spans)
            return
        # Too few for a day to be said: all of them stand at the day of the release.
        day = (letter.released or letter.created).date().isoformat()
        yield from ({"day": day} | told for told in super().told(letter, rows))


class Answers(_Sums):
    """How often an answer was given: `place` of the version, `answer`, `count`."""

    name, table, numbers = "answers", AnswerTotal, ("place", "answer")
