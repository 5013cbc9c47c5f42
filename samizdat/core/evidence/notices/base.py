"""What a service's file says: who sends its notices, and by which words."""

import re
from typing import Literal, NamedTuple

from samizdat.core.bounce import addresses

type NoticeKind = Literal["yes", "left"]

# Before an address that a form or a service names.
LABELED = re.compile(
    r"^[ \t>*]{0,9}(?:e-?mail(?: address)?|email|адрес эл\.? ?почты|эл\.? ?почта|электронная почта|почта|емейл|имейл|"
    r"електронна пошта|адрес)(?:[ \t*]{0,9}[:：]|(?=\s))\s{0,9}\**(?P<address>[^\s<>]{1,254}@[^\s<>]{1,254})",
    re.IGNORECASE | re.MULTILINE,
)
MOST_TEXT = 20_000


class ServiceNotice(NamedTuple):
    """Of one address, as it is written."""

    kind: NoticeKind
    address: str


class NoticeService(NamedTuple):
    """`domains`: of the service's servers; none where notices come from the server of the group, by a program on it.
    `subjects`: of each kind, of which the first that fits counts. `sentences`: with `address`, in the text; none where
    it's looked for as in any notice (named_in)."""

    name: str
    domains: frozenset[str]
    subjects: tuple[tuple[NoticeKind, re.Pattern[str]], ...]
    sentences: tuple[tuple[NoticeKind, re.Pattern[str]], ...] = ()

    def read(self, subject: str, text: str, own: frozenset[str]) -> ServiceNotice | None:
        """None for what is no notice of somebody; more than one address under labels are nobody's.

        own: addresses and domains (with @ before them) of the group, of which no notice speaks.
        """
        kind = next((kind for kind, pattern in self.subjects if pattern.search(subject)), None)
        if kind is None:
            return None
        if self.sentences:
            address = self._by_sentence(kind, text[:MOST_TEXT])
        else:
            address = named_in(subject, text, own | {f"@{domain}" for domain in self.domains})
        return ServiceNotice(kind, address) if address else None

    def _by_sentence(self, kind: NoticeKind, text: str) -> str | None:
        pattern = next(pattern for of, pattern in self.sentences if of == kind)
        match = pattern.search(" ".join(text.split()))
        return addresses.first(match["address"]) if match else None


def named_in(subject: str, text: str, own: frozenset[str]) -> str | None:
    """The address that stands behind a label; else in the subject; else the only one in the text. Where several stand
    there, as in a digest of several people or a signature with colleagues, it is nobody's."""
    text = text[:MOST_TEXT]
    labeled = [match["address"].removeprefix("mailto:") for match in LABELED.finditer(text)]
    for written in (labeled, [subject], [text]):
        named: dict[str, str] = {}
        for match in (match for part in written for match in addresses.ADDRESS.finditer(part)):
            address = addresses.clean(match[1])
            if "." in address.rpartition("@")[2] and not is_own(address, own):
                named.setdefault(address.lower(), address)
        if named:
            return next(iter(named.values())) if len(named) == 1 else None
    return None


def is_own(address: str, own: frozenset[str]) -> bool:
    """own: addresses, and @ with a domain for all of its addresses."""
    address = address.lower()
    return address in own or address[address.rfind("@") :] in own
