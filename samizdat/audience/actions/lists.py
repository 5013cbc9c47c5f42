"""Lists: what people subscribe to."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat.accounts.default_sender import DefaultSender
from samizdat.accounts.errors import link_in_name
from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import sql, tags_and_fields
from samizdat.audience.actions import mailed_words
from samizdat.audience.actions.consent_texts import put_wording
from samizdat.audience.errors import ListNameTaken, NoName, TooManyLists
from samizdat.audience.limits import LISTS, LISTS_EVER
from samizdat.audience.list_details import ListDetails, insist_open, list_name, open_details
from samizdat.audience.models import STATUSES, List
from samizdat.core.consent import APPEALS, LETTERS
from samizdat.core.mail.names import has_link
from samizdat.events.actions import record
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys


def new_list(
    organization: Organization,
    name: str,
    *,
    now: datetime,
    by: Person | None = None,
    details: ListDetails | None = None,
) -> List:
    """An empty list. Errors: NoName, ListNameTaken, TooManyLists."""
    keys = keyring.keys(organization)
    rows = [open_details(keys, row) for row in List.objects.filter(organization=organization)]
    if len(rows) >= LISTS_EVER or sum(not details.deleted for details in rows) >= LISTS:
        raise TooManyLists(
            _("An organization can have at most %(n)s lists. Use tags for topics instead.") % {"n": LISTS}
        )
    with transaction.atomic():
        name = _free_name(organization, keys, name)
        row = List.objects.create(organization=organization, name_sealed=b"", created=now.astimezone(UTC).date())
        row.name_sealed = _sealed(keys, row, name)
        details = details or ListDetails()
        agreed = mailed_words.sayable(organization, row.id, (name, details.appeals), (), now=now, by=by)
        row.details_sealed = keys.seal_json(structs.replace(details, agreed=agreed), "list", "details", row.id)
        row.save(update_fields=["name_sealed", "details_sealed"])
        sql.add_list_totals([(row.id, status, 0) for status in range(len(STATUSES))])
        record("list.created", organization, about=row.id, by=by, now=now, detail={"name": name})
    return row


def rename_list(list: List, name: str, *, now: datetime, by: Person | None = None) -> None:
    """Errors: NoName, ListNameTaken."""
    keys = keyring.keys(list.organization)
    with transaction.atomic():
        name = _free_name(list.organization, keys, name, besides=list.id)
        list.name_sealed = _sealed(keys, list, name)
        list.save(update_fields=["name_sealed"])
        change_kept(list, lambda kept: _with_words(list, kept, kept.agreed, now, by))
        record("list.renamed", list.organization, about=list.id, by=by, now=now, detail={"name": name})


def change_list(list: List, details: ListDetails, *, now: datetime, by: Person | None = None) -> None:
    """Other words to agree to are a new version of them, in the organization's language. Whether its form is open, and
    its default sender, stay as they are."""
    with transaction.atomic():
        for words, purpose in ((details.purpose, LETTERS), (details.appeals, APPEALS)):
            if text := words.strip():
                put_wording(list, text, language=leading(list.organization).language, now=now, purpose=purpose, by=by)
        change_kept(
            list,
            lambda kept: _with_words(list, _with_own(details, kept), kept.agreed, now, by),
        )
        record("list.changed", list.organization, about=list.id, by=by, now=now)


def _with_own(details: ListDetails, kept: ListDetails) -> ListDetails:
    """What has an action of its own stays as it is kept: `details` were read before."""
    own = ("form_slug", "archived", "deleted", "default_sender")
    return structs.replace(details, **{name: getattr(kept, name) for name in own})


def set_default_sender(list: List, sender: DefaultSender, *, now: datetime, by: Person | None = None) -> None:
    """As delivery.actions.default_senders has checked it."""
    with transaction.atomic():
        change_kept(list, lambda kept: structs.replace(kept, default_sender=sender))
        record("list.changed", list.organization, about=list.id, by=by, now=now)


def set_senders(list: List, change: Callable[[str], str], *, now: datetime, by: Person | None = None) -> None:
    """Each of its addresses as `change` has it."""

    def changed(kept: ListDetails) -> ListDetails:
        return structs.replace(
            kept, from_email=change(kept.from_email), default_sender=kept.default_sender.with_addresses(change)
        )

    with transaction.atomic():
        change_kept(list, changed)
        record("list.changed", list.organization, about=list.id, by=by, now=now)


def give_form(list: List, slug: str, *, now: datetime, by: Person | None = None) -> None:
    """Opens the list's public sign-up page at `slug`, or closes it with an empty one. Errors: ListArchived."""
    if slug:
        insist_open(list)
    with transaction.atomic():
        list.form_slug = slug
        list.save(update_fields=["form_slug"])
        change_kept(list, lambda kept: structs.replace(kept, form_slug=slug))
        record("list.form_changed", list.organization, about=list.id, by=by, now=now, detail={"slug": slug})


def fields_for(organization: Organization, labels: Mapping[str, str]) -> dict[str, int]:
    """Tag -> number of its field; those that are missing are made with the label given."""
    with transaction.atomic():
        return tags_and_fields.fields_for(organization, keyring.keys(organization), labels)


def tags_for(organization: Organization, names: Iterable[str]) -> dict[str, int]:
    """Name -> id of its tag; those that are missing are made."""
    with transaction.atomic():
        return tags_and_fields.tags_for(organization, keyring.keys(organization), names)


def agree_to_words(list: List, texts: Iterable[str], *, now: datetime) -> None:
    """Mails and the public page may say them from now on."""
    with transaction.atomic():
        change_kept(list, lambda kept: structs.replace(kept, agreed=(*kept.agreed, *texts)))
        record("list.changed", list.organization, about=list.id, now=now)


def mark_deleted(list: List, *, now: datetime, by: Person | None = None) -> None:
    """Nobody is on it any more: it goes out of sight, and its name is free."""
    with transaction.atomic():
        change_kept(list, lambda kept: structs.replace(kept, deleted=now.astimezone(UTC).date().isoformat()))
        record("list.deleted", list.organization, about=list.id, by=by, now=now)


def unmark_deleted(list: List, *, now: datetime, by: Person | None = None) -> None:
    """Those who were on it come back: it is archived again. A name that is taken by now gets the day."""
    keys = keyring.keys(list.organization)
    with transaction.atomic():
        day = open_details(keys, list).deleted
        name = list_name(keys, list)
        try:
            _free_name(list.organization, keys, name, besides=list.id)
        except ListNameTaken:
            list.name_sealed = _sealed(keys, list, f"{name} ({day})")
            list.save(update_fields=["name_sealed"])
        change_kept(list, lambda kept: structs.replace(kept, deleted=""))
        record("list.archived", list.organization, about=list.id, by=by, now=now)


def _with_words(
    list: List, details: ListDetails, agreed: Collection[str], now: datetime, by: Person | None
) -> ListDetails:
    texts = list_name(keyring.keys(list.organization), list), details.appeals
    words = mailed_words.sayable(list.organization, list.id, texts, agreed, now=now, by=by)
    return structs.replace(details, agreed=words)


def change_kept(list: List, change: Callable[[ListDetails], ListDetails]) -> None:
    """Of those that stand there now: somebody else may have saved others since this row was read."""
    keys, label = keyring.keys(list.organization), ("list", "details", list.id)
    blob = List.objects.select_for_update(no_key=True).values_list("details_sealed", flat=True).get(id=list.id)
    list.details_sealed = keys.seal_json(change(keys.open_json(blob, *label, ListDetails)), *label)
    list.save(update_fields=["details_sealed"])


def _sealed(keys: OrganizationKeys, list: List, name: str) -> bytes:
    return keys.seal(name.encode(), "list", "name", list.id)


def _free_name(organization: Organization, keys: OrganizationKeys, name: str, besides: int = 0) -> str:
    name = name.strip()
    if not name:
        raise NoName(_("Enter a list name."))
    if has_link(name):
        raise NoName(link_in_name())
    for other in List.objects.filter(organization=organization).exclude(id=besides):
        if list_name(keys, other).casefold() == name.casefold() and not open_details(keys, other).deleted:
            raise ListNameTaken(_("A list called “%(name)s” already exists. Choose another name.") % {"name": name})
    return name
