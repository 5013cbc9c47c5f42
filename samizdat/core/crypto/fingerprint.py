"""Which installation a key belongs to, in ten characters (docs/key-formats.md)."""

from samizdat.core.crypto.passphrase import base32

# What it is derived for from the instance key.
PURPOSE = "key fingerprint"


def text(derived: bytes) -> str:
    """Of the key that is derived for it: its first 50 bits."""
    characters = base32(derived)
    return f"{characters[:5]}-{characters[5:10]}"


def first_word(derived: bytes) -> int:
    """Its first 10 bits, which stand first in every share of the key."""
    return int.from_bytes(derived[:2]) >> 6
