"""What a browser sends, kept until all of it is here: in memory at first, past `IN_MEMORY` bytes in a file.

A list of readers must not lie on the disk in plain, not even in blocks of a file that is gone. So the file has no name
from its beginning (O_TMPFILE), and what is in it is encrypted with a key that this process alone has, and only until
the request is answered.
"""

import io
import os
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import IO, Self

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from samizdat.asgi import Place

IN_MEMORY = 64 * 1024


class SpoolFull(Exception):
    """The files are as large together as they may be, or those of one are, or the disk is full."""


class UploadAllowance:
    """Bytes of one body that are kept, the rest is forgotten; and of all bodies that share this, in files. Nobody gets
    all of these: a party (an organization, mostly) has at most a part of what other parties leave, and each of it a
    part of what the others of their party leave. So bodies that somebody holds open keep nobody's out."""

    def __init__(self, most: int, total: int, party: float, each: float) -> None:
        self.most, self._total = most, total
        self._party, self._each = party, each
        self._taken: Counter[Place] = Counter()
        self._counting = threading.Lock()  # Bodies are written by several threads.

    @property
    def taken(self) -> int:
        return self._taken.total()

    def take(self, place: Place, size: int) -> None:
        """Errors: SpoolFull."""
        with self._counting:
            mine = self._taken[place]
            of_party = sum(taken for (whose, _), taken in self._taken.items() if whose == place[0])
            for_party = self._party * (self._total - (self._taken.total() - of_party))
            if mine + size > self._each * (for_party - (of_party - mine)):
                raise SpoolFull
            self._taken[place] += size

    def give_back(self, place: Place, size: int) -> None:
        with self._counting:
            self._taken[place] -= size
            if not self._taken[place]:
                del self._taken[place]


class Spool:
    """Written once, then read once from the beginning."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._held = io.BytesIO()
        self.allowance: UploadAllowance | None = None  # None: this body is small so far.
        self.place: Place = (None, None)  # As which it counts there.
        self.size = self._charged = 0

    def write(self, data: bytes) -> None:
        """Errors: SpoolFull."""
        if self.allowance is not None:
            data = data[: self.allowance.most - self.size]
            self.allowance.take(self.place, len(data))
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
            self.allowance.give_back(self.place, self._charged)
            self._charged = 0
        self._held.close()
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
