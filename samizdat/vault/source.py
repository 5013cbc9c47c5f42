"""Where keys come from: the instance key itself (sources/ has where that comes from), or the supervisor that has it.

A source never hands out the instance key. It unwraps one key at a time, or derives a named one, so that a
process that asks the supervisor holds what its role needs and no more (design.md, section 7).
"""

import os
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from samizdat.core.crypto import seal, strict
from samizdat.core.crypto.wipe import wipe
from samizdat.vault.errors import STRICT, KeyServiceUnreachable, KeyWrong, OrganizationLocked

WRONG_FILE = (
    "The key file does not belong to this database. Put back the key file that was made with it, or name it with "
    "SAMIZDAT_KEY_FILE."
)


class KeySource(Protocol):
    """unwrap(label, wrapped) and derive(purpose), both to 32 bytes; wrap for a new key. VaultError has the sentence."""

    def unwrap(self, label: str, wrapped: bytes | memoryview) -> bytes: ...

    def derive(self, purpose: str) -> bytes: ...

    def wrap(self, label: str, secret: bytes) -> bytes: ...


# What a strict organization wraps once more. Links are read while it is locked, and their keys open no data.
STRICT_KINDS = ("data", "index", "box")


@dataclass(slots=True)
class Held:
    """Strict keys of an organization, the newest first: between two, rows of both stand. until: by _now()."""

    until: float
    keys: list[bytes]


def _now() -> float:
    """Goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class InstanceSource:
    """The instance key in this process: the supervisor, and commands when nothing runs. And the keys of strict
    organizations, for as long as somebody has unlocked them.

    wrong: what to do when it isn't the key of this database.
    """

    def __init__(self, instance_key: bytes, wrong: str = WRONG_FILE) -> None:
        self._instance_key, self._wrong = bytearray(instance_key), wrong
        self._held: dict[tuple[int, bytes], Held] = {}
        self._in_use = threading.RLock()  # Strict keys: nobody wraps with one that is just written over.

    @property
    def _key(self) -> bytearray:
        """Errors: KeyServiceUnreachable, where it was forgotten."""
        if not self._instance_key:
            raise KeyServiceUnreachable("The key service doesn't give the key, so nothing encrypted can be read.")
        return self._instance_key

    def forget(self) -> None:
        """It is overwritten, and so is no copy that somebody else made. Strict keys go with it."""
        self.let_go([*self._held])
        self._instance_key[:] = bytes(len(self._instance_key))
        self._instance_key = bytearray()

    def remember(self, instance_key: bytes) -> None:
        """Once the key service gives it again."""
        self._instance_key = bytearray(instance_key)

    def remember_next(self, instance_key: bytes | None) -> None:
        """The one that replaced it, where one did."""
        if instance_key is not None:
            self._instance_key[:] = instance_key

    def for_key_file(self) -> bytes:
        """In a process that makes this key: a backup has it for its recipients."""
        return bytes(self._key)

    def unwrap(self, label: str, wrapped: bytes | memoryview) -> bytes:
        """Errors: KeyWrong, OrganizationLocked for one of a strict organization whose key nobody has given."""
        inner = self.unwrap_outer(label, wrapped)
        if not strict.is_wrapped(inner):
            return inner
        with self._in_use:
            return _open_inner(self._strict_keys(label), inner, label)

    def unwrap_outer(self, label: str, wrapped: bytes | memoryview) -> bytes:
        """What is under the instance key: of a strict organization another wrapping, which whoever rotates the instance
        key wraps anew as it is. Errors: KeyWrong."""
        try:
            return seal.unwrap(self._key, bytes(wrapped), label)
        except seal.SealBroken as broken:
            raise KeyWrong(self._wrong) from broken

    def derive(self, purpose: str) -> bytes:
        return seal.derive(self._key, purpose)

    def wrap(self, label: str, secret: bytes) -> bytes:
        kind = label.split(":")[0]
        with self._in_use:
            keys = self._strict_keys(label)
            if keys and kind in STRICT_KINDS and len(secret) == 32:
                public = seal.public_key(secret) if kind == "box" else b""
                secret = strict.wrap(keys[0], secret, label, os.urandom(12), public)
        return self.wrap_outer(label, secret)

    def wrap_outer(self, label: str, inner: bytes) -> bytes:
        """Under the instance key alone."""
        return seal.wrap(self._key, inner, label, os.urandom(12))

    # -- strict organizations --

    def hold(self, strict_key: bytes, seconds: float, label: str, wrapped: bytes) -> None:
        """Keys of the organization in `label` open for so long; 0: it is only tried. It has to open this one. Errors:
        KeyWrong."""
        inner, owner = self.unwrap_outer(label, wrapped), owner_in(label)
        if owner is None or not strict.is_wrapped(inner):
            raise KeyWrong("This organization isn't strict.")
        _open_inner([strict_key], inner, label)
        if not seconds:
            return
        with self._in_use:
            kept = [key for key in self._strict_keys(label) if key != strict_key]
            if (before := self._held.get(owner)) is not None:
                wipe(*(key for key in before.keys if key not in kept))
            own = memoryview(strict_key).tobytes()  # Nobody else has this copy, which is written over in the end.
            self._held[owner] = Held(_now() + seconds, [own, *kept])

    def let_go(self, owners: Collection[tuple[int, bytes]]) -> None:
        """Forgets their strict keys, and writes over them."""
        with self._in_use:
            for owner in owners:
                if (held := self._held.pop(owner, None)) is not None:
                    wipe(*held.keys)

    def seconds_left(self, label: str) -> float:
        """Until the organization in `label` locks by itself; 0: nobody has unlocked it here."""
        owner = owner_in(label)
        held = self._held.get(owner) if owner else None
        return max(0.0, held.until - _now()) if held else 0.0

    def over(self) -> list[tuple[int, bytes]]:
        """Owners whose time is over."""
        now = _now()
        return [owner for owner, held in [*self._held.items()] if held.until <= now]

    def _strict_keys(self, label: str) -> list[bytes]:
        owner = owner_in(label)
        held = self._held.get(owner) if owner else None
        return held.keys if held and held.until > _now() else []


def owner_in(label: str) -> tuple[int, bytes] | None:
    """Number and uid of an organization, of the label of one of its keys."""
    words = label.split(":")[2:]
    return (int(words[0]), bytes.fromhex(words[1])) if words else None


def _open_inner(keys: list[bytes], inner: bytes, label: str) -> bytes:
    if not keys:
        raise OrganizationLocked(STRICT)
    for key in keys:
        try:
            return strict.unwrap(key, inner, label)
        except seal.SealBroken:
            continue
    raise KeyWrong("The strict key doesn't open the keys of this organization. Restore a backup of the database.")
