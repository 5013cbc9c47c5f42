"""A secret key as age writes it (age-encryption.org/v1, "X25519 recipient type"): Bech32 of 32 bytes (BIP 173)."""

from collections.abc import Iterable, Iterator

_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_PREFIX = "age-secret-key-"


def identity(secret: bytes) -> str:
    """AGE-SECRET-KEY-1… of 32 bytes. Errors: ValueError for any other number of them."""
    if len(secret) != 32:
        raise ValueError("A secret key of age has 32 bytes.")
    words = list(_words_of_five_bits(secret))
    return f"{_PREFIX}1{''.join(_LETTERS[word] for word in [*words, *_checksum(words)])}".upper()


def _words_of_five_bits(secret: bytes) -> Iterator[int]:
    bits = len(secret) * 8
    padding = -bits % 5
    number = int.from_bytes(secret) << padding
    for at in range(bits + padding - 5, -1, -5):
        yield number >> at & 31


def _checksum(words: list[int]) -> list[int]:
    prefix = [*(ord(letter) >> 5 for letter in _PREFIX), 0, *(ord(letter) & 31 for letter in _PREFIX)]
    remainder = _polymod([*prefix, *words, 0, 0, 0, 0, 0, 0]) ^ 1
    return [remainder >> 5 * (5 - place) & 31 for place in range(6)]


def _polymod(words: Iterable[int]) -> int:
    value = 1
    for word in words:
        top = value >> 25
        value = (value & 0x1FFFFFF) << 5 ^ word
        for place, generator in enumerate(_GENERATORS):
            value ^= generator if top >> place & 1 else 0
    return value
