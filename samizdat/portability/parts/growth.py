"""How the lists grew, in an export of our own format: sums of a day, and of nobody.

Row by row on both ways, and in many transactions: a hundred lists have some millions of rows in twenty years.
"""

from collections.abc import Iterator
from itertools import batched

from django.db import transaction

from samizdat.audience import sql as audience_sql
from samizdat.audience.models import GROWN_BY, GROWTH, Growth
from samizdat.portability import native, value_limits
from samizdat.portability.parts import base
from samizdat.portability.read import OpenedExport, altered, flawed
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.zip_stream import ZipWriter

FILE, HEAD = "growth.csv", ("list", "day", "what", "way", "count")
COLUMNS = ("list", "day", "metric", "channel", "count")  # What HEAD says of each.
BEFORE = "growth.json"  # As until the third version of the format, of few rows.
SLICE = 20_000  # rows of a transaction: half a second on PostgreSQL

type Row = tuple[int, str, int, int, int]


class GrowthPart:
    name = "growth"

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        rows = Growth.objects.filter(list__in=list(home.lists)).order_by(*COLUMNS[:-1]).values_list(*COLUMNS)
        lines = ((list_id, day, GROWTH[what], GROWN_BY[way], many) for list_id, day, what, way, many in rows.iterator())
        return native.write_rows(box, FILE, HEAD, lines)

    def check(self, opened: OpenedExport) -> int:
        return sum(1 for _row in _rows(opened))

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        for number, rows in enumerate(batched(_rows(opened), SLICE)):
            if places.here(self.name, number) is None:
                with transaction.atomic():
                    audience_sql.add_growth([(places.lists[row[0]], *row[1:]) for row in rows])
                    places.put(self.name, number, len(rows))
        return sum(places.all(self.name).values())


def _rows(opened: OpenedExport) -> Iterator[Row]:
    """With the list's number in the file. Errors: ExportRefused."""
    lists, ways = {row["number"] for row in opened.lists}, {name: way for way, name in GROWN_BY.items()}
    for line, row in opened.rows(FILE) if opened.has(FILE) else _before(opened):
        try:
            number, day = value_limits.digits(row["list"]), value_limits.day(row["day"]).isoformat()
            if number not in lists:
                raise ValueError
            cells = number, day, GROWTH.index(row["what"]), ways[row["way"]], value_limits.digits(row["count"])
        except (KeyError, TypeError, ValueError) as wrong:
            raise flawed(FILE, line) from wrong
        yield cells


def _before(opened: OpenedExport) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        for row in opened.table(BEFORE) or ():
            yield 1, {name: str(value) for name, value in row.items()}
    except (TypeError, AttributeError) as wrong:
        raise altered(BEFORE) from wrong
