"""Addresses that were probably mistyped, and those that may be of one person. Guesses: somebody looks at each.

A domain is taken for a misspelt one of a large provider when one stroke lies between the two: a letter too many, too
few, another, or two exchanged. Domains that exist and look alike are left alone.
"""

from __future__ import annotations

from functools import lru_cache

from samizdat.core.mail import address

# Whose names are typed most, and long enough that one stroke between is no chance.
LARGE = (
    "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com", "protonmail.com",
    "yandex.ru", "yandex.com", "rambler.ru", "inbox.ru", "seznam.cz", "inbox.lv", "t-online.de", "wanadoo.fr",
    "orange.fr", "hotmail.fr", "hotmail.co.uk", "yahoo.co.uk", "yahoo.fr", "yahoo.de",
)  # fmt: skip

# Short names, where a guess by strokes would be wild: what people really type.
TYPED = {
    "mial.ru": "mail.ru", "mai.ru": "mail.ru", "maill.ru": "mail.ru", "mali.ru": "mail.ru", "mail.ry": "mail.ru",
    "mail.r": "mail.ru", "gmail.ru": "gmail.com", "gmail.co": "gmail.com", "gmail.cm": "gmail.com",
    "yandex.r": "yandex.ru", "ya.r": "ya.ru", "bk.r": "bk.ru", "lits.ru": "list.ru", "ukr.ney": "ukr.net",
    "urk.net": "ukr.net", "icloud.co": "icloud.com", "outlook.co": "outlook.com", "proton.mee": "proton.me",
}  # fmt: skip

# They exist, and people have mailboxes there.
REAL = frozenset({
    "mail.com", "email.com", "ymail.com", "fmail.com", "hmail.com", "gmx.com", "inbox.com", "inbox.eu", "inbox.lt",
    "outlook.co.id", "yahoo.co", "yandex.by", "yandex.kz", "yandex.ua", "orange.pl", "indox.ru", "hotmail.de",
})  # fmt: skip

# Providers that take whatever follows a plus sign for the same mailbox.
_PLUS = frozenset({"gmail", "outlook", "icloud", "proton", "yandex"})
_DOTLESS = frozenset({"gmail.com", "googlemail.com"})


@lru_cache(maxsize=4096)
def likely(domain: str) -> str | None:
    """The domain that was probably meant; None where it looks right. `domain` as address.domain() gives it."""
    if domain in TYPED:
        return TYPED[domain]
    if domain in REAL or domain in LARGE or address.provider(domain):
        return None
    return next((large for large in LARGE if is_one_stroke(domain, large)), None)


def meant(text: str) -> str | None:
    """The whole address that was probably meant, for a normalized one; None where it looks right."""
    local, _, host = text.rpartition("@")
    better = likely(host)
    return f"{local}@{better}" if better else None


def is_one_stroke(first: str, second: str) -> bool:
    """Whether a single letter was added, left out, changed, or exchanged with its neighbor."""
    if first == second or abs(len(first) - len(second)) > 1:
        return False
    start = 0
    while start < min(len(first), len(second)) and first[start] == second[start]:
        start += 1
    a, b = first[start:], second[start:]
    if len(a) == len(b):
        return a[1:] == b[1:] or (len(a) > 1 and a[0] == b[1] and a[1] == b[0] and a[2:] == b[2:])
    return a[1:] == b if len(a) > len(b) else b[1:] == a


def canonical(text: str) -> str:
    """The address that several of one mailbox have in common, in lower case: without what follows a plus sign, and
    without dots at Gmail. For a normalized address."""
    local, _, host = address.comparable(text).rpartition("@")
    name = address.PROVIDERS[address.provider(host)]
    if name in _PLUS and not local.startswith("+"):
        local = local.partition("+")[0]
    if host in _DOTLESS:
        return f"{local.replace('.', '')}@gmail.com"
    return f"{local}@{host}"
