"""Signed tokens: every link, return address and Message-ID that leaves the house.

A token shows nothing, is bound to one purpose, does not know the host name, and therefore survives a move,
a new domain and a rotation of keys (the old key stays readable).

The layout is for ever, since tokens lie in mailboxes. All numbers are big-endian.

    0   4   number of the link key (random u32, so that two organizations' mails have nothing in common)
    4  16   AES-256 block of edition (u64) and subscriber number (u64)
    20 12   HMAC-SHA256 over bytes 0 to 19, cut

    32 bytes in lower-case base32 (RFC 4648) without padding: 52 characters, [a-z2-7]
    block key: derive(secret, "link/PURPOSE/block"); tag key: derive(secret, "link/PURPOSE/tag")

One block under its own key needs no mode and no nonce, and the same edition and subscriber give the same
token: that is wanted, a second try of a message must carry the same Message-ID.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from samizdat.core.crypto import seal

# A purpose is part of the key, so a token for one opens nothing of another. Names are for ever; append only.
PURPOSES = (
    *("leave", "return", "message-id", "confirm", "preferences", "archive", "test", "undo"),
    *("data", "erase", "move", "allow"),  # proven by their mailbox: the public process can neither make nor read one
    *("click", "answer"),  # the same for all readers: which link of an edition it is, or which answer to a question
    "stay",  # their answer to a letter that asks again
    "by-mail",  # what somebody asks for by email, proven by their mailbox too
    "asks",  # their yes to appeals for money, proven by their mailbox as well
    "probe",  # a test message to the return address: when it was sent, and the mailbox by which it comes back
    "webhook",  # of no reader: by which route a sending provider delivers its news
)

TOKEN_CHARACTERS = 52
_TAG_BYTES = 12

_u32 = struct.Struct(">I")
_two = struct.Struct(">QQ")


class BadToken(ValueError):
    """Not a token of this house for this purpose. ``code``: "shape", "unknown_key" or "tag"."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__("This link is not complete or not from here: copy the whole link from the letter.")


@dataclass(frozen=True, slots=True)
class LinkKey:
    """A link key: a random u32 that stands in every token, and 32 secret bytes."""

    number: int
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.number <= 0xFFFFFFFF:
            raise ValueError("The number of a link key is a u32: take int.from_bytes(os.urandom(4)).")
        if len(self.secret) != 32:
            raise ValueError("A link key has 32 secret bytes: take os.urandom(32).")


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says. ``edition`` is 0 where the purpose knows none."""

    edition: int
    number: int
    key_number: int


def _keys(key: LinkKey, purpose: str) -> tuple[bytes, bytes]:
    if purpose not in PURPOSES:
        raise ValueError(f"Tokens have no purpose {purpose!r}: add it to PURPOSES.")
    return seal.derive(key.secret, f"link/{purpose}/block"), seal.derive(key.secret, f"link/{purpose}/tag")


def make(key: LinkKey, purpose: str, edition: int, number: int) -> str:
    """The token of one subscriber and edition (each u64), 52 characters. For more than one, take a Maker."""
    return TokenMaker(key, purpose)(edition, number)


def read(
    keys: Mapping[int, LinkKey] | Callable[[int], LinkKey | None],
    purpose: str,
    text: str,
) -> Token:
    """What a token says, once its tag is proven under a key of ours.

    ``keys`` finds a link key by its number. Upper case and trailing "=" or "." are forgiven: mail servers
    change the case of addresses, readers copy the full stop along. Errors: BadToken.
    """
    find = keys.get if isinstance(keys, Mapping) else keys

    def one_purpose(number: int) -> bytes | None:
        key = find(number)
        return None if key is None else reading_key(key, purpose)

    return read_with(one_purpose, text)


def reading_key(key: LinkKey, purpose: str) -> bytes:
    """What reads tokens of one purpose and nothing else, 64 bytes: all that the public process may hold."""
    return b"".join(_keys(key, purpose))


def looking_key(key: LinkKey, purpose: str) -> bytes:
    """What tells what tokens of one purpose say, and neither proves nor makes one, 32 bytes."""
    return _keys(key, purpose)[0]


def target_key(key: LinkKey) -> bytes:
    """What the addresses behind counted links are sealed with, besides their codes; 32 bytes."""
    return seal.derive(key.secret, "link/target")


def look_with(keys: Mapping[int, bytes], text: str) -> Token:
    """What a token says, for who holds looking keys of one purpose only. It is not proven. Errors: BadToken."""
    raw = _bytes(text)
    number = _u32.unpack_from(raw)[0]
    if number not in keys:
        raise BadToken("unknown_key")
    return _opened(number, keys[number], raw)


def _opened(number: int, block_key: bytes, raw: bytes) -> Token:
    cipher = Cipher(algorithms.AES(block_key), modes.ECB()).decryptor()  # noqa: S305 - one block, no mode
    edition, subscriber = _two.unpack(cipher.update(raw[4:20]))
    return Token(edition, subscriber, number)


def key_number(text: str) -> int:
    """The number of the link key a token was made with; nothing is proven yet. Errors: BadToken."""
    number: int = _u32.unpack_from(_bytes(text))[0]
    return number


def read_with(keys: Mapping[int, bytes] | Callable[[int], bytes | None], text: str) -> Token:
    """read() for who holds reading keys only; they are of one purpose. Errors: BadToken."""
    raw = _bytes(text)
    find = keys.get if isinstance(keys, Mapping) else keys
    number = _u32.unpack_from(raw)[0]
    both = find(number)
    if both is None:
        raise BadToken("unknown_key")
    _prove(both[32:], raw)
    return _opened(number, both[:32], raw)


def _prove(tag_key: bytes, raw: bytes) -> None:
    if not hmac.compare_digest(hmac.digest(tag_key, raw[:20], "sha256")[:_TAG_BYTES], raw[20:]):
        raise BadToken("tag")


class TokenParser:
    """read() for many tokens of one purpose: 3 us each, where a cipher and a MAC for each take 17 more. One belongs to
    one thread, since it holds running ciphers."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Mapping[int, LinkKey], purpose: str) -> None:
        self._keys = {number: self._of(*_keys(key, purpose)) for number, key in keys.items()}

    @staticmethod
    def _of(block_key: bytes, tag_key: bytes) -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
        cipher = Cipher(algorithms.AES(block_key), modes.ECB())  # noqa: S305 - one block, no mode
        return cipher.decryptor().update, seal.mac_maker(tag_key)

    def __call__(self, text: str) -> Token:
        """Errors: BadToken."""
        raw = _bytes(text)
        number: int = _u32.unpack_from(raw)[0]
        if number not in self._keys:
            raise BadToken("unknown_key")
        block, mac = self._keys[number]
        if not hmac.compare_digest(mac(raw[:20])[:_TAG_BYTES], raw[20:]):
            raise BadToken("tag")
        edition, subscriber = _two.unpack(block(raw[4:20]))
        return Token(edition, subscriber, number)


def spelled(text: str) -> str:
    """The one spelling of a token, which its hash is taken of. Errors: BadToken."""
    return _spell(_bytes(text))


def _bytes(text: str) -> bytes:
    text = text.strip().rstrip("=.")
    # ASCII first: some foreign letters become ASCII ones in upper case, and one token has one spelling only.
    if len(text) != TOKEN_CHARACTERS or not text.isascii():
        raise BadToken("shape")
    try:
        bits = int(text.encode().translate(_DIGITS), 32)
    except ValueError:
        raise BadToken("shape") from None
    if bits & 0xF:  # 260 bits carry 256: the last four are zero, or a second spelling would pass
        raise BadToken("shape")
    return (bits >> 4).to_bytes(32)


class TokenMaker:
    """Makes the tokens of one key and purpose: cipher, tag states and key number are ready.

    maker(edition, number) -> 52 characters, about 2 us; maker.many(edition, numbers) for a whole chunk, about
    1 us each. One Maker belongs to one thread, since it holds a running cipher.
    """

    __slots__ = ("_block", "_head", "_mac", "key_number", "purpose")

    def __init__(self, key: LinkKey, purpose: str) -> None:
        block_key, tag_key = _keys(key, purpose)
        self.purpose = purpose
        self.key_number = key.number
        self._head = _u32.pack(key.number)
        self._block = Cipher(algorithms.AES(block_key), modes.ECB()).encryptor().update  # noqa: S305
        self._mac = seal.mac_maker(tag_key)

    def __call__(self, edition: int, number: int) -> str:
        signed = self._head + self._block(_two.pack(edition, number))
        return _spell(signed + self._mac(signed)[:_TAG_BYTES])

    def many(self, edition: int, numbers: Iterable[int]) -> list[str]:
        """The tokens of many subscribers of one edition, in the order of ``numbers``."""
        blocks = self._block(b"".join([_two.pack(edition, number) for number in numbers]))
        head, mac = self._head, self._mac
        pieces: list[bytes] = []
        for at in range(0, len(blocks), 16):
            signed = head + blocks[at : at + 16]
            pieces += (signed, mac(signed)[:_TAG_BYTES], b"\0\0\0")
        text = _base32(b"".join(pieces))
        return [text[at : at + TOKEN_CHARACTERS] for at in range(0, len(text), 56)]


def message_id(maker: TokenMaker, edition: int, number: int, domain: str) -> str:
    """The Message-ID of a message, with its angle brackets. ``maker`` is for the purpose "message-id".

    ``domain`` is a normalized one (address.domain): nothing is checked here, it is the hot path.
    """
    return f"<{maker(edition, number)}@{domain}>"


# base64.b32encode takes 2.1 us for a token, more than cipher and tag together. A whole number does the same
# regrouping of bits (40 -> 2x20 -> 4x10 -> 8x5) for all groups at once in a third of that.
_LETTERS = b"abcdefghijklmnopqrstuvwxyz234567"
_ALPHABET = bytes.maketrans(bytes(range(32)), _LETTERS)
# Back again, to the digits of Python's whole numbers, in a tenth of the time of base64.b32decode. What is no letter of
# ours is no digit either.
_DIGITS = bytes.maketrans(
    bytes(range(256)),
    bytes(
        b"0123456789abcdefghijklmnopqrstuv"[at] if (at := _LETTERS.find(bytes([code]).lower())) >= 0 else 0x21
        for code in range(256)
    ),
)
_GROUPS = 7  # 35 bytes: a token and three zero bytes
_UPPER_20 = 0xFFFFF_00000
_UPPER_10 = 0x000FFC00_000FFC00
_UPPER_5 = 0x03E0_03E0_03E0_03E0


def _masks(groups: int) -> tuple[int, int, int]:
    return (
        int.from_bytes(_UPPER_20.to_bytes(8) * groups),
        int.from_bytes(_UPPER_10.to_bytes(8) * groups),
        int.from_bytes(_UPPER_5.to_bytes(8) * groups),
    )


_M20, _M10, _M5 = _masks(_GROUPS)
_GAP = b"\0\0\0"
_cut = struct.Struct("5s5s5s5s5s5s2s").unpack


def _spell(token: bytes) -> str:
    """Lower-case base32 of 32 bytes."""
    bits = int.from_bytes(_GAP.join(_cut(token))) << 24
    bits += (bits & _M20) * 4095  # move the upper half of each lane up by 12 bits: x + (upper << 12) - upper
    bits += (bits & _M10) * 63
    bits += (bits & _M5) * 7
    return bits.to_bytes(8 * _GROUPS).translate(_ALPHABET)[:52].decode()


def _base32(data: bytes) -> str:
    """Lower-case base32 of a multiple of 5 bytes, without padding."""
    wide = bytearray(len(data) // 5 * 8)
    for i in range(5):
        wide[3 + i :: 8] = data[i::5]
    m20, m10, m5 = _masks(len(data) // 5)
    bits = int.from_bytes(wide)
    bits += (bits & m20) * 4095
    bits += (bits & m10) * 63
    bits += (bits & m5) * 7
    return bits.to_bytes(len(wide)).translate(_ALPHABET).decode()
