"""One hash chain per organization over its events and its consent records.

The worker appends, so that writers never wait for each other; it links what is committed, slice by slice, which is
commit order as far as anybody can see it. The chain vouches for digests, so a blob can be erased and the chain
still holds (design.md, section 3).

    link = SHA-256(link before || position (u64) || table (1 byte) || digest)        the first follows 32 zero bytes
"""

import hashlib
import heapq
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from django.db import transaction

from samizdat.events import sql
from samizdat.events.actions import is_genuine
from samizdat.events.models import ChainHead, Event
from samizdat.vault.keyring import HasKeys

# Table -> the byte that stands for it in every link.
TABLES = {"events_event": b"E"}

# Rows of one transaction: SQLite's lock is held for about 50 ms.
SLICE = 5000

_position = struct.Struct(">Q")

# (table, row ids) -> those whose digest no longer fits what they say.
Contents = Callable[[HasKeys, list[int]], list[int]]


def register(table: str, byte: bytes) -> None:
    """By an app whose rows are chained as well, when Django starts; the byte stays for ever."""
    TABLES[table] = byte


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a chain is whole. `broken_at`: the first position that does not fit; `reason` one of
    "missing", "link", "digest" or "end"."""

    whole: bool
    length: int
    broken_at: int | None = None
    reason: str = ""


def append(limit: int = SLICE) -> int:
    """Links at most `limit` rows of each organization and table; returns how many. Below `limit`: all are linked."""
    done = 0
    for table in TABLES:
        for organization in sql.unchained_organizations(table):
            done += _append(table, organization, limit)
    return done


def _append(table: str, organization: int, limit: int) -> int:
    ChainHead.objects.get_or_create(organization_id=organization)
    with transaction.atomic():
        # The head is the lock: a second appender waits here and then finds nothing left to do.
        head = ChainHead.objects.select_for_update().get(organization_id=organization)
        position, link = head.position, bytes(head.link)
        rows = []
        for number, digest_ in sql.unchained(table, organization, limit):
            position += 1
            link = next_link(link, position, table, digest_)
            rows.append((position, link, number))
        if rows:
            sql.chain_rows(table, rows)
            ChainHead.objects.filter(organization_id=organization).update(position=position, link=link)
    return len(rows)


def next_link(link: bytes, position: int, table: str, digest: bytes) -> bytes:
    return hashlib.sha256(link + _position.pack(position) + TABLES[table] + digest).digest()


def verify(organization: HasKeys, contents: Mapping[str, Contents] | None = None) -> Verdict:
    """Walks the whole chain again. `contents`: for a table, what tells which rows do not say what their digest says;
    events are always looked at."""
    head = ChainHead.objects.filter(organization_id=organization.id).first()
    length = head.position if head else 0
    look = _Contents(organization, {"events_event": changed_events, **(contents or {})})
    link, position = bytes(32), 0
    for at, table, number, digest_, stored in _walk(organization):
        if position == length:
            break  # Linked by the worker since the head was read.
        position += 1
        if at != position:
            return Verdict(False, length, position, "missing")
        link = next_link(link, position, table, digest_)
        if link != stored:
            return Verdict(False, length, position, "link")
        if broken := look.at(table, position, number):
            return Verdict(False, length, broken, "digest")
    if broken := look.end():
        return Verdict(False, length, broken, "digest")
    if position != length or (head is not None and bytes(head.link) != link):
        return Verdict(False, length, position + 1, "end")
    return Verdict(True, length)


def link_at(organization: HasKeys, position: int) -> bytes:
    """The link of one position; b"" where there is none. It vouches for everything before."""
    entry = _at(organization, position)
    return entry[2] if entry else b""


def row_at(organization: HasKeys, position: int) -> str | None:
    """What stands at one position, for whoever has to look: table and row."""
    entry = _at(organization, position)
    return f"{entry[0]}, row {entry[1]}" if entry else None


def _at(organization: HasKeys, position: int) -> tuple[str, int, bytes] | None:
    for table in TABLES:
        if row := sql.chained_at(table, organization.id, position):
            return table, *row
    return None


class _Contents:
    """Asks a thousand rows at a time whether they say what their digests say. Answers with a position, or None."""

    def __init__(self, organization: HasKeys, checks: Mapping[str, Contents]) -> None:
        self._organization, self._checks = organization, checks
        self._waiting: dict[str, dict[int, int]] = {table: {} for table in checks}

    def at(self, table: str, position: int, number: int) -> int | None:
        if table not in self._checks:
            return None
        self._waiting[table][number] = position
        return self._ask(table) if len(self._waiting[table]) >= 1000 else None

    def end(self) -> int | None:
        return min(filter(None, map(self._ask, self._checks)), default=None)

    def _ask(self, table: str) -> int | None:
        rows = self._waiting[table]
        changed = self._checks[table](self._organization, list(rows)) if rows else []
        position = min((rows[number] for number in changed), default=None)
        rows.clear()
        return position


def _walk(organization: HasKeys) -> Iterator[tuple[int, str, int, bytes, bytes]]:
    def share(table: str) -> Iterator[tuple[int, str, int, bytes, bytes]]:
        for position, number, digest_, link in sql.chained(table, organization.id):
            yield position, table, number, digest_, link

    return heapq.merge(*(share(table) for table in TABLES))


def changed_events(organization: HasKeys, numbers: list[int]) -> list[int]:
    """Events whose digest is not that of what they say. Nothing here ever empties a detail."""
    return [row.id for row in Event.objects.filter(id__in=numbers) if not is_genuine(row)]
