"""Whom a second person's yes was given for and what each of them would have read, beside whom a release reaches now.

One person brings many into a list, gives them a tag, a value or a language, and tags and languages stand in the open in
the database. A list grows meanwhile, so one of twenty may be new; nobody who was here may read what was for others.
"""

import secrets
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from datetime import UTC, datetime
from math import isqrt
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext as _
from msgspec import Struct

from samizdat.audience.consistency import all_joined_since
from samizdat.audience.models import NUMBER_MASK, row_id
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign
from samizdat.core.mail.ledger import pack_numbers, unpack_numbers
from samizdat.events.actions import moment_of, whole_day
from samizdat.events.models import Event

# One of so many may have come here since a yes.
NEWCOMERS = 20
# Of so many at most a yes keeps who they are; of more, a sample of as many.
NAMED = 5_000
# So many a yes keeps at most, with all of the smaller side of conditions, the smallest first: half a megabyte where a
# hundred conditions are asked.
KEPT = 4 * NAMED
# Beyond every number. Whoever doesn't know the two of a draw can't tell whom (number * a + b) % PRIME puts into it; it
# takes 0.1 us for each.
PRIME = (1 << 61) - 1

NOTHING: Mapping[Any, Any] = MappingProxyType({})

# What readers are divided by: the id of a tag that conditions ask for, condition_values.key_of a field's (below zero),
# or the language of a version.
type Key = int | str


class NotApproved(CampaignError):
    code = "not_approved"


class AgreedPart(Struct, frozen=True):
    """Those for whom a condition held, or who would have got a version. is_named: all of them are kept, or where they
    are more than half, all others."""

    key: Key
    count: int
    is_named: bool


class AgreedAudience(Struct, frozen=True):
    """count: how many would have got it. people: numbers (core/mail/ledger.pack_numbers), of more than NAMED those that
    `draw` puts into a sample, and whoever is named by a part. masks: of each of them, in which parts they were, the
    first as the lowest bit."""

    count: int
    people: bytes
    masks: bytes = b""
    parts: tuple[AgreedPart, ...] = ()
    draw: tuple[int, int] = (0, 0)


def agreed_audience(
    people: Sequence[int], keys: Sequence[Key] = (), masks: Mapping[int, int] = NOTHING
) -> AgreedAudience:
    """Of whom somebody agrees to. keys: what the parts are; masks: number -> in which parts they are, the first as the
    lowest bit, without those who are in none."""
    draw = 1 + secrets.randbelow(PRIME - 1), secrets.randbelow(PRIME)
    kept = {*_drawn(people, len(people), draw)}
    counts, many = _counts(len(keys), Counter(masks.get(number, 0) for number in people)), len(people)
    sides = [_is_smaller(key, count, many) for key, count in zip(keys, counts, strict=True)]
    sizes = [count if side else many - count for count, side in zip(counts, sides, strict=True)]
    named = set[int]()
    for place in sorted(range(len(keys)), key=sizes.__getitem__):
        if len(kept) + sizes[place] <= KEPT:
            named.add(place)
            kept.update([number for number in people if (masks.get(number, 0) >> place & 1) == sides[place]])
    numbers, width = sorted(kept), (len(keys) + 7) // 8
    packed = b"".join([masks.get(number, 0).to_bytes(width) for number in numbers])
    parts = tuple(AgreedPart(key, counts[place], place in named) for place, key in enumerate(keys))
    return AgreedAudience(many, pack_numbers(numbers), packed, parts, draw)


def _counts(places: int, by_mask: Mapping[int, int]) -> list[int]:
    return [sum(many for mask, many in by_mask.items() if mask >> place & 1) for place in range(places)]


def _is_smaller(key: Key, count: int, many: int) -> bool:
    """Whether those of a part are named, and not the others. Who doesn't get a version gets another one, which is a
    part as well."""
    return isinstance(key, str) or 2 * count <= many


def _drawn(numbers: Collection[int], count: int, draw: tuple[int, int]) -> Collection[int]:
    """Of numbers of which a yes saw `count`, those in its sample: all, where it kept who they are."""
    if count <= NAMED:
        return numbers
    (a, b), below = draw, PRIME * NAMED // count
    return [number for number in numbers if (number * a + b) % PRIME < below]


class _AgreedNumbers:
    """Some of whom a yes was given for, beside those of now. Where not all of them are kept both are samples by the
    same draw, so that everybody who came or went is in one with the same chance.

    kept: number -> mask. bit, value: what the mask of these has. drawn_of: of how many the sample is; 0: all are kept.
    """

    def __init__(
        self,
        count: int,
        kept: Mapping[int, int],
        drawn_of: int,
        draw: tuple[int, int],
        corrected: Set[int] = frozenset(),
        bit: int = 0,
        value: int = 0,
    ) -> None:
        self.agreed, self._kept, self._corrected = count, kept, corrected
        self._drawn_of, self._draw, self._bit, self._value = drawn_of, draw, bit, value
        self._now = 0
        self.others: list[int] = []

    @property
    def _is_sample(self) -> bool:
        return self._drawn_of > NAMED

    def holds(self, number: int) -> bool:
        mask = self._kept.get(number)
        return mask is not None and mask & self._bit == self._value and number not in self._corrected

    def compare(self, numbers: Collection[int]) -> None:
        self._now += len(numbers)
        drawn = _drawn(numbers, self._drawn_of, self._draw)
        self.others += [number for number in drawn if not self.holds(number)]

    @property
    def grew(self) -> bool:
        return self._now - self.agreed > self.agreed // NEWCOMERS or len(self.others) > self._share

    @property
    def _share(self) -> int:
        if not self._is_sample:
            return self.agreed // NEWCOMERS
        share = len(_drawn([*filter(self.holds, self._kept)], self._drawn_of, self._draw)) // NEWCOMERS
        return share + 4 * isqrt(share)  # Chance alone brings more once in 30,000 times.

    @property
    def shrank(self) -> bool:
        return self._is_sample and self.agreed - self._now > self.agreed // NEWCOMERS


class _ComparedPart:
    """Who was in a part of the audience, and where those who were not are fewer, who they were: what they read instead
    is for a few as well."""

    def __init__(
        self, part: AgreedPart, bit: int, audience: AgreedAudience, kept: Mapping[int, int], corrected: Set[int]
    ):
        self.key, self.bit, many = part.key, bit, audience.count
        is_smaller = _is_smaller(part.key, part.count, many)
        is_for_few = _is_for_few(part, many, is_inside=True)
        drawn_of = 0 if part.is_named and is_smaller else many
        self.inside = _AgreedNumbers(
            part.count, kept, drawn_of, audience.draw, corrected if is_for_few else frozenset(), bit, bit
        )
        drawn_of = 0 if part.is_named and not is_smaller else many
        outside = _AgreedNumbers(many - part.count, kept, drawn_of, audience.draw, corrected, bit, 0)
        self.outside = outside if _is_for_few(part, many, is_inside=False) else None

    def compare(self, inside: Collection[int], outside: Collection[int]) -> None:
        self.inside.compare(inside)
        if self.outside:
            self.outside.compare(outside)

    @property
    def others(self) -> list[int]:
        return self.inside.others + (self.outside.others if self.outside else [])

    @property
    def is_other_size(self) -> bool:
        """Of a version or of what is read instead whoever joined since may be any number: they join the list."""
        return not isinstance(self.key, str) and (self.inside.grew or self.inside.shrank)


def _is_for_few(part: AgreedPart, many: int, *, is_inside: bool) -> bool:
    """Whether another mailbox of theirs is another reader. What a field shows to more than half of them is for nobody
    alone, so that changes nothing."""
    count = part.count if is_inside else many - part.count
    return not isinstance(part.key, str) and (2 * count <= many or (is_inside and _is_tag(part.key)))


def binds(campaign: Campaign, audience: AgreedAudience, number: int) -> bool:
    """Whether nobody else may get it, or what it says to a few, in place of this reader. 0.1 ms."""
    mask, is_sample = _mask_of(audience, number), audience.count > NAMED
    to_few = campaign.tag_id or campaign.segment_id or audience.count < NEWCOMERS
    if mask is None or to_few:
        return bool(to_few and (is_sample or mask is not None))
    parts, many = enumerate(audience.parts), audience.count
    return any(_is_for_few(part, many, is_inside=bool(mask >> place & 1)) for place, part in parts)


def _mask_of(audience: AgreedAudience, number: int) -> int | None:
    """None for somebody whom it doesn't keep."""
    people, width = audience.people, _width(audience)
    wanted = number.to_bytes(8)
    at = bisect_left(range(len(people) // 8), wanted, key=lambda place: people[8 * place : 8 * place + 8])
    if people[8 * at : 8 * at + 8] != wanted:
        return None
    return int.from_bytes(audience.masks[at * width : (at + 1) * width])


def _width(audience: AgreedAudience) -> int:
    return (len(audience.parts) + 7) // 8


def _is_tag(key: Key) -> bool:
    return isinstance(key, int) and key > 0


class AgreedPeople:
    """Whom a yes of `at` was given for, and who else would get the letter, or read another passage or version of it, by
    now. keys: what the parts of a release are."""

    def __init__(self, campaign: Campaign, audience: AgreedAudience, at: datetime, keys: Sequence[Key] = ()) -> None:
        self._campaign, self._audience, self._at, self._keys = campaign, audience, at, [*keys]
        corrected = self._known_corrections = self._corrected()
        numbers, masks, width = unpack_numbers(audience.people), audience.masks, _width(audience)
        self._kept = {number: int.from_bytes(masks[i * width : (i + 1) * width]) for i, number in enumerate(numbers)}
        self._people = _AgreedNumbers(audience.count, self._kept, audience.count, audience.draw, corrected)
        parts = enumerate(audience.parts)
        self._parts = [_ComparedPart(part, 1 << place, audience, self._kept, corrected) for place, part in parts]
        self._moved = 0  # Bits of parts of which somebody whom the yes keeps is in another one by now.

    def _corrected(self) -> set[int]:
        """Who is written to at another address since, because a person at the desk says so: another mailbox."""
        events = Event.objects.select_related("organization").filter(
            organization=self._campaign.organization_id, kind="subscriber.address_changed", by__isnull=False
        )
        since = events.filter(at__gte=whole_day(self._at))  # Readable of it is the day alone.
        return {(event.about or 0) & NUMBER_MASK for event in since if moment_of(event) > self._at}

    def refuse_corrected(self) -> None:
        """Whom somebody gave another mailbox while the letter was frozen: this looked before. In the transaction that
        makes it go, with the organization held as by approval.look. Errors: NotApproved."""
        since = self._corrected() - self._known_corrections
        if any(binds(self._campaign, self._audience, number) for number in since):
            raise NotApproved(_others())

    def compare(self, numbers: Sequence[int], masks: Mapping[int, int] = NOTHING) -> None:
        """Those who would get it now, page by page; masks: as of agreed_audience."""
        self._people.compare(numbers)
        for number in numbers:
            then = self._kept.get(number)
            if then is not None:
                self._moved |= then ^ masks.get(number, 0)
        for part in self._parts:
            inside = [number for number in numbers if masks.get(number, 0) & part.bit]
            part.compare(inside, [number for number in numbers if not masks.get(number, 0) & part.bit])

    def refuse_others(self) -> None:
        """Errors: NotApproved."""
        to_all = self._campaign.tag_id is None and self._campaign.segment_id is None
        if self._people.grew or not (to_all or self._joined_since(self._people.others)):
            raise NotApproved(_others())
        changed = self._changed()
        if any(map(_is_tag, changed)):
            raise NotApproved(
                _(
                    "A tag that decides who sees part of this campaign has changed since it was "
                    "approved. Request approval again."
                )
            )
        if any(isinstance(key, int) for key in changed):
            raise NotApproved(
                _(
                    "A field that decides who sees part of this campaign has changed since it was "
                    "approved. Request approval again."
                )
            )
        if changed:
            raise NotApproved(
                _("A subscriber’s language has changed since this campaign was approved. Request approval again.")
            )

    def _changed(self) -> list[Key]:
        if [part.key for part in self._parts] != self._keys:
            return self._keys or [part.key for part in self._parts]
        return [part.key for part in self._parts if self._has_changed(part)]

    def _has_changed(self, part: _ComparedPart) -> bool:
        return bool(self._moved & part.bit) or part.is_other_size or not self._joined_since(part.others)

    def _joined_since(self, others: Iterable[int]) -> bool:
        """Whoever was here before and has the tag, or is in the segment, only now was not meant. Who joined on the day
        of the yes is known by its people alone."""
        since, organization, others = self._at.astimezone(UTC).date(), self._campaign.organization_id, [*others]
        return not any(map(self._people.holds, others)) and all_joined_since(
            (row_id(organization, number) for number in others), since
        )


def _others() -> str:
    return _("The recipients are no longer the ones that were approved. Request approval again.")
