"""Keys that a passphrase makes, and what one opens, as a key file: for ever as docs/key-formats.md has them."""

import base64
import re
import unicodedata
from dataclasses import dataclass
from typing import ClassVar, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# Characters, after normalization: six words that have nothing to do with each other are about 30.
SHORTEST = 16
SALT_BYTES, NONCE_BYTES, KEY_BYTES, TAG_BYTES = 16, 12, 32, 16

# Nobody sees them, and keyboards and copied texts add some. By number and not by category, which changes with Unicode.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]"
)


class PassphraseError(ValueError):
    """The sentence says what to do."""


class PassphraseWrong(PassphraseError):
    """It is not the one."""


class NoMemory(PassphraseError):
    """Argon2id needs more than the machine gives."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of Argon2id (RFC 9106): memory in KiB, passes, lanes."""

    memory: int = 262144
    passes: int = 3
    lanes: int = 4


# A file that asks for more was not written by us: whoever writes one could fill the memory.
MOST = Cost(4194304, 64, 64)


def normalized(typed: str) -> str:
    """What counts of a passphrase: the same one gives other characters on other keyboards and systems.

    Errors: PassphraseError for half a character, as terminals give it that send no UTF-8.
    """
    if any("\ud800" <= character <= "\udfff" for character in typed):
        raise PassphraseError("The passphrase isn't UTF-8 text. Set the terminal, or save the file, to UTF-8.")
    return " ".join(re.split("[ \t\r\n]+", unicodedata.normalize("NFKC", _INVISIBLE.sub("", typed)))).strip(" ")


def check_new(typed: str) -> None:
    """Errors: PassphraseError for one that is too short, or may not be the same with another keyboard or Unicode."""
    text = normalized(typed)
    if any(unicodedata.category(character) in ("Cn", "Co", "Cc") for character in text):
        raise PassphraseError(
            "The passphrase has a character that can't be typed reliably. Leave it out, and enter the rest again."
        )
    if len(text) < SHORTEST or len(set(text)) < 6:
        raise PassphraseError(
            f"The passphrase is too easy to guess. Use at least {SHORTEST} characters, for example six unrelated words."
        )


def key_of(typed: str, salt: bytes, cost: Cost) -> bytes:
    """The 32 bytes that a passphrase makes. Errors: PassphraseError, NoMemory."""
    # Only where there is a passphrase.
    from argon2.exceptions import HashingError
    from argon2.low_level import Type, hash_secret_raw

    try:
        return hash_secret_raw(
            normalized(typed).encode(), salt, cost.passes, cost.memory, cost.lanes, KEY_BYTES, Type.ID
        )
    except HashingError:
        raise NoMemory(
            f"This machine doesn't have the {cost.memory // 1024:,} MiB of memory that the passphrase needs. Stop "
            "another program and try again."
        ) from None


# -- what one opens ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WrappedSecret:
    """32 bytes under a passphrase, as four lines: everything but the passphrase. owner: what they belong to."""

    HEADING: ClassVar[str]
    OWNER: ClassVar[tuple[str, str]]  # The word before it, and its pattern.
    WRONG: ClassVar[str]

    owner: str
    cost: Cost
    salt: bytes
    sealed: bytes  # Nonce, ciphertext and tag.

    @classmethod
    def wrap(cls, secret: bytes, typed: str, owner: str, salt: bytes, nonce: bytes, cost: Cost | None = None) -> Self:
        """salt, nonce: fresh random bytes, 16 and 12. Errors: PassphraseError, NoMemory."""
        cost = cost or Cost()
        about = cls(owner, cost, salt, b"").about
        sealed = nonce + AESGCM(key_of(typed, salt, cost)).encrypt(nonce, secret, about.encode())
        return cls(owner, cost, salt, sealed)

    @property
    def about(self) -> str:
        cost = f"{self.cost.memory} {self.cost.passes} {self.cost.lanes}"
        return f"{self.HEADING}\n{self.OWNER[0]} {self.owner}\nargon2id {cost} {base32(self.salt)}\n"

    @property
    def text(self) -> str:
        return f"{self.about}{base32(self.sealed)}\n"

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Errors: ValueError for what is none."""
        lines = [line.split() for line in text.strip().lower().splitlines()]
        if len(lines) != 4 or " ".join(lines[0]) != cls.HEADING:
            raise ValueError("not what a passphrase opens")
        (word, owner), (argon2id, *numbers, salt), (sealed,) = lines[1:]
        memory, passes, lanes = map(int, numbers)
        wrapped = cls(owner, Cost(memory, passes, lanes), from_base32(salt), from_base32(sealed))
        well_formed = (
            (word, argon2id) == (cls.OWNER[0], "argon2id")
            and re.fullmatch(cls.OWNER[1], owner)
            and 1 <= lanes <= MOST.lanes
            and 8 * lanes <= memory <= MOST.memory
            and 1 <= passes <= MOST.passes
            and len(wrapped.salt) == SALT_BYTES
            and len(wrapped.sealed) == NONCE_BYTES + KEY_BYTES + TAG_BYTES
        )
        if not well_formed:
            raise ValueError("not what a passphrase opens")
        return wrapped

    def open(self, typed: str) -> bytes:
        """The secret. Errors: PassphraseWrong, PassphraseError, NoMemory."""
        try:
            opener = AESGCM(key_of(typed, self.salt, self.cost))
            return opener.decrypt(self.sealed[:NONCE_BYTES], self.sealed[NONCE_BYTES:], self.about.encode())
        except InvalidTag:
            raise PassphraseWrong(self.WRONG) from None


@dataclass(frozen=True, slots=True)
class WrappedKey(WrappedSecret):
    """A key file with a passphrase. owner: the fingerprint of its key."""

    HEADING = "samizdat wrapped instance key 1"
    OWNER = "installation", "[a-z2-7]{5}-[a-z2-7]{5}"
    WRONG = "This isn't the passphrase of the key file. Check keyboard layout and Caps Lock, and enter it again."


def base32(data: bytes) -> str:
    return base64.b32encode(data).decode().lower().rstrip("=")


def from_base32(text: str) -> bytes:
    """Errors: ValueError."""
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8))
