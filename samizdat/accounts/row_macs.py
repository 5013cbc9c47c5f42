"""What a row grants holds only with a MAC under a key of the instance: whoever writes the database without keys makes
nobody an admin, raises no invitation and shortens no wait (threat model, docs/keys.md).

What no MAC tells is an older state put back: a row that was there once fits again. Where the log says what became of
a row, as of a change or an export that waited, the log is asked as well.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.db.models import Model

from samizdat.accounts.models import ApiKey, Invitation, Membership, Organization, PendingChange
from samizdat.core.crypto import seal
from samizdat.vault import keyring


def mac(*parts: object) -> bytes:
    """Of a kind of row, and all of it that counts. Bytes count by their hash."""
    return seal.keyed_hash(keyring.derive("grants"), json.dumps([*map(_plain, parts)]))


def fits(stored_mac: bytes | memoryview, *parts: object) -> bool:
    return hmac.compare_digest(bytes(stored_mac), mac(*parts))


def renewed(rows: Iterable[Any], of: Callable[[Any], tuple[object, ...]]) -> Iterator[None]:
    """A renewal (vault/instance_exchange.py) of the MACs of these. of: what one is of."""
    ours = [row for row in rows if fits(row.mac, *of(row))]
    yield
    for row in ours:
        row.mac = mac(*of(row))
    if ours:
        type(ours[0])._default_manager.bulk_update(ours, ["mac"], batch_size=500)


def _plain(part: object) -> object:
    if isinstance(part, datetime):
        return part.astimezone(UTC).isoformat()
    if isinstance(part, bytes | memoryview):
        return hashlib.sha256(part).hexdigest()
    return part


def of(kind: str, organization: Organization, row: Model, *facts: object) -> tuple[object, ...]:
    """What every MAC of a row is of: its kind, whose it is, its number, and what else counts. The organization by its
    uid as well, which stands in the open, and whoever writes the database gives it to another. A number, so that a row
    whose end was noted doesn't come back under another one. Errors: ValueError for a row that has none yet."""
    if row.pk is None:
        raise ValueError(f"A MAC is of a row with a number: {kind}.")
    return kind, organization.pk, bytes(organization.uid), row.pk, *facts


def of_membership(row: Membership) -> tuple[object, ...]:
    locked = () if row.locked is None else (row.locked,)
    out = () if row.signed_out is None else ("signed out", row.signed_out)
    return of("membership", row.organization, row, row.person_id, row.role, row.since, *locked, *out)


def of_invitation(row: Invitation) -> tuple[object, ...]:
    return of("invitation", row.organization, row, row.token_hash, row.role, row.expires, row.by_id)


def of_api_key(row: ApiKey) -> tuple[object, ...]:
    return of("api key", row.organization, row, row.token_hash, row.scopes, row.lists, row.expires, row.by_id)


def of_change(row: PendingChange) -> tuple[object, ...]:
    facts = (
        row.state,
        row.settled,
        row.kind,
        row.about,
        row.by_id,
        row.created,
        float(row.waited_seconds),
        row.details_sealed,
    )
    noticed = () if row.noticed is None else ("noticed", row.noticed)
    refused = () if row.refused is None else ("refused", row.refused, row.tried)
    return of("change", row.organization, row, *facts, *noticed, *refused)
