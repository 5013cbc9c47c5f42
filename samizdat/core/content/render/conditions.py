"""What of a letter is the same for all of its readers. Pure.

What only some of them have tells who acted: a link that is counted, an answer, a picture of somebody else's host.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from samizdat.core.content.render.cleaning import VOID
from samizdat.core.content.render.content import Piece, TemplateEdge
from samizdat.core.content.render.locate import inside_tag


def with_conditions(pieces: Iterable[Piece]) -> Iterator[tuple[Piece, TemplateEdge | None]]:
    """Each piece with the outermost condition that it stands in; None where all readers have it."""
    around: list[TemplateEdge] = []
    for piece in pieces:
        if isinstance(piece, TemplateEdge) and piece.kind == "if":
            around.append(piece)
        yield piece, around[0] if around else None
        if isinstance(piece, TemplateEdge) and piece.kind == "end" and around:
            around.pop()


# Conditions of Outlook's are comments to everybody else, and what they hold is balanced by itself.
_TAG = re.compile(r"<!--.*?(?:-->|\Z)|<(/?)([A-Za-z][A-Za-z0-9:]*+)(?:[^<>\"']|\"[^\"]*\"|'[^']*')*+>", re.DOTALL)


# Selectors by which a rule looks at what stands around an element; and those that look at what an attribute holds.
_AROUND = re.compile(r"[+~]|:(?:nth-|first-|last-|only-|has\b)", re.IGNORECASE)
_EMPTY = re.compile(r":empty\b", re.IGNORECASE)
_HELD = re.compile(r"\[\s*(?:[^\s\[\]|=]*\|)?([\w-]+)")
_SHEET = re.compile(r"<style\b[^<>]*+>(.*?)(?:</style|\Z)", re.IGNORECASE | re.DOTALL)
_SELECTOR = re.compile(r"(?:\A|(?<=[{};]))[^{};]*+\{")
# One attribute after the other, so that none begins inside of another one's value; the second group is a closed value.
_ATTRIBUTE = re.compile(r"(?<![\w-])([\w-]++)\s*+=\s*+(?:(\"[^\"]*+\"|'[^']*+')|\"[^\"]*+|'[^']*+|[^\s\"'<>]*+)")
# Signs of a tag that are looked at for the attribute that a value stands in.
_TAIL = 4000


def is_whole(pieces: Sequence[Piece]) -> bool:
    """Whether nothing that some readers alone have decides about what stands outside of it: half an element, or a rule
    of a style sheet that looks around.
    """
    return _holds_whole_elements(pieces) and not _sheet_tells(pieces)


def _sheet_tells(pieces: Sequence[Piece]) -> bool:
    """Whether a rule may hide from some readers what all have, by a condition or value beside it or in an attribute."""
    sheets = (sheet for piece in pieces if isinstance(piece, str) for sheet in _SHEET.findall(piece))
    selectors = " ".join(selector for sheet in sheets for selector in _SELECTOR.findall(sheet))
    if not selectors or all(isinstance(piece, str) for piece in pieces):
        return False
    if _EMPTY.search(selectors) or (
        _AROUND.search(selectors) and any(isinstance(piece, TemplateEdge) for piece in pieces)
    ):
        return True
    named = {name.lower() for name in _HELD.findall(selectors)}
    return bool(named) and not named.isdisjoint(_attributes_of_readers(pieces))


def _attributes_of_readers(pieces: Iterable[Piece]) -> Iterator[str]:
    """Names of attributes that hold a value or condition, in small letters."""
    tail = ""
    for piece in pieces:
        if isinstance(piece, str):
            tail = (tail + piece)[-_TAIL:]
        else:
            tag = tail[tail.rfind("<") :]
            yield from (
                match[1].lower() for match in _ATTRIBUTE.finditer(tag) if match.end() == len(tag) and not match[2]
            )


def _holds_whole_elements(pieces: Iterable[Piece]) -> bool:
    """Whether each condition holds whole elements alone. Half of one would decide about what stands outside of it: an
    element that hides its inside, opened for some readers only.
    """
    branches: list[list[str]] = []
    inside = False
    for piece in pieces:
        if isinstance(piece, TemplateEdge):
            if inside or (piece.kind != "if" and branches and branches.pop()):
                return False
            if piece.kind != "end":
                branches.append([])
        elif isinstance(piece, str):
            if branches and not _closes(piece, branches[-1]):
                return False
            inside = inside_tag(piece, inside)
    return True


def _closes(text: str, opened: list[str]) -> bool:
    """Takes along what a text opens and closes; False where it closes what this branch did not open."""
    for tag in _TAG.finditer(text):
        name = (tag[2] or "").lower()
        if not name or name in VOID or tag[0].endswith("/>"):
            continue
        if not tag[1]:
            opened.append(name)
        elif not opened or opened.pop() != name:
            return False
    return True
