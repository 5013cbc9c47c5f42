"""The export of a whole Mailchimp account: campaigns, templates and images beside its subscribers.

Folder names vary with the year, so files are told by words in their paths. From Mailchimp's help page and public
readers of campaigns.csv; no whole export was seen. Subscribers are read by importers/services/mailchimp.py.
"""

import csv
import io
import os
import re
import stat
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast
from urllib.parse import unquote

from samizdat.core import zip_limits
from samizdat.core.account_export import (
    LARGEST_IMAGE,
    LARGEST_PAGE,
    LONGEST_NAME,
    AccountAudience,
    AccountContents,
    AccountItem,
    LeftBehind,
    LeftKind,
    ShownImage,
)
from samizdat.core.imports import ImportFailed
from samizdat.importers.reading import text, times
from samizdat.importers.reading.files import Source, sound

# As of files of subscribers (reading/files.FileLimits), which read the same zip.
MOST_FILES, DIRECTORY = 20_000, 8 << 20
MOST_RATIO, SMALL = 250, 16 << 20
LARGEST_TABLE, MOST_CAMPAIGNS = 32 << 20, 20_000
NAMES_SHOWN = 5
MOST_IMAGES = 10_000  # of a page that are given addresses of ours

# Of the name of a file in lower case, without its folders.
_PEOPLE = re.compile(
    r"(?:subscribed|unsubscribed|cleaned|nonsubscribed)_[a-z_]{0,40}export_|members_\d{1,20}_|sms_only_"
)
_AUDIENCE = re.compile(
    r"(?:members|subscribed|unsubscribed|cleaned|nonsubscribed|transactional)_(\d{1,20})_", re.IGNORECASE
)
_EXPORT = re.compile(r"_export_([0-9a-z]{1,40})", re.IGNORECASE)
_NUMBERED = re.compile(r"(\d{1,20})_?")
_PAGES, _TEXTS = (".html", ".htm"), (".html", ".htm", ".txt")
_FILES = re.compile(r"(?:^|/)(?:gallery|files|gallery_files|content_studio|images)/", re.IGNORECASE)
_IMAGE = re.compile(r"\.(?:png|jpe?g|gif|webp)$", re.IGNORECASE)
_LEFT: tuple[tuple[LeftKind, re.Pattern[str]], ...] = (
    ("activity", re.compile(r"(?:^|/)(?:aggregate_activity|granular_activity|reports)/", re.IGNORECASE)),
    ("places", re.compile(r"(?:^|/)geo_?data/", re.IGNORECASE)),
    ("surveys", re.compile(r"(?:^|/)surveys?(?:/|[^/]*\.csv$)", re.IGNORECASE)),
    ("events", re.compile(r"(?:^|/)events?(?:/|[^/]*\.csv$)", re.IGNORECASE)),
    ("other_files", _FILES),
)
# Where an account keeps its images: the address says whose they are.
IMAGE_ADDRESS = re.compile(
    rb"https?://(?:gallery\.mailchimp\.com|(?:[a-z0-9-]{1,40}\.)?mcusercontent\.com)/([0-9a-f]{25})/"
    rb"([^\s\"'<>()?#\\]{1,500})(?:\?[^\s\"'<>()\\]{0,500})?",
    re.IGNORECASE,
)
# Label of campaigns.csv -> what it says. "Audience" is the younger word for "List".
_LABELS = {
    "title": "title", "subject": "subject", "list": "audience", "audience": "audience", "send date": "sent_at",
    "unique id": "id", "total recipients": "recipients", "successful deliveries": "delivered",
    "total bounces": "bounced", "unsubscribes": "unsubscribed", "abuse complaints": "complaints",
    "total clicks": "clicks",
}  # fmt: skip
_NUMBERS = ("recipients", "delivered", "bounced", "unsubscribed", "complaints", "clicks")


@dataclass(frozen=True, slots=True)
class AccountFile:
    """A file of the export, by its path there."""

    name: str
    size: int
    opening: Callable[[], BinaryIO]


@dataclass(slots=True)
class _Campaign:
    """A line of campaigns.csv, or a text without one."""

    title: str
    subject: str = ""
    audience: str = ""
    sent_at: str = ""
    id: str = ""
    totals: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Sorted:
    people: list[str] = field(default_factory=list)
    tables: list[AccountFile] = field(default_factory=list)
    # (number, name) -> its text as HTML, else as plain text.
    contents: dict[tuple[str, str], AccountFile] = field(default_factory=dict)
    templates: list[AccountFile] = field(default_factory=list)
    images: list[AccountFile] = field(default_factory=list)
    left: dict[LeftKind, list[str]] = field(default_factory=lambda: defaultdict(list))


class MailchimpAccountExport:
    """An export, opened. Use as a context manager. Errors: ImportFailed, with a sentence about the file."""

    def __init__(self, name: str, source: "BinaryIO | Path") -> None:
        self._name = name
        self._box: zipfile.ZipFile | None = None
        files = self._of_folder(source) if isinstance(source, Path) else self._of_zip(source)
        self._sorted = _sorted(files, name)
        self._campaigns = self._matched()
        self._user = self._account_user()

    def __enter__(self) -> "MailchimpAccountExport":
        return self

    def __exit__(self, *_: object) -> None:
        if self._box is not None:
            self._box.close()

    def contents(self) -> AccountContents:
        sorted_files = self._sorted
        sent = sum(bool(campaign.sent_at) for _file, campaign in self._campaigns.values())
        return AccountContents(
            audiences=_audiences(sorted_files.people),
            images=len(sorted_files.images),
            templates=len(sorted_files.templates),
            drafts=len(self._campaigns) - sent,
            sent=sent,
            left=tuple(
                LeftBehind(
                    kind, len(names), tuple(PurePosixPath(name).name[:LONGEST_NAME] for name in names[:NAMES_SHOWN])
                )
                for kind, names in sorted_files.left.items()
            ),
            account=self._user.decode(),
        )

    def items(self) -> Iterator[AccountItem]:
        """Images first, since pages show them; then templates, then campaigns."""
        for file in self._sorted.images:
            data = self._read(file)
            key = sha256(data).hexdigest()
            yield AccountItem("image", key, PurePosixPath(file.name).name[:LONGEST_NAME], data)
        for file in self._sorted.templates:
            data, name = self._read(file), PurePosixPath(file.name).stem
            key = sha256(name.encode() + data).hexdigest()
            yield AccountItem("template", key, _spoken(name), data, images=self._own_images(data))
        for (number, name), (file, campaign) in self._campaigns.items():
            data, is_html = self._read(file), not file.name.lower().endswith(".txt")
            yield AccountItem(
                kind="sent" if campaign.sent_at else "draft",
                key=(campaign.id or f"{number}_{name}")[:LONGEST_NAME],
                name=campaign.title[:LONGEST_NAME],
                page=data,
                is_html=is_html,
                images=self._own_images(data) if is_html else (),
                subject=campaign.subject[:LONGEST_NAME],
                audience=campaign.audience[:LONGEST_NAME],
                sent_at=campaign.sent_at.removesuffix("Z"),
                totals=campaign.totals,
            )

    # -- opening ------------------------------------------------------------------------------------------------

    def _of_zip(self, file: BinaryIO) -> list[AccountFile]:
        with sound(self._name):
            size = file.seek(0, io.SEEK_END)
            file.seek(max(0, size - zip_limits.TAIL))
            directory = zip_limits.directory_bytes(file.read())
            file.seek(0)
            if directory is not None and directory > DIRECTORY:
                raise ImportFailed("account_files", file=self._name, limit=f"{MOST_FILES:,}")
            try:
                box = self._box = zipfile.ZipFile(file)
            except ValueError as wrong:  # offsets before the beginning of the file, names that are no text
                raise zipfile.BadZipFile(str(wrong)) from wrong
        entries = [entry for entry in box.infolist() if not entry.is_dir()]
        if len(entries) > MOST_FILES:
            raise ImportFailed("account_files", file=self._name, limit=f"{MOST_FILES:,}")
        return [self._of_entry(box, entry) for entry in entries if not stat.S_ISLNK(entry.external_attr >> 16)]

    def _of_entry(self, box: zipfile.ZipFile, entry: zipfile.ZipInfo) -> AccountFile:
        name = _name(entry)
        if len(name) > LONGEST_NAME:
            raise ImportFailed("long_name", file=self._name, limit=LONGEST_NAME)
        if entry.flag_bits & 1:
            raise ImportFailed("locked_zip", file=self._name)
        if entry.file_size > SMALL and entry.file_size > entry.compress_size * MOST_RATIO:
            raise ImportFailed("zip_bomb", file=self._name)
        return AccountFile(name, entry.file_size, lambda: cast(BinaryIO, box.open(entry)))

    def _of_folder(self, folder: Path) -> list[AccountFile]:
        files: list[AccountFile] = []
        for place, _folders, names in os.walk(folder):
            for path in (Path(place, name) for name in sorted(names)):
                if path.is_symlink() or not path.is_file():
                    continue
                if len(files) >= MOST_FILES:
                    raise ImportFailed("account_files", file=self._name, limit=f"{MOST_FILES:,}")
                name = path.relative_to(folder.parent).as_posix()
                files.append(AccountFile(name, path.stat().st_size, lambda path=path: path.open("rb")))  # type: ignore[misc]
        return files

    def _read(self, file: AccountFile) -> bytes:
        """No more than its directory cells, which was judged before."""
        with sound(self._name), file.opening() as opened:
            return opened.read(file.size)

    # -- campaigns ----------------------------------------------------------------------------------------------

    def _matched(self) -> dict[tuple[str, str], tuple[AccountFile, _Campaign]]:
        """Texts with their lines of campaigns.csv, the oldest number first. A line is known by the title in the name of
        the text; several of one title in the order of their numbers and of their days."""
        contents = self._sorted.contents
        waiting: dict[str, list[_Campaign]] = defaultdict(list)
        for campaign in self._lines():
            waiting[_plain(campaign.title)].append(campaign)
        by_title: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for key in sorted(contents, key=lambda known: (len(known[0]), known)):
            by_title[_title_among(waiting, _plain(key[1]))].append(key)
        matched = {}
        for title, keys in by_title.items():
            lines = sorted(waiting.get(title, ()), key=lambda campaign: campaign.sent_at)
            same = len(lines) == len(keys)
            for place, key in enumerate(keys):
                matched[key] = contents[key], lines[place] if same else _Campaign(_spoken(key[1]))
            if same:
                waiting.pop(title, None)
        if unmatched := [campaign.title for lines in waiting.values() for campaign in lines]:
            self._sorted.left["unmatched"] = unmatched
        return matched

    def _lines(self) -> Iterator[_Campaign]:
        for file in self._sorted.tables:
            data = self._read(file)
            encoding = text.scan(io.BytesIO(data)).encoding
            lines = data.decode(encoding, "replace").removeprefix("\ufeff").splitlines(keepends=True)
            rows = csv.reader(lines, delimiter=text.delimiter_of(lines[:50]))
            try:
                labels = [_LABELS.get(label.strip().lower(), "") for label in next(rows, [])]
                for count, row in enumerate(rows):
                    if count >= MOST_CAMPAIGNS:
                        raise ImportFailed("too_many", file=file.name, limit=MOST_CAMPAIGNS)
                    cells = {label: cell.strip() for label, cell in zip(labels, row, strict=False) if label}
                    if cells.get("title") or cells.get("subject"):
                        yield _campaign(cells)
            except csv.Error:
                self._sorted.left["unreadable"].append(file.name)

    def _own_images(self, page: bytes) -> tuple[ShownImage, ...]:
        shown = list[ShownImage]()
        for match in IMAGE_ADDRESS.finditer(page):
            name = unquote(match[2].decode("utf-8", "replace")).rpartition("/")[2]
            if match[1].lower() == self._user and len(shown) < MOST_IMAGES and len(name) <= LONGEST_NAME:
                shown.append(ShownImage(*match.span(), name))
        return tuple(shown)

    def _account_user(self) -> bytes:
        """Whose images the pages show most: the account's own."""
        met: Counter[bytes] = Counter()
        files = [*self._sorted.templates, *self._sorted.contents.values()]
        for file in files[:200]:
            met.update(match[1].lower() for match in IMAGE_ADDRESS.finditer(self._read(file)))
        return met.most_common(1)[0][0] if met else b""


def opened(source: Source) -> MailchimpAccountExport:
    """A path of a zip or a folder, or (name, file). Errors: ImportFailed."""
    if isinstance(source, tuple):
        name, file = source
        return MailchimpAccountExport(name, io.BufferedReader(cast(io.RawIOBase, file), 64 << 10))
    path = Path(cast(str, source))
    if not path.exists():
        raise ImportFailed("missing", file=str(path))
    if path.is_dir():
        return MailchimpAccountExport(path.name, path)
    with sound(path.name):
        return MailchimpAccountExport(path.name, path.open("rb"))


def _sorted(files: Iterable[AccountFile], outer: str) -> _Sorted:
    kinds, seen = _Sorted(), set[str]()
    for file in files:
        name = file.name
        if _is_hidden(name):
            continue
        if name.casefold() in seen:
            raise ImportFailed("torn_zip", file=outer)
        seen.add(name.casefold())
        path = f"/{name.lower()}"
        base = path.rpartition("/")[2]
        if base.endswith(".csv") and ("/lists/" in path or _PEOPLE.match(base)):
            kinds.people.append(name)
        elif base == "campaigns.csv":
            _keep(kinds.tables, kinds, file, LARGEST_TABLE)
        elif base.endswith(_TEXTS) and ("/campaigns_content/" in path or "/campaign_content/" in path):
            _keep_text(kinds, file)
        elif base.endswith(_PAGES) and "/templates/" in path:
            _keep(kinds.templates, kinds, file, LARGEST_PAGE)
        elif _FILES.search(name) and _IMAGE.search(name):
            _keep(kinds.images, kinds, file, LARGEST_IMAGE)
        else:
            kind: LeftKind = next((kind for kind, known in _LEFT if known.search(name)), "other")
            kinds.left[kind].append(name)
    if not (kinds.tables or kinds.contents or kinds.templates or kinds.images or _is_account(kinds.people)):
        raise ImportFailed("no_account", file=outer)
    accounts = {match[1] for name in seen if (match := re.match(r"(?:[^/]+/)?(\d{4,12})/", name))}
    if len(accounts) > 1:
        raise ImportFailed("several_accounts", file=outer, names=", ".join(sorted(accounts)[:5]))
    return kinds


def _is_account(people: Iterable[str]) -> bool:
    return any("lists/" in name.lower() or _AUDIENCE.match(name.rpartition("/")[2]) for name in people)


def _keep(held: list[AccountFile], kinds: _Sorted, file: AccountFile, most: int) -> None:
    if file.size > most:
        kinds.left["large"].append(file.name)
    else:
        held.append(file)


def _keep_text(kinds: _Sorted, file: AccountFile) -> None:
    """A campaign has an HTML and a plain text; ours is made of the HTML."""
    path = PurePosixPath(file.name)
    match = _NUMBERED.match(path.stem)
    key = (match[1], path.stem[match.end() :]) if match else ("", path.stem)
    is_plain = path.suffix.lower() == ".txt"
    if file.size > LARGEST_PAGE:
        kinds.left["large"].append(file.name)
    elif is_plain and key in kinds.contents:
        kinds.left["texts"].append(file.name)
    else:
        if key in kinds.contents:
            kinds.left["texts"].append(kinds.contents[key].name)
        kinds.contents[key] = file


def _audiences(people: Iterable[str]) -> tuple[AccountAudience, ...]:
    names: dict[str, str] = {}
    for path in people:
        base = PurePosixPath(path).stem
        if match := _AUDIENCE.match(base):
            names[match[1]] = names.get(match[1]) or _spoken(base[match.end() :])
        else:
            match = _EXPORT.search(base)
            names.setdefault(match[1] if match else "", "")
    return tuple(AccountAudience(key, name[:LONGEST_NAME]) for key, name in names.items())


def _campaign(cells: Mapping[str, str]) -> _Campaign:
    totals = {}
    for name in _NUMBERS:
        digits = cells.get(name, "").replace(",", "")
        if digits.isascii() and digits.isdigit() and len(digits) < 12:
            totals[name] = int(digits)
    title = cells.get("title") or cells.get("subject", "")
    return _Campaign(
        title=title,
        subject=cells.get("subject", ""),
        audience=cells.get("audience", ""),
        sent_at=times.when(cells.get("sent_at", "")),
        id=cells.get("id", "") if re.fullmatch(r"[0-9a-f]{6,16}", cells.get("id", "")) else "",
        totals=totals,
    )


# Letters that a title must have before the beginning of one is taken for it: names of files are cut.
_CUT = 20


def _title_among(titles: Iterable[str], plain: str) -> str:
    """The title that a name of a file stands for; itself where there is none, or several begin so."""
    if plain in titles or len(plain) < _CUT:
        return plain
    alike = [title for title in titles if title.startswith(plain)]
    return alike[0] if len(alike) == 1 else plain


def _plain(title: str) -> str:
    return "".join(sign for sign in title.casefold() if sign.isalnum())


def _spoken(name: str) -> str:
    """The name of a file as a title."""
    return " ".join(re.split(r"[_\s]+", name)).strip()[:LONGEST_NAME] or "–"


def _name(entry: zipfile.ZipInfo) -> str:
    """Its path. Zips of older programs hold UTF-8 without saying so."""
    name = entry.filename
    if not entry.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return name.replace("\\", "/").lstrip("/")


def _is_hidden(name: str) -> bool:
    parts = name.split("/")
    return "__MACOSX" in parts or any(part.startswith(".") for part in parts) or not parts[-1]
