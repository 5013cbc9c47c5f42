"""What a condition reads its JSON value with. Errors, of each: BadSegment."""

import re
from collections.abc import Collection, Mapping
from datetime import date

from samizdat.core.segment.errors import BadSegment

HIGHEST = 2**63 - 1  # what a column of either database holds
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def number(value: object, lowest: int = 1, highest: int = HIGHEST) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise BadSegment("bad_value")
    return value


def word(value: object, among: Collection[str]) -> str:
    if not isinstance(value, str) or value not in among:
        raise BadSegment("bad_value")
    return value


def named(value: object, *names: str, optional: Collection[str] = ()) -> Mapping[str, object]:
    """An object with these names in it."""
    if not isinstance(value, Mapping) or not set(names) <= set(value) <= {*names, *optional}:
        raise BadSegment("bad_value")
    return value


def day(value: object) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise BadSegment("bad_day")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise BadSegment("bad_day") from None
