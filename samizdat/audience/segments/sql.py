"""A readable segment as SQL, the same on both databases but for how they write days.

Every condition is a question about the subscriber whose row id stands in a column of the query around it, so that one
segment serves a count, a page and a release alike.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from samizdat.audience import numbers
from samizdat.audience.models import NUMBER_MASK, row_id
from samizdat.audience.plaintext_fields import PlaintextColumn
from samizdat.core import segment
from samizdat.core.segment import All, Not
from samizdat.core.segment.condition import AnswerSource, Condition, SqlCondition
from samizdat.db import on_sqlite

# Row ids from the first on, below the second: only those are asked.
type Window = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ValueSource:
    """Where a query over a segment's subscribers reads from, and the columns in which it finds them.

    `person` is false where the subscriber's own row is not in it: then `id` alone may be asked for. `whole`:
    the window that has to be asked for where no smaller one is.
    """

    tables: SqlCondition
    id: str = "s.id"
    person: bool = True
    whole: Window | None = None

    def within(self, window: Window | None) -> SqlCondition:
        """Its tables, as far as the window goes."""
        window = window or self.whole
        if window is None:
            return self.tables
        # Of both tables, as in About.of_subscriber; SQLite would begin with the longer one.
        ids = (self.id, "s.id") if self.person and self.id != "s.id" and not on_sqlite() else (self.id,)
        bounds = "".join(f" AND {id} >= %s AND {id} < %s" for id in ids)
        return SqlCondition(self.tables.text + bounds, (*self.tables.values, *(window * len(ids))))


type Columns = Mapping[int, PlaintextColumn]


@dataclass(frozen=True, slots=True)
class About:
    """Whom the conditions are about: the column of their row id, the day, the readable fields by number, and whether
    each question is asked for each row by itself."""

    id: str
    today: date
    columns: Columns
    apart: bool = False
    window: Window | None = None

    @property
    def number(self) -> str:
        """The number of the subscriber alone."""
        return f"({self.id} & {NUMBER_MASK})"

    def of_subscriber(self, table: str) -> str:
        """That a row of a table is about the subscriber. PostgreSQL does not see that bounds of their row id are bounds
        of the others: it would read each table from its beginning."""
        condition = f"{table}.subscriber_id = {self.id}"
        if self.window is None or on_sqlite():
            return condition
        return f"{condition} AND {table}.subscriber_id >= {self.window[0]} AND {table}.subscriber_id < {self.window[1]}"

    def exists(self, table: str, condition: str, *values: object) -> SqlCondition:
        # PostgreSQL would join the pages of a walk, and read everybody's tags for each of them.
        end = " OFFSET 0" if self.apart and not on_sqlite() else ""
        return SqlCondition(f"EXISTS (SELECT 1 FROM {table} WHERE {condition}{end})", values)

    def day(self, value: date) -> str | date:
        return value.isoformat() if on_sqlite() else value


def where(
    tree: segment.Tree,
    today: date,
    id: str = "s.id",
    columns: Columns = MappingProxyType({}),
    *,
    apart: bool = False,
    window: Window | None = None,
) -> SqlCondition:
    """The condition. Asks `s` for language, provider and joining; whoever is meant stands in the column `id`.

    columns: the readable fields by number. apart: for pages of a few thousand rows, not for everybody at once. window:
    nobody outside of it is asked about. Errors: KeyError for a condition on any other field.
    """
    return _where(tree, About(id, today, columns, apart, window))


def _where(tree: segment.Tree, about: About) -> SqlCondition:
    match tree:
        case All(parts):
            return _joined(parts, "AND", "1 = 1", about)
        case segment.Any(parts):
            return _joined(parts, "OR", "1 = 0", about)
        case Not(part):
            inner = _where(part, about)
            return SqlCondition(f"NOT ({inner.text})", inner.values)
    return tree.sql(about)


def _joined(parts: Sequence[segment.Tree], word: str, empty: str, about: About) -> SqlCondition:
    if not parts:
        return SqlCondition(empty)
    conditions = [_where(part, about) for part in parts]
    text = f" {word} ".join(condition.text for condition in conditions)
    return SqlCondition(f"({text})", tuple(value for condition in conditions for value in condition.values))


# -- where to begin ----------------------------------------


def everybody(organization: int, *, person: bool = False) -> ValueSource:
    """All subscribers of an organization, along the index subscriber_facets where their blobs are not asked for."""
    whole = (row_id(organization, 0), row_id(organization + 1, 0))
    if person:
        return ValueSource(
            SqlCondition("audience_subscriber s WHERE s.organization_id = %s", (organization,)), whole=whole
        )
    return ValueSource(SqlCondition("audience_subscriber s WHERE 1 = 1"), whole=whole)


def narrowed(
    organization: int,
    tree: segment.Tree,
    size: Callable[[segment.Leaf], int | None],
    total: Callable[[], int],
    *,
    person: bool,
) -> tuple[ValueSource, segment.Tree]:
    """The smallest set of rows that everybody of the segment is in, and what is still to be asked of them.

    size(condition): about how many subscribers fulfil it, None where that is not kept; total(): how many there are.
    Walking through the few who carry a tag is quicker than asking everybody for it. person: `s` is needed whole.
    """
    # What stands in the row itself is asked first: SQLite keeps to the order.
    parts = tuple(sorted(tree.parts, key=asks_elsewhere)) if isinstance(tree, All) else (tree,)
    sized = [(count, place) for place, part in enumerate(parts) if (count := sized_by(part, size)) is not None]
    if not sized:
        return everybody(organization, person=person), All(parts)
    count, place = min(sized)
    rest = All(parts[:place] + parts[place + 1 :])
    # Their row is looked up for each of them then: of more than a quarter, to walk along everybody is quicker.
    if count * (4 if person or _asks_for_person(rest) else 1) >= total():
        return everybody(organization, person=person), All(parts)
    tables, id = _rows(parts[place])
    joined = ""
    if person or _asks_for_person(rest):
        # Without the blobs between, an index is half as long a way for SQLite as the row.
        along = " INDEXED BY subscriber_facets" if not person and on_sqlite() else ""
        person, joined = True, f" JOIN audience_subscriber s{along} ON s.id = {id}"
    return ValueSource(SqlCondition(tables.text.format(joined=joined), tables.values), id, person), rest


class SegmentSql:
    """Windows over the numbers of an organization from behind a row to the end, each with about `size` rows.

    By bounds on both sides and not by LIMIT: SQLite would begin at the first number again for each page, and PostgreSQL
    would put all rows together to give a few. Whoever comes in meanwhile is not met.
    """

    def __init__(self, organization: int, after: int, size: int, first: int = 0) -> None:
        self.low, self.end = max(after + 1, row_id(organization, 0)), row_id(organization, numbers.end_of(organization))
        self._size, self._width = size, first or size

    def __iter__(self) -> Iterator[Window]:
        while self.low < self.end:
            window = self.low, min(self.low + self._width, self.end)
            self.low = window[1]
            yield window

    def met(self, rows: int) -> None:
        """How many there were in the last window; the next one is wider or narrower."""
        few = rows * 8 <= self._size
        self._width = self._width * 8 if few else max(1, self._width * self._size // rows)


def asks_elsewhere(tree: segment.Tree) -> bool:
    """Whether another table than that of the subscribers is asked for each of them."""
    return any(leaf.place is AnswerSource.TABLE for leaf in segment.leaves(tree))


def sized_by(part: segment.Tree, size: Callable[[segment.Leaf], int | None]) -> int | None:
    """Only of what can be walked through with everybody once."""
    return size(part) if isinstance(part, Condition) and part.rows() else None


def _rows(part: segment.Tree) -> tuple[SqlCondition, str]:
    rows = part.rows() if isinstance(part, Condition) else None
    assert rows is not None
    return rows


def _asks_for_person(tree: segment.Tree) -> bool:
    return any(leaf.place is AnswerSource.ROW for leaf in segment.leaves(tree))
