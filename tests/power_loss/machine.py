"""A disk that forgets what was not synced, and a machine that starts anew after a power loss, with another boot id.

with LossyDisk(folder) as disk:      disk.path is an empty folder on it
    disk.sync()                      all of it stays
    disk.stop()                      from now on it does nothing more; then end every process
    disk.lose(seed)                  what is left is in disk.path
"""

import ctypes
import os
import subprocess
import sys
import uuid
from pathlib import Path
from types import TracebackType
from typing import IO, Self

ROOT = Path(__file__).parents[2]
BOOT_ID = "/proc/sys/kernel/random/boot_id"
_BIND, _PRIVATE, _RECURSIVE = 4096, 1 << 18, 16384


def enter_namespace() -> None:
    """Whatever this process mounts is seen by it and by those whom it starts, and is gone with them."""
    os.unshare(os.CLONE_NEWNS)
    _mount("none", "/", _PRIVATE | _RECURSIVE)


def _mount(what: str, where: str, flags: int) -> None:
    if ctypes.CDLL(None, use_errno=True).mount(what.encode(), where.encode(), None, flags, None):
        raise OSError(ctypes.get_errno(), f"{where} could not be mounted.")


class LossyDisk:
    """Where there is none, kernel.why_not() says why."""

    def __init__(self, folder: Path) -> None:
        self.path, empty = folder / "disk", folder / "empty"
        self.path.mkdir()
        empty.mkdir()
        words = ["-m", "tests.power_loss", str(empty), str(self.path)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, *words], stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
        self._hear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stdin.close()
        self._process.wait(30)

    def sync(self) -> None:
        self._say("sync")

    def stop(self) -> None:
        self._say("stop")

    def lose(self, seed: int) -> None:
        self._say(f"lose {seed}")

    def _say(self, line: str) -> None:
        self._stdin.write(f"{line}\n")
        self._stdin.flush()
        self._hear()

    def _hear(self) -> None:
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise OSError("The process of the file system has ended.")

    @property
    def _stdin(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin


class Machine(LossyDisk):
    """Only behind enter_namespace(): no other process of this machine may take the new boot id for its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._boot_id = folder / "boot_id"
        self._start()
        _mount(str(self._boot_id), BOOT_ID, _BIND)

    def lose(self, seed: int) -> None:
        super().lose(seed)
        self._start()

    def _start(self) -> None:
        self._boot_id.write_text(f"{uuid.uuid4()}\n")
