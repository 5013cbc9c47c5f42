"""Whatever rclone can reach, by the program `rclone` where it is installed: https://rclone.org.

A file is sent under another name and renamed once rclone has confirmed it, since not every kind of remote takes files
whole. Only remotes of the named configuration are used, and no shell. The password of an encrypted configuration goes
to rclone in its environment, which no other user sees.
"""

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread, Timer
from typing import IO, Any
from urllib.parse import unquote

import msgspec

from samizdat import processes
from samizdat.places.base import (
    ABANDONED,
    DRAFTS,
    LISTING,
    MOST,
    PORTION,
    BasePlace,
    NotThere,
    PlaceError,
    PlaceSettings,
)

_REMOTE = re.compile(r"(\w[\w.+@ -]*):([^:]*)", re.DOTALL)
# Exit codes of rclone, https://rclone.org/docs/#list-of-exit-codes.
_NOT_THERE = (3, 4)
# Words of its errors -> our code. They are those of Go and of the services behind it.
_WORDS = {
    "no space left on device": "full",
    "remaining disk space": "full",
    "quota exceeded": "full",
    "insufficient storage": "full",
    "storagequotaexceeded": "full",
    "read-only file system": "read_only",
    "permission denied": "read_only",
    "access denied": "read_only",
    "accessdenied": "read_only",
    "unable to authenticate": "bad_login",
    "couldn't decrypt configuration": "bad_login",
    "didn't find section in config file": "no_remote",
}
_HASHES = ("md5", "sha1", "sha256")
_LOG_PREFIX = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (?:[A-Z]+ *: )?")


class ListedFile(msgspec.Struct):
    """A row of `rclone lsjson`."""

    Path: str
    Size: int
    IsDir: bool = False
    Hashes: dict[str, str] = {}

    def has(self, data: bytes) -> bool:
        """By its size, and by the hash where the remote knows of one that we know."""
        known = [name for name in _HASHES if self.Hashes.get(name)]
        return self.Size == len(data) and all(
            self.Hashes[name] == hashlib.new(name, data, usedforsecurity=False).hexdigest() for name in known
        )


class RclonePlace(BasePlace):
    name = "rclone"
    scheme = "rclone"
    example = "rclone:remote:samizdat?config=/etc/samizdat/rclone.conf"
    label = (
        "A remote of rclone, where rclone is installed; the secret is the password of its configuration, if it has one"
    )
    known_options = {
        "config": "Configuration file of rclone, as an absolute path",
        "timeout": "Longest wait for an answer, in seconds",
    }
    on_server = True

    def __init__(self, settings: PlaceSettings) -> None:
        super().__init__(settings)
        match = _REMOTE.fullmatch(unquote(settings.rest))
        self.config = settings.options.get("config", "")
        if not match or not self.config.startswith("/"):
            raise PlaceError("bad_remote")
        self.remote, self.path = match[1], match[2].rstrip("/")
        self._cleared = False

    @property
    def where(self) -> str:
        return f"{self.remote}:{self.path}"

    def list_files(self, folder: str) -> Iterator[tuple[str, int]]:
        options = ("--recursive", "--files-only", "--no-modtime", "--no-mimetype", "--exclude", f"/{DRAFTS}/**")
        try:
            text = self._run("lsjson", self._at(folder), *options, seconds=self.timeout * LISTING, denied="unreadable")
        except NotThere:
            return
        for file in self._files(text):
            yield f"{folder}/{file.Path}".lstrip("/"), file.Size

    def fetch(self, name: str) -> bytes:
        file = self._status(name)
        if file is None:
            raise NotThere(self.where, name)
        content = b""
        if file.Size <= MOST:
            content = self._run("cat", self._at(name), seconds=self.limit(file.Size), denied="unreadable", name=name)
        if len(content) != file.Size:
            raise self.error("damaged", name=name)
        return content

    def store(self, name: str, data: bytes) -> None:
        if self._is_there(name, data):
            return
        draft = f"{DRAFTS}/{secrets.token_hex(16)}"
        seconds = self.limit(len(data))
        self._clear()
        try:
            self._run("rcat", self._at(draft), "--size", str(len(data)), data=data, seconds=seconds)
            # Where a remote cannot rename, rclone carries it once more.
            self._run("moveto", self._at(draft), self._at(name), "--ignore-existing", seconds=seconds)
        except PlaceError:
            with contextlib.suppress(PlaceError):
                if self._status(draft):
                    self._run("deletefile", self._at(draft), seconds=self.timeout)
            raise
        file = self._status(name, "--hash", seconds=seconds)
        if file is None or not file.has(data):
            raise self.error("not_kept", name=name)

    def remove(self, name: str) -> None:
        if self._status(name):
            self._run("deletefile", self._at(name), seconds=self.timeout)

    def _at(self, name: str) -> str:
        path = "/".join(part for part in (self.path, name) if part)
        return f"{self.remote}:{path}"

    def _status(self, name: str, *options: str, seconds: float = 0) -> ListedFile | None:
        always = ("--stat", "--no-modtime", "--no-mimetype")
        try:
            text = self._run("lsjson", self._at(name), *always, *options, seconds=seconds or self.timeout)
        except NotThere:
            return None
        return next((file for file in self._files(text) if not file.IsDir), None)

    def _is_there(self, name: str, data: bytes) -> bool:
        """Errors: PlaceError, when it is another one."""
        file = self._status(name)
        if file is not None and (file.Size != len(data) or self.fetch(name) != data):
            raise self.error("other_content", name=name)
        return file is not None

    def _clear(self) -> None:
        """What killed processes left."""
        if not self._cleared:
            self._cleared = True
            with contextlib.suppress(PlaceError):
                self._run("delete", self._at(DRAFTS), "--min-age", f"{ABANDONED:.0f}s", seconds=self.timeout)

    def _files(self, text: bytes) -> list[ListedFile]:
        """Of a list; of --stat, which gives a single file or null."""
        try:
            answer = msgspec.json.decode(text, type=list[ListedFile] | ListedFile | None)
        except msgspec.MsgspecError:
            raise self.refused("rclone’s answer can’t be read") from None
        return answer if isinstance(answer, list) else [answer] if answer else []

    def _run(
        self,
        command: str,
        *arguments: str,
        data: bytes = b"",
        seconds: float,
        denied: str = "read_only",
        name: str = "",
    ) -> bytes:
        """What it prints. denied: code of "permission denied". Errors: PlaceError, NotThere."""
        program = shutil.which("rclone")
        if program is None:
            raise self.error("no_rclone")
        if not os.access(self.config, os.R_OK) or not Path(self.config).is_file():
            raise self.error("no_config")
        line = [program, command, *self._options(), *arguments]
        with tempfile.TemporaryFile() as errors:
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
            with subprocess.Popen(line, env=self._environment(), **pipes) as process:
                timer = Timer(seconds, process.kill)
                timer.daemon = True
                timer.start()
                try:
                    writer = Thread(target=self._give, args=(process, data), daemon=True)
                    writer.start()
                    printed = self._printed(process)
                    code = process.wait()
                    writer.join()
                finally:
                    process.kill()
                    was_ended = timer.finished.is_set()
                    timer.cancel()
            if was_ended:
                raise self.silent(self.timeout)
            if code:
                raise self._error_of(code, _last_line(errors), denied, name)
        return printed

    def _options(self) -> list[str]:
        silence = f"{self.timeout}s"
        return [
            *("--config", self.config, "--ask-password=false", "--log-level", "ERROR", "--stats", "0"),
            *("--timeout", silence, "--contimeout", silence, "--retries", "1", "--low-level-retries", "2"),
        ]

    def _environment(self) -> dict[str, str]:
        secret = {"RCLONE_CONFIG_PASS": self.settings.secret} if self.settings.secret else {}
        return {**processes.bare_environment(), **secret}

    def _give(self, process: subprocess.Popen[bytes], data: bytes) -> None:
        assert process.stdin is not None
        with contextlib.suppress(OSError, ValueError), process.stdin:  # It ended; its exit code says why.
            for portion in self.pace.portions(data):
                process.stdin.write(portion)

    def _printed(self, process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdout is not None
        portions, size = [], 0
        while size <= MOST and (portion := process.stdout.read(PORTION)):
            self.pace.wait(len(portion))
            portions.append(portion)
            size += len(portion)
        if size > MOST:
            process.kill()
        return b"".join(portions)

    def _error_of(self, code: int, detail: str, denied: str, name: str) -> PlaceError:
        ours = next((ours for words, ours in _WORDS.items() if words in detail.lower()), "")
        if ours == "no_remote":
            return self.error(ours, remote=self.remote)
        if ours:
            return self.error(denied if ours == "read_only" else ours)
        if code in _NOT_THERE:
            return NotThere(self.where, name)
        return self.refused(detail or f"rclone: {code}")


def _last_line(errors: IO[bytes]) -> str:
    """What rclone wrote last, without the moment."""
    errors.seek(0)
    lines = errors.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
    return _LOG_PREFIX.sub("", lines[-1]) if lines else ""
