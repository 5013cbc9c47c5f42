"""A document as the plain-text part: the same words and links, straight from its JSON."""

from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from typing import Any

from samizdat.core.content.blocks.markup import Setting, answers_of, host, when
from samizdat.core.content.blocks.schema import Node

type _Attrs = Mapping[str, Any]


class PlainTextWriter:
    """`raw` cleans a raw HTML block; `walker` breaks the lines, as it does for a letter in HTML."""

    def __init__(self, setting: Setting, walker: HTMLParser, raw: Callable[[str], str]) -> None:
        self.set, self.walker, self.raw = setting, walker, raw

    def write(self, document: Node) -> None:
        self._all(document)

    # --- what a walker is told ---

    def _open(self, tag: str, **attrs: str) -> None:
        self.walker.handle_starttag(tag, list(attrs.items()))

    def _element(self, tag: str, words: str, url: str = "") -> None:
        """One element with words in it, as a link where there is an address."""
        if not words.strip() and not url:
            return
        self._open(tag)
        self._words(words, url)
        self.walker.handle_endtag(tag)

    def _words(self, words: str, url: str = "") -> None:
        if url:
            self._open("a", href=url)
        self.walker.handle_data(words)
        if url:
            self.walker.handle_endtag("a")

    def _all(self, node: Node) -> None:
        for block in node.get("content", ()):
            self._block(block)

    def _block(self, block: Node) -> None:
        getattr(self, f"_of_{block['type']}")(block)

    def _within(self, tag: str, block: Node, **attrs: str) -> None:
        self._open(tag, **attrs)
        self._all(block)
        self.walker.handle_endtag(tag)

    # --- blocks ---

    def _of_edges(self, block: Node) -> None:
        for token in block["tokens"]:
            self.walker.handle_comment(token)

    def _of_text(self, node: Node) -> None:
        self.walker.handle_data(node["text"])

    def _of_hardBreak(self, node: Node) -> None:
        self._open("br")

    def _of_paragraph(self, block: Node) -> None:
        self._line("p", block)

    def _of_heading(self, block: Node) -> None:
        self._line(f"h{block['attrs']['level']}", block)

    def _line(self, tag: str, block: Node) -> None:
        self._open(tag)
        self._inline(block)
        self.walker.handle_endtag(tag)

    def _inline(self, block: Node) -> None:
        href = ""
        for node in block.get("content", ()):
            link = next((mark["attrs"]["href"] for mark in node.get("marks", ()) if mark["type"] == "link"), "")
            if link != href:
                if href:
                    self.walker.handle_endtag("a")
                if link:
                    self._open("a", href=link)
                href = link
            self._block(node)
        if href:
            self.walker.handle_endtag("a")

    def _of_bulletList(self, block: Node) -> None:
        self._within("ul", block)

    def _of_orderedList(self, block: Node) -> None:
        self._within("ol", block, start=str(block["attrs"]["start"]))

    def _of_listItem(self, block: Node) -> None:
        self._open("li")
        for number, inner in enumerate(block["content"]):
            if number == 0 and inner["type"] == "paragraph":
                self._inline(inner)
            else:
                self._block(inner)
        self.walker.handle_endtag("li")

    def _of_blockquote(self, block: Node) -> None:
        self._within("blockquote", block)

    def _of_columns(self, block: Node) -> None:
        self._all(block)

    _of_column = _of_footer = _of_callout = _of_columns

    def _of_divider(self, block: Node) -> None:
        self._open("hr")

    def _of_picture(self, block: Node) -> None:
        attrs = block["attrs"]
        words = "" if attrs["decorative"] else attrs["alt"].strip()
        self._element("p", f"[{words}]" if words else "", attrs["link"])

    def _of_button(self, block: Node) -> None:
        attrs = block["attrs"]
        if attrs["text"].strip():
            self._element("p", attrs["text"], attrs["link"])

    def _of_video(self, block: Node) -> None:
        attrs = block["attrs"]
        words = " ".join(filter(None, (f"[{attrs['alt'].strip()}]" if attrs["alt"].strip() else "",
                                       self.set.words["block.watch"] if attrs["link"] else "")))  # fmt: skip
        self._element("p", words, attrs["link"])

    def _of_social(self, block: Node) -> None:
        for link in block["attrs"]["links"]:
            if link["url"]:
                self._element("div", link["network"].strip() or host(link["url"]), link["url"])
        self.walker.handle_starttag("p", [])
        self.walker.handle_endtag("p")

    def _of_donation(self, block: Node) -> None:
        attrs = block["attrs"]
        self._element("h2", attrs["title"])
        self._element("p", attrs["text"])
        self._open("p")
        for number, line in enumerate((self.set.look.warning or self.set.words["block.warning"]).split("\n")):
            if number:
                self._open("br")
            self.walker.handle_data(line)
        self.walker.handle_endtag("p")
        self._element("p", " · ".join(amount for amount in attrs["amounts"] if amount.strip()))
        self._element("p", attrs["label"].strip() or self.set.words["block.give"], attrs["link"])

    def _of_event(self, block: Node) -> None:
        attrs = block["attrs"]
        self._element("h2", attrs["title"])
        self._element("div", when(attrs, self.set.language))
        self._element("p", attrs["place"])
        self._element("p", attrs["about"])
        if attrs["link"]:
            self._element("p", self.set.words["block.details"], attrs["link"])

    def _of_question(self, block: Node) -> None:
        attrs, urls = block["attrs"], self.set.answers
        self._element("h2", attrs["question"])
        self._open("ul")
        for number, answer in enumerate(answers_of(attrs)):
            self._element("li", answer, urls[number] if number < len(urls) else "")
        self.walker.handle_endtag("ul")
        if urls:
            self._element("p", self.set.words["block.counted"])

    def _of_html(self, block: Node) -> None:
        # Closed by a tag, or the parser would keep the last words for later.
        self.walker.feed(f"<div>{self.raw(block['attrs']['source'])}</div>")
