"""Lists: what people subscribe to."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat import dialect
from samizdat.audience import tagging
from samizdat.audience.actions.wordings import put_wording
from samizdat.audience.errors import ListNameTaken, NoName
from samizdat.audience.models import STATUSES, List
from samizdat.audience.naming import list_name
from samizdat.core.consent import APPEALS, LETTERS
from samizdat.events.actions import record
from samizdat.vault import house
from samizdat.vault.house import OrganisationKeys
from samizdat.vault.sealed import seal_json


def new_list(
    organisation: Any, name: str, *, now: datetime, by: Any = None, details: Mapping[str, Any] | None = None
) -> List:
    """An empty list. `details`: From, permission reminder, purpose, appeals. Errors: NoName, ListNameTaken."""
    keys = house.keys(organisation)
    with transaction.atomic():
        name = _free_name(organisation, keys, name)
        made = List.objects.create(organisation=organisation, name_sealed=b"", created=now.astimezone(UTC).date())
        made.name_sealed = _sealed(keys, made, name)
        made.details_sealed = seal_json(keys, dict(details or {}), "list", "details", made.id)
        made.save(update_fields=["name_sealed", "details_sealed"])
        dialect.add_list_totals([(made.id, status, 0) for status in range(len(STATUSES))])
        record("list.made", organisation, about=made.id, by=by, now=now, detail={"name": name})
    return made


def rename_list(list: List, name: str, *, now: datetime, by: Any = None) -> None:
    """Errors: NoName, ListNameTaken."""
    keys = house.keys(list.organisation)
    with transaction.atomic():
        name = _free_name(list.organisation, keys, name, besides=list.id)
        list.name_sealed = _sealed(keys, list, name)
        list.save(update_fields=["name_sealed"])
        record("list.renamed", list.organisation, about=list.id, by=by, now=now, detail={"name": name})


def change_list(list: List, details: Mapping[str, Any], *, now: datetime, by: Any = None) -> None:
    """From, permission reminder, purpose and the words for appeals, as one mapping of plain values. Other words to
    agree to are a new version of them, in the organisation's language."""
    with transaction.atomic():
        for name, purpose in (("purpose", LETTERS), ("appeals", APPEALS)):
            if text := str(details.get(name) or "").strip():
                put_wording(list, text, language=list.organisation.language, now=now, purpose=purpose, by=by)
        list.details_sealed = seal_json(house.keys(list.organisation), dict(details), "list", "details", list.id)
        list.save(update_fields=["details_sealed"])
        record("list.changed", list.organisation, about=list.id, by=by, now=now)


def give_form(list: List, slug: str, *, now: datetime, by: Any = None) -> None:
    """Opens the list's public sign-up page at `slug`, or closes it with an empty one."""
    with transaction.atomic():
        list.form_slug = slug
        list.save(update_fields=["form_slug"])
        record("list.form", list.organisation, about=list.id, by=by, now=now, detail={"slug": slug})


def fields_for(organisation: Any, labels: Mapping[str, str]) -> dict[str, int]:
    """Tag -> number of its field; those that are missing are made with the label given."""
    with transaction.atomic():
        return tagging.fields_for(organisation, house.keys(organisation), labels)


def tags_for(organisation: Any, names: Iterable[str]) -> dict[str, int]:
    """Name -> id of its tag; those that are missing are made."""
    with transaction.atomic():
        return tagging.tags_for(organisation, house.keys(organisation), names)


def _sealed(keys: OrganisationKeys, list: List, name: str) -> bytes:
    return keys.seal(name.encode(), "list", "name", list.id)


def _free_name(organisation: Any, keys: OrganisationKeys, name: str, besides: int = 0) -> str:
    name = name.strip()
    if not name:
        raise NoName(_("A list needs a name. Write one."))
    for other in List.objects.filter(organisation=organisation).exclude(id=besides):
        if list_name(keys, other).casefold() == name.casefold():
            raise ListNameTaken(_("There is a list called %(name)s already. Choose another name.") % {"name": name})
    return name
