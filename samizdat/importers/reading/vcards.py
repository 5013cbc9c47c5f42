"""Address books as vCards 2.1, 3.0 and 4.0 (RFC 2426, RFC 6350): each card as a row of the same columns.

Cards are read one after the other and a property at a time; pictures, sounds and keys pass by without being kept, so
that an address book with a photograph of everybody costs no memory. Lines are unfolded (a blank continues a line; in
2.1 a `=` at the end of a quoted-printable one does). The charset is the one that a property or the byte order mark
names, else UTF-8, else an old code page is guessed for the property.

A card has one row, by its preferred address. Cards inside of cards (`AGENT`) and groups are passed over.
"""

import codecs
import io
import quopri
import re
from collections.abc import Iterator
from typing import BinaryIO

from samizdat.core.imports import ImportFailed
from samizdat.importers.reading import cells
from samizdat.importers.reading.text import BYTE_ORDER_MARKS, CELL, code_page

START = re.compile(rb"(?:\xef\xbb\xbf)?\s*+BEGIN:VCARD", re.IGNORECASE)
WIDE_START = tuple(mark + "BEGIN:VCARD".encode(encoding) for mark, encoding in BYTE_ORDER_MARKS[1:])
LABELS = (
    "E-mail", "Other e-mail", "First name", "Last name", "Categories", "Language", "Phone",
    "Organization", "Job title", "Address", "Birthday", "Website", "Note", "Revision",
)  # fmt: skip
# What a row is made of: label -> property. Names and addresses have places of their own.
TEXTS = {
    "Language": "LANG", "Phone": "TEL", "Organization": "ORG", "Job title": "TITLE",
    "Address": "ADR", "Birthday": "BDAY", "Website": "URL", "Note": "NOTE", "Revision": "REV",
}  # fmt: skip
KEPT = frozenset({*TEXTS.values(), "BEGIN", "END", "VERSION", "N", "FN", "EMAIL", "CATEGORIES", "KIND",
                  "X-ADDRESSBOOKSERVER-KIND"})  # fmt: skip
SEVERAL = 20  # values of one property that a card keeps
LONGEST_PROPERTY = 4 * CELL  # bytes: a letter of quoted-printable takes three and more
LONGEST_NAME = 2_048  # bytes of a property before its value
PIECE = 1 << 16  # characters of a line read at a time
# `item1.EMAIL;TYPE="home,pref";PREF=1:`. Each part begins with a sign of its own, so that nothing is tried twice.
PROPERTY = re.compile(rb'(?:[\w-]++\.)?([\w-]++)((?:;[^":;]*+(?:"[^"]*+"[^":;]*+)*+)*+):')
PARAMETER = re.compile(rb';([^":;=]*+)(?:=((?:"[^"]*+"|[^":;]++)*+))?')
PART = re.compile(r"\\.|[^\\,;]+|[,;]|\\", re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# What `CHARSET=` may name: no codec that does more than tell characters.
CHARSETS = re.compile(
    r"utf-(?:8|16|16-le|16-be|32)|ascii|latin_1|iso8859-\d{1,2}|cp(?:125\d|866|874|932|949|950)|koi8-[rut]|"
    r"mac-cyrillic|shift_jis|euc_(?:jp|kr)|iso2022_jp|gb2312|gbk|gb18030|big5"
)

type Parameters = dict[str, str]
type Card = dict[str, list[tuple[Parameters, bytes]]]


def is_address_book(start: bytes) -> bool:
    return START.match(start) is not None or start.startswith(WIDE_START)


def rows(name: str, file: BinaryIO) -> Iterator[list[str]]:
    """The heading, and a row for each card. Errors: ImportFailed where the last card has no end."""
    yield list(LABELS)
    card: Card = {}
    depth = 0
    for key, parameters, value in _properties(_lines(file)):
        word = value.strip().upper()
        if key == "BEGIN" and word == b"VCARD":
            depth += 1
            if depth == 1:
                card = {}
        elif key == "END" and word == b"VCARD" and depth:
            depth -= 1
            if depth == 0 and not _is_group(card):
                yield _row(card)
        elif depth == 1 and len(card.setdefault(key, [])) < SEVERAL:
            card[key].append((parameters, value))
    if depth:
        raise ImportFailed("torn_document", file=name)


def _is_group(card: Card) -> bool:
    kinds = [*card.get("KIND", []), *card.get("X-ADDRESSBOOKSERVER-KIND", [])]
    return any(value.strip().lower() == b"group" for _, value in kinds)


def _row(card: Card) -> list[str]:
    values = {label: _text(*card[key][0]) for label, key in TEXTS.items() if card.get(key)}
    addresses = sorted(card.get("EMAIL", []), key=lambda email: _preference(email[0]))
    texts = [_text(*email).removeprefix("mailto:").strip() for email in addresses]
    filled = list(dict.fromkeys(filter(None, texts)))
    values |= {"E-mail": filled[0] if filled else "", "Other e-mail": ", ".join(filled[1:])}
    values |= dict(zip(("First name", "Last name"), _names(card), strict=True))
    categories = [tag for entry in card.get("CATEGORIES", []) for tag in _split(_decoded(*entry), ",")]
    values["Categories"] = ",".join(_quoted(_unescaped(tag).strip()) for tag in categories if tag.strip())
    return [values.get(label, "")[:CELL] for label in LABELS]


def _names(card: Card) -> tuple[str, str]:
    """First and last name, of a card that does not part them as any list does."""
    if card.get("N"):
        family, given = [*map(_unescaped, _split(_decoded(*card["N"][0]), ";")), "", ""][:2]
        if family.strip() or given.strip():
            return given.strip(), family.strip()
    return cells.names(_text(*card["FN"][0])) if card.get("FN") else ("", "")


def _preference(parameters: Parameters) -> int:
    """The lower, the more it is preferred: `PREF=1` of 4.0, `TYPE=pref` of 3.0, `;PREF` of 2.1."""
    number = parameters.get("PREF", "")
    if number.isascii() and number.isdigit():
        return int(number[:3])
    return 1 if "PREF" in parameters or "pref" in parameters.get("TYPE", "").lower().split(",") else 101


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Lines without their ends, and whether they have one: long ones come in pieces."""
    wide = file.read(2) in {mark for mark, _ in BYTE_ORDER_MARKS}
    file.seek(0)
    # Universal line ends: old programs write a return alone.
    text = io.TextIOWrapper(file, "utf-16" if wide else "utf-8-sig", "replace" if wide else "surrogateescape")
    while line := text.readline(PIECE):
        yield line.removesuffix("\n").encode("utf-8", "surrogateescape"), line.endswith("\n")


def _properties(lines: Iterator[tuple[bytes, bool]]) -> Iterator[tuple[str, Parameters, bytes]]:
    """Name, parameters and value of the properties that a row is made of, one after the other."""
    held, quoted, whole = bytearray(), False, True
    for line, ended in lines:
        soft = quoted and held.endswith(b"=")
        if whole and not soft and line[:1] not in {b" ", b"\t"}:
            yield from _parsed(held)
            held.clear()
            quoted = b"QUOTED-PRINTABLE" in line.partition(b":")[0].upper()
        elif soft and whole:
            del held[-1:]
        elif whole:
            line = line[1:]
        if len(held) < LONGEST_PROPERTY and not _is_passed_over(held):
            held += line
        whole = ended
    yield from _parsed(held)


def _is_passed_over(held: bytearray) -> bool:
    """A picture need not be kept to its end; a line that is folded before its colon cannot be told yet."""
    match = PROPERTY.match(held, 0, LONGEST_NAME)
    return len(held) > LONGEST_NAME if match is None else match[1].decode("ascii", "replace").upper() not in KEPT


def _parsed(held: bytearray) -> Iterator[tuple[str, Parameters, bytes]]:
    match = PROPERTY.match(held, 0, LONGEST_NAME)
    key = match[1].decode("ascii", "replace").upper() if match else ""
    if match is None or key not in KEPT:
        return
    parameters: Parameters = {}
    for parameter in PARAMETER.finditer(match[2]):
        name, value = (part.decode("ascii", "replace").strip('" ') for part in parameter.groups(b""))
        parameters[name.upper()] = f"{parameters[name.upper()]},{value}" if name.upper() in parameters else value
    yield key, parameters, bytes(held[match.end() :])


def _decoded(parameters: Parameters, value: bytes) -> str:
    if "QUOTED-PRINTABLE" in {parameters.get("ENCODING", "").upper(), *parameters}:
        value = quopri.decodestring(value)
    for charset in (parameters.get("CHARSET", ""), "utf-8"):
        try:
            if CHARSETS.fullmatch(codecs.lookup(charset).name):
                return value.decode(charset)
        except (LookupError, ValueError):
            continue
    return value.decode(code_page(value), "replace")


def _text(parameters: Parameters, value: bytes) -> str:
    """A value as a person reads it; the parts of an address or an organization parted by commas."""
    text = _decoded(parameters, value)
    return ", ".join(filter(None, (_unescaped(part).strip() for part in _split(text, ";"))))


def _split(text: str, sign: str) -> list[str]:
    parts = [""]
    for piece in PART.findall(text):
        if piece == sign:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _unescaped(text: str) -> str:
    return ESCAPED.sub(lambda match: "\n" if match[1] in "nN" else match[1], text)


def _quoted(tag: str) -> str:
    """A tag as `cells.tags` reads it."""
    return '"{}"'.format(tag.replace('"', '""')) if re.search(r'[",\r\n]', tag) else tag
