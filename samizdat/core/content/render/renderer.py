"""The chain itself, one run for one letter."""

import html
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Literal, Protocol
from urllib.parse import urlsplit

from samizdat.core.content import merge
from samizdat.core.content.blocks.parser import BadDocument, dumps, parse
from samizdat.core.content.blocks.schema import Node as Document
from samizdat.core.content.markdown import is_knotted, markdown
from samizdat.core.content.merge import KNOWN, PERSONAL, IfBlock, MergeCondition, MergeTag, Node, Text
from samizdat.core.content.message import ESCAPES, Kind, ValueSlot, dated
from samizdat.core.content.phrases import PhraseTable
from samizdat.core.content.problems import ContentProblem, Severity
from samizdat.core.content.render import cleaning
from samizdat.core.content.render.checks import (
    foreign_pictures,
    hosts_of_pictures,
    markup_flaws,
    taken_out,
    template_flaws,
)
from samizdat.core.content.render.conditions import is_whole, with_conditions
from samizdat.core.content.render.content import (
    Content,
    Piece,
    RenderedContent,
    TemplateEdge,
    known_values,
    ours,
)
from samizdat.core.content.render.inlining import TooManyStyles, inlined
from samizdat.core.content.render.locate import Token, inside_tag, places, places_in_text, without_open_tags
from samizdat.core.content.render.plaintext import as_text
from samizdat.core.content.render.stylesheet import uncommented
from samizdat.core.content.theme import DESIGNS
from samizdat.core.dates import php_date
from samizdat.core.languages import direction, towards

# Characters. Gmail shows 102 KB; a pasted document brings styles and comments that do not go out. The parsers'
# cost grows with the square of some inputs (100,000 times "["): at these sizes the worst found takes 4 s.
MAX_BODY = {"markdown": 100_000, "html": 300_000, "blocks": 1_000_000}
MAX_HTML = 102 * 1024  # bytes: Gmail cuts a letter off above, and drops styles above the next
MAX_STYLE = 8_192

_DOCUMENT = re.compile(r"<html[\s>]|<!doctype\s+html", re.IGNORECASE)
_MJML = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?<mjml[\s>]")
# A word or a picture: tags alone are no letter.
_SOMETHING = re.compile(r"<img\b|(?:^|>)[^<>\w]*+\w", re.IGNORECASE)
_PERSONAL_FIELDS = frozenset({"EMAIL", "FNAME", "LNAME", "NAME", "ADDRESS", "PHONE", "BIRTHDAY"})
_SET_ELSEWHERE = frozenset({"postal_address", "postal_line", "phone", "website", "signup", "list", "organization"})
_WAYS_OUT = frozenset({"UNSUB_URL", "PREFERENCES_URL"})
_OWN_LINKS = PERSONAL - {"EMAIL"}  # whole addresses that we make ourselves


@dataclass(frozen=True, slots=True)
class _Value:
    """A value known now, waiting in the chain until it is plain where it stands."""

    text: str
    name: str = ""
    line: int = 1


type _Entry = MergeTag | _Value | TemplateEdge
_MARK = "mark"


class BlocksRenderer(Protocol):
    """The way of a letter of blocks: render/blocks."""

    questions: int

    def page(self) -> str: ...

    def outline(self, page: str) -> str: ...

    def text(self, frame: str) -> str: ...

    def without_marks(self, page: str) -> str: ...

    def placed(self, flaw: ContentProblem) -> ContentProblem: ...


class ContentRenderer:
    def __init__(
        self,
        content: Content,
        blocks: Callable[["ContentRenderer", Document], BlocksRenderer],
        now: datetime,
        images: bool,
        archive: bool,
        with_text: bool = True,
    ) -> None:
        self.flaws: list[ContentProblem] = []
        self.with_text = with_text
        document, content = self._read(replace(content, look=content.look.in_design(content.design)))
        self.content, self.now, self.images, self.archive = content, now, images, archive
        self.words = PhraseTable(content.language, content.own_words)
        self.known, self.ours = known_values(content, self.words, now, archive), ours(content)
        self.entries: list[_Entry] = []
        self.choices = 0
        self.used: set[str] = set()  # names that a subscriber's values are asked for
        self.broken: set[int] = set()
        self.token = re.compile(rf"{self._prefix()}(\d+)q")
        self.subject = self._nodes(content.subject, "subject", comments=False)
        self.preheader = self._nodes(content.preheader, "preheader", comments=False)
        self.blocks = blocks(self, document) if document else None

    def _read(self, content: Content) -> tuple[Document | None, Content]:
        """The document of a letter of blocks, and the content with its one spelling."""
        if content.format != "blocks":
            return None, content
        try:
            document = parse(content.body)
        except BadDocument as bad:
            self.flaws.append(replace(bad.flaw, place="block"))
            return None, content
        return document, replace(content, body=dumps(document))

    def run(self) -> RenderedContent:
        page = self._page() if self.blocks or self.content.format != "blocks" else ""
        html_pieces, text_pieces = self._bodies(page) if page else ((), ())
        if page and not self.archive and not (_way_out(html_pieces) and (_way_out(text_pieces) or not self.with_text)):
            self._flaw("no_unsubscribe")
        if not self.archive:
            self._check_conditions(html_pieces)
        if self.blocks:
            self.flaws = [self.blocks.placed(flaw) for flaw in self.flaws]
        return RenderedContent(
            _joined(self._plain(self.subject)),
            html_pieces,
            text_pieces,
            self._to_header_name(),
            tuple(sorted(self.used - PERSONAL - {""})),
            _links(html_pieces),
            tuple(sorted(self.flaws, key=lambda flaw: (flaw.place != "subject", flaw.place, flaw.line))),
        )

    def _prefix(self) -> str:
        """Letters that occur nowhere in what was written, so that a token is never mistaken for text."""
        content = self.content
        written = "\0".join((content.subject, content.preheader, content.body, content.template, *self.known.values()))
        taken = set(re.findall(r"zq(\d+)x", written))
        return next(f"zq{salt}x" for salt in itertools.count() if str(salt) not in taken)

    def _flaw(
        self, code: str, line: int = 1, *, place: str = "body", severity: Severity = "stop", **values: str
    ) -> None:
        self.flaws.append(ContentProblem(line, code, values, None, severity, place))

    # --- reading ---

    def _nodes(self, source: str, place: str, *, comments: bool = True) -> tuple[Node, ...]:
        source = uncommented(source) if comments else source
        tree = merge.parse(source, self.content.fields, comments=comments, place=place)
        self.flaws.extend(tree.flaws)
        return merge.resolve(tree.nodes, self.known)

    def _plain(self, nodes: Iterable[Node], kind: Kind = "text") -> Iterator[Piece]:
        """Nodes of a one-line source (subject, preheader, name) as pieces."""
        for node in nodes:
            match node:
                case Text():
                    yield node.text
                case IfBlock():
                    yield from self._plain_choice(node, kind)
                case MergeTag() if node.name in KNOWN:
                    yield self._known_text(node)
                case MergeTag():
                    yield self._slot(node, kind)

    def _plain_choice(self, choice: IfBlock, kind: Kind) -> Iterator[Piece]:
        number = self._next_choice()
        for index, branch in enumerate(choice.branches):
            yield self._edge("turn" if index else "if", number, branch.condition, choice.line)
            yield from self._plain(branch.nodes, kind)
        yield TemplateEdge("end", number, None, choice.line)

    def _next_choice(self) -> int:
        self.choices += 1
        return self.choices

    def _edge(
        self, kind: Literal["if", "turn"], number: int, condition: MergeCondition | None, line: int
    ) -> TemplateEdge:
        if condition is not None:
            self.used.add(condition.name)
        return TemplateEdge(kind, number, condition, line)

    def _slot(self, tag: MergeTag, kind: Kind) -> ValueSlot:
        self.used.add(tag.name)
        default = tag.default if tag.default is not None else self.content.fields.get(tag.name, "")
        name = dated(tag.name, tag.argument, self.content.language) if tag.argument else tag.name
        return ValueSlot("url" if tag.url else kind, name, default)

    def _known_text(self, tag: MergeTag) -> str:
        if tag.name == "date" and tag.argument:
            return php_date(tag.argument, self.now, self.content.language)
        if tag.name in ("subject", "preheader", "content"):
            return ""  # one inside of the other would never end
        return self.known.get(tag.name) or tag.default or ""

    def _to_header_name(self) -> tuple[str | ValueSlot, ...]:
        nodes = self._nodes(self.content.to_name, "to", comments=False)
        if any(isinstance(node, IfBlock) for node in nodes):
            self._flaw("if_unread", place="to", tag=self.content.to_name[:60])
        return tuple(piece for piece in self._plain(nodes, "phrase") if not isinstance(piece, TemplateEdge))

    # --- tokens ---

    def _put(self, entry: _Entry) -> str:
        self.entries.append(entry)
        return self.token.pattern.replace(r"(\d+)", str(len(self.entries) - 1))

    def _entry(self, number: int) -> _Entry:
        """The entry of a token; a number that was never given out is text that only looks like a token."""
        return self.entries[number] if number < len(self.entries) else _Value("")

    def _write(self, nodes: Iterable[Node], in_html: bool) -> str:
        """A source with tokens in the place of tags; conditions between HTML tags as comments."""
        written: list[str] = []
        inside = False
        for node in nodes:
            if isinstance(node, Text):
                written.append(node.text)
                inside = inside_tag(node.text, inside)
            elif isinstance(node, IfBlock):
                written.append(self._write_choice(node, in_html, in_html and not inside))
            else:
                written.append(self._write_tag(node))
        return "".join(written)

    def _write_tag(self, tag: MergeTag) -> str:
        if tag.name in ("subject", "preheader"):
            return self._write_line(tag.name)
        if tag.name in KNOWN:
            return self._put(_Value(self._known_text(tag), tag.name, tag.line))
        return self._put(tag)

    def _write_line(self, name: str) -> str:
        """Subject or preheader inside of the letter: their own text is a value there, not markup."""
        written = []
        for piece in self._plain(self.subject if name == "subject" else self.preheader):
            entry: _Entry
            match piece:
                case str():
                    entry = _Value(piece, name)
                case ValueSlot():
                    entry = MergeTag(piece.name, piece.default, piece.kind == "url", written=piece.name)
                case _:
                    entry = piece
            written.append(self._put(entry))
        return "".join(written)

    def _write_choice(self, choice: IfBlock, in_html: bool, as_comment: bool) -> str:
        number = self._next_choice()
        written = []
        for index, branch in enumerate(choice.branches):
            edge = self._edge("turn" if index else "if", number, branch.condition, choice.line)
            written += [self._put_edge(edge, as_comment), self._write(branch.nodes, in_html)]
        return "".join([*written, self._put_edge(TemplateEdge("end", number, None, choice.line), as_comment)])

    def _put_edge(self, edge: TemplateEdge, as_comment: bool) -> str:
        token = self._put(edge)
        return f"<!--{token}-->" if as_comment else token

    # --- from source to a page ---

    def _page(self) -> str:
        """The whole HTML document, styles inlined and cleaned, tokens still in it; nothing when it cannot be made."""
        content = self.content
        for place, source, limit in (
            ("body", content.body, MAX_BODY[content.format]),
            ("template", content.template, MAX_BODY["html"]),
        ):
            if len(source) > limit:
                self._flaw("body_long", place=place, size=f"{len(source):,}", limit=f"{limit:,}")
                return ""
        if content.format == "markdown" and is_knotted(content.body):
            self._flaw("letter_slow")
            return ""
        if content.template:
            self.flaws.extend(taken_out(content.template, "template"))
        if self.blocks:
            return self._finish(self.blocks.page(), framed=not content.template)
        in_html = content.format == "html"
        if not content.body.strip() or (in_html and not _SOMETHING.search(content.body)):
            self._flaw("body_empty")
        nodes = self._nodes(content.body, "body", comments=in_html)
        self._check_personal(nodes)
        source = self._write(nodes, in_html)
        self.flaws.extend(markup_flaws(source, in_html, self.token))
        if in_html:
            self.flaws.extend(taken_out(source))
        self._check_hosts(source, in_html)
        body = _closed(source) if in_html else self._markdown(source)
        if in_html and _DOCUMENT.search(body):
            return self._finish(body, framed=False)
        return self._finish(self._framed(body), framed=not content.template)

    def _check_hosts(self, source: str, in_html: bool) -> None:
        """Body and template fetch pictures from our own public host alone, or it is said which others see who reads."""
        own = frozenset({urlsplit(self.content.website).hostname or ""})
        flaws = list(foreign_pictures(source, in_html, own, self.token))
        if self.content.template and not (in_html and _DOCUMENT.search(source)):
            known = own | {flaw.values["host"] for flaw in flaws}
            in_template = foreign_pictures(self.content.template, True, known, self.token)
            flaws += [replace(flaw, place="template") for flaw in in_template]
        self.flaws.extend(flaws)

    def _check_personal(self, nodes: tuple[Node, ...]) -> None:
        seen: set[str] = set()
        for item in merge.walk(nodes):
            if isinstance(item, MergeTag) and item.name in _PERSONAL_FIELDS and item.name not in seen:
                seen.add(item.name)
                self._flaw("names_reader", item.line, severity="care", tag=item.written)
            elif (
                isinstance(item, MergeTag)
                and item.name in _SET_ELSEWHERE
                and not (self.known[item.name] or item.default)
            ):
                code = "tag_no_form" if item.name == "signup" else "tag_nothing"
                self._flaw(code, item.line, severity="care", tag=item.written)

    def _markdown(self, source: str) -> str:
        """A condition on a line of its own stands between blocks: with air around it first, and no paragraph after."""
        single = self.token.pattern.replace("(", "(?:")

        def edges_only(tokens: re.Match[str]) -> bool:
            return all(isinstance(self._entry(int(number)), TemplateEdge) for number in self.token.findall(tokens[0]))

        def aired(line: re.Match[str]) -> str:
            return f"\n{line[0]}\n" if edges_only(line) else line[0]

        def bared(paragraph: re.Match[str]) -> str:
            if not edges_only(paragraph):
                return paragraph[0]
            return "".join(f"<!--{token[0]}-->" for token in self.token.finditer(paragraph[0]))

        source = re.sub(rf"^[ \t]*(?:{single}[ \t]*)+$", aired, source, flags=re.MULTILINE)
        return re.sub(rf"<p>(?:\s*{single})+\s*</p>", bared, markdown().render(source))

    def _framed(self, body: str) -> str:
        template = self.content.template or default_template(self.content.design)
        written = self._write(self._nodes(template, "template"), in_html=True)
        if self.content.template:
            self.flaws.extend(template_flaws(written, self.token))
        if _MJML.match(template):
            written = self._mjml(written)
        for token in self.token.finditer(written):
            entry = self._entry(int(token[1]))
            if isinstance(entry, _Value) and entry.name == "content":
                return written[: token.start()] + body + written[token.end() :]
        if written:
            self._flaw("template_no_content", place="template")
        return body

    def _mjml(self, source: str) -> str:
        if "<mj-include" in source:
            self._flaw("mjml_include", place="template")
            return ""
        # The engine writes attribute values in Rust's debug form: `\` doubled, rare characters as \u{…}.
        # So it gets to see neither, and what it adds by itself is undone.
        import mjml

        hidden = self.token.pattern.replace(r"(\d+)q", "c")
        source = re.sub(r"[^\x00-\x7e]|\\", lambda odd: f"{hidden}{ord(odd[0]):x}q", source)
        try:
            page = mjml.mjml2html(source)
        except ValueError as problem:
            self._flaw("mjml_broken", place="template", reason=str(problem))
            return ""
        page = page.replace('\\"', "&quot;").replace("\\n", " ").replace("\\t", " ")
        return re.sub(rf"{hidden}([0-9a-f]{{1,6}})q", lambda coded: chr(int(coded[1], 16)), page)

    def _finish(self, page: str, framed: bool) -> str:
        """Inline, take apart, clean, put together again."""
        import css_inline

        if cleaning.nesting(page) > cleaning.MAX_NESTING:
            self._flaw("body_deep", limit=str(cleaning.MAX_NESTING))
            return ""
        sheet = ""
        try:
            page, sheet = inlined(page, self.token)
        except css_inline.InlineError:
            self._flaw("css_broken", severity="care")
        except TooManyStyles:
            self._flaw("css_many", severity="care")
        _head, attributes, body = cleaning.take_apart(page)
        styles = cleaning.styles(sheet)
        if len(styles) > MAX_STYLE:
            self._flaw("style_big", severity="care", size=f"{len(styles):,}")
        body = cleaning.clean(body, outlook=not self.archive, ours=self.token)
        if not framed:
            body = self._preheader_first(body) + self._way_out_last()
        if not self.images:
            body = cleaning.without_images(body)
        return self._assembled(styles, attributes, body, framed)

    def _preheader_first(self, body: str) -> str:
        """A pasted document without a place for the preheader gets it hidden in front."""
        used = any(isinstance(entry, _Value) and entry.name == "preheader" for entry in self.entries)
        if used or not self.preheader:
            return body
        return f'<div style="display:none;max-height:0;overflow:hidden">{self._write_line("preheader")}</div>{body}'

    def _way_out_last(self) -> str:
        """A pasted document that has no link to leave for everybody gets a footer with one."""
        if self.archive or self._has_way_out():
            return ""
        why = self._put(_Value(self.known["description"], "description"))
        leave = self._put(MergeTag("UNSUB_URL", written="{{ unsubscribe }}"))
        words = self.words.html("frame.leave")
        return (
            '<div style="padding:18px 20px;text-align:center;font:14px/22px Georgia,serif;'
            f'color:#535763;background:#ffffff">{why} <a href="{leave}" style="color:#535763">{words}</a></div>'
        )

    def _has_way_out(self) -> bool:
        """Whether a leave link stands in the letter outside of any condition on the reader."""
        depth = 0
        for entry in self.entries:
            if isinstance(entry, TemplateEdge):
                depth += {"if": 1, "end": -1}.get(entry.kind, 0)
            elif isinstance(entry, MergeTag) and entry.name in _WAYS_OUT and depth == 0:
                return True
        return False

    def _assembled(self, styles: str, attributes: str, body: str, framed: bool) -> str:
        language = html.escape(self.content.language)
        locale = f'lang="{language}" dir="{direction(self.content.language)}"'
        title = self._write_line("subject")
        if 'role="article"' not in body:
            label = f'aria-roledescription="{html.escape(self.words["frame.email"])}" aria-label="{title}"'
            body = f'<div role="article" {label} {locale}>{body}</div>'
        if self.archive:
            body = f"<main>{body}</main>"
        if framed:
            styles = f"{_SCHEMES}{styles}"
        return (
            f"{_doctype(self.content)}\n<html {locale}{'' if self.archive else _OFFICE_NAMES}>\n<head>\n"
            f'<meta charset="utf-8">\n{_VIEWPORT}{_SCHEME_METAS if framed else ""}<title>{title}</title>\n'
            f"{f'<style>{chr(10)}{styles}{chr(10)}</style>{chr(10)}' if styles else ''}"
            f"{'' if self.archive else _OFFICE}</head>\n<body{attributes}>\n{body}\n</body>\n</html>\n"
        )

    # --- from a page to pieces ---

    def _bodies(self, page: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
        page = self._fill_known(page)
        if not self.with_text:
            page = self.blocks.without_marks(page) if self.blocks else page
            return self._split(page, places(page, self.token)), ()
        outline = self.blocks.outline(page) if self.blocks else page
        text = as_text(cleaning.take_apart(outline)[2], self.token, self._is_edge)
        if self.blocks:
            text, page = self.blocks.text(text), self.blocks.without_marks(page)
        self._check_edges(page, text)
        html_pieces = self._split(page, places(page, self.token))
        size = sum(len(piece.encode()) for piece in html_pieces if isinstance(piece, str))
        if size > MAX_HTML:
            self._flaw("html_big", severity="care", size=f"{size / 1024:.0f}")
        return html_pieces, self._split(text, places_in_text(text, self.token))

    def _is_edge(self, number: str) -> bool:
        return isinstance(self._entry(int(number)), TemplateEdge)

    def _fill_known(self, page: str) -> str:
        """Put in all that is known now, escaped for where it stands."""
        written, position = [], 0
        for start, end, number, kind in places(page, self.token):
            entry = self._entry(number)
            if isinstance(entry, _Value) and entry.name == _MARK:
                continue
            if isinstance(entry, _Value):
                text = (
                    self._turned(entry, _value_in(kind, entry.text)) if kind == "html" else _value_in(kind, entry.text)
                )
            elif isinstance(entry, MergeTag) and entry.name == "ARCHIVE_URL" and self.content.archive_url:
                text = _value_in("attr" if kind == "link" else kind, self.content.archive_url)
            elif kind == "style":
                self._flaw("tag_in_style", entry.line, tag=entry.written if isinstance(entry, MergeTag) else "if")
                text = ""
            else:
                continue
            written += [page[position:start], text]
            position = end
        return "".join([*written, page[position:]])

    def _turned(self, value: _Value, text: str) -> str:
        """A value with what its language needs, where it may be another than the letter's."""
        if value.name in self.ours:
            return self.words.marked(text)
        own = value.name in ("description", "footer")
        return towards(text, value.text, direction(self.content.language)) if own else text

    def _check_conditions(self, pieces: tuple[Piece, ...]) -> None:
        """Nothing may stand in a condition by which somebody learns which readers have it."""
        own, whole = urlsplit(self.content.website).hostname or "", is_whole(pieces)
        asks = self.content.answers if self.blocks and self.blocks.questions else ()
        answers = [f'href="{html.escape(answer)}' for answer in asks]
        seen: set[str] = set()
        for piece, condition in with_conditions(pieces):
            if not isinstance(piece, str) or (whole and condition is None):
                continue
            line = condition.line if condition else 1
            for host in hosts_of_pictures(piece, own):
                if host not in seen:
                    self._flaw("image_condition", line, host=host)
                seen.add(host)
            if any(answer in piece for answer in answers):
                self._flaw("question_condition", line)
                answers = []

    def _check_edges(self, *bodies: str) -> None:
        """Every condition must have come through whole and in order; one that vanished whole is no harm."""
        for body in bodies:
            self.broken |= self._broken_in([int(token[1]) for token in self.token.finditer(body)])
        lines = {
            entry.line for entry in self.entries if isinstance(entry, TemplateEdge) and entry.choice in self.broken
        }
        for line in sorted(lines):
            self._flaw("if_broken", line)

    def known_in_text(self, number: int) -> str | None:
        """The text of a token that is known now, for the plain part; None for a reader's own."""
        entry = self._entry(number)
        if isinstance(entry, _Value):
            return _value_in("text", entry.text)
        is_archive = isinstance(entry, MergeTag) and entry.name == "ARCHIVE_URL"
        return self.content.archive_url if is_archive and self.content.archive_url else None

    def mark(self) -> str:
        """A token that stays in the page until its text is made."""
        return self._put(_Value("", _MARK))

    def unfinished(self, numbers: Iterable[int]) -> set[int]:
        """Conditions of these tokens that begin, turn or end here without the rest of them."""
        whole = self._edges(range(len(self.entries)))
        return {choice for choice, seen in self._edges(numbers).items() if len(seen) % len(whole[choice])}

    def _broken_in(self, numbers: list[int]) -> set[int]:
        expected = self._edges(range(len(self.entries)))
        # Title and label repeat the subject, so a condition of the subject may be there several times over.
        broken = {
            choice
            for choice, seen in self._edges(numbers).items()
            if seen != expected[choice] * (len(seen) // len(expected[choice]))
        }
        still_open: list[int] = []
        for number in numbers:
            entry = self._entry(number)
            if not isinstance(entry, TemplateEdge):
                continue
            if entry.kind == "if":
                still_open.append(entry.choice)
            elif not still_open or still_open[-1] != entry.choice:
                broken.add(entry.choice)
            elif entry.kind == "end":
                still_open.pop()
        return broken

    def _edges(self, numbers: Iterable[int]) -> dict[int, list[int]]:
        """The tokens of each condition, in order."""
        edges: dict[int, list[int]] = {}
        for number in numbers:
            entry = self._entry(number)
            if isinstance(entry, TemplateEdge):
                edges.setdefault(entry.choice, []).append(number)
        return edges

    def _split(self, page: str, tokens: Iterable[Token]) -> tuple[Piece, ...]:
        pieces: list[Piece] = []
        position = 0
        for start, end, number, kind in tokens:
            entry = self._entry(number)
            pieces.append(page[position:start])
            position = end
            if isinstance(entry, TemplateEdge):
                if kind == "src":
                    self._flaw("image_per_reader", entry.line, tag="if")
                if entry.choice not in self.broken:
                    pieces.append(entry)
            elif isinstance(entry, MergeTag):
                self._look_where_it_leads(entry, page, start)
                pieces.extend(self._piece(entry, kind))
        pieces.append(page[position:])
        return _joined(pieces)

    def _look_where_it_leads(self, tag: MergeTag, page: str, start: int) -> None:
        """An address of another host that takes along whose letter it is, or the link by which they unsubscribe."""
        begin = page.rfind('"', 0, start) + 1  # However far: what begins elsewhere is the middle of some other text.
        host = _HOST.match(page, begin, start)
        if host is None or tag.name == "ARCHIVE_URL" or page.startswith(f"{self.content.website or '-'}/", begin):
            return
        if tag.name in _OWN_LINKS:
            self._flaw("link_takes_link", tag.line, tag=tag.written, host=host[1])
        elif tag.name in _PERSONAL_FIELDS:
            self._flaw("link_takes_value", tag.line, severity="care", tag=tag.written, host=host[1])

    def _piece(self, tag: MergeTag, kind: str) -> Iterator[Piece]:
        if kind == "src":
            self._flaw("image_per_reader", tag.line, tag=tag.written)
            return
        if tag.name in _OWN_LINKS and kind in ("link", "url", "text_link"):
            kind = "attr" if kind == "link" else "text"
        yield self._slot(tag, kind)  # type: ignore[arg-type]


# --- pieces ---


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Neighboring texts as one, empty ones left out."""
    joined: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        elif piece != "":
            joined.append(piece)
    return tuple(joined)


def _closed(body: str) -> str:
    """Without a tag or comment at the end that never closes: it would swallow the frame, and the way out with it."""
    if "<!--" in body[max(body.rfind("-->"), 0) :]:
        body = body[: body.rindex("<!--")]
    return without_open_tags(body)


def _way_out(pieces: Iterable[Piece]) -> bool:
    depth = 0
    for piece in pieces:
        if isinstance(piece, TemplateEdge):
            depth += {"if": 1, "end": -1}.get(piece.kind, 0)
        elif isinstance(piece, ValueSlot) and piece.name in _WAYS_OUT and depth == 0:
            return True
    return False


_HOST = re.compile(r"\s*(?:https?:)?//([^/?#\"\s]{1,253})", re.IGNORECASE)
_HREF = re.compile(r'\bhref="(https?://[^"]*)"', re.IGNORECASE)


def _links(pieces: Iterable[Piece]) -> tuple[str, ...]:
    links: dict[str, None] = {}
    for piece in pieces:
        if isinstance(piece, str):
            links.update(dict.fromkeys(html.unescape(url) for url in _HREF.findall(piece)))
    return tuple(links)


def _value_in(kind: str, text: str) -> str:
    """A value known now, escaped for its place. Only here may a value have lines: a postal address in text."""
    match kind:
        case "html":
            return html.escape(text, quote=False).replace("\n", "<br>\n")
        case "link" | "src":
            return ESCAPES["link"](text)
        case "style":
            return re.sub(r"[^\w #%.,-]", "", text)
        case _:
            return ESCAPES[kind](text)


# --- the parts of a page ---

# Browsers set pictures in tables closer under this older name, and old templates reckon with it.
_OLD = re.compile(
    r"\s*<!doctype\s+html\s+public\s+[\"']-//W3C//DTD (?:XHTML 1\.0|HTML 4\.01) Transitional//EN[\"']", re.I
)
_OLD_DOCTYPE = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" '
    '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">'
)


def _doctype(content: Content) -> str:
    """Ours, or the older one of the page that somebody brought along."""
    own = content.body if content.format == "html" and _DOCUMENT.search(content.body) else content.template
    return _OLD_DOCTYPE if _OLD.match(own) else "<!doctype html>"


_VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
_SCHEME_METAS = (
    '<meta name="color-scheme" content="light dark">\n<meta name="supported-color-schemes" content="light dark">\n'
)
_SCHEMES = (
    ":root { color-scheme: light dark; supported-color-schemes: light dark; }\n"
    "a:focus { outline: 3px solid #33479a; }\n"
)
_OFFICE_NAMES = ' xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office"'
# Outlook on Windows: pictures with transparency, and the size of a pixel.
_OFFICE = (
    "<!--[if mso]>\n<noscript><xml><o:OfficeDocumentSettings><o:AllowPNG/><o:PixelsPerInch>96</o:PixelsPerInch>"
    "</o:OfficeDocumentSettings></xml></noscript>\n<![endif]-->\n"
)


@lru_cache(maxsize=len(DESIGNS))
def default_template(design: str = "carbon") -> str:
    """A frame of ours, an MJML template like any other. design: of DESIGNS."""
    return files("samizdat.core").joinpath(f"templates/designs/{design}.mjml").read_text(encoding="utf-8")
