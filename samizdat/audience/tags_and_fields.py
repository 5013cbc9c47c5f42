"""Tags and fields by their names: found by blind index or opened, made when missing."""

import os
import secrets
from collections.abc import Collection, Iterable, Mapping

from django.db import IntegrityError, transaction
from django.db.models import Max
from msgspec import Struct, field

from samizdat.accounts import sealed_settings
from samizdat.accounts.models import Organization
from samizdat.audience.errors import ImportRefused
from samizdat.audience.limits import FIELDS
from samizdat.audience.models import Field, Tag
from samizdat.core.crypto import seal
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

# A column of unique values taken for tags would make a million of them.
MOST_TAGS = 10_000
LONGEST_TAG = 100
# Numbers of fields go up to 65,535 (core/crypto/seal), those that an export brings to half of it.
LOST = 1 << 14


class FieldDefinition(Struct, frozen=True):
    """What is sealed of a merge field. default: what letters say where somebody has no value."""

    tag: str = ""
    label: str = ""
    default: str = ""
    kind: str = "text"  # Of core/fields.KINDS.
    required: bool = False
    readable: bool = False  # Its values stand on the disk: plaintext_fields.py.
    choices: dict[str, int] = field(default_factory=dict)  # Text -> code, in their order.
    highest: int = 0  # The highest code that was ever given: none is given twice.


def definition_of(keys: OrganizationKeys, row: Field) -> FieldDefinition:
    """Of one that was cleared: the empty one. Errors: SealError."""
    return keys.open_json(row.sealed, "field", "sealed", row.number, FieldDefinition)


def seal_definition(keys: OrganizationKeys, number: int, definition: FieldDefinition) -> bytes:
    return keys.seal_json(definition, "field", "sealed", number)


def tag_indices(keys: OrganizationKeys, name: str) -> list[bytes]:
    """Blind indices of a tag's name, the current key's first. Upper and lower case are one tag."""
    return keys.blinds(f"tag:{name.casefold()}")


def tags_for(organization: Organization, keys: OrganizationKeys, names: Iterable[str]) -> dict[str, int]:
    """Name -> id; missing ones are made, called as whoever names them first writes them. Errors: ImportRefused when
    there would be too many."""
    names = list(dict.fromkeys(names))
    for left in (2, 1, 0):  # Somebody else may make the same tag at this moment: then theirs is found.
        by_name, wrong = _found(organization, keys, names)
        missing = {tag_indices(keys, name)[0]: name for name in reversed(names) if name not in by_name}
        if not missing:
            return by_name
        if Tag.objects.filter(organization=organization, removed=False).count() + len(missing) > MOST_TAGS:
            raise ImportRefused(
                "too_many_tags",
                "There would be more than 10,000 tags. Is the right column taken for tags? Make it a field instead.",
            )
        try:
            with transaction.atomic():
                held = keyring.held_for_index(keys)
                _put_indices_right(held, wrong)
                _make(organization, held, {tag_indices(held, name)[0]: name for name in missing.values()})
            break
        except IntegrityError:
            if not left:
                raise
    return known_tags(organization, keys, names)


def _make(organization: Organization, keys: OrganizationKeys, names: Mapping[bytes, str]) -> None:
    """A name is sealed under its row's number, which is known once the row is there; only of rows made here, since
    whoever writes the database empties the name of another. Errors: IntegrityError where there is such a tag."""
    tags = Tag.objects.bulk_create(
        [Tag(organization=organization, name_index=index, name_sealed=b"") for index in names], batch_size=200
    )
    for tag, name in zip(tags, names.values(), strict=True):
        tag.name_sealed = _sealed(keys, name, tag.pk)
    Tag.objects.bulk_update(tags, ["name_sealed"], batch_size=200)


def known_tags(organization: Organization, keys: OrganizationKeys, names: Iterable[str]) -> dict[str, int]:
    """Name -> id of those that are there."""
    return _found(organization, keys, names)[0]


def _found(
    organization: Organization, keys: OrganizationKeys, names: Iterable[str]
) -> tuple[dict[str, int], list[Tag]]:
    """Name -> id of those that are there, as their own sealed names say, and rows that stand under another name's
    index: whoever writes the database without a key exchanges two, and a campaign would go to the other tag."""
    wanted = {name: tag_indices(keys, name) for name in names}
    indices = [index for held in wanted.values() for index in held]
    rows: dict[bytes, Tag] = {}
    for at in range(0, len(indices), 500):  # SQLite takes so many values in one query everywhere.
        some = Tag.objects.filter(organization=organization, name_index__in=indices[at : at + 500])
        rows |= {bytes(tag.name_index): tag for tag in some}
    known: dict[str, int] = {}
    wrong: list[Tag] = []
    for name, held in wanted.items():
        for tag in [rows[index] for index in reversed(held) if index in rows]:
            if _is_called(keys, tag, name):
                known[name] = tag.pk
            else:
                wrong.append(tag)
    if wrong:
        named = Tag.objects.filter(organization=organization, removed=False).exclude(name_sealed=b"")
        by_text = {tag_name(keys, tag).casefold(): tag for tag in named}
        known |= {name: by_text[name.casefold()].pk for name in wanted if name.casefold() in by_text}
        wrong += [tag for text, tag in by_text.items() if bytes(tag.name_index) not in tag_indices(keys, text)]
    return known, wrong


def _is_called(keys: OrganizationKeys, tag: Tag, name: str) -> bool:
    """A long name is sealed without its end."""
    if tag.removed or not tag.name_sealed:
        return False
    own, wanted = tag_name(keys, tag), name.casefold()
    return wanted.startswith(own.casefold()) if len(own) == LONGEST_TAG else wanted == own.casefold()


def _put_indices_right(keys: OrganizationKeys, tags: Iterable[Tag]) -> None:
    """In a transaction. First all of them give theirs back: two may have exchanged them."""
    by_number = {tag.pk: tag for tag in tags}
    for number in by_number:
        Tag.objects.filter(pk=number).update(name_index=os.urandom(16))
    for number, tag in by_number.items():
        if tag.name_sealed and not tag.removed:
            own = tag_indices(keys, tag_name(keys, tag))[0]
            Tag.objects.filter(pk=number).update(name_index=own)


def _sealed(keys: OrganizationKeys, name: str, number: int) -> bytes:
    return keys.seal(name[:LONGEST_TAG].encode(), "tag", "name", number)


def put_name(keys: OrganizationKeys, number: int, name: str) -> bool:
    """In a transaction, with keys that are held for the index; whether there is such a tag. Errors: IntegrityError
    where another one is called so."""
    rows = Tag.objects.filter(pk=number, removed=False)
    return bool(rows.update(name_sealed=_sealed(keys, name, number), name_index=tag_indices(keys, name)[0]))


def tag_name(keys: OrganizationKeys, tag: Tag) -> str:
    return keys.open(bytes(tag.name_sealed), "tag", "name", tag.pk).decode()


def all_tags(
    organization: Organization, keys: OrganizationKeys, among: Collection[int] | None = None
) -> dict[int, str]:
    """Id -> name; among: of these alone."""
    rows = Tag.objects.filter(organization=organization, removed=False)
    rows = rows if among is None else rows.filter(id__in=among)
    return {tag.id: tag_name(keys, tag) for tag in rows}


def all_fields(organization: Organization, keys: OrganizationKeys) -> dict[str, tuple[int, str, str]]:
    """Tag -> (number, label, default), in the order of their making."""
    by_tag: dict[str, tuple[int, str, str]] = {}
    for row in Field.objects.filter(organization=organization, removed=None).order_by("number"):
        definition = definition_of(keys, row)
        by_tag[definition.tag] = (row.number, definition.label, definition.default)
    return by_tag


# Tags of fields that hold a name, in the order in which people say them.
NAMES = ("FNAME", "MNAME", "LNAME", "NAME")


def name_fields(organization: Organization, keys: OrganizationKeys) -> list[int]:
    """The numbers of those that an organization has."""
    known = all_fields(organization, keys)
    return [known[tag][0] for tag in NAMES if tag in known]


def fields_for(organization: Organization, keys: OrganizationKeys, labels: Mapping[str, str]) -> dict[str, int]:
    """Tag -> number of its field; those that are missing are made with the label given. In a transaction. Errors:
    ImportRefused when there would be too many."""
    known = {tag: number for tag, (number, _, _) in all_fields(organization, keys).items()}
    missing = [tag for tag in labels if tag not in known]
    insist_on_room(len(known), len(missing))
    for tag in missing:
        number = new_number(organization)
        sealed = seal_definition(keys, number, FieldDefinition(tag, labels[tag]))
        Field.objects.create(organization=organization, number=number, sealed=sealed)
        known[tag] = number
    return {tag: known[tag] for tag in labels}


def insist_on_room(fields: int, more: int) -> None:
    """Errors: ImportRefused where that would be too many fields."""
    if more and fields + more > FIELDS:
        raise ImportRefused(
            "too_many_fields",
            f"There would be more than {FIELDS} fields. Leave out columns that you don’t need, then import again.",
        )


def new_number(organization: Organization) -> int:
    """For a new field: above all there ever were, since under an old one stand other values of everybody. Whoever
    writes the database can delete the row of a field, so the highest is sealed as well; where that is gone, chance says
    from where it goes on. In a transaction."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    known = sealed_settings.how_many(organization, "fields")
    there = Field.objects.filter(organization=organization).aggregate(highest=Max("number"))["highest"]
    highest = max(there or 0, secrets.randbelow(LOST) if known is None else known, seal.FIRST_FIELD - 1)
    sealed_settings.count_up_to(organization, "fields", highest + 1)
    return highest + 1
