"""A message that came in, sealed before anybody looks into it: by whoever takes it in, with the public key alone.

Layout of a box: number of the box key (u32), then the box of core/crypto/seal of an Envelope as MessagePack, padded.
"""

import struct
from collections.abc import Mapping

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


class EnvelopeSealer:
    """For messages that come in together. key: number and X25519 public key; ephemeral as of seal.BoxSealer. Errors:
    seal.NotSealable."""

    def __init__(self, organization: bytes, key: tuple[int, bytes], ephemeral: bytes) -> None:
        number, public = key
        self._head = struct.pack(">I", number)
        self._sealer = seal.BoxSealer(public, info(organization), ephemeral)

    def seal(self, envelope: Envelope, nonce: bytes) -> bytes:
        return self._head + self._sealer.seal(seal.padded(msgspec.msgpack.encode(envelope)), nonce)


class EnvelopeOpener:
    """Opens what came in for one organization. organization: its uid; boxes: number of a box key -> private key."""

    def __init__(self, organization: bytes, boxes: Mapping[int, bytes]) -> None:
        self._openers = {number: seal.BoxOpener(private, info(organization)) for number, private in boxes.items()}

    def open(self, box: bytes) -> Envelope:
        """Errors: seal.SealError, msgspec.DecodeError, and KeyError for a key that is not here."""
        padded = self._openers[int.from_bytes(box[:4])].open(box[4:])
        return msgspec.msgpack.decode(seal.unpadded(padded), type=Envelope)
