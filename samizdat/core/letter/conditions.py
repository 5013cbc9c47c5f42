"""What of a letter is the same for all of its readers. Pure.

What only some of them have tells who acted: a link that is counted, an answer, a picture of somebody else's host.
"""

import re
from collections.abc import Iterable, Iterator

from samizdat.core.letter.cleaning import VOID
from samizdat.core.letter.content import Edge, Piece
from samizdat.core.letter.places import inside_tag


def with_conditions(pieces: Iterable[Piece]) -> Iterator[tuple[Piece, Edge | None]]:
    """Each piece with the outermost condition that it stands in; None where all readers have it."""
    around: list[Edge] = []
    for piece in pieces:
        if isinstance(piece, Edge) and piece.kind == "if":
            around.append(piece)
        yield piece, around[0] if around else None
        if isinstance(piece, Edge) and piece.kind == "end" and around:
            around.pop()


# Conditions of Outlook's are comments to everybody else, and what they hold is balanced by itself.
_TAG = re.compile(r"<!--.*?(?:-->|\Z)|<(/?)([A-Za-z][A-Za-z0-9:]*+)(?:[^<>\"']|\"[^\"]*\"|'[^']*')*+>", re.DOTALL)


def is_whole(pieces: Iterable[Piece]) -> bool:
    """Whether each condition holds whole elements alone. Half of one would decide about what stands outside of it: an
    element that hides its inside, opened for some readers only.
    """
    branches: list[list[str]] = []
    inside = False
    for piece in pieces:
        if isinstance(piece, Edge):
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
