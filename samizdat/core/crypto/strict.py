"""Keys of a strict organization: wrapped once more under one that only its people make, each by a passphrase. For ever
as docs/key-formats.md has them."""

import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from samizdat.core.crypto import seal
from samizdat.core.crypto.passphrase import (
    KEY_BYTES,
    MOST,
    NONCE_BYTES,
    SALT_BYTES,
    Cost,
    PassphraseWrong,
    base32,
    from_base32,
    key_of,
)

HEADING = "samizdat strict key 1"
MARK, TAG_BYTES = 4, 16
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
class WrappedPerson:
    """The private key of one of its people, under their passphrase."""

    organization: str  # The uid in hex.
    cost: Cost
    salt: bytes
    sealed: bytes  # Nonce, ciphertext and tag.

    @property
    def about(self) -> str:
        cost = f"{self.cost.memory} {self.cost.passes} {self.cost.lanes}"
        return f"{HEADING}\norganization {self.organization}\nargon2id {cost} {base32(self.salt)}\n"

    @property
    def text(self) -> str:
        return f"{self.about}{base32(self.sealed)}\n"

    @classmethod
    def parsed(cls, text: str) -> "WrappedPerson":
        """Errors: ValueError for what is none."""
        lines = [line.split() for line in text.strip().lower().splitlines()]
        if len(lines) != 4 or " ".join(lines[0]) != HEADING:
            raise ValueError("not a strict key")
        (_organization, uid), (_argon2id, *numbers, salt), (sealed,) = lines[1:]
        memory, passes, lanes = map(int, numbers)
        wrapped = cls(uid, Cost(memory, passes, lanes), from_base32(salt), from_base32(sealed))
        well_formed = (
            (_organization, _argon2id) == ("organization", "argon2id")
            and re.fullmatch("([0-9a-f]{2})+", uid)
            and 1 <= lanes <= MOST.lanes
            and 8 * lanes <= memory <= MOST.memory
            and 1 <= passes <= MOST.passes
            and len(wrapped.salt) == SALT_BYTES
            and len(wrapped.sealed) == NONCE_BYTES + KEY_BYTES + TAG_BYTES
        )
        if not well_formed:
            raise ValueError("not a strict key")
        return wrapped

    def open(self, typed: str) -> bytes:
        """The private key. Errors: PassphraseWrong, PassphraseError, NoMemory."""
        try:
            opener = AESGCM(key_of(typed, self.salt, self.cost))
            return opener.decrypt(self.sealed[:NONCE_BYTES], self.sealed[NONCE_BYTES:], self.about.encode())
        except InvalidTag:
            raise PassphraseWrong(
                "This isn't the passphrase. Check keyboard layout and Caps Lock, and enter it again."
            ) from None


def wrap_person(private: bytes, typed: str, uid: bytes, salt: bytes, nonce: bytes, cost: Cost) -> WrappedPerson:
    """salt, nonce: fresh random bytes, 16 and 12. Errors: PassphraseError, NoMemory."""
    about = WrappedPerson(uid.hex(), cost, salt, b"").about
    sealed = nonce + AESGCM(key_of(typed, salt, cost)).encrypt(nonce, private, about.encode())
    return WrappedPerson(uid.hex(), cost, salt, sealed)
