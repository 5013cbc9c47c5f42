"""Whom an edition is owed to: what stands in its chunks is sealed to edition and position, so that whoever writes the
database adds nobody and exchanges nobody.

A chunk of later tries has no seal, for its rows are made as servers answer: of it those go whom a sealed one holds.
"""

import hashlib
import logging
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from samizdat.campaigns.models import Edition
from samizdat.core.crypto.seal import SealBroken, SealError, SealOpener
from samizdat.core.mail.ledger import unpack_numbers
from samizdat.delivery.models import Chunk
from samizdat.delivery.sql import TakenChunk
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

log = logging.getLogger("samizdat.delivery")


def sealed(keys: OrganizationKeys, edition: int, position: int, variant: int, numbers: bytes) -> bytes:
    return keys.seal(_digest(variant, numbers), "chunk", _column(edition), position)


def opener(keys: OrganizationKeys, edition: int) -> SealOpener:
    """For many chunks of an edition."""
    assert keys.ring is not None
    return keys.ring.bound("chunk", _column(edition), keys.uid)


def fits(opener: SealOpener, chunk: Chunk | TakenChunk) -> bool:
    """Whether it was sealed as it stands. 10 us for 500 people."""
    try:
        seal = opener.open(bytes(chunk.digest_sealed), chunk.position)
    except SealError:
        return False
    return seal == _digest(chunk.variant, bytes(chunk.numbers))


def is_genuine(chunk: Chunk) -> bool:
    """Errors: VaultError where its keys cannot be had."""
    return fits(opener(keyring.keys(chunk.edition.organization), chunk.edition_id), chunk)


def pages(edition: Edition) -> Iterator[tuple[int, ...] | None]:
    """Numbers of each chunk of first tries; None for one that was altered."""
    opens = opener(keyring.keys(edition.organization), edition.pk)
    rows = Chunk.objects.filter(edition=edition, retry=False).order_by("pk")
    for chunk in rows.only("position", "variant", "numbers", "digest_sealed").iterator(chunk_size=100):
        genuine = fits(opens, chunk)
        if not genuine:
            log.error("A chunk of edition %d was altered in the database by other means", edition.pk)
        yield unpack_numbers(bytes(chunk.numbers)) if genuine else None


class OwedNumbers:
    """Everybody whom an edition is owed to, in 8 bytes each. whole: an altered chunk is an error, SealBroken; else
    nobody in it counts."""

    def __init__(self, edition: Edition, *, whole: bool) -> None:
        owed = array("Q")
        for page in pages(edition):
            if page is None and whole:
                raise SealBroken()
            owed.extend(page or ())
        self._numbers = array("Q", sorted(owed))

    def among(self, numbers: Iterable[int]) -> list[int]:
        return [number for number in numbers if self._holds(number)]

    def _holds(self, number: int) -> bool:
        at = bisect_left(self._numbers, number)
        return at < len(self._numbers) and self._numbers[at] == number


def known(pages: Iterable[Sequence[int] | None]) -> Iterator[Sequence[int]]:
    """Those that were not altered."""
    return (page for page in pages if page is not None)


def _digest(variant: int, numbers: bytes) -> bytes:
    return hashlib.sha256(variant.to_bytes(2) + numbers).digest()


def _column(edition: int) -> str:
    return f"digest of {edition}"
