"""Mail addresses: read one from whatever people paste, bring it to one form, compare.

The form is for ever, because the blind index is made of it: an address that normalizes differently tomorrow
would be another subscriber. What is accepted is RFC 5321 with RFC 6531 (non-ASCII local parts), without
quoted local parts and without address literals: in lists these are typing errors, and few relays take them. Nor is
`=?` taken before the @, from a stranger, a file or the desk: RFC 5322 allows it, but RFC 2047 (5) keeps encoded words
out of addresses, many programs decode them there all the same, and then it is somebody else's address or a line end.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_SENTENCES = {
    "empty": "There is no address here. Write one like name@example.org.",
    "no_at": "This isn’t an address: the @ is missing. Write it like name@example.org.",
    "two_at": "There is more than one @ here. Write only one address.",
    "too_long": "This address is longer than email allows (64 bytes before the @, 254 in total). Check for extra text.",
    "control": "This address contains a line break or another invisible character. Type it again by hand.",
    "bad_local": "The part before the @ isn’t valid in an email address. Check for spaces, commas, brackets and "
    "double dots.",
    "bad_domain": "The part after the @ isn’t a domain. Check the spelling; it should look like example.org.",
    "not_ascii_domain": "The domain contains characters that domain names don’t allow. Check it, or write its xn-- "
    "form.",
}
CODES = tuple(_SENTENCES)


class BadAddress(ValueError):
    """Not an address we can write to. ``code`` is one of CODES; the address itself is not in the text."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(_SENTENCES[code])


_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++"  # atext of RFC 5322
_LABEL = r"[a-z0-9]++(?:-++[a-z0-9]++)*+"

# The way of 999 addresses in 1,000: already in form, without `=?`, and at 64 characters in all no part can be too long.
# Possessive, so that no input makes it slow.
_PLAIN = rf"(?!.*=\?)(?=.{{0,64}}$){_ATOM}(?:\.{_ATOM})*+@(?:{_LABEL}\.)++[a-z]{{2,}}"
_plain = re.compile(_PLAIN).fullmatch
_all_plain = re.compile(rf"(?:{_PLAIN}\n)*+", re.MULTILINE).fullmatch
_local_ascii = re.compile(rf"{_ATOM}(?:\.{_ATOM})*+").fullmatch
_domain_ascii = re.compile(rf"(?=.{{1,253}}\Z)(?:(?=[^.]{{1,63}}(?:\.|\Z)){_LABEL}(?:\.(?!\Z)|\Z)){{2,}}").fullmatch
_control = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]").search
_unsafe = re.compile(r"[\x00-\x20\"(),:;<>@\[\\\]\x7f]").search

# Soft hyphen, zero-width space and no-break, word joiner, BOM, and marks of direction: come along when people
# copy.
_MARKS = dict.fromkeys(
    [0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF]
)
# Letters of some scripts need the joiners: they are dropped only where no such script is.
_JOINERS = dict.fromkeys([0x200C, 0x200D])


def normalize(text: str) -> str:
    """The address in ``text``, in its one form; normalize(normalize(x)) == normalize(x).

    Blanks around, ``mailto:``, ``<...>``, zero-width marks and the dot after the domain go. The local part
    stays as written (NFC); the domain becomes lower-case A-labels (UTS-46 non-transitional mapping,
    IDNA2008). Errors: BadAddress.
    """
    return text if _plain(text) else _carefully(text)


def _carefully(text: str) -> str:
    text = _unwrap(text)
    if not text:
        raise BadAddress("empty")
    if _control(text):
        raise BadAddress("control")
    local, at, host = text.rpartition("@")
    if not at:
        raise BadAddress("no_at")
    if "@" in local:
        raise BadAddress("two_at")
    local, host = _local(local), _host(host)
    if len(local.encode()) > 64 or len(local.encode()) + 1 + len(host) > 254:
        raise BadAddress("too_long")
    return f"{local}@{host}"


def _unwrap(text: str) -> str:
    if len(text) > 5000:  # a cell with a book in it; nothing below needs to walk through that
        raise BadAddress("too_long")
    text = _bare(text)
    if text.startswith("<") and text.endswith(">"):
        text = _bare(text[1:-1])
    if text[:7].lower() == "mailto:":
        text = _bare(text[7:].partition("?")[0])
    return text


def _bare(text: str) -> str:
    if text.isascii():
        return text.strip()
    text = text.translate(_MARKS)
    without = text.translate(_JOINERS)
    return (without if without.isascii() else text).strip()


def _local(local: str) -> str:
    if local.isascii():
        if not _local_ascii(local) or "=?" in local:
            raise BadAddress("bad_local")
        return local
    local = unicodedata.normalize("NFC", local)
    dots = local.startswith(".") or local.endswith(".") or ".." in local
    # U+FFFD stands for what could not be read: nobody has such a mailbox.
    if (
        dots
        or "\ufffd" in local
        or "=?" in local
        or _unsafe(local)
        or any(unicodedata.category(c)[0] in "CZ" for c in local)
    ):
        raise BadAddress("bad_local")
    return local


def _host(host: str) -> str:
    if not host.isascii():
        host = a_labels(host)
    host = host.lower().removesuffix(".")
    if len(host) > 253:
        raise BadAddress("too_long")
    top = host.rpartition(".")[2]
    if not _domain_ascii(host) or top.isdigit() or len(top) < 2:
        raise BadAddress("bad_domain")
    return host


def is_at_or_below(name: str, domain: str) -> bool:
    """Both in small letters, as the DNS spells them."""
    return name == domain or name.endswith(f".{domain}")


# -- IDNA2008 ----------------------------------------
# Python's own "idna" codec is IDNA2003: it would send mail for straße.example to strasse.example, somebody
# else.

_KEPT = {"ß": "ß", "ẞ": "ß", "ς": "ς"}  # the deviations that UTS-46 non-transitional keeps
_DOTS = str.maketrans({"。": ".", "．": ".", "｡": "."})
_PVALID = frozenset("ßς་〇۽۾")  # RFC 5892, 2.6, exceptions that are always valid
_DISALLOWED = frozenset("\u0640\u07fa\u302e\u302f\u3031\u3032\u3033\u3034\u3035\u303b")
_ARABIC, _EASTERN = frozenset(map(chr, range(0x660, 0x66A))), frozenset(map(chr, range(0x6F0, 0x6FA)))


def a_labels(host: str) -> str:
    """A host in the spelling of the DNS (IDNA2008). Errors: BadAddress."""
    return ".".join([_a_label(_mapped(label)) for label in host.translate(_DOTS).split(".")])


def _mapped(label: str) -> str:
    """UTS-46 mapping, by its construction: NFKC, case folded, repeated, except the deviations."""
    folded = "".join(_KEPT.get(c) or unicodedata.normalize("NFKC", c).casefold() for c in label)
    folded = "".join(_KEPT.get(c) or c.casefold() for c in unicodedata.normalize("NFKC", folded))
    if "." in folded:  # a look-alike such as "one dot leader": who sees one domain must not write to another
        raise BadAddress("not_ascii_domain")
    return unicodedata.normalize("NFC", folded)


def _a_label(label: str) -> str:
    if label.isascii():
        return label
    if label[2:4] == "--" or label[0] == "-" or label[-1] == "-" or unicodedata.category(label[0])[0] == "M":
        raise BadAddress("not_ascii_domain")
    if not all(_pvalid(c) or _in_context(label, i) for i, c in enumerate(label)):
        raise BadAddress("not_ascii_domain")
    encoded = "xn--" + label.encode("punycode").decode()
    if len(encoded) > 63:
        raise BadAddress("bad_domain")
    return encoded


def _pvalid(c: str) -> bool:
    """RFC 5892, section 3, without the characters that need a context."""
    if c in _PVALID or c == "-" or "a" <= c <= "z" or "0" <= c <= "9":
        return True
    stable = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", c).casefold()) == c
    jamo = "\u1100" <= c <= "\u11ff" or "\ua960" <= c <= "\ua97f" or "\ud7b0" <= c <= "\ud7ff"
    # The middle dot and the two rows of digits are judged by _in_context; the rest of Latin-1 is not letters.
    contextual = c in _ARABIC or c in _EASTERN or c == "\u00b7"
    letters = unicodedata.category(c) in ("Ll", "Lo", "Lm", "Mn", "Mc", "Nd")
    return stable and letters and not jamo and not contextual and c not in _DISALLOWED and not _ignorable(c)


def _ignorable(c: str) -> bool:
    """Variation selectors, fillers and combining marks for symbols: letters by category, invisible or not
    words."""
    return (
        c in "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"
        or "\ufe00" <= c <= "\ufe0f"
        or "\u180b" <= c <= "\u180f"
        or "\u20d0" <= c <= "\u20ff"
        or "\U000e0100" <= c <= "\U000e01ef"
        or "\U0001d100" <= c <= "\U0001d24f"
    )


def _in_context(label: str, i: int) -> bool:
    """RFC 5892, appendix A. The zero-width non-joiner is allowed after a virama only: the stricter half of
    its rule."""
    c, before, after = label[i], label[i - 1 : i], label[i + 1 : i + 2]
    if c in "\u200c\u200d":
        return bool(before) and unicodedata.combining(before) == 9
    if c == "\u00b7":
        return before == "l" and after == "l"
    if c == "\u0375":
        return bool(after) and unicodedata.name(after, "").startswith("GREEK")
    if c in "\u05f3\u05f4":
        return bool(before) and unicodedata.name(before, "").startswith("HEBREW")
    if c == "\u30fb":
        return any(unicodedata.name(x, "").startswith(("HIRAGANA", "KATAKANA L", "CJK")) for x in label)
    if c in _ARABIC:
        return not _EASTERN & set(label)
    return c in _EASTERN and not _ARABIC & set(label)


# -- comparing ----------------------------------------


def comparable(address: str) -> str:
    """What the blind index is made of: the normalized address in lower case (NFC).

    RFC 5321 lets Ada@ and ada@ be two people; no provider does, and two rows for one reader would send them
    two letters. Dots and plus signs stay, since they mean different mailboxes at most providers.
    """
    lower = address.lower()
    return lower if lower.isascii() else unicodedata.normalize("NFC", lower)


def comparables(addresses: Sequence[str]) -> list[str]:
    """comparable() of many addresses, in a third of the time. Errors: ValueError where one is not normalized."""
    text = "\n".join([*addresses, ""])
    if text.count("\n") == len(addresses) and _all_plain(text):
        return text.lower().splitlines()
    if any(normalize(address) != address for address in addresses):
        raise ValueError("an address that is not in form")
    return list(map(comparable, addresses))


def root(address: str) -> str:
    """The mailbox that a normalized address most likely leads to, however it is written: to count mails by, never to
    write to. ada+news@ is ada@ at nearly all providers, and Gmail does not see dots."""
    local, _at, host = comparable(address).rpartition("@")
    local = local.partition("+")[0] or local
    if host in ("gmail.com", "googlemail.com"):
        local, host = local.replace(".", "") or local, "gmail.com"
    return f"{local}@{host}"


def domain(address: str) -> str:
    """The domain of a normalized address, as A-labels."""
    return address[address.rfind("@") + 1 :]


# The index is the stored code: append only. Short on purpose: a column of rare providers would point at
# people.
PROVIDERS: tuple[str, ...] = (
    "other",
    "gmail",
    "outlook",
    "yahoo",
    "icloud",
    "mailru",
    "yandex",
    "proton",
    "gmx",
    "rambler",
    "ukrnet",
    "seznam",
    "wp",
    "onet",
    "inboxlv",
    "free",
    "orange",
    "tonline",
)

_DOMAINS = {
    "gmail": "gmail.com googlemail.com",
    "outlook": "outlook.com outlook.de outlook.fr outlook.es outlook.it outlook.pt outlook.lv "
    "hotmail.com hotmail.co.uk hotmail.de hotmail.fr hotmail.es hotmail.it "
    "live.com live.co.uk live.de live.fr live.nl live.ru msn.com",
    "yahoo": "yahoo.com yahoo.co.uk yahoo.de yahoo.fr yahoo.es yahoo.it yahoo.pl yahoo.ca "
    "yahoo.in yahoo.co.in yahoo.com.br yahoo.com.au ymail.com rocketmail.com aol.com aol.de aim.com",
    "icloud": "icloud.com me.com mac.com",
    "mailru": "mail.ru inbox.ru list.ru bk.ru internet.ru xmail.ru",
    "yandex": "yandex.ru yandex.com yandex.by yandex.kz yandex.ua yandex.uz yandex.com.tr ya.ru narod.ru",
    "proton": "proton.me protonmail.com protonmail.ch pm.me",
    "gmx": "gmx.de gmx.net gmx.com gmx.at gmx.ch gmx.eu web.de mail.com",
    "rambler": "rambler.ru rambler.ua lenta.ru autorambler.ru myrambler.ru ro.ru",
    "ukrnet": "ukr.net",
    "seznam": "seznam.cz email.cz post.cz spoluzaci.cz",
    "wp": "wp.pl o2.pl tlen.pl",
    "onet": "onet.pl onet.eu op.pl poczta.onet.pl vp.pl",
    "inboxlv": "inbox.lv inbox.lt inbox.eu",
    "free": "free.fr",
    "orange": "orange.fr wanadoo.fr",
    "tonline": "t-online.de magenta.de",
}
_PROVIDER_OF = {host: PROVIDERS.index(name) for name, hosts in _DOMAINS.items() for host in hosts.split()}


def provider(domain: str) -> int:
    """The mailbox provider of a normalized domain: an index into PROVIDERS, 0 for all that are not on it."""
    return _PROVIDER_OF.get(domain, 0)


def mailbox_provider(address: str) -> str:
    """Who has the mailbox, in one word: a name of PROVIDERS, or the domain behind an @ where it is none of those."""
    host = domain(address).lower()
    return PROVIDERS[_PROVIDER_OF[host]] if host in _PROVIDER_OF else f"@{host}"
