"""A test of several versions of a letter: who gets which, and which one has won. Pure.

Who gets which version is drawn by edition and number, so it needs no row of its own: a second try after a kill, a
recount, a leaving months later all find the same version, and nobody can be in two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

# Versions at the most, and how many letters of the alphabet name them.
MOST = 4
NAMES = "ABCD"
# The group of everybody who is in no version's part: they get the one that has won. A chunk's `variant` as well.
REST = 255
# Per cent of everybody who get one of the versions, all of these together.
LEAST_SHARE, MOST_SHARE = 2, 90
# How a version wins: a person says so, or by what is counted of those who got it.
WAYS = ("hand", "replies", "unsubscribes", "clicks")
# Parts of this size and above are cut by the law of large numbers; smaller ones are counted out.
COUNTED = 20_000

_WHOLE = 1 << 48


def draw(edition: int, number: int) -> int:
    """A number below 2**48 that looks like chance and is always the same; another one for each edition."""
    hasher = blake2b(number.to_bytes(8, "little"), digest_size=6, key=edition.to_bytes(8, "little"))
    return int.from_bytes(hasher.digest(), "little")


def marks(draws: Sequence[int] | None, share: int, versions: int) -> tuple[int, ...]:
    """Where the parts of the versions end on the line of all draws; above the last one is the rest.

    draws: those of everybody, for parts that are equal to a person; None where they are many.
    """
    ends = [share * (i + 1) / 100 / versions for i in range(versions)]
    if draws is None:
        return tuple(int(_WHOLE * end) for end in ends)
    line = [*sorted(draws), _WHOLE]
    each = len(draws) * share // 100 // versions
    return tuple(line[each * (i + 1)] for i in range(versions))


def group(edition: int, number: int, ends: Sequence[int]) -> int:
    """The version that this reader gets in the test, or REST."""
    drawn = draw(edition, number)
    for version, end in enumerate(ends):
        if drawn < end:
            return version
    return REST


def dump(ends: Sequence[int]) -> str:
    return ",".join(str(end) for end in ends)


def load(text: str) -> tuple[int, ...]:
    return tuple(int(end) for end in text.split(",")) if text else ()


@dataclass(frozen=True, slots=True)
class VersionScore:
    """What is known of a version: how many were accepted, and how many answered, left, or clicked."""

    accepted: int = 0
    replies: int = 0
    unsubscribes: int = 0
    clicks: int = 0


def winner(scores: Mapping[int, VersionScore], way: str) -> int:
    """The version with the highest share of answers or clicks, or the lowest of leavings. Level: the first of them, so
    that the letter as it was first written goes where the numbers say nothing.
    """

    def worth(version: int) -> tuple[float, int]:
        score = scores[version]
        of = score.accepted or 1
        measures = {"replies": score.replies, "clicks": score.clicks, "unsubscribes": -score.unsubscribes}
        return measures.get(way, 0) / of, -version

    return max(scores, key=worth)
