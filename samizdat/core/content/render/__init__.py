"""From what somebody wrote to the two bodies of a letter: HTML with inline styles, and plain text.

    Markdown or HTML -> the frame (MJML, or the pasted document itself) -> styles inlined -> cleaned -> pieces

Merge tags travel through that chain as tokens of plain lower-case letters and digits ("zq0x12q"), which no step
changes, and become pieces at the end, when it is plain whether each stands in text, in an attribute or in an address.
(Private-use characters would be the obvious choice; the MJML engine writes them in attributes as `\\u{e000}`.)
Conditions between tags travel as comments, since a parser moves stray text out of a table.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Literal

from samizdat.core.content import merge
from samizdat.core.content.blocks.comments import marked, without_comments
from samizdat.core.content.blocks.parser import BadDocument, parse
from samizdat.core.content.merge import MergeCondition, MergeTag
from samizdat.core.content.message import ESCAPES, FALL_BACK, ValueSlot, as_shown, value_of_slot
from samizdat.core.content.render.blocks import Blocks
from samizdat.core.content.render.content import Content, Piece, RenderedContent, TemplateEdge, tidy
from samizdat.core.content.render.renderer import ContentRenderer
from samizdat.core.content.render.stylesheet import uncommented
from samizdat.core.dates import php_date

__all__ = [
    "Content",
    "Piece",
    "RenderedContent",
    "TemplateEdge",
    "archive_copy",
    "archive_html",
    "conditions_of",
    "fill",
    "merges_of",
    "php_date",
    "render",
    "settle",
    "tidy",
]


def render(
    content: Content, *, now: datetime, images: bool = True, archive: bool = False, text: bool = True
) -> RenderedContent:
    """Run the whole chain. `now` is aware, in the organization's zone; it fills dates and the year.

    `images=False` puts each picture's description in its place, as a mail program does that does not load them.
    `archive=True` gives the copy for the web: ARCHIVE_PAGE is true, the way out of the list is left out.
    `text=False` leaves the plain part empty, for a preview after each keystroke: it is a third of the work.
    """
    return ContentRenderer(tidy(content), Blocks, now, images, archive, text).run()


def fill(pieces: Iterable[Piece], values: Mapping[str, str]) -> str:
    """The text of pieces for one set of values: what a preview shows. Missing values use their defaults."""
    written: list[str] = []
    # For each open condition: whether its present branch is left out, and whether one was taken already.
    skipping, taken = [False], [False]
    for piece in pieces:
        if isinstance(piece, TemplateEdge):
            if piece.kind == "end":
                skipping.pop()
                taken.pop()
                continue
            if piece.kind == "if":
                taken.append(skipping[-1])  # inside of what is left out nothing is taken any more
                skipping.append(True)
            condition = piece.condition
            takes = not taken[-1] and (condition is None or condition.holds(values.get(condition.name, "")))
            skipping[-1] = not takes
            taken[-1] = taken[-1] or takes
        elif not skipping[-1]:
            written.append(piece if isinstance(piece, str) else _filled(piece, values))
    return "".join(written)


def _filled(slot: ValueSlot, values: Mapping[str, str]) -> str:
    value = values.get(slot.name) or values.get(FALL_BACK.get(slot.name, "")) or value_of_slot(slot.name, values)
    return ESCAPES[slot.kind](as_shown(slot, value) or slot.default)


def conditions_of(letter: RenderedContent) -> list[MergeCondition]:
    """All that the letter asks of a reader."""
    pieces = (*letter.subject, *letter.html, *letter.text)
    return [piece.condition for piece in pieces if isinstance(piece, TemplateEdge) and piece.condition]


def merges_of(content: Content) -> list[MergeTag | MergeCondition]:
    """All that its sources may say or ask of a reader, as the chain reads them, but without the chain: 1 ms. What the
    web copy alone has, or nobody, is in it too."""
    content = tidy(content)
    in_html, body = content.format == "html", content.body
    if content.format == "blocks":
        try:
            body = marked(without_comments(parse(body))).source
        except BadDocument:
            body = ""  # It can't be sent.
    lines = ((text, False) for text in (content.subject, content.preheader, content.to_name))
    sources = [*lines, (uncommented(body) if in_html else body, in_html), (uncommented(content.template), True)]
    trees = (merge.parse(source, content.fields, comments=comments) for source, comments in sources)
    return [item for tree in trees for item in merge.walk(tree.nodes)]


def archive_html(content: Content, *, now: datetime) -> str:
    """The web copy: nothing about any reader, names by their defaults, their own links lead to `neutral_url`."""
    return archive_copy(content, now=now)[1]


def archive_copy(content: Content, *, now: datetime) -> tuple[str, str]:
    """(title, HTML) of the web copy. A reader's name in the subject is what it is for somebody without a name."""
    letter = render(content, now=now, archive=True)
    neutral = dict.fromkeys(("UNSUB_URL", "PREFERENCES_URL", "STAY_URL"), content.neutral_url)
    page = fill(letter.html, {**neutral, "ARCHIVE_URL": content.archive_url or content.neutral_url})
    return fill(letter.subject, {}), page


_SCHEME_META = re.compile(r'(<meta name="(?:supported-)?color-schemes?" content=")[^"]*"')
_MEDIA = re.compile(r"@media([^{}<@]*)\{")
_DARK = re.compile(r"prefers-color-scheme:\s*dark")


def settle(page: str, scheme: Literal["light", "dark"]) -> str:
    """Decide light or dark here instead of in the browser, so that a preview looks the same on every desk."""
    page = _SCHEME_META.sub(rf'\g<1>{scheme}"', page)
    page = re.sub(r"color-schemes?:\s*light dark", lambda words: words[0].replace("light dark", scheme), page)
    kept, position = [], 0
    for start, inner, end in _dark_rules(page):
        kept.append(page[position:start])
        if scheme == "dark":
            kept.append(page[inner : end - 1])
        position = end
    return "".join([*kept, page[position:]])


def _dark_rules(page: str) -> Iterator[tuple[int, int, int]]:
    """(start, first inside, after the closing bracket) of each dark block in the page's styles."""
    position = 0
    for match in _MEDIA.finditer(page):
        if match.start() < position or not _DARK.search(match[1]):
            continue
        depth, at = 1, match.end()
        while depth and at < len(page):
            depth += {"{": 1, "}": -1}.get(page[at], 0)
            at += 1
        yield match.start(), match.end(), at
        position = at
