"""Values of readable fields: kept as one number beside the sealed text, in the transaction that writes it.

A field is readable where an admin has marked it so, for segments that the database itself counts. Whoever copies the
disk can read these numbers, so only kinds of few things, numbers and days may be (core/fields.READABLE).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from samizdat import dialect
from samizdat.audience.models import Field
from samizdat.core import fields, seal
from samizdat.vault.house import OrganisationKeys
from samizdat.vault.sealed import open_json


@dataclass(frozen=True, slots=True)
class Column:
    """A readable field: row id, number in the blobs, kind, and text of a choice -> its code."""

    id: int
    number: int
    kind: str
    choices: Mapping[str, int]

    def code(self, text: str) -> int | None:
        return fields.code(self.kind, text, self.choices) if text else None


def columns(organisation_id: int, keys: OrganisationKeys) -> list[Column]:
    """The readable fields of an organisation; mostly none."""
    rows = Field.objects.filter(organisation_id=organisation_id, readable=True, removed=None).order_by("number")
    return [column(keys, row) for row in rows]


def column(keys: OrganisationKeys, row: Field) -> Column:
    told = open_json(keys, row.sealed, "field", "sealed", row.number) or {}
    return Column(row.id, row.number, told.get("kind", "text"), told.get("choices", {}))


def write(subscriber_id: int, values: Mapping[int, str], wanted: Sequence[Column]) -> None:
    """The numbers of one subscriber, from all that is sealed about her."""
    write_many([(subscriber_id, values)], wanted)


def write_many(people: Iterable[tuple[int, Mapping[int, str]]], wanted: Sequence[Column]) -> None:
    """(subscriber, her values by field number) each."""
    if not wanted:
        return
    there, gone = [], []
    for subscriber, values in people:
        for one in wanted:
            code = one.code(values.get(one.number, ""))
            if code is None:
                gone.append((subscriber, one.id))
            else:
                there.append((subscriber, one.id, code))
    dialect.put_readable(there)
    dialect.drop_readable(gone)


def write_packed(people: Iterable[tuple[int, bytes]], wanted: Sequence[Column]) -> None:
    """The same from packed values (core/seal), as an import has them."""
    if wanted:
        numbers = [one.number for one in wanted]
        write_many(((id, {number: seal.pick(plain, number) for number in numbers}) for id, plain in people), wanted)
