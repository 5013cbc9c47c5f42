"""Something the house lays out in the public database for one reader, sealed so that her secret alone finds and opens
it.

The secret stands in a link that she holds: a token of ours, or a token and 16 random bytes that her press made. In the
public database there is a hash of it and a box; neither says whose it is, and whoever copies the public database opens
none.

    0   12   nonce
    12   n   AES-256-GCM ciphertext and tag of the text, padded with blanks to a multiple of STEP bytes
    key: derive(secret, "sheet"); associated data: "samizdat" NUL "sheet"
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


def close(secret: str, text: str, nonce: bytes) -> bytes:
    """`nonce`: 12 random bytes."""
    plain = text.encode()
    padded = plain.ljust(-(-len(plain) // STEP) * STEP)
    return nonce + _cipher(secret).encrypt(nonce, padded, _ABOUT)


def read(secret: str, box: bytes) -> str:
    """What close() sealed. Errors: seal.SealBroken."""
    try:
        return _cipher(secret).decrypt(box[:12], box[12:], _ABOUT).rstrip(b" ").decode()
    except (InvalidTag, ValueError):
        raise seal.SealBroken from None


def _cipher(secret: str) -> AESGCM:
    return AESGCM(seal.derive(secret.encode(), "sheet"))
