"""The key file, with or without a passphrase, as it lies on a disk."""

import os
import stat
from pathlib import Path

from samizdat.core.crypto import passphrase
from samizdat.core.crypto.passphrase import WrappedKey, base32, from_base32
from samizdat.vault.errors import KeyFileBroken, KeyFileMissing, KeyFileOpen

_HEADING = "samizdat instance key 1"


def new_instance_key(path: Path) -> bytes:
    """Makes the key and its file (0600). Refuses to write over one that is there."""
    key = os.urandom(32)
    write_key_text(path, text_of(key))
    return key


def text_of(key: bytes) -> str:
    return f"{_HEADING}\n{base32(key)}\n"


def write_key_text(path: Path, text: str) -> None:
    """On the disk when this returns. Errors: FileExistsError, OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_key_text(path: Path) -> str:
    """The text of a key file of either kind. Refused when anybody but its owner may read it."""
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii")
    except FileNotFoundError:
        raise KeyFileMissing(
            f"The key file {path} is not there. Put back the copy you saved, or name it with SAMIZDAT_KEY_FILE; "
            "with paper shares: `samizdat keys recover`. Without any of these nothing can be read."
        ) from None
    except PermissionError:
        raise KeyFileBroken(
            f"The key file {path} belongs to another user, so it can't be read. Change its owner with chown."
        ) from None
    except (OSError, UnicodeDecodeError):
        raise KeyFileBroken(f"The key file {path} cannot be read. Put back the copy you saved.") from None
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileOpen(f"Others may read the key file {path}. Run: chmod 600 {path}")
    return text


def read_key_file(path: Path) -> bytes:
    """The instance key of a key file without a passphrase."""
    return key_in(read_key_text(path), str(path))


def key_in(text: str, where: str) -> bytes:
    """where: what the text is from, for the sentence. Errors: KeyFileBroken."""
    lines = text.split()
    try:
        if " ".join(lines[:4]).lower() != _HEADING:
            raise ValueError
        key = from_base32(lines[4])
        if len(key) != 32 or len(lines) != 5:
            raise ValueError
    except (ValueError, IndexError):
        raise KeyFileBroken(f"{where} is not a samizdat key file. Put back the copy you saved.") from None
    return key


def wrapped_in(text: str) -> WrappedKey | None:
    """Of a key file with a passphrase; None for what is none. Errors: KeyFileBroken."""
    if not text.lower().startswith(passphrase.WrappedKey.HEADING):
        return None
    try:
        return WrappedKey.parsed(text)
    except ValueError:
        raise KeyFileBroken("The key file with a passphrase is damaged. Put back the copy you saved.") from None
