"""Presses of links by days and answers to questions, as far as they may be said (core/totals)."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from samizdat.campaigns.edition_details import counted_versions
from samizdat.campaigns.models import AnswerTotal, Campaign, LinkTotal
from samizdat.core import totals
from samizdat.portability.parts import base
from samizdat.portability.parts.campaigns.campaigns import edition_of
from samizdat.portability.parts.campaigns.extras import CampaignExtrasPart
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import day, whole

SMALL = (1 << 15) - 1
# Columns that the file calls otherwise.
KEYS = {"variant_no": "place"}


def _key(column: str) -> str:
    return KEYS.get(column, column)


class _Sums(CampaignExtrasPart):
    """Rows of a table of sums: its columns but the edition, and `count`. Only what a report says leaves the house."""

    table: Any
    numbers: tuple[str, ...]  # Columns that are small whole numbers.
    days: tuple[str, ...] = ()

    def rows(self, home: ExportContext, letter: Campaign) -> Iterator[dict[str, object]]:
        edition = edition_of(letter)
        if edition is None or letter.accepted < totals.FLOOR:
            return
        rows = self.table.objects.filter(edition=edition, variant_no__in=counted_versions(edition))
        columns = (*self.numbers, *self.days, "count")
        for key, some in groupby(rows.order_by(*columns).values(*columns), lambda row: [row[n] for n in self.numbers]):
            group = [*some]
            if sum(row["count"] for row in group) >= totals.FEWEST:
                yield from (
                    dict(zip(map(_key, self.numbers), key, strict=True)) | entry
                    for entry in self.entries(letter, group)
                )

    def entries(self, letter: Campaign, rows: list[dict[str, Any]]) -> Iterator[dict[str, object]]:
        """What may be said of the rows of one link or answer."""
        yield {"count": totals.rounded(sum(row["count"] for row in rows))}

    def read(self, payload: dict[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {name: whole(payload[_key(name)], SMALL) for name in self.numbers}
        return row | {"count": whole(payload["count"])} | {name: day(payload[name]) for name in self.days}

    def make(self, letter: Campaign, rows: Sequence[dict[str, object]], places: base.Places) -> None:
        edition = edition_of(letter)
        if edition is not None:
            self.table.objects.bulk_create([self.table(edition=edition, **row) for row in rows], ignore_conflicts=True)


class Clicks(_Sums):
    """How often a link was pressed: `place` of the version, `link`, `day` (the last of a span), `count`."""

    name, table, numbers, days = "clicks", LinkTotal, ("variant_no", "link"), ("day",)

    def entries(self, letter: Campaign, rows: list[dict[str, Any]]) -> Iterator[dict[str, object]]:
        if spans := totals.spans({row["day"]: row["count"] for row in rows}):
            yield from ({"day": last.isoformat(), "count": count} for _first, last, count in spans)
            return
        # Too few for a day to be said: all of them stand at the day of the release.
        day = (letter.released or letter.created).date().isoformat()
        yield from ({"day": day} | entry for entry in super().entries(letter, rows))


class Answers(_Sums):
    """How often an answer was given: `place` of the version, `answer`, `count`."""

    name, table, numbers = "answers", AnswerTotal, ("variant_no", "answer")
