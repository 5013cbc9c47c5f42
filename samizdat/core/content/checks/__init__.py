"""Checks of a letter that need nothing but the letter: a module for each family, values in and flaws out.

They look at the compiled letter (HTML, text, links), so they hold for every format; `TextPositions` finds the line or
block that a word came from. What needs the database or the network stands in campaigns/checks.
"""

from collections.abc import Callable, Iterator

from samizdat.core.content.checks import contrast, dates, donation, links, width, words
from samizdat.core.content.checks.check_input import Readability
from samizdat.core.content.checks.positions import TextPositions
from samizdat.core.content.problems import ContentProblem

__all__ = ["FAMILIES", "Readability", "TextPositions", "look"]

FAMILIES: tuple[Callable[[Readability], Iterator[ContentProblem]], ...] = (
    words.look,
    dates.look,
    links.look,
    donation.look,
    contrast.look,
    width.look,
)

# Of one family; a letter pasted from a broken source must not bury what matters.
MOST = 30


def look(reading: Readability) -> tuple[ContentProblem, ...]:
    """All that the pure checks find, family by family."""
    problems: list[ContentProblem] = []
    for family in FAMILIES:
        for number, flaw in enumerate(family(reading)):
            if number == MOST:
                break
            problems.append(flaw)
    return tuple(problems)
