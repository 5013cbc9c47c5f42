"""Subscriber numbers: reserved in blocks, given out shuffled, never given twice.

A number stands in tokens, chunks and ledgers for a person, so one that was erased is never used again; and whoever
writes the database must not choose who gets one. How far numbers were given out is therefore sealed with the settings
(accounts/sealed_settings), of which the newest copy is noted beside the database: rows and records of somebody may be
hidden for as long as a visitor signs up. The order of numbers must not tell the order of rows in an old export or of
sign-ups (design.md, section 4).
"""

import hashlib
import os
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache, partial

from django.db import transaction

from samizdat.accounts import sealed_settings
from samizdat.accounts.models import Organization
from samizdat.audience import sql
from samizdat.audience.errors import NumbersUsedUp
from samizdat.audience.models import NUMBER_MASK, row_id

BLOCK = 5_000
# Reserved at once, of an import of many blocks, and by a process to which many come one by one: each time the settings
# are sealed and noted.
MOST_BLOCKS, MOST_HELD = 10, 64
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
        self._reserved = range(0)
        self._blocks = 1

    def take(self, count: int) -> list[int]:
        """`count` fresh numbers. Inside the caller's transaction; forget() when that is rolled back.

        Which of them goes to whom must be left to chance or to a keyed hash.
        """
        taken, self._left = self._left[:count], self._left[count:]
        missing = count - len(taken)
        if not missing:
            return taken
        size = max(BLOCK, missing)
        block = list(self._reserve(size))
        if missing < size:  # Else all of them are given out together.
            random.Random(os.urandom(16)).shuffle(block)
        self._left += block[missing:]
        return taken + block[:missing]

    def _reserve(self, size: int) -> range:
        if len(self._reserved) < size:
            many = max(size, BLOCK * self._blocks)
            start = _move_on(self._organization, many)
            self._reserved, self._blocks = range(start, start + many), min(2 * self._blocks, MOST_BLOCKS)
        block, self._reserved = self._reserved[:size], self._reserved[size:]
        return block

    def forget(self) -> None:
        """After a rollback: the block may have been given back with it."""
        self._left.clear()
        self._reserved, self._blocks = range(0), 1


# (organization, its uid) -> numbers that this process has reserved for the next who come, and how many at once.
_held: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
_at_once: defaultdict[tuple[int, bytes], int] = defaultdict(lambda: 1)


def one_number(organization_id: int) -> int:
    """A fresh number for one subscriber, of a block that all share who come one by one. In the caller's transaction."""
    return fresh_numbers(organization_id, 1)[0]


def fresh_numbers(organization_id: int, count: int) -> list[int]:
    """The same for some who come at one moment."""
    uid, end = Organization.objects.values_list("uid", "next_number").get(id=organization_id)
    key, free = (organization_id, bytes(uid)), list[int]()
    while missing := count - len(free):
        drawn = [number for number in _held_ones(key, missing) if number < end]
        if not drawn:
            more = _next_of_block(organization_id, max(missing, _at_once[key]))
            drawn = more[:missing]
            transaction.on_commit(partial(_hold, key, more[missing:]))  # With a rollback they are given back.
        free += _free_among(organization_id, drawn)
    return free


def _held_ones(key: tuple[int, bytes], count: int) -> list[int]:
    """At most so many. Those at the end that the caller knows were reserved in a database of before, in place of which
    an older one was put."""
    taken: list[int] = []
    with suppress(IndexError):  # Another thread takes from them as well.
        while len(taken) < count:
            taken.append(_held[key].pop())
    return taken


def _hold(key: tuple[int, bytes], numbers: list[int]) -> None:
    _held[key] += numbers
    _at_once[key] = min(2 * _at_once[key], MOST_HELD)


def _next_of_block(organization_id: int, many: int) -> list[int]:
    # Not its key, in which every event of the organization has a share: whoever writes one holds the totals of a list
    # that this transaction comes to want.
    organization = Organization.objects.select_for_update(no_key=True).get(id=organization_id)
    start, given, seed = sealed_settings.number_block(organization)
    if not seed or given >= BLOCK:
        start, given, seed = _move_on(organization_id, BLOCK), 0, os.urandom(16).hex()
    drawn = [start + place for place in _order(seed, BLOCK)[given : given + many]]
    sealed_settings.keep_number_block(organization, (start, given + len(drawn), seed))
    return drawn


@lru_cache(maxsize=8)
def _order(seed: str, size: int) -> list[int]:
    """Of a block: by a hash, so that a later version of Python knows the same order."""
    return sorted(range(size), key=lambda place: hashlib.sha256(f"{seed} {place}".encode()).digest())


def _free_among(organization_id: int, numbers: Sequence[int]) -> list[int]:
    """Those that nobody has or had, as after a restore of an older database: consent records outlive who is erased."""
    ids = [row_id(organization_id, number) for number in numbers]
    taken = sql.ever_there(ids)
    return [id & NUMBER_MASK for id in ids if id not in taken]


def end_of(organization_id: int) -> int:
    """The number behind the last one that was reserved: where walks over an organization's numbers end. Never one of
    the next organization, whatever the column says."""
    end = Organization.objects.values_list("next_number", flat=True).get(id=organization_id)
    return min(end, NUMBER_MASK)


def _move_on(organization_id: int, size: int) -> int:
    """Errors: NumbersUsedUp."""
    organization = Organization.objects.select_for_update(no_key=True).get(id=organization_id)
    start = max(organization.next_number, sealed_settings.how_many(organization, "numbers") or 1)
    if start > NUMBER_MASK - size:
        raise NumbersUsedUp
    Organization.objects.filter(id=organization_id).update(next_number=start + size)
    sealed_settings.count_up_to(organization, "numbers", start + size)
    return start
