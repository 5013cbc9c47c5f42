"""Links and pictures as they were written, with their lines, and what is wrong with them."""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from samizdat.core.content.markdown import markdown
from samizdat.core.content.problems import ContentProblem, Severity
from samizdat.core.content.render.stylesheet import uncommented
from samizdat.core.content.render.unsubscribe_link import leaving


@dataclass(frozen=True, slots=True)
class _Reference:
    kind: Literal["link", "image"]
    line: int
    url: str
    alt: str | None = ""
    size: str = ""
    words: str = ""  # of a link


def markup_flaws(source: str, in_html: bool, token: re.Pattern[str]) -> Iterator[ContentProblem]:
    """What is wrong with the links and pictures of a source in which merge tags are tokens."""
    for item in _found_in_html(source) if in_html else _found_in_markdown(source):
        yield from _flaws_of(item, token, "body")


# What is wrong in a template, which nobody looks at while they write.
_OF_TEMPLATE = frozenset({
    "image_nowhere", "link_empty", "link_placeholder", "link_relative", "link_scheme", "link_leaves", "link_may_leave",
})  # fmt: skip


def template_flaws(source: str, token: re.Pattern[str]) -> Iterator[ContentProblem]:
    """Pictures and links of a template that lead nowhere, or unsubscribe elsewhere: each once, by its first line."""
    seen: set[tuple[str, str]] = set()
    for item in _found_in_html(source):
        for flaw in _flaws_of(item, token, "template"):
            key = flaw.code, flaw.values["url"]
            if flaw.code in _OF_TEMPLATE and key not in seen:
                seen.add(key)
                yield replace(flaw, code="template_picture") if flaw.code == "image_nowhere" else flaw


def link_flaws(url: str, block: int, token: re.Pattern[str]) -> Iterator[ContentProblem]:
    """What is wrong with an address that a block links to."""
    return _flaws_of(_Reference("link", block, url), token, "block")


def picture_flaws(url: str, alt: str | None, block: int, token: re.Pattern[str]) -> Iterator[ContentProblem]:
    """What is wrong with a block's picture; `alt` is None where it should have words and has none."""
    return _flaws_of(_Reference("image", block, url, alt, "block"), token, "block")


def _flaws_of(item: _Reference, token: re.Pattern[str], place: str) -> Iterator[ContentProblem]:
    code = _image_flaw(item, token) if item.kind == "image" else _link_flaw(item, token)
    if code:
        severity: Severity = "stop" if code in ("link_relative", "link_scheme", "link_leaves") else "care"
        yield ContentProblem(item.line, code, {"url": shown(token.sub("…", item.url))}, None, severity, place)


def shown(url: str) -> str:
    """An address as a flaw says it."""
    return url if len(url) <= 80 else url[:77] + "..."


def fetched(flaws: Iterable[ContentProblem], inside: Iterable[str]) -> list[ContentProblem]:
    """Without those about how a picture is fetched that the message carries: nobody fetches it."""
    carried = {shown(url) for url in inside}
    return [flaw for flaw in flaws if flaw.code != "image_http" or flaw.values["url"] not in carried]


# What the cleaner takes out of a page; a form's words stay.
_TAKEN_OUT = re.compile(
    r"<(script|form|iframe|frame|object|embed|applet|input|button|select|textarea|svg|math|video|audio|base|link)\b"
    r"|<[a-z][^<>]{0,2000}?\s(on[a-z]{3,20})\s{0,9}=",
    re.IGNORECASE,
)


def taken_out(source: str, place: str = "body") -> Iterator[ContentProblem]:
    """A sentence for each kind of thing that cannot be in a letter and is taken out of it; by its first line."""
    seen: set[str] = set()
    for match in _TAKEN_OUT.finditer(_NOT_SENT.sub(lambda left_out: "\n" * left_out[0].count("\n"), source)):
        what = f"<{match[1].lower()}>" if match[1] else match[2].lower()
        if what not in seen:
            seen.add(what)
            line = source.count("\n", 0, match.start()) + 1
            yield ContentProblem(line, "html_taken_out", {"what": what}, None, "care", place)


def foreign_pictures(
    source: str, in_html: bool, own: frozenset[str], token: re.Pattern[str]
) -> Iterator[ContentProblem]:
    """Each host, other than our own, that a reader's mail program would fetch a picture from; by its first line."""
    seen = set(own)
    for line, url in _fetched_in_html(source) if in_html else _fetched_in_markdown(source):
        host = _host(url)
        if host and host not in seen and not token.search(host):
            seen.add(host)
            yield ContentProblem(line, "image_foreign", {"host": host}, None, "care")


def hosts_of_pictures(page: str, own: str) -> Iterator[str]:
    """The hosts, other than our own, that this part of a finished page fetches pictures from."""
    for _line, url in _fetched_in_html(page):
        if (host := _host(url)) and host != own:
            yield host


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # Such as https://[x/: no mail program fetches that.
        return ""


# Where mail programs and MJML's elements fetch pictures from. Imports and fonts are taken out by the cleaner.
# Blanks are bounded and ends may be missing, so that no input makes a search go back and forth.
_FETCHED = re.compile(
    r"(?:\b(?:src|background|background-url)\s{0,9}=|\burl\()\s{0,9}[\"']?\s{0,9}((?:https?:)?//[^\s\"'<>)]+)",
    re.IGNORECASE,
)
# What stands in a condition for Outlook is sent, and fetched by it.
_NOT_SENT = re.compile(
    r"<!--(?!\s*\[if\b)(?:.*?-->|.*)|@import[^;]*;?|@font-face\s*\{[^}]*\}?", re.IGNORECASE | re.DOTALL
)


def _fetched_in_html(source: str) -> Iterator[tuple[int, str]]:
    source = uncommented(source)
    source = _NOT_SENT.sub(lambda left_out: "\n" * left_out[0].count("\n"), source)
    position, line = 0, 1
    for fetched in _FETCHED.finditer(source):
        line += source.count("\n", position, fetched.start(1))
        position = fetched.start(1)
        yield line, html.unescape(fetched[1])


def _fetched_in_markdown(source: str) -> Iterator[tuple[int, str]]:
    return ((reference.line, reference.url) for reference in _found_in_markdown(source) if reference.kind == "image")


def _image_flaw(image: _Reference, token: re.Pattern[str]) -> str:
    if image.size in ("1x1", "0x0", "1x0", "0x1"):
        return "image_counter"
    if image.url.startswith("data:"):
        return "image_inline"
    if image.alt is None or (not image.alt.strip() and not image.size):
        return "image_no_alt"
    if image.url.startswith("http://"):
        return "image_http"
    return "" if image.url.startswith("https://") or token.match(image.url) else "image_nowhere"


# What builders put where an address should stand.
_PLACEHOLDER = re.compile(
    r"https?://(?:www\.)?(?:example\.(?:com|org|net)|(?:my)?(?:website|domain)\.com"
    r"|[\w-]{0,20}your-?(?:site|website|domain|company|link|url|page|organi[sz]ation)[\w-]{0,20}\.[a-z]{2,6})/?"
    r"|https?://(?:www\.)?(?:facebook|twitter|x|instagram|linkedin|youtube|pinterest|tiktok|vk|t)\.(?:com|me)/?"
    r"(?:your[\w-]{0,30}|user-?name|page)?/?"
    r"|mailto:(?:your|name|email|user)[\w.-]{0,20}@(?:example|domain|email|your[\w-]{0,20})\.[a-z]{2,6}",
    re.IGNORECASE,
)
_NOWHERE = frozenset({"", "#", "#!", "http://", "https://", "mailto:", "tel:", "javascript:void(0)", "javascript:;"})


def _link_flaw(link: _Reference, token: re.Pattern[str]) -> str:
    url = link.url.strip()
    if token.match(url):
        return ""
    if kind := leaving(url, token.sub("", link.words)):
        return "link_leaves" if kind == "foreign" else "link_may_leave"
    if url.lower().rstrip(";") in _NOWHERE or url.lower() in _NOWHERE:
        return "link_empty"
    if _PLACEHOLDER.fullmatch(url):
        return "link_placeholder"
    if url.startswith("#"):
        return ""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", url)
    if not scheme:
        return "link_relative"
    match scheme[1].lower():
        case "https" | "mailto" | "tel":
            return ""
        case "http":
            return "link_http"
        case _:
            return "link_scheme"


_OPENED = re.compile(r"<(a|img)\b((?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>", re.IGNORECASE)
_WRITTEN = re.compile(r"(?<![A-Za-z-])([A-Za-z-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+))")


def _found_in_html(source: str) -> Iterator[_Reference]:
    position, line = 0, 1
    for opened in _OPENED.finditer(source):
        line += source.count("\n", position, opened.start())
        position = opened.start()
        written = {name.lower(): html.unescape(a or b or c) for name, a, b, c in _WRITTEN.findall(opened[2])}
        if opened[1].lower() == "a":
            if "href" in written:
                yield _Reference("link", line, written["href"], words=_words_behind(source, opened.end()))
        else:
            size = f"{written['width']}x{written['height']}" if "width" in written and "height" in written else ""
            # An empty alt is right for decoration, and Mailchimp's templates are full of it.
            yield _Reference("image", line, written.get("src", ""), written.get("alt"), size or "html")


def _words_behind(source: str, start: int) -> str:
    """The words of a link whose tag ends here; of a picture, its description."""
    inside = re.split(r"</a\b|<a\b", source[start : start + 2_000], maxsplit=1, flags=re.IGNORECASE)[0]
    words = " ".join(html.unescape(re.sub(r"<[^<>]*>", _description, inside)).split())
    return words if len(words) <= MOST_WORDS else ""


_ALT = re.compile(r"<img\b[^<>]*?\balt\s*=\s*[\"']([^\"'<>]*)", re.IGNORECASE)


def _description(tag: re.Match[str]) -> str:
    alt = _ALT.match(tag[0])
    return f" {alt[1]} " if alt else " "


MOST_WORDS = 60  # characters; a longer sentence may tell how to leave something else


def _found_in_markdown(source: str) -> Iterator[_Reference]:
    for block in markdown().parse(source):
        if block.type != "inline" or not block.map:
            continue
        line = block.map[0] + 1
        for token in block.children or []:
            if token.type in ("softbreak", "hardbreak"):
                line += 1
            elif token.type == "link_open":
                yield _Reference("link", line, str(token.attrGet("href") or ""))
            elif token.type == "image":
                yield _Reference("image", line, str(token.attrGet("src") or ""), token.content)
