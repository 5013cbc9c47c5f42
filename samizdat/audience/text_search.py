"""Part of a name or an address, looked for by opening one subscriber after the other.

No index of parts is kept: from a copy of the disk it would tell who is here. A look has so many seconds, and a process
looks for one person at a time, so that pages of everybody else are answered meanwhile.
"""

import re
import threading
import time
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import batched, chain

from samizdat.accounts.models import Organization
from samizdat.audience import numbers, sealed_subscribers, sql, tags_and_fields
from samizdat.audience.filters import FilterPage
from samizdat.audience.models import NUMBER_MASK, row_id
from samizdat.core.crypto import seal
from samizdat.core.unsafe_text import bare
from samizdat.vault import keyring

# Words that are looked for, and letters of each; those after them are not.
WORDS, LETTERS = 8, 60
# Characters of a name or an address that are looked through.
LOOKED_THROUGH = 1_000
# Bytes of all that is known of somebody that are looked through at once, before their names are picked out.
SHORT = 4_096
# Rows of one statement: 1 ms, after which other threads have their turn, and 64 MB at most.
PAGE = 1_000
# Of these so many are looked through as one text.
TOGETHER = 25
# Seconds that a look waits until the one before it is over.
WAITING = 3.0

_turn = threading.Lock()
# Of each organization one look waits for its turn: one that searches without pause is no more often in front.
_waits: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)


class TextSearch:
    """Words, each of which stands in the address or a name, in capitals or not; е and ё are the same."""

    def __init__(self, organization: Organization, text: str) -> None:
        keys = keyring.keys(organization)
        words = unicodedata.normalize("NFC", bare(text)).split()[:WORDS]
        words = [word[:LETTERS] for word in words]
        # The longest one rules out the most.
        self._words = [_holder(word) for word in sorted(words, key=len, reverse=True)]
        self._columns = [seal.ADDRESS, *tags_and_fields.name_fields(organization, keys)]
        self._organization = organization.id
        self._opened = sealed_subscribers.opener(keys).open_rows
        self._end = row_id(organization.id, numbers.end_of(organization.id))

    def look(self, below: int | None, limit: int, seconds: float) -> FilterPage:
        """The next `limit` of them below a row id, by falling number; fewer where the seconds are over before, or at
        the end. Where many search at once it may have looked at nobody: then it goes on from the same id."""
        at = self._end if below is None else min(below, self._end)
        if not self._words:
            return FilterPage([], None)
        until, own = time.monotonic() + WAITING, _waits[self._organization]
        if not own.acquire(timeout=WAITING):
            return FilterPage([], at)
        try:
            if not _turn.acquire(timeout=max(0.0, until - time.monotonic())):
                return FilterPage([], at)
            try:
                return self._look(at, limit, time.monotonic() + seconds)
            finally:
                _turn.release()
        finally:
            own.release()

    def _look(self, at: int, limit: int, until: float) -> FilterPage:
        ids = list[int]()
        with closing(sql.sealed_pages(self._organization, at, PAGE)) as pages:
            for some in chain.from_iterable(batched(rows, TOGETHER) for rows in pages):
                ids += self._meant(some)[: limit - len(ids)]
                if len(ids) == limit:
                    return FilterPage(ids, ids[-1])
                # Not for each page: an import brings people of megabytes.
                if time.monotonic() > until:
                    return FilterPage(ids, some[-1][0])
        return FilterPage(ids, None)

    def _meant(self, rows: Sequence[tuple[int, bytes]]) -> list[int]:
        # The nightly comparison tells of those who were damaged.
        values, holds = self._opened(rows, NUMBER_MASK), self._words[0]
        # In notes or another field as well: most are ruled out here, all at once.
        if max(map(len, values)) <= SHORT and not holds(b"".join(values)):
            return []
        return [
            id
            for (id, _blob), value in zip(rows, values, strict=True)
            if (len(value) > SHORT or holds(value)) and self._is_meant(value)
        ]

    def _is_meant(self, plain: bytes) -> bool:
        try:
            texts = [seal.pick(plain, number)[:LOOKED_THROUGH].encode() for number in self._columns]
        except seal.SealError:
            return False
        return all(any(map(holds, texts)) for holds in self._words)


def _holder(word: str) -> Callable[[bytes], object]:
    """Whether such a word stands in a text, both as UTF-8. Of 1.5 us for each subscriber this takes 0.2 to 0.5."""
    if word.isascii():
        wanted = word.lower().encode()
        return lambda text: wanted in text.lower()
    # Letter by letter in all their forms: to bring every text to one form first would take 5 us.
    letters = [_forms(letter) for letter in word]
    search = re.compile(b"".join(b"(?:" + b"|".join(map(re.escape, forms)) + b")" for forms in letters)).search
    # Most texts lack a letter, which is known sooner than that they lack the word.
    least = min(letters, key=len)

    def holds(text: bytes) -> object:
        for form in least:
            if form in text:
                return search(text)
        return None

    return holds


def _forms(letter: str) -> list[bytes]:
    forms = {letter, letter.lower(), letter.upper()}
    forms |= {form for pair in ("её", "ЕЁ") for form in pair if forms & {*pair}}
    return [form.encode(errors="surrogatepass") for form in sorted(forms)]
