"""Whom an edition is owed to: what stands in its chunks is sealed to edition and position, so that whoever writes the
database adds nobody and exchanges nobody. In the same seal stands what the letter's conditions were for each of them at
the release: which of the tags that it asks for they carried, so nobody who is given one later reads what was for its
carriers alone; and where a second person agreed, which conditions on fields held.

A chunk of later tries has no seal, for its rows are made as servers answer: of it those go whom a sealed one holds.
"""

import hashlib
import logging
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched

from samizdat.accounts.models import Organization
from samizdat.audience import condition_values
from samizdat.audience.condition_values import Asked
from samizdat.audience.models import NUMBER_MASK, row_id
from samizdat.campaigns.models import Edition
from samizdat.core.crypto.seal import SealBroken, SealError, SealOpener
from samizdat.core.mail.ledger import unpack_numbers
from samizdat.delivery.models import Chunk
from samizdat.delivery.sql import TakenChunk
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

log = logging.getLogger("samizdat.delivery")

_DIGEST = hashlib.sha256().digest_size


def sealed(
    keys: OrganizationKeys, edition: int, position: int, variant: int, numbers: bytes, masks: bytes = b""
) -> bytes:
    """masks: ConditionMasks.packed."""
    return keys.seal(_digest(variant, numbers) + masks, "chunk", _column(edition), position)


def width(asked: int) -> int:
    """Bytes for each reader where so much is asked."""
    return (asked + 7) // 8


@dataclass(frozen=True, slots=True)
class ConditionMasks:
    """Which of `asked` tags somebody carries and which conditions hold, by number, the first as the lowest bit; without
    those for whom it is none."""

    asked: int = 0
    by_number: Mapping[int, int] = field(default_factory=dict)

    def packed(self, numbers: Sequence[int]) -> bytes:
        """In as many bytes for each of these numbers."""
        size = width(self.asked)
        return b"".join([self.by_number.get(number, 0).to_bytes(size) for number in numbers]) if size else b""

    @classmethod
    def unpacked(cls, numbers: Sequence[int], packed: bytes) -> "ConditionMasks":
        width = len(packed) // max(1, len(numbers))
        masks = [int.from_bytes(packed[at : at + width]) for at in range(0, len(packed), max(1, width))]
        return cls(8 * width, {number: mask for number, mask in zip(numbers, masks, strict=False) if mask})


def masks_now(organization: Organization, numbers: Sequence[int], asked: Asked) -> ConditionMasks:
    masks: dict[int, int] = {}
    for some in batched(numbers if asked else (), 5_000):
        by_row = condition_values.masks(organization, [row_id(organization.pk, number) for number in some], asked)
        masks |= {row & NUMBER_MASK: mask for row, mask in by_row.items()}
    return ConditionMasks(len(asked), masks)


def opener(keys: OrganizationKeys, edition: int) -> SealOpener:
    """For many chunks of an edition."""
    assert keys.ring is not None
    return keys.ring.bound("chunk", _column(edition), keys.uid)


def masks_in(opener: SealOpener, chunk: Chunk | TakenChunk) -> bytes:
    """ConditionMasks.packed, of a chunk that was sealed as it stands. 10 us for 500 people. Errors: SealBroken."""
    try:
        seal = opener.open(bytes(chunk.digest_sealed), chunk.position)
    except SealError as error:
        raise SealBroken() from error
    if seal[:_DIGEST] != _digest(chunk.variant, bytes(chunk.numbers)):
        raise SealBroken()
    return seal[_DIGEST:]


def masks_of(chunk: Chunk) -> ConditionMasks:
    """Errors: SealBroken for one that was altered; VaultError where its keys cannot be had."""
    packed = masks_in(opener(keyring.keys(chunk.edition.organization), chunk.edition_id), chunk)
    return ConditionMasks.unpacked(unpack_numbers(bytes(chunk.numbers)), packed)


def pages(edition: Edition) -> Iterator[tuple[int, ...] | None]:
    """Numbers of each chunk of first tries; None for one that was altered."""
    return (None if page is None else page[0] for page in _pages(edition))


def _pages(edition: Edition, newest: int | None = None) -> Iterator[tuple[tuple[int, ...], bytes] | None]:
    """The same with ConditionMasks.packed of them. newest: of so many at most, the last written."""
    opens = opener(keyring.keys(edition.organization), edition.pk)
    rows = Chunk.objects.filter(edition=edition, retry=False).order_by("pk")
    if newest is not None:
        rows = rows.order_by("-position")[:newest]
    for chunk in rows.only("position", "variant", "numbers", "digest_sealed").iterator(chunk_size=100):
        try:
            masks = masks_in(opens, chunk)
        except SealBroken:
            log.error("A chunk of edition %d was altered in the database by other means", edition.pk)
            yield None
        else:
            yield unpack_numbers(bytes(chunk.numbers)), masks


def owes(edition: Edition, number: int) -> bool:
    """Whether an edition is owed to this one: by the chunk alone that has them, and as it was sealed."""
    opens, packed = opener(keyring.keys(edition.organization), edition.pk), number.to_bytes(8)
    rows = Chunk.objects.filter(edition=edition, retry=False).only("position", "variant", "numbers", "digest_sealed")
    for chunk in rows.iterator(chunk_size=100):
        if packed in bytes(chunk.numbers) and number in unpack_numbers(bytes(chunk.numbers)):
            try:
                masks_in(opens, chunk)
            except SealBroken:
                continue
            return True
    return False


class OwedNumbers:
    """Everybody whom an edition is owed to, in 8 bytes each, and in 9 or more who of them carries a tag that it asks
    for. whole: an altered chunk is an error, SealBroken; else nobody in it counts. newest: of so many chunks."""

    def __init__(self, edition: Edition, *, whole: bool, newest: int | None = None) -> None:
        owed, asked = array("Q"), 0
        carried: list[int] = []  # A number and its mask in one, which is sorted in half the memory of two.
        for page in _pages(edition, newest):
            if page is None and whole:
                raise SealBroken()
            numbers, packed = page or ((), b"")
            owed.extend(numbers)
            masks = ConditionMasks.unpacked(numbers, packed)
            asked = asked or masks.asked
            carried += [number << asked | mask for number, mask in masks.by_number.items()]
        carried.sort()
        self._numbers = array("Q", sorted(owed))
        self._carriers = array("Q", (pair >> asked for pair in carried))
        self._masks = b"".join([(pair & (1 << asked) - 1).to_bytes(width(asked)) for pair in carried])
        self._asked = asked

    def among(self, numbers: Iterable[int]) -> list[int]:
        return [number for number in numbers if _place(self._numbers, number) is not None]

    def masks_of(self, numbers: Iterable[int]) -> ConditionMasks:
        size, masks = width(self._asked), {}
        for number in numbers if size else ():
            place = _place(self._carriers, number)
            if place is not None:
                masks[number] = int.from_bytes(self._masks[place * size : (place + 1) * size])
        return ConditionMasks(self._asked, masks)


def _place(numbers: array[int], number: int) -> int | None:
    at = bisect_left(numbers, number)
    return at if at < len(numbers) and numbers[at] == number else None


def known(pages: Iterable[Sequence[int] | None]) -> Iterator[Sequence[int]]:
    """Those that were not altered."""
    return (page for page in pages if page is not None)


def _digest(variant: int, numbers: bytes) -> bytes:
    return hashlib.sha256(variant.to_bytes(2) + numbers).digest()


def _column(edition: int) -> str:
    return f"digest of {edition}"
