"""Codes on paper that lock an organization by email: what one looks like, and which a message may hold.

A code is eight words of the list that key shares use (SLIP-39: 1,024 words, no two with the same first four letters),
so 80 bits. What is typed in a hurry counts by the first four letters, with numbers, line breaks and marks between them.
"""

import re
from collections.abc import Iterator, Sequence

from shamir_mnemonic.wordlist import WORDLIST

from samizdat.core.bounce.mime import Part, Unreadable, decoded, leaves, split

WORDS, BITS = 8, 80
# Of the words in the list.
_WORD_BITS, _MARKED = 10, 4
# Codes that are looked at in one message: whoever guesses has 2**80 to try.
MOST = 16
_NUMBERS = {word[:_MARKED]: place for place, word in enumerate(WORDLIST)}
_TYPED = re.compile(r"[^\W\d_]+")


def spelled(number: int) -> str:
    """Of BITS."""
    places = (number >> _WORD_BITS * at & (1 << _WORD_BITS) - 1 for at in reversed(range(WORDS)))
    return " ".join(WORDLIST[place] for place in places)


def in_message(raw: bytes) -> tuple[str, ...]:
    """Codes that a message may hold, in its subject or its text: as they were spelled."""
    try:
        message = split(raw)
    except Unreadable:
        return ()
    codes: dict[str, None] = {}
    for text in (decoded(message.get("subject")), *(leaf.text for leaf in leaves(message) if _is_text(leaf))):
        for code in in_text(text):
            codes[code] = None
            if len(codes) == MOST:
                return tuple(codes)
    return tuple(codes)


def in_messages(raws: Sequence[bytes]) -> tuple[tuple[str, ...], ...]:
    return tuple(in_message(raw) for raw in raws)


def in_text(text: str) -> Iterator[str]:
    """Each eight words of the list that stand one after the other."""
    run: list[int] = []
    for typed in _TYPED.findall(text.lower()):
        place = _NUMBERS.get(typed[:_MARKED]) if len(typed) >= _MARKED else None
        run = [*run, place][-WORDS:] if place is not None else []
        if len(run) == WORDS:
            yield " ".join(WORDLIST[place] for place in run)


def _is_text(leaf: Part) -> bool:
    return leaf.kind in ("text/plain", "text/html")
