"""Merge fields by hand: added, changed, removed. Imports make theirs in tagging.py."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat import dialect
from samizdat.audience import facts, readable, settling, tagging
from samizdat.audience.errors import FieldRefused
from samizdat.audience.models import Field, Import, Subscriber, row_id
from samizdat.core import fields, mergetags, seal
from samizdat.events.actions import record
from samizdat.vault import house
from samizdat.vault.house import OrganisationKeys
from samizdat.vault.sealed import open_json, seal_json

# As Mailchimp's, so that a letter of either place works in the other.
TAG = re.compile(r"[A-Z][A-Z0-9_]{0,9}")
LONGEST = 100

# Words of the merge language and of every message: a field of that name could never be shown.
TAKEN = frozenset(
    {
        *mergetags.MAILCHIMP,
        *mergetags.PERSONAL,
        *mergetags.NUMBERED,
        *mergetags.FLAGS,
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
class Shape:
    """What a field may hold: a kind of core/fields.KINDS, for a choice its texts, and who may read it on the disk."""

    kind: str = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    readable: bool = False


def add_field(
    organisation: Any,
    tag: str,
    label: str,
    *,
    now: datetime,
    by: Any = None,
    default: str = "",
    shape: Shape = Shape(),
) -> int:
    """A new field; its number. `default`: what a letter says where somebody has no value. Errors: FieldRefused."""
    keys = house.keys(organisation)
    with transaction.atomic():
        tag = _free_tag(organisation, keys, tag)
        told = _told(tag, label, default) | _shaped(shape, {}, default)
        number = tagging.following_number(organisation)
        row = Field.objects.create(
            organisation=organisation, number=number, sealed=_sealed(keys, told, number), readable=shape.readable
        )
        record("field.added", organisation, about=row.number, by=by, now=now, detail=told)
    return number


def change_field(
    organisation: Any,
    number: int,
    *,
    tag: str,
    label: str,
    default: str,
    now: datetime,
    by: Any = None,
    shape: Shape | None = None,
) -> bool:
    """Another tag, name, stand-in or shape (None: as it is); values stay where they are, also those that do not fit.

    Whether anything changed. A field that becomes readable, or is so no more, is brought up to that by
    follow_readable(). Letters name fields by tag: the caller has looked that none is on its way with the old one.
    Errors: FieldRefused.
    """
    keys = house.keys(organisation)
    with transaction.atomic():
        row = _locked(organisation, number)
        known = open_json(keys, row.sealed, "field", "sealed", number)
        # An import may have brought a tag that nobody could choose by hand; it may stay.
        kept = tag.strip() == known["tag"]
        told = _told(known["tag"] if kept else _free_tag(organisation, keys, tag, besides=number), label, default)
        if shape is not None:
            told |= _shaped(shape, known, default)
        changed, open_now = known | told, shape.readable if shape else row.readable
        if changed == known and open_now == row.readable:
            return False
        if open_now != row.readable or (open_now and _reads(changed) != _reads(known)):
            _refuse_while_importing(organisation)
            row.filled = 0
        row.sealed, row.readable = _sealed(keys, changed, number), open_now
        row.save(update_fields=["sealed", "readable", "filled"])
        detail = told | ({"readable": open_now} if shape else {})
        record("field.changed", organisation, about=number, by=by, now=now, detail=detail)
    return True


def _reads(told: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the readable number of a value depends on."""
    return told.get("kind", "text"), told.get("choices", {})


def _shaped(shape: Shape, known: Mapping[str, Any], default: str) -> dict[str, Any]:
    """The part of a field's sealed facts that says what it holds. Errors: FieldRefused."""
    if shape.kind not in fields.KINDS:
        raise FieldRefused("bad_kind", _("There is no such kind of field. Choose one of the list."), "kind")
    texts = [text.strip() for text in shape.choices if text.strip()] if shape.kind == "choice" else []
    if shape.kind == "choice" and not texts:
        raise FieldRefused("no_choices", _("Write the choices, each on a line of its own."), "choices")
    if len(texts) > fields.MOST_CHOICES or max(map(len, texts), default=0) > LONGEST:
        sentence = _("A field has up to 200 choices of up to 100 characters. Take fewer, or make it a text.")
        raise FieldRefused("too_many_choices", sentence, "choices")
    if shape.readable and shape.kind not in fields.READABLE:
        sentence = _("Only numbers, dates, choices and yes or no can be readable: a text would name people. Seal it.")
        raise FieldRefused("not_readable", sentence, "readable")
    highest = known.get("highest", 0)
    choices = fields.with_choices(known.get("choices", {}), texts, highest)
    if default.strip():
        _fitting(shape.kind, default, choices)
    return {
        "kind": shape.kind,
        "required": shape.required,
        "choices": choices,
        "highest": max([highest, *choices.values()]),
    }


def _fitting(kind: str, default: str, choices: Mapping[str, int]) -> None:
    """What letters say where somebody has none: of a link it is a link, of all others any words, such as "friend"."""
    if kind == "link":
        try:
            fields.read(kind, default, choices)
        except fields.BadValue as bad:
            raise FieldRefused(bad.code, _(str(bad)), "default") from bad


def follow_readable(now: datetime, seconds: float, stop: Callable[[], bool] = lambda: False) -> bool:
    """Brings the readable values of changed fields up to what the fields say, for so many seconds. Whether all is done.

    How far it is stands in the field's row. Whoever is written meanwhile is written with her number, so the two
    never differ.
    """
    until = time.monotonic() + seconds
    for row in Field.objects.select_related("organisation").exclude(filled=None).order_by("id"):
        while not _follow_slice(row, now):
            if stop() or time.monotonic() > until:
                return False
    return True


def _follow_slice(row: Field, now: datetime) -> bool:
    """The next SLICE subscribers. True when the field is through."""
    organisation = row.organisation
    with transaction.atomic():
        row = Field.objects.select_for_update().get(pk=row.pk)
        if row.filled is None:
            return True
        if row.readable and row.removed is None:
            keys = house.keys(organisation)
            found = _slice(organisation.id, row.filled)
            people = ((one.id, settling.values_of(keys, one)) for one in found)
            readable.write_many(people, [readable.column(keys, row)])
            done = len(found) < SLICE
            row.filled = None if done else found[-1].id
        else:
            done = dialect.drop_readable_slice(row.id, CLEAR) < CLEAR
            row.filled = None if done else 0
        if done:
            record("field.followed", organisation, about=row.number, now=now, detail={"readable": row.readable})
        row.save(update_fields=["filled"])
    return done


def remove_field(organisation: Any, number: int, *, now: datetime, by: Any = None) -> None:
    """Takes a field away. Nobody sees its values from now on; clear_removed() takes them off the disk.

    Its number stays used up: an old copy of a row must not show under a new name. Errors: FieldRefused, also while
    an import runs that may be writing it.
    """
    keys = house.keys(organisation)
    with transaction.atomic():
        row = _locked(organisation, number)
        _refuse_while_importing(organisation)
        told = open_json(keys, row.sealed, "field", "sealed", number)
        Field.objects.filter(pk=row.pk).update(removed=now.astimezone(UTC).date(), readable=False, filled=0)
        record("field.removed", organisation, about=number, by=by, now=now, detail={"tag": told["tag"]})


def _refuse_while_importing(organisation: Any) -> None:
    if Import.objects.filter(organisation=organisation, state__in=("waiting", "running")).exists():
        raise FieldRefused("importing", _("An import is under way. Change the field when it is done."))


def clear_removed(now: datetime, seconds: float, stop: Callable[[], bool] = lambda: False) -> bool:
    """Takes the values of removed fields out of the sealed blobs, for so many seconds. Whether all is done.

    How far it is stands in the field's row, so that a killed worker goes on where it was.
    """
    until = time.monotonic() + seconds
    for row in Field.objects.select_related("organisation").exclude(removed=None).exclude(sealed=b"").order_by("id"):
        while not _clear_slice(row, now):
            if stop() or time.monotonic() > until:
                return False
    return True


def _clear_slice(row: Field, now: datetime) -> bool:
    """The next SLICE subscribers. True when the field is through: then its name is forgotten as well."""
    organisation = row.organisation
    keys = house.keys(organisation)
    with transaction.atomic():
        row = Field.objects.select_for_update().get(pk=row.pk)
        found = _slice(organisation.id, row.cleared)
        rows = [
            (keys.seal(seal.pack(held), *facts.SUBSCRIBER, one.number), one.language, one.id)
            for one in found
            if row.number in (held := settling.values_of(keys, one)) and held.pop(row.number)
        ]
        if rows:
            dialect.update_subscribers(rows)
        done = len(found) < SLICE
        row.cleared = found[-1].id if found else row.cleared
        if done:
            row.sealed = b""
            record("field.cleared", organisation, about=row.number, now=now)
            transaction.on_commit(dialect.sweep_after_erasing)
        row.save(update_fields=["cleared", "sealed"])
    return done


def _slice(organisation: int, after: int) -> list[Subscriber]:
    """Locked, so that nobody writes a value of hers between our reading and our writing."""
    rows = Subscriber.objects.select_for_update().only("id", "blob", "language").filter(organisation=organisation)
    start = max(after, row_id(organisation, 0))
    return list(rows.filter(id__gt=start, id__lt=row_id(organisation + 1, 0)).order_by("id")[:SLICE])


@dataclass(frozen=True, slots=True)
class Counted:
    """How many of the subscribers looked at have a value, and the number to go on from; None at the end."""

    having: int
    seen: int
    following: int | None


def count_values(organisation: Any, number: int, *, after: int = 0, seconds: float = 1.0) -> Counted:
    """Looks through the blobs, for so many seconds: how many have a value is written nowhere."""
    keys = house.keys(organisation)
    assert keys.ring is not None
    opened = keys.ring.bound(*facts.SUBSCRIBER, keys.uid).open
    until = time.monotonic() + seconds
    at, end, having, seen = row_id(organisation.id, after), row_id(organisation.id + 1, 0), 0, 0
    while True:
        rows = Subscriber.objects.filter(organisation=organisation, id__gt=at, id__lt=end).order_by("id")
        found = list(rows.values_list("id", "blob")[:LOOK])
        mask = row_id(organisation.id, 0)
        having += sum(1 for id, blob in found if seal.pick(opened(bytes(blob), id - mask), number))
        seen += len(found)
        if len(found) < LOOK:
            return Counted(having, seen, None)
        at = found[-1][0]
        if time.monotonic() > until:
            return Counted(having, seen, at - mask)


def _locked(organisation: Any, number: int) -> Field:
    rows = Field.objects.select_for_update().filter(organisation=organisation, number=number, removed=None)
    row = rows.first()
    if row is None:
        raise FieldRefused("no_such_field", _("This field is not here any more. Look at the list of fields."))
    return row


def _free_tag(organisation: Any, keys: OrganisationKeys, tag: str, besides: int = 0) -> str:
    tag = tag.strip().upper()
    if not TAG.fullmatch(tag):
        text = _("A merge tag has up to 10 Latin letters, digits and _, and begins with a letter, like CITY.")
        raise FieldRefused("bad_tag", text, "tag")
    if tag in TAKEN or mergetags.gone(tag):
        text = _("%(tag)s means something of its own in a letter. Choose another merge tag.")
        raise FieldRefused("tag_taken", text % {"tag": tag}, "tag")
    for known, (number, _label, _default) in tagging.all_fields(organisation, keys).items():
        if known.upper() == tag and number != besides:
            text = _("There is a field with the merge tag %(tag)s already. Choose another.")
            raise FieldRefused("tag_taken", text % {"tag": tag}, "tag")
    return tag


def _told(tag: str, label: str, default: str) -> dict[str, Any]:
    return {"tag": tag, "label": label.strip()[:LONGEST], "default": default.strip()[:LONGEST]}


def _sealed(keys: OrganisationKeys, told: Mapping[str, Any], number: int) -> bytes:
    return seal_json(keys, dict(told), "field", "sealed", number)
