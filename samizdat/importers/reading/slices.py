"""Reads the files of a plan, strongest suppression first, in slices that a killed import can go on after."""

from collections.abc import Iterator
from itertools import islice

from samizdat.core.imports import (
    START,
    SUPPRESSING,
    DetectedFile,
    ImportBatch,
    ImportFailed,
    ImportPlan,
    IncomingRow,
    Position,
    RowError,
)
from samizdat.importers.reading.convert import Convert, UnknownStatus, compile_file
from samizdat.importers.reading.files import GivenFile, sound
from samizdat.importers.reading.records import RecordProblem, RecordShape, records_of


def read(given: GivenFile, plan: ImportPlan, start: Position = START, size: int = 5_000) -> Iterator[ImportBatch]:
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


def _placed(batch: ImportBatch, done: int, total: int) -> ImportBatch:
    return ImportBatch(
        batch.file,
        batch.name,
        batch.incoming,
        batch.complaints,
        batch.after,
        min(done + batch.bytes_read, total),
        total,
    )


def _file(given: GivenFile, plan: ImportPlan, place: int, skip: int, size: int) -> Iterator[ImportBatch]:
    detected_file = plan.in_order()[place]
    convert = compile_file(detected_file, plan.layout())
    shape = shape_of(detected_file)
    with sound(detected_file.name):
        file = given.members[detected_file.member].open()
    with file:
        records = records_of(file, shape)
        rows = iter(records)
        with sound(detected_file.name):
            row = sum(1 for _ in islice(rows, skip))
        while True:
            with sound(detected_file.name):
                taken, incoming, complaints = _slice(rows, size, convert, detected_file, shape.address)
            if not taken:
                return
            row += taken
            yield ImportBatch(
                place, detected_file.name, incoming, complaints, Position(place, row), records.bytes_read, 0
            )


def _slice(
    rows: Iterator[tuple[int, list[str] | RecordProblem]],
    size: int,
    convert: Convert,
    file: DetectedFile,
    address: int,
) -> tuple[int, list[IncomingRow], list[RowError]]:
    """The next `size` records: how many there were, what came of them. Blank ones count and give nothing."""
    incoming: list[IncomingRow] = []
    complaints: list[RowError] = []
    blank = 0
    forgiving = file.status in SUPPRESSING  # A no is heard, however it is written.
    for line, cells in islice(rows, size):
        if isinstance(cells, RecordProblem):
            complaints.append(RowError(line, file.name, cells.code, cells.values))
        elif not forgiving and cells[address].lstrip().startswith(("#", "//")):
            complaints.append(RowError(line, file.name, "commented", {}))
        elif cells[address] or any(cells):
            try:
                incoming.append(convert(line, cells))
            except UnknownStatus as unknown:
                complaints.append(RowError(line, file.name, "unknown_status", {"word": unknown.word}))
        else:
            blank += 1
    return len(incoming) + len(complaints) + blank, incoming, complaints


def shape_of(file: DetectedFile) -> RecordShape:
    address = file.column("address")
    return RecordShape(
        encoding=file.encoding,
        delimiter=file.delimiter,
        skip=file.skip,
        width=len(file.columns),
        address=address.index if address else 0,
        forgiving=file.status in SUPPRESSING,
    )
