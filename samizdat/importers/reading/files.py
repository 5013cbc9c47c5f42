"""Opens what a person gave: CSV files, folders, zips, a zip in a zip. Nothing is written to the disk.

A zip is judged by its directory before a byte of it is unpacked; Python's zipfile reads no more of a member than
the directory declared and refuses members that overlap, so the declared sizes hold.
"""

import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Self, cast

from samizdat.core import zip_limits
from samizdat.core.imports import ImportFailed, Problem
from samizdat.importers.reading import ods, workbook
from samizdat.importers.reading.documents import MAILMAN_START, open_document, parser_of
from samizdat.importers.reading.text import HEAD, TextEncoding, TextTable, glance, kind_of, scan

type Source = str | os.PathLike[str] | BinaryIO | tuple[str, BinaryIO]

# Samizdat's own export brings lists and consent records along: taken for one of many CSV files it would lose them.
OWN_NAMES = frozenset({"manifest.json", "subscribers.csv", "consent.csv"})
SEALED = b"age-encryption.org/v1"

TEXT_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".xml", ".vcf", ".vcard"})
DOCUMENT_SUFFIXES = frozenset({".json", ".jsonl", ".xml", ".pck", ".db", ".vcf", ".vcard"})
PACKED_SUFFIXES = frozenset({".zip", ".xlsx", ".xlsm", ".ods"})
SPREADSHEET_SUFFIXES = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers"})
# zipfile lets through whatever its decompressors and a nonsense directory raise.
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class FileLimits:
    """A real export of a million people is one file of 300 MB, packed 4 to 30 times smaller."""

    total: int = 4 << 30  # bytes of all text files together, unpacked
    ratio: int = 250  # unpacked to packed, asked only above `small`
    small: int = 16 << 20
    members: int = 20_000
    directory: int = 8 << 20  # bytes of a zip's directory: 20,000 entries are two of these 8, and 150 MB of memory
    name: int = 500  # characters of a member's name; plans and pages show it
    depth: int = 2  # a zip in a zip
    in_memory: int = 64 << 20  # larger inner zips are read through the outer one, slower but in place


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """A text file somewhere in what was given. `opening` may be called again and again."""

    name: str  # path inside what was given, with "/"
    size: int  # bytes, unpacked
    opening: Callable[[], IO[bytes]]
    of_book: bool = False  # a sheet among others, of which some may hold no people
    counting: Callable[[], int] | None = None  # of a sheet: reads it through for less, and counts its rows

    def open(self) -> BinaryIO:
        return cast(BinaryIO, self.opening())


class GivenFile:
    """What a person gave, opened. Use as a context manager; files it opened itself are closed at the end."""

    def __init__(self, sources: Iterable[Source], limits: FileLimits = FileLimits()) -> None:
        self.members: list[ArchiveMember] = []
        self.problems: list[Problem] = []
        self.others: list[str] = []  # Paths of files that are no lists, such as images; never opened.
        self._limits = limits
        self._total = 0
        self._stack = ExitStack()
        self._sheets: dict[int, TextTable | Problem] = {}
        for source in sources:
            self._take(source)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def sheet(self, index: int) -> TextTable | Problem:
        """The top of a member, or why it has none. Looked at once."""
        if index not in self._sheets:
            self._sheets[index] = self._glance(index)
        return self._sheets[index]

    def sheets(self) -> Iterator[tuple[str, TextTable]]:
        """Name and top of every member that has rows of text."""
        for index, member in enumerate(self.members):
            sheet = self.sheet(index)
            if isinstance(sheet, TextTable):
                yield member.name, sheet

    def scan(self, index: int) -> TextEncoding:
        """Read a member to its end. Raises ImportFailed when it is torn."""
        member = self.members[index]
        with sound(member.name):
            if member.counting:
                return TextEncoding("utf-8", True, member.counting())
            with member.open() as file:
                return scan(file)

    def reglance(self, index: int, encoding: str) -> TextTable | Problem:
        """The top of a member once more, now that its encoding is known."""
        self._sheets[index] = self._glance(index, encoding)
        return self._sheets[index]

    def _glance(self, index: int, encoding: str = "") -> TextTable | Problem:
        member = self.members[index]
        try:
            with sound(member.name), member.open() as file:
                head = file.read(HEAD)
            return glance(head, whole=len(head) < HEAD, encoding=encoding)
        except ImportFailed as failed:
            return Problem(failed.code, member.name, failed.values | {"file": member.name})

    def _take(self, source: Source) -> None:
        before = len(self.members)
        try:
            if isinstance(source, str | os.PathLike):
                self._take_path(Path(source))
            else:
                name, file = source if isinstance(source, tuple) else (str(getattr(source, "name", "file")), source)
                self._take_file(PurePosixPath(name.replace("\\", "/")).name, _seekable(file, self._limits))
        except ImportFailed as failed:
            del self.members[before:]  # half a zip would look like a whole one
            self.problems.append(Problem(failed.code, str(failed.values.get("file", "")), failed.values))

    def _take_path(self, path: Path) -> None:
        if not path.exists():
            raise ImportFailed("missing", file=str(path))
        if path.is_dir():
            self._take_folder(path)
            return
        try:
            self._take_file(path.name, self._stack.enter_context(path.open("rb")), again=lambda: path.open("rb"))
        except OSError as wrong:
            raise ImportFailed("unreadable", file=path.name, reason=wrong.strerror or wrong) from wrong

    def _take_folder(self, folder: Path) -> None:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder.parent).as_posix()
            if not path.is_file() or not self._wants(name):
                continue
            if path.suffix.lower() in PACKED_SUFFIXES:
                self._take(path)
            else:
                self._add(ArchiveMember(name, path.stat().st_size, _opener(path)), among=True)

    def _take_file(self, name: str, file: BinaryIO, again: Callable[[], BinaryIO] | None = None) -> None:
        start = file.read(64)
        if start.startswith(SEALED):
            raise ImportFailed("sealed_file", file=name)
        # A download that ran into a request to sign in is a page under the name of the zip.
        page = kind_of(start) == "web_page"
        if start[:2] == b"PK" or (name.lower().endswith(".zip") and start and not page):
            self._take_zip(name, file, depth=1)
            return
        size = file.seek(0, io.SEEK_END)
        self._add(ArchiveMember(name, size, again or (lambda: _from_start(file))))

    def _take_zip(self, name: str, file: BinaryIO, depth: int) -> None:
        with sound(name):
            _refuse_directory(name, file, self._limits)
            box = self._stack.enter_context(_opened(file))
        entries = [entry for entry in box.infolist() if not entry.is_dir()]
        if len(entries) > self._limits.members:
            raise ImportFailed("too_many", file=name, limit=self._limits.members)
        if any(len(entry.filename) > self._limits.name for entry in entries):
            raise ImportFailed("long_name", file=name, limit=self._limits.name)
        if workbook.is_workbook({entry.filename for entry in entries}):
            self._take_workbook(name, file, box)
            return
        if ods.is_ods(box):
            self._take_ods(name, box)
            return
        if _is_other_workbook(entries):
            raise ImportFailed("spreadsheet", file=name)
        if {entry.filename for entry in entries} >= OWN_NAMES:
            raise ImportFailed("own_export", file=name)
        for entry in entries:
            self._take_entry(name, box, entry, depth)

    def _wants(self, name: str) -> bool:
        """Whether a file of a zip or a folder can hold a list; remembers the others."""
        if _is_hidden(name):
            return False
        if _is_wanted(name):
            return True
        self.others.append(name)
        return False

    def _take_entry(self, outer: str, box: zipfile.ZipFile, entry: zipfile.ZipInfo, depth: int) -> None:
        if not self._wants(entry.filename):
            return
        self._refuse_bombs(outer, entry)
        kind = PurePosixPath(entry.filename).suffix.lower()
        if kind not in PACKED_SUFFIXES:
            self._add(ArchiveMember(entry.filename, entry.file_size, lambda: box.open(entry)), among=True)
        elif kind == ".zip" and depth >= self._limits.depth:
            raise ImportFailed("too_deep", file=outer)
        else:
            self._take_inner_zip(box, entry, depth)

    def _refuse_bombs(self, outer: str, entry: zipfile.ZipInfo) -> None:
        if entry.flag_bits & 1:
            raise ImportFailed("locked_zip", file=outer)
        if entry.file_size > self._limits.small and entry.file_size > entry.compress_size * self._limits.ratio:
            raise ImportFailed("zip_bomb", file=outer)

    def _take_workbook(self, name: str, file: BinaryIO, box: zipfile.ZipFile) -> None:
        for entry in box.infolist():
            self._refuse_bombs(name, entry)
        with sound(name):
            book_sheets, problems = workbook.sheets(name, file, box)
        if not book_sheets:
            raise ImportFailed("empty", file=name)
        self.problems += problems
        for title, size, part in book_sheets:
            called = name if len(book_sheets) == 1 else f"{name}/{title}"
            opening, counting = (
                partial(_opened_sheet, name, file, title),
                partial(workbook.count_rows, called, box, part),
            )
            self._add(ArchiveMember(called, size, opening, of_book=len(book_sheets) > 1, counting=counting))

    def _take_ods(self, name: str, box: zipfile.ZipFile) -> None:
        for entry in box.infolist():
            self._refuse_bombs(name, entry)
        with sound(name):
            book_sheets, problems = ods.sheets(name, box)
        if not book_sheets:
            raise ImportFailed("empty", file=name)
        self.problems += problems
        size = box.getinfo(ods.CONTENT).file_size // len(book_sheets)  # all of them stand in one part
        for title, number in book_sheets:
            called = name if len(book_sheets) == 1 else f"{name}/{title}"
            opening = partial(ods.open_sheet, name, box, number)
            self._add(ArchiveMember(called, size, opening, of_book=len(book_sheets) > 1))

    def _take_inner_zip(self, box: zipfile.ZipFile, entry: zipfile.ZipInfo, depth: int) -> None:
        with sound(entry.filename):
            inner = cast(BinaryIO, self._stack.enter_context(box.open(entry)))
            if entry.file_size <= self._limits.in_memory:
                inner = io.BytesIO(inner.read())
            self._take_zip(entry.filename, inner, depth + 1)

    def _add(self, member: ArchiveMember, *, among: bool = False) -> None:
        """`among`: one of the files of a zip or a folder, of which those that are nothing to us go unmentioned."""
        if PurePosixPath(member.name).suffix.lower() in DOCUMENT_SUFFIXES:
            with sound(member.name), member.open() as file:
                start = file.read(4096)
            if among and member.name.lower().endswith(".xml") and not MAILMAN_START.match(start):
                self.others.append(member.name)
                return
            if read := parser_of(member.name, start):
                plain = member
                member = replace(plain, opening=lambda: open_document(plain.name, plain.open(), read))
        self._total += member.size
        if self._total > self._limits.total:
            raise ImportFailed("too_large", file=member.name, limit=self._limits.total >> 30)
        if len(self.members) >= self._limits.members:
            raise ImportFailed("too_many", file=member.name, limit=self._limits.members)
        self.members.append(member)


class sound:
    """Turns what a damaged zip or disk raises into one sentence about the file."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, wrong: BaseException | None, _: object) -> None:
        # A nonsense directory has zipfile seek before the beginning of the file.
        if isinstance(wrong, DAMAGED) or (type(wrong) is ValueError and "negative seek" in str(wrong)):
            raise ImportFailed("torn_zip", file=self._name) from wrong
        if isinstance(wrong, NotImplementedError):  # a method of packing that Python does not know
            raise ImportFailed("strange_zip", file=self._name) from wrong
        if isinstance(wrong, OSError):
            raise ImportFailed("unreadable", file=self._name, reason=wrong.strerror or wrong) from wrong


def open_given(sources: Iterable[Source], limits: FileLimits = FileLimits()) -> GivenFile:
    """Open paths, or binary files (alone or with their names). Never raises: see `Given.problems`."""
    return GivenFile(sources, limits)


def is_plain(sources: Iterable[Source]) -> bool:
    """Whether all that was given is text in rows, which streams by row for row.

    Everything else (workbooks, documents, folders, zips, whose directory alone may take 150 MB) may be made to take
    gigabytes or minutes, and is opened in a process that may not.
    """
    return all(map(_is_plain, sources))


def _is_plain(source: Source) -> bool:
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.is_file():
            return not path.exists()
        try:
            with path.open("rb") as opened:
                return _is_plain_file(path.name, opened)
        except OSError:
            return True  # Nothing of it can be read, which is said where it is opened.
    name, file = source if isinstance(source, tuple) else ("", source)
    if not file.seekable():
        return False
    plain = _is_plain_file(name, file)
    file.seek(0)
    return plain


def _is_plain_file(name: str, file: BinaryIO) -> bool:
    start = file.read(4096)
    return start[:2] != b"PK" and not name.lower().endswith(".zip") and parser_of("", start) is None


def _refuse_directory(name: str, file: BinaryIO, limits: FileLimits) -> None:
    """Its directory is read whole before anything is known of what is in it."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - zip_limits.TAIL))
    directory_size = zip_limits.directory_bytes(file.read())
    file.seek(0)
    if directory_size is not None and directory_size > limits.directory:
        raise ImportFailed("too_many", file=name, limit=limits.members)


def _opened(file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except ValueError as wrong:  # offsets before the beginning of the file, names that are no text
        raise zipfile.BadZipFile(str(wrong)) from wrong


def _opened_sheet(name: str, file: BinaryIO, title: str) -> BinaryIO:
    return workbook.open_sheet(name, cast(BinaryIO, _Lent(file)), title)


def _is_hidden(name: str) -> bool:
    """What systems put beside files: `__MACOSX/`, `.DS_Store`, `Thumbs.db`."""
    path = PurePosixPath(name)
    return "__MACOSX" in path.parts or path.name == "Thumbs.db" or any(part.startswith(".") for part in path.parts)


def _is_wanted(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in TEXT_SUFFIXES | SPREADSHEET_SUFFIXES | PACKED_SUFFIXES


def _is_other_workbook(entries: list[zipfile.ZipInfo]) -> bool:
    names = {entry.filename for entry in entries}
    return bool(names & {"xl/workbook.bin", "content.xml", "Index/Document.iwa"})


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: path.open("rb")


def _from_start(file: BinaryIO) -> BinaryIO:
    """A file we were lent: rewound, and left open by whoever reads it."""
    file.seek(0)
    return cast(BinaryIO, _Lent(file))


def _seekable(file: BinaryIO, limits: FileLimits) -> BinaryIO:
    """A pipe is taken into memory, up to the size for inner zips."""
    if file.seekable():
        file.seek(0)
        return file
    data = file.read(limits.in_memory + 1)
    if len(data) > limits.in_memory:
        raise ImportFailed("too_large", file="-", limit=limits.in_memory / (1 << 30))
    return io.BytesIO(data)


class _Lent(io.RawIOBase):
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
