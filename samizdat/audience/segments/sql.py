"""A readable segment as SQL, the same on both databases but for how they write days.

Every condition is a question about the subscriber whose row id stands in a column of the query around it, so that one
segment serves a count, a page and a release alike.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import singledispatch
from types import MappingProxyType
from typing import Any

from samizdat.audience import numbers
from samizdat.audience.models import NUMBER_MASK, STATUSES, row_id
from samizdat.audience.plaintext_fields import PlaintextColumn
from samizdat.core import consent, segment
from samizdat.core.mail.address import PROVIDERS
from samizdat.core.segment import (
    FACTOR,
    PRIME,
    All,
    ConsentCondition,
    DayCondition,
    FieldCondition,
    FundraisingCondition,
    LanguageCondition,
    ListCondition,
    Not,
    ProviderCondition,
    ShareCondition,
    TagCondition,
)
from samizdat.db import on_sqlite

NEWSLETTER = consent.PURPOSES.index("newsletter")
CONFIRMED = consent.KINDS.index("confirmed")


@dataclass(frozen=True, slots=True)
class SqlCondition:
    """A piece of SQL and its values, in the order of their places."""

    text: str
    values: tuple[Any, ...] = ()


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
    return condition_sql(tree, about)


def _joined(parts: Sequence[segment.Tree], word: str, empty: str, about: About) -> SqlCondition:
    if not parts:
        return SqlCondition(empty)
    conditions = [_where(part, about) for part in parts]
    text = f" {word} ".join(condition.text for condition in conditions)
    return SqlCondition(f"({text})", tuple(value for condition in conditions for value in condition.values))


@singledispatch
def condition_sql(leaf: segment.Leaf, about: About) -> SqlCondition:
    """One condition. Each kind is registered beside the table that answers it: below for ours, by another app for its
    own when Django starts. Tables have doubled letters, which no query around uses: its `u` would be hidden by one of
    ours, and the question would be about anybody.
    """
    raise NotImplementedError(f"Nobody has registered the SQL of {type(leaf).__name__}.")


@condition_sql.register
def _tag(leaf: TagCondition, about: About) -> SqlCondition:
    return about.exists("audience_subscribertag tt", f"tt.tag_id = %s AND {about.of_subscriber('tt')}", leaf.id)


@condition_sql.register
def _language(leaf: LanguageCondition, _about: About) -> SqlCondition:
    return SqlCondition("s.language = %s", (leaf.code,))


@condition_sql.register
def _provider(leaf: ProviderCondition, _about: About) -> SqlCondition:
    return SqlCondition("s.provider = %s", (PROVIDERS.index(leaf.name),))


@condition_sql.register(ListCondition)
@condition_sql.register(ConsentCondition)
@condition_sql.register(FundraisingCondition)
def _on_list(leaf: ListCondition | ConsentCondition | FundraisingCondition, about: About) -> SqlCondition:
    wanted = _subscription(leaf)
    table = "audience_subscription uu" + _along(leaf)
    return about.exists(table, f"{about.of_subscriber('uu')}{wanted.text}", *wanted.values)


@condition_sql.register
def _day(leaf: DayCondition, about: About) -> SqlCondition:
    if leaf.what == "joined":
        return _between("s.joined", leaf, about.today)
    days = _between("cc.day", leaf, about.today)
    text = f"{about.of_subscriber('cc')} AND cc.kind = {CONFIRMED} AND cc.purpose = {NEWSLETTER} AND {days.text}"
    return about.exists("audience_consentrecord cc", text, *days.values)


@condition_sql.register
def _share(leaf: ShareCondition, about: About) -> SqlCondition:
    x = f"(({about.number} %% {PRIME} + {leaf.seed}) %% {PRIME} * {FACTOR} %% {PRIME})"
    return SqlCondition(f"({x} * {x} %% {PRIME} * {x} %% {PRIME} < {segment.share_below(leaf)})")


@condition_sql.register
def _field(leaf: FieldCondition, about: About) -> SqlCondition:
    """Of a field whose values stand readable as numbers."""
    column = about.columns[leaf.number]
    table, start = "audience_readablevalue rr", f"{about.of_subscriber('rr')} AND rr.field_id = %s"
    if leaf.op == "is":
        wanted = leaf.value.strip().casefold()
        codes = [code for text, code in column.choices.items() if text.strip().casefold() == wanted]
        among = ", ".join(["%s"] * len(codes)) or "NULL"
        return about.exists(table, f"{start} AND rr.value IN ({among})", column.id, *codes)
    sign = "<" if leaf.op in segment.BELOW else ">" if leaf.op in segment.ABOVE else "="
    return about.exists(table, f"{start} AND rr.value {sign} %s", column.id, segment.code_in(leaf))


def _along(leaf: ListCondition | ConsentCondition | FundraisingCondition) -> str:
    """SQLite would take the key, and look at the row for the status or the answer about appeals."""
    if not on_sqlite() or not leaf.list:
        return ""
    match leaf:
        case ListCondition(_, status) if status:
            return " INDEXED BY subscription_by_status"
        case FundraisingCondition():
            return " INDEXED BY subscription_asking"
    return ""


def _subscription(leaf: ListCondition | ConsentCondition | FundraisingCondition) -> SqlCondition:
    """More of a condition on subscription `uu`."""
    text, values = "", []
    if leaf.list:
        text, values = " AND uu.list_id = %s", [leaf.list]
    if isinstance(leaf, FundraisingCondition):
        return SqlCondition(f"{text} AND {asking('uu')}", tuple(values))
    if isinstance(leaf, ConsentCondition):
        return SqlCondition(f"{text} AND uu.mail_verdict = %s", (*values, consent.REASONS.index(leaf.state)))
    if leaf.status:
        return SqlCondition(f"{text} AND uu.status = %s", (*values, STATUSES.index(leaf.status)))
    return SqlCondition(text, tuple(values))


def asking(table: str) -> str:
    """The subscriber may be asked for money. The condition of the index subscription_asking, so no value stands apart
    from it."""
    return f"{table}.fundraising_verdict = {consent.YES}"


def _between(column: str, leaf: DayCondition, today: date) -> SqlCondition:
    first, last = segment.span(leaf, today)
    ends = [(f"{column} >= %s", first), (f"{column} <= %s", last)]
    bounds = [(text, day(value)) for text, value in ends if value is not None]
    text = " AND ".join(text for text, _ in bounds)
    return SqlCondition(f"({text or '1 = 1'})", tuple(value for _, value in bounds))


def day(value: date) -> str | date:
    """A day as the columns hold it."""
    return value.isoformat() if on_sqlite() else value


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
    tables, id = _driver(parts[place])
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
    return not all(isinstance(leaf, ShareCondition) or _asks_for_row(leaf) for leaf in segment.leaves(tree))


def sized_by(part: segment.Tree, size: Callable[[segment.Leaf], int | None]) -> int | None:
    """Only of what can be walked through with everybody once."""
    match part:
        case TagCondition():
            return size(part)
        case ListCondition(list_id, status) if list_id and status:
            return size(part)
        case FundraisingCondition(list_id) if list_id:
            return size(part)
    return None


def _driver(part: segment.Tree) -> tuple[SqlCondition, str]:
    # Asked for a window of numbers, SQLite would walk through the key, which has everybody's tags and lists in it.
    if isinstance(part, TagCondition):
        by_tag = " INDEXED BY subscribertag_by_tag" if on_sqlite() else ""
        return SqlCondition(
            f"audience_subscribertag t0{by_tag}{{joined}} WHERE t0.tag_id = %s", (part.id,)
        ), "t0.subscriber_id"
    assert isinstance(part, ListCondition | FundraisingCondition)
    start = f"audience_subscription u0{_along(part)}{{joined}} WHERE u0.list_id = %s"
    if isinstance(part, FundraisingCondition):
        return SqlCondition(f"{start} AND {asking('u0')}", (part.list,)), "u0.subscriber_id"
    return SqlCondition(f"{start} AND u0.status = %s", (part.list, STATUSES.index(part.status))), "u0.subscriber_id"


def _asks_for_person(tree: segment.Tree) -> bool:
    return any(map(_asks_for_row, segment.leaves(tree)))


def _asks_for_row(leaf: segment.Leaf) -> bool:
    """What stands in the subscriber's own row."""
    return isinstance(leaf, LanguageCondition | ProviderCondition) or (
        isinstance(leaf, DayCondition) and leaf.what == "joined"
    )
