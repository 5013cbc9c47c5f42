"""Where keys come from: the key file itself, or the supervisor that has opened it.

A source never hands out the instance key. It unwraps one key at a time, or derives a named one, so that a
process that asks the supervisor holds what its role needs and no more (design.md, section 7).
"""

import base64
import os
import stat
from pathlib import Path
from typing import Protocol

from samizdat.core.crypto import seal
from samizdat.vault.errors import KeyFileBroken, KeyFileMissing, KeyFileOpen, KeyWrong

_HEADING = "samizdat instance key 1"


class KeySource(Protocol):
    """unwrap(label, wrapped) and derive(purpose), both to 32 bytes; wrap for a new key. VaultError has the sentence."""

    def unwrap(self, label: str, wrapped: bytes | memoryview) -> bytes: ...

    def derive(self, purpose: str) -> bytes: ...

    def wrap(self, label: str, secret: bytes) -> bytes: ...


class InstanceSource:
    """The instance key in this process: the supervisor, and commands when nothing runs."""

    def __init__(self, instance_key: bytes) -> None:
        self._key = instance_key

    def unwrap(self, label: str, wrapped: bytes | memoryview) -> bytes:
        try:
            return seal.unwrap(self._key, bytes(wrapped), label)
        except seal.SealBroken as broken:
            raise KeyWrong(
                "The key file does not belong to this database. Put back the key file that was made with it, "
                "or name it with SAMIZDAT_KEY_FILE."
            ) from broken

    def derive(self, purpose: str) -> bytes:
        return seal.derive(self._key, purpose)

    def wrap(self, label: str, secret: bytes) -> bytes:
        return seal.wrap(self._key, secret, label, os.urandom(12))


def new_instance_key(path: Path) -> bytes:
    """Makes the key and its file (0600). Refuses to write over one that is there."""
    key = os.urandom(32)
    text = f"{_HEADING}\n{base64.b32encode(key).decode().lower().rstrip('=')}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return key


def read_key_file(path: Path) -> bytes:
    """The instance key of a key file. Refused when anybody but its owner may read it."""
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii")
    except FileNotFoundError:
        raise KeyFileMissing(
            f"The key file {path} is not there. Put back the copy you saved, or name it with SAMIZDAT_KEY_FILE; "
            "without it nothing can be read."
        ) from None
    except PermissionError:
        raise KeyFileBroken(
            f"The key file {path} belongs to another user, so it can't be read. Change its owner with chown."
        ) from None
    except (OSError, UnicodeDecodeError):
        raise KeyFileBroken(f"The key file {path} cannot be read. Put back the copy you saved.") from None
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileOpen(f"Others may read the key file {path}. Run: chmod 600 {path}")
    return parse_key_file(text, path)


def parse_key_file(text: str, path: Path) -> bytes:
    """The instance key of the text of a key file. path: as a sentence calls it. Errors: KeyFileBroken."""
    lines = text.split()
    try:
        if " ".join(lines[:4]) != _HEADING:
            raise ValueError
        key = base64.b32decode(lines[4].upper() + "====")
        if len(key) != 32 or len(lines) != 5:
            raise ValueError
    except (ValueError, IndexError):
        raise KeyFileBroken(f"{path} is not a samizdat key file. Put back the copy you saved.") from None
    return key
