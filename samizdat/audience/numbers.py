"""Subscriber numbers: reserved in blocks, given out shuffled, never given twice.

A number stands in tokens and ledgers, so one that was erased is never used again. The order of numbers must not tell
the order of rows in an old export or of sign-ups (design.md, section 4).
"""

import os
import random

from django.db.models import F

from samizdat.accounts.models import Organization
from samizdat.audience import sql
from samizdat.audience.errors import NumbersUsedUp
from samizdat.audience.models import NUMBER_MASK, ConsentRecord, Subscriber, row_id

BLOCK = 5_000
TRIES = 20
# The highest that an export of our own format may bring: four billion more can be given out above it.
HIGHEST = NUMBER_MASK + 1 - (1 << 32)


class Numbers:
    """Numbers for one import run: blocks of at least 5,000, shuffled, and shared by its files as far as they go.

    A block for each file would tell who came in which. What is left at the end, or when the run is killed, is simply
    not used.
    """

    def __init__(self, organization_id: int) -> None:
        self._organization = organization_id
        self._left: list[int] = []

    def take(self, count: int) -> list[int]:
        """`count` fresh numbers. Inside the caller's transaction; forget() when that is rolled back.

        Which of them goes to whom must be left to chance or to a keyed hash.
        """
        taken = self._kept(count)
        missing = count - len(taken)
        if not missing:
            return taken
        size = max(BLOCK, missing)
        start = _move_on(self._organization, size)
        block = list(range(start, start + size))
        if missing < size:  # Else all of them are given out together.
            _chance().shuffle(block)
        self._left += block[missing:]
        return taken + block[:missing]

    def forget(self) -> None:
        """After a rollback: the block may have been given back with it."""
        self._left.clear()

    def _kept(self, count: int) -> list[int]:
        """At most `count` of those left over, without those that sign-ups have taken since (one_number)."""
        taken: list[int] = []
        if count and self._left:
            # Sign-ups wait here until this transaction ends, so that none takes what is about to be written.
            Organization.objects.select_for_update(no_key=True).values_list("id").get(id=self._organization)
        while self._left and (wanted := count - len(taken)):
            drawn, self._left = self._left[:wanted], self._left[wanted:]
            ids = [row_id(self._organization, number) for number in drawn]
            # Whoever signs up has a consent record, and it outlives them.
            used = {subscriber & NUMBER_MASK for subscriber, _ in sql.consent_of(ids)}
            taken += [number for number in drawn if number not in used]
        return taken


def one_number(organization_id: int) -> int:
    """A fresh number for one subscriber: any that is free in the newest block, so that sign-ups share a block."""
    chance = _chance()
    # Not its key, in which every event of the organization has a share: whoever writes one holds the totals of a list
    # that this transaction comes to want.
    Organization.objects.select_for_update(no_key=True).values_list("id").get(id=organization_id)
    end = end_of(organization_id)
    newest = range(max(1, end - BLOCK), end)
    for number in chance.sample(newest, min(TRIES, len(newest))):
        if _is_free(row_id(organization_id, number)):
            return number
    return chance.choice(range(start := _move_on(organization_id, BLOCK), start + BLOCK))


def _is_free(subscriber_id: int) -> bool:
    """Nobody has it, and nobody had it: consent records outlive who is erased."""
    return not (
        Subscriber.objects.filter(id=subscriber_id).exists()
        or ConsentRecord.objects.filter(subscriber_id=subscriber_id).exists()
    )


def end_of(organization_id: int) -> int:
    """The number behind the last one that was reserved: where walks over an organization's numbers end. Never one of
    the next organization, whatever the column says."""
    end = Organization.objects.values_list("next_number", flat=True).get(id=organization_id)
    return min(end, NUMBER_MASK)


def _move_on(organization_id: int, size: int) -> int:
    """Errors: NumbersUsedUp."""
    rows = Organization.objects.filter(id=organization_id, next_number__lte=NUMBER_MASK - size)
    if not rows.update(next_number=F("next_number") + size):
        raise NumbersUsedUp
    return Organization.objects.values_list("next_number", flat=True).get(id=organization_id) - size


def _chance() -> random.Random:
    return random.Random(os.urandom(16))
