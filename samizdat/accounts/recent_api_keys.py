"""Keys of the API that worked a moment ago: what was opened and checked for one counts for the next request as well, as
long as every row that it was read from is what it was. So a key that is revoked is refused at once, and so is one whose
creator is an admin no longer."""

from collections.abc import Sequence
from copy import copy
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from samizdat.accounts import settings_note
from samizdat.accounts.models import ApiKey

MOST = 500
# All columns of all rows that api_keys.state_of() reads of a valid key: an equal answer has an equal outcome.
_ROWS = """
SELECT k.*, o.*, p.*, m.* FROM accounts_apikey k
JOIN accounts_organization o ON o.id = k.organization_id
LEFT JOIN accounts_person p ON p.id = k.by_id
LEFT JOIN accounts_membership m ON m.person_id = k.by_id AND m.organization_id = k.organization_id
WHERE k.token_hash IN ({})
"""


class SeenRows(NamedTuple):
    """noted: the copy of the organization's settings beside the database."""

    columns: tuple[Any, ...]
    noted: bytes


_kept: dict[bytes, tuple[SeenRows, ApiKey]] = {}


def seen(token_hashes: Sequence[bytes]) -> SeenRows | None:
    """As the rows are now; None where there is no such key. token_hashes: of one, under each instance key."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS.format(", ".join(["%s"] * len(token_hashes))), token_hashes)
        row = cursor.fetchone()
        names = [column[0] for column in cursor.description]
    if row is None:
        return None
    organization: int = row[names.index("organization_id")]
    columns = tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
    return SeenRows(columns, settings_note.noted(organization))


def row_of(token_hash: bytes, rows: SeenRows, now: datetime) -> ApiKey | None:
    """The key, where these are the rows that it was found valid by and it hasn't expired. A copy: what others do to
    theirs stays with them."""
    known = _kept.get(token_hash)
    if known is None or known[0] != rows or known[1].expires <= now:
        return None
    key = copy(known[1])
    key.organization = copy(key.organization)
    return key


def keep(token_hash: bytes, rows: SeenRows, key: ApiKey) -> None:
    """rows: as they were before the key was found valid."""
    if len(_kept) >= MOST:
        _kept.clear()
    kept = copy(key)
    kept.organization = copy(key.organization)
    _kept[token_hash] = rows, kept
