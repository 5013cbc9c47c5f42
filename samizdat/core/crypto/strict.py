"""Keys of a strict organization: wrapped once more under one that only its people make, each by a passphrase. For ever
as docs/key-formats.md has them."""

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from samizdat.core.crypto import seal
from samizdat.core.crypto.passphrase import KEY_BYTES, NONCE_BYTES, TAG_BYTES, WrappedSecret

MARK = 4
# Of a wrapped key; that of a box has its public key before it.
_PLAIN = 1 + NONCE_BYTES + KEY_BYTES + TAG_BYTES
_LENGTHS = (_PLAIN, _PLAIN + KEY_BYTES)


def wrap(strict_key: bytes, secret: bytes, label: str, nonce: bytes, public: bytes = b"") -> bytes:
    """public: of a box, which is sealed to while nobody has the strict key."""
    head = bytes([MARK]) + public
    return head + nonce + AESGCM(strict_key).encrypt(nonce, secret, _about(head, label))


def is_wrapped(inner: bytes) -> bool:
    """Whether what the instance key opens has to be opened once more."""
    return len(inner) in _LENGTHS and inner[0] == MARK


def unwrap(strict_key: bytes, inner: bytes, label: str) -> bytes:
    """Errors: SealBroken."""
    head, rest = inner[: 1 + len(inner) - _PLAIN], inner[1 + len(inner) - _PLAIN :]
    try:
        return AESGCM(strict_key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], _about(head, label))
    except InvalidTag:
        raise seal.SealBroken("This isn't the strict key of this organization.") from None


def public_of(inner: bytes) -> bytes:
    """The public key of a wrapped box key."""
    return inner[1 : 1 + len(inner) - _PLAIN]


def _about(head: bytes, label: str) -> bytes:
    return b"samizdat\0strict\0" + head + label.encode()


def info(uid: bytes) -> bytes:
    """What a strict key is sealed for, to one of its people."""
    return b"samizdat strict key\0" + uid


@dataclass(frozen=True, slots=True)
class WrappedPerson(WrappedSecret):
    """The private key of one of its people, under their passphrase. owner: the organization's uid in hex."""

    HEADING = "samizdat strict key 1"
    OWNER = "organization", "([0-9a-f]{2})+"
    WRONG = "This isn't the passphrase. Check keyboard layout and Caps Lock, and enter it again."
