"""The data folder is its owner's alone, also one that was there before us, or was copied with other rights."""

import stat
from collections.abc import Iterator
from pathlib import Path

# For others than the owner.
OTHERS = stat.S_IRWXG | stat.S_IRWXO
# The public process, where it runs as a user of its own, passes through the folder and reads the gate (supervisor.py).
GATE, PASS = "gate.sqlite3", stat.S_IXGRP


class NotOurs(OSError):
    """Others may open this, and who runs here may not change that; `path`."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


def open_to_others(folder: Path) -> Iterator[Path]:
    """What in the folder anybody but its owner may open; the folder itself comes first. Links lead elsewhere: nobody
    opens anything by the rights of a link."""
    if folder.stat().st_mode & OTHERS & ~PASS:
        yield folder
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        allowed = stat.S_IRGRP if path.parent == folder and path.name.startswith(GATE) else 0
        if mode & OTHERS & ~allowed and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            yield path


def close(folder: Path) -> None:
    """Takes from everything in it what others may do. Errors: NotOurs."""
    for path in [folder, *folder.rglob("*")]:
        mode = path.lstat().st_mode
        if mode & OTHERS and (path == folder or stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            try:
                path.chmod(path.stat().st_mode & stat.S_IRWXU)
            except PermissionError:
                raise NotOurs(path) from None
