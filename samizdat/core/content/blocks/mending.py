"""Links as people type them: `example.org` gets its https://, and `[words](https://…)` in a text becomes a link."""

import re
from collections.abc import Iterator
from typing import Any

from samizdat.core.content.blocks.schema import KINDS, MAX_LINK, Node

# A host with a dot in it, in any script, and whatever comes behind; the ending of a file is no host.
_HOST = re.compile(
    r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}([^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?::\d{1,5})?(?=[/?#]|\Z)"
)
_FILES = frozenset({
    "css", "docx", "gif", "heic", "htm", "html", "jpeg", "jpg", "md", "mp3", "mp4", "odt", "pdf", "php", "png", "svg",
    "txt", "webp", "xlsx", "zip",
})  # fmt: skip
_MAILBOX = re.compile(r"[\w.+-]{1,64}@(?=[^@/?#\s]{1,253}\Z)")
_ODD = re.compile(r"[\s<>\"\\{}|]|\*\|")
# One round pair of brackets may stand in an address, as in those of Wikipedia.
_MARKDOWN = re.compile(r"(?<![!\\])\[([^\[\]\n]{1,300})\]\(([^\s()]{1,1000}(?:\([^\s()]{0,200}\)[^\s()]{0,200})?)\)")


def link(typed: str) -> str:
    """An address with the scheme that was left out; anything else as it is."""
    url = typed.strip()
    if not url or _ODD.search(url):
        return typed
    if url.startswith("//") and (host := _HOST.match(url, 2)) and host[1].lower() not in _FILES:
        return f"https:{url}"
    if (mailbox := _MAILBOX.match(url)) and (host := _HOST.fullmatch(url, mailbox.end())):
        return f"mailto:{url}"
    host = _HOST.match(url)
    if host and (host.end() < len(url) or host[1].lower() not in _FILES) and len(url) <= MAX_LINK - 8:
        return f"https://{url}"
    return typed


def mended(document: Node) -> Node:
    """The same document with its links mended. It has passed `parse`, and has to again: a mended text is longer."""
    _mend(document)
    return document


def _mend(node: Node) -> None:
    attrs = node.get("attrs", {})
    for name, attr in KINDS[node["type"]].attrs.items():
        if attr.value == "link":
            attrs[name] = link(attrs[name])
        elif attr.value == "links":
            attrs[name] = [{**entry, "url": link(entry["url"])} for entry in attrs[name]]
    if node["type"] == "html":
        return
    content = node.get("content", [])
    for child in content:
        _mend(child)
        for mark in child.get("marks", ()):
            if mark["type"] == "link":
                mark["attrs"]["href"] = link(mark["attrs"]["href"])
    if any(child["type"] == "text" for child in content):
        node["content"] = [piece for child in content for piece in _pieces(child)]


def _pieces(child: Node) -> Iterator[Node]:
    """A text with what it has of Markdown links as links; one that is a link already stays."""
    marks: list[Any] = child.get("marks", [])
    if child["type"] != "text" or any(mark["type"] == "link" for mark in marks):
        yield child
        return
    text, position = child["text"], 0
    for written in _MARKDOWN.finditer(text):
        href = link(written[2])
        if not href.startswith(("https://", "http://", "mailto:")) or _ODD.search(href):
            continue
        if written.start() > position:
            yield {**child, "text": text[position : written.start()]}
        yield {**child, "text": written[1], "marks": [{"type": "link", "attrs": {"href": href}}, *marks]}
        position = written.end()
    if position == 0:
        yield child
    elif position < len(text):
        yield {**child, "text": text[position:]}


# Code in Markdown, which stays as it is, or an inline link up to the end of its address.
_IN_MARKDOWN = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|(?<![!\\])(\[[^\[\]\n]{1,300}\]\()([^\s()<>]{1,1000})", re.DOTALL
)


def mended_markdown(text: str) -> str:
    """The same for the links of a text in Markdown."""
    return _IN_MARKDOWN.sub(lambda match: match[1] + link(match[2]) if match[1] else match[0], text)
