"""Lists, tags and fields."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from samizdat.audience import tagging
from samizdat.audience.errors import NoSuchList
from samizdat.audience.models import STATUSES, Field, List, ListTotal, Tag
from samizdat.audience.naming import list_name
from samizdat.vault import house
from samizdat.vault.sealed import open_json


@dataclass(frozen=True, slots=True)
class ListView:
    id: int
    name: str
    form_slug: str
    created: date
    totals: dict[str, int]  # by status, all five
    total: int


@dataclass(frozen=True, slots=True)
class FieldView:
    """`choices`: of a choice, its texts in their order. `ready`: readable, and all values are there for segments."""

    number: int
    tag: str
    label: str
    default: str
    kind: str = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    readable: bool = False
    ready: bool = False
    id: int = 0  # Of its row, as ReadableValue names it.
    codes: dict[str, int] = field(default_factory=dict)  # Text of a choice -> its readable value.


def lists(organisation: Any) -> list[ListView]:
    """All lists with their totals, in the order of their making."""
    keys = house.keys(organisation)
    totals: dict[int, dict[str, int]] = {}
    for row in ListTotal.objects.filter(list__organisation=organisation):
        totals.setdefault(row.list_id, dict.fromkeys(STATUSES, 0))[STATUSES[row.status]] = row.count
    return [
        ListView(
            id=row.id,
            name=list_name(keys, row),
            form_slug=row.form_slug,
            created=row.created,
            totals=(counts := totals.get(row.id, dict.fromkeys(STATUSES, 0))),
            total=sum(counts.values()),
        )
        for row in List.objects.filter(organisation=organisation).order_by("created", "id")
    ]


def list_named(organisation: Any, name: str) -> List:
    """Upper and lower case alike. Errors: NoSuchList, whose sentence tells the names that there are."""
    keys = house.keys(organisation)
    rows = {
        list_name(keys, row): row for row in List.objects.filter(organisation=organisation).order_by("created", "id")
    }
    for known, row in rows.items():
        if known.casefold() == name.strip().casefold():
            return row
    raise NoSuchList(_no_list(name, rows))


def _no_list(name: str, known: Iterable[str]) -> str:
    names = ", ".join(known)
    if not names:
        return _("There is no list called %(name)s. Make it first.") % {"name": name}
    return _("There is no list called %(name)s. Use one of: %(names)s.") % {"name": name, "names": names}


def list_by_id(organisation: Any, number: int) -> List:
    """Errors: NoSuchList, also for another organisation's."""
    row = List.objects.filter(organisation=organisation, id=number).first()
    if row is None:
        raise NoSuchList(_("There is no such list here. Go back and choose one."))
    return row


def name_of(list: List) -> str:
    return list_name(house.keys(list.organisation), list)


def details_of(list: List) -> dict[str, Any]:
    """From, permission reminder, purpose, appeals: what new_list and change_list were given."""
    return open_json(house.keys(list.organisation), list.details_sealed, "list", "details", list.id) or {}


def tags(organisation: Any) -> list[tuple[int, str]]:
    """(id, name), by name."""
    return sorted(tagging.all_tags(organisation, house.keys(organisation)).items(), key=lambda tag: tag[1].casefold())


def tag_named(organisation: Any, name: str) -> Tag | None:
    indices = tagging.tag_indices(house.keys(organisation), name.strip())
    return Tag.objects.filter(organisation=organisation, name_index__in=indices).first()


def fields(organisation: Any) -> list[FieldView]:
    """In the order of their making."""
    keys = house.keys(organisation)
    rows = Field.objects.filter(organisation=organisation, removed=None).order_by("number")
    return [_field_view(row, open_json(keys, row.sealed, "field", "sealed", row.number)) for row in rows]


def _field_view(row: Field, told: dict[str, Any]) -> FieldView:
    codes = told.get("choices", {})
    return FieldView(
        number=row.number,
        tag=told["tag"],
        label=told["label"],
        default=told.get("default", ""),
        kind=told.get("kind", "text"),
        required=told.get("required", False),
        choices=tuple(codes),
        readable=row.readable,
        ready=row.readable and row.filled is None,
        id=row.id,
        codes=codes,
    )
