"""Cells that no spreadsheet takes for a formula (threat model, T24), and back without a loss.

An apostrophe goes before a cell that begins like a formula, also behind apostrophes of its own: so exactly one has to
go when it is read back, and a cell that had one from the beginning keeps it.
"""

import re

# Excel, LibreOffice and Google take the first six for a formula or skip blanks before one (OWASP, CSV injection).
STARTS = frozenset("=+-@\t\r\n'")
_RISKY = re.compile(r"'*[=+\-@\t\r\n]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r\n]")


def escape(cell: str) -> str:
    return f"'{cell}" if _RISKY.match(cell) else cell


def unescape(cell: str) -> str:
    """The opposite of escape(), for every text."""
    return cell[1:] if _ESCAPED.match(cell) else cell


def escaped(row: list[str]) -> list[str]:
    """A row of cells. Its first signs are looked at alone, since hardly one in a thousand needs more."""
    return [cell if cell[:1] not in STARTS else escape(cell) for cell in row]


def unescaped(row: list[str]) -> list[str]:
    return [cell if cell[:1] != "'" else unescape(cell) for cell in row]
