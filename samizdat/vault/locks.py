"""Whose keys are locked: nobody gets them from the key server, whatever they ask, until somebody unlocks them.

A row says so, since several machines share nothing but the database. Its MAC is under a key that the web app, worker
and commands have: whoever writes the database can lock an organization, and unlocks none.
"""

import hmac
import json
import threading
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from django.db import connection
from django.db.models import Q

from samizdat.core.crypto import seal
from samizdat.vault import keyring
from samizdat.vault.errors import KeysDestroyed
from samizdat.vault.keyring import HasKeys
from samizdat.vault.models import KeyLock
from samizdat.vault.source import KeySource

# Number and uid of an organization.
type Owner = tuple[int, bytes]


def state(organization: HasKeys) -> KeyLock | None:
    """Its row where it is locked; None where it isn't. A row that none of us wrote locks as well (KeyServer)."""
    return KeyLock.objects.select_related("by").filter(organization_id=organization.id, locked=True).first()


def is_locked(organization: HasKeys) -> bool:
    """As state(), in a tenth of the time: each request of the API asks it."""
    with connection.cursor() as cursor:
        query = "SELECT 1 FROM vault_keylock WHERE organization_id = %s AND locked"
        cursor.execute(query, [organization.id])
        return cursor.fetchone() is not None


def unlocked(path: str = "") -> Q:
    """For a query of what is worked at: rows of organizations that aren't locked. path: to the organization."""
    return ~Q(**{f"{path}key_lock__locked": True})


def numbers() -> list[int]:
    """Of organizations that are locked."""
    return [*KeyLock.objects.filter(locked=True).values_list("organization_id", flat=True)]


def places() -> list[bytes]:
    """Their uids."""
    return [bytes(uid) for uid in KeyLock.objects.filter(locked=True).values_list("organization__uid", flat=True)]


def destroyed() -> list[KeyLock]:
    """Rows of organizations whose keys were destroyed, with those."""
    rows = KeyLock.objects.select_related("organization").filter(destroyed=True)
    return [row for row in rows if is_ours(row, bytes(row.organization.uid))]


def are_destroyed(organization: HasKeys) -> KeyLock | None:
    return next((row for row in destroyed() if row.pk == organization.id), None)


def with_keys(path: str = "") -> Q:
    """As `unlocked`, of what has keys, locked or not."""
    return ~Q(**{f"{path}key_lock__destroyed": True})


def write(
    organization: HasKeys, locked: bool, *, after: int, now: datetime, by_id: int | None, destroyed: bool = False
) -> KeyLock | None:
    """Locks or unlocks; None where it is so already. after: how often it was, by the event log. destroyed: its keys are
    gone for good. Call it in a transaction that has locked the organization's row. Errors: KeysDestroyed."""
    row = KeyLock.objects.filter(organization_id=organization.id).first()
    if row is not None and row.destroyed and is_ours(row, bytes(organization.uid)):
        if locked:
            return None
        raise KeysDestroyed
    if not destroyed and _is_so(row, organization, locked, after):
        return None
    serial = max(row.serial if row else 0, after) + 1
    row = KeyLock(
        organization_id=organization.id, locked=locked, serial=serial, at=now, by_id=by_id, destroyed=destroyed
    )
    row.mac = _mac(_key(), row, bytes(organization.uid))
    row.save()
    return row


def is_unlocked(organization: HasKeys, *, after: int) -> bool:
    """Whether nothing is left to unlock. after: as of write(). A row that is gone unlocks nothing."""
    row = KeyLock.objects.filter(organization_id=organization.id).first()
    return _is_so(row, organization, False, after)


def _is_so(row: KeyLock | None, organization: HasKeys, locked: bool, after: int) -> bool:
    if row is None:
        return not locked and not after
    return row.locked == locked and row.serial >= after and is_ours(row, bytes(organization.uid))


def is_ours(row: KeyLock, uid: bytes) -> bool:
    return hmac.compare_digest(bytes(row.mac), _mac(_key(), row, uid))


def renew() -> Iterator[None]:
    """The MACs of all rows, once the instance key is replaced (instance_exchange.py)."""
    rows = KeyLock.objects.select_related("organization")
    ours = [(row, bytes(row.organization.uid)) for row in rows if is_ours(row, bytes(row.organization.uid))]
    yield
    for row, uid in ours:
        row.mac = _mac(_key(), row, uid)
    KeyLock.objects.bulk_update([row for row, _uid in ours], ["mac"], batch_size=500)


def _key() -> bytes:
    return keyring.derive("key locks")


def _mac(key: bytes, row: KeyLock, uid: bytes) -> bytes:
    facts: list[object] = [row.pk, uid.hex(), row.locked, row.serial, *(["destroyed"] if row.destroyed else [])]
    return seal.keyed_hash(key, json.dumps(facts))


def keyed(facts: list[object]) -> bytes:
    """A MAC of what is to become of keys, under the same key. facts: the first one is a word, which no lock's is."""
    return seal.keyed_hash(_key(), json.dumps(facts))


class LockState:
    """What a key server knows: rows as it has last read them. What was locked stays so until a later row of ours says
    otherwise, also where its row is gone."""

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self._serials: dict[Owner, int] = {}
        self._locked: frozenset[Owner] = frozenset()
        self._destroyed: frozenset[Owner] = frozenset()
        self._lock = threading.Lock()

    def begin(self, in_log: Mapping[Owner, int]) -> None:
        """in_log: how often each was locked and unlocked by the event log, which tells of rows that were put back or
        taken away while nobody looked. Errors: DatabaseError."""
        self._serials, self._locked = {**in_log}, frozenset(in_log)
        self.look()

    def has(self, owner: Owner) -> bool:
        return owner in self._locked

    @property
    def destroyed(self) -> frozenset[Owner]:
        """Whose keys are gone for good."""
        return self._destroyed

    def look(self) -> Collection[Owner]:
        """Reads all rows; those that were not locked before, or whose keys were not destroyed. Errors:
        DatabaseError."""
        key = self._source.derive("key locks")
        with self._lock:
            rows = [((row.pk, bytes(row.organization.uid)), row) for row in self._rows()]
            locked = {owner for owner in self._locked if owner not in dict(rows)}
            destroyed = {*self._destroyed}
            for owner, row in rows:
                known = hmac.compare_digest(bytes(row.mac), _mac(key, row, owner[1]))
                if row.locked or not known or row.serial < self._serials.get(owner, 0):
                    locked.add(owner)
                if known and row.destroyed:
                    destroyed.add(owner)
                if known:
                    self._serials[owner] = max(row.serial, self._serials.get(owner, 0))
            locked |= destroyed
            news = (locked - self._locked) | (destroyed - self._destroyed)
            self._locked, self._destroyed = frozenset(locked), frozenset(destroyed)
        return news

    def _rows(self) -> Collection[KeyLock]:
        return KeyLock.objects.select_related("organization").only(
            "locked", "destroyed", "serial", "mac", "organization__uid"
        )
