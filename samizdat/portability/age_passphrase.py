"""Sealed by a passphrase that is made here, in the age format (age-encryption.org/v1, recipient type scrypt), for who
has no age key. `age -d` asks for it.

The passphrase is shown once and kept nowhere. What seals the file is its file key, which is drawn with the passphrase
and lies sealed beside the request until the file is made: so the file can be made later, by another process, and of
any size (pyrage seals by a passphrase only what fits in memory).
"""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from samizdat.portability.age_decryption import MAGIC
from samizdat.portability.zip_stream import ZipOutput

# 25 of 32 letters are 125 bits. Without 0, 1, l and o, which look like others on paper.
LETTERS = "23456789abcdefghijkmnpqrstuvwxyz"
GROUPS, GROUP = 5, 5
# Scrypt takes 1 KB times two to this power. `age` takes 18 for what people think up; nobody tries 2**125, and 16 MB fit
# into the process of the app.
WORK = 14
CHUNK = 64 << 10


class PassphraseSeal(Struct, frozen=True):
    """What a file is sealed with. `heading`: its first bytes, from which the passphrase gets the file key."""

    heading: bytes
    file_key: bytes


def new_passphrase() -> str:
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))


def seal_for(passphrase: str) -> PassphraseSeal:
    """A fresh file key, and the heading that gives it to whoever has the passphrase."""
    salt, file_key = os.urandom(16), os.urandom(16)
    wrapping = hashlib.scrypt(
        passphrase.encode(), salt=b"age-encryption.org/v1/scrypt" + salt, n=1 << WORK, r=8, p=1, dklen=32
    )
    wrapped = ChaCha20Poly1305(wrapping).encrypt(bytes(12), file_key, None)
    heading = MAGIC + b"-> scrypt %b %d\n%b\n---" % (_base64(salt), WORK, _base64(wrapped))
    proof = hmac.digest(_derived(file_key, None, b"header"), heading, "sha256")
    return PassphraseSeal(heading + b" %b\n" % _base64(proof), file_key)


class PassphraseOut:
    """Something to write to; what comes out of it sealed is written on to `out`."""

    def __init__(self, out: ZipOutput, seal: PassphraseSeal) -> None:
        nonce = os.urandom(16)  # Of each file anew: one that was begun twice has two keys.
        self._cipher = ChaCha20Poly1305(_derived(seal.file_key, nonce, b"payload"))
        self._nonces = _nonces()
        self._held = bytearray()
        self._out = out
        out.write(seal.heading + nonce)

    def write(self, data: bytes) -> int:
        self._held += data
        while len(self._held) > CHUNK:  # The last one is sealed as the last, so a full one waits for the next.
            self._put(bytes(self._held[:CHUNK]), last=False)
            del self._held[:CHUNK]
        return len(data)

    def close(self) -> None:
        """The end of the stream: without it age refuses the file as cut short."""
        self._put(bytes(self._held), last=True)
        self._held.clear()

    def stop(self) -> None:
        """After something broke: the file is not finished, so nobody takes it for whole."""
        self._held.clear()

    def _put(self, chunk: bytes, *, last: bool) -> None:
        self._out.write(self._cipher.encrypt(next(self._nonces) + bytes([last]), chunk, None))


def _nonces() -> Iterator[bytes]:
    number = 0
    while True:
        yield number.to_bytes(11, "big")
        number += 1


def _derived(file_key: bytes, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(file_key)


def _base64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")
