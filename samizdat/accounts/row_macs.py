"""What a row grants holds only with a MAC under a key of the instance: whoever writes the database without keys makes
nobody an admin, raises no invitation and shortens no wait (threat model, docs/keys.md).

What no MAC tells is an older state put back: a row that was there once fits again. Where the log says what became of
a row, as of a change or an export that waited, the log is asked as well.
"""

import hashlib
import hmac
import json
from datetime import UTC, datetime

from samizdat.accounts.models import Invitation, Membership, Organization, PendingChange
from samizdat.core.crypto import seal
from samizdat.vault import keyring


def mac(*parts: object) -> bytes:
    """Of a kind of row, and all of it that counts. Bytes count by their hash."""
    return seal.keyed_hash(keyring.derive("grants"), json.dumps([*map(_plain, parts)]))


def fits(stored_mac: bytes | memoryview, *parts: object) -> bool:
    return hmac.compare_digest(bytes(stored_mac), mac(*parts))


def _plain(part: object) -> object:
    if isinstance(part, datetime):
        return part.astimezone(UTC).isoformat()
    if isinstance(part, bytes | memoryview):
        return hashlib.sha256(part).hexdigest()
    return part


def owner(organization: Organization) -> tuple[object, ...]:
    """Whose row it is. Both: the uid stands in the open, and whoever writes the database gives it to another."""
    return organization.pk, bytes(organization.uid)


def of_membership(row: Membership) -> tuple[object, ...]:
    locked = () if row.locked is None else (row.locked,)
    out = () if row.signed_out is None else ("signed out", row.signed_out)
    return "membership", *owner(row.organization), row.person_id, row.role, row.since, *locked, *out


def of_invitation(row: Invitation) -> tuple[object, ...]:
    return "invitation", *owner(row.organization), row.token_hash, row.role, row.expires, row.by_id


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
    return "change", *owner(row.organization), row.pk, *facts, *noticed, *refused
