"""Checks of a letter that need nothing but the letter: a module for each family, values in and flaws out.

They look at the compiled letter (HTML, text, links), so they hold for every format; `Whereabouts` finds the line or
block that a word came from. What needs the database or the network stands in campaigns/checks.
"""

from collections.abc import Callable, Iterator

from samizdat.core.checks import contrast, dates, donation, links, width, words
from samizdat.core.checks.reading import Reading
from samizdat.core.checks.whereabouts import Whereabouts
from samizdat.core.flaws import Flaw

__all__ = ["FAMILIES", "Reading", "Whereabouts", "look"]

FAMILIES: tuple[Callable[[Reading], Iterator[Flaw]], ...] = (
    words.look,
    dates.look,
    links.look,
    donation.look,
    contrast.look,
    width.look,
)

# Of one family; a letter pasted from a broken source must not bury what matters.
MOST = 30


def look(reading: Reading) -> tuple[Flaw, ...]:
    """All that the pure checks find, family by family."""
    found: list[Flaw] = []
    for family in FAMILIES:
        for number, flaw in enumerate(family(reading)):
            if number == MOST:
                break
            found.append(flaw)
    return tuple(found)
