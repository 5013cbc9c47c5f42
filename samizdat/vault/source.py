"""Where keys come from: the instance key itself (sources/ has where that comes from), or the supervisor that has it.

A source never hands out the instance key. It unwraps one key at a time, or derives a named one, so that a
process that asks the supervisor holds what its role needs and no more (design.md, section 7).
"""

import os
from typing import Protocol

from samizdat.core.crypto import seal
from samizdat.vault.errors import KeyWrong

WRONG_FILE = (
    "The key file does not belong to this database. Put back the key file that was made with it, or name it with "
    "SAMIZDAT_KEY_FILE."
)


class KeySource(Protocol):
    """unwrap(label, wrapped) and derive(purpose), both to 32 bytes; wrap for a new key. VaultError has the sentence."""

    def unwrap(self, label: str, wrapped: bytes | memoryview) -> bytes: ...

    def derive(self, purpose: str) -> bytes: ...

    def wrap(self, label: str, secret: bytes) -> bytes: ...


class InstanceSource:
    """The instance key in this process: the supervisor, and commands when nothing runs.

    wrong: what to do when it isn't the key of this database.
    """

    def __init__(self, instance_key: bytes, wrong: str = WRONG_FILE) -> None:
        self._key, self._wrong = instance_key, wrong

    def unwrap(self, label: str, wrapped: bytes | memoryview) -> bytes:
        try:
            return seal.unwrap(self._key, bytes(wrapped), label)
        except seal.SealBroken as broken:
            raise KeyWrong(self._wrong) from broken

    def derive(self, purpose: str) -> bytes:
        return seal.derive(self._key, purpose)

    def wrap(self, label: str, secret: bytes) -> bytes:
        return seal.wrap(self._key, secret, label, os.urandom(12))
