"""Values of readable fields: kept as one number beside the sealed text, in the transaction that writes it.

A field is readable where an admin has marked it so, for segments that the database itself counts. Whoever copies the
disk can read these numbers, so only kinds of few things, numbers and days may be (core/fields.READABLE).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from samizdat.audience import sql
from samizdat.audience.models import Field
from samizdat.audience.tags_and_fields import definition_of
from samizdat.core import fields
from samizdat.core.crypto import seal
from samizdat.vault.keyring import OrganizationKeys


@dataclass(frozen=True, slots=True)
class PlaintextColumn:
    """A readable field: row id, number in the blobs, kind, and text of a choice -> its code."""

    id: int
    number: int
    kind: str
    choices: Mapping[str, int]

    def code(self, text: str) -> int | None:
        return fields.code(self.kind, text, self.choices) if text else None


def columns(organization_id: int, keys: OrganizationKeys) -> list[PlaintextColumn]:
    """The readable fields of an organization; mostly none."""
    rows = Field.objects.filter(organization_id=organization_id, readable=True, removed=None).order_by("number")
    return [column(keys, row) for row in rows if is_chosen(keys, row)]


def is_chosen(keys: OrganizationKeys, row: Field) -> bool:
    """Whether an admin marked it, as its sealed facts say. By the column alone whoever writes the database without
    keys would have the worker write down what is sealed about everybody."""
    return row.readable and row.removed is None and definition_of(keys, row).readable


def column(keys: OrganizationKeys, row: Field) -> PlaintextColumn:
    definition = definition_of(keys, row)
    return PlaintextColumn(row.id, row.number, definition.kind, definition.choices)


def write(subscriber_id: int, values: Mapping[int, str], wanted: Sequence[PlaintextColumn]) -> None:
    """The numbers of one subscriber, from all that is sealed about them."""
    write_many([(subscriber_id, values)], wanted)


def write_many(people: Iterable[tuple[int, Mapping[int, str]]], wanted: Sequence[PlaintextColumn]) -> None:
    """(subscriber, their values by field number) each."""
    if not wanted:
        return
    there, gone = [], []
    for subscriber, values in people:
        for plaintext_column in wanted:
            code = plaintext_column.code(values.get(plaintext_column.number, ""))
            if code is None:
                gone.append((subscriber, plaintext_column.id))
            else:
                there.append((subscriber, plaintext_column.id, code))
    sql.put_readable(there)
    sql.drop_readable(gone)


def write_packed(people: Iterable[tuple[int, bytes]], wanted: Sequence[PlaintextColumn]) -> None:
    """The same from packed values (core/crypto/seal), as an import has them."""
    if wanted:
        numbers = [plaintext_column.number for plaintext_column in wanted]
        write_many(((id, {number: seal.pick(plain, number) for number in numbers}) for id, plain in people), wanted)
