"""The plain-text part of a letter, from its HTML: every word and every link, in lines of at most 78 characters."""

import re
import textwrap
from collections.abc import Callable
from html.parser import HTMLParser

WIDTH = 78  # RFC 5322: a line should not be longer

_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
_ROOMY = frozenset(["blockquote", "dl", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul"])
_SILENT = frozenset(["head", "script", "style", "template", "title"])
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)


def as_text(body: str, token: re.Pattern[str], is_edge: Callable[[str], bool]) -> str:
    """Plain text of the inside of a body. Tokens of merge tags stay where they are, also those in comments.

    `is_edge` tells by its number whether a token is the edge of a condition, which takes no room in a line.
    """
    walker = Walker(token, is_edge)
    walker.feed(body)
    walker.close()
    return walker.text()


class Walker(HTMLParser):
    """Takes what an HTML parser finds, and breaks it into lines."""

    def __init__(self, token: re.Pattern[str], is_edge: Callable[[str], bool]) -> None:
        super().__init__(convert_charrefs=True)
        self.token = token
        self.is_edge = is_edge
        self.done: list[str] = []
        self.inline: list[str] = []
        self.prefix: list[str] = []  # of the lines of a quotation or list item
        self.bullet = ""
        self.counters: list[int | None] = []
        self.links: list[tuple[str, int]] = []
        self.silent = 0
        self.open: list[tuple[str, bool]] = []  # name, whether it hides what is inside
        self.pre = 0

    # --- what HTMLParser calls ---

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        hides = tag in _SILENT or bool(_HIDDEN.search(values.get("style", "")))
        if tag not in _VOID:
            self.open.append((tag, hides))
            self.silent += hides
        if self.silent:
            return
        if tag in _BLOCKS:
            self._flush(tag in _ROOMY)
        match tag:
            case "br":
                self.inline.append("\n")
            case "hr":
                self.done.append("-" * 20 + "\n\n")
            case "img":
                if alt := values.get("alt", "").strip():
                    self.inline.append(f"[{alt}]")
            case "a":
                self.links.append((values.get("href", "").strip(), len(self.inline)))
            case "ul":
                self.counters.append(None)
            case "ol":
                start = values.get("start", "1")
                self.counters.append(int(start) if start.isdecimal() and len(start) < 9 else 1)
            case "li":
                self.bullet = self._bullet()
                self.prefix.append(" " * len(self.bullet))
            case "blockquote":
                self.prefix.append("> ")
            case "pre":
                self.pre += 1

    def handle_endtag(self, tag: str) -> None:
        if not any(name == tag for name, _ in self.open):
            return
        while self.open:
            name, hides = self.open.pop()
            if not self.silent:
                self._end(name)
            self.silent -= hides
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if self.silent:
            return
        if self.pre:
            self.inline.append(data)
        elif data.strip() or self.inline:
            self.inline.append(re.sub(r"[ \t\r\n\f]+", " ", data))

    def handle_comment(self, data: str) -> None:
        if self.token.fullmatch(data):
            self._edge(data)

    # --- ours ---

    def _end(self, tag: str) -> None:
        if tag == "a" and self.links:
            self._close_link()
        if tag in _BLOCKS:
            self._flush(tag in _ROOMY)
        if tag in ("li", "blockquote") and self.prefix:
            self.prefix.pop()
            self.bullet = ""
        elif tag in ("ul", "ol") and self.counters:
            self.counters.pop()
        elif tag == "pre":
            self.pre = max(0, self.pre - 1)

    def _bullet(self) -> str:
        if not self.counters or self.counters[-1] is None:
            return "- "
        number = self.counters[-1]
        self.counters[-1] = number + 1
        return f"{number}. "

    def _close_link(self) -> None:
        url, start = self.links.pop()
        start = min(start, len(self.inline))
        words = "".join(self.inline[start:]).strip()
        if not url or url.startswith("#"):
            return
        bare = re.sub(r"^(?:mailto:|tel:)", "", url)
        if words in (url, bare):
            return
        self.inline.append(f" <{url}>" if words else f"<{url}>")

    def _edge(self, token: str) -> None:
        """A condition. Between blocks it stands after the blank line, so that a block left out leaves no gap."""
        if "".join(self.inline).strip():
            self.inline.append(token)
        else:
            self.inline.clear()
            self.done.append(token)

    def _flush(self, roomy: bool) -> None:
        """Finish the lines so far."""
        content = self._tight("".join(self.inline))
        self.inline.clear()
        self.links = [(url, 0) for url, _ in self.links]
        if content.strip():
            self.done.append(self._wrapped(content) + "\n")
            self.bullet = ""
        if roomy and self._room_wanted():
            self.done.append("\n")

    def _tight(self, content: str) -> str:
        """Drop the blank after a condition's edge when one stands before it, too, or the line begins there."""
        for edge in reversed([match for match in self.token.finditer(content) if self.is_edge(match[1])]):
            before, after = content[: edge.start()], content[edge.end() :]
            if after.startswith(" ") and (not before.strip() or before.endswith(" ")):
                content = before + edge[0] + after[1:]
        return content

    def _room_wanted(self) -> bool:
        """A blank line is wanted after text; not in a tight list, not after another blank line."""
        last = next((lines for lines in reversed(self.done) if not self.token.fullmatch(lines)), "\n")
        if last == "\n" or last.endswith("\n\n"):
            return False
        in_list = bool(self.open) and self.open[-1][0] in ("ul", "ol")
        return not (in_list and self.counters and len(self.prefix) >= len(self.counters))

    def _wrapped(self, content: str) -> str:
        indent = "".join(self.prefix)
        first = "".join(self.prefix[:-1]) + self.bullet if self.bullet and self.prefix else indent
        lines: list[str] = []
        for line in content.strip("\n" if self.pre else " \n").split("\n"):
            if self.pre:
                lines.append((first if not lines else indent) + line.rstrip())
                continue
            wrapped = textwrap.wrap(
                line.strip(),
                WIDTH,
                initial_indent=first if not lines else indent,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
            lines.extend(wrapped or [indent.rstrip()])
        return "\n".join(lines)

    def text(self) -> str:
        self._flush(False)
        return re.sub(r"\n{3,}", "\n\n", "".join(self.done)).strip("\n") + "\n"
