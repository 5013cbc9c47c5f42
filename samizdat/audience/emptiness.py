"""Who of a list has no value in a sealed field: opened and counted piece by piece; only sums leave the seal."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from samizdat.audience import facts
from samizdat.audience.models import NUMBER_MASK, List, Tag
from samizdat.audience.segments import sql
from samizdat.audience.segments.who import Reader
from samizdat.core import consent, seal
from samizdat.vault import house

# Rows of one query: 10 ms of opening.
PAGE = 2_000


@dataclass(frozen=True, slots=True)
class Look:
    """Of `of` readers `empty[number]` have nothing in that field; the row to go on behind, None at the end."""

    of: int
    empty: dict[int, int]
    following: int | None


def look(
    list: List, tag: Tag | None, reader: Reader | None, fields: Sequence[int], *, after: int, seconds: float | None
) -> Look:
    """Of those on a list (with a tag, in a segment) who may get a letter, from the row behind `after`.

    fields: numbers in the blob. seconds: how long to look, at least one page; None: to the end.
    """
    keys = house.keys(list.organisation)
    assert keys.ring is not None
    opened, pick = keys.ring.bound(*facts.SUBSCRIBER, keys.uid).open, seal.pick
    decides = reader.decider() if reader and reader.sealed else None
    empty, of = dict.fromkeys(fields, 0), 0
    until = None if seconds is None else time.monotonic() + seconds
    while rows := _page(list, tag, reader, after):
        after = rows[-1][0]
        for row, blob, *answers in rows:
            if decides and not decides(row, blob, tuple(answers)):
                continue
            of += 1
            plain = opened(blob, row & NUMBER_MASK)
            for number in fields:
                if not pick(plain, number):
                    empty[number] += 1
        if len(rows) < PAGE:
            break
        if until is not None and time.monotonic() > until:
            return Look(of, empty, after)
    return Look(of, empty, None)


def _page(list: List, tag: Tag | None, reader: Reader | None, after: int) -> Sequence[tuple[Any, ...]]:
    tagged = "JOIN audience_subscribertag t ON t.subscriber_id = u.subscriber_id AND t.tag_id = %s" if tag else ""
    told = reader.where("u.subscriber_id") if reader else sql.Sql("1 = 1")
    asks = reader.asks("u.subscriber_id") if reader and reader.sealed else []
    columns = "".join(f", {one.text}" for one in asks)
    query = (
        f"SELECT u.subscriber_id, s.blob{columns} FROM audience_subscription u {tagged} "
        "JOIN audience_subscriber s ON s.id = u.subscriber_id "
        f"WHERE u.list_id = %s AND u.may = %s AND {told.text} AND u.subscriber_id > %s "
        "ORDER BY u.subscriber_id LIMIT %s"
    )
    asked = [value for one in asks for value in one.values]
    values = [*asked, *([tag.id] if tag else []), list.id, consent.YES, *told.values, after, PAGE]
    found: Sequence[tuple[Any, ...]] = sql.rows(query, values)
    return found
