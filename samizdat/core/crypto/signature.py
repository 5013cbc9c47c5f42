"""Ed25519 signatures (RFC 8032) of what one process says and another one shows: whoever checks them makes none.

They are deterministic: the same words have the same signature.
"""

import functools

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

# So that no signature of ours means anything elsewhere.
_ABOUT = b"samizdat\0published\0"


def sign(seed: bytes, message: bytes) -> bytes:
    """64 bytes. seed: the private key, 32 bytes."""
    return _private(seed).sign(_ABOUT + message)


@functools.lru_cache(maxsize=2)
def public_key(seed: bytes) -> bytes:
    """What checks the signatures made with `seed`, 32 bytes."""
    return _private(seed).public_key().public_bytes_raw()


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _ABOUT + message)
    except InvalidSignature:
        return False
    return True


@functools.lru_cache(maxsize=2)
def _private(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)
