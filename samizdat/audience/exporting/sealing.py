"""Sealed to a recipient on the way out, in the age format (age-encryption.org/v1): the `age` command opens it too."""

import io
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import pyrage
from django.utils.translation import gettext as _

from samizdat.audience.exporting.errors import ExportRefused
from samizdat.audience.exporting.packing import Out

# A chunk of age's stream, and what a pipe takes at once on Linux.
PIECE = 64 << 10
MOST_RECIPIENTS = 20
_SECRET = "AGE-SECRET-KEY-"
# A file sealed by passphrase is opened in memory, twice its size: 200 MB are some two million subscribers.
MOST_BY_PASSPHRASE = 200 << 20


def recipient(text: str) -> Any:
    """A public key as a person gives it: `age1…`, or a line of an SSH public key. Errors: ExportRefused."""
    text = text.strip()
    if text.upper().startswith(_SECRET) or "PRIVATE KEY" in text:
        raise ExportRefused(
            "secret_key",
            _("This is a secret key. Keep it to yourself, and give the public one: it begins with age1."),
        )
    try:
        if text.startswith("ssh-"):
            return pyrage.ssh.Recipient.from_str(text)
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        sentence = _(
            "“%(key)s” is no age key. Make one with `age-keygen` and give its public key: it begins with age1."
        )
        raise ExportRefused("bad_recipient", sentence % {"key": text[:80]}) from None


def recipients(texts: Sequence[str]) -> list[Any]:
    """Errors: ExportRefused, also for none or too many."""
    keys = [recipient(text) for text in texts if text.strip()]
    if not keys:
        raise ExportRefused("no_recipient", _("Say to whose age key the file is sealed, or ask for a plain one."))
    if len(keys) > MOST_RECIPIENTS:
        raise ExportRefused("many_recipients", _("A file can be sealed to 20 keys at most."))
    return keys


class SealedOut:
    """Something to write to; what comes out of it sealed is written on to `out`, by the thread that writes.

    pyrage pulls, we push: a pipe lies between, and its end writes into memory, which is emptied after each write.
    """

    def __init__(self, out: Out, keys: Sequence[Any]) -> None:
        self._out = out
        self._made: deque[bytes] = deque()
        read_end, write_end = os.pipe()
        self._in = os.fdopen(write_end, "wb", buffering=0)
        self._broken: BaseException | None = None
        source = os.fdopen(read_end, "rb", buffering=PIECE)
        self._thread = threading.Thread(target=self._seal, args=(source, list(keys)), name="sealing", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            try:
                view = view[self._in.write(view) :]
            except BrokenPipeError:
                self._raise()
        self._on()
        return len(data)

    def close(self) -> None:
        """The end of the stream: without it age refuses the file as cut short."""
        self._in.close()
        self._thread.join()
        self._raise()
        self._on()

    def stop(self) -> None:
        """After something broke: the file is not finished, so nobody takes it for whole."""
        self._in.close()
        self._thread.join()

    def _on(self) -> None:
        while self._made:
            self._out.write(self._made.popleft())

    def _raise(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _seal(self, source: BinaryIO, keys: list[Any]) -> None:
        with source:
            try:
                pyrage.encrypt_io(source, _Into(self._made), keys)
            except BaseException as broken:
                self._broken = broken


class _Into(io.RawIOBase):
    """A file whose bytes are put into a queue."""

    def __init__(self, made: deque[bytes]) -> None:
        super().__init__()
        self._made = made

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._made.append(bytes(data))
        return len(data)


def is_sealed(head: bytes) -> bool:
    return head.startswith(b"age-encryption.org/v1")


def is_by_passphrase(head: bytes) -> bool:
    """Whether a sealed file asks for a passphrase and no key: then nothing else stands in its heading."""
    return is_sealed(head) and head.partition(b"\n")[2].startswith(b"-> scrypt ")


def identities(text: str) -> list[Any]:
    """Secret keys of a file as age-keygen writes it, or an SSH key. Errors: ExportRefused."""
    try:
        if "PRIVATE KEY" in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise ExportRefused("bad_identity", _("This is no age key file. Give the file that `age-keygen` wrote."))
    return found


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


def open_sealed(source: BinaryIO, keys: Sequence[Any], take: Callable[[bytes], None], size: int) -> None:
    """Opens a sealed file; `take` is called with one piece of `size` bytes after the other, the last one shorter.

    Errors: ExportRefused for a file that is sealed to somebody else, cut short or altered.
    """
    into = _Taking(take, size)
    try:
        pyrage.decrypt_io(source, into, list(keys))
    except (pyrage.DecryptError, OSError) as wrong:
        if into.broken is not None:
            raise into.broken from None
        if "No matching keys" in str(wrong) or "no identity" in str(wrong).lower():
            sentence = _("This file is sealed to another key. Give the key file of the one it was made for.")
            raise ExportRefused("other_key", sentence) from None
        sentence = _("This sealed file is damaged or cut short. Copy it again from where it was made.")
        raise ExportRefused("torn_file", sentence) from None
    into.rest()


def open_by_secret(source: BinaryIO, secret: str, take: Callable[[bytes], None], size: int) -> None:
    """Opens a sealed file by what somebody has for it: the text of an age key file, or the passphrase it was sealed by.

    Errors: ExportRefused.
    """
    head = source.read(64)
    source.seek(0)
    if not is_by_passphrase(head):
        open_sealed(source, identities(secret), take, size)
        return
    data = source.read(MOST_BY_PASSPHRASE + 1)
    if len(data) > MOST_BY_PASSPHRASE:
        sentence = _("More than 200 MB are sealed by a passphrase. Open the file with `age -d`, then bring it in.")
        raise ExportRefused("too_large", sentence)
    try:
        plain = pyrage.passphrase.decrypt(data, secret.strip("\r\n"))
    except (pyrage.DecryptError, ValueError):
        sentence = _("This passphrase does not open the file, or the file is damaged. Type it again.")
        raise ExportRefused("other_key", sentence) from None
    del data
    for at in range(0, len(plain), size):
        take(plain[at : at + size])
