"""A document as MJML: what the frame takes in where {{ content }} stands.

Text stands as it is between the sections, so that it has the frame's type. Pictures, buttons and columns are MJML's
own, since they are what differs from one mail program to the next. Everything that somebody wrote goes past the engine
as numbered fragments: it changes quotes and backslashes.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from samizdat.core.content.blocks.schema import Node
from samizdat.core.content.blocks.styles import PLAIN, BlockStyles
from samizdat.core.content.phrases import PhraseTable
from samizdat.core.content.theme import FONTS, Theme, ThemePicture
from samizdat.core.dates import hour, moment
from samizdat.core.languages import towards

WIDTH = 540  # pixels of the column of text in our frame

# Light and dark of each tone: ground, edge. Text on the grounds has at least 9 to 1.
_TONES = {
    "note": ("#eae4d7", "#33479a", "#26282f"),
    "warn": ("#f7ebcf", "#b3261e", "#382c14"),
    "good": ("#e1ecdc", "#3d6b35", "#1d2f20"),
}
_INK = "#1b1d22"
DARK = "".join(f".b-{tone} {{ background: {dark} !important; }} " for tone, (_, _, dark) in _TONES.items()) + (
    ".b-box { background: #1c1e24 !important; border-color: #7f818b !important; } "
    ".b-btn, .b-button td { background: #ebe7dd !important; } "
    ".b-btn a, .b-btn span, .b-button td a, .b-button td p "
    "{ background: #ebe7dd !important; color: #1c1e24 !important; } "
)
# On a phone columns stand below each other, and what kept them apart would only move them aside.
NARROW = (
    "@media (max-width:479px) { .b-col > table > tbody > tr > td { padding: 0 !important; } "
    "table.mj-full-width-mobile { width: 100% !important; } td.mj-full-width-mobile { width: auto !important; } }"
)
# Columns begin on one line, whatever stands first in them.
EVEN = ".b-top > :first-child { margin-top: 0; }"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """All that markup needs to know besides the document."""

    look: Theme
    words: PhraseTable
    pictures: Mapping[str, ThemePicture]
    language: str
    direction: str
    edges: re.Pattern[str]  # one or more tokens of conditions
    clean: Callable[[str], str]  # of a raw HTML block
    fragment: str  # letters that occur nowhere else
    dress: BlockStyles = PLAIN  # how the template around it has its text
    answers: tuple[str, ...] = ()  # addresses of the answers to a question, by number; none: they lead nowhere


def source_of(src: str, pictures: Mapping[str, ThemePicture]) -> ThemePicture | None:
    """The address of a picture block; None while there is none, or where the library has lost it."""
    if not src:
        return None
    if re.fullmatch(r"[\w-]+", src):
        return pictures.get(src)
    # The library also writes whole addresses: then its size is known, too.
    slug = re.search(r"/m/([0-9a-f]{8,40})\.[a-z]{3,4}$", src)
    known = pictures.get(slug[1]) if slug else None
    return known if known and known.url == src else ThemePicture(src)


class Markup:
    def __init__(self, setting: Setting) -> None:
        self.set = setting
        self.fragments: list[str] = []
        self.start, self.end = ("right", "left") if setting.direction == "rtl" else ("left", "right")

    def mjml(self, document: Node) -> str:
        """The letter as MJML; `whole` puts the fragments into what the engine made of it."""
        sections = "".join(self._sections(document.get("content", ())))
        return (
            f'<mjml><mj-head><mj-attributes><mj-all font-family="{self._font("text_font")}" />'
            '<mj-section padding="0" />'
            f'<mj-text padding="0" font-size="17px" line-height="28px" color="{self.set.look.text}" '
            f'align="{self.start}" /></mj-attributes></mj-head><mj-body width="{WIDTH}px">{sections}</mj-body></mjml>'
        )

    def whole(self, page: str) -> str:
        return re.sub(rf"{self.set.fragment}(\d+)q", lambda match: self.fragments[int(match[1])], page)

    def _font(self, which: str) -> str:
        return FONTS[getattr(self.set.look, which)]

    def _put(self, fragment: str) -> str:
        self.fragments.append(fragment)
        return f"{self.set.fragment}{len(self.fragments) - 1}q"

    # --- sections ---

    def _sections(self, blocks: Iterable[Node]) -> Iterator[str]:
        for flows, run in groupby(blocks, self._flows):
            if flows:
                yield f"<mj-raw>{self._put(self._run(run))}</mj-raw>"
                continue
            for block in run:
                if block["type"] == "columns":
                    yield self._columns(block)
                elif content := self._engine(block):
                    yield f"<mj-section><mj-column>{content}</mj-column></mj-section>"

    def _flows(self, block: Node) -> bool:
        """Whether it stands as it is between the sections."""
        return block["type"] not in _ENGINE or (block["type"] == "picture" and self.set.dress.pictures != "")

    def _columns(self, block: Node) -> str:
        columns = block["content"]
        share = f"{100 / len(columns):.6g}%"
        parts = []
        for number, column in enumerate(columns):
            gaps = [0 if number == 0 else 10, 0 if number == len(columns) - 1 else 10]
            left, right = reversed(gaps) if self.start == "right" else gaps
            inner = "".join(self._in_column(column.get("content", ())))
            parts.append(
                f'<mj-column css-class="b-col" width="{share}" padding="0 {right}px 0 {left}px">{inner}</mj-column>'
            )
        return f'<mj-section direction="{self.set.direction}">{"".join(parts)}</mj-section>'

    def _in_column(self, blocks: Iterable[Node]) -> Iterator[str]:
        for kind, run in groupby(blocks, lambda block: _COLUMN.get(block["type"], "flow")):
            if kind == "flow":
                flow = self._put("".join(map(self._flow, run)))
                yield f'<mj-text><div class="b-top" dir="{self.set.direction}">{flow}</div></mj-text>'
            elif kind == "edges":
                yield from (f"<mj-raw>{self._put(self._flow(block))}</mj-raw>" for block in run)
            else:
                yield from map(self._engine, run)

    def _engine(self, block: Node) -> str:
        attrs = block["attrs"]
        if block["type"] == "button":
            return self._button(attrs)
        picture = source_of(attrs["src"], self.set.pictures)
        if picture is None:
            return ""
        alt = "" if attrs.get("decorative") else attrs["alt"]
        width = attrs.get("width") or (picture.width if 0 < picture.width < WIDTH else 0)
        sized = f' width="{width}px"' if width else ""
        link = f' href="{self._attr(attrs["link"])}"' if attrs["link"] else ""
        video = block["type"] == "video"
        image = (
            f'<mj-image src="{self._attr(picture.url)}" alt="{self._attr(alt)}"{link}{sized} align="{self.start}" '
            f'fluid-on-mobile="true" padding="0 0 {6 if video else 16}px" />'
        )
        if video and attrs["link"]:
            watch = f"<p>{_link(attrs['link'], '▶ ' + self.set.words.html('block.watch'))}</p>"
            image += f'<mj-text><div dir="{self.set.direction}">{self._put(watch)}</div></mj-text>'
        return image

    def _button(self, attrs: Mapping[str, Any]) -> str:
        if not attrs["text"].strip():
            return ""
        # Without an address a letter does not go out, and its preview shows the button all the same.
        href = f' href="{self._attr(attrs["link"])}"' if attrs["link"] else ""
        look = self.set.look
        align = "center" if attrs["align"] == "center" else self.start
        return (
            f'<mj-button css-class="b-button"{href} align="{align}" padding="6px 0 22px" '
            f'inner-padding="13px 24px" border-radius="0" background-color="{look.button}" color="{look.on_button}" '
            f'font-family="{self._font("heading_font")}" font-size="16px" font-weight="bold" line-height="22px">'
            f"{self._put(html.escape(attrs['text']))}</mj-button>"
        )

    def _attr(self, text: str) -> str:
        return self._put(html.escape(text))

    # --- text ---

    def _run(self, blocks: Iterable[Node]) -> str:
        """Blocks that stand below each other in the frame, as its template has them."""
        if not self.set.dress.lines:
            return "".join(map(self._flow, blocks))
        parts: list[str] = []
        behind_line = False
        for block in blocks:
            is_line = block["type"] in ("paragraph", "picture")
            if not (inner := self.inline(block) if block["type"] == "paragraph" else self._flow(block)):
                continue
            if is_line and behind_line:
                parts.append("<br><br>")
            parts.append(inner)
            if block["type"] != "edges":
                behind_line = is_line
        return "".join(parts)

    def _worn(self, tag: str, inner: str) -> str:
        return f"<{tag}{self.set.dress.of(tag)}>{inner}</{tag}>"

    def _flow(self, block: Node) -> str:
        return str(getattr(self, f"_of_{block['type']}")(block))

    def _all(self, block: Node) -> str:
        return "".join(map(self._flow, block.get("content", ())))

    def _of_edges(self, block: Node) -> str:
        return "".join(f"<!--{token}-->" for token in block["tokens"])

    def _of_paragraph(self, block: Node) -> str:
        inner = self.inline(block)
        return self._worn("p", inner) if inner else ""

    def _of_heading(self, block: Node) -> str:
        inner = self.inline(block)
        return self._worn(f"h{block['attrs']['level']}", inner) if inner else ""

    def _of_picture(self, block: Node) -> str:
        """Where the template has pictures as plain elements: its size and edges, and no height, which was another's."""
        attrs = block["attrs"]
        picture = source_of(attrs["src"], self.set.pictures)
        if picture is None:
            return ""
        alt = "" if attrs.get("decorative") else attrs["alt"]
        worn = self.set.dress.of("img")
        width = attrs.get("width") or _within(picture, worn)
        sized = f' width="{width}"' if width else ""
        image_html = f'<img src="{html.escape(picture.url)}" alt="{html.escape(alt)}"{sized}{worn}>'
        image_html = self._linked(attrs["link"], image_html) if attrs["link"] else image_html
        return self._worn("p", image_html) if self.set.dress.pictures == "p" else image_html

    def _of_bulletList(self, block: Node) -> str:
        return self._worn("ul", self._all(block))

    def _of_orderedList(self, block: Node) -> str:
        start = block["attrs"]["start"]
        numbered = f' start="{start}"' if start != 1 else ""
        return f"<ol{numbered}{self.set.dress.of('ol')}>{self._all(block)}</ol>"

    def _of_listItem(self, block: Node) -> str:
        first, *rest = block["content"]
        inner = self.inline(first) if first["type"] == "paragraph" else self._flow(first)
        return self._worn("li", inner + "".join(map(self._flow, rest)))

    def _of_blockquote(self, block: Node) -> str:
        return self._worn("blockquote", self._all(block))

    def _of_divider(self, block: Node) -> str:
        return f"<hr{self.set.dress.of('hr')}>"

    def _of_footer(self, block: Node) -> str:
        return (
            f'<div class="soft" style="margin:24px 0 0;font-size:14px;line-height:22px;color:#535763">'
            f"{self._all(block)}</div>"
        )

    def _of_html(self, block: Node) -> str:
        return self.set.clean(block["attrs"]["source"])

    def _of_callout(self, block: Node) -> str:
        tone = block["attrs"]["tone"]
        return self._tinted(tone, self._all(block))

    def _tinted(self, tone: str, inner: str) -> str:
        ground, edge, _dark = _TONES[tone]
        return self._box(
            f"b-{tone}",
            f"padding:14px 18px 1px;background:{ground};border-{self.start}:4px solid {edge};color:{_INK}",
            inner,
        )

    def _box(self, name: str, style: str, inner: str, margin: str = "0 0 18px") -> str:
        return (
            '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" '
            f'style="margin:{margin}"><tr><td class="{name}" style="{style}">{inner}</td></tr></table>'
        )

    def _of_social(self, block: Node) -> str:
        links = [
            _link(link["url"], html.escape(link["network"].strip() or host(link["url"])))
            for link in block["attrs"]["links"]
            if link["url"]
        ]
        return f"<p>{' &#160; '.join(links)}</p>" if links else ""

    def _of_donation(self, block: Node) -> str:
        attrs, look = block["attrs"], self.set.look
        warning = (
            towards(html.escape(look.warning), look.warning, self.set.direction)
            if look.warning
            else self.set.words.html("block.warning")
        ).replace("\n", "<br>")
        amounts = [html.escape(amount) for amount in attrs["amounts"] if amount.strip()]
        inner = (
            _title(attrs["title"])
            + _maybe("p", attrs["text"])
            + self._tinted("warn", f"<p>{warning}</p>")
            + (f"<p><strong>{' &#160; '.join(amounts)}</strong></p>" if amounts else "")
        )
        label = html.escape(attrs["label"].strip()) or self.set.words.html("block.give")
        font = self._font("heading_font").replace("'", "&#39;")
        style = f"display:inline-block;padding:13px 24px;font:bold 16px/22px {font};color:{look.on_button}"
        to_go = f'<a href="{html.escape(attrs["link"])}"' if attrs["link"] else "<span"
        inner += (
            '<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:0 0 18px"><tr>'
            f'<td class="b-btn" style="background:{look.button}">{to_go} style="{style};text-decoration:none">{label}'
            f"</{'a' if attrs['link'] else 'span'}></td></tr></table>"
        )
        return self._box("b-box", f"padding:18px 18px 0;border:2px solid {_INK}", inner)

    def _of_event(self, block: Node) -> str:
        attrs = block["attrs"]
        time = when(attrs, self.set.language)
        lines = [f"<strong>{self.set.words.marked(html.escape(time))}</strong>"] if time else []
        if attrs["place"].strip():
            lines.append(html.escape(attrs["place"]))
        inner = _title(attrs["title"]) + (f"<p>{'<br>'.join(lines)}</p>" if lines else "") + _maybe("p", attrs["about"])
        if attrs["link"]:
            inner += f"<p>{_link(attrs['link'], self.set.words.html('block.details'))}</p>"
        return self._boxed(inner)

    def _of_question(self, block: Node) -> str:
        attrs = block["attrs"]
        choices = answers_of(attrs)
        if not self.set.answers:
            answers = (
                f"<ul>{''.join(f'<li>{html.escape(choice, quote=False)}</li>' for choice in choices)}</ul>"
                if choices
                else ""
            )
            return self._boxed(_title(attrs["question"]) + answers)
        style = "display:block;padding:11px 16px;text-decoration:none;font-weight:bold"
        answers = "".join(
            self._box(
                "b-box",
                f"border:1px solid {_INK}",
                f'<a href="{html.escape(url)}" style="{style}">{html.escape(choice, quote=False)}</a>',
                "0 0 10px",
            )
            for choice, url in zip(choices, self.set.answers, strict=False)
        )
        said_so = self.set.words.html("block.counted")
        note = f'<p class="soft" style="font-size:14px;line-height:22px;color:#535763">{said_so}</p>'
        return self._boxed(_title(attrs["question"]) + answers + note)

    def _boxed(self, inner: str) -> str:
        return self._box("b-box", f"padding:18px 18px 2px;border:1px solid {_INK}", inner) if inner else ""

    # --- inline ---

    def inline(self, block: Node) -> str:
        """Text with its marks. A condition stands outside of them, so that it never cuts through an element."""
        pieces = []
        for href, run in groupby(block.get("content", ()), _href):
            inner = "".join(self._marked(node) for node in run)
            if href is None or not inner:
                pieces.append(inner)
                continue
            # Conditions inside of a link take it apart: each part is a link of its own.
            parts = [part for part in self.set.edges.split(inner) if part]
            pieces += [part if self.set.edges.fullmatch(part) else self._linked(href, part) for part in parts]
        return "".join(pieces)

    def _linked(self, url: str, inner: str) -> str:
        return f'<a href="{html.escape(url)}"{self.set.dress.of("a")}>{inner}</a>'

    def _marked(self, node: Node) -> str:
        if node["type"] == "hardBreak":
            return "<br>"
        marks = {mark["type"]: mark.get("attrs", {}) for mark in node.get("marks", ())}
        parts = []
        for part in self.set.edges.split(node["text"]):
            text = html.escape(part, quote=False)
            if part and not self.set.edges.fullmatch(part):
                # Innermost, since what is bold or a link may have a color in the template.
                text = f'<span style="color:{marks["color"]["color"]}">{text}</span>' if "color" in marks else text
                text = self._worn("em", text) if "italic" in marks else text
                text = self._worn("strong", text) if "bold" in marks else text
            parts.append(text)
        return "".join(parts)


# What the engine makes, and what is none of both inside of a column.
_ENGINE = frozenset({"picture", "button", "video", "columns"})
_COLUMN = {"picture": "engine", "button": "engine", "video": "engine", "edges": "edges"}


def answers_of(attrs: Mapping[str, Any]) -> list[str]:
    """The answers of a question that say something, by number."""
    return [answer for answer in attrs["answers"] if answer.strip()]


def when(attrs: Mapping[str, str], language: str) -> str:
    """The time of an event in words; of an end on the same day the hour alone."""
    if not attrs["start"]:
        return ""
    start = datetime.fromisoformat(attrs["start"])
    start_text = moment(start, language)
    if not attrs["end"]:
        return start_text
    end = datetime.fromisoformat(attrs["end"])
    if end.date() == start.date():
        return f"{start_text}–{hour(end, language)}"
    return f"{start_text} – {moment(end, language)}"


def _within(picture: ThemePicture, worn: str) -> int:
    """Its width in a template that says how wide it may be, for Outlook, which does not read that; 0: unknown."""
    most = re.search(r"max-width\s*:\s*(\d{1,4})px", worn)
    return min(picture.width, int(most[1])) if most and picture.width > 0 else 0


def _href(node: Node) -> str | None:
    return next((mark["attrs"]["href"] for mark in node.get("marks", ()) if mark["type"] == "link"), None)


def _link(url: str, inner: str) -> str:
    return f'<a href="{html.escape(url)}">{inner}</a>'


def _maybe(tag: str, text: str) -> str:
    return f"<{tag}>{html.escape(text, quote=False)}</{tag}>" if text.strip() else ""


def _title(text: str) -> str:
    return f'<h2 style="margin-top:0">{html.escape(text, quote=False)}</h2>' if text.strip() else ""


def host(url: str) -> str:
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url
