"""From rows to slices, without a database."""

import json
import marshal
import queue
import signal
import subprocess
import sys
import zipfile
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pytest

from samizdat import child_frames, processes
from samizdat.audience.imports import stretches
from samizdat.audience.imports.reading import subprocess_reader
from samizdat.audience.imports.reading.parse import NEW, ReaderOrder, ReadSlice, _Facts
from samizdat.audience.imports.reading.seen_addresses import SeenAddresses
from samizdat.audience.imports.reading.upload_file import PieceFile
from samizdat.audience.imports.stretches import ParsedRow, in_order
from samizdat.core import consent
from samizdat.core.crypto import seal
from tests.importers.test_workbook import book


def order(**more: Any) -> ReaderOrder:
    return ReaderOrder(source="mailchimp", import_files=[], plan={}, fields={}, today="2026-11-25", **more)


@pytest.mark.parametrize("basis", ["", "Сами подписались."])
@pytest.mark.parametrize("file", ["a.csv", "люди.csv"])
def test_the_short_way_of_packing_words_gives_what_pack_gives(basis: str, file: str) -> None:
    facts = _Facts(order(basis=basis))
    facts.of(file)
    for line, (at, asked) in enumerate(
        [("", ""), ("2020-01-01T10:00:00Z", ""), ("2020-01-01T10:00:00Z",) * 2] * 8, start=4
    ):
        source = f"mailchimp, {file}, line {line}"
        told = {consent.AT: at, consent.SOURCE: source, consent.WORDING: basis, consent.ASKED_AT: asked}
        assert facts._words(at, source, asked) == seal.pack(told)


def test_addresses_that_came_before_are_known_with_their_strongest_status() -> None:
    chance, seen, truth = Random(3), SeenAddresses(), dict[bytes, int]()
    blinds = [chance.randbytes(16) for _ in range(3000)]
    # Many in one bucket, and some whose bytes look like another's, shifted by one.
    blinds += [b"\0\0" + bytes([turn]) * 14 for turn in range(200)] + [b"\0\0\1" + b"\0" * 13, b"\0\0\0\1" + b"\0" * 12]
    for blind in blinds * 2 + chance.choices(blinds, k=1000):
        status = chance.randrange(5)
        assert seen.meet(blind, status) == truth.get(blind)
        truth.setdefault(blind, status)
        if status > truth[blind]:
            seen.strengthen(blind, status)
            truth[blind] = status


def test_a_file_over_pieces_reads_like_the_file() -> None:
    chance = Random(5)
    data = chance.randbytes(10_000)
    asked: list[int] = []

    def piece(file: int, number: int) -> bytes:
        asked.append(number)
        return data[number * 512 : number * 512 + 512]

    file = PieceFile(0, 512, len(data), piece)
    for _ in range(300):
        at, size = chance.randrange(len(data) + 50), chance.choice([0, 1, 100, 5000])
        assert file.seek(at) == at
        assert file.read(size) == data[at : at + size][: max(0, 512 - at % 512)]
    file.seek(0)
    assert file.read(-1) == data
    assert file.seek(-3, 2) == len(data) - 3
    assert file.read() == data[-3:]


FACTS = ((1, "2024-03-01", False, b"words"), (2, "2024-03-02", True, b""))
ROWS = [
    (b"Ada", 2, "en", "2024-03-01", ("monthly", "Riga, LV"), FACTS, 2, -1),
    (b"", 0, "", "2024-03-02", (), (), 3, 1),
]


@pytest.mark.parametrize("rows", [ROWS, ROWS[1:], []], ids=len)
def test_a_slice_arrives_as_it_was_sent(rows: Any) -> None:
    complained = ["vera@post.example"]
    made = ReadSlice(
        0, "люди.csv", (0, 5, 1), 10, 20, rows, [(4, "bad_address", {"has": 3})], complained, ["x@post.example"]
    )
    frame = child_frames.receive(BytesIO(child_frames.framed(b"S", *subprocess_reader._columns(made))))
    assert frame is not None and subprocess_reader._value_or_raise(frame) == made


SIZES = [1, 0]
NAMED = [0, "a.csv", [0, 1, 0], 1, 1, []]
NAMES = [["en"], ["2024-03-01"], [[]], []]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (b"S", marshal.dumps([1])),
        (b"S", b"[]"),
        (b"S", json.dumps([NAMED, [1 << 60, 0], NAMES, [[], []]]).encode()),
        (b"S", json.dumps([NAMED, [-1, 0], NAMES, [[], []]]).encode()),
        (b"S", json.dumps([NAMED[:-1], SIZES, NAMES, [[], []]]).encode()),
        (b"S", json.dumps([NAMED, SIZES, NAMES, []]).encode()),
        (b"S", json.dumps([NAMED, [0, 0], [[], [], [], []], [[], []]]).encode()),
        (b"S", b"[" + b"[]," * child_frames.MOST_VALUES + b"[]]"),
        (b"S", b"[" * 100_000),
        (b"L", json.dumps(["csv", [{"columns": [], "__class__": 1}], []]).encode()),
        (b"L", b"7"),
        (b"?", b"7"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_reader_that_was_taken_over_makes_nothing_here_but_rows(kind: bytes, text: bytes) -> None:
    with pytest.raises(subprocess_reader.ReadingBroke):
        subprocess_reader._value_or_raise(child_frames.Frame(kind, text, bytes(64)))


class _Keys:
    index, index_version = {1: b"k" * 32, 2: b"n" * 32}, 2


def read(*rows: Any, **more: Any) -> ReadSlice:
    return ReadSlice(0, "a.csv", (0, len(rows), 0), 10, 10, list(rows), **more)


def row(address: str = "vera@post.example", **more: str) -> tuple[Any, ...]:
    values = {seal.ADDRESS: address} | {int(number[1:]): text for number, text in more.items()}
    return (seal.pack(values), 1, "en", "2026-11-25", (), (), 2, NEW)


def test_who_an_address_is_the_writer_says_and_no_reader() -> None:
    order_now = order(size=2)
    order_now.fields["CITY"] = 16
    addresses = ["Vera@post.example", "boris@post.example", "vera@post.example", "ada@gmail.com"]
    slices = list(in_order([read(*map(row, addresses[:2])), read(*map(row, addresses[2:]))], _Keys, order_now))  # type: ignore[arg-type]
    rows = [ParsedRow._make(row) for made in slices for row in made.rows]
    assert [len(made.rows) for made in slices] == [2, 2] and slices[-1].after == (0, 2, 0)
    assert [row.blind for row in rows] == sorted(seal.blind(b"n" * 32, address.lower()) for address in addresses)
    assert {row.older for row in rows} == {(seal.blind(b"k" * 32, address.lower()),) for address in addresses}
    assert sorted(row.provider for row in rows) == [0, 0, 0, 1]


def test_the_writer_holds_no_more_of_a_reader_that_was_taken_over_than_an_import_needs() -> None:
    slices = [read(row(), weight=stretches.HEAVIEST // 2 + 1) for _turn in range(3)]
    first = next(in_order(iter(slices), _Keys, order()))  # type: ignore[arg-type]
    assert (len(first.rows), first.after) == (1, slices[0].after)


@pytest.mark.parametrize(
    "taken",
    [
        read(row("Vera <vera@post.example>")),
        read(row("vera@POST.example")),
        read(row("")),
        read(row(_4="x@evil.example")),
        read(row(_17="not in the plan")),
        read((row()[0][:-1], *row()[1:])),
        read((b"", *row()[1:])),
        read(complained=[7]),
        read(planted=["no address"]),
    ],
)
def test_a_row_that_no_file_has_is_not_brought_in(taken: ReadSlice) -> None:
    """Another spelling would be a person who never left; where letters go to is no field of a file."""
    with pytest.raises(subprocess_reader.ReadingBroke):
        list(in_order([taken], _Keys, order()))  # type: ignore[arg-type]


@pytest.mark.parametrize(("at", "code"), [(1, 9), (1, -1), (7, 5)])
def test_a_status_that_no_file_tells_is_not_believed(at: int, code: int) -> None:
    cells = [*ROWS[0]]
    cells[at] = code
    _told(read(tuple(cells)))


@pytest.mark.parametrize("kind", ["returned", "objected"])
def test_no_reader_takes_a_leaving_back(kind: str) -> None:
    fact = (consent.KINDS.index(kind), *FACTS[0][1:])
    _told(read((*ROWS[0][:5], (fact,), *ROWS[0][6:])))


@pytest.mark.parametrize("at", [2, 3])
def test_a_language_or_a_day_that_is_no_text_is_not_believed(at: int) -> None:
    cells: list[Any] = [*ROWS[0]]
    cells[at] = 7
    _told(read(tuple(cells)))


def _told(made: ReadSlice) -> None:
    frame = child_frames.receive(BytesIO(child_frames.framed(b"S", *subprocess_reader._columns(made))))
    assert frame is not None
    with pytest.raises(subprocess_reader.ReadingBroke):
        subprocess_reader._value_or_raise(frame)


def test_a_reader_is_told_no_key() -> None:
    assert {field.name for field in fields(ReaderOrder)} == {
        "source", "import_files", "plan", "fields", "today", "basis", "start", "size"
    }  # fmt: skip


ASKS = f"import os, time; os.write(1, {child_frames.framed(b'P', [0, 0])!r} * 1000); time.sleep(600)"


@pytest.mark.parametrize("program", ["import time; time.sleep(600)", ASKS], ids=["sleeps", "asks on and reads nothing"])
@pytest.mark.parametrize("here", [False, True])
def test_a_reader_that_was_taken_over_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, program: str, here: bool
) -> None:
    taken = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    monkeypatch.setattr(processes, "reader", lambda _module: taken)
    monkeypatch.setattr(subprocess_reader, "WAITING", 0.01)
    with subprocess_reader.ReaderProcess(order(), lambda _file, _number: bytes(1000), here=here) as reading:
        with pytest.raises(subprocess_reader.BadFiles, match="more time or memory"):
            next(iter(reading))
    assert taken.returncode == -signal.SIGKILL


def test_a_reader_that_was_taken_over_fills_the_memory_of_nobody_who_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many slices as may wait, each as large as all of them may be together; the first one is being stored."""
    large = child_frames._head.pack(b"S", 0, 1000) + bytes(1000)
    evil = f"import os, time; os.write(1, {large!r} * 3); time.sleep(600)"
    taken = subprocess.Popen([sys.executable, "-c", evil], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    monkeypatch.setattr(processes, "reader", lambda _module: taken)
    monkeypatch.setattr(subprocess_reader, "MOST_WAITING", 1500)
    hold, held = subprocess_reader._ReaderProcess._hold, queue.Queue[str]()

    def asked(reading: Any, size: int) -> bool:
        held.put("asks")
        may = hold(reading, size)
        held.put("has")
        return may

    monkeypatch.setattr(subprocess_reader._ReaderProcess, "_hold", asked)
    with subprocess_reader.ReaderProcess(order(), None) as reading:
        assert [held.get(timeout=60) for _ in range(3)] == ["asks", "has", "asks"]
        assert held.empty() and reading._waiting.qsize() == 1, "the second is not read while the first one waits"
        assert reading._heard() is not None
        assert [held.get(timeout=60) for _ in range(2)] == ["has", "asks"]
    assert held.get(timeout=60) == "has", "and who stops lets it go"


def test_a_slice_that_is_larger_than_any_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess_reader, "MOST_WAITING", 100)
    reading = subprocess_reader.ReaderProcess(order(), None)
    assert child_frames.receive(BytesIO(child_frames.framed(b"S", None, bytes(101))), reading._hold) is None
    assert child_frames.receive(BytesIO(child_frames.framed(b"S", None, bytes(90))), reading._hold) is not None


def test_an_answer_of_gigabytes_is_not_waited_for() -> None:
    for sizes in ((child_frames.MOST_TEXT + 1, 0), (0, child_frames.MOST_DATA + 1)):
        assert child_frames.receive(BytesIO(child_frames._head.pack(b"S", *sizes) + bytes(100))) is None


def test_a_reader_opens_the_file_that_it_was_given(tmp_path: Path) -> None:
    rows = b"email\nada@post.example\n"
    with zipfile.ZipFile(tmp_path / "people.zip", "w") as box:
        box.writestr("people.csv", rows)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "people.csv").write_bytes(rows)
    (tmp_path / "people.xlsx").write_bytes(book({"people.csv": [["email"], ["ada@post.example"]]}))
    for name in ("people.zip", "folder", "people.xlsx"):
        found = subprocess_reader.found_beside([str(tmp_path / name)], None, None, thorough=True)
        assert [file.about_rows for file in found.files] == [1], found.problems
