"""Sealed files in the age format (age-encryption.org/v1) that somebody brings, and what opens them.

No Django here: a file says itself how much memory its passphrase costs, so it is opened in the process of unpack.py.
"""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import pyrage

MAGIC = b"age-encryption.org/v1\n"
# A file sealed by passphrase is opened in memory, twice its size: 16 MB are some 160,000 subscribers.
MOST_BY_PASSPHRASE = 16 << 20
# scrypt takes 1 KB times two to the power that the file names: `age` writes 18, which is 256 MB and a second.
MOST_WORK = 18
# Bytes of a heading: a recipient has a hundred, and each of them is tried.
HEADING = 64 << 10
_BY_PASSPHRASE = re.compile(
    re.escape(MAGIC) + rb"-> scrypt [A-Za-z0-9+/]{22} ([1-9][0-9]?)\n[A-Za-z0-9+/]{43}\n--- [A-Za-z0-9+/]{43}\n"
)


class Unopened(ValueError):
    """Why a sealed file does not open; the one argument is a code of unpack.py's sentences."""

    @property
    def code(self) -> str:
        return str(self.args[0])


def is_sealed(head: bytes) -> bool:
    return head.startswith(MAGIC)


def is_by_passphrase(head: bytes) -> bool:
    """Whether a sealed file asks for a passphrase and no key: then nothing else stands in its heading."""
    return is_sealed(head) and head.startswith(b"-> scrypt ", len(MAGIC))


def insist_on_heading(head: bytes, size: int) -> None:
    """Asked before any work: `head`, the first HEADING bytes of a file of `size`. Errors: Unopened."""
    if not is_by_passphrase(head):
        if not is_sealed(head) or b"\n--- " not in head:
            raise Unopened("torn_file")
        return
    written = _BY_PASSPHRASE.match(head)
    if written is None:
        raise Unopened("torn_file")
    if int(written[1]) > MOST_WORK:
        raise Unopened("costly_passphrase")
    if size > MOST_BY_PASSPHRASE:
        raise Unopened("too_large")


def open_by_secret(source: BinaryIO, size: int, secret: str, take: Callable[[bytes], None], piece: int) -> None:
    """Opens a sealed file by what somebody has for it: the text of an age key file, or the passphrase it was sealed by.
    `take` is called with one piece of so many bytes after the other, the last one shorter. Errors: Unopened."""
    head = source.read(HEADING)
    insist_on_heading(head, size)
    source.seek(0)
    if not is_by_passphrase(head):
        _open_by_keys(source, _identities(secret), take, piece)
        return
    try:
        plain = pyrage.passphrase.decrypt(source.read(), secret.strip("\r\n"))
    except (pyrage.DecryptError, ValueError):
        raise Unopened("other_passphrase") from None
    for at in range(0, len(plain), piece):
        take(plain[at : at + piece])


def _identities(text: str) -> list[object]:
    """Secret keys of a file as age-keygen writes it, or an SSH key. Errors: Unopened."""
    try:
        if "PRIVATE KEY" in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        identities = [pyrage.x25519.Identity.from_str(line) for line in lines]
    except pyrage.IdentityError:
        identities = []
    if not identities:
        raise Unopened("bad_identity")
    return identities


def _open_by_keys(source: BinaryIO, keys: Sequence[object], take: Callable[[bytes], None], piece: int) -> None:
    into = _Taking(take, piece)
    try:
        pyrage.decrypt_io(source, into, list(keys))
    except (pyrage.DecryptError, OSError) as wrong:
        if into.broken is not None:
            raise into.broken from None
        other = "No matching keys" in str(wrong) or "no identity" in str(wrong).lower()
        raise Unopened("other_key" if other else "torn_file") from None
    into.rest()


class _Taking(io.RawIOBase):
    """A file whose bytes are handed on in pieces of one size."""

    def __init__(self, take: Callable[[bytes], None], size: int) -> None:
        super().__init__()
        self._take, self._size, self._held = take, size, bytearray()
        self.broken: BaseException | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        while len(self._held) >= self._size:
            try:
                self._take(bytes(self._held[: self._size]))
            except BaseException as broken:  # age would make an error of its own of it.
                self.broken = broken
                raise
            del self._held[: self._size]
        return len(data)

    def rest(self) -> None:
        if self._held:
            self._take(bytes(self._held))
            self._held.clear()
