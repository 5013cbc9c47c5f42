"""Lists, tags and fields."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date

from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.audience import tags_and_fields
from samizdat.audience.errors import NoSuchList
from samizdat.audience.list_details import ListDetails, list_name, open_details
from samizdat.audience.models import STATUSES, Field, List, ListTotal, Tag
from samizdat.audience.tags_and_fields import FieldDefinition, definition_of
from samizdat.vault import keyring


@dataclass(frozen=True, slots=True)
class ListView:
    id: int
    name: str
    form_slug: str
    created: date
    totals: dict[str, int]  # by status, all five
    total: int
    archived: date | None = None  # Since which day.


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


def lists(organization: Organization, *, archived: bool = False, besides: int | None = None) -> list[ListView]:
    """Lists with their totals, in the order of their making; archived: also those that nobody joins any more. besides:
    also this one, even if it was deleted."""
    keys = keyring.keys(organization)
    totals: dict[int, dict[str, int]] = {}
    for row in ListTotal.objects.filter(list__organization=organization):
        totals.setdefault(row.list_id, dict.fromkeys(STATUSES, 0))[STATUSES[row.status]] = row.count
    return [
        ListView(
            id=row.id,
            name=list_name(keys, row),
            form_slug=details.page_slug,
            created=row.created,
            totals=(counts := totals.get(row.id, dict.fromkeys(STATUSES, 0))),
            total=sum(counts.values()),
            archived=date.fromisoformat(details.archived) if details.archived else None,
        )
        for row in List.objects.filter(organization=organization).order_by("created", "id")
        if ((details := open_details(keys, row)) and row.id == besides)
        or (not details.deleted and (archived or not details.archived))
    ]


def list_names(organization: Organization) -> dict[int, str]:
    """Of every list that there ever was."""
    keys = keyring.keys(organization)
    return {row.id: list_name(keys, row) for row in List.objects.filter(organization=organization)}


def list_named(organization: Organization, name: str) -> List:
    """Upper and lower case alike. Errors: NoSuchList, whose sentence tells the names that there are."""
    keys = keyring.keys(organization)
    rows = {
        list_name(keys, row): row
        for row in List.objects.filter(organization=organization).order_by("created", "id")
        if not open_details(keys, row).deleted
    }
    for known, row in rows.items():
        if known.casefold() == name.strip().casefold():
            return row
    raise NoSuchList(_no_list(name, rows))


def _no_list(name: str, known: Iterable[str]) -> str:
    names = ", ".join(known)
    if not names:
        return _("There is no list called “%(name)s”. Create it first.") % {"name": name}
    return _("There is no list called “%(name)s”. Use one of: %(names)s.") % {"name": name, "names": names}


def list_by_id(organization: Organization, number: int) -> List:
    """Errors: NoSuchList, also for another organization's."""
    row = List.objects.filter(organization=organization, id=number).first()
    if row is None:
        raise NoSuchList(_("This list doesn’t exist. Go back and choose one."))
    return row


def name_of(list: List) -> str:
    return list_name(keyring.keys(list.organization), list)


def details_of(list: List) -> ListDetails:
    """Errors: SealError."""
    return open_details(keyring.keys(list.organization), list)


def tags(organization: Organization) -> list[tuple[int, str]]:
    """(id, name), by name."""
    return sorted(
        tags_and_fields.all_tags(organization, keyring.keys(organization)).items(), key=lambda tag: tag[1].casefold()
    )


def tag_named(organization: Organization, name: str) -> Tag | None:
    wanted = name.strip()
    known = tags_and_fields.known_tags(organization, keyring.keys(organization), [wanted])
    return Tag.objects.filter(organization=organization, pk=known[wanted]).first() if known else None


def fields(organization: Organization, among: Collection[int] | None = None) -> list[FieldView]:
    """In the order of their making; among: of these numbers alone."""
    keys = keyring.keys(organization)
    rows = Field.objects.filter(organization=organization, removed=None).order_by("number")
    rows = rows if among is None else rows.filter(number__in=among)
    return [_field_view(row, definition_of(keys, row)) for row in rows]


def _field_view(row: Field, definition: FieldDefinition) -> FieldView:
    readable = row.readable and definition.readable
    return FieldView(
        number=row.number,
        tag=definition.tag,
        label=definition.label,
        default=definition.default,
        kind=definition.kind,
        required=definition.required,
        choices=tuple(definition.choices),
        readable=readable,
        ready=readable and row.filled is None,
        id=row.id,
        codes=definition.choices,
    )
