"""One hash chain per organization over its events and its consent records.

The worker appends, so that writers never wait for each other; it links what is committed, slice by slice, which is
commit order as far as anybody can see it. The chain vouches for digests, so a blob can be erased and the chain
still holds (design.md, section 3).

    link = HMAC(key, link before || position (u64) || table (1 byte) || digest)      the first follows 32 zero bytes

Links and head are made with a key of the instance: whoever writes the database alone takes no row away and counts the
rest anew. An older head with its rows is told by what was noted outside (delivery/database_progress.py).
"""

import hashlib
import heapq
import hmac
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from django.db import transaction

from samizdat.events import sql
from samizdat.events.actions import is_genuine
from samizdat.events.models import ChainHead, Event
from samizdat.vault import keyring
from samizdat.vault.keyring import HasKeys

# Table -> the byte that stands for it in every link.
TABLES = {"events_event": b"E"}
# Table -> the purpose whose former key tells its highest row of then. Senders walk the chain and may have it.
_CLOSED_BY = {"events_event": "log"}

# Rows of one transaction: SQLite's lock is held for about 50 ms.
SLICE = 5000

# Rows outside of a chain that one look names.
MOST_MISPLACED = 100

_position = struct.Struct(">Q")

# (table, row ids) -> those whose digest no longer fits what they say.
Contents = Callable[[HasKeys, list[int]], list[int]]


def register(table: str, byte: bytes, closed_by: str) -> None:
    """By an app whose rows are chained as well, when Django starts; the byte stays for ever. closed_by: as above."""
    TABLES[table], _CLOSED_BY[table] = byte, closed_by


# Why a place does not fit; of several at one place the first of these is told. "place": a row outside of the chain.
REASONS = ("missing", "link", "place", "end", "digest")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a chain is whole. `broken_at`: the first position that does not fit; `reason` one of REASONS."""

    whole: bool
    length: int
    broken_at: int | None = None
    reason: str = ""


class Break(NamedTuple):
    """What does not fit: a place, or a gap from its first place to its last. Of a row outside of the chain `last` is
    its number. `reason` as in Verdict."""

    first: int
    last: int
    reason: str


def append(limit: int = SLICE) -> int:
    """Links at most `limit` rows of each organization and table; returns how many. Below `limit`: all are linked."""
    done = 0
    for table in TABLES:
        for organization in sql.unchained_organizations(table, _closed(table)):
            done += _append(table, organization, limit)
    return done


def _closed(table: str) -> int:
    """The number up to which no row is linked any more; -2**63 before the instance key was ever replaced. renew() has
    linked all that were there: whoever has a former key makes digests of them, in numbers that no row has."""
    former = keyring.former(_CLOSED_BY[table])
    return former[0].through if former else -(1 << 63)


def _append(table: str, organization: int, limit: int) -> int:
    ChainHead.objects.get_or_create(organization_id=organization)
    with transaction.atomic():
        # The head is the lock: a second appender waits here and then finds nothing left to do.
        head = ChainHead.objects.select_for_update().get(organization_id=organization)
        position, link = _end(head)
        link_of, rows = linker(table), []
        for number, digest_ in sql.unchained(table, organization, _closed(table), limit):
            position += 1
            link = link_of(link, position, digest_)
            rows.append((position, link, number))
        if rows:
            sql.chain_rows(table, rows)
            mac = _mac(organization, position, link)
            ChainHead.objects.filter(organization_id=organization).update(position=position, link=link, mac=mac)
    return len(rows)


def put_back(organization: HasKeys, limit: int = SLICE) -> list[Break]:
    """Rows that stood before the chain's first place or behind its end: nobody looks there, so whoever writes the
    database would have a row stand there for a while and then take it away. They are linked like new ones from now on.
    Nothing of a chain whose head we did not write."""
    with transaction.atomic():
        head = ChainHead.objects.select_for_update().filter(organization_id=organization.id).first()
        if head is None or not _is_ours(head):
            return []
        places = []
        for table in TABLES:
            rows = sql.misplaced(table, organization.id, limit)
            sql.unchain(table, [number for _position, number in rows])
            places += [Break(*row, "place") for row in rows]
    return places


class Mark(NamedTuple):
    """How far the tables and chains had come. numbers: table -> its newest row. ends: organization -> position."""

    numbers: dict[str, int]
    ends: dict[int, int]


def mark() -> Mark:
    ends = {organization: position for organization, position, _link in sql.chain_ends()}
    return Mark({table: sql.last_number(table) for table in TABLES}, ends)


def newer(since: Mark) -> set[int]:
    """Organizations with rows that are newer than the mark."""
    return {organization for table in TABLES for organization in sql.newer(table, since.numbers[table])}


def take_from_others(organization: HasKeys, since: Mark) -> list[Break]:
    """Rows that are newer than the mark and stand in places that were taken by then, of another row: whoever writes the
    database would take them away later, and nothing would miss them. They are linked like new ones from now on. And
    what is wrong with the places since."""
    end, places = since.ends.get(organization.id, 0), []
    for table in TABLES:
        rows = sql.newer_before(table, organization.id, since.numbers[table], end) if end else []
        sql.unchain(table, [number for _position, number in rows])
        places += [Break(*row, "place") for row in rows]
    position, count = sql.counted(list(TABLES), organization.id, end)
    if count != position - end:
        walk = ChainWalk(end, link_at(organization, end) if end else bytes(32))
        while not walk.go_on(organization):
            continue
        places += sorted(walk.breaks)
    return places


def misplaced_organizations() -> set[int]:
    """Those of whom put_back() finds something."""
    return {organization for table in TABLES for organization in sql.misplaced_organizations(table)}


def _key() -> bytes:
    return keyring.derive("chain")


def linker(table: str, key: bytes | None = None) -> Callable[[bytes, int, bytes], bytes]:
    """(link before, position, digest) -> link, of rows of one table."""
    key, byte, hashed, number = key or _key(), TABLES[table], hmac.digest, _position.pack

    def link_of(link: bytes, position: int, digest: bytes) -> bytes:
        return hashed(key, link + number(position) + byte + digest, hashlib.sha256)

    return link_of


def link_check(table: str) -> Callable[[bytes, int, bytes, bytes], bool]:
    """(link before, position, digest, link) -> whether it fits, under the key of the present instance key or of a
    former one. Whoever has a former one makes links, but none that lead to the end which the head tells."""
    links = [linker(table, key) for key in (_key(), *(former.key for former in keyring.former("chain")))]

    def fits(before: bytes, position: int, digest: bytes, link: bytes) -> bool:
        for at, link_of in enumerate(links):
            if link_of(before, position, digest) == link:
                if at:  # Its neighbors were made with the same one.
                    links.insert(0, links.pop(at))
                return True
        return False

    return fits


def _mac(organization: int, position: int, link: bytes) -> bytes:
    return hmac.digest(_key(), f"head {organization} {position} ".encode() + link, "sha256")


def _is_ours(head: ChainHead) -> bool:
    return hmac.compare_digest(_mac(head.organization_id, head.position, bytes(head.link)), bytes(head.mac))


def _end(head: ChainHead) -> tuple[int, bytes]:
    """Where the chain goes on. Behind a head that we did not write one place stays empty, so that it is seen for good:
    behind its rows, of which the last may be gone."""
    if _is_ours(head):
        return head.position, bytes(head.link)
    last = max(head.position, *(sql.last_position(table, head.organization_id) for table in TABLES))
    return (last + 1, bytes(32)) if last else (0, bytes(32))


def renew() -> Iterator[None]:
    """Heads of ours, once the instance key is replaced (vault/instance_exchange.py). Links stay as they are, and what
    has none yet gets one before."""
    while append():
        continue
    heads = [head for head in ChainHead.objects.all() if _is_ours(head)]
    yield
    for head in heads:
        head.mac = _mac(head.organization_id, head.position, bytes(head.link))
    ChainHead.objects.bulk_update(heads, ["mac"], batch_size=500)


def length(organization: HasKeys) -> int:
    """How long the chain is by a head of ours; 0 where there is none."""
    head = ChainHead.objects.filter(organization_id=organization.id).first()
    return head.position if head is not None and _is_ours(head) else 0


@dataclass(slots=True)
class ChainWalk:
    """How far a look at a chain has come: behind this position, whose link this is."""

    position: int = 0
    link: bytes = bytes(32)
    breaks: set[Break] = field(default_factory=set)

    def go_on(self, organization: HasKeys, contents: Mapping[str, Contents] | None = None, rows: int = SLICE) -> bool:
        """Looks at so many rows more. Whether it is through. Behind a break it goes on with what stands there.

        `contents`: for a table, what tells which rows do not say what their digest says; events are always looked at.
        """
        head = ChainHead.objects.filter(organization_id=organization.id).first()
        end = head.position if head else 0
        checks = {table: link_check(table) for table in TABLES}
        places: dict[str, dict[int, int]] = {table: {} for table in TABLES}
        read = 0
        for at, table, number, digest_, stored in _walk(organization, self.position, end, rows):
            read += 1
            if at != self.position + 1:
                self.breaks.add(Break(self.position + 1, at - 1, "missing"))
            elif not checks[table](self.link, at, digest_, stored):
                self.breaks.add(Break(at, at, "link"))
            self.position, self.link = at, stored
            places[table][number] = at
        for table, look in {"events_event": changed_events, **(contents or {})}.items():
            for number in look(organization, list(places[table])) if places[table] else []:
                self.breaks.add(Break(places[table][number], places[table][number], "digest"))
        if read == rows:
            return False
        if head is not None and end and not (self.position == end and self.link == bytes(head.link) and _is_ours(head)):
            self.breaks.add(Break(self.position + 1, self.position + 1, "end"))
        elif head is None and any(sql.last_position(table, organization.id) for table in TABLES):
            self.breaks.add(Break(1, 1, "end"))
        for table in TABLES:
            self.breaks |= {Break(*row, "place") for row in sql.misplaced(table, organization.id, MOST_MISPLACED)}
            unlinked = sql.never_chained(table, organization.id, _closed(table), MOST_MISPLACED)
            self.breaks |= {Break(0, number, "place") for number in unlinked}
        return True


def verify(organization: HasKeys, contents: Mapping[str, Contents] | None = None, since: int = 0) -> Verdict:
    """Walks the chain again, the whole of it or what stands behind `since`, up to a break."""
    walk = ChainWalk(since, link_at(organization, since) if since else bytes(32))
    while not walk.go_on(organization, contents) and not walk.breaks:
        continue
    head = ChainHead.objects.filter(organization_id=organization.id).first()
    end = head.position if head else 0
    if walk.breaks:
        first = min(walk.breaks, key=lambda place: (place.first, REASONS.index(place.reason)))
        return Verdict(False, end, first.first, first.reason)
    return Verdict(True, end)


def link_at(organization: HasKeys, position: int) -> bytes:
    """The link of one position; b"" where there is none. It vouches for everything before."""
    entry = _at(organization, position)
    return entry[2] if entry else b""


def row_at(organization: HasKeys, position: int) -> str | None:
    """What stands at one position, for whoever has to look: table and row."""
    entry = _at(organization, position)
    return f"{entry[0]}, row {entry[1]}" if entry else None


def stretch(organization: HasKeys, after: int, until: int, rows: int) -> list[tuple[int, str, int, bytes, bytes]]:
    """(position, table, row, digest, link) of so many places behind `after`."""
    return list(_walk(organization, after, until, rows))


def _at(organization: HasKeys, position: int) -> tuple[str, int, bytes] | None:
    for table in TABLES:
        if row := sql.chained_at(table, organization.id, position):
            return table, *row
    return None


def _walk(organization: HasKeys, after: int, until: int, rows: int) -> Iterator[tuple[int, str, int, bytes, bytes]]:
    def share(table: str) -> Iterator[tuple[int, str, int, bytes, bytes]]:
        for position, number, digest_, link in sql.chained(table, organization.id, after, until, rows):
            yield position, table, number, digest_, link

    return islice(heapq.merge(*(share(table) for table in TABLES)), rows)


def changed_events(organization: HasKeys, numbers: list[int]) -> list[int]:
    """Events whose digest is not that of what they say. Nothing here ever empties a detail."""
    return [row.id for row in Event.objects.filter(id__in=numbers) if not is_genuine(row)]
