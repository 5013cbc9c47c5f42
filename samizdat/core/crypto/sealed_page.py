"""Something the house lays out in the public database for one reader, sealed so that their secret alone finds and opens
it.

The secret stands in a link that they hold: a token of ours, or a token and 16 random bytes that their press made. In
the public database there is a hash of it and a box; neither says whose it is, and whoever copies the public database
opens none.

    0   12   nonce
    12   n   AES-256-GCM ciphertext and tag of the text, padded with blanks to a multiple of STEP bytes
    key: derive(secret and key, "sheet"); associated data: "samizdat" NUL "sheet"

Where many hold the same secret, as that of a link in everybody's letter, `key` is one of ours besides: whoever also
writes the database puts nothing of theirs in its place.
"""

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from samizdat.core.crypto import seal

# So that the length tells nothing of how many topics or letters there are.
STEP = 1024
_ABOUT = b"samizdat\0sheet"


def name(secret: str) -> bytes:
    """What the sheet is found by, 32 bytes. A secret has 96 random bits or more, so a plain hash can be tried by
    nobody."""
    return hashlib.sha256(b"samizdat\0sheet name\0" + secret.encode()).digest()


def close(secret: str, text: str, nonce: bytes, key: bytes = b"") -> bytes:
    """`nonce`: 12 random bytes."""
    plain = text.encode()
    padded = plain.ljust(-(-len(plain) // STEP) * STEP)
    return nonce + _cipher(secret, key).encrypt(nonce, padded, _ABOUT)


def read(secret: str, box: bytes, key: bytes = b"") -> str:
    """What close() sealed. Errors: seal.SealBroken."""
    try:
        return _cipher(secret, key).decrypt(box[:12], box[12:], _ABOUT).rstrip(b" ").decode()
    except (InvalidTag, ValueError):
        raise seal.SealBroken from None


def _cipher(secret: str, key: bytes) -> AESGCM:
    return AESGCM(seal.derive(secret.encode() + key, "sheet"))
