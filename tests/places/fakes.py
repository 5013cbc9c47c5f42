"""Places for the contract, one for each kind, that all understand the same few orders. A new kind gets a
file of its own beside this, and with it every test of test_contract.py.

They are real: a folder, OpenSSH, rclone, moto. Where a disk has to be full or read-only, a small file system is
mounted.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from samizdat import plugins
from samizdat.places import base
from samizdat.places.base import Pace

SECRET = "s3cr3t-key+of/the:place"
SMALL_DISK = "256k"


class FakePlace:
    """`root`: what the tests look at and change behind the place's back."""

    scheme: ClassVar[str] = ""
    url = ""
    secret = ""

    def open(self, url: str = "", pace: Pace | None = None) -> base.BasePlace:
        return base.read_url(plugins.places(), url or self.url, self.secret, pace)

    def files(self) -> dict[str, bytes]:
        """Whatever has a name, and no draft."""
        raise NotImplementedError

    def plant(self, name: str, data: bytes) -> None:
        raise NotImplementedError

    def lose(self, name: str) -> None:
        raise NotImplementedError

    # Each makes it so, and gives the URL under which it is.

    def full(self) -> str:
        raise NotImplementedError

    def read_only(self) -> str:
        raise NotImplementedError

    def silent(self) -> str:
        raise NotImplementedError

    def missing(self) -> str:
        raise NotImplementedError


class OnDisk(FakePlace):
    """Its files lie on this machine."""

    def __init__(self, root: Path, cleaning: contextlib.ExitStack) -> None:
        self.root, self.cleaning = root, cleaning
        root.mkdir()

    def files(self) -> dict[str, bytes]:
        paths = [path for path in self.root.rglob("*") if path.is_file() and base.DRAFTS not in path.parts]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths}

    def plant(self, name: str, data: bytes) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(data)

    def lose(self, name: str) -> None:
        (self.root / name).unlink()

    def full(self) -> str:
        self._mount(f"size={SMALL_DISK}")
        return self.url

    def read_only(self) -> str:
        self._mount("ro")
        return self.url

    def missing(self) -> str:
        self.root.rmdir()
        return self.url

    def _mount(self, options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(self.root)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("needs the right to mount a small file system")
        self.cleaning.callback(subprocess.run, ["umount", "-l", str(self.root)], check=True)


class FakeFolder(OnDisk):
    scheme = "file"

    def __init__(self, root: Path, cleaning: contextlib.ExitStack) -> None:
        super().__init__(root, cleaning)
        self.url = f"file://{root}"

    @classmethod
    def start(cls, tmp_path: Path, cleaning: contextlib.ExitStack) -> "FakeFolder":
        return cls(tmp_path / "place", cleaning)

    def silent(self) -> str:
        """As on a network drive whose server is gone."""
        gone = threading.Event()
        patch = pytest.MonkeyPatch()
        patch.setattr(os, "fsync", lambda _file: gone.wait())
        self.cleaning.callback(gone.set)
        self.cleaning.callback(patch.undo)
        return f"{self.url}?timeout=0.2"


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
