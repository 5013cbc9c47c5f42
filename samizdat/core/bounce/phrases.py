"""Which of many phrases a text has, without looking for each: 900 searches of a short text take 100 us."""

import re
from collections import Counter
from collections.abc import Iterable

_WORD = re.compile(r"[a-z0-9]+")
_SHORT, _LONG = 3, 6


def listed(text: str) -> tuple[str, ...]:
    """PhraseIndex of a table, with | between them."""
    return tuple(phrase for part in text.split("|") if (phrase := " ".join(part.split())))


class PhraseIndex:
    """(rank, phrase) pairs; * in a phrase stands for anything between.

    A phrase is looked for where the text has its rarest word, or one that begins so, and another one of its words.
    Where a phrase has no Latin word, it is looked for in every text beyond ASCII.
    """

    def __init__(self, pairs: Iterable[tuple[int, str]]) -> None:
        phrases = list(pairs)
        common = Counter(_key(word) for _rank, phrase in phrases for word in set(_WORD.findall(phrase)))
        # By the rarest word: (rank, the other word, phrase).
        self._by_key: dict[str, list[tuple[int, str, str]]] = {}
        self._parted: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
        self._others: list[tuple[int, str]] = []
        for rank, phrase in phrases:
            words = _WORD.findall(phrase) if phrase.isascii() else []
            if not words:
                self._others.append((rank, phrase))
                continue
            keys = [_key(word) for word in sorted(words, key=lambda word: (common[_key(word)], -len(word)))]
            if "*" in phrase:
                self._parted.setdefault(keys[0], []).append((rank, tuple(part.strip() for part in phrase.split("*"))))
            else:
                self._by_key.setdefault(keys[0], []).append((rank, _other(keys, words), phrase))

    def ranks(self, text: str) -> set[int]:
        """Ranks of the phrases in a text in lower case."""
        words = set(_WORD.findall(text))
        keys = {word[:_SHORT] for word in words}
        keys.update([word[:_LONG] for word in words])
        hit = {
            rank
            for key in keys & self._by_key.keys()
            for rank, other, phrase in self._by_key[key]
            if other in keys and phrase in text
        }
        for key in keys & self._parted.keys():
            hit.update(rank for rank, parts in self._parted[key] if _in_order(text, parts))
        if self._others and not text.isascii():
            hit.update(rank for rank, phrase in self._others if phrase in text)
        return hit


def _other(keys: list[str], words: list[str]) -> str:
    """Of the other words of a phrase the rarest. A text may have the first one as the end of a longer word, and the
    last as its beginning, which is known by three letters."""
    inner = {_key(word) for word in words[1:] if len(word) >= _SHORT}
    return next((key for key in keys[1:] if key in inner), keys[0])


def _key(word: str) -> str:
    return word[:_LONG] if len(word) >= _LONG else word[:_SHORT]


def _in_order(text: str, parts: tuple[str, ...]) -> bool:
    at = 0
    for part in parts:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True
