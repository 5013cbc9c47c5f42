"""Reads the files of a plan, strongest suppression first, in slices that a killed import can go on after."""

from collections.abc import Iterator
from itertools import islice

from samizdat.importers.base import (
    START,
    SUPPRESSING,
    Batch,
    Complaint,
    FileFound,
    ImportFailed,
    Incoming,
    Plan,
    Position,
)
from samizdat.importers.convert import Convert, UnknownStatus, compile_file
from samizdat.importers.reading import Given, sound
from samizdat.importers.records import Flaw, Shape, records_of


def read(given: Given, plan: Plan, start: Position = START, size: int = 5_000) -> Iterator[Batch]:
    """Batches of at most `size` rows from `start` on. Raises ImportFailed for an unready plan or a torn file.

    Rows that were read before are read again and passed over, at the speed of csv.reader: zips cannot be entered
    in the middle.
    """
    if questions := plan.questions():
        first = questions[0]
        raise ImportFailed(first.code, **{"file": first.file, **first.values})
    files = plan.in_order()
    if any(file.member >= len(given.members) for file in files):
        raise ImportFailed("missing", file=files[-1].name)
    total = sum(file.size for file in files)
    done = sum(file.size for file in files[: start.file])
    for place in range(start.file, len(files)):
        skip = start.row if place == start.file else 0
        for batch in _file(given, plan, place, skip, size):
            yield _placed(batch, done, total)
        done += files[place].size


def _placed(batch: Batch, done: int, total: int) -> Batch:
    return Batch(
        batch.file,
        batch.name,
        batch.incoming,
        batch.complaints,
        batch.after,
        min(done + batch.bytes_read, total),
        total,
    )


def _file(given: Given, plan: Plan, place: int, skip: int, size: int) -> Iterator[Batch]:
    found = plan.in_order()[place]
    convert = compile_file(found, plan.layout())
    shape = shape_of(found)
    with sound(found.name):
        file = given.members[found.member].open()
    with file:
        records = records_of(file, shape)
        rows = iter(records)
        with sound(found.name):
            row = sum(1 for _ in islice(rows, skip))
        while True:
            with sound(found.name):
                taken, incoming, complaints = _slice(rows, size, convert, found, shape.address)
            if not taken:
                return
            row += taken
            yield Batch(place, found.name, incoming, complaints, Position(place, row), records.bytes_read, 0)


def _slice(
    rows: Iterator[tuple[int, list[str] | Flaw]], size: int, convert: Convert, found: FileFound, address: int
) -> tuple[int, list[Incoming], list[Complaint]]:
    """The next `size` records: how many there were, what came of them. Blank ones count and give nothing."""
    incoming: list[Incoming] = []
    complaints: list[Complaint] = []
    blank = 0
    forgiving = found.status in SUPPRESSING  # A no is heard, however it is written.
    for line, cells in islice(rows, size):
        if isinstance(cells, Flaw):
            complaints.append(Complaint(line, found.name, cells.code, cells.values))
        elif not forgiving and cells[address].lstrip().startswith(("#", "//")):
            complaints.append(Complaint(line, found.name, "commented", {}))
        elif cells[address] or any(cells):
            try:
                incoming.append(convert(line, cells))
            except UnknownStatus as unknown:
                complaints.append(Complaint(line, found.name, "unknown_status", {"word": unknown.word}))
        else:
            blank += 1
    return len(incoming) + len(complaints) + blank, incoming, complaints


def shape_of(found: FileFound) -> Shape:
    address = found.column("address")
    return Shape(
        encoding=found.encoding,
        delimiter=found.delimiter,
        skip=found.skip,
        width=len(found.columns),
        address=address.index if address else 0,
        forgiving=found.status in SUPPRESSING,
    )
