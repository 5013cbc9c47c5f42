"""What the server of a mailbox says of the sender of an email (RFC 8601, Authentication-Results).

Anybody can write such a header into an email. The server that delivers it writes its own above all others, so only the
first counts, and only where it names that server. What a sender chose, as the address of the envelope, stands in it
too, in quotation marks or in a comment: neither is read.
"""

import re
from typing import NamedTuple

from samizdat.core.mail.address import is_at_or_below

MOST, MOST_RESULTS = 4_000, 50  # characters and results that are read
_SIGN = re.compile(r'[()"\\]')
_PASSED = re.compile(r"\s*(?P<method>dkim|dmarc)\s*=\s*pass\s", re.IGNORECASE)
_PROPERTY = re.compile(r"(?<!\S)header\.(?P<name>d|i|from)=(?P<value>[^\s=]{1,320})(?!\S)", re.IGNORECASE)
_HOST = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){1,10}")


class Authentication(NamedTuple):
    """`server`: who says it, "" for one that does not name itself, as Microsoft's; None where nobody does. `domains`:
    those whose signature it found right, or for which it says that the sender in From is theirs."""

    server: str | None = None
    domains: tuple[str, ...] = ()


NOBODY = Authentication()


def read(header: str) -> Authentication:
    """`header`: the first Authentication-Results of an email, "" where it has none."""
    if not header.strip():
        return NOBODY
    first, *results = _bare(header[:MOST]).split(";", MOST_RESULTS)
    if "=" in first:
        return Authentication("", _domains([first, *results]))
    words = first.split()
    return Authentication(words[0].lower()[:255] if words else "", _domains(results))


def covers(domains: tuple[str, ...], sender: str) -> bool:
    """Whether a domain that passed is `sender` or stands above it."""
    return any(is_at_or_below(sender, domain) for domain in domains)


def _domains(results: list[str]) -> tuple[str, ...]:
    domains: dict[str, None] = {}
    for result in results:
        match = _PASSED.match(result)
        if match is None:
            continue
        wanted = ("d", "i") if match["method"].lower() == "dkim" else ("from",)
        for named in _PROPERTY.finditer(result):
            host = named["value"].rpartition("@")[2].lower().rstrip(".")
            if named["name"].lower() in wanted and _HOST.fullmatch(host):
                domains[host] = None
    return tuple(domains)


def _bare(text: str) -> str:
    """Without comments and what stands in quotation marks; behind either that is never closed there is nothing."""
    kept: list[str] = []
    depth, quoted, begins, skip = 0, False, 0, -1
    for match in _SIGN.finditer(text):
        sign, at = match[0], match.start()
        if at == skip:
            continue
        if sign == "\\":
            skip = at + 1
        elif quoted:
            quoted = sign != '"'
        elif sign == '"' and depth:
            continue
        elif sign == ")":
            depth = max(0, depth - 1)
        else:
            if not depth:
                kept.append(text[begins:at])
            quoted, depth = sign == '"', depth + (sign == "(")
        if not quoted and not depth:
            begins = at + 1 if sign in ')"' else begins
    if not quoted and not depth:
        kept.append(text[begins:])
    return " ".join(kept)
