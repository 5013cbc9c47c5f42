"""Mail that was taken in and answered with yes, sealed, as files that wait for the worker: it has to be on the disk
before that answer, whatever the database does just then.

Layout of a file: uid of the organization (16 bytes), then the box of core/mail/incoming_envelope.
"""

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from samizdat import modes
from samizdat.options import data_folder

FOLDER = "incoming-mail"
# Files that may wait, and their bytes. A bounce has some 5 KB.
MOST, MOST_BYTES = 100_000, 2 << 30
# Bytes of the disk that are left to everything else.
LEFT_FREE = 256 << 20
# Seconds for which a count of what waits is good.
COUNTED = 5.0
# Files that are taken up together, and the bytes of them.
PORTION, PORTION_BYTES = 50, 8 << 20
# A file that is being written has it before its name; one older than this many seconds is of a process that was killed.
_DRAFT, ABANDONED = ".", 3600.0


def folder() -> Path:
    return data_folder() / FOLDER


def changed() -> int:
    """When a file last came or went, in nanoseconds; 0 where there is no such folder."""
    try:
        return folder().stat().st_mtime_ns
    except OSError:
        return 0


class MailSpool:
    """The folder, as whoever takes mail in sees it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counted = float("-inf")
        self._full = False

    def is_full(self) -> bool:
        if time.monotonic() - self._counted > COUNTED:
            self._counted = time.monotonic()
            sizes = [_size(entry) for entry in os.scandir(self._folder)]
            free = shutil.disk_usage(self._folder).free
            self._full = len(sizes) >= MOST or sum(sizes) >= MOST_BYTES or free < LEFT_FREE
        return self._full

    def put(self, uid: bytes, box: bytes) -> None:
        """On the disk when this returns. Errors: OSError."""
        name = f"{time.time_ns():020d}-{secrets.token_hex(8)}"
        draft = self._folder / f"{_DRAFT}{name}"
        try:
            with open(draft, "xb", opener=_for_us) as file:
                modes.give_to_owner_of(self._folder, file.fileno())
                file.write(uid)
                file.write(box)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self._folder / name)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
        modes.sync_folder(self._folder)


def waiting(folder: Path) -> Iterator[list[Path]]:
    """Files that wait, the oldest first, in portions. Drafts that nobody finished go."""
    portion, size = list[Path](), 0
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        if path.name.startswith(_DRAFT):
            _remove_abandoned(path)
            continue
        if portion and (len(portion) == PORTION or size > PORTION_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(path)
        size += path.stat().st_size
    if portion:
        yield portion


def owner(path: Path) -> bytes:
    """uid of the organization."""
    with open(path, "rb") as file:
        return file.read(16)


def read(path: Path) -> tuple[bytes, bytes]:
    """(uid, box)."""
    content = path.read_bytes()
    return content[:16], content[16:]


def _remove_abandoned(draft: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if time.time() - draft.stat().st_mtime > ABANDONED:
            draft.unlink()


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:  # The worker has just taken it.
        return 0


def _for_us(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)
