"""What a browser sends, kept until all of it is here: in memory at first, past `IN_MEMORY` bytes in a file.

A list of readers must not lie on the disk in plain, not even in blocks of a file that is gone. So the file has no name
from its beginning (O_TMPFILE), and what is in it is encrypted with a key that this process alone has, and only until
the request is answered.
"""

import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

IN_MEMORY = 64 * 1024


class SpoolFull(Exception):
    """The files are as large together as they may be, or the disk is full."""


@dataclass(slots=True)
class UploadAllowance:
    """Bytes of one body that are kept, the rest is forgotten; and of all bodies that share this, in files."""

    most: int
    total: int
    taken: int = 0


class Spool:
    """Written once, then read once from the beginning."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._held = io.BytesIO()
        self.allowance: UploadAllowance | None = None  # None: this body is small so far.
        self.size = self._charged = 0

    def write(self, data: bytes) -> None:
        """Errors: SpoolFull."""
        if self.allowance is not None:
            data = data[: self.allowance.most - self.size]
            if self.allowance.taken + len(data) > self.allowance.total:
                raise SpoolFull
            self.allowance.taken += len(data)
            self._charged += len(data)
        try:
            self._keep(data)
        except OSError as full:
            raise SpoolFull from full

    def _keep(self, data: bytes) -> None:
        self.size += len(data)
        if self._file is None and self.size <= IN_MEMORY:
            self._held.write(data)
            return
        if self._file is None:
            self._begin()
            data = self._held.getvalue() + data
            self._held = io.BytesIO()
        assert self._file is not None
        self._file.write(self._locked.update(data))

    def _begin(self) -> None:
        # A key for one file, so its counter may begin with zero. Nobody can change a file without a name: a tag of
        # integrity would protect from nothing.
        cipher = Cipher(algorithms.AES(os.urandom(32)), modes.CTR(bytes(16)))
        self._locked: CipherContext = cipher.encryptor()
        self._opened: CipherContext = cipher.decryptor()
        self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  closed by close()

    def rewind(self) -> None:
        (self._file or self._held).seek(0)

    def read(self, size: int = -1) -> bytes:
        """`wsgi.input`."""
        if self._file is None:
            return self._held.read(size)
        return self._opened.update(self._file.read(size))

    def readline(self, size: int = -1) -> bytes:
        """A piece, which need not be a line: Django goes by lines only to read past what nobody wants, such as the rest
        of a file that was refused."""
        return self.read(IN_MEMORY if size < 0 else min(size, IN_MEMORY))

    def close(self) -> None:
        if self.allowance is not None:
            self.allowance.taken -= self._charged
            self._charged = 0
        self._held.close()
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
