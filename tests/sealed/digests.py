"""What an address looks like to whoever suspects it and has no key: its hashes, and those with guessed keys."""

import hashlib
import hmac
from collections.abc import Iterable, Iterator


def windows(values: Iterable[bytes]) -> set[bytes]:
    """Every 16 bytes in a row that a short value holds, also where it is written in hexadecimal."""
    found: set[bytes] = set()
    for value in values:
        if len(value) > 256:
            continue  # Sealed blobs, and pages for people; a digest has at most 64 bytes, 128 in hexadecimal.
        for held in (value, _unhexed(value)):
            found.update(held[at : at + 16] for at in range(len(held) - 15))
    return found


def _unhexed(value: bytes) -> bytes:
    try:
        return bytes.fromhex(value.decode())
    except ValueError:
        return b""


PLAIN = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "blake2b", "blake2s")
KEYED = ("md5", "sha1", "sha256", "sha512")
GUESSES = (
    b"", bytes(16), bytes(32), b"samizdat", b"secret", b"key", b"index", b"blind", b"subscriber", b"people", b"tokens",
    b"northern-lantern", b"Northern Lantern", b"not yet derived from the instance key",
)  # fmt: skip


def plain_marks(text: bytes) -> Iterator[bytes]:
    for name in PLAIN:
        digest = hashlib.new(name, text).digest()
        yield digest[:16]
        yield digest[-16:]


def keyed_marks(text: bytes, keys: Iterable[bytes]) -> Iterator[bytes]:
    for key in keys:
        for name in KEYED:
            yield hmac.digest(key, text, name)[:16]
        yield hashlib.sha256(key + text).digest()[:16]
        yield hashlib.sha256(text + key).digest()[:16]
