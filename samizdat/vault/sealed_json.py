"""Small sealed records: a JSON value in a binary column."""

import json
from typing import Any

from samizdat.vault.keyring import OrganizationKeys


def seal_json(keys: OrganizationKeys, value: object, table: str, column: str, number: int) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return keys.seal(text.encode(), table, column, number)


def open_json(keys: OrganizationKeys, blob: bytes | memoryview, table: str, column: str, number: int) -> Any:
    """The value; None for an empty column."""
    return json.loads(keys.open(blob, table, column, number)) if blob else None
