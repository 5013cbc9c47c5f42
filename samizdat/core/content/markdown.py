"""Markdown as a letter may use it: CommonMark, tables, struck text, bare addresses as links; no raw HTML."""

import re
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_BARE = re.compile(r"https?://[^\s<>\"]+[^\s<>\"'.,;:!?)\]}»”]", re.IGNORECASE)


# The parser looks for the end of each of them through all of its paragraph: 20,000 signs of `![` took a second.
MOST_BRACKETS = 1_000


def is_knotted(text: str) -> bool:
    """Whether a paragraph opens more brackets than anybody writes."""
    return any(block.count("[") > MOST_BRACKETS for block in text.split("\n\n"))


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        """A forbidden address is a link, too: refused here it would go out as raw text, unseen by the checks. They stop
        the letter, and the cleaner takes such an address out of the page in any case."""
        return True


@lru_cache(maxsize=1)
def markdown() -> MarkdownIt:
    parser = _Parser("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.core.ruler.push("bare_links", _bare_links)
    return parser


def _bare_links(state: StateCore) -> None:
    """https://… written as it is becomes a link: few people know Markdown's angle brackets."""
    for block in state.tokens:
        if block.type == "inline" and block.children and "://" in block.content:
            block.children = _linked(block.children)


def _linked(tokens: list[Token]) -> list[Token]:
    linked: list[Token] = []
    inside = 0
    for token in tokens:
        inside += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type == "text" and not inside and "://" in token.content:
            linked.extend(_pieces(token.content))
        else:
            linked.append(token)
    return linked


def _pieces(text: str) -> list[Token]:
    pieces: list[Token] = []
    position = 0
    for bare in _BARE.finditer(text):
        pieces.append(_text(text[position : bare.start()]))
        pieces += [Token("link_open", "a", 1, attrs={"href": bare[0]}), _text(bare[0]), Token("link_close", "a", -1)]
        position = bare.end()
    return [*pieces, _text(text[position:])]


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)
