"""Small sealed records: a document of JSON in a binary column, read into the type of the app that owns it."""

import msgspec

from samizdat.vault.errors import RecordBroken
from samizdat.vault.keyring import OrganizationKeys


def seal_json(keys: OrganizationKeys, value: object, table: str, column: str, number: int) -> bytes:
    return keys.seal(msgspec.json.encode(value), table, column, number)


def open_json[T](
    keys: OrganizationKeys, blob: bytes | memoryview, table: str, column: str, number: int, type: type[T]
) -> T:
    """The document; of an empty column the one that says nothing. Errors: RecordBroken.

    A key that the type does not know is passed over: while several machines are upgraded one after the other, the
    older ones read what the newer ones wrote. A key that we mistype is found by mypy, since nobody writes a dict.
    """
    if not blob:
        return type()
    try:
        return msgspec.json.decode(keys.open(blob, table, column, number), type=type)
    except msgspec.DecodeError as wrong:
        raise RecordBroken(
            f"The sealed record {table}.{column} {number} is not what this version writes. "
            "Run the version that wrote it."
        ) from wrong
