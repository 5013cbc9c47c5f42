"""Which of many phrases a text has, without looking for each: 900 searches of a short text take 100 us."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

_SPACED = bytes(byte if chr(byte) in "abcdefghijklmnopqrstuvwxyz0123456789" else 0x20 for byte in range(256))
# With Greek and Cyrillic. Chinese and Japanese have no spaces, Korean words begin with others.
_WORD = re.compile(r"[a-z0-9]+|[\u0370-\u052f]+")
_WITHOUT_SPACES = re.compile(r"[\u0e00-\u0eff\u1100-\u11ff\u2e80-\ud7ff\uf900-\ufaff\uff00-\uffef]")
# What no word above has, but for signs.
_OTHER_SCRIPT = re.compile(r"[^\x00-\u052f\u2000-\u206f]")
_ACCENTED = re.compile(r"[\u00c0-\u024f\u1e00-\u1eff]|(?<=[A-Za-z])[\u0300-\u036f]+")
# Letters that are no others with a mark.
_ALONE = {"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"}
_SHORT, _LONG = 3, 6


def folded(text: str) -> str:
    """Latin letters without their marks: servers write "boîte" as "boite", too."""
    return text if text.isascii() else _ACCENTED.sub(_unmarked, text)


def _unmarked(match: re.Match[str]) -> str:
    letter = unicodedata.normalize("NFD", match[0])[0]
    return _ALONE.get(letter, letter) if unicodedata.combining(letter) == 0 else ""


def listed(text: str) -> tuple[str, ...]:
    """PhraseIndex of a table, with | between them."""
    return tuple(phrase for part in text.split("|") if (phrase := " ".join(part.split())))


class PhraseIndex:
    """(rank, phrase) pairs; * in a phrase stands for anything between.

    A phrase is looked for where the text has its rarest word, or one that begins so, and another one of its words.
    Where its script has no spaces, it is looked for in every text beyond ASCII. Marks of Latin letters don't matter.
    """

    def __init__(self, pairs: Iterable[tuple[int, str]]) -> None:
        phrases = [(rank, folded(phrase)) for rank, phrase in pairs]
        common = Counter(_key(word) for _rank, phrase in phrases for word in set(_WORD.findall(phrase)))
        # By the rarest word: (rank, the other word, phrase).
        self._by_key: dict[str, list[tuple[int, str, str]]] = {}
        self._parted: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
        self._others: list[tuple[int, tuple[str, ...]]] = []
        for rank, phrase in phrases:
            words = [] if _WITHOUT_SPACES.search(phrase) else _WORD.findall(phrase)
            if not words:
                self._others.append((rank, _parts(phrase)))
                continue
            keys = [_key(word) for word in sorted(words, key=lambda word: (common[_key(word)], -len(word)))]
            if "*" in phrase:
                self._parted.setdefault(keys[0], []).append((rank, _parts(phrase)))
            else:
                self._by_key.setdefault(keys[0], []).append((rank, _other(keys, words), phrase))

    def ranks(self, text: str) -> set[int]:
        """Ranks of the phrases in a text in lower case."""
        ascii_alone = text.isascii()
        text = text if ascii_alone else folded(text)
        words = _ascii_words(text) if ascii_alone else _WORD.findall(text)
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
        if not ascii_alone and self._others and _OTHER_SCRIPT.search(text) is not None:
            hit.update(rank for rank, parts in self._others if parts[0] in text and _in_order(text, parts))
        return hit


def _ascii_words(text: str) -> list[str]:
    """What _WORD finds in such a text, in half the time."""
    return text.encode().translate(_SPACED).decode().split()


def _parts(phrase: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in phrase.split("*"))


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
