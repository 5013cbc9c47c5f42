"""A readable segment as SQL, the same on both databases but for how they write days.

Every condition is a question about the subscriber whose row id stands in a column of the query around it, so that one
segment serves a count, a page and a release alike.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

from django.db import connection

from samizdat.audience.models import NUMBER_MASK, STATUSES, row_id
from samizdat.audience.readable import Column
from samizdat.core import consent, ledger, segment
from samizdat.core.address import PROVIDERS
from samizdat.core.segment import (
    FACTOR,
    PRIME,
    All,
    Campaign,
    Consent,
    Day,
    Field,
    Language,
    Not,
    OnList,
    Provider,
    Share,
    Tag,
)

NEWSLETTER = consent.PURPOSES.index("newsletter")
CONFIRMED = consent.KINDS.index("confirmed")


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and its values, in the order of their places."""

    text: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a query over a segment's subscribers reads from, and the columns in which it finds them.

    `person` is false where the row of the subscriber herself is not in it: then `id` alone may be asked for.
    """

    tables: Sql
    id: str = "s.id"
    person: bool = True


type Columns = Mapping[int, Column]


def where(tree: segment.Tree, today: date, id: str = "s.id", columns: Columns = MappingProxyType({})) -> Sql:
    """The condition. Asks `s` for language, provider and joining; whoever is meant stands in the column `id`.

    columns: the readable fields by number. Errors: KeyError for a condition on any other.
    """
    match tree:
        case All(parts):
            return _joined(parts, "AND", "1 = 1", today, id, columns)
        case segment.Any(parts):
            return _joined(parts, "OR", "1 = 0", today, id, columns)
        case Not(part):
            inner = where(part, today, id, columns)
            return Sql(f"NOT ({inner.text})", inner.values)
    return _leaf(tree, today, id, columns)


def _joined(parts: Sequence[segment.Tree], word: str, empty: str, today: date, id: str, columns: Columns) -> Sql:
    if not parts:
        return Sql(empty)
    said = [where(part, today, id, columns) for part in parts]
    text = f" {word} ".join(one.text for one in said)
    return Sql(f"({text})", tuple(value for one in said for value in one.values))


def _leaf(leaf: segment.Leaf, today: date, id: str, columns: Columns) -> Sql:
    # Tables have doubled letters here, which no query around uses: its `u` would be hidden by one of ours, and the
    # question would be about anybody.
    match leaf:
        case Tag(tag):
            return _exists("audience_subscribertag tt", f"tt.tag_id = %s AND tt.subscriber_id = {id}", tag)
        case Language(code):
            return Sql("s.language = %s", (code,))
        case Provider(name):
            return Sql("s.provider = %s", (PROVIDERS.index(name),))
        case OnList() | Consent():
            wanted = _subscription(leaf)
            return _exists("audience_subscription uu", f"uu.subscriber_id = {id}{wanted.text}", *wanted.values)
        case Day("joined"):
            return _between("s.joined", leaf, today)
        case Day():
            days = _between("cc.day", leaf, today)
            text = f"cc.subscriber_id = {id} AND cc.kind = {CONFIRMED} AND cc.purpose = {NEWSLETTER} AND {days.text}"
            return _exists("audience_consentrecord cc", text, *days.values)
        case Campaign(campaign):
            # Looked up by the whole key of a delivery: edition and number.
            edition = "(SELECT ee.id FROM campaigns_edition ee WHERE ee.campaign_id = %s)"
            text = (
                f"dd.edition_id = {edition} AND dd.number = {_number(id)} AND dd.state = {int(ledger.State.ACCEPTED)}"
            )
            return _exists("delivery_delivery dd", text, campaign)
        case Share():
            x = f"(({_number(id)} %% {PRIME} + {leaf.seed}) %% {PRIME} * {FACTOR} %% {PRIME})"
            return Sql(f"({x} * {x} %% {PRIME} * {x} %% {PRIME} < {segment.share_below(leaf)})")
        case Field():
            return _readable(leaf, columns[leaf.number], id)


def _readable(leaf: Field, column: Column, id: str) -> Sql:
    """A condition on a field whose values stand readable as numbers."""
    start = f"rr.subscriber_id = {id} AND rr.field_id = %s"
    if leaf.op == "is":
        wanted = leaf.value.strip().casefold()
        codes = [code for text, code in column.choices.items() if text.strip().casefold() == wanted]
        among = ", ".join(["%s"] * len(codes)) or "NULL"
        return _exists("audience_readablevalue rr", f"{start} AND rr.value IN ({among})", column.id, *codes)
    sign = "<" if leaf.op in segment.BELOW else ">" if leaf.op in segment.ABOVE else "="
    return _exists("audience_readablevalue rr", f"{start} AND rr.value {sign} %s", column.id, segment.code_in(leaf))


def _number(id: str) -> str:
    return f"({id} & {NUMBER_MASK})"


def _exists(table: str, condition: str, *values: Any) -> Sql:
    return Sql(f"EXISTS (SELECT 1 FROM {table} WHERE {condition})", values)


def _subscription(leaf: OnList | Consent) -> Sql:
    """More of a condition on subscription `uu`."""
    text, values = "", []
    if leaf.list:
        text, values = " AND uu.list_id = %s", [leaf.list]
    if isinstance(leaf, Consent):
        return Sql(f"{text} AND uu.may = %s", (*values, consent.REASONS.index(leaf.state)))
    if leaf.status:
        return Sql(f"{text} AND uu.status = %s", (*values, STATUSES.index(leaf.status)))
    return Sql(text, tuple(values))


def _between(column: str, leaf: Day, today: date) -> Sql:
    first, last = segment.span(leaf, today)
    ends = [(f"{column} >= %s", first), (f"{column} <= %s", last)]
    told = [(text, day(value)) for text, value in ends if value is not None]
    text = " AND ".join(text for text, _ in told)
    return Sql(f"({text or '1 = 1'})", tuple(value for _, value in told))


def day(value: date) -> Any:
    """A day as the columns hold it."""
    return value.isoformat() if connection.vendor == "sqlite" else value


# -- where to begin ----------------------------------------


def everybody(organisation: int) -> Source:
    """All subscribers of an organisation, along the index subscriber_facets where their blobs are not asked for."""
    values = (row_id(organisation, 0), row_id(organisation + 1, 0))
    return Source(Sql("audience_subscriber s WHERE s.id >= %s AND s.id < %s", values))


def narrowed(
    organisation: int,
    tree: segment.Tree,
    size: Callable[[segment.Leaf], int | None],
    total: Callable[[], int],
    *,
    person: bool,
) -> tuple[Source, segment.Tree]:
    """The smallest set of rows that everybody of the segment is in, and what is still to be asked of them.

    size(condition): about how many subscribers fulfil it, None where that is not kept; total(): how many there are.
    Walking through the few who carry a tag is quicker than asking everybody for it. person: `s` is needed besides.
    """
    parts = tree.parts if isinstance(tree, All) else (tree,)
    sized = [(count, place) for place, part in enumerate(parts) if (count := _size(part, size)) is not None]
    if not sized:
        return everybody(organisation), tree
    count, place = min(sized)
    rest = All(parts[:place] + parts[place + 1 :])
    # Her row is looked up for each of them then: of more than a quarter, to walk along everybody is quicker.
    if count * (4 if person or _asks_for_person(rest) else 1) >= total():
        return everybody(organisation), tree
    tables, id = _driver(parts[place])
    person = person or _asks_for_person(rest)
    joined = f" JOIN audience_subscriber s ON s.id = {id}" if person else ""
    return Source(Sql(tables.text.format(joined=joined), tables.values), id, person), rest


def _size(part: segment.Tree, size: Callable[[segment.Leaf], int | None]) -> int | None:
    """Only of what can be walked through with everybody once."""
    if isinstance(part, Tag) or (isinstance(part, OnList) and part.list and part.status):
        return size(part)
    return None


def _driver(part: segment.Tree) -> tuple[Sql, str]:
    if isinstance(part, Tag):
        return Sql("audience_subscribertag t0{joined} WHERE t0.tag_id = %s", (part.id,)), "t0.subscriber_id"
    assert isinstance(part, OnList)
    text = "audience_subscription u0{joined} WHERE u0.list_id = %s AND u0.status = %s"
    return Sql(text, (part.list, STATUSES.index(part.status))), "u0.subscriber_id"


def _asks_for_person(tree: segment.Tree) -> bool:
    return any(
        isinstance(leaf, Language | Provider) or (isinstance(leaf, Day) and leaf.what == "joined")
        for leaf in segment.leaves(tree)
    )


def rows(query: str, values: Sequence[Any]) -> list[Any]:
    """PostgreSQL gives blobs as they are: as text they are twice as long and coded once on each side."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            return cursor.execute(query, values).fetchall()
    import psycopg

    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(query, values, binary=True).fetchall()


def campaigns(organisation: int, ids: Collection[int]) -> set[int]:
    """Those of these campaigns of which it is known who got them; the audience knows them by number alone.

    Old deliveries become totals (delivery/actions/folding): from then on nobody knows who got that letter.
    """
    marks = ", ".join(["%s"] * len(ids))
    folded = (
        "EXISTS (SELECT 1 FROM campaigns_edition e JOIN delivery_folded f ON f.edition_id = e.id "
        "WHERE e.campaign_id = c.id)"
    )
    query = f"SELECT c.id FROM campaigns_campaign c WHERE c.organisation_id = %s AND c.id IN ({marks}) AND NOT {folded}"
    return {row[0] for row in rows(query, [organisation, *ids])}
