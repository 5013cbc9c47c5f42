"""The handbook (docs/*.md) as pages of the app: a link leads to it, also where the installation has no internet."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from samizdat.web.permissions import EVERYONE, door
from samizdat.web.request import DeskRequest

# Beside the code in a clone. A package without it has no handbook, and its pages are not there.
FOLDER = Path(__file__).parents[2] / "docs"
LINK = re.compile(r"(?:([a-z-]+)\.md)?(#[\w-]+)?")


class HandbookPage(NamedTuple):
    title: str
    body: SafeString


@cache
def pages() -> frozenset[str]:
    return frozenset(path.stem for path in FOLDER.glob("*.md"))


@cache
def read(name: str) -> HandbookPage:
    """One of `pages`."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    lines = (FOLDER / f"{name}.md").read_text().splitlines()
    # Marks between which a part is printed from the code stand on lines of their own.
    tokens = parser.parse("\n".join(line for line in lines if not line.startswith("<!--")))
    title = tokens[1].content
    body = parser.renderer.render(list(_dressed(tokens[3:])), parser.options, {})
    return HandbookPage(title, mark_safe(body))  # noqa: S308 - our own text, and HTML in it is escaped.


def anchor(heading: str) -> str:
    """As GitHub and GitLab make it, so that a link leads to the same place there."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _dressed(tokens: list[Token]) -> list[Token]:
    """Headings get their anchor, links lead to pages of the app, and what is wide scrolls in its own frame."""
    dressed: list[Token] = []
    for position, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrs["id"] = anchor(tokens[position + 1].content)
        elif token.type == "inline":
            token.children = _linked(token.children or [])
        elif token.type in ("fence", "code_block"):
            token = _raw(f'<pre class="scroll" tabindex="0"><code>{_escaped(token.content)}</code></pre>\n')
        elif token.type == "th_open" and not tokens[position + 1].content:
            token.tag = tokens[position + 2].tag = "td"  # The corner over the names of the rows is no heading.
        if token.type == "table_open":
            token.attrs["class"] = "table"
            dressed.append(_raw('<div class="scroll" tabindex="0">'))
        dressed.append(token)
        if token.type == "table_close":
            dressed.append(_raw("</div>\n"))
    return dressed


def _linked(children: list[Token]) -> list[Token]:
    """Without images and links to files that are no pages of the handbook; their words stay."""
    kept: list[Token] = []
    for token in children:
        if token.type == "image":
            continue
        if token.type == "link_open":
            token.attrs["href"] = _target(str(token.attrs["href"]))
        kept.append(token)
    return kept


def _target(link: str) -> str:
    if link.startswith(("https://", "http://")):
        return link
    match = LINK.fullmatch(link)
    return (match[1] or "") + (match[2] or "") if match else "#main"


def _raw(html: str) -> Token:
    return Token("html_block", "", 0, content=html)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@door(see=EVERYONE)
def handbook(request: DeskRequest, page: str) -> HttpResponse:
    if page not in pages():
        raise Http404
    return render(request, "web/handbook.html", {"page": read(page)})
