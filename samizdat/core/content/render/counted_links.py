"""Links of a letter that lead through the public host, where presses are counted. Pure.

A counted link has one address for all readers, and all of them have it, so a press can never tell whose it was. What
holds a value of a reader, or stands in a condition, stays as it was written. So does a link whose words are its
address: mail programs take a link that shows one host and leads to another for a fraud. In the text part it is the
addresses in < > that change, for the same reason.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

from samizdat.core.content.message import ValueSlot
from samizdat.core.content.render.conditions import is_whole, with_conditions
from samizdat.core.content.render.content import Piece, RenderedContent
from samizdat.core.mail.address import BadAddress, domain, normalize

# Characters; browsers cut longer addresses. And links of one letter, all versions together: twelve languages of 160.
# More would be megabytes of sums that are written 96 times a day; its codes could number 65,535 of each version.
LONGEST, MOST = 2000, 2_000

# The addresses that may be counted, in the order of the letter -> by which each of them is to be reached.
type Through = Callable[[Sequence[str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class UncountedLink:
    """A web link that is not counted. why: "reader", a value of the reader stands in it; "condition", whether one has
    or sees it depends on the reader; "words", its words are an address; "odd", an address that no redirect should lead
    to. `url` is cut where the reader's value begins.
    """

    url: str
    why: Literal["reader", "condition", "words", "odd"]


_QUOTED = r"(?:[^<>\"']|\"[^\"]*\"|'[^']*')*?"
_LINK = re.compile(rf"<a\b({_QUOTED})(\shref=\")([^\"]*)(\"{_QUOTED}>)?", re.IGNORECASE)
_CLOSING = re.compile(r"</a|<a\b", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_IN_TEXT = re.compile(r"<(https?://[^<>\s]+)>", re.IGNORECASE)
_ADDRESS = re.compile(r"\s*(?:(?:https?://|www\.)\S.*|[\w.-]+\.[^\W\d_]{2,}(?:/\S*)?)\s*", re.IGNORECASE | re.DOTALL)


def countable(letter: RenderedContent, own: str) -> tuple[str, ...]:
    """Addresses of the body that may be counted, each once, and one more than MOST where there are too many. own: the
    address of the organization's public pages, whose links (ways out, web versions, forms) are never counted.
    """
    urls = (link for link in _links(letter.html, own) if isinstance(link, str))
    return tuple(dict.fromkeys(urls))[: MOST + 1]


def direct(letter: RenderedContent, own: str) -> tuple[UncountedLink, ...]:
    """Web links that stay as they are, though they lead to somebody else's host; each once."""
    links = (link for link in _links(letter.html, own) if isinstance(link, UncountedLink))
    return tuple(dict.fromkeys(links))


def through(letter: RenderedContent, own: str, to: Mapping[str, str]) -> RenderedContent:
    """The letter with the addresses of `to` in the place of those that may be counted."""

    def in_html(piece: str) -> str:
        return _LINK.sub(lambda link: _led(link, own, to), piece)

    def in_text(piece: str) -> str:
        return _IN_TEXT.sub(lambda link: f"<{to.get(link[1], link[1])}>", piece)

    return replace(letter, html=_for_all(letter.html, in_html), text=_for_all(letter.text, in_text))


def _for_all(pieces: Iterable[Piece], changed: Callable[[str], str]) -> tuple[Piece, ...]:
    """The pieces, those changed that all readers have."""
    return tuple(
        changed(piece) if isinstance(piece, str) and condition is None else piece
        for piece, condition in with_conditions(pieces)
    )


def _led(link: re.Match[str], own: str, to: Mapping[str, str]) -> str:
    url = _of(link, own)
    if not isinstance(url, str) or url not in to:
        return link[0]
    return f"<a{link[1]}{link[2]}{html.escape(to[url])}{link[4] or '"'}"


def _links(pieces: Sequence[Piece], own: str) -> Iterator[str | UncountedLink]:
    """Every web link to somebody else's host: its address where it may be counted, else why not."""
    whole, before = is_whole(pieces), ""
    for piece, condition in with_conditions(pieces):
        if not isinstance(piece, str):
            begun = re.search(r"\shref=\"([^\"]*)\Z", before)
            if begun and (_WEB.match(begun[1]) or (isinstance(piece, ValueSlot) and piece.kind == "link")):
                yield UncountedLink(html.unescape(begun[1]), "reader")
            before = ""
            continue
        before = piece
        for link in _LINK.finditer(piece):
            target = _of(link, own)
            if isinstance(target, str) and not (whole and condition is None):
                target = UncountedLink(target, "condition")
            if target:
                yield target


def _of(link: re.Match[str], own: str) -> str | UncountedLink | None:
    # Without a closing quote in this piece the address goes on with a value of the reader.
    url = html.unescape(link[3])
    if not _WEB.match(url) or link.string[link.end(3) : link.end(3) + 1] != '"' or _host(url) == _host(own):
        return None
    if location(url) is None:
        return UncountedLink(url, "odd")
    closing = _CLOSING.search(link.string, link.end()) if link[4] else None
    # A value or condition stands in its tag or words: some may see no link there.
    if closing is None:
        return UncountedLink(url, "condition")
    words = link.string[link.end() : closing.start()]
    if _ADDRESS.fullmatch(html.unescape(_TAG.sub("", words))):
        return UncountedLink(url, "words")
    return url


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def location(url: str) -> str | None:
    """The address as a Location header may have it: ASCII, with a host that has a name and nobody's password in it.
    None for one that a redirect should not lead to.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
        host = domain(normalize(f"x@{parts.hostname or ''}"))
    except (ValueError, BadAddress):
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or len(url) > LONGEST or re.search(r"\s", url):
        return None
    kept = "%/:?#[]@!$&'()*+,;=~"
    return urlunsplit((parts.scheme, host + port, *(quote(part, safe=kept) for part in parts[2:])))
