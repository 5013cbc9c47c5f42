"""When an old table was written, by its name, and who of it is missing in a later version of the same list."""

import re
from calendar import monthrange
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

# From 2000 on, as 2019, 2019-03, 2019_03_14, 20190314 and 14.03.2019. Other digits beside them are no date.
_YEAR_FIRST = re.compile(r"(?<!\d)(20\d\d)(?:([-_. ]?)(0[1-9]|1[0-2])(?:\2([0-2]\d|3[01]))?)?(?!\d)")
_DAY_FIRST = re.compile(r"(?<!\d)([0-2]?\d|3[01])[-_. ](0?[1-9]|1[0-2])[-_. ](20\d\d)(?!\d)")
# A later version has at least so many of 100 people of the earlier: less is another list.
SAME_LIST = 50


class DayRange(NamedTuple):
    """Days as 2019-03-14, the last one too; both "" where nobody knows."""

    first: str = ""
    last: str = ""


UNKNOWN = DayRange()


class DatedTable(NamedTuple):
    """`listed`: keys of those in it, whatever it says of them."""

    name: str
    written: DayRange
    listed: set[str]


def written_in(name: str) -> DayRange:
    """By the date in a file's name, as far as it has one: of `list-2019-03.csv` the days of that month."""
    if match := _DAY_FIRST.search(name):
        return _days(int(match[3]), int(match[2]), int(match[1]))
    if match := _YEAR_FIRST.search(name):
        return _days(int(match[1]), int(match[3] or 0), int(match[4] or 0))
    return UNKNOWN


def missing_in_later(tables: Sequence[DatedTable], last_yes: Callable[[str], str]) -> Iterator[tuple[str, DatedTable]]:
    """(key, the latest table that should have it). Who is in a table of that time, or agreed after it, is not missing.

    last_yes: the last day on which somebody agreed, or "".
    """
    dated = sorted((table for table in tables if table.written != UNKNOWN), key=lambda table: table.written.last)
    last_listed = {key: table.written.last for table in dated for key in table.listed}
    missing: dict[str, DatedTable] = {}
    for number, earlier in enumerate(dated):
        for later in dated[number + 1 :]:
            if later.written.first <= earlier.written.last or not _is_version(earlier, later):
                continue
            for key in earlier.listed - later.listed:
                if last_listed[key] < later.written.first and last_yes(key) <= later.written.last:
                    missing[key] = later
    yield from missing.items()


def _is_version(earlier: DatedTable, later: DatedTable) -> bool:
    return len(earlier.listed & later.listed) * 100 >= len(earlier.listed) * SAME_LIST


def _days(year: int, month: int, day: int) -> DayRange:
    if not month:
        return DayRange(f"{year}-01-01", f"{year}-12-31")
    last = monthrange(year, month)[1]
    if not 0 < day <= last:
        return DayRange(f"{year}-{month:02}-01", f"{year}-{month:02}-{last}")
    return DayRange(f"{year}-{month:02}-{day:02}", f"{year}-{month:02}-{day:02}")
