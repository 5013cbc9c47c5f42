"""Who of a list has no value in a sealed field, or one that no letter says: opened and counted piece by piece; only
sums leave the seal.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from samizdat.audience import sealed_subscribers
from samizdat.audience.models import NUMBER_MASK, List, Tag
from samizdat.audience.segments import sql
from samizdat.audience.segments.members import MemberReader
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.core.fields import unfit_for_letter
from samizdat.core.segment.condition import SqlCondition
from samizdat.db import binary_portions
from samizdat.vault import keyring

# Rows of one query: 10 ms of opening.
PAGE = 2_000


@dataclass(frozen=True, slots=True)
class MissingValueScan:
    """Of `of` readers `empty[number]` have nothing in that field, `unfit[number]` what no letter says; the row to go on
    behind, None at the end."""

    of: int
    empty: dict[int, int]
    unfit: dict[int, int]
    following: int | None


def look(
    list: List,
    tag: Tag | None,
    reader: MemberReader | None,
    fields: Sequence[int],
    *,
    after: int,
    seconds: float | None,
    speaks: Callable[[str], bool] | None = None,
) -> MissingValueScan:
    """Of those on a list (with a tag, in a segment) who may get a letter, from the row behind `after`.

    fields: numbers in the blob. seconds: how long to look, at least one page; None: to the end. speaks: whether who has
    this language is counted.
    """
    keys = keyring.keys(list.organization)
    opened, pick = sealed_subscribers.opener(keys).open, seal.pick
    decides = reader.decider() if reader and reader.sealed else None
    query, values = _query(list, tag, reader)
    empty, unfit, of, seen = dict.fromkeys(fields, 0), dict.fromkeys(fields, 0), 0, 0
    until = None if seconds is None else time.monotonic() + seconds
    walk = sql.SegmentSql(list.organization_id, after, PAGE)
    for window in walk:
        met = 0
        for row, blob, language, *answers in chain.from_iterable(binary_portions(query, [*values, *window, *window])):
            met += 1
            if speaks and not speaks(language):
                continue
            if decides and not decides(row, blob, tuple(answers)):
                continue
            of += 1
            plain = opened(blob, row & NUMBER_MASK)
            for number in fields:
                value = pick(plain, number)
                empty[number] += not value
                unfit[number] += bool(unfit_for_letter(value))
        walk.met(met)
        seen += met
        if until is not None and seen and time.monotonic() > until and walk.low < walk.end:
            return MissingValueScan(of, empty, unfit, window[1] - 1)
    return MissingValueScan(of, empty, unfit, None)


def _query(list: List, tag: Tag | None, reader: MemberReader | None) -> tuple[str, Sequence[Any]]:
    """The rows of a window, whose bounds are still to be given, twice: PostgreSQL does not see that those of the one
    table are those of the other."""
    tagged = "JOIN audience_subscribertag t ON t.subscriber_id = u.subscriber_id AND t.tag_id = %s" if tag else ""
    condition = reader.where("u.subscriber_id", apart=True) if reader else SqlCondition("1 = 1")
    asks = reader.asks("u.subscriber_id") if reader and reader.sealed else []
    columns = "".join(f", {ask.text}" for ask in asks)
    query = (
        f"SELECT u.subscriber_id, s.sealed, s.language{columns} FROM audience_subscription u {tagged} "
        "JOIN audience_subscriber s ON s.id = u.subscriber_id "
        f"WHERE u.list_id = %s AND u.mail_verdict = %s AND {condition.text} "
        "AND u.subscriber_id >= %s AND u.subscriber_id < %s AND s.id >= %s AND s.id < %s ORDER BY u.subscriber_id"
    )
    asked = [value for ask in asks for value in ask.values]
    return query, [*asked, *([tag.id] if tag else []), list.id, consent.YES, *condition.values]
