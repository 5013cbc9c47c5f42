"""Merge fields by hand: added, changed, removed. Imports make theirs by tags_and_fields.py."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat.accounts.models import Organization, Person
from samizdat.audience import consent_writer, plaintext_fields, sealed_subscribers, sql, tags_and_fields
from samizdat.audience.errors import FieldRefused
from samizdat.audience.limits import FIELDS
from samizdat.audience.models import Field, Import, Subscriber, row_id
from samizdat.audience.tags_and_fields import FieldDefinition, definition_of, seal_definition
from samizdat.core import fields
from samizdat.core.content import merge
from samizdat.core.crypto import seal
from samizdat.events.actions import record
from samizdat.events.queries import about
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys
from samizdat.vault.locks import unlocked

# As Mailchimp's, so that a letter of either place works in the other.
TAG = re.compile(r"[A-Z][A-Z0-9_]{0,9}")
LONGEST = 100

# Words of the merge language and of every message: a field of that name could never be shown.
TAKEN = frozenset(
    {
        *merge.MAILCHIMP,
        *merge.PERSONAL,
        *merge.NUMBERED,
        *merge.FLAGS,
        *("EMAIL", "MESSAGE_ID", "IF", "IFNOT", "ELSE", "ELSEIF", "END", "AND", "OR", "NOT"),
    }
)

# Rows of one transaction of the clearing: 20 ms or so, so that nobody waits for it.
SLICE = 500
# Readable values of one transaction that takes them away.
CLEAR = 5_000
# Rows of one look of a count.
LOOK = 2_000


@dataclass(frozen=True, slots=True)
class FieldShape:
    """What a field may hold: a kind of core/fields.KINDS, for a choice its texts, and who may read it on the disk."""

    kind: str = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    readable: bool = False


def add_field(
    organization: Organization,
    tag: str,
    label: str,
    *,
    now: datetime,
    by: Person | None = None,
    default: str = "",
    shape: FieldShape = FieldShape(),
) -> int:
    """A new field; its number. `default`: what a letter says where somebody has no value. Errors: FieldRefused."""
    keys = keyring.keys(organization)
    with transaction.atomic():
        tag = _free_tag(organization, keys, tag)
        if Field.objects.filter(organization=organization, removed=None).count() >= FIELDS:
            text = _("An organization can have at most %(n)s fields. Remove one that you no longer use.")
            raise FieldRefused("too_many", text % {"n": FIELDS})
        definition = _shaped(_named(FieldDefinition(), tag, label, default), shape)
        number = tags_and_fields.new_number(organization)
        row = Field.objects.create(
            organization=organization,
            number=number,
            sealed=seal_definition(keys, number, definition),
            readable=shape.readable,
        )
        record("field.added", organization, about=row.number, by=by, now=now, detail=structs.asdict(definition))
    return number


def change_field(
    organization: Organization,
    number: int,
    *,
    tag: str,
    label: str,
    default: str,
    now: datetime,
    by: Person | None = None,
    shape: FieldShape | None = None,
) -> bool:
    """Another tag, name, stand-in or shape (None: as it is); values stay where they are, also those that do not fit.

    Whether anything changed. A field that becomes readable, or is so no more, is brought up to that by
    follow_readable(). Letters name fields by tag: the caller has looked that none is on its way with the old one.
    Errors: FieldRefused.
    """
    keys = keyring.keys(organization)
    with transaction.atomic():
        row = _locked(organization, number)
        known = definition_of(keys, row)
        # An import may have brought a tag that nobody could choose by hand; it may stay.
        kept = tag.strip() == known.tag
        tag = known.tag if kept else _free_tag(organization, keys, tag, besides=number)
        changed = _named(known, tag, label, default)
        if shape is not None:
            changed = _shaped(changed, shape)
        open_now = shape.readable if shape else plaintext_fields.is_chosen(keys, row)
        if changed == known and open_now == row.readable:
            return False
        if open_now != row.readable or (open_now and _reads(changed) != _reads(known)):
            _refuse_while_importing(organization)
            row.filled = 0
        row.sealed, row.readable = seal_definition(keys, number, changed), open_now
        row.save(update_fields=["sealed", "readable", "filled"])
        detail = structs.asdict(changed) | {"readable": open_now}
        record("field.changed", organization, about=number, by=by, now=now, detail=detail)
    return True


def _reads(definition: FieldDefinition) -> tuple[object, ...]:
    """What the readable number of a value depends on."""
    return definition.kind, definition.choices


def _shaped(definition: FieldDefinition, shape: FieldShape) -> FieldDefinition:
    """The same with what it holds from now on. Errors: FieldRefused."""
    if shape.kind not in fields.KINDS:
        raise FieldRefused("bad_kind", _("This kind of field doesn’t exist. Choose one from the list."), "kind")
    texts = [text.strip() for text in shape.choices if text.strip()] if shape.kind == "choice" else []
    if shape.kind == "choice" and not texts:
        raise FieldRefused("no_choices", _("Enter the choices, one per line."), "choices")
    if len(texts) > fields.MOST_CHOICES or max(map(len, texts), default=0) > LONGEST:
        sentence = _("A field can have up to 200 choices of up to 100 characters. Use fewer, or make it a text field.")
        raise FieldRefused("too_many_choices", sentence, "choices")
    if shape.readable and shape.kind not in fields.READABLE:
        sentence = _(
            "Only numbers, dates, choices and yes/no can be stored unencrypted: text could identify "
            "people. Keep this field encrypted."
        )
        raise FieldRefused("not_readable", sentence, "readable")
    choices = fields.with_choices(definition.choices, texts, definition.highest)
    if definition.default:
        _fitting(shape.kind, definition.default, choices)
    return structs.replace(
        definition,
        kind=shape.kind,
        required=shape.required,
        readable=shape.readable,
        choices=choices,
        highest=max([definition.highest, *choices.values()]),
    )


def _fitting(kind: str, default: str, choices: Mapping[str, int]) -> None:
    """What letters say where somebody has none: of a link it is a link, of all others any words, such as "friend"."""
    if kind == "link":
        try:
            fields.read(kind, default, choices)
        except fields.BadValue as bad:
            raise FieldRefused(bad.code, _(str(bad)), "default") from bad


def follow_readable(now: datetime, seconds: float, stop: Callable[[], bool] = lambda: False) -> bool:
    """Brings the readable values of changed fields up to what the fields say, for so many seconds. Whether all is done.

    How far it is stands in the field's row. Whoever is written meanwhile is written with their number, so the two
    never differ.
    """
    until = time.monotonic() + seconds
    rows = Field.objects.select_related("organization").filter(unlocked("organization__"))
    for row in rows.exclude(filled=None).order_by("id"):
        while not _follow_slice(row, now):
            if stop() or time.monotonic() > until:
                return False
    return True


def _follow_slice(row: Field, now: datetime) -> bool:
    """The next SLICE subscribers. True when the field is through."""
    organization = row.organization
    with transaction.atomic():
        row = Field.objects.select_for_update().get(pk=row.pk)
        if row.filled is None:
            return True
        keys = keyring.keys(organization)
        if plaintext_fields.is_chosen(keys, row):
            subscribers = _slice(organization.id, row.filled)
            people = ((subscriber.id, consent_writer.values_of(keys, subscriber)) for subscriber in subscribers)
            plaintext_fields.write_many(people, [plaintext_fields.column(keys, row)])
            done = len(subscribers) < SLICE
            row.filled = None if done else subscribers[-1].id
        else:
            done = sql.drop_readable_slice(row.id, CLEAR) < CLEAR
            row.filled = None if done else 0
        if done:
            record(
                "field.plaintext_updated", organization, about=row.number, now=now, detail={"readable": row.readable}
            )
        row.save(update_fields=["filled"])
    return done


def remove_field(organization: Organization, number: int, *, now: datetime, by: Person | None = None) -> None:
    """Takes a field away. Nobody sees its values from now on; clear_removed() takes them off the disk.

    Its number stays used up: an old copy of a row must not show under a new name. Errors: FieldRefused, also while
    an import runs that may be writing it.
    """
    keys = keyring.keys(organization)
    with transaction.atomic():
        row = _locked(organization, number)
        _refuse_while_importing(organization)
        definition = definition_of(keys, row)
        Field.objects.filter(pk=row.pk).update(removed=now.astimezone(UTC).date(), readable=False, filled=0)
        record("field.removed", organization, about=number, by=by, now=now, detail={"tag": definition.tag})


def _refuse_while_importing(organization: Organization) -> None:
    if Import.objects.filter(organization=organization, state__in=("waiting", "running")).exists():
        raise FieldRefused("importing", _("An import is running. Change the field when it’s done."))


def clear_removed(now: datetime, seconds: float, stop: Callable[[], bool] = lambda: False) -> bool:
    """Takes the values of removed fields out of the sealed blobs, for so many seconds. Whether all is done.

    How far it is stands in the field's row, so that a killed worker goes on where it was. Of fields that the log says
    were removed: what the row says, whoever writes the database has it say of any.
    """
    until = time.monotonic() + seconds
    rows = Field.objects.select_related("organization").filter(unlocked("organization__")).exclude(removed=None)
    for row in rows.exclude(sealed=b"").order_by("id"):
        if about(row.organization, "field.removed", row.number) is None:
            continue
        while not _clear_slice(row, now):
            if stop() or time.monotonic() > until:
                return False
    return True


def _clear_slice(row: Field, now: datetime) -> bool:
    """The next SLICE subscribers. True when the field is through: then its name is forgotten as well."""
    organization = row.organization
    keys = keyring.keys(organization)
    with transaction.atomic():
        row = Field.objects.select_for_update().get(pk=row.pk)
        subscribers, opened = _slice(organization.id, row.cleared), sealed_subscribers.opener(keys).open_with_tail
        blobs = ((subscriber, *opened(bytes(subscriber.sealed), subscriber.number)) for subscriber in subscribers)
        rows = [
            (sealed_subscribers.sealed(keys, held, subscriber.number, mark), subscriber.language, subscriber.id)
            for subscriber, plain, mark in blobs
            if row.number in (held := seal.unpack(plain)) and held.pop(row.number)
        ]
        if rows:
            sql.update_subscribers(rows)
        done = len(subscribers) < SLICE
        row.cleared = subscribers[-1].id if subscribers else row.cleared
        if done:
            row.sealed = b""
            record("field.cleared", organization, about=row.number, now=now)
            transaction.on_commit(sql.sweep_after_erasing)
        row.save(update_fields=["cleared", "sealed"])
    return done


def _slice(organization: int, after: int) -> list[Subscriber]:
    """Locked, so that nobody writes one of their values between our reading and our writing."""
    rows = Subscriber.objects.select_for_update().only("id", "sealed", "language").filter(organization=organization)
    start = max(after, row_id(organization, 0))
    return list(rows.filter(id__gt=start, id__lt=row_id(organization + 1, 0)).order_by("id")[:SLICE])


@dataclass(frozen=True, slots=True)
class FieldUse:
    """How many of the subscribers looked at have a value, and the number to go on from; None at the end."""

    having: int
    seen: int
    following: int | None


def count_values(organization: Organization, number: int, *, after: int = 0, seconds: float = 1.0) -> FieldUse:
    """Looks through the blobs, for so many seconds: how many have a value is written nowhere."""
    keys = keyring.keys(organization)
    opened = sealed_subscribers.opener(keys).open
    until = time.monotonic() + seconds
    at, end, having, seen = row_id(organization.id, after), row_id(organization.id + 1, 0), 0, 0
    while True:
        rows = Subscriber.objects.filter(organization=organization, id__gt=at, id__lt=end).order_by("id")
        page = list(rows.values_list("id", "sealed")[:LOOK])
        mask = row_id(organization.id, 0)
        having += sum(1 for id, blob in page if seal.pick(opened(bytes(blob), id - mask), number))
        seen += len(page)
        if len(page) < LOOK:
            return FieldUse(having, seen, None)
        at = page[-1][0]
        if time.monotonic() > until:
            return FieldUse(having, seen, at - mask)


def _locked(organization: Organization, number: int) -> Field:
    rows = Field.objects.select_for_update().filter(organization=organization, number=number, removed=None)
    row = rows.first()
    if row is None:
        raise FieldRefused("no_such_field", _("This field no longer exists. Check the list of fields."))
    return row


def _free_tag(organization: Organization, keys: OrganizationKeys, tag: str, besides: int = 0) -> str:
    tag = tag.strip().upper()
    if not TAG.fullmatch(tag):
        text = _("A merge tag has up to 10 Latin letters, digits and _, and begins with a letter, like CITY.")
        raise FieldRefused("bad_tag", text, "tag")
    if tag in TAKEN or merge.gone(tag):
        text = _("%(tag)s already has another meaning in emails. Choose another merge tag.")
        raise FieldRefused("tag_taken", text % {"tag": tag}, "tag")
    for known, (number, _label, _default) in tags_and_fields.all_fields(organization, keys).items():
        if known.upper() == tag and number != besides:
            text = _("A field with the merge tag %(tag)s already exists. Choose another merge tag.")
            raise FieldRefused("tag_taken", text % {"tag": tag}, "tag")
    return tag


def _named(definition: FieldDefinition, tag: str, label: str, default: str) -> FieldDefinition:
    label, default = label.strip()[:LONGEST], default.strip()[:LONGEST]
    return structs.replace(definition, tag=tag, label=label, default=default)
