"""A template as a zip: one page of HTML and the pictures that it shows, as template builders export it.

Nothing is written anywhere under a name of the zip: names only tell which picture the page means. Sizes are asked
before anything is unpacked, and no more is unpacked than they say.
"""

import html
import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from urllib.parse import unquote

from samizdat.core import zip_limits
from samizdat.core.content.templates.file_text import decoded
from samizdat.core.content.templates.notes import Note, TemplateRefused

MAX_ZIP = 20 * 1024 * 1024  # bytes, as it comes in
MOST_FILES = 500
MOST_PICTURES = 60
LARGEST_PICTURE = 10 * 1024 * 1024  # bytes, unpacked
LARGEST_PAGE = 5 * 1024 * 1024  # bytes, with the style sheets that it links
MOST_BYTES = 60 * 1024 * 1024  # of everything that is unpacked
MOST_RATIO, SMALL = 200, 1024 * 1024  # Text packs to a twentieth; what packs better and is large is a bomb.
_DIRECTORY = 256 * 1024
_PAGES, _SHEETS = (".html", ".htm", ".xhtml"), (".css",)
_PICTURES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".gif",
    ".webp",
    ".svg",
    ".bmp",
    ".avif",
    ".tif",
    ".tiff",
    ".ico",
)
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error, ValueError, OSError)
_LINKED = re.compile(r"<link\b[^<>]{0,2000}>", re.IGNORECASE)
_HREF = re.compile(r"\bhref\s*=\s*[\"']?([^\"'\s<>]+)", re.IGNORECASE)
# Where a page names a file; what stands in a condition for Outlook as well.
_NAMED = re.compile(
    r"\b(?:src|background|poster|href)\s{0,9}=\s{0,9}(?:\"([^\"<>]{1,1000})\"|'([^'<>]{1,1000})'|([^\s\"'<>]{1,1000}))"
    r"|\burl\(\s{0,9}(?:&quot;|[\"'])?\s{0,9}([^\"'()<>]{1,1000}?)\s{0,9}(?:&quot;|[\"'])?\s{0,9}\)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class TemplateArchive:
    """The page's bytes, the folder that it lies in, and how each other file is read, by its name."""

    page: bytes
    folder: str
    files: Mapping[str, Callable[[], bytes]]
    # A page may name a hundred thousand addresses, so nobody goes through all files for each: name -> file, "" where
    # several are called alike.
    _alike: dict[str, str] = field(default_factory=dict)
    _there: dict[str, str] = field(default_factory=dict)  # the same without folders

    def __post_init__(self) -> None:
        for name in self.files:
            for known, called in ((self._alike, name.casefold()), (self._there, posixpath.basename(name))):
                known[called] = "" if called in known else name

    def meant(self, address: str) -> str:
        """The file that an address in the page means; "" for none of these."""
        address = html.unescape(address).strip()
        scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", address)
        if scheme and scheme[1].lower() != "file":
            return ""
        path = unquote(re.split(r"[?#]", address)[0]).replace("\\", "/")
        if not path or address.startswith("//"):
            return ""
        name = posixpath.normpath(posixpath.join(self.folder, path.lstrip("/") if not scheme else path))
        if name in self.files:
            return name
        same = self._alike.get(name.casefold())
        return self._there.get(posixpath.basename(name), "") if same is None else same


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The page as text, where it names which picture (start, end, name), and these, the first MOST_PICTURES of them;
    `left`: the names of the others."""

    page: str
    notes: tuple[Note, ...]
    places: tuple[tuple[int, int, str], ...]
    pictures: tuple[tuple[str, bytes], ...]
    left: tuple[str, ...]


def unpack(data: bytes) -> Unpacked:
    """All that a zip brings. Errors: TemplateRefused."""
    packed = unpacked(data)
    text, unread = decoded(packed.page)
    page = with_sheets(text, packed)
    places = tuple(pictures_in(page, packed))
    wanted = list(dict.fromkeys(name for _start, _end, name in places))
    pictures = tuple((name, packed.files[name]()) for name in wanted[:MOST_PICTURES])
    return Unpacked(page, tuple(unread), places, pictures, tuple(wanted[MOST_PICTURES:]))


def is_zip(data: bytes) -> bool:
    return data[:4] in (b"PK\3\4", b"PK\5\6")


def unpacked(data: bytes) -> TemplateArchive:
    """Errors: TemplateRefused."""
    if len(data) > MAX_ZIP:
        raise TemplateRefused("template_zip_large", limit=f"{MAX_ZIP >> 20}")
    directory_size = zip_limits.directory_bytes(data[-zip_limits.TAIL :])
    if directory_size is not None and directory_size > _DIRECTORY:
        raise TemplateRefused("template_zip_many", limit=str(MOST_FILES))
    try:
        box = zipfile.ZipFile(BytesIO(data))
        entries = [entry for entry in box.infolist() if not entry.is_dir()]
    except _DAMAGED:
        raise TemplateRefused("template_zip_torn") from None
    if len(entries) > MOST_FILES:
        raise TemplateRefused("template_zip_many", limit=str(MOST_FILES))
    files, unread = dict[str, zipfile.ZipInfo](), list[str]()
    for entry in entries:
        name = _name(entry)
        if _leads_elsewhere(entry, name):
            unread.append(name)
        elif name.lower().endswith((*_PAGES, *_SHEETS, *_PICTURES)):
            files.setdefault(name, entry)
    room = _Room(box)
    pages = [name for name in files if name.lower().endswith(_PAGES)]
    page = _main_page(pages, unread)
    others = {name: room.reader(entry) for name, entry in files.items() if name not in pages}
    _insist_on_page(files[page].file_size)
    return TemplateArchive(room.reader(files[page])(), posixpath.dirname(page), others)


def _insist_on_page(size: int) -> None:
    if size > LARGEST_PAGE:
        raise TemplateRefused("template_file", size=f"{size:,}", limit=f"{LARGEST_PAGE:,}")


class _Room:
    """What is unpacked of one zip, which has an end."""

    def __init__(self, box: zipfile.ZipFile) -> None:
        self.box, self.left = box, MOST_BYTES

    def reader(self, entry: zipfile.ZipInfo) -> Callable[[], bytes]:
        def read() -> bytes:
            if entry.flag_bits & 1:
                raise TemplateRefused("template_zip_locked")
            is_bomb = entry.file_size > SMALL and entry.file_size > entry.compress_size * MOST_RATIO
            if is_bomb or entry.file_size > min(LARGEST_PICTURE, self.left):
                raise TemplateRefused("template_zip_bomb", name=entry.filename[:80])
            try:
                with self.box.open(entry) as file:
                    data = file.read(entry.file_size + 1)
            except (*_DAMAGED, NotImplementedError, RuntimeError):
                raise TemplateRefused("template_zip_torn") from None
            self.left -= len(data)
            return data

        return read


def _name(entry: zipfile.ZipInfo) -> str:
    """Its path in the zip; "" for what systems put beside files."""
    name = entry.filename.replace("\\", "/")
    parts = posixpath.normpath(name).split("/")
    hidden = any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in parts)
    return "" if hidden or len(name) > 300 else "/".join(parts)


def _leads_elsewhere(entry: zipfile.ZipInfo, name: str) -> bool:
    """Whether it is a link, or its path leads out of the zip."""
    is_link = (entry.external_attr >> 16) & 0o170000 == 0o120000
    return is_link or name.startswith("/") or ".." in name.split("/") or re.match(r"[A-Za-z]:", name) is not None


def _main_page(pages: list[str], unread: list[str]) -> str:
    """Errors: TemplateRefused where there is none, or several that may be it. unread: what leads elsewhere."""
    if not pages:
        if elsewhere := [name for name in unread if name.lower().endswith(_PAGES)]:
            raise TemplateRefused("template_zip_elsewhere", names=", ".join(sorted(elsewhere))[:200])
        raise TemplateRefused("template_zip_no_page")
    first = min(name.count("/") for name in pages)
    there = [name for name in pages if name.count("/") == first]
    index = [name for name in there if posixpath.basename(name).lower().startswith("index.")]
    candidates = index or there
    if len(candidates) > 1:
        raise TemplateRefused("template_zip_pages", names=", ".join(sorted(candidates))[:200])
    return candidates[0]


def with_sheets(page: str, packed: TemplateArchive) -> str:
    """The page with the style sheets of the zip in the place of links to them. Errors: TemplateRefused."""
    size = len(page)

    def put_in(link: re.Match[str]) -> str:
        nonlocal size
        match = _HREF.search(link[0])
        name = packed.meant(match[1]) if match else ""
        if not name.lower().endswith(_SHEETS):
            return link[0]
        sheet = packed.files[name]().decode("utf-8-sig", "replace")
        size += len(sheet)
        _insist_on_page(size)
        return f"<style>{sheet.replace('</', '<\\/')}</style>"

    return _LINKED.sub(put_in, page)


def pictures_in(page: str, packed: TemplateArchive) -> Iterator[tuple[int, int, str]]:
    """(start, end, name in the zip) of each address that means one of its pictures."""
    for match in _NAMED.finditer(page):
        group = next(number for number, address in enumerate(match.groups(), 1) if address is not None)
        name = packed.meant(match[group])
        if name.lower().endswith(_PICTURES):
            yield *match.span(group), name


def replaced(page: str, places: Iterable[tuple[int, int, str]], addresses: Mapping[str, str]) -> str:
    """The page with the address of each picture that has one now."""
    out, position = list[str](), 0
    for start, end, name in places:
        if name in addresses:
            out += [page[position:start], html.escape(addresses[name])]
            position = end
    return "".join([*out, page[position:]])
