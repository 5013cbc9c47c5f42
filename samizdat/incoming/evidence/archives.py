"""The emails in what a group has left: an mbox, a folder of emails (Maildir, .eml, .emlx), a zip of Google Takeout.

All of it is read in blocks. Of a zip only members that are mailboxes are unpacked, as they are read.
"""

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath
from typing import IO, BinaryIO

from samizdat.core import mail_archive, zip_limits
from samizdat.core.imports import Problem
from samizdat.core.mail_archive import MOST_BYTES, ArchivedMessage
from samizdat.incoming.errors import IncomingError

BLOCK = 1 << 20
# Folders in folders, the bytes of a zip's directory, and the mailboxes in it.
MOST_DEPTH, MOST_DIRECTORY, MOST_MEMBERS = 20, 32 << 20, 1_000
SUFFIXES = (".mbox", ".mbx", ".eml")
PACKED_BY = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

# Bytes that were read, of all that there are.
type Tell = Callable[[int], None]


class BadArchive(IncomingError):
    """A file that is no mailbox, or is damaged. `code`: of core/imports.SENTENCES."""

    def __init__(self, code: str, file: str) -> None:
        self.code, self.file = code, file
        super().__init__(Problem(code, file).sentence())


def size_of(paths: Iterable[Path]) -> int:
    """Bytes on the disk. Errors: OSError."""
    return sum(
        sum(entry.stat().st_size for entry in _files(path)) if path.is_dir() else path.stat().st_size for path in paths
    )


def emails(path: Path, tell: Tell) -> Iterator[ArchivedMessage]:
    """tell: called with bytes on the disk that were read since. Errors: BadArchive, OSError."""
    if path.is_dir():
        for entry in _files(path):
            with open(entry.path, "rb") as file:
                yield from _of_entry(Path(entry.path), file, tell)
        return
    with path.open("rb") as file:
        yield from emails_of(path.name, file, tell)


def emails_of(name: str, file: BinaryIO, tell: Tell) -> Iterator[ArchivedMessage]:
    """The same of a file that is open. Errors: BadArchive."""
    head = file.read(4096)
    file.seek(0)
    suffix = PurePath(name).suffix.lower()
    if head.startswith(b"PK"):
        yield from _of_zip(name, file, tell)
    elif head.startswith(b"!BDN") or suffix in (".pst", ".ost", ".msg"):
        raise BadArchive("mailbox_outlook", name)
    elif mail_archive.is_mbox(head):
        yield from mail_archive.messages(_blocks(file, tell))
    elif suffix in (".eml", ".emlx") or _is_email(head):
        yield _email(file, suffix, tell)
    else:
        raise BadArchive("mailbox_none", name)


def _files(folder: Path, depth: int = 0) -> Iterator["os.DirEntry[str]"]:
    """In order of their names; links to other folders are not followed."""
    with os.scandir(folder) as entries:
        inner = sorted(entries, key=lambda entry: entry.name)
    for entry in inner:
        if entry.is_dir(follow_symlinks=False):
            if depth < MOST_DEPTH and entry.name != "tmp":
                yield from _files(Path(entry.path), depth + 1)
        elif stat.S_ISREG(entry.stat().st_mode):
            yield entry


def _of_entry(path: Path, file: BinaryIO, tell: Tell) -> Iterator[ArchivedMessage]:
    """Of a folder: what is no email, as the index of a mail program, goes unmentioned."""
    head = file.read(4096)
    file.seek(0)
    suffix = path.suffix.lower()
    if mail_archive.is_mbox(head):
        yield from mail_archive.messages(_blocks(file, tell))
    elif suffix in (".eml", ".emlx") or (path.parent.name in ("cur", "new") and _is_email(head)):
        yield _email(file, suffix, tell)
    else:
        tell(file.seek(0, os.SEEK_END))


def _email(file: BinaryIO, suffix: str, tell: Tell) -> ArchivedMessage:
    raw, size = file.read(MOST_BYTES), file.seek(0, os.SEEK_END)
    tell(size)
    if suffix == ".emlx":
        first, _, rest = raw.partition(b"\n")  # The bytes of the email, which a property list follows.
        if first.strip().isdigit():
            size = min(int(first[:12]), len(rest)) if size <= MOST_BYTES else size
            raw = rest[:size]
    return ArchivedMessage(raw, size)


def _is_email(head: bytes) -> bool:
    """Whether it begins with a header of an email."""
    name, colon, _ = head.partition(b"\n")[0].partition(b":")
    return bool(colon) and 0 < len(name) < 80 and name.replace(b"-", b"").isalnum() and b"\0" not in head


def _of_zip(name: str, file: BinaryIO, tell: Tell) -> Iterator[ArchivedMessage]:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - zip_limits.TAIL))
    directory = zip_limits.directory_bytes(file.read())
    if directory is None:
        raise BadArchive("torn_zip", name)
    if directory > MOST_DIRECTORY:
        raise BadArchive("strange_zip", name)
    try:
        with zipfile.ZipFile(file) as box:
            members = [entry for entry in box.infolist() if entry.filename.lower().endswith(SUFFIXES)][:MOST_MEMBERS]
            if not members:
                raise BadArchive("mailbox_none", name)
            for entry in members:
                yield from _of_member(name, box, entry)
                tell(entry.compress_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError) as torn:
        raise BadArchive("torn_zip", name) from torn


def _of_member(name: str, box: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[ArchivedMessage]:
    if entry.flag_bits & 1:
        raise BadArchive("locked_zip", name)
    if entry.compress_type not in PACKED_BY:
        raise BadArchive("strange_zip", name)
    with box.open(entry) as file:
        if entry.filename.lower().endswith(".eml"):
            yield ArchivedMessage(file.read(MOST_BYTES), entry.file_size)
        else:
            yield from mail_archive.messages(_blocks(file, lambda _size: None))


def _blocks(file: IO[bytes], tell: Tell) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        tell(len(block))
        yield block
