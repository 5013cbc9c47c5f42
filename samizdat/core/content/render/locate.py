"""Where a token stands: in text, in an attribute, at the beginning of an address or inside of one."""

import re
from collections.abc import Iterator

type Token = tuple[int, int, int, str]  # start, end, number, kind of place

_WHOLE_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>", re.DOTALL)
_TAG_START = re.compile(r"</?[A-Za-z]")


def inside_tag(text: str, inside: bool) -> bool:
    """Whether the end of `text` lies between < and > of a tag."""
    if inside:
        closing = text.find(">")
        if closing < 0:
            return True
        text = text[closing + 1 :]
    starts = _TAG_START.findall(text)
    return bool(starts) and not _WHOLE_TAG.match(text, text.rindex(starts[-1]))


def without_open_tags(text: str) -> str:
    """Without the tags at its end that never close. Each is looked at once, from the last one on: a shorter text closes
    none of those before."""
    end = len(text)
    for start in reversed([match.start() for match in _TAG_START.finditer(text)]):
        if _WHOLE_TAG.match(text, start, end):
            break
        end = start
    return text[:end]


_MARKUP = re.compile(
    r"(?P<style><style\b[^<>]*>.*?(?:</style>|\Z))|(?P<comment><!--|-->)|(?P<tag></?[A-Za-z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>)",
    re.DOTALL | re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"(?<![^\s\"'<>/=])([^\s\"'<>/=]+)\s*=\s*\"([^\"]*)\"")
_ADDRESSES = frozenset({"href", "action", "cite", "longdesc"})
# Rules and attributes that show or hide something: a value here would decide what else a reader sees.
_LOOKS = frozenset({
    "style", "class", "id", "dir", "lang", "align", "valign", "width", "height", "bgcolor", "color", "size", "face",
    "role", "aria-hidden", "border", "type",
})  # fmt: skip
_FETCHED = frozenset({"src", "background", "srcset", "poster"})


def places(page: str, token: re.Pattern[str]) -> Iterator[Token]:
    """(start, end, number, kind) of each token; a comment around one counts as part of it. Page is well-formed HTML."""
    wrapped = re.compile(rf"<!--{token.pattern}-->|{token.pattern}")
    # Most elements hold no token, and to look into each of them takes longer than all else here.
    starts = [match.start() for match in wrapped.finditer(page)]
    position = at = 0
    for markup in _MARKUP.finditer(page):
        if at == len(starts):
            return
        if markup["comment"]:
            continue
        if starts[at] < markup.end():
            yield from _in_text(page, wrapped, position, markup.start(), "html")
            if markup["style"]:
                yield from _in_text(page, wrapped, markup.start(), markup.end(), "style")
            else:
                yield from _in_tag(page, token, markup)
            while at < len(starts) and starts[at] < markup.end():
                at += 1
        position = markup.end()
    yield from _in_text(page, wrapped, position, len(page), "html")


def _in_text(page: str, token: re.Pattern[str], start: int, end: int, kind: str) -> Iterator[Token]:
    for match in token.finditer(page, start, end):
        yield match.start(), match.end(), int(match[1] or match[match.lastindex or 1]), kind


def _in_tag(page: str, token: re.Pattern[str], markup: re.Match[str]) -> Iterator[Token]:
    if not token.search(markup[0]):
        return
    for attribute in _ATTRIBUTE.finditer(page, markup.start(), markup.end()):
        name = attribute[1].lower()
        for match in token.finditer(page, *attribute.span(2)):
            kind = "attr"
            if name in _LOOKS:
                kind = "style"
            elif name in _FETCHED:
                kind = "src"
            elif name in _ADDRESSES:
                # At the very beginning it is the address, with its scheme; later on it is a part of one.
                kind = "link" if not token.sub("", page[attribute.start(2) : match.start()]) else "url"
            yield match.start(), match.end(), int(match[1]), kind


_BEFORE = re.compile(r"(?:https?://|mailto:)[^\s<>]*$", re.IGNORECASE)


def places_in_text(text: str, token: re.Pattern[str]) -> Iterator[Token]:
    for match in token.finditer(text):
        before = text[max(0, match.start() - 2_000) : match.start()]
        # render/plaintext writes the address of a link so.
        kind = "text_link" if before.endswith("<") else "url" if _BEFORE.search(before) else "text"
        yield match.start(), match.end(), int(match[1]), kind
