"""The manifest of a copy: what it consists of, signed (docs/backup-format.md).

Text in three parts: the heading, the Ed25519 signature of heading and document in base64, the document (JSON), each
on a line.
"""

import base64
import binascii
import hashlib

import msgspec

from samizdat.core.crypto import signature

HEADING = b"samizdat backup 1\n"
FORMAT = 1
FULL, CHANGES = "full", "changes"
# Among databases: files of the data folder, in parts.
FOLDER = "folder"


class ManifestBroken(ValueError):
    """A manifest is not what was signed, or signed by somebody else."""


class PieceEntry(msgspec.Struct, array_like=True, frozen=True):
    """size: bytes of its file at the place. hash: SHA-256 of that file, in hex, so that also who can't open it sees
    whether it's as it was written; "" where nobody knew."""

    name: str
    rows: int
    size: int
    hash: str = ""


class Group(msgspec.Struct, frozen=True):
    """Pieces of rows that belong together, in order. stamp: what they change with, where that is known: the same stamp
    in the next copy means the same rows."""

    pieces: list[PieceEntry]
    label: str = ""
    stamp: str = ""


class TableEntry(msgspec.Struct, frozen=True):
    """database: `default`, `publicdb` or `folder`, of which the rows are parts of files. last: the highest number that
    the table has given out, where the database gives them."""

    name: str
    database: str
    columns: tuple[str, ...]
    groups: list[Group]
    last: int = 0

    @property
    def rows(self) -> int:
        return sum(piece.rows for group in self.groups for piece in group.pieces)

    @property
    def pieces(self) -> list[PieceEntry]:
        return [piece for group in self.groups for piece in group.pieces]


class Manifest(msgspec.Struct, frozen=True):
    """time: ISO 8601, of the snapshot. installation: the public key that signs, in hex. migrations: `app.name` of all
    that the databases had. recipients: the age keys that pieces are encrypted to; none: the installation's own. key:
    the key file's text, encrypted to these recipients and in base64; empty without any. totals: rows by table."""

    format: int
    time: str
    kind: str
    version: str
    engine: str
    installation: str
    epoch: int
    recipients: list[str]
    key: str
    migrations: list[str]
    tables: list[TableEntry]
    totals: dict[str, int]

    @property
    def pieces(self) -> list[PieceEntry]:
        return [piece for table in self.tables for piece in table.pieces]

    @property
    def rows(self) -> int:
        """Of the databases: what people are told, and what a restore counts. Parts of files are none."""
        return sum(table.rows for table in self.tables if table.database != FOLDER)


def signed(manifest: Manifest, seed: bytes) -> bytes:
    """seed: the private key, 32 bytes."""
    message = HEADING + msgspec.json.encode(manifest)
    heading, document = message.split(b"\n", 1)
    return b"\n".join((heading, base64.b64encode(signature.sign(seed, message)), document)) + b"\n"


def digest(text: bytes) -> str:
    """Of a signed manifest, in hex: its file is named by it, so a copy that was renamed is noticed."""
    return hashlib.sha256(text).hexdigest()


def read(text: bytes) -> Manifest:
    """Signed by whom it says that it is of; whether that is ours, the caller asks. Errors: ManifestBroken, and of
    another format NewerFormat."""
    try:
        heading, line, document = text.removesuffix(b"\n").split(b"\n", 2)
        version = int(heading.removeprefix(b"samizdat backup "))
    except ValueError as broken:
        raise ManifestBroken from broken
    if version > FORMAT:
        raise NewerFormat
    try:
        manifest = msgspec.json.decode(document, type=Manifest)
        public, made_by = bytes.fromhex(manifest.installation), base64.b64decode(line, validate=True)
        is_right = signature.is_signed(public, heading + b"\n" + document, made_by)
    except (msgspec.DecodeError, ValueError, binascii.Error) as broken:
        raise ManifestBroken from broken
    # Base64 has spare bits, and two texts for the same bytes: only what we write is read.
    if (
        not is_right
        or base64.b64encode(made_by) != line
        or any(manifest.totals.get(table.name) != table.rows for table in manifest.tables)
    ):
        raise ManifestBroken
    return manifest


class NewerFormat(ManifestBroken):
    """Written by a newer version."""


def fingerprint(installation: str) -> str:
    """Of the key that signs, for people: four groups of four."""
    letters = base64.b32encode(hashlib.sha256(bytes.fromhex(installation)).digest()).decode()[:16]
    return " ".join(letters[at : at + 4] for at in range(0, 16, 4))
