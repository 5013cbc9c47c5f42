"""Presses of links by day and answers to questions, as the sums that they are: nobody knows whose they were."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from samizdat.audience.exporting import besides
from samizdat.audience.exporting.people import House
from samizdat.campaigns.models import AnswerTotal, Campaign, LinkTotal
from samizdat.campaigns.portable.belongings import Belongings
from samizdat.campaigns.portable.letters import edition_of

MOST = 1 << 62


class _Sums(Belongings):
    """Rows of a table of sums: its columns but the edition, and `count`."""

    table: Any
    numbers: tuple[str, ...]  # Columns that are small whole numbers.
    days: tuple[str, ...] = ()

    def rows(self, home: House, letter: Campaign) -> Iterator[dict[str, Any]]:
        columns = (*self.numbers, *self.days, "count")
        for row in self.table.objects.filter(edition__campaign=letter).order_by(*columns).values(*columns):
            yield row | {day: row[day].isoformat() for day in self.days}

    def read(self, told: dict[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {name: int(told[name]) for name in (*self.numbers, "count")}
        if not all(0 <= row[name] < 1 << 15 for name in self.numbers) or not 0 <= row["count"] < MOST:
            raise ValueError
        return row | {day: date.fromisoformat(told[day]) for day in self.days}

    def make(self, letter: Campaign, rows: list[dict[str, Any]], places: besides.Places) -> None:
        edition = edition_of(letter)
        if edition is not None:
            self.table.objects.bulk_create([self.table(edition=edition, **row) for row in rows], ignore_conflicts=True)


class Clicks(_Sums):
    """How often a link was pressed on a day: `place` of the version, `link`, `day`, `count`."""

    name, table, numbers, days = "clicks", LinkTotal, ("place", "link"), ("day",)


class Answers(_Sums):
    """How often an answer was given: `place` of the version, `answer`, `count`."""

    name, table, numbers = "answers", AnswerTotal, ("place", "answer")
