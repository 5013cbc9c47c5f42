"""The laws that a request leans on: laws.toml, read once. What each key means is said at its top."""

import tomllib
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from samizdat.core.rescue import deadlines


@dataclass(frozen=True, slots=True)
class Period:
    """How long the other side has. `rule` is one of deadlines.RULES; `extension` more of the same unit, from the same
    day, and only if they say so within `count`.
    """

    rule: str
    count: int
    extension: int = 0


@dataclass(frozen=True, slots=True)
class Law:
    """`checked`: "documented" as long as no lawyer has read the entry."""

    id: str
    name: MappingProxyType[str, str]
    says: MappingProxyType[str, str]
    applies: tuple[tuple[str, ...], ...]
    source: str
    read: date
    checked: str
    period: Period | None = None


def _law(row: dict[str, Any]) -> Law:
    period = row.get("period")
    return Law(
        id=row["id"],
        name=MappingProxyType(row["name"]),
        says=MappingProxyType(row["says"]),
        applies=tuple(tuple(condition) for condition in row["applies"]),
        source=row["source"],
        read=row["read"],
        checked=row["checked"],
        period=Period(**period) if period else None,
    )


def document(name: str) -> dict[str, Any]:
    """A data file beside this module."""
    return tomllib.loads(files("samizdat.core.rescue").joinpath(name).read_text(encoding="utf-8"))


_FILE = document("laws.toml")
# The day for which the whole file was last gone through.
LAW_OF: date = _FILE["law_of"]
LAWS: MappingProxyType[str, Law] = MappingProxyType({row["id"]: _law(row) for row in _FILE["law"]})


@dataclass(frozen=True, slots=True)
class Due:
    """The last days to answer: `at` by the law, `extended` if they extend in time."""

    at: date
    extended: date | None


def due(period: Period, received: date, holidays: frozenset[date] = frozenset()) -> Due:
    """`received`: the day on which the request reached them."""
    rule = deadlines.RULES[period.rule]
    longer = rule(received, period.count + period.extension, holidays) if period.extension else None
    return Due(rule(received, period.count, holidays), longer)
