"""From what somebody wrote to the two bodies of a letter: HTML with inline styles, and plain text.

    Markdown or HTML -> the frame (MJML, or the pasted document itself) -> styles inlined -> cleaned -> pieces

Merge tags travel through that chain as tokens of plain lower-case letters and digits ("zq0x12q"), which no step
changes, and become pieces at the end, when it is plain whether each stands in text, in an attribute or in an address.
(Private-use characters would be the obvious choice; the MJML engine writes them in attributes as `\\u{e000}`.)
Conditions between tags travel as comments, since a parser moves stray text out of a table.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import css_inline
import mjml
import nh3
from markdown_it import MarkdownIt

from samizdat.core import mergetags
from samizdat.core.letter.plaintext import as_text
from samizdat.core.mergetags import KNOWN, Condition, Flaw, If, Node, Tag, Text, Tree
from samizdat.core.message import ESCAPES, Kind, Slot

mergetags.SENTENCES.update(
    {
        "body_empty": "There is no text yet. Write the letter.",
        "body_long": "The letter has %(size)s characters; %(limit)s is the most. Move a part of it to a web page.",
        "body_deep": "The HTML is nested more than %(limit)s deep. Paste it again without the surrounding tables.",
        "html_big": "The HTML is %(size)s KB; Gmail cuts a letter off above 102 KB. Shorten it.",
        "style_big": "The styles for phones and dark mode are %(size)s characters; Gmail drops them above 8,192. Shorten them.",
        "css_broken": "The styles could not be read, so they are left as they are. Look for a missing bracket.",
        "mjml_broken": "The template is not correct MJML: %(reason)s. Correct it, or take the standard template.",
        "mjml_include": "A template cannot take in other files. Copy the part that mj-include names into the template.",
        "template_no_content": "The template has no place for the letter. Put {{ content }} where it should stand.",
        "image_no_alt": "A picture has no description. Say what it shows, for readers who do not see it.",
        "image_inline": "A picture is pasted into the text itself; mail programs do not show those. Upload it instead.",
        "image_per_reader": "The address of a picture holds %(tag)s, so each reader would fetch her own. Remove the tag.",
        "image_counter": "A picture of one pixel counts readers. Remove it: we do not record who opens.",
        "image_http": "The picture %(url)s is fetched without encryption. Use https.",
        "link_http": "The link %(url)s is not encrypted. Use https if the page has it.",
        "link_empty": "A link leads nowhere. Give it an address, or make it plain text.",
        "link_relative": "The link %(url)s has no site in it and leads nowhere in a letter. Write it out with https://.",
        "link_scheme": "The link %(url)s cannot be used in a letter. Use https, mailto or tel.",
        "tag_in_style": "%(tag)s stands inside of style rules, where no value can go. Move it into the text.",
        "tag_lost": "%(tag)s stands where no text can be, so it is lost. Move it into the text.",
        "if_broken": "The condition on this line cuts through an HTML tag. Put whole elements between its parts.",
        "names_reader": "%(tag)s puts something about the reader into the letter. A letter found in her mailbox or forwarded shows it.",
        "no_unsubscribe": "The letter has no link to unsubscribe. Put {{ unsubscribe }} into it.",
    }
)

MAX_BODY = 500_000  # characters; five times what Gmail shows
MAX_HTML = 102 * 1024  # bytes: Gmail clips above (formats/standards.md section 7)
MAX_STYLE = 8_192
MAX_NESTING = 200  # the HTML parsers slow down with the square of the depth, and tables overflow them at thousands
RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})

Place = Literal["body", "template", "subject", "preheader", "to"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """All that a letter is made from. Addresses are normalised ones; `fields` maps each merge field to its default."""

    subject: str
    body: str
    from_name: str
    from_address: str
    format: Literal["markdown", "html"] = "markdown"
    preheader: str = ""
    reply_to: str = ""
    to_name: str = ""  # merge source, such as "*|FNAME|* *|LNAME|*"; empty: the address alone
    template: str = ""  # MJML or a whole HTML document with {{ content }}; empty: ours
    language: str = "en"
    organisation: str = ""
    postal_address: str = ""  # may have several lines
    website: str = ""
    phone: str = ""
    list_name: str = ""
    list_description: str = ""  # why you get this; empty: our sentence
    list_id: str = ""  # such as thursday.lists.example.org, the same for ever
    leave_mailbox: bool = False  # adds a mailto way out; the values must then have LEAVE_MAILTO
    feedback_id: str = ""
    archive_url: str = ""  # one for all readers; empty: the slot ARCHIVE_URL
    neutral_url: str = ""  # where links of one's own lead in the web copy
    signup_url: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a condition on a subscriber begins, turns or ends. `choice` numbers the condition it belongs to."""

    kind: Literal["if", "turn", "end"]
    choice: int
    condition: Condition | None = None
    line: int = 1


type Piece = str | Slot | Edge


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter before it is encoded: pieces of text with slots and conditions between them, and what is wrong."""

    subject: tuple[Piece, ...]
    html: tuple[Piece, ...]
    text: tuple[Piece, ...]
    to_name: tuple[str | Slot, ...]
    fields: tuple[str, ...]
    links: tuple[str, ...]
    flaws: tuple[Flaw, ...]


WHY = {
    "en": "You get this because you signed up%(list)s. We do not record who opens or clicks.",
    "ru": "Вы получаете это письмо, потому что оформили подписку%(list)s. "
    "Мы не записываем, кто открывает письма и переходит по ссылкам.",
}
_FOR = {"en": " for %s", "ru": " на рассылку «%s»"}
LEAVE = {"en": "Unsubscribe", "ru": "Отписаться"}

MONTHS = {
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    "ru": [
        "января",
        "февраля",
        "марта",
        "апреля",
        "мая",
        "июня",
        "июля",
        "августа",
        "сентября",
        "октября",
        "ноября",
        "декабря",
    ],
}
DAYS = {
    "en": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "ru": ["понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье"],
}


def render(content: Content, *, now: datetime, images: bool = True, archive: bool = False) -> Letter:
    """Run the whole chain. `now` is aware, in the organisation's zone; it fills dates and the year.

    `images=False` puts each picture's description in its place, as a mail program does that does not load them.
    `archive=True` gives the copy for the web: ARCHIVE_PAGE is true, the way out of the list is left out.
    """
    return _Chain(content, now, images, archive).run()


def fill(pieces: Iterable[Piece], values: Mapping[str, str]) -> str:
    """The text of pieces for one set of values: what a preview shows. Missing values use their defaults."""
    written: list[str] = []
    skipping: list[bool] = [False]
    done: list[bool] = []
    for piece in pieces:
        if isinstance(piece, Edge):
            if piece.kind == "end":
                skipping.pop()
                done.pop()
                continue
            if piece.kind == "if":
                skipping.append(True)
                done.append(skipping[-2])
            take = not done[-1] and (
                piece.condition is None or piece.condition.holds(values.get(piece.condition.name, ""))
            )
            skipping[-1] = not take
            done[-1] = done[-1] or take
        elif not skipping[-1]:
            if isinstance(piece, str):
                written.append(piece)
            else:
                written.append(ESCAPES[piece.kind](values.get(piece.name) or piece.default))
    return "".join(written)


def archive_html(content: Content, *, now: datetime) -> str:
    """The web copy: nothing about any reader, names by their defaults, her own links lead to `neutral_url`."""
    letter = render(content, now=now, archive=True)
    neutral = dict.fromkeys(("UNSUB_URL", "PREFERENCES_URL"), content.neutral_url)
    return fill(letter.html, {**neutral, "ARCHIVE_URL": content.archive_url})


def settle(page: str, scheme: Literal["light", "dark"]) -> str:
    """Decide light or dark here instead of in the browser, so that a preview looks the same on every desk."""
    page = re.sub(r'(<meta name="(?:supported-)?color-schemes?" content=")[^"]*"', rf'\g<1>{scheme}"', page)
    page = re.sub(r"color-scheme:\s*light dark", f"color-scheme:{scheme}", page)
    kept, position = [], 0
    for start, inner, end in _dark_rules(page):
        kept.append(page[position:start])
        if scheme == "dark":
            kept.append(page[inner : end - 1])
        position = end
    return "".join([*kept, page[position:]])


def _dark_rules(page: str) -> Iterator[tuple[int, int, int]]:
    """(start, first inside, after the closing bracket) of each dark block in the page's styles."""
    opening = re.compile(r"@media[^{}<]*prefers-color-scheme:\s*dark[^{}<]*\{")
    position = 0
    while found := opening.search(page, position):
        depth, at = 1, found.end()
        while depth and at < len(page):
            depth += {"{": 1, "}": -1}.get(page[at], 0)
            at += 1
        yield found.start(), found.end(), at
        position = at


# --- the chain ---

_DOCUMENT = re.compile(r"<html[\s>]|<!doctype\s+html", re.IGNORECASE)
_MJML = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<mjml[\s>]", re.DOTALL)
_ABOUT_HER = frozenset({"EMAIL", "FNAME", "LNAME", "NAME", "ADDRESS", "PHONE", "BIRTHDAY"})


@dataclass(frozen=True, slots=True)
class _Value:
    """A value known now, waiting in the chain for its context."""

    text: str
    tag: Tag | None = None


class _Chain:
    def __init__(self, content: Content, now: datetime, images: bool, archive: bool) -> None:
        self.content, self.images, self.archive = content, images, archive
        self.language = content.language
        self.flaws: list[Flaw] = []
        self.entries: list[Tag | _Value | Edge] = []
        self.choices = 0
        self.used: set[str] = set()
        self.known = _known(content, now, archive)
        self.now = now
        sources = (content.subject, content.preheader, content.body, content.template, *self.known.values())
        salt = 0
        while any(f"zq{salt}x" in source for source in sources):
            salt += 1
        self.prefix = f"zq{salt}x"
        self.token = re.compile(rf"{self.prefix}(\d+)q")

    def run(self) -> Letter:
        content = self.content
        self.subject = self._nodes(content.subject, "subject", comments=False)
        self.preheader = self._nodes(content.preheader, "preheader", comments=False)
        if not content.body.strip():
            self.flaws.append(Flaw(1, "body_empty"))
        if len(content.body) > MAX_BODY:
            self._flaw("body_long", size=f"{len(content.body):,}", limit=f"{MAX_BODY:,}")
            page = ""
        else:
            page = self._page()
        html_pieces, text_pieces = self._bodies(page)
        self._check_way_out(page, html_pieces, text_pieces)
        return Letter(
            tuple(self._plain(self.subject)),
            html_pieces,
            text_pieces,
            self._to_name(),
            tuple(sorted(self.used - mergetags.PERSONAL)),
            _links(html_pieces),
            tuple(sorted(self.flaws, key=lambda flaw: (flaw.place != "subject", flaw.place, flaw.line))),
        )

    def _flaw(
        self, code: str, line: int = 1, *, place: str = "body", severity: mergetags.Severity = "stop", **values: str
    ) -> None:
        self.flaws.append(Flaw(line, code, values, None, severity, place))

    # --- reading ---

    def _nodes(self, source: str, place: Place, *, comments: bool = True) -> tuple[Node, ...]:
        tree: Tree = mergetags.parse(source, self.content.fields, comments=comments, place=place)
        self.flaws.extend(tree.flaws)
        return mergetags.resolve(tree.nodes, self.known)

    def _plain(self, nodes: Iterable[Node], kind: Kind = "text") -> Iterator[Piece]:
        """Nodes of a one-line source (subject) as pieces."""
        for node in nodes:
            if isinstance(node, Text):
                yield node.text
            elif isinstance(node, Tag):
                if node.name in KNOWN:
                    yield self._known_text(node)
                else:
                    yield self._slot(node, kind)
            else:
                yield from self._plain_choice(node, kind)

    def _plain_choice(self, choice: If, kind: Kind) -> Iterator[Piece]:
        number = self._next_choice()
        for index, branch in enumerate(choice.branches):
            yield self._edge("turn" if index else "if", number, branch.condition, choice.line)
            yield from self._plain(branch.nodes, kind)
        yield Edge("end", number)

    def _next_choice(self) -> int:
        self.choices += 1
        return self.choices

    def _edge(self, kind: Literal["if", "turn"], number: int, condition: Condition | None, line: int) -> Edge:
        if condition is not None:
            self.used.add(condition.name)
        return Edge(kind, number, condition, line)

    def _slot(self, tag: Tag, kind: Kind) -> Slot:
        self.used.add(tag.name)
        default = tag.default if tag.default is not None else self.content.fields.get(tag.name, "")
        return Slot("url" if tag.url else kind, tag.name, default)

    def _known_text(self, tag: Tag) -> str:
        if tag.name == "date" and tag.argument:
            return php_date(tag.argument, self.now, self.language)
        if tag.name in ("subject", "preheader", "content"):
            return ""  # inside of themselves
        return self.known.get(tag.name) or tag.default or ""

    def _to_name(self) -> tuple[str | Slot, ...]:
        nodes = self._nodes(self.content.to_name, "to", comments=False)
        if any(isinstance(node, If) for node in nodes):
            self._flaw("if_unread", place="to", tag=self.content.to_name[:60])
        return tuple(piece for piece in self._plain(nodes, "phrase") if not isinstance(piece, Edge))

    # --- tokens ---

    def _put(self, entry: Tag | _Value | Edge) -> str:
        self.entries.append(entry)
        return f"{self.prefix}{len(self.entries) - 1}q"

    def _write(self, nodes: Iterable[Node], in_html: bool) -> str:
        """A source with tokens in the place of tags; conditions between HTML tags as comments."""
        written: list[str] = []
        inside = False
        for node in nodes:
            if isinstance(node, Text):
                written.append(node.text)
                inside = _inside_tag(node.text, inside)
            elif isinstance(node, Tag):
                written.append(self._write_tag(node))
            else:
                written.append(self._write_choice(node, in_html, in_html and not inside))
        return "".join(written)

    def _write_tag(self, tag: Tag) -> str:
        if tag.name in ("subject", "preheader"):
            return self._write_line(self.subject if tag.name == "subject" else self.preheader)
        if tag.name in KNOWN:
            return self._put(_Value(self._known_text(tag), tag))
        return self._put(tag)

    def _write_line(self, nodes: Iterable[Node]) -> str:
        """Subject or preheader inside of the letter: their own text is a value here, not markup."""
        return "".join(
            self._put(_Value(piece) if isinstance(piece, str) else piece if isinstance(piece, Edge) else _tag_of(piece))
            for piece in self._plain(nodes)
        )

    def _write_choice(self, choice: If, in_html: bool, as_comment: bool) -> str:
        number = self._next_choice()
        written = []
        for index, branch in enumerate(choice.branches):
            edge = self._put(self._edge("turn" if index else "if", number, branch.condition, choice.line))
            written += [f"<!--{edge}-->" if as_comment else edge, self._write(branch.nodes, in_html)]
        end = self._put(Edge("end", number, None, choice.line))
        return "".join([*written, f"<!--{end}-->" if as_comment else end])

    # --- from source to a page ---

    def _page(self) -> str:
        """The whole HTML document, styles inlined and cleaned, tokens still in it."""
        content = self.content
        in_html = content.format == "html"
        nodes = self._nodes(content.body, "body", comments=in_html)
        self._check_personal(nodes)
        source = self._write(nodes, in_html)
        _check_markup(self, source, in_html)
        body = source if in_html else self._markdown(source)
        if in_html and _DOCUMENT.search(body):
            return self._finish(body, framed=False)
        frame = self._frame()
        place = next(
            (
                i
                for i, entry in enumerate(self.entries)
                if isinstance(entry, _Value) and entry.tag and entry.tag.name == "content"
            ),
            None,
        )
        if place is None:
            self._flaw("template_no_content", place="template")
            return self._finish(body, framed=False)
        return self._finish(frame.replace(f"{self.prefix}{place}q", body), framed=not content.template)

    def _markdown(self, source: str) -> str:
        rendered = _markdown().render(source)

        def only_edges(match: re.Match[str]) -> str:
            tokens = self.token.findall(match[1])
            if not all(
                isinstance(self.entries[int(token)], Edge) for token in tokens if int(token) < len(self.entries)
            ):
                return match[0]
            return "".join(f"<!--{self.prefix}{token}q-->" for token in tokens)

        # A condition on a line of its own stands between paragraphs, it is none.
        return re.sub(rf"<p>((?:\s*{self.prefix}\d+q)+\s*)</p>", only_edges, rendered)

    def _frame(self) -> str:
        template = self.content.template or default_template()
        nodes = self._nodes(template, "template")
        written = self._write(nodes, in_html=True)
        if not _MJML.match(template):
            return written
        if "<mj-include" in template:
            self._flaw("mjml_include", place="template")
            return ""
        return self._mjml(written)

    def _mjml(self, source: str) -> str:
        # The engine writes attribute values with Rust's debug form: `\` doubled, rare characters as \u{…}.
        # So it gets to see neither, and what it adds itself is undone.
        hidden = f"{self.prefix}c"
        source = re.sub(r"[^\x00-\x7e]|\\", lambda odd: f"{hidden}{ord(odd[0]):x}q", source)
        try:
            page = mjml.mjml2html(source)
        except ValueError as problem:
            self._flaw("mjml_broken", place="template", reason=str(problem))
            return ""
        page = page.replace('\\"', "&quot;").replace("\\n", " ").replace("\\t", " ")
        return re.sub(rf"{hidden}([0-9a-f]+)q", lambda coded: chr(int(coded[1], 16)), page)

    def _finish(self, page: str, framed: bool) -> str:
        """Inline, take apart, clean, put together again."""
        if _nesting(page) > MAX_NESTING:
            self._flaw("body_deep", limit=str(MAX_NESTING))
            return ""
        try:
            page = _inliner().inline(page)
        except css_inline.InlineError:
            self._flaw("css_broken", severity="care")
        head, attributes, body = _take_apart(page)
        styles = _styles(head)
        if len(styles) > MAX_STYLE:
            self._flaw("style_big", severity="care", size=f"{len(styles):,}")
        body = clean(body, comments=not self.archive, keep=self.prefix)
        if not framed and not self.archive and not self._has_way_out():
            body += self._own_way_out()
        if self.content.preheader.strip() and not framed and self.prefix and not self._uses("preheader"):
            body = (
                f'<div style="display:none;max-height:0;overflow:hidden">{self._write_line(self.preheader)}</div>'
                + body
            )
        if not self.images:
            body = _IMAGE.sub(_described, body)
        return self._assemble(styles, attributes, body, framed)

    def _assemble(self, styles: str, attributes: str, body: str, framed: bool) -> str:
        language = html.escape(self.language)
        direction = _direction(self.language)
        label = self._write_line(self.subject)
        if 'role="article"' not in body:
            body = (
                f'<div role="article" aria-roledescription="email" aria-label="{label}" lang="{language}" dir="{direction}">'
                f"{body}</div>"
            )
        if self.archive:
            body = f"<main>{body}</main>"
        schemes = ""
        if framed:
            schemes = '<meta name="color-scheme" content="light dark">\n<meta name="supported-color-schemes" content="light dark">\n'
            styles = (
                ":root { color-scheme: light dark; supported-color-schemes: light dark; }\na:focus { outline: 3px solid #33479a; }\n"
                + styles
            )
        style = f"<style>\n{styles.strip()}\n</style>\n" if styles.strip() else ""
        office = "" if self.archive else _OFFICE
        return (
            f'<!doctype html>\n<html lang="{language}" dir="{direction}" xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n{schemes}<title>{label}</title>\n'
            f"{style}{office}</head>\n<body{attributes}>\n{body}\n</body>\n</html>\n"
        )

    # --- the way out ---

    def _uses(self, name: str) -> bool:
        return f"{{{{ {name}" in self.content.body + self.content.template or (
            name == "preheader" and "MC_PREVIEW_TEXT" in self.content.body + self.content.template
        )

    def _has_way_out(self) -> bool:
        """Whether a leave link stands in the letter for everybody, outside of any condition on the reader."""
        depth = 0
        for entry in self.entries:
            if isinstance(entry, Edge):
                depth += {"if": 1, "end": -1}.get(entry.kind, 0)
            elif isinstance(entry, Tag) and entry.name in ("UNSUB_URL", "PREFERENCES_URL") and depth == 0:
                return True
        return False

    def _own_way_out(self) -> str:
        language = self.language if self.language in LEAVE else "en"
        tag = self._put(Tag("UNSUB_URL"))
        why = self._put(_Value(self.known["description"]))
        return (
            "<div style=\"padding:18px 20px;text-align:center;font:14px/22px Georgia,'Times New Roman',serif;color:#535763;background:#ffffff\">"
            f'{why} <a href="{tag}" style="color:#535763">{LEAVE[language]}</a></div>'
        )

    def _check_way_out(self, page: str, *bodies: tuple[Piece, ...]) -> None:
        if page and not self.archive and not all(_way_out(pieces) for pieces in bodies):
            self._flaw("no_unsubscribe")

    # --- from a page to pieces ---

    def _bodies(self, page: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
        if not page:
            return (), ()
        page = self._fill_known(page)
        self._check_edges(page)
        _, _, body = _take_apart(page)
        text = as_text(body, self.token)
        html_pieces = self._split(page, _contexts(page, self.token))
        size = sum(len(piece.encode()) for piece in html_pieces if isinstance(piece, str))
        if size > MAX_HTML:
            self._flaw("html_big", severity="care", size=f"{size / 1024:.0f}")
        return html_pieces, self._split(text, _text_contexts(text, self.token))

    def _fill_known(self, page: str) -> str:
        """Put in all that is known now, escaped for where it stands."""
        written, position = [], 0
        for start, end, number, kind in _contexts(page, self.token):
            entry = self.entries[number] if number < len(self.entries) else _Value("")
            if isinstance(entry, _Value):
                text = _value_in(kind, entry.text)
            elif kind == "style":
                self._misplaced(entry)
                text = ""
            else:
                continue
            written += [page[position:start], text]
            position = end
        return "".join([*written, page[position:]])

    def _misplaced(self, entry: Tag | Edge) -> None:
        line = entry.line
        tag = entry.written if isinstance(entry, Tag) else "if"
        self._flaw("tag_in_style", line, tag=tag)

    def _check_edges(self, page: str) -> None:
        """Every condition must have come through whole and in order; one that vanished whole is no harm."""
        expected: dict[int, list[int]] = {}
        for number, entry in enumerate(self.entries):
            if isinstance(entry, Edge):
                expected.setdefault(entry.choice, []).append(number)
        found: dict[int, list[int]] = {}
        open_choices: list[int] = []
        broken: set[int] = set()
        for token in self.token.finditer(page):
            entry = self.entries[int(token[1])]
            if not isinstance(entry, Edge):
                continue
            found.setdefault(entry.choice, []).append(int(token[1]))
            if entry.kind == "if":
                open_choices.append(entry.choice)
            elif not open_choices or open_choices[-1] != entry.choice:
                broken.add(entry.choice)
            elif entry.kind == "end":
                open_choices.pop()
        broken.update(choice for choice, numbers in found.items() if numbers != expected[choice])
        self.broken = broken
        for choice in sorted(broken):
            entry = self.entries[expected[choice][0]]
            assert isinstance(entry, Edge)
            self._flaw("if_broken", entry.line)

    def _split(self, page: str, contexts: Iterable[tuple[int, int, int, str]]) -> tuple[Piece, ...]:
        pieces: list[Piece] = []
        position = 0
        for start, end, number, kind in contexts:
            entry = self.entries[number]
            pieces.append(page[position:start])
            position = end
            if isinstance(entry, Edge):
                if entry.choice not in self.broken:
                    pieces.append(entry)
            elif isinstance(entry, Tag):
                pieces.extend(self._piece(entry, kind))
        pieces.append(page[position:])
        return _joined(pieces)

    def _piece(self, tag: Tag, kind: str) -> Iterator[Piece]:
        if kind == "src":
            self._flaw("image_per_reader", tag.line, tag=tag.written)
            return
        if tag.name == "ARCHIVE_URL" and self.content.archive_url:
            yield ESCAPES["text" if kind == "text" else "attr"](self.content.archive_url)
            return
        if kind == "link" and tag.name in mergetags.PERSONAL and tag.name != "EMAIL":
            kind = "attr"  # ours, and a whole address already
        if kind == "url" and tag.name in mergetags.PERSONAL and tag.name != "EMAIL":
            kind = "text"
        yield self._slot(tag, kind)  # type: ignore[arg-type]

    # --- checks ---

    def _check_personal(self, nodes: tuple[Node, ...]) -> None:
        seen: set[str] = set()
        for item in mergetags.walk(nodes):
            if isinstance(item, Tag) and item.name in _ABOUT_HER and item.name not in seen:
                seen.add(item.name)
                self._flaw("names_reader", item.line, severity="care", tag=item.written)


def _tag_of(slot: Slot) -> Tag:
    return Tag(slot.name, slot.default, slot.kind == "url", written=slot.name)


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Neighbouring texts as one, empty ones left out."""
    joined: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str):
            if not piece:
                continue
            if joined and isinstance(joined[-1], str):
                joined[-1] += piece
                continue
        joined.append(piece)
    return tuple(joined)


def _way_out(pieces: Iterable[Piece]) -> bool:
    depth = 0
    for piece in pieces:
        if isinstance(piece, Edge):
            depth += {"if": 1, "end": -1}.get(piece.kind, 0)
        elif isinstance(piece, Slot) and piece.name in ("UNSUB_URL", "PREFERENCES_URL") and depth == 0:
            return True
    return False


_HREF = re.compile(r'\bhref="(https?://[^"]*)"', re.IGNORECASE)


def _links(pieces: Iterable[Piece]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for piece in pieces:
        if isinstance(piece, str):
            found.update(dict.fromkeys(html.unescape(url) for url in _HREF.findall(piece)))
    return tuple(found)


# --- known values ---


def _direction(language: str) -> str:
    return "rtl" if language.split("-")[0].lower() in RIGHT_TO_LEFT else "ltr"


def _known(content: Content, now: datetime, archive: bool) -> dict[str, str]:
    spoken = content.language if content.language in WHY else "en"
    named = _FOR[spoken] % content.list_name if content.list_name else ""
    lines = [line.strip() for line in content.postal_address.splitlines() if line.strip()]
    return {
        "archive_page": "yes" if archive else "",
        "rewards": "",
        "list": content.list_name,
        "organisation": content.organisation,
        "description": content.list_description or WHY[spoken].replace("%(list)s", named),
        "postal_address": "\n".join(lines),
        "postal_line": ", ".join(lines),
        "phone": content.phone,
        "website": content.website,
        "signup": content.signup_url,
        "sender": content.reply_to or content.from_address,
        "language": content.language,
        "direction": _direction(content.language),
        "year": f"{now.year}",
        "date": php_date("j F Y" if spoken == "ru" else "F j, Y", now, content.language),
        "subject": content.subject,
        "preheader": content.preheader,
        "content": "",
    }


def php_date(letters: str, now: datetime, language: str = "en") -> str:
    """A date by PHP's letters, as *|DATE:F j, Y|* asks; a backslash keeps the next letter as it is."""
    months = MONTHS.get(language, MONTHS["en"])
    days = DAYS.get(language, DAYS["en"])
    month, day = months[now.month - 1], days[now.weekday()]
    hour = now.hour % 12 or 12
    table = {
        "d": f"{now.day:02}", "j": f"{now.day}", "D": day[:3], "l": day, "N": f"{now.isoweekday()}",
        "w": f"{now.isoweekday() % 7}", "z": f"{now.timetuple().tm_yday - 1}", "S": _ordinal(now.day),
        "W": f"{now.isocalendar().week:02}", "F": month, "M": month[:3], "m": f"{now.month:02}", "n": f"{now.month}",
        "Y": f"{now.year}", "y": f"{now.year % 100:02}", "o": f"{now.isocalendar().year}",
        "a": "am" if now.hour < 12 else "pm", "A": "AM" if now.hour < 12 else "PM", "g": f"{hour}", "h": f"{hour:02}",
        "G": f"{now.hour}", "H": f"{now.hour:02}", "i": f"{now.minute:02}", "s": f"{now.second:02}",
    }  # fmt: skip
    return re.sub(r"\\(.)|([A-Za-z])", lambda m: m[1] or table.get(m[2], m[2]), letters)


def _ordinal(day: int) -> str:
    return "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _value_in(kind: str, text: str) -> str:
    if kind == "html":
        return html.escape(text, quote=False).replace("\n", "<br>\n")
    if kind in ("link", "src"):
        return ESCAPES["link"](text)
    if kind == "style":
        return re.sub(r"[^\w #%.,-]", "", text)
    return ESCAPES[kind](text)


# --- tools of the chain ---


@lru_cache(maxsize=1)
def default_template() -> str:
    return files("samizdat.core").joinpath("templates/letter.mjml").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


@lru_cache(maxsize=1)
def _inliner() -> css_inline.CSSInliner:
    return css_inline.CSSInliner(keep_style_tags=False, keep_at_rules=True, load_remote_stylesheets=False)


_WHOLE_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>", re.DOTALL)
_TAG_START = re.compile(r"</?[A-Za-z]")


def _inside_tag(text: str, inside: bool) -> bool:
    """Whether the end of `text` lies between < and > of a tag."""
    if inside:
        closing = text.find(">")
        if closing < 0:
            return True
        text = text[closing + 1 :]
    last = None
    for last in _TAG_START.finditer(text):
        pass
    return last is not None and not _WHOLE_TAG.match(text, last.start())


_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
# Elements whose end tag is usually left out do not nest, however often they are opened.
_LEFT_OPEN = frozenset(
    ["p", "li", "td", "th", "tr", "dt", "dd", "option", "thead", "tbody", "tfoot", "html", "head", "body"]
)
_ELEMENT = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")


def _nesting(page: str) -> int:
    """The greatest depth of open elements, by counting; unclosed ones count too, since parsers carry them along."""
    depth = deepest = 0
    for close, name in _ELEMENT.findall(page):
        name = name.lower()
        if name in _VOID or name in _LEFT_OPEN:
            continue
        depth = max(0, depth - 1) if close else depth + 1
        deepest = max(deepest, depth)
    return deepest


_HEAD = re.compile(r"<head\b[^>]*>(.*?)</head>", re.IGNORECASE | re.DOTALL)
_BODY = re.compile(r"<body\b((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>(.*)</body>", re.IGNORECASE | re.DOTALL)


def _take_apart(page: str) -> tuple[str, str, str]:
    """(inside of head, attributes of body, inside of body)"""
    head = _HEAD.search(page)
    body = _BODY.search(page)
    if not body:
        return "", "", page
    return head[1] if head else "", _clean_attributes(body[1]), body[2].strip("\n")


def _clean_attributes(attributes: str) -> str:
    cleaned = clean(f"<div{attributes}></div>", comments=False)
    return cleaned[len("<div") : cleaned.index(">", cleaned.rfind('"') if '"' in cleaned else 0)]


_STYLE = re.compile(r"<style\b[^>]*>(.*?)</style>", re.IGNORECASE | re.DOTALL)
_CONDITIONAL = re.compile(r"<!--\s*\[if.*?<!\[endif\]\s*-->", re.IGNORECASE | re.DOTALL)
# Anything in a style sheet that fetches: readers would tell a third party that they read.
_FETCHES = re.compile(
    r"@import[^;]*;?|@font-face\s*\{[^}]*\}|url\([^)]*\)|expression\([^)]*\)|-moz-binding[^;}]*|behavior\s*:[^;}]*",
    re.IGNORECASE,
)


def _styles(head: str) -> str:
    found = "\n".join(_STYLE.findall(_CONDITIONAL.sub("", head)))
    return _FETCHES.sub("", found).replace("<", "")


_TAGS = frozenset(
    [
        "a",
        "abbr",
        "address",
        "article",
        "aside",
        "b",
        "bdi",
        "bdo",
        "big",
        "blockquote",
        "br",
        "caption",
        "center",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "del",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "font",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "main",
        "mark",
        "nav",
        "ol",
        "p",
        "pre",
        "q",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "section",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "time",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
        "wbr",
    ]
)
_ATTRIBUTES = {
    "*": frozenset(
        [
            "align",
            "aria-describedby",
            "aria-hidden",
            "aria-label",
            "aria-labelledby",
            "aria-roledescription",
            "bgcolor",
            "class",
            "dir",
            "height",
            "id",
            "lang",
            "role",
            "style",
            "title",
            "valign",
            "width",
        ]
    ),
    "a": frozenset({"href", "name", "target"}),
    "img": frozenset({"alt", "border", "hspace", "src", "vspace"}),
    "table": frozenset({"border", "cellpadding", "cellspacing", "summary"}),
    "td": frozenset({"colspan", "headers", "nowrap", "rowspan"}),
    "th": frozenset({"colspan", "headers", "nowrap", "rowspan", "scope"}),
    "col": frozenset({"span"}),
    "colgroup": frozenset({"span"}),
    "font": frozenset({"color", "face", "size"}),
    "ol": frozenset({"start", "type"}),
    "ul": frozenset({"type"}),
    "li": frozenset({"value"}),
    "br": frozenset({"clear"}),
    "hr": frozenset({"color", "noshade", "size"}),
    "time": frozenset({"datetime"}),
}
_CLEANER = dict(
    tags=set(_TAGS),
    clean_content_tags={
        "script",
        "style",
        "title",
        "template",
        "iframe",
        "object",
        "svg",
        "math",
        "noscript",
        "textarea",
        "select",
    },
    attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
    link_rel=None,
    url_schemes={"http", "https", "mailto", "tel"},
)
_BAD_STYLE = re.compile(r"expression\s*\(|javascript:|-moz-binding|behavior\s*:|@import", re.IGNORECASE)


def _bad_style(_: str, attribute: str, value: str) -> str | None:
    return None if attribute == "style" and _BAD_STYLE.search(value) else value


def clean(body: str, *, comments: bool, keep: str = "") -> str:
    """Only what a letter needs: no script, form, frame or handler. Comments stay only as Outlook's conditions or ours."""
    body = nh3.clean(body, strip_comments=False, attribute_filter=_bad_style, **_CLEANER)  # type: ignore[arg-type]
    ours = re.compile(rf"<!--{keep}\d+q-->") if keep else None

    def comment(match: re.Match[str]) -> str:
        if ours and ours.fullmatch(match[0]):
            return match[0]
        return match[0] if comments and _OUTLOOK.match(match[0]) else ""

    return re.sub(r"<!--.*?-->", comment, body, flags=re.DOTALL)


_OUTLOOK = re.compile(r"<!--\s*\[if [^\]]*(?:mso|IE)[^\]]*\]>|<!--<!\[endif\]-->", re.IGNORECASE)
_OFFICE = (
    "<!--[if mso]>\n<noscript><xml><o:OfficeDocumentSettings><o:AllowPNG/><o:PixelsPerInch>96</o:PixelsPerInch>"
    "</o:OfficeDocumentSettings></xml></noscript>\n<![endif]-->\n"
)

_IMAGE = re.compile(r"<img\b((?:[^>\"]|\"[^\"]*\")*)>")
_ALT = re.compile(r'\balt="([^"]*)"')


def _described(image: re.Match[str]) -> str:
    alt = _ALT.search(image[1])
    if not alt or not alt[1].strip():
        return ""
    return (
        f'<span role="img" aria-label="{alt[1]}" class="noimg" style="display:block;margin:0;padding:24px;'
        f'border:1px solid #1b1d22;font:italic 15px/22px Georgia,serif">{alt[1].replace("<", "&lt;")}</span>'
    )


# --- where a token stands ---

_MARKUP = re.compile(
    r"(?P<style><style\b[^>]*>.*?</style>)|(?P<comment><!--|-->)|(?P<tag></?[A-Za-z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>)",
    re.DOTALL | re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]+)\s*=\s*\"([^\"]*)\"")
_ADDRESSES = frozenset({"href", "action", "cite", "longdesc"})
_FETCHED = frozenset({"src", "background", "srcset", "poster"})


def _contexts(page: str, token: re.Pattern[str]) -> Iterator[tuple[int, int, int, str]]:
    """(start, end, number, kind) of each token; a comment around one counts as part of it. Page is well-formed HTML."""
    wrapped = re.compile(rf"<!--{token.pattern}-->|{token.pattern}")
    position = 0
    for markup in _MARKUP.finditer(page):
        if markup["comment"]:
            continue
        yield from _in_text(page, wrapped, position, markup.start(), "html")
        if markup["style"]:
            yield from _in_text(page, wrapped, markup.start(), markup.end(), "style")
        else:
            yield from _in_tag(page, token, markup)
        position = markup.end()
    yield from _in_text(page, wrapped, position, len(page), "html")


def _in_text(page: str, token: re.Pattern[str], start: int, end: int, kind: str) -> Iterator[tuple[int, int, int, str]]:
    for match in token.finditer(page, start, end):
        yield match.start(), match.end(), int(match[1] or match[match.lastindex or 1]), kind


def _in_tag(page: str, token: re.Pattern[str], markup: re.Match[str]) -> Iterator[tuple[int, int, int, str]]:
    if not token.search(markup[0]):
        return
    for attribute in _ATTRIBUTE.finditer(page, markup.start(), markup.end()):
        name = attribute[1].lower()
        for match in token.finditer(page, *attribute.span(2)):
            kind = "attr"
            if name == "style":
                kind = "style"
            elif name in _FETCHED:
                kind = "src"
            elif name in _ADDRESSES:
                # At the very beginning it is the address, with its scheme; later on it is a part of one.
                kind = "link" if not token.sub("", page[attribute.start(2) : match.start()]) else "url"
            yield match.start(), match.end(), int(match[1]), kind


_BEFORE = re.compile(r"(?:https?://|mailto:)[^\s<>]*$", re.IGNORECASE)


def _text_contexts(text: str, token: re.Pattern[str]) -> Iterator[tuple[int, int, int, str]]:
    for match in token.finditer(text):
        before = text[max(0, match.start() - 2_000) : match.start()]
        yield match.start(), match.end(), int(match[1]), "url" if _BEFORE.search(before) else "text"


# --- checks on what was written, with lines ---


@dataclass(frozen=True, slots=True)
class _Found:
    kind: Literal["link", "image"]
    line: int
    url: str
    alt: str | None = ""
    size: str = ""


def _check_markup(chain: _Chain, source: str, in_html: bool) -> None:
    found = _found_in_html(source) if in_html else _found_in_markdown(source)
    for item in found:
        code = _image_flaw(item) if item.kind == "image" else _link_flaw(item, chain.token)
        if code:
            severity: mergetags.Severity = "stop" if code in ("link_relative", "link_scheme") else "care"
            url = chain.token.sub("…", item.url)
            chain._flaw(code, item.line, severity=severity, url=url if len(url) <= 80 else url[:77] + "...")


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
    for block in _markdown().parse(source):
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
