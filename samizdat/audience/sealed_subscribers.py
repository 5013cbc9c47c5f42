"""What is sealed of a subscriber: their values, and behind them the beginning of the keyed index of their address.

An older blob of theirs opens as well. The suppression list is asked by the index that stands in the row, and a sender
has no key to compute that of an address: it compares bytes, so that nobody is written to at a mailbox that they left.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from samizdat.accounts.models import Organization
from samizdat.core.crypto import seal
from samizdat.vault.keyring import OrganizationKeys

# Table and column as the seal knows them: part of every blob's associated data, for ever.
COLUMN = ("subscriber", "sealed")

# Bytes of the index behind the values.
MARK = 8


class SealedSubscriber(Protocol):
    """A row of a subscriber, or as much of it as says who they are."""

    @property
    def id(self) -> int: ...
    @property
    def number(self) -> int: ...
    @property
    def organization(self) -> Organization: ...
    @property
    def sealed(self) -> bytes | memoryview: ...


def sealer(keys: OrganizationKeys) -> seal.SubscriberSealer:
    """For many: seal(packed values, number, nonce, index[:MARK])."""
    assert keys.data is not None
    return keys.data.bound(*COLUMN, keys.uid)


def opener(keys: OrganizationKeys) -> seal.SealOpener:
    """For many: open(blob, number) gives packed values, open_with_tail() the mark as well."""
    assert keys.ring is not None
    return keys.ring.bound(*COLUMN, keys.uid, MARK)


def sealed(keys: OrganizationKeys, values: Mapping[int, str], number: int, index: bytes) -> bytes:
    """index: of their address, as their row has it."""
    return keys.seal(seal.pack(values) + index[:MARK], *COLUMN, number)


def opened(keys: OrganizationKeys, blob: bytes | memoryview, number: int) -> bytes:
    """Their packed values. Errors: seal.SealError."""
    return opener(keys).open(bytes(blob), number)


def own_index(index: bytes | memoryview, blinds: Iterable[bytes]) -> bytes:
    """Which of the indexes of an address belongs into the blob: that of the row, where it is among them, else the
    current key's."""
    first, *others = blinds
    return next((blind for blind in others if blind == bytes(index)), first)
