"""Subscriber numbers: reserved in blocks, given out shuffled, never given twice.

A number stands in tokens and ledgers, so one that was erased is never used again. The order of numbers must not tell
the order of rows in an old export or of sign-ups (design.md, section 4).
"""

import os
import random

from django.db.models import F

from samizdat.accounts.models import Organisation
from samizdat.audience.models import ConsentRecord, Subscriber, row_id

BLOCK = 5_000
TRIES = 20


def reserve_numbers(organisation_id: int, count: int) -> list[int]:
    """`count` fresh numbers out of a block of at least 5,000. Inside the caller's transaction.

    Which of them goes to whom must be left to chance or to a keyed hash.
    """
    if not count:
        return []
    size = max(BLOCK, count)
    start = _move_on(organisation_id, size)
    block = range(start, start + size)
    return list(block) if count == size else _chance().sample(block, count)


def one_number(organisation_id: int) -> int:
    """A fresh number for one subscriber: any that is free in the newest block, so that sign-ups share a block."""
    chance = _chance()
    end = Organisation.objects.select_for_update().values_list("next_number", flat=True).get(id=organisation_id)
    newest = range(max(1, end - BLOCK), end)
    for number in chance.sample(newest, min(TRIES, len(newest))):
        if _is_free(row_id(organisation_id, number)):
            return number
    return chance.choice(range(start := _move_on(organisation_id, BLOCK), start + BLOCK))


def _is_free(subscriber_id: int) -> bool:
    """Nobody has it, and nobody had it: consent records outlive who is erased."""
    return not (
        Subscriber.objects.filter(id=subscriber_id).exists()
        or ConsentRecord.objects.filter(subscriber_id=subscriber_id).exists()
    )


def _move_on(organisation_id: int, size: int) -> int:
    Organisation.objects.filter(id=organisation_id).update(next_number=F("next_number") + size)
    return Organisation.objects.values_list("next_number", flat=True).get(id=organisation_id) - size


def _chance() -> random.Random:
    return random.Random(os.urandom(16))
