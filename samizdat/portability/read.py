"""An export of our own format, opened: proven before a row of it is believed.

Whatever is wrong with a file becomes one sentence, and nothing was written by then.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from typing import Any, BinaryIO

import msgspec
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from samizdat.audience import consent_writer, suppression_log
from samizdat.audience.actions.segments import MOST_SEGMENTS
from samizdat.audience.imports.reading.seen_addresses import SeenAddresses
from samizdat.audience.limits import (
    FIELDS,
    FORMS,
    HEAVIEST_SUBSCRIBER,
    LISTS_EVER,
    LONGEST_VALUE,
    RECORDS,
    TAGS_EACH,
    WORDINGS,
)
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import FREQUENCIES, STATUSES, SUPPRESSION_REASONS, Subscription
from samizdat.audience.numbers import HIGHEST
from samizdat.audience.tags_and_fields import MOST_TAGS, FieldDefinition
from samizdat.campaigns.templates.import_template import MOST_TEMPLATES
from samizdat.core import bounded_json, consent
from samizdat.core.crypto import canary, seal
from samizdat.core.fields import KINDS
from samizdat.core.mail import address as addresses
from samizdat.portability import native, own_format, subscribers, unpack, value_limits
from samizdat.portability.errors import ExportRefused
from samizdat.portability.spreadsheet_cells import unescaped

_OF_MAILBOXES = suppression_log.with_roots(SUPPRESSION_REASONS)

TABLE = 64 << 20  # bytes of a JSON file: ten thousand tags are two
NAMES = 300_000  # values of each of those that are held to the end: ten thousand tags are 60,000
VALUES = 1_500_000  # of a JSON file: 110 MB of memory, and the pictures of 60,000 files
# Entries of each of these files, as many as an organization has: they come in one by one, some in one transaction, and
# all others would wait for it. In any other file: rows of ten characters in a file of 2 MB (parts/campaigns) are fewer.
MOST_ENTRIES = {
    "lists.json": LISTS_EVER,
    "tags.json": MOST_TAGS,
    "fields.json": FIELDS,
    "segments.json": MOST_SEGMENTS,
    "forms.json": FORMS,
    "wordings.json": WORDINGS,
    native.PLANTED: native.MOST_PLANTED,
    "templates.json": MOST_TEMPLATES,
    "keeping.json": LISTS_EVER,
}
ENTRIES = 200_000
# Bytes of the manifest, which says a line of each file: more only where there are so many.
SAYS, SAYS_OF_ONE = 1 << 20, 400
CELL = 1 << 20
ROW, COLUMNS = 8 << 20, 5_000  # characters of a row of a CSV file, of whose cells one has a million at most
# Consent records of one subscriber, and what makes a page heavy however few people are in it: rows that come of them,
# each with a hundred characters.
MOST_RECORDS = 2 * RECORDS
PAGE_ROWS = 50_000

# The highest numbers of lists (above them are those of forms, models.new_form_number; 0 is all lists), of fields, with
# room for as many new ones, and of tags and keys.
LIST, FIELD, TAG, KEY = (1 << 32) - 1, 1 << 15, 1 << 62, (1 << 32) - 1
ROUND = 1 << 30

_SUBSCRIBER_ROW = ("number", "address", "language", "joined", "tags", "notes", "more")


@dataclass(slots=True)
class IncomingSubscriber:
    """One subscriber as the file has them. Field values by the file's field number."""

    number: int
    address: str
    language: str
    joined: str
    tags: list[int]
    values: dict[int, str]
    lists: list[tuple[int, str, dict[str, str], str]] = field(default_factory=list)  # (list, since, wishes, status)
    records: list[tuple[int | None, int, int, int, str, dict[int, str]]] = field(default_factory=list)
    suppressed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def weight(self) -> int:
        """As PAGE_ROWS counts."""
        texts = [*self.values.values(), *(text for record in self.records for text in record[5].values())]
        rows = 1 + len(self.tags) + len(self.lists) + len(self.records) + len(self.suppressed)
        return rows + sum(map(len, texts)) // 100


class OpenedExport:
    """An export. Use as a context manager; prove() first, people() as often as wanted."""

    def __init__(self, file: BinaryIO) -> None:
        self._stack = ExitStack()
        own_format.directory(file)
        try:
            self._box = self._stack.enter_context(unpack.ZipReader(file))
            self._infos = self._box.entries
            self._read_tables()
        except BaseException as wrong:
            self._stack.close()
            if isinstance(wrong, unpack.UnpackFailed):
                raise refused(wrong) from wrong
            raise

    def _read_tables(self) -> None:
        if own_format.MANIFEST not in self._infos:
            raise own_format.foreign()
        self.manifest = self._manifest()
        self._sha = {name: str(entry["sha256"]) for name, entry in self.manifest["files"].items()}
        self._insist_on_sizes()
        self.lists: list[dict[str, Any]] = self.table("lists.json", NAMES)
        self.tags: list[dict[str, Any]] = self.table("tags.json", NAMES)
        self.fields: list[dict[str, Any]] = self.table("fields.json", NAMES)
        self._check_tables()

    def __enter__(self) -> "OpenedExport":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # -- whole, and as it was written ---------------------------------------------------------------------------

    def _manifest(self) -> dict[str, Any]:
        most = max(SAYS, SAYS_OF_ONE * len(self._infos))
        if self._infos[own_format.MANIFEST].size > most:
            raise own_format.foreign()
        try:
            manifest: dict[str, Any] = bounded_json.read(self._bytes(own_format.MANIFEST), VALUES)
            ours = manifest["format"] == native.FORMAT
            version, files, counts = value_limits.whole(manifest["version"]), manifest["files"], manifest["counts"]
            shaped = isinstance(files, dict) and isinstance(counts, dict)
            shaped = shaped and all(
                isinstance(of["sha256"], str) and value_limits.whole(of["bytes"]) >= 0 for of in files.values()
            )
            shaped = shaped and value_limits.whole(counts["subscribers"]) >= 0
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            raise own_format.foreign() from wrong
        if not ours or not shaped:
            raise own_format.foreign()
        if version > native.VERSION:
            sentence = _(
                "This export was made by a newer version of Samizdat. Update this installation, then import the file."
            )
            raise ExportRefused("newer_format", sentence)
        return manifest

    def _insist_on_sizes(self) -> None:
        if set(self._sha) != set(self._infos) - {own_format.MANIFEST}:
            raise altered(next(iter(set(self._sha) ^ (set(self._infos) - {own_format.MANIFEST}))))
        needed = {own_format.SUBSCRIBERS, native.SUBSCRIPTIONS, own_format.CONSENT, native.SUPPRESSIONS}
        needed |= {"lists.json", "tags.json", "fields.json"}
        if not needed <= set(self._infos):
            raise own_format.foreign()
        for name, entry in self.manifest["files"].items():
            if self._infos[name].size != entry["bytes"]:
                raise altered(name)

    def prove(self) -> Iterator[int]:
        """Reads every file to its end and compares its checksum; yields bytes as they are read. Errors:
        ExportRefused."""
        for name, checksum in self._sha.items():
            digest = hashlib.sha256()
            with self._sound(name), self._box.open(name) as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
                    yield len(piece)
            if digest.hexdigest() != checksum:
                raise altered(name)

    def _sound(self, name: str) -> "_Sound":
        return _Sound(name)

    def _bytes(self, name: str) -> bytes:
        if self._infos[name].size > TABLE:
            raise altered(name)
        with self._sound(name), self._box.open(name) as file:
            return file.read()

    def members(self, folder: str) -> list[str]:
        """The names of the files in a folder."""
        return [name for name in self._infos if name.startswith(folder)]

    def member(self, name: str, most: int = TABLE) -> bytes:
        """A file whole, as it was written. Errors: ExportRefused."""
        data = self._bytes(name) if self._infos[name].size <= most else b""
        if hashlib.sha256(data).hexdigest() != self._sha[name]:
            raise altered(name)
        return data

    def table(self, name: str, most: int = VALUES) -> Any:
        """A JSON file of at most so many values; None where there is none. Its checksum is looked at here, since it is
        used at once."""
        if name not in self._infos:
            return None
        data = self.member(name)
        try:
            value = bounded_json.read(data, most)
            json.dumps(value, ensure_ascii=False).encode()  # Half a character cannot be stored.
        except ValueError as wrong:
            raise altered(name) from wrong
        most_entries = MOST_ENTRIES.get(name, ENTRIES)
        if isinstance(value, list) and len(value) > most_entries:
            raise too_many(name, most_entries)
        return value_limits.without_nul(value) if rb"\u0000" in data else value

    def _check_tables(self) -> None:
        try:
            for row in self.lists:
                assert value_limits.whole(row["number"], LIST, 1) and str(row["name"]).strip()
                msgspec.convert(row.get("details") or {}, ListDetails)
            for row in self.tags:
                assert value_limits.whole(row["number"], TAG, 1) and str(row["name"]).strip()
            for row in self.fields:
                assert value_limits.whole(row["number"], FIELD, seal.FIRST_FIELD) and isinstance(row["label"], str)
                assert row["tag"].strip() and msgspec.convert(row, FieldDefinition).kind in KINDS
            for rows in (self.lists, self.tags, self.fields):
                assert len({row["number"] for row in rows}) == len(rows)
            assert len({row["tag"] for row in self.fields}) == len(self.fields)
            assert len({row["name"].strip().casefold() for row in self.lists}) == len(self.lists)
        except (AssertionError, KeyError, TypeError, ValueError, AttributeError, msgspec.ValidationError) as wrong:
            raise altered("lists.json, tags.json, fields.json") from wrong

    # -- rows ---------------------------------------------------------------------------------------------------

    def has(self, name: str) -> bool:
        return name in self._infos

    def rows(self, name: str) -> Iterator[tuple[int, dict[str, str]]]:
        """(line, cells by their headings) of a CSV file. Errors: ExportRefused."""
        with self._box.open(name) as file:
            yield from self._rows(name, file)

    def people(self) -> Iterator[IncomingSubscriber]:
        """Everybody but the planted one, in the order of the file. Errors: ExportRefused with file and line."""
        with self._box.open(own_format.SUBSCRIBERS) as first:
            subscribers = self._rows(own_format.SUBSCRIBERS, first)
            lists = _RowGroups(self._opened(native.SUBSCRIPTIONS), native.SUBSCRIPTIONS)
            records = _RowGroups(self._opened(own_format.CONSENT), own_format.CONSENT)
            suppressed = self._suppressed()
            known = {row["number"] for row in self.lists}
            tags, last, met = {row["number"] for row in self.tags}, -1, SeenAddresses()
            for line, row in subscribers:
                with _line(own_format.SUBSCRIBERS, line):
                    subscriber = _coming(row, self.fields, tags)
                    assert subscriber.number > last
                    # A sign-up that waits for its confirmation is a row beside the one who has its address.
                    waiting = seal.WAITING in subscriber.values
                    assert met.meet(_mark(consent_writer.index_text(subscriber.address, waiting)), 0) is None
                    last = subscriber.number
                for line, row in lists.of(subscriber.number):
                    with _line(native.SUBSCRIPTIONS, line):
                        assert len(subscriber.lists) < len(known)
                        subscriber.lists.append(_subscription(row, known))
                for line, row in records.of(subscriber.number):
                    if len(subscriber.records) == MOST_RECORDS:
                        raise too_many_records(subscriber.number)
                    with _line(own_format.CONSENT, line):
                        subscriber.records.append(_record(row, known))
                with _line(native.SUBSCRIPTIONS, line):
                    assert len({of[0] for of in subscriber.lists}) == len(subscriber.lists)
                subscriber.suppressed = suppressed.get(subscriber.number, [])
                if not self._is_planted(subscriber.address):
                    yield subscriber
            lists.insist_on_end()
            records.insist_on_end()

    def _is_planted(self, address: str) -> bool:
        salted_mark = self.manifest.get("left_out")
        if not isinstance(salted_mark, dict):
            return False
        return canary.mark(addresses.comparable(address), str(salted_mark.get("salt", ""))) == salted_mark.get("sha256")

    def _opened(self, name: str) -> Iterator[tuple[int, dict[str, str]]]:
        return self._rows(name, self._stack.enter_context(self._box.open(name)))

    def _rows(self, name: str, file: BinaryIO) -> Iterator[tuple[int, dict[str, str]]]:
        csv.field_size_limit(CELL)
        lines = _CsvLines(file, name)
        reader = csv.reader(lines, strict=True)
        with self._sound(name):
            head = next(reader, [])
        if len(head) > COLUMNS:
            raise altered(name)
        while True:
            lines.left = ROW
            with self._sound(name):
                row = next(reader, None)
            if row is None:
                return
            with _line(name, reader.line_num):
                assert len(row) == len(head)
            yield reader.line_num, dict(zip(head, row, strict=True))

    def _suppressed(self) -> dict[int, list[tuple[str, str]]]:
        """Number -> (reason, day), each reason once. Suppressed are few beside subscribed: 50,000 are 10 MB."""
        by_number: dict[int, list[tuple[str, str]]] = {}
        for line, row in self._opened(native.SUPPRESSIONS):
            with _line(native.SUPPRESSIONS, line):
                reason, day = _suppression(row)
                if row["number"]:
                    held = by_number.setdefault(value_limits.digits(row["number"], HIGHEST), [])
                    assert all(reason != other for other, _day in held)
                    held.append((reason, day))
        return by_number

    def others_suppressed(self) -> Iterator[tuple[bytes, int, str, str]]:
        """(blind index, number of its key, reason, day) of addresses that no subscriber has."""
        for line, row in self._opened(native.SUPPRESSIONS):
            with _line(native.SUPPRESSIONS, line):
                reason, day = _suppression(row)
                if not row["number"]:
                    blind = bytes.fromhex(row["blind"])
                    assert len(blind) == 16
                    yield blind, value_limits.digits(row["key"], KEY), reason, day

    def in_pages(self, size: int, after: int = -1) -> Iterator[list[IncomingSubscriber]]:
        """So many people at most, fewer where they have many records, tags or lists. Errors: ExportRefused."""
        page: list[IncomingSubscriber] = []
        weight = 0
        for subscriber in self.people():
            if subscriber.number <= after:
                continue
            page.append(subscriber)
            weight += subscriber.weight
            if len(page) == size or weight >= PAGE_ROWS:
                yield page
                page, weight = [], 0
        if page:
            yield page


class _RowGroups:
    """Rows of a file that is in the order of subscribers' numbers, taken by number."""

    def __init__(self, rows: Iterator[tuple[int, dict[str, str]]], name: str) -> None:
        self._rows, self._name = rows, name
        self._next: tuple[int, int, dict[str, str]] | None = None
        self._on()

    def of(self, number: int) -> Iterator[tuple[int, dict[str, str]]]:
        while self._next is not None and self._next[0] == number:
            yield self._next[1], self._next[2]
            self._on()
        if self._next is not None and self._next[0] < number:
            raise flawed(self._name, self._next[1])

    def _on(self) -> None:
        entry = next(self._rows, None)
        self._next = None
        if entry is not None:
            line, row = entry
            with _line(self._name, line):
                self._next = (value_limits.digits(row["number"], HIGHEST), line, row)

    def insist_on_end(self) -> None:
        if self._next is not None:
            raise flawed(self._name, self._next[1])


class _CsvLines:
    """The lines of a CSV file, as long as a row may be: a row goes on over line breaks between quotes, and is held
    whole."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name, self.left = io.TextIOWrapper(file, "utf-8", newline=""), name, ROW

    def __iter__(self) -> "_CsvLines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(self.left + 1)
        self.left -= len(line)
        if self.left < 0:
            raise altered(self._name)
        if not line:
            raise StopIteration
        return line


class _Sound:
    """Turns what a damaged zip or text raises into one sentence about the file."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, wrong: BaseException | None, _: object) -> None:
        if isinstance(wrong, ExportRefused):
            return
        if isinstance(wrong, unpack.UnpackFailed):
            raise refused(wrong) from wrong
        if isinstance(wrong, UnicodeDecodeError | csv.Error | KeyError):
            raise altered(self._name) from wrong


class _line:
    """Turns what a cell that cannot be ours raises into a sentence with file and line."""

    def __init__(self, name: str, line: int) -> None:
        self._name, self._at = name, line

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, wrong: BaseException | None, _: object) -> None:
        # The last two: of JSON in a cell that nests too deep, and has a number that is none.
        odd = AssertionError | ValueError | KeyError | TypeError | AttributeError | RecursionError | OverflowError
        if isinstance(wrong, odd):
            raise flawed(self._name, self._at) from wrong


def _coming(row: dict[str, str], fields: Sequence[dict[str, Any]], tags: set[int]) -> IncomingSubscriber:
    number, address = value_limits.digits(row["number"], HIGHEST, 1), addresses.normalize(_back(row["address"]))
    columns = {column["number"]: _back(row[column["tag"]]) for column in fields}
    held = _numbered(row["more"]) | {seal.NOTES: _back(row["notes"])}
    assert seal.ADDRESS not in held
    carried = [*{value_limits.digits(tag, TAG) for tag in row["tags"].split()}]
    # Twice as many as here: an import adds its own, and people choose topics.
    assert tags.issuperset(carried) and len(carried) <= 2 * TAGS_EACH
    assert "\0" not in row["language"]
    day = value_limits.day(row["joined"]).isoformat()
    filled = {place: text for place, text in {**columns, **held}.items() if text}
    lengths = [len(text.encode()) for text in filled.values()]
    assert max(lengths, default=0) <= 4 * LONGEST_VALUE and sum(lengths) <= 2 * HEAVIEST_SUBSCRIBER
    return IncomingSubscriber(number, address, row["language"][:8], day, carried, filled)


def _back(cell: str) -> str:
    return unescaped([cell])[0].replace("\0", "")


def _numbered(cell: str) -> dict[int, str]:
    pairs = json.loads(cell).items() if cell else ()
    held = {value_limits.digits(number, 0xFFFF): str(text).replace("\0", "") for number, text in pairs}
    "".join(held.values()).encode()  # A ValueError for half a character, which JSON can write and nobody can store.
    return held


def _mark(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]


def _subscription(row: dict[str, str], known: set[int]) -> tuple[int, str, dict[str, str], str]:
    number = value_limits.digits(row["list"], LIST)
    assert number in known and row["status"] in STATUSES
    wishes = {name: cell for name, cell in row.items() if name not in native.SUBSCRIPTION_HEAD}
    for name, cell in wishes.items():
        if cell and name in subscribers.WISHES:
            _insist_on_wish(name, cell)
    return number, value_limits.day(row["since"]).isoformat(), wishes, row["status"]


def _insist_on_wish(name: str, cell: str) -> None:
    try:
        wish = Subscription._meta.get_field(name).clean(cell, None)  # type: ignore[union-attr]
    except ValidationError as wrong:
        raise ValueError from wrong
    if isinstance(wish, date):
        value_limits.day(wish.isoformat())
    else:
        value_limits.whole(wish, len(FREQUENCIES) - 1 if name == "frequency" else ROUND)


def _record(row: dict[str, str], known: set[int]) -> tuple[int | None, int, int, int, str, dict[int, str]]:
    number = value_limits.digits(row["list"], LIST) if row["list"] else None
    assert number is None or number in known
    names = ("at", "asked_at", "source", "wording", "reason", "letter")
    words = {word: _back(row[name]) for word, name in zip(native.WORDS, names, strict=True) if row[name]}
    kind, purpose = consent.KINDS.index(row["kind"]), consent.PURPOSES.index(row["purpose"])
    for word in (consent.AT, consent.ASKED_AT):
        if word in words:
            date.fromisoformat(words[word][:10])  # Of lists that are older than this program, of whatever year.
    day = value_limits.day(row["day"]).isoformat()
    return number, kind, purpose, consent.WAYS.index(row["way"]), day, words | _numbered(row["more"])


def _suppression(row: dict[str, str]) -> tuple[str, str]:
    # An entry of a mailbox however it is spelled is that of no subscriber.
    assert row["reason"] in SUPPRESSION_REASONS or (not row["number"] and row["reason"] in _OF_MAILBOXES)
    return row["reason"], value_limits.day(row["day"]).isoformat()


def unseal(source: BinaryIO, secret: str, take: Callable[[bytes], None], organization: int = 0) -> None:
    """As unpack.unseal. Errors: ExportRefused."""
    try:
        unpack.unseal(source, secret, take, organization)
    except unpack.UnpackFailed as broken:
        raise refused(broken) from broken


def refused(broken: unpack.UnpackFailed) -> ExportRefused:
    match broken.code:
        case "other_key":
            sentence = _("This file is encrypted to another key. Use the key file it was made for.")
        case "other_passphrase":
            sentence = _("This passphrase doesn’t open the file, or the file is damaged. Enter it again.")
            return ExportRefused("other_key", sentence)
        case "bad_identity":
            sentence = _("This isn’t an age key file. Use the file that `age-keygen` wrote.")
        case "too_large":
            sentence = _(
                "More than 16 MB are encrypted with a passphrase. Open the file with `age -d`, then import it."
            )
        case "costly_passphrase":
            sentence = _(
                "The passphrase settings of this file need more memory than `age` asks for. Open the file with "
                "`age -d`, then import it."
            )
        case "costs_too_much":
            sentence = _("This file needs more time or memory to open than an export should. Export it again.")
        case "busy":
            sentence = _("Another file is being opened with a passphrase. Try again in a minute.")
        case "foreign_file":
            return own_format.foreign()
        case _:
            return own_format.torn()
    return ExportRefused(broken.code, sentence)


def altered(name: str) -> ExportRefused:
    sentence = _("%(file)s in this export was changed after it was written. Use the file as it was exported.")
    return ExportRefused("altered_file", sentence % {"file": name})


def too_many(name: str, most: int) -> ExportRefused:
    sentence = _("%(file)s in this export has more than %(most)s entries. Remove some where it was made, export again.")
    return ExportRefused("too_many_entries", sentence % {"file": name, "most": f"{most:,}"})


def too_many_of_campaign(name: str, most: int) -> ExportRefused:
    sentence = _(
        "%(file)s in this export has more than %(most)s entries for one campaign. Remove some where it was made, "
        "export again."
    )
    return ExportRefused("too_many_entries", sentence % {"file": name, "most": f"{most:,}"})


def too_many_records(number: int) -> ExportRefused:
    sentence = _(
        "Subscriber %(number)s in this export has more than %(most)s consent records. Erase this subscriber where the "
        "export was made, then export again."
    )
    return ExportRefused("too_many_records", sentence % {"number": number, "most": f"{MOST_RECORDS:,}"})


def flawed(name: str, line: int) -> ExportRefused:
    sentence = _("Line %(line)s of %(file)s in this export can’t be right. Use the file as it was exported.")
    return ExportRefused("altered_file", sentence % {"file": name, "line": line})
