"""The contacts of a copy: each once, as they stand now."""

import zlib
from collections import Counter
from collections.abc import Iterator
from functools import partial

from samizdat.core.account_copy import Contact, fold, standing
from samizdat.portability.account_copies import pieces
from samizdat.portability.account_copies.records import CopyProgress
from samizdat.portability.models import AccountCopy

# Contacts in memory at once: some 120 MB. Where there are more of them, all pieces are read several times.
AT_ONCE = 100_000

type ContactKey = tuple[str, str]


def folded(row: AccountCopy, progress: CopyProgress) -> Iterator[dict[ContactKey, Contact]]:
    """All contacts by list and address, some of them at a time, each once. Errors: SealBroken."""
    parts = max(1, -(-progress.lines.get("contacts", 0) // AT_ONCE))
    for part in range(parts):
        known: dict[ContactKey, Contact] = {}
        for contact in pieces.contacts(row, partial(_is_of, part, parts)):
            key = contact.list, contact.address.casefold()
            known[key] = fold(known.get(key), contact)
        yield known


def _is_of(part: int, parts: int, address: str) -> bool:
    return parts == 1 or zlib.crc32(address.casefold().encode("utf-8", "replace")) % parts == part


def count(row: AccountCopy, progress: CopyProgress) -> dict[str, dict[str, int]]:
    """List -> status, as of standing() -> how many."""
    counts: dict[str, Counter[str]] = {}
    for known in folded(row, progress):
        for contact in known.values():
            counts.setdefault(contact.list, Counter())[standing(contact)] += 1
    return {id: dict(statuses) for id, statuses in counts.items()}
