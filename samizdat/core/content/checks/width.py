"""A letter that is as wide on every screen, as older templates are: a phone shows it small, or cuts it at the side."""

import html
import re
from collections.abc import Iterator, Mapping

from samizdat.core.content.checks.check_input import Readability
from samizdat.core.content.problems import ContentProblem

PHONE = 390  # pixels: wider than most phones

_COMMENT = re.compile(r"<!--(?:(?!<!--).)*?-->", re.DOTALL)
# What keeps its width: a cell of a table gives way, an element with a width of its own does not.
_ELEMENT = re.compile(r"<(table|img|div)\b([^<>]{0,4000})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"(?<![\w-])([\w-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_PIXELS = re.compile(r"\s*(\d{1,4})(?:\.\d+)?(?:px)?\s*")
_NARROW = re.compile(
    r"@media[^{}<@]{0,200}max-(?:device-)?width\s*:\s*(\d+)px[^{}<@]{0,200}\{((?:[^{}]*\{[^{}]*\})*)", re.IGNORECASE
)
_RULE = re.compile(r"(?<![^{}])([^{}]*)\{([^{}]*)\}")
_CHANGES = re.compile(r"(?:^|;)\s*(?:max-|min-)?(?:width|display)\s*:", re.IGNORECASE)
_NAME = re.compile(r"[.#]([\w-]+)|(?:class|id)\s*[~^*|$]?=\s*[\"']?([\w-]+)")
_TAG = re.compile(r"(?:^|[\s>+~])(table|img|div)\s*$", re.IGNORECASE)


def look(reading: Readability) -> Iterator[ContentProblem]:
    if width := fixed_width(reading.html):
        yield ContentProblem(0, "width_fixed", {"width": str(width)}, None, "note", "letter")


def fixed_width(page: str) -> int:
    """Pixels that a compiled letter takes on every screen; 0 where it goes on a phone. Cost: 1 ms for 100 KB.

    Told from its source, without a browser: from widths that no rule for small screens takes back.
    """
    page = _COMMENT.sub("", page)
    given_way = _given_way(page)
    widest = 0
    for match in _ELEMENT.finditer(page):
        if "width" in match[2] and (width := _width(match[2])) > max(PHONE, widest):
            tag, attrs = match[1].lower(), _attributes(match[2])
            names = {tag, *attrs.get("class", "").split(), attrs.get("id", "")}
            if not names & given_way:
                widest = width
    return widest


def _given_way(page: str) -> set[str]:
    """Tags, classes and ids whose width some rule for small screens changes."""
    names = set[str]()
    for most, rules in _NARROW.findall(page):
        if int(most) < PHONE - 15:  # For the smallest of phones alone.
            continue
        for selectors, declared in _RULE.findall(rules):
            if _CHANGES.search(declared):
                for selector in selectors.split(","):
                    names |= {name or value for name, value in _NAME.findall(selector)}
                    names |= {tag.lower() for tag in _TAG.findall(selector)}
    return names


def _attributes(source: str) -> Mapping[str, str]:
    return {
        name.lower(): html.unescape(double_quoted or single_quoted)
        for name, double_quoted, single_quoted in _ATTRIBUTE.findall(source)
    }


def _width(source: str) -> int:
    """Of an element that does not give way by its own style; 0 for none."""
    attrs = _attributes(source)
    declared = (text.partition(":") for text in attrs.get("style", "").replace("!important", "").split(";"))
    style = {name.strip().lower(): value for name, _, value in declared}
    if "%" in style.get("max-width", "") or "vw" in style.get("max-width", ""):
        return 0
    if style.get("display", "").strip() == "none":
        return 0
    lengths = [style.get("min-width", ""), style.get("width", attrs.get("width", ""))]
    widths = [int(match[1]) for text in lengths if (match := _PIXELS.fullmatch(text))]
    most = _PIXELS.fullmatch(style.get("max-width", ""))
    return min(max(widths, default=0), int(most[1]) if most else 10_000)
