"""Addresses and phone numbers in a text, hidden from who may not see them, wherever somebody wrote them."""

import re

from samizdat.core.unsafe_text import bare

MASK = "•••"
# So many digits reach somebody; a shorter number is a year, a price, a house.
DIGITS = 8


def first_letters(address: str) -> str:
    """An address as lists show it: o•••@y•••.ru. Of one length but for the ending, so that dots tell nothing."""
    local, _at, domain = address.rpartition("@")
    _host, dot, ending = domain.rpartition(".")
    return f"{first_letter(local)}@{domain[:1]}{MASK}{dot}{ending}"


def first_letter(name: str) -> str:
    """A name as lists show it: O•••; "" where there is none."""
    return f"{name[:1]}{MASK}" if name else ""


_WORDS = re.compile(r"(\s+)")
_SIGN = re.compile(r"@|＠|﹫|&#64;|%40|=40|\(at\)|\[at\]|\{at\}|<at>", re.IGNORECASE)
# As people write them in groups, and as a date is written in digits.
_NUMBER = re.compile(r"\d[\d \t\xa0\u2007\u2009\u202f().\-‐‑‒–—/·]*")
_DATE = re.compile(r"(19|20)\d\d[-./](0?[1-9]|1[0-2])[-./]\d\d?|\d\d?[-./]\d\d?[-./](19|20)\d\d")


def masked(text: str) -> str:
    """What looks like an address or a phone number is gone. Rather too much than too little."""
    return _NUMBER.sub(_number, _addresses(bare(text)))


def _addresses(text: str) -> str:
    """Word by word, so that it takes the same time for each: what stands before a lone @ and behind it goes along."""
    parts = _WORDS.split(text)
    words = parts[::2]
    gone = [False] * len(words)
    for place, word in enumerate(words):
        match = _SIGN.search(word)
        if match is None:
            continue
        gone[place] = True
        if match.start() == 0 and place:
            gone[place - 1] = True
        if match.end() == len(word) and place + 1 < len(words):
            gone[place + 1] = True
    parts[::2] = [MASK if hide and word else word for word, hide in zip(words, gone, strict=True)]
    return "".join(parts)


def _number(match: re.Match[str]) -> str:
    text = match[0].rstrip(" \t\xa0\u2007\u2009\u202f(.-‐‑‒–—/·")
    if sum(sign.isdecimal() for sign in text) < DIGITS or _DATE.fullmatch(text):
        return match[0]
    return MASK + match[0][len(text) :]
