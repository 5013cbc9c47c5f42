"""The data folder is its owner's alone, also one that was there before us, or was copied with other rights.

Where the public process runs as a user of its own, the folder has the s bit: that user's group passes through it and
reads the public database (worker/processes/users.py).
"""

import contextlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO
PUBLICDB = "public.sqlite3"


class NotOurs(OSError):
    """Others may open this, and who runs here may not change that; `path`."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


def replace_file(path: Path, content: bytes | Callable[[int], bytes]) -> None:
    """A file of the data folder, whole or as it was, for its owner alone. content: or what makes it, asked with the
    descriptor of the new file. Errors: OSError."""
    # Threads of one process may write the same one.
    draft = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    draft.unlink(missing_ok=True)
    with open(draft, "xb", opener=_opened_anew) as file:
        give_to_owner_of(path.parent, file.fileno())
        file.write(content if isinstance(content, bytes) else content(file.fileno()))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _opened_anew(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def give_to_owner_of(folder: Path | int, descriptor: int) -> None:
    """As root, what was just made in this folder belongs to the folder's owner, who couldn't read it else. By its
    descriptor, since they may put a link in its place meanwhile; a file with a second name may be one of elsewhere.
    Where the file system has no owners, it stays."""
    if os.geteuid() == 0:
        wanted, present = os.stat(folder), os.fstat(descriptor)
        is_ours = present.st_uid == 0 and (stat.S_ISDIR(present.st_mode) or present.st_nlink == 1)
        if is_ours and (wanted.st_uid, wanted.st_gid) != (present.st_uid, present.st_gid):
            with contextlib.suppress(OSError):
                os.fchown(descriptor, wanted.st_uid, wanted.st_gid)


def make_folder(path: Path) -> None:
    """A folder of the data folder, there after a power loss too. Errors: OSError."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        give_to_owner_of(path.parent, descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """The names in a folder are on the disk only then: fsync(2). Errors: OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_to_others(folder: Path) -> Iterator[Path]:
    """What in the folder others than its owner may open, and should not; the folder itself comes first. Links lead
    elsewhere: nobody opens anything by the rights of a link."""
    allowed = _allowed(folder)
    for path in (folder, *sorted(folder.rglob("*"))):
        mode = path.lstat().st_mode if path != folder else path.stat().st_mode
        if mode & OTHERS & ~allowed.get(path, 0) and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            yield path


def close(folder: Path) -> None:
    """Takes that from them. Errors: NotOurs."""
    allowed = _allowed(folder)
    for path in list(open_to_others(folder)):
        try:
            path.chmod(path.stat().st_mode & (stat.S_IRWXU | allowed.get(path, 0)))
        except PermissionError:
            raise NotOurs(path) from None


def _allowed(folder: Path) -> dict[Path, int]:
    if not folder.stat().st_mode & stat.S_ISGID:
        return {}
    return {folder: stat.S_ISGID | stat.S_IXGRP} | dict.fromkeys(folder.glob(f"{PUBLICDB}*"), stat.S_IRGRP)
