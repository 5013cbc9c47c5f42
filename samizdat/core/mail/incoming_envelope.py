"""A message that came in, sealed before anybody looks into it: by whoever takes it in, with the public key alone.

Layout of a box: number of the box key (u32), then the box of core/crypto/seal of an Envelope as MessagePack, padded.
"""

import struct

import msgspec
from msgspec import Struct

from samizdat.core.crypto import seal

# Bytes of a message that are kept; of a longer one the beginning, which is where a report stands.
MOST = 10 << 20


class Envelope(Struct, frozen=True):
    """A message, the addresses it was delivered to, and how many bytes it had."""

    to: tuple[str, ...]
    size: int
    raw: bytes


def info(organization: bytes) -> bytes:
    """What such a box is for, as of seal.seal_to. organization: its uid."""
    return b"incoming mail\0" + organization


def sealed(organization: bytes, key: tuple[int, bytes], envelope: Envelope, ephemeral: bytes, nonce: bytes) -> bytes:
    """key: number and X25519 public key; ephemeral and nonce as of seal.seal_to. Errors: seal.NotSealable."""
    number, public = key
    padded = seal.padded(msgspec.msgpack.encode(envelope))
    return struct.pack(">I", number) + seal.seal_to(public, padded, info(organization), ephemeral, nonce)


def key_number(box: bytes) -> int:
    return int.from_bytes(box[:4])


def opened(organization: bytes, private: bytes, box: bytes) -> Envelope:
    """Errors: seal.SealError, msgspec.DecodeError."""
    padded = seal.open_sealed(private, box[4:], info(organization))
    return msgspec.msgpack.decode(padded[: padded.rfind(b"\x80")], type=Envelope)
