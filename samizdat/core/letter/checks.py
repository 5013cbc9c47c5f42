"""Links and pictures as they were written, with their lines, and what is wrong with them."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from samizdat.core.letter.markdown import markdown
from samizdat.core.mergetags import Flaw, Severity


@dataclass(frozen=True, slots=True)
class _Found:
    kind: Literal["link", "image"]
    line: int
    url: str
    alt: str | None = ""
    size: str = ""


def markup_flaws(source: str, in_html: bool, token: re.Pattern[str]) -> Iterator[Flaw]:
    """What is wrong with the links and pictures of a source in which merge tags are tokens."""
    for item in _found_in_html(source) if in_html else _found_in_markdown(source):
        code = _image_flaw(item) if item.kind == "image" else _link_flaw(item, token)
        if code:
            severity: Severity = "stop" if code in ("link_relative", "link_scheme") else "care"
            url = token.sub("…", item.url)
            shown = url if len(url) <= 80 else url[:77] + "..."
            yield Flaw(item.line, code, {"url": shown}, None, severity)


def _image_flaw(image: _Found) -> str:
    if image.size in ("1x1", "0x0", "1x0", "0x1"):
        return "image_counter"
    if image.url.startswith("data:"):
        return "image_inline"
    if image.alt is None or (not image.alt.strip() and not image.size):
        return "image_no_alt"
    return "image_http" if image.url.startswith("http://") else ""


def _link_flaw(link: _Found, token: re.Pattern[str]) -> str:
    url = link.url.strip()
    if not url or url == "#":
        return "link_empty"
    if url.startswith("#") or token.match(url):
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
_WRITTEN = re.compile(r"([A-Za-z-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+))")


def _found_in_html(source: str) -> Iterator[_Found]:
    position, line = 0, 1
    for opened in _OPENED.finditer(source):
        line += source.count("\n", position, opened.start())
        position = opened.start()
        written = {name.lower(): html.unescape(a or b or c) for name, a, b, c in _WRITTEN.findall(opened[2])}
        if opened[1].lower() == "a":
            if "href" in written:
                yield _Found("link", line, written["href"])
        else:
            size = f"{written['width']}x{written['height']}" if "width" in written and "height" in written else ""
            # An empty alt is right for decoration, and Mailchimp's templates are full of it.
            yield _Found("image", line, written.get("src", ""), written.get("alt"), size or "html")


def _found_in_markdown(source: str) -> Iterator[_Found]:
    for block in markdown().parse(source):
        if block.type != "inline" or not block.map:
            continue
        line = block.map[0] + 1
        for token in block.children or []:
            if token.type in ("softbreak", "hardbreak"):
                line += 1
            elif token.type == "link_open":
                yield _Found("link", line, str(token.attrGet("href") or ""))
            elif token.type == "image":
                yield _Found("image", line, str(token.attrGet("src") or ""), token.content)
