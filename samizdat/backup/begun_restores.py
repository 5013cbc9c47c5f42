"""A restore that has begun, in its folder beside the data folder.

On a server the rows are there in one transaction, and the data folder follows. Whoever is killed between both leaves a
mark in the folder and in the database that are the same: then nothing is written again, and the rest is done.
"""

import os
import secrets
import shutil
from pathlib import Path

import msgspec

from samizdat import modes
from samizdat.backup import restoring
from samizdat.backup.sets import Copy
from samizdat.backup.tails import TailFound

BEGUN, LOCK = "restore.json", "restore.lock"


class BegunRestore(msgspec.Struct, frozen=True):
    """mark: for restoring.fill(). copy: its path."""

    mark: str
    copy: str
    tail: TailFound


def note(folder: Path, copy: Copy, tail: TailFound | None) -> str:
    """Before rows are written; the mark."""
    begun = BegunRestore(secrets.token_hex(16), copy.path, tail or TailFound([]))
    os.sync()  # Files of the data folder are there before rows that count on them.
    modes.replace_file(folder / BEGUN, msgspec.json.encode(begun))
    return begun.mark


def filled(folder: Path) -> BegunRestore | None:
    """The restore that has filled the server's database; None: there is none."""
    try:
        begun = msgspec.json.decode((folder / BEGUN).read_bytes(), type=BegunRestore)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return begun if restoring.is_filled(begun.mark) else None


def clear(folder: Path) -> None:
    """What a killed restore left; all but the lock."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()
