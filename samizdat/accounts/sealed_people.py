"""What is sealed about a person, under a key of the instance: their address and their name."""

import hmac
import os
from collections.abc import Iterable
from typing import Any, Protocol

from samizdat.core.crypto import seal
from samizdat.core.mail import address
from samizdat.vault import keyring

_INSTANCE = bytes(16)


class SealedPerson(Protocol):
    """A row of models.Person, which uses this module."""

    pk: Any
    email_sealed: Any
    name_sealed: Any


def index_of(email: str, number: int | None = None) -> bytes:
    """Stands for an address, and nowhere in the database: it would be the same beside each account at it. number: of a
    former instance key, by which passwords were set."""
    former = {each.number: each.key for each in keyring.former("people index")} if number else {}
    key = former.get(number or 0) or keyring.derive("people index")
    return seal.blind(key, address.comparable(address.normalize(email)))


def index_of_person(person: SealedPerson, number: int | None = None) -> bytes:
    """Errors: seal.SealError."""
    return index_of(email_of(person), number)


def hash_of(index: bytes, number: int) -> bytes:
    """By which the person with this number is found at the address of this index."""
    return seal.keyed_hash(keyring.derive("people hashes"), f"{number} {index.hex()}")[:16]


def numbers_at(index: bytes, hashes: Iterable[tuple[int, bytes | memoryview]]) -> list[int]:
    """Which of these persons (number, hash) are at an address. It takes a microsecond for each, whoever they are."""
    return [number for number, kept in hashes if hmac.compare_digest(bytes(kept), hash_of(index, number))]


def has_address(person: SealedPerson, email: str) -> bool:
    """Whether they sign in by this address as it is sealed."""
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


def email_of(person: SealedPerson) -> str:
    return open_text(person.email_sealed, "email", person.pk)


def name_of(person: SealedPerson) -> str:
    """What colleagues see: their name, or the part of their address before the @."""
    return open_text(person.name_sealed, "name", person.pk) or email_of(person).split("@")[0]
