"""The words of one key share, as people type them (SLIP-39; docs/key-formats.md)."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache

from shamir_mnemonic.rs1024 import create_checksum
from shamir_mnemonic.share import Share
from shamir_mnemonic.utils import MnemonicError
from shamir_mnemonic.wordlist import WORDLIST

# Of a share of 32 bytes.
COUNT = 33
# As many letters tell every word from all others.
LETTERS = 4

_PURPOSE = b"shamir_extendable"


class ShareError(ValueError):
    """The sentence says what is wrong with what was typed, and what to do."""


@cache
def _by_letters() -> dict[str, int]:
    return {word[:LETTERS]: index for index, word in enumerate(WORDLIST)}


def share(typed: str) -> Share:
    """One share. Case, numbers and punctuation are skipped; words may be cut to four letters. Errors: ShareError."""
    numbers = _numbers(re.findall(r"[^\W\d_]+", typed))
    if _remainder(numbers):
        raise ShareError(_which_is_wrong(numbers))
    try:
        read = Share.from_mnemonic(" ".join(WORDLIST[number] for number in numbers))
    except MnemonicError:
        raise ShareError(_NOT_OURS) from None
    if (read.extendable, read.iteration_exponent, read.group_count, len(read.value)) != (True, 0, 1, 32):
        raise ShareError(_NOT_OURS)
    return read


_NOT_OURS = "These are words of a SLIP-39 share, but not of one that Samizdat made. Enter another share."


def _numbers(words: Sequence[str]) -> list[int]:
    """Of each word its place in the list."""
    numbers = []
    for place, word in enumerate(words, 1):
        number = _by_letters().get(word[:LETTERS].lower())
        if number is None or not WORDLIST[number].startswith(word.lower()):
            near = get_close_matches(word.lower(), WORDLIST, 1)
            hint = f" Is it “{near[0]}”?" if near else ""
            raise ShareError(f"Word {place}, “{word}”, isn't a word of the list.{hint} Enter this share again.")
        numbers.append(number)
    if len(numbers) != COUNT:
        raise ShareError(f"A share has {COUNT} words, and these are {len(numbers)}. Enter this share again.")
    return numbers


def _remainder(numbers: Sequence[int]) -> int:
    """What the checksum in the last three words leaves; 0 for a share that is whole."""
    remainder = 0
    for wanted, number in zip(create_checksum(numbers[:-3], _PURPOSE), numbers[-3:], strict=True):
        remainder = remainder << 10 | wanted ^ number
    return remainder


def _which_is_wrong(numbers: Sequence[int]) -> str:
    """The checksum tells a single altered word from all others: four words have to differ between two shares. Which
    word it should be isn't said: people would believe it, and several wrong words can look like another one."""
    place = _altered(numbers)
    where = f"Word {place} is probably wrong" if place else "Several words are wrong"
    return f"{where}: the words don't match their checksum. Compare them with the paper and enter this share again."


def _altered(numbers: Sequence[int]) -> int | None:
    """The place, from 1, of the only word that can have been altered; None where it is more than one."""
    wanted = _remainder(numbers)
    none = _remainder([0] * len(numbers))
    for place in range(len(numbers)):
        # The remainder is linear: of ten bits of a word, each adds its own part.
        bits = [[1 << bit if at == place else 0 for at in range(len(numbers))] for bit in range(10)]
        parts = [_remainder(altered) ^ none for altered in bits]
        if wanted in _sums(parts):
            return place + 1
    return None


def _sums(parts: Sequence[int]) -> set[int]:
    sums = {0}
    for part in parts:
        sums |= {each ^ part for each in sums}
    return sums
