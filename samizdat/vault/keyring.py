"""This process's way to the keys: opened once, then asked by organization.

keys = house.keys(organization)
keys.ring / keys.data      open and seal
keys.blind("a@b")          blind index under the current index key
keys.link                  makes tokens; keys.links reads old ones
"""

import asyncio
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Protocol

import msgspec
from django.conf import settings
from django.db import OperationalError, ProgrammingError, connection, transaction

from samizdat.core.crypto import seal
from samizdat.core.crypto.tokens import LinkKey, Token
from samizdat.core.crypto.wipe import wipe
from samizdat.options import data_folder
from samizdat.vault import sources
from samizdat.vault.errors import (
    LOCKED,
    STRICT,
    DataBeforeRelease,
    IndexKeyBusy,
    IndexKeyReplaced,
    KeysDestroyed,
    KeyWrong,
    OrganizationLocked,
    RecordBroken,
    VaultError,
)
from samizdat.vault.models import KeptKey, KeyLock, NextInstanceKey, Proof, StrictKey, VaultKey
from samizdat.vault.socket_source import SocketSource
from samizdat.vault.source import InstanceSource, KeySource

# Seconds; a sender asks again after this long without use (design.md, section 7, and T7).
IDLE = 60
# Seconds; keys that came with an export are met at the latest by then, whichever process took them in.
LOOK = 5.0
# So long after a former key came, what was mailed before is believed: a confirmation link works for a week.
AFTER_A_MOVE = timedelta(days=8)

# Seconds for which an exchange of the index key waits for others that write one: an import does so all the time.
LONGEST_WAIT = 600.0
_LOCK_NOT_AVAILABLE = "55P03"

PROOF_LABEL, NEXT_LABEL = "proof:1", "instance:next"
# Another day whenever seals, MACs or tables change before the first release: an older database is refused by it.
PROOF_WORD = b"samizdat: this key belongs here, 2026-12-03, first."

# kind, number, current and created of a key.
type Standing = tuple[str, int, bool, date]

_lock = threading.RLock()
_source: KeySource | None = None
# By number and uid: whoever writes the database can give an organization the other of another for a moment.
_keys: dict[tuple[int, bytes], "OrganizationKeys"] = {}
_derived: dict[str, bytes] = {}
_former: dict[str, tuple["FormerKey", ...]] = {}


class HasKeys(Protocol):
    """An organization, whose model stands above us: what its keys are found by."""

    @property
    def id(self) -> int: ...
    @property
    def uid(self) -> bytes | memoryview: ...


def label(kind: str, number: int, owner: HasKeys, *, came: date | None = None, coming: bool = False) -> str:
    """What a key opens under alone; came: the day on which a former one came along with an export, or was replaced;
    coming: of one that is to be the current one.

    Whoever writes the database can copy rows and change columns: a former key, which somebody else may know, would sign
    every link from then on, and one organization would open what is another's.
    """
    former = f" former {came.isoformat()}" if came else ""
    former = " coming" if coming else former
    return f"{kind}:{number}{former}:{owner.id}:{bytes(owner.uid).hex()}"


@dataclass(slots=True)
class OrganizationKeys:
    """What one organization's rows are sealed, found and linked with. Numbers as in vault.models. It stays bound to the
    id and uid that its keys opened under."""

    id: int
    uid: bytes
    data: seal.Key | None = None
    ring: seal.KeyRing | None = None
    index: dict[int, bytes] = field(default_factory=dict)
    index_version: int = 0
    links: dict[int, LinkKey] = field(default_factory=dict)
    link: LinkKey | None = None
    # Former link keys -> the day on which they came along with an export. Whoever has that file, or runs the server
    # before, makes any token with them: for ever they serve leaving alone.
    came: dict[int, date] = field(default_factory=dict)
    boxes: dict[int, bytes] = field(default_factory=dict)
    used: float = 0.0
    # Of what stood in the database, and when it was looked at.
    stood: frozenset["Standing"] = frozenset()
    looked: float = 0.0

    def blind(self, comparable: str) -> bytes:
        return seal.blind(self.index[self.index_version], comparable)

    def blinds(self, comparable: str) -> list[bytes]:
        """Under every index key, the current one first: during a rotation both are tried."""
        return [seal.blind(self.index[version], comparable) for version in self.versions]

    @property
    def versions(self) -> list[int]:
        """Of its index keys, the current one first."""
        return sorted(self.index, key=lambda version: version != self.index_version)

    @property
    def own_links(self) -> dict[int, LinkKey]:
        """Link keys that were made here, and that nobody else has."""
        return {number: key for number, key in self.links.items() if number not in self.came}

    def believes(self, token: Token, mailed: date, today: date) -> bool:
        """Whether a token that was mailed on that day counts for more than leaving."""
        came = self.came.get(token.key_number)
        return came is None or (mailed < came and today - came <= AFTER_A_MOVE)

    def seal(self, text: bytes, table: str, column: str, number: int) -> bytes:
        assert self.data is not None
        return self.data.seal(text, seal.where(table, column, self.uid, number), os.urandom(12))

    def open(self, blob: bytes | memoryview, table: str, column: str, number: int) -> bytes:
        assert self.ring is not None
        return self.ring.open(bytes(blob), seal.where(table, column, self.uid, number))

    # -- small records: a document of JSON in a binary column, read into the type of the app that owns it --

    def seal_json(self, value: object, table: str, column: str, number: int) -> bytes:
        return self.seal(msgspec.json.encode(value), table, column, number)

    def open_json[T](self, blob: bytes | memoryview, table: str, column: str, number: int, type: type[T]) -> T:
        """The document; of an empty column the one that says nothing. Errors: RecordBroken.

        A key that the type does not know is passed over: while several machines are upgraded one after the other, the
        older ones read what the newer ones wrote. A key that we mistype is found by mypy, since nobody writes a dict.
        """
        if not blob:
            return type()
        try:
            return msgspec.json.decode(self.open(blob, table, column, number), type=type)
        except msgspec.DecodeError as wrong:
            raise RecordBroken(
                f"The sealed record {table}.{column} {number} is not what this version writes. "
                "Run the version that wrote it."
            ) from wrong


def open_source(key: Callable[[], bytes] | None = None) -> KeySource:
    """The supervisor where one runs, else the instance key itself; checked against the database once. key: who gives
    it, instead of where it comes from."""
    global _source
    with _lock:
        if _source is None:
            folder = data_folder()
            source = SocketSource.inherited() or SocketSource.running(folder) or sources.open_here(key and key())
            if isinstance(source, InstanceSource):
                source.remember_next(next_key(source))
            _check(source)
            _source = source
        return _source


def open_again() -> KeySource:
    """After we waited for a command that may have replaced the instance key meanwhile. Errors: KeyWrong."""
    source = open_source()
    if isinstance(source, InstanceSource):
        source.remember_next(next_key(source))
    _check(source)
    return source


def use(source: KeySource | None) -> None:
    """Puts a source in place: the supervisor's own, a test's, or none, which forgets all keys."""
    global _source
    with _lock:
        _source = source
        _keys.clear()
        _derived.clear()
        _former.clear()


def opened_here() -> InstanceSource | None:
    """The source in place if it is no supervisor: nobody is asked for a passphrase twice."""
    return _source if isinstance(_source, InstanceSource) else None


def _check(source: KeySource) -> None:
    try:
        proof = Proof.objects.first()
    except (OperationalError, ProgrammingError):
        return  # No tables yet: `init` is about to make them.
    if proof is not None and source.unwrap(PROOF_LABEL, proof.wrapped) != PROOF_WORD:
        raise DataBeforeRelease


def derive(purpose: str) -> bytes:
    """A key of the instance, for one purpose (purposes.py)."""
    key = _derived.get(purpose)
    if key is None:  # Not asked for under the lock each time: another thread holds it while it reads the database.
        with _lock:
            key = _derived[purpose] = open_source().derive(purpose)
    return key


@dataclass(frozen=True, slots=True, repr=False)
class FormerKey:
    """What was derived for a purpose from an instance key that was replaced. number: of that key, the first one has 1.
    through: the highest number of a row that was made with it."""

    number: int
    key: bytes
    through: int


def kept_label(purpose: str, number: int, through: int) -> str:
    """All of it counts: whoever writes the database would have a key that they know check later rows."""
    return f"kept:{purpose} {number} {through}"


def former(purpose: str) -> tuple[FormerKey, ...]:
    """Of a purpose whose keys are kept, the newest first. They read and check, and make nothing."""
    known = _former.get(purpose)
    if known is None:
        with _lock:
            source = open_source()
            rows = KeptKey.objects.filter(purpose=purpose).order_by("-number")
            known = _former[purpose] = tuple(_opened(source, row) for row in rows)
    return known


def _opened(source: KeySource, row: KeptKey) -> FormerKey:
    key = source.unwrap(kept_label(row.purpose, row.number, row.through), row.wrapped)
    return FormerKey(row.number, key, row.through)


def instance_number() -> int:
    """Of the instance key: 1, and one more each time it was replaced."""
    newest = former("log")
    return newest[0].number + 1 if newest else 1


def key_of_row(purpose: str, row: int) -> bytes:
    """What checks a row of this number: the key of its time. Whoever has a former one makes no row of today with it."""
    for each in reversed(former(purpose)):
        if 0 < row <= each.through:
            return each.key
    return derive(purpose)


def sealing(purpose: str) -> seal.Key:
    """What a purpose whose keys are kept seals with."""
    return seal.Key(instance_number(), derive(purpose))


def ring(purpose: str) -> seal.KeyRing:
    """What opens all that such a purpose has sealed."""
    keys = [sealing(purpose), *(seal.Key(each.number, each.key) for each in former(purpose))]
    return seal.KeyRing({key.number: key for key in keys})


def next_key(source: InstanceSource, *, strict: bool = False) -> bytes | None:
    """The instance key that replaced the one in `source`; None where none did, or the database has none yet. strict:
    it has, and one that doesn't answer is an error. Errors: DatabaseError."""
    try:
        row = NextInstanceKey.objects.first()
        return source.unwrap(NEXT_LABEL, row.wrapped) if row else None
    except KeyWrong:
        return None
    except (OperationalError, ProgrammingError):
        if strict:
            raise
        return None


def for_key_file() -> bytes:
    """The instance key as it goes along with a backup: from where it comes, since a supervisor gives it to nobody, or
    the one that replaced that. Errors: as of sources.instance_key()."""
    source = InstanceSource(sources.instance_key())
    source.remember_next(next_key(source))
    return source.for_key_file()


def fingerprint() -> bytes:
    """What says which installation a key belongs to (core/crypto/fingerprint.py)."""
    return derive("key fingerprint")


def belongs(source: KeySource) -> bool | None:
    """Whether it has the key of this database; None where there is no database yet that could say so."""
    try:
        proof = Proof.objects.first()
    except (OperationalError, ProgrammingError):
        return None
    if proof is None:
        return None
    try:
        return bool(source.unwrap(PROOF_LABEL, proof.wrapped))
    except KeyWrong:
        return False


def open_for_django() -> None:
    """Gives Django its SECRET_KEY; before this nothing signs."""
    settings.SECRET_KEY = derive("django secret").hex()


def _owner(organization: HasKeys) -> tuple[int, bytes]:
    return organization.id, bytes(organization.uid)


def keys(organization: HasKeys) -> OrganizationKeys:
    """The keys of an organization (a row, or anything with id and uid). Errors: VaultError, OrganizationLocked among
    it."""
    now = time.monotonic()
    with _lock:
        owner = _owner(organization)
        organization_keys = _keys.get(owner)
        if organization_keys is None:
            _refuse_locked(owner)
            organization_keys = _load(*owner)
            if organization_keys.data is not None:  # Who asks before the keys are written asks again.
                _keys[owner] = organization_keys
        elif now - organization_keys.looked > LOOK:
            look_again(organization)
            organization_keys = _keys[owner]
        organization_keys.used = now
        return organization_keys


def look_again(organization: HasKeys) -> bool:
    """Loads the keys anew where others stand in the database than this process knows; whether it did. Errors:
    OrganizationLocked.

    An export that comes in brings keys, and another process may have taken it in. What uses a key by its number looks
    again before it says that there is none.
    """
    owner = _owner(organization)
    with _lock:
        _refuse_locked(owner)
        held = _keys.get(owner)
        if held is not None:
            held.looked = time.monotonic()
            if held.stood == _standing(organization.id):
                return False
        _keys[owner] = _load(*owner)
        return True


def held_for_index(keys: OrganizationKeys) -> OrganizationKeys:
    """What a blind index is written with, in the transaction that writes it: until that ends, no other index key
    becomes the current one. So two processes never write two rows for one address, each under another key. Errors:
    OrganizationLocked, IndexKeyReplaced where they can't be brought up to date."""
    for _try in range(3):
        if _index_key_in_use(keys.id) == keys.index_version:
            return keys
        look_again(keys)
        keys = _keys.get(_owner(keys)) or keys
    raise IndexKeyReplaced


@contextmanager
def alone_with_index(organization_id: int) -> Iterator[int | None]:
    """A transaction in which nobody else writes an index: the number of the current index key. Whoever writes one is
    waited for without standing in the queue, since others who hold rows that they want would come behind us. Errors:
    IndexKeyBusy."""
    until = time.monotonic() + LONGEST_WAIT
    with ExitStack() as stack:
        while True:
            try:
                with ExitStack() as begun:
                    begun.enter_context(transaction.atomic())
                    number = _index_key_in_use(organization_id, alone=True)
                    stack.push(begun.pop_all())
                break
            except OperationalError as error:
                if getattr(error.__cause__, "sqlstate", "") != _LOCK_NOT_AVAILABLE:
                    raise
                if time.monotonic() > until:
                    raise IndexKeyBusy from error
                time.sleep(random.uniform(0.002, 0.02))
        yield number


def _index_key_in_use(organization_id: int, *, alone: bool = False) -> int | None:
    """The number of the current index key, which stays it until this transaction ends. None: another one came in
    between, so ask again."""
    query = "SELECT number FROM vault_vaultkey WHERE organization_id = %s AND kind = 'index' AND current"
    if connection.vendor == "postgresql":
        query += " FOR NO KEY UPDATE NOWAIT" if alone else " FOR SHARE"
    with connection.cursor() as cursor:
        cursor.execute(query, [organization_id])
        row = cursor.fetchone()
    return int(row[0]) if row else None


@contextmanager
def opened_once(organization: HasKeys) -> Iterator[OrganizationKeys]:
    """Its data keys alone, which are written over in the end: for the supervisor, which goes on after a lock. Errors:
    VaultError, OrganizationLocked among it."""
    owner, source = _owner(organization), open_source()
    _refuse_locked(owner)
    held, data = OrganizationKeys(*owner), dict[int, seal.Key]()
    secrets: list[bytes] = []
    try:
        for row in VaultKey.objects.filter(organization_id=held.id, kind="data"):
            secrets.append(source.unwrap(label_of(row, held), row.wrapped))
            data[row.number] = seal.Key(row.number, secrets[-1])
        held.ring = seal.KeyRing(data)
        yield held
    finally:
        wipe(*secrets)


def forget_idle(idle: float = IDLE) -> None:
    """Drops keys that were not asked for in `idle` seconds."""
    now = time.monotonic()
    with _lock:
        for owner in [owner for owner, held in _keys.items() if now - held.used > idle]:
            del _keys[owner]


def _refuse_locked(owner: tuple[int, bytes]) -> None:
    """The key server refuses as well. Here nothing is asked of it in vain, and commands have none when nothing runs."""
    row = KeyLock.objects.filter(organization_id=owner[0], locked=True).only("destroyed").first()
    if row is not None:
        _keys.pop(owner, None)
        if row.destroyed:
            raise KeysDestroyed
        is_strict = StrictKey.objects.filter(organization_id=owner[0]).exclude(sealed=b"").exists()
        raise OrganizationLocked(STRICT if is_strict else LOCKED)


def drop(owners: Iterable[tuple[int, bytes]]) -> None:
    """Forgets the keys of these organizations, by number and uid."""
    with _lock:
        for owner in owners:
            _keys.pop(owner, None)


def holds(organization_id: int) -> bool:
    """Whether this process has keys of that organization."""
    with _lock:
        return any(owner[0] == organization_id for owner in _keys)


def wrap_former(organization: HasKeys, kind: str, number: int, secret: bytes, came: date) -> bytes:
    """A key that came along with an export, wrapped for the organization that this process has the keys of. What a row
    says alone decides nothing: else its admin has a key of theirs wrapped for another. Errors: VaultError."""
    held = keys(organization)
    if held.data is None:
        raise KeyWrong("The keys of this organization are not in the database. Restore a backup that has them.")
    return open_source().wrap(label(kind, number, held, came=came), secret)


def _load(organization_id: int, uid: bytes) -> OrganizationKeys:
    source = open_source()
    rows = list(VaultKey.objects.filter(organization_id=organization_id))
    held = OrganizationKeys(organization_id, uid, looked=time.monotonic())
    held.stood = frozenset((row.kind, row.number, row.current, row.created) for row in rows)
    data: dict[int, seal.Key] = {}
    for row in rows:
        try:
            secret = source.unwrap(label_of(row, held), row.wrapped)
        except VaultError:
            if row.kind in ("index", "box"):
                continue  # A role that may not have this kind goes without; what needs it will say so.
            if row.kind == "link" and not row.current:
                continue  # Of links from before a move. Whoever writes the database has written it: doctor tells.
            raise
        if row.kind == "data":
            data[row.number] = seal.Key(row.number, secret)
        elif row.kind == "index":
            held.index[row.number] = secret
        elif row.kind == "link":
            held.links[row.number] = LinkKey(row.number, secret)
            if not row.current:
                held.came[row.number] = row.created
        else:
            held.boxes[row.number] = secret
        if row.current:
            _mark_current(held, row.kind, row.number, data)
    held.ring = seal.KeyRing(data, lambda number: _later(organization_id, uid, number))
    return held


def _later(organization_id: int, uid: bytes, number: int) -> seal.Key | None:
    """A data key that came after the others were loaded: an import or a sender holds its ring for hours, and meanwhile
    what it reads is sealed anew."""
    owner = OrganizationKeys(organization_id, uid)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _look_for(owner, number)
    with ThreadPoolExecutor(1) as pool:  # Django asks no database where a loop runs.
        return pool.submit(_look_for_alone, owner, number).result()


def _look_for_alone(owner: OrganizationKeys, number: int) -> seal.Key | None:
    try:
        return _look_for(owner, number)
    finally:
        connection.close()


def _look_for(owner: OrganizationKeys, number: int) -> seal.Key | None:
    row = VaultKey.objects.filter(organization_id=owner.id, kind="data", number=number).first()
    try:
        return seal.Key(number, open_source().unwrap(label_of(row, owner), row.wrapped)) if row else None
    except VaultError:
        return None


def unopened() -> list[VaultKey]:
    """Keys of organizations in the database that don't open under their names, with their organizations; of those that
    are locked nobody knows."""
    source, bad = open_source(), []
    rows = VaultKey.objects.select_related("organization").exclude(organization__key_lock__locked=True)
    for row in rows.order_by("id").iterator(chunk_size=500):
        try:
            source.unwrap(label_of(row, row.organization), row.wrapped)
        except OrganizationLocked:
            continue
        except VaultError:
            bad.append(row)
    return bad


def label_of(row: VaultKey, owner: HasKeys) -> str:
    return label(row.kind, row.number, owner, came=None if row.current else row.created, coming=row.coming)


def _standing(organization_id: int) -> frozenset[Standing]:
    rows = VaultKey.objects.filter(organization_id=organization_id)
    return frozenset(rows.values_list("kind", "number", "current", "created"))


def _mark_current(held: OrganizationKeys, kind: str, number: int, data: dict[int, seal.Key]) -> None:
    if kind == "data":
        held.data = data[number]
    elif kind == "index":
        held.index_version = number
    elif kind == "link":
        held.link = held.links[number]
