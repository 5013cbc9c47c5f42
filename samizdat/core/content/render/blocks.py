"""A letter of blocks on its way through the chain."""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from samizdat.core.content.blocks.comments import marked, spots, unmarked, without_comments
from samizdat.core.content.blocks.markup import DARK, EVEN, NARROW, Markup, Setting, answers_of, source_of
from samizdat.core.content.blocks.plain import PlainTextWriter
from samizdat.core.content.blocks.schema import Node
from samizdat.core.content.blocks.styles import PLAIN
from samizdat.core.content.problems import ContentProblem
from samizdat.core.content.render import cleaning
from samizdat.core.content.render.checks import foreign_pictures, link_flaws, markup_flaws, picture_flaws, taken_out
from samizdat.core.content.render.content import TemplateEdge
from samizdat.core.content.render.locate import inside_tag
from samizdat.core.content.render.plaintext import Walker
from samizdat.core.content.render.renderer import ContentRenderer
from samizdat.core.languages import direction

_COLUMNS = re.compile(
    r"<style[^<>]*>\s*(@media only screen and \(min-width:480px\) \{(?:(?!<style).)*?\})\s*</style>", re.DOTALL
)
_WRAPPER = re.compile(r"\s*<div[^>]*>(.*)</div>\s*", re.DOTALL)
_BOXES = ("callout", "donation", "event", "question", "button")


class Blocks:
    def __init__(self, chain: ContentRenderer, document: Node) -> None:
        self.chain = chain
        self.document = without_comments(document)
        self.prefix = chain.token.pattern.partition("(")[0]
        single = chain.token.pattern.replace("(", "(?:")
        self.token = re.compile(single)
        self.place = f"{self.prefix}t"  # where the text of the document goes in the text of the frame
        self.marked = marked(self.document)
        self.hosts = {urlsplit(chain.content.website).hostname or ""}
        self.questions = 0

    # --- HTML ---

    def page(self) -> str:
        """The whole page with the letter in its frame, tokens still in it."""
        chain = self.chain
        nodes = chain._nodes(self.marked.source, "body", comments=False)
        chain._check_personal(nodes)
        self.document = unmarked(self.document, chain._write(nodes, in_html=False))
        for number, block in self._numbered():
            chain.flaws.extend(self._flaws(block, number))
        template = chain.content.template
        in_template = foreign_pictures(template, True, frozenset(self.hosts), chain.token) if template else ()
        chain.flaws.extend(replace(flaw, place="template") for flaw in in_template)
        self.document["content"] = [self._lifted(block) for block in self.document.get("content", ())]
        self._balance(self.document)
        if not self._says_something():
            chain._flaw("body_empty")
        self.setting = self._setting()
        markup = Markup(self.setting)
        compiled_page = chain._mjml(markup.mjml(self.document))
        inner = _WRAPPER.fullmatch(cleaning.take_apart(compiled_page)[2])
        begin, end = chain.mark(), chain.mark()
        written = markup.whole(inner[1] if inner else "").replace(' height="auto"', "")
        dress = self.setting.dress
        body = f"<!--{begin}-->{dress.before}{written}{dress.after}<!--{end}-->"
        self.marks = re.compile(rf"<!--(?:{begin}|{end})-->")
        self.between = re.compile(rf"<!--{begin}-->.*<!--{end}-->", re.DOTALL)
        return self._styled(chain._framed(body), compiled_page)

    def _styled(self, page: str, compiled_page: str) -> str:
        """The page with the rules that the letter itself needs: widths of columns, and boxes in the dark."""
        used = {spot.node["type"] for spot in spots(self.document) if spot.key is None}
        columns = _COLUMNS.search(compiled_page) if "columns" in used else None
        rules = EVEN + columns[1] + NARROW if columns else ""
        if used.intersection(_BOXES):
            rules += f"@media (prefers-color-scheme: dark) {{ {DARK}}}"
        return page.replace("</head>", f"<style>{rules}</style></head>", 1) if rules else page

    def _setting(self) -> Setting:
        content, chain = self.chain.content, self.chain
        edges = {str(number) for number, entry in enumerate(chain.entries) if isinstance(entry, TemplateEdge)}
        any_edge = f"{self.prefix}(?:{'|'.join(edges)})q" if edges else "(?!)"

        return Setting(
            look=content.look,
            words=chain.words,
            pictures=content.pictures,
            language=content.language,
            direction=direction(content.language),
            edges=re.compile(f"((?:{any_edge})+)"),
            clean=self._cleaned,
            fragment=f"{self.prefix}f",
            dress=content.dress if content.template else PLAIN,
            answers=() if chain.archive else content.answers,
        )

    def _cleaned(self, source: str) -> str:
        """A raw HTML block, whole by itself: what it leaves open does not reach into the next block."""
        if cleaning.nesting(source) > cleaning.MAX_NESTING:
            return ""
        position, written = 0, []
        for token in self.token.finditer(source):
            written.append(source[position : token.start()])
            inside = inside_tag("".join(written), False)
            edge = not inside and self._is_edge(token[0])
            written.append(f"<!--{token[0]}-->" if edge else token[0])
            position = token.end()
        return cleaning.clean("".join([*written, source[position:]]), outlook=False, ours=self.chain.token)

    # --- text ---

    def outline(self, page: str) -> str:
        """The page with one word in the place of the letter."""
        return self.between.sub(f"<p>{self.place}</p>", page)

    def text(self, frame: str) -> str:
        """The text of the frame with the letter's own in it, made from the document."""
        for spot in spots(self.document):
            if spot.key is not None:
                spot.holder[spot.key] = self._known(spot.text)
        walker = Walker(self.chain.token, self.chain._is_edge)
        PlainTextWriter(self.setting, walker, self._cleaned).write(self.document)
        return frame.replace(f"{self.place}\n", walker.text(), 1)

    def _known(self, text: str) -> str:
        def known(token: re.Match[str]) -> str:
            value = self.chain.known_in_text(self._number(token[0]))
            return token[0] if value is None else value

        return self.token.sub(known, text)

    def without_marks(self, page: str) -> str:
        return self.marks.sub("", page)

    def placed(self, flaw: ContentProblem) -> ContentProblem:
        """A flaw of the source with the number of its block instead of the line."""
        if flaw.place != "body":
            return flaw
        return replace(flaw, place="block", line=self.marked.block_of(flaw.line))

    def _number(self, token: str) -> int:
        return int(token[len(self.prefix) : -1])

    def _is_edge(self, token: str) -> bool:
        return isinstance(self.chain._entry(self._number(token)), TemplateEdge)

    # --- the document ---

    def _numbered(self) -> Iterator[tuple[int, Node]]:
        for block in self.document.get("content", ()):
            yield block.pop("block"), block

    def _says_something(self) -> bool:
        """A word, or a picture with an address: shapes alone are no letter."""
        return any(
            spot.key in ("text", "source", "title", "src", "about", "url", "question") and re.search(r"\w", spot.text)
            for spot in spots(self.document)
        )

    def _edges_of(self, text: str) -> list[str]:
        """The tokens of a text that holds nothing but edges of conditions; else none."""
        tokens = self.token.findall(text)
        only = tokens and not self.token.sub("", text).strip()
        edges = only and all(map(self._is_edge, tokens))
        return tokens if edges else []

    def _lifted(self, node: Node) -> Node:
        """Blocks that hold nothing but edges of conditions become such edges."""
        content = node.get("content", [])
        kind = node["type"]
        if kind in ("paragraph", "heading"):
            texts = [child["text"] for child in content if child["type"] == "text"]
            if len(texts) == len(content) and (tokens := self._edges_of("".join(texts))):
                return {"type": "edges", "tokens": tokens}
            return node
        if kind == "html" and (tokens := self._edges_of(node["attrs"]["source"])):
            return {"type": "edges", "tokens": tokens}
        if kind in ("text", "hardBreak") or not content:
            return node
        node["content"] = [self._lifted(child) for child in content]
        if kind == "listItem" and all(child["type"] == "edges" for child in node["content"]):
            return {"type": "edges", "tokens": [token for child in node["content"] for token in child["tokens"]]}
        return node

    def _balance(self, node: Node) -> None:
        """Every condition begins and ends inside of the same block, or it would cut through the page."""
        level: list[str] = []
        for child in node.get("content", ()):
            if child["type"] == "edges":
                level += child["tokens"]
            elif child["type"] == "text":
                level += self.token.findall(child["text"])
                for mark in child.get("marks", ()):
                    self._whole(self.token.findall(mark.get("attrs", {}).get("href", "")))
            else:
                self._balance(child)
        self._whole(level)
        for spot in spots({"type": "doc", "content": [{**node, "content": []}]}) if node.get("attrs") else ():
            self._whole(self.token.findall(spot.text))

    def _whole(self, tokens: Iterable[str]) -> None:
        self.chain.broken |= self.chain.unfinished(map(self._number, tokens))

    # --- what is wrong ---

    def _flaws(self, node: Node, number: int) -> Iterator[ContentProblem]:
        attrs = node.get("attrs", {})
        match node["type"]:
            case "text":
                for mark in node.get("marks", ()):
                    if mark["type"] == "link":
                        yield from self._link(mark["attrs"]["href"], number)
            case "picture" | "video":
                yield from self._picture(attrs, number)
            case "button":
                if not attrs["link"] or not attrs["text"].strip():
                    yield ContentProblem(number, "button_empty", place="block")
            case "question":
                yield from self._question(attrs, number)
            case "html":
                yield from self._raw(attrs["source"], number)
            case "social":
                for link in attrs["links"]:
                    yield from self._link(link["url"], number)
        if node["type"] in ("button", "donation", "event", "picture", "video") and attrs["link"]:
            yield from self._link(attrs["link"], number)
        if node["type"] == "donation" and not attrs["link"]:
            yield ContentProblem(number, "button_empty", place="block")
        if node["type"] != "html":
            for child in node.get("content", ()):
                yield from self._flaws(child, number)

    def _question(self, attrs: dict[str, Any], number: int) -> Iterator[ContentProblem]:
        self.questions += 1
        if self.questions > 1:
            yield ContentProblem(number, "question_second", place="block")
        if not attrs["question"].strip() or len(answers_of(attrs)) < 2:
            yield ContentProblem(number, "question_empty", place="block")
        if any(self.token.search(text) for text in (attrs["question"], *attrs["answers"])):
            yield ContentProblem(number, "question_tag", place="block")

    def _link(self, url: str, number: int) -> Iterator[ContentProblem]:
        yield from link_flaws(url, number, self.chain.token)

    def _picture(self, attrs: dict[str, Any], number: int) -> Iterator[ContentProblem]:
        src = attrs["src"]
        if not src:
            yield ContentProblem(number, "picture_none", place="block")
            return
        picture = source_of(src, self.chain.content.pictures)
        if picture is None:
            yield ContentProblem(number, "picture_gone", {"name": src[:60]}, place="block")
            return
        alt = None if not attrs.get("decorative") and not attrs["alt"].strip() else "said"
        yield from picture_flaws(picture.url, alt, number, self.chain.token)
        if picture.url == src:
            yield from self._foreign(f'<img src="{html.escape(src)}">', number)

    def _foreign(self, source: str, number: int) -> Iterator[ContentProblem]:
        """Hosts of pictures, other than our own, that were not named yet."""
        for flaw in foreign_pictures(source, True, frozenset(self.hosts), self.chain.token):
            self.hosts.add(flaw.values["host"])
            yield replace(flaw, place="block", line=number)

    def _raw(self, source: str, number: int) -> Iterator[ContentProblem]:
        if cleaning.nesting(source) > cleaning.MAX_NESTING:
            yield ContentProblem(number, "body_deep", {"limit": str(cleaning.MAX_NESTING)}, place="block")
            return
        for flaw in (*markup_flaws(source, True, self.chain.token), *taken_out(source)):
            yield replace(flaw, place="block", line=number)
        yield from self._foreign(source, number)
