"""A letter as its web copy shows it: headings, paragraphs, lists, links, buttons, columns and pictures of our own.

The public pages stay under 14 KB and under a policy that allows no inline style, so the letter's own markup is read
and written anew from a short list of elements. Nothing of the source is copied but text and checked addresses.
"""

import re
from html import escape, unescape
from html.parser import HTMLParser

# Between two blocks in the stored text. A form feed cannot come from the letter: white space is folded.
BREAK = "\f"

# Characters of one block. A public page holds about 7 KB of letter and a Cyrillic letter takes two bytes, so longer
# paragraphs and lists are cut where a word or an item ends.
LONGEST = 2500
PIECE = 400

_SILENT = frozenset({"head", "style", "script", "title", "template", "noscript", "svg", "object", "iframe"})
_BLOCKS = {"h1": "h2", "h2": "h2", "h3": "h3", "h4": "h3", "h5": "h3", "h6": "h3", "pre": "pre", "li": "li"}
_PARAGRAPHS = frozenset(
    (
        *("p", "div", "td", "th", "tr", "table", "tbody", "section", "article", "header", "footer", "main"),
        *("aside", "center", "figure", "figcaption", "dl", "dt", "dd", "address"),
    )
)
_INLINE = {"strong": "strong", "b": "strong", "em": "em", "i": "em", "code": "code", "bdi": "bdi"}
_GROUPS = frozenset({"ul", "ol", "blockquote"})
# Elements of our letters that hold blocks, by their class (core/content/blocks/markup), and how they begin here.
_BOXES = {"b-col": "col", "b-note": "care", "b-warn": "care", "b-good": "care"}
_OPENED = {"cols": '<div class="cols">', "col": "<div>", "care": '<div class="care">'}
# A link that looks like a button, as ours and those of template builders do.
_INLINE_BLOCK = re.compile(r"display\s*:\s*inline-block")
_OWN_PICTURE = re.compile(r"/m/[0-9a-z_-]{1,40}\.(?:jpeg|jpg|png|gif|webp)")
_SHOWN = re.compile(r'<a href="[^"<>]*"[^<>]*>|</a>|<img src="(/m/[^"<>]+)" alt="([^"<>]*)"[^<>]*>')
_LONGEST_SUMMARY = 300
_ADDRESS = re.compile(r"(?:https?://|mailto:)[^\s<>\"]+", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n\f]+")
# The empty text with which mail hides what follows the preheader.
_INVISIBLE = re.compile("[\u034f\u00ad\u200b-\u200d\u2007\u2060\ufeff]+")
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all", re.IGNORECASE)


def _is_button(style: str) -> bool:
    return _INLINE_BLOCK.search(style) is not None and ("background" in style or "bold" in style)


def reduce(html: str, picture: str = "Picture", own: str = "") -> str:
    """Blocks of plain markup joined by BREAK. `picture` is the word before a picture's description, in the
    language of the letter. own: the public host; its pictures are shown, others are links."""
    return read(html, picture, own)[0]


def read(html: str, picture: str = "Picture", own: str = "", title: str = "") -> tuple[str, str]:
    """The same, without a first heading that says the `title`; and the preview text that is hidden at its beginning."""
    reader = _SafeHtmlParser(picture, own)
    reader.feed(html)
    reader.close()
    reader.end_block()
    reader.leave_groups(0)
    blocks = reader.blocks
    if blocks and blocks[0].startswith("<h") and plain(blocks[0]) == " ".join(title.split()):
        blocks = blocks[1:]
    return BREAK.join(blocks), " ".join(reader.summary.split())[:_LONGEST_SUMMARY]


def plain(text: str) -> str:
    """The words of markup that was written here."""
    return " ".join(unescape(re.sub(r"<[^<>]*>", " ", text)).split())


def without_pictures(text: str, picture: str) -> str:
    """The same with links in the place of pictures; `picture` as of `reduce`."""
    in_link = False

    def light(match: re.Match[str]) -> str:
        nonlocal in_link
        if match[1] is None:
            in_link = match[0] != "</a>"
            return match[0]
        label = f"{picture}: {match[2]}" if match[2] else picture
        return label if in_link else f'<a href="{match[1]}">{label}</a>'

    return _SHOWN.sub(light, text)


def first_picture(text: str) -> str:
    """The path of the first picture that is shown; "" for none."""
    return next((match[1] for match in _SHOWN.finditer(text) if match[1]), "")


def pages(text: str, limit: int) -> list[str]:
    """The blocks in pages of at most `limit` bytes; a single block beyond that has a page of its own."""
    blocks_by_page: list[list[str]] = [[]]
    size = 0
    for block in text.split(BREAK):
        length = len(block.encode()) + 1
        if blocks_by_page[-1] and size + length > limit:
            blocks_by_page.append([])
            size = 0
        blocks_by_page[-1].append(block)
        size += length
    return ["\n".join(blocks) for blocks in blocks_by_page]


class _SafeHtmlParser(HTMLParser):
    """Collects one block at a time. Groups (lists, quotes) are blocks that hold blocks."""

    def __init__(self, picture: str, own: str) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[str] = []
        self.summary = ""
        self._picture, self._own = picture, own
        # Of each box that is open: its tag, how many of that tag are open in it, and how many groups are around it.
        self._boxes: list[list[str | int]] = []
        self._columns: list[list[str]] = []
        self._silent = 0
        self._hidden: list[str] = []
        self._block = "p"
        self._text: list[str] = []
        self._open: list[str] = []
        self._groups: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if self._hides(tag, values):
            return
        self._enter_box(tag, values)
        if tag in _SILENT:
            self._silent += 1
        elif tag == "br":
            self._text.append("<br>")
        elif tag == "hr":
            self.end_block()
        elif tag == "img":
            self._picture_of(values)
        elif tag in _GROUPS:
            self.end_block()
            self._groups.append((tag, []))
        elif tag in _BLOCKS or tag in _PARAGRAPHS:
            self.end_block(_BLOCKS.get(tag, "p"))
        else:
            self._start_inline(tag, values)

    def _hides(self, tag: str, values: dict[str, str]) -> bool:
        """Preheaders are hidden by style; what is inside is not for the page."""
        if self._hidden:
            if tag == self._hidden[0]:
                self._hidden.append(tag)
            return True
        if _HIDDEN.search(values.get("style", "")) and tag not in ("img", "br", "hr"):
            self._hidden = [tag]
            return True
        return False

    def _start_inline(self, tag: str, values: dict[str, str]) -> None:
        if tag == "a" and _ADDRESS.fullmatch(values.get("href", "").strip()) and "</a>" not in self._open:
            button = ' class="btn"' if _is_button(values.get("style", "").lower()) else ""
            self._text.append(f'<a href="{escape(values["href"].strip())}"{button}>')
            self._open.append("</a>")
        elif tag in _INLINE:
            self._text.append(f"<{_INLINE[tag]}>")
            self._open.append(f"</{_INLINE[tag]}>")

    def _enter_box(self, tag: str, values: dict[str, str]) -> None:
        if self._boxes and self._boxes[-1][0] == tag:
            self._boxes[-1][1] = int(self._boxes[-1][1]) + 1
        name = next((_BOXES[word] for word in values.get("class", "").split() if word in _BOXES), "")
        if not name or (name == "col" and any(group == "col" for group, _inside in self._groups)):
            return
        self.end_block()
        if name == "col" and not self._is_in("cols"):
            self._groups.append(("cols", []))
        self._boxes.append([tag, 0, len(self._groups)])
        self._groups.append((name, []))

    def _leave_box(self, tag: str) -> None:
        """At the end of an element: of a box, or of the table around columns."""
        if tag == "table" and self._is_in("cols"):
            self.leave_groups(len(self._groups) - 1)
        if not self._boxes or self._boxes[-1][0] != tag:
            return
        if self._boxes[-1][1]:
            self._boxes[-1][1] = int(self._boxes[-1][1]) - 1
            return
        self.end_block()
        self.leave_groups(int(self._boxes.pop()[2]))

    def _is_in(self, name: str) -> bool:
        return bool(self._groups) and self._groups[-1][0] == name

    def _picture_of(self, values: dict[str, str]) -> None:
        description, source = _SPACE.sub(" ", values.get("alt", "")).strip(), values.get("src", "").strip()
        path = source.removeprefix(self._own) if self._own else ""
        if _OWN_PICTURE.fullmatch(path):
            size = "".join(
                f' {name}="{values[name]}"'
                for name in ("width", "height")
                if re.fullmatch(r"\d{1,4}", values.get(name, ""))
            )
            # A link needs a name, even one around a picture that only decorates.
            alt = escape(description or (self._picture if "</a>" in self._open else ""))
            self._text.append(f'<img src="{path}" alt="{alt}"{size} loading="lazy">')
            return
        if not description:
            return
        label = escape(f"{self._picture}: {description}")
        linked = _ADDRESS.fullmatch(source) and "</a>" not in self._open
        self._text.append(f'<a href="{escape(source)}">{label}</a>' if linked else label)

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            if tag == self._hidden[-1]:
                self._hidden.pop()
            return
        self._leave_box(tag)
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in _GROUPS:
            self.end_block()
            depth = max((at for at, (name, _) in enumerate(self._groups) if name == tag), default=None)
            if depth is not None:
                self.leave_groups(depth)
        elif tag in _BLOCKS or tag in _PARAGRAPHS:
            self.end_block()
        else:
            self._end_inline("</a>" if tag == "a" else f"</{_INLINE.get(tag, '')}>")

    def _end_inline(self, closing: str) -> None:
        """Crossed tags are closed in the order they were opened."""
        if closing in self._open:
            while True:
                last = self._open.pop()
                self._text.append(last)
                if last == closing:
                    return

    def handle_data(self, data: str) -> None:
        if self._hidden and not (self.blocks or self._text or self._groups):
            self.summary += _INVISIBLE.sub("", data)
        if self._silent or self._hidden:
            return
        text = _INVISIBLE.sub("", data)
        text = text.replace("\f", " ") if self._block == "pre" else _SPACE.sub(" ", text)
        while text:
            cut = len(text) if len(text) <= PIECE else text.rfind(" ", 1, PIECE) + 1 or PIECE
            self._text.append(escape(text[:cut], quote=False))
            text = text[cut:]
            if not self._open and sum(map(len, self._text)) > LONGEST:
                self.end_block(self._block)

    def end_block(self, following: str = "p") -> None:
        """Closes the block at hand; an empty one leaves nothing behind."""
        self._text += reversed(self._open)
        self._open.clear()
        inside = "".join(self._text).strip()
        if "<img " in inside or re.sub(r"<[^<>]*>|&nbsp;|\s", "", inside):
            if self._block == "li" and not (self._groups and self._groups[-1][0] in ("ul", "ol")):
                self._block = "p"
            elif self._block == "p" and self._groups and self._groups[-1][0] in ("ul", "ol"):
                self._block = "li"
            self._put(f"<{self._block}>{inside}</{self._block}>")
        self._text.clear()
        self._block = following

    def leave_groups(self, depth: int) -> None:
        while len(self._groups) > depth:
            tag, inside = self._groups.pop()
            if not inside:
                continue
            if tag == "col":
                self._columns.append(inside)
                self._groups[-1][1].append(f"{_OPENED[tag]}{''.join(inside)}</div>")
            elif tag == "cols":
                self._put_columns(inside)
            else:
                nested = bool(self._groups) and self._groups[-1][0] in ("ul", "ol")
                whole = (
                    f"{_OPENED[tag]}{''.join(inside)}</div>" if tag in _OPENED else f"<{tag}>{''.join(inside)}</{tag}>"
                )
                self._put(f"<li>{whole}</li>" if nested else whole)

    def _put_columns(self, inside: list[str]) -> None:
        """Side by side, or below each other where there is but one, or where they would not fit on a page."""
        columns, self._columns = self._columns, []
        if len(inside) > 1 and sum(map(len, inside)) <= LONGEST:
            self._put(f"{_OPENED['cols']}{''.join(inside)}</div>")
            return
        for block in (block for column in columns for block in column):
            self._put(block)

    def _put(self, block: str) -> None:
        if self._is_in("cols"):  # Something else than a column: they are over.
            self.leave_groups(len(self._groups) - 1)
        if not self._groups:
            self.blocks.append(block)
            return
        tag, inside = self._groups[-1]
        inside.append(block)
        if len(self._groups) == 1 and sum(map(len, inside)) > LONGEST:
            self.blocks.append(
                f"{_OPENED[tag]}{''.join(inside)}</div>" if tag in _OPENED else f"<{tag}>{''.join(inside)}</{tag}>"
            )
            inside.clear()
