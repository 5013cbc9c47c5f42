"""A message that came in, sealed before anybody looks into it: by whoever takes it in, with the public key alone.

Layout of a box: number of the box key (u32), then the box of core/crypto/seal of an Envelope as MessagePack, padded.
"""

import struct
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from samizdat.core.bounce import mime
from samizdat.core.crypto import seal

# Bytes of a message that are kept; of a longer one the beginning, which is where a report stands.
MOST = 10 << 20
# Bytes of a message that the listener takes; pipes and mailboxes have no limit. No provider is known to send larger
# ones: Exchange Online allows 150 MB.
MOST_RECEIVED = 200 << 20


def most_of(size: int) -> int:
    """Bytes that are kept at most of a message with so many: of what nobody takes apart, no more than is read of any
    report."""
    return MOST if size <= mime.MOST_BYTES else mime.BYTES_READ


def kept(size: int) -> int:
    return min(size, most_of(size))


class MessageBeginning:
    """A message as it comes in, piece by piece, of which at most so many bytes are held."""

    def __init__(self, most: int) -> None:
        self.size = 0  # Bytes of all of it.
        self._held, self._most = bytearray(), most

    @property
    def raw(self) -> bytes:
        return bytes(self._held)

    def add(self, piece: bytes) -> None:
        self._held += piece[: self._most - len(self._held)]
        self.size += len(piece)

    @classmethod
    def of(cls, pieces: Iterable[bytes], most: int) -> "MessageBeginning":
        message = cls(most)
        for piece in pieces:
            message.add(piece)
        return message


class Envelope(Struct, frozen=True):
    """A message, the addresses it was delivered to, and how many bytes it had."""

    to: tuple[str, ...]
    size: int
    raw: bytes

    @classmethod
    def of(cls, to: Iterable[str], raw: bytes, size: int) -> "Envelope":
        """raw: the message, or its beginning."""
        return cls(tuple(to), size, raw[: most_of(size)])


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
