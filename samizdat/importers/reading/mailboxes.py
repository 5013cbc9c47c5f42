"""Names and addresses as people write and paste them: `Anna Berg <anna@example.org>, boris@example.org; …`.

One record an address, with the line that it stands on. Also the lines of Mailman's `list_members -f` and of its answer
to `who`: `anna@example.org (Anna Berg)`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

# Begins only where a word begins and takes a dot only between parts, so that it stays linear in whatever is given.
ADDRESS = re.compile(r'(?<![^\s@,;<>"])[^\s@,;<>"]+@[^\s@,;<>".]+(?:\.[^\s@,;<>".]+)+')
LABELS = ("E-mail", "Name")

# A quoted name, an address in brackets, a name in brackets, what parts two of them, or text between all that.
TOKEN = re.compile(r'"[^"]{0,300}"|<[^<>]*>|\([^()]*\)|[,;]|[^",;<>()]+|.', re.DOTALL)
BRACKETS = re.compile(r"(?P<name>.*)<\s*+(?:mailto:)?(?P<address>[^<>]*+)>\s*+(?:\((?P<more>[^()]*)\))?", re.DOTALL)
BEHIND = re.compile(r"(?P<address>\S+)\s*\((?P<name>[^()]*)\)")
MORE = re.compile(r"[\s,;()<>|]")
ASCII_MORE = [sign for sign in map(chr, range(128)) if MORE.match(sign) and sign != "\n"]
LONGEST = 1_000  # characters of a name and an address together
LOOK = 50  # lines by which a file is told


class Mailbox(NamedTuple):
    """`address` is "" where there is none: then `name` is all that was written."""

    address: str
    name: str


def mailboxes(line: str) -> list[Mailbox]:
    """What stands on a line, parted by commas and semicolons. A comma inside of a name does not part."""
    bare = line.strip()
    if ADDRESS.fullmatch(bare):  # most lines of most lists
        return [Mailbox(bare, "")]
    boxes: list[Mailbox] = []
    waiting: list[str] = []  # "Berg" of `Berg, Anna <anna@example.org>`
    for piece in _pieces(bare):
        box = _read(piece)
        if not box.address:
            waiting.append(piece)
            continue
        if waiting and "<" in piece:
            box = Mailbox(box.address, ", ".join([*waiting, box.name]).strip(", "))
        else:
            boxes += [Mailbox("", text) for text in waiting]
        waiting = []
        boxes.append(box)
    return boxes + [Mailbox("", text) for text in waiting]


def aside(cell: str) -> str:
    """What is written beside the address in its cell: `bob@example.org - bounced`."""
    if not MORE.search(cell.strip()):
        return ""
    return ADDRESS.sub(" ", cell).strip(" \t<>()[]\"'.,;:-–—|*=")


def asides(cells: Sequence[str]) -> list[str]:
    """What stands beside addresses in many cells; most lists hold nothing there, which a look at all at once tells."""
    text = "\n".join(cells)
    if text.isascii() and text.count("\n") == len(cells) - 1 and not any(sign in text for sign in ASCII_MORE):
        return []
    return [text for text in map(aside, cells) if text]


def is_list_of_mailboxes(lines: Iterable[str]) -> bool:
    """Whether nearly everything on the first lines is an address, with or without a name, and no table of cells."""
    seen = [line for line in list(lines)[:LOOK] if line.strip()]
    if not seen or any("\t" in line.strip() or "|" in line for line in seen):
        return False
    boxes = [mailboxes(line) for line in seen]
    if not boxes[0] or not boxes[0][0].address:
        return False  # a heading
    all_of_them = [box for line in boxes for box in line]
    # Two of three: a table of an address and something else has half.
    return sum(1 for box in all_of_them if box.address) * 10 >= len(all_of_them) * 6


def _pieces(line: str) -> Iterator[str]:
    held: list[str] = []
    for token in TOKEN.findall(line):
        if token in {",", ";"}:
            if text := "".join(held).strip():
                yield text
            held = []
        else:
            held.append(token)
    if text := "".join(held).strip():
        yield text


def _read(piece: str) -> Mailbox:
    if len(piece) > LONGEST:
        return Mailbox("", piece[:LONGEST])
    if match := BRACKETS.fullmatch(piece):
        if "@" in match["address"]:
            return Mailbox(match["address"].rstrip(), _name(match["name"]) or _name(match["more"] or ""))
        return Mailbox("", piece)
    if (match := BEHIND.fullmatch(piece)) and ADDRESS.fullmatch(match["address"]):
        return Mailbox(match["address"], _name(match["name"]))
    name, _, last = piece.rpartition(" ")
    if name.strip() and ADDRESS.fullmatch(last):
        return Mailbox(last, _name(name.strip().rstrip(":")))
    bare = piece.strip("\"' <>")
    return Mailbox(bare, "") if ADDRESS.fullmatch(bare) else Mailbox("", piece)


def _name(text: str) -> str:
    text = " ".join(text.split())
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    # Mail programs repeat the address where they know no name.
    return "" if ADDRESS.fullmatch(text) else text.strip()
