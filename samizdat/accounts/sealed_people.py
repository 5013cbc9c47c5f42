"""What is sealed about a person, under a key of the instance: their address and their name."""

import os

from samizdat.accounts.models import Person
from samizdat.core.crypto import seal
from samizdat.core.mail import address
from samizdat.vault import keyring

_INSTANCE = bytes(16)


def index_of(email: str) -> bytes:
    """Blind index of an address, for finding a person without storing it in the clear."""
    return seal.blind(keyring.derive("people index"), address.comparable(address.normalize(email)))


def has_address(person: Person, email: str) -> bool:
    """Whether they sign in by this address as it is sealed: the index beside it may be another one's."""
    try:
        held = address.normalize(email_of(person))
    except (seal.SealError, address.BadAddress):
        return False
    return address.comparable(held) == address.comparable(address.normalize(email))


def seal_text(text: str, column: str, number: int) -> bytes:
    return _key().seal(text.encode(), seal.where("person", column, _INSTANCE, number), os.urandom(12))


def open_text(blob: bytes | memoryview, column: str, number: int) -> str:
    if not blob:
        return ""
    ring = seal.KeyRing({1: _key()})
    return ring.open(bytes(blob), seal.where("person", column, _INSTANCE, number)).decode()


def _key() -> seal.Key:
    return seal.Key(1, keyring.derive("people"))


def email_of(person: Person) -> str:
    return open_text(person.email_sealed, "email", person.pk)


def name_of(person: Person) -> str:
    """What colleagues see: their name, or the part of their address before the @."""
    return open_text(person.name_sealed, "name", person.pk) or email_of(person).split("@")[0]
