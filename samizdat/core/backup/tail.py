"""The tail of a copy: what changed since, as files that continue it one after the other (docs/backup-format.md).

A file is the heading, the Ed25519 signature of heading and document in base64, each on a line, and the document
(MessagePack). It names the copy that it continues and the file before it by what they hash to, so none is left out,
exchanged or put at the end of another copy unnoticed.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from samizdat.core.crypto import signature

HEADING = b"samizdat tail 1\n"
FORMAT = 1
# Hex digits of the SHA-256 of a file's text, by which the next one names it.
DIGITS = 32


class TailBroken(ValueError):
    """A file is not what was signed, or signed by somebody else."""


class NewerTail(TailBroken):
    """Written by a newer version."""


class Change(msgspec.Struct, array_like=True, frozen=True):
    """Of one table: rows whose columns `by` have one of these keys are gone, and these rows are there. Applied twice,
    it is as applied once."""

    table: str
    database: str
    columns: tuple[str, ...]
    by: tuple[str, ...]
    keys: list[tuple[Any, ...]]
    rows: list[tuple[Any, ...]]


class Tail(msgspec.Struct, frozen=True):
    """copy: digest of the manifest that it continues, in hex. previous: digest of the file before it; "": it continues
    the copy itself. is_end: with it, a moment is whole; else the next file belongs to the same one. time: ISO 8601, of
    that moment. last: table -> the highest number given out."""

    format: int
    installation: str
    copy: str
    previous: str
    time: str
    epoch: int
    is_end: bool
    changes: list[Change]
    last: dict[str, int] = {}


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Tail)


def signed(tail: Tail, seed: bytes) -> bytes:
    """seed: the private key, 32 bytes."""
    document = _encode(tail)
    return HEADING + base64.b64encode(signature.sign(seed, HEADING + document)) + b"\n" + document


def digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:DIGITS]


def read(text: bytes) -> Tail:
    """Signed by whom it says that it is of; whether that is ours, the caller asks. Errors: TailBroken, NewerTail."""
    try:
        heading, line, document = text.split(b"\n", 2)
        version = int(heading.removeprefix(b"samizdat tail "))
    except ValueError as broken:
        raise TailBroken from broken
    if version > FORMAT:
        raise NewerTail
    try:
        tail = _decoder.decode(document)
        public, made_by = bytes.fromhex(tail.installation), base64.b64decode(line, validate=True)
        is_right = signature.is_signed(public, HEADING + document, made_by)
    except (msgspec.DecodeError, ValueError, binascii.Error, RecursionError) as broken:
        raise TailBroken from broken
    # Base64 has spare bits, and two texts for the same bytes: only what we write is read.
    if not is_right or signed_line(made_by) != line or heading + b"\n" != HEADING or not all(map(_fits, tail.changes)):
        raise TailBroken
    return tail


def signed_line(made_by: bytes) -> bytes:
    return base64.b64encode(made_by)


def _fits(change: Change) -> bool:
    columns, by = len(change.columns), len(change.by)
    return all(len(row) == columns for row in change.rows) and all(len(key) == by for key in change.keys)


class TailName(NamedTuple):
    """What a file's name says. run: counts beginnings from the copy itself; number: from 1 within one."""

    run: int
    number: int
    digest: str
    path: str


class TailLink(NamedTuple):
    """A file that was read."""

    name: TailName
    tail: Tail


def runs(names: Iterable[TailName]) -> dict[int, dict[int, list[TailName]]]:
    """Run -> number -> files. Of one number there may be two, where two copies of an installation wrote at once."""
    grouped: dict[int, dict[int, list[TailName]]] = {}
    for name in sorted(names):
        grouped.setdefault(name.run, {}).setdefault(name.number, []).append(name)
    return grouped


def next_in(links: Sequence[TailLink], copy: str, previous: str) -> TailLink | None:
    """The file that goes on, of several with the same number: of the highest epoch."""
    fitting = [link for link in links if (link.tail.copy, link.tail.previous) == (copy, previous)]
    return max(fitting, key=lambda link: (link.tail.epoch, link.name.digest), default=None)
