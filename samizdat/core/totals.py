"""What may be said of sums of what readers did: clicks and answers. Pure.

A sum must not tell what one person did. Whoever writes to nineteen addresses of their own and to one reader would see
that reader's click in it, however it is rounded: so below a number of recipients nothing is counted at all.
"""

from collections.abc import Mapping, Sequence
from datetime import date

# Recipients of a version below which its clicks and answers are not counted, and presses of which a span of days has at
# least as many.
FLOOR = 200
# Days that a recipient must have been subscribed to count toward the floor: addresses made for one letter do not.
SETTLED_DAYS = 30
# A sum below this is not said.
FEWEST = 20
# Sums below EXACT are rounded to STEP: else one more at the right moment would be seen.
EXACT, STEP = 1_000, 10

type Span = tuple[date, date, int]


def is_few(count: int) -> bool:
    return 0 < count < FEWEST


def hidden(counts: Sequence[int]) -> frozenset[int]:
    """Places of a column's counts that aren't shown above its sum: the small ones, and the next larger ones until there
    are two and as many people as FEWEST behind them, so that none of the small numbers can be worked out of the sum.
    """
    by_size = sorted((count, place) for place, count in enumerate(counts) if count)
    few = [(count, place) for count, place in by_size if is_few(count)]
    larger = by_size[len(few) :]
    while few and larger and (len(few) == 1 or sum(count for count, _place in few) < FEWEST):
        few.append(larger.pop(0))
    return frozenset(place for _count, place in few)


def rounded(count: int) -> int:
    """To the nearest ten, halves upward; from a thousand on as it is."""
    return count if count >= EXACT else (count + STEP // 2) // STEP * STEP


def shown(count: int) -> int:
    """What a report says of a sum: none of a small one."""
    return 0 if is_few(count) else rounded(count)


def spans(days: Mapping[date, int]) -> list[Span]:
    """(first day, last day, presses): days of fewer than the floor stand together with those beside them, so that none
    of the small numbers can be worked out of the sum. [] where all together are fewer.
    """
    result: list[Span] = []
    begun: Span | None = None
    for day, count in sorted(days.items()):
        begun = (begun[0] if begun else day, day, (begun[2] if begun else 0) + count)
        if begun[2] >= FLOOR:
            result.append(begun)
            begun = None
    if begun and result:
        first, _last, count = result.pop()
        result.append((first, begun[1], count + begun[2]))
    return [(first, last, rounded(count)) for first, last, count in result]


def dump(places: frozenset[int]) -> str:
    return ",".join(map(str, sorted(places)))


def load(text: str) -> frozenset[int]:
    return frozenset(int(place) for place in text.split(",")) if text else frozenset()
