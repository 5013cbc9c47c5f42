"""In which order the list of subscribers stands: what its address asks for, and the headings that ask for it.

Only what is readable can be sorted by. Names and addresses are, on a page that shows them, by the page alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat import formatting
from samizdat.audience.queries.sorted_subscribers import SORTS as NAMES
from samizdat.audience.queries.subscriber_list import SubscriberRow
from samizdat.web import labels
from samizdat.web.audience.field_types import SOURCES
from samizdat.web.audience.subscriber_columns import COLUMNS

# What a heading asks for first: of days the latest, of words from A on.
_FIRST = {name: "-since" if name == "since" else name for name in COLUMNS if name in NAMES}
# What an address can ask for; "" and everything else is the order of numbers, which are drawn from blocks.
SORTS = frozenset({"added", "-added", *_FIRST, *(f"-{name}" for name in _FIRST)})
OF_PAGE: dict[str, str | Promise] = {"address": lazy("By address"), "name": lazy("By name")}


def read(text: str) -> str:
    return text if text in SORTS else ""


@dataclass(frozen=True, slots=True)
class Heading:
    """What can be sorted by. `query`: the page in that order, or the other way round where it is in it already;
    `direction`: as aria-sort says it, "" where the page is in another order. `fixed`: its label says the direction."""

    label: str | Promise
    query: str
    direction: str = ""
    fixed: bool = False

    @property
    def arrow(self) -> str:
        return {"ascending": "↑", "descending": "↓"}.get(self.direction, "")


def headings(sort: str, query: Callable[[str], str]) -> dict[str, Heading]:
    """By column. `query`: the page in an order."""
    results = {}
    for name, first in _FIRST.items():
        if sort.removeprefix("-") == name:
            direction = "descending" if sort.startswith("-") else "ascending"
            other = name if sort.startswith("-") else f"-{name}"
            results[name] = Heading(COLUMNS[name], query(other), direction)
        else:
            results[name] = Heading(COLUMNS[name], query(first))
    return results


def offers(sort: str, query: Callable[[str], str]) -> list[Heading]:
    """What the menu has: orders that no column has, and those of the columns."""
    orders = {"": _("Roughly newest first"), "-added": _("Newest first"), "added": _("Oldest first")}
    fixed = [
        Heading(label, query(name), "descending" if name == sort else "", fixed=True) for name, label in orders.items()
    ]
    return [*fixed, *headings(sort, query).values()]


def word(name: str, code: str) -> str:
    """What the list shows of a code, by which its column is sorted; "" of what is not known."""
    if name == "provider":
        return labels.provider(code)
    if name == "language":
        return formatting.language(code) if code else ""
    return str(SOURCES.get(code, code))


def of_page(rows: list[SubscriberRow], by: str) -> list[SubscriberRow]:
    """Lines whose addresses and names are shown, by one of OF_PAGE; who has no name stands last."""
    if by == "address":
        return sorted(rows, key=lambda row: row.address.casefold())
    return sorted(rows, key=lambda row: (not row.name, row.name.casefold())) if by == "name" else rows
