"""Which parts go along in an export of our own format (base.py): apps above the audience say so when they load.

What is registered makes the parts, so that a command that exports nothing loads none of them.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

_makers: list[Callable[[], Iterable[Any]]] = []


def register(make: Callable[[], Iterable[Any]]) -> None:
    """In the order of calling: whoever needs pictures comes after them."""
    _makers.append(make)


def parts() -> Iterator[Any]:
    """base.Part each."""
    for make in _makers:
        yield from make()
