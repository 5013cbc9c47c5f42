"""A remote of rclone that is a folder of this machine."""

import contextlib
from pathlib import Path

import pytest

from scripts.test import find_tool
from tests.places.fakes import SECRET, OnDisk, silent_server


class FakeRclone(OnDisk):
    scheme = "rclone"
    secret = SECRET

    def __init__(self, root: Path, cleaning: contextlib.ExitStack) -> None:
        super().__init__(root, cleaning)
        self.config = root.with_name("rclone.conf")
        self.config.write_text(f"[disk]\ntype = alias\nremote = {root}\n")
        self.url = f"rclone:disk:?config={self.config}"

    @classmethod
    def start(cls, tmp_path: Path, cleaning: contextlib.ExitStack) -> "FakeRclone":
        if not find_tool("rclone"):
            pytest.skip("needs rclone (apt-get install rclone)")
        return cls(tmp_path / "place", cleaning)

    def silent(self) -> str:
        port = self.cleaning.enter_context(silent_server())
        self.config.write_text(f"[disk]\ntype = webdav\nvendor = other\nurl = http://127.0.0.1:{port}\n")
        return f"{self.url}&timeout=0.2"

    def missing(self) -> str:
        self.config.write_text("")
        return self.url
