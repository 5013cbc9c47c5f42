"""Sealed to a recipient on the way out, in the age format (age-encryption.org/v1): the `age` command opens it too. What
comes in sealed is opened by age_decryption.py, in a process of its own."""

import io
import os
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, BinaryIO

import pyrage
from django.utils.translation import gettext as _

from samizdat.portability.errors import ExportRefused
from samizdat.portability.zip_stream import ZipOutput

# A chunk of age's stream, and what a pipe takes at once on Linux.
PIECE = 64 << 10
MOST_RECIPIENTS = 20
_SECRET = "AGE-SECRET-KEY-"


def recipient(text: str) -> object:
    """A public key as a person gives it: `age1…`, or a line of an SSH public key. Errors: ExportRefused."""
    text = text.strip()
    if text.upper().startswith(_SECRET) or "PRIVATE KEY" in text:
        raise ExportRefused(
            "secret_key",
            _("This is a secret key. Keep it private and enter the public key: it begins with age1."),
        )
    try:
        if text.startswith("ssh-"):
            return pyrage.ssh.Recipient.from_str(text)
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        sentence = _(
            "“%(key)s” isn’t an age key. Create one with `age-keygen` and enter its public key: it begins with age1."
        )
        raise ExportRefused("bad_recipient", sentence % {"key": text[:80]}) from None


def recipients(texts: Sequence[str]) -> list[object]:
    """Errors: ExportRefused, also for none or too many."""
    keys = [recipient(text) for text in texts if text.strip()]
    if not keys:
        raise ExportRefused(
            "no_recipient", _("Enter the age key to encrypt the file to, or request an unencrypted file.")
        )
    if len(keys) > MOST_RECIPIENTS:
        raise ExportRefused("many_recipients", _("A file can be encrypted to 20 keys at most."))
    return keys


class SealedOut:
    """Something to write to; what comes out of it sealed is written on to `out`, by the thread that writes.

    pyrage pulls, we push: a pipe lies between, and its end writes into memory, which is emptied after each write.
    """

    def __init__(self, out: ZipOutput, keys: Sequence[object]) -> None:
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

    def _seal(self, source: BinaryIO, keys: Sequence[object]) -> None:
        with source:
            try:
                pyrage.encrypt_io(source, _Into(self._made), keys)
            except BaseException as broken:
                self._broken = broken


class _Into(io.RawIOBase):
    """A file whose bytes are put into a queue."""

    def __init__(self, chunks: deque[bytes]) -> None:
        super().__init__()
        self._made = chunks

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._made.append(bytes(data))
        return len(data)
