"""From what a person gave to a plan: which importer, what each column becomes, what must be asked first."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from samizdat import plugins
from samizdat.audience.errors import ImportRefused
from samizdat.audience.imports.documents import NO_OPTIONS, ImportOptions
from samizdat.audience.imports.reading import detect
from samizdat.audience.imports.reading.parse import AskPiece, HandedFile
from samizdat.audience.imports.reading.subprocess_reader import BadFiles, found_beside
from samizdat.audience.limits import COLUMNS
from samizdat.core.crypto import seal
from samizdat.core.imports import BadPlan, DetectedFile, DetectedFiles, ImportPlan, Problem

# Below this another process takes longer to start than it saves.
WORTH_A_PROCESS = 4 << 20
HELD_PIECE = 1 << 20  # bytes of a piece of what is held in memory


class HeldUpload(NamedTuple):
    """A file in memory: pasted, or read from a pipe. It never touches the disk."""

    name: str
    data: bytes


class UploadedFile(NamedTuple):
    """A file that was uploaded, by its sealed pieces. `mark`: tells it from all others."""

    name: str
    size: int
    piece: AskPiece
    mark: str


type ImportFile = str | os.PathLike[str] | HeldUpload | UploadedFile


def handed(import_files: Sequence[ImportFile]) -> list[HandedFile]:
    """Files as an order has them, paths absolute."""
    return [
        (import_file.name, HELD_PIECE, len(import_file.data))
        if isinstance(import_file, HeldUpload)
        else (import_file.name, HELD_PIECE, import_file.size)
        if isinstance(import_file, UploadedFile)
        else str(Path(import_file).absolute())
        for import_file in import_files
    ]


def pieces_of(import_files: Sequence[ImportFile]) -> AskPiece | None:
    """Gives the pieces of what is held."""
    if not any(isinstance(import_file, HeldUpload | UploadedFile) for import_file in import_files):
        return None

    def piece(file: int, number: int) -> bytes:
        held = import_files[file]
        if isinstance(held, UploadedFile):
            return held.piece(0, number)
        assert isinstance(held, HeldUpload)
        return held.data[number * HELD_PIECE : (number + 1) * HELD_PIECE]

    return piece


def found_in(
    import_files: Sequence[HandedFile], source: str | None, piece: AskPiece | None = None, *, thorough: bool
) -> DetectedFiles:
    """`source`: an importer's name, None: whoever knows the files. Errors: ImportRefused, ReadingBroke."""
    look = detect.found_in if is_plain(import_files, piece) else found_beside
    try:
        detection = look(import_files, source, piece, thorough=thorough)
    except BadFiles as bad:
        raise ImportRefused(bad.code, str(bad), bad.values) from bad
    stopping = [problem for problem in detection.problems if problem.stops]
    if not detection.files:
        code = stopping[0].code if stopping else "no_files"
        raise ImportRefused(code, detection.sentence(), dict(stopping[0].values) if stopping else {})
    if sum(len(file.columns) for file in detection.files) > COLUMNS:
        problem = Problem("many_columns", detection.files[0].name, {"limit": COLUMNS})
        raise ImportRefused(problem.code, problem.sentence(), dict(problem.values))
    return detection


def is_plain(import_files: Sequence[HandedFile], piece: AskPiece | None) -> bool:
    """Whether all of it is text in rows, which streams by. Workbooks and documents may be made to unfold."""
    return plugins.is_plain(detect.opened(import_files, piece))


def needs_a_process(plan: ImportPlan, import_files: Sequence[HandedFile], piece: AskPiece | None) -> bool:
    """Whether it is read beside us: because that is quicker, or because it may break whoever reads it."""
    return sum(file.size for file in plan.in_order()) > WORTH_A_PROCESS or not is_plain(import_files, piece)


def insist(plan: ImportPlan, problems: Sequence[Problem] = ()) -> None:
    """Raises ImportRefused when a file is damaged or something must be answered before the plan can be read.

    Half an export would bring in whoever left and not see that they left, so one damaged file stops all.
    """
    for problem in [problem for problem in problems if problem.stops] + plan.questions():
        raise ImportRefused(problem.code, problem.sentence(), dict(problem.values))


def answer(plan: ImportPlan, maps: Sequence[str], means: Sequence[str]) -> None:
    """Changes a plan by what was said on the command line. Errors: ImportRefused."""
    try:
        plugins.answer(plan, maps, means)
    except BadPlan as wrong:
        raise ImportRefused("bad_answer", str(wrong)) from wrong


def table(plan: ImportPlan) -> list[dict[str, Any]]:
    """Every column of a plan and what it becomes, with every word of those that tell a status."""
    return plugins.list_columns(plan)


def advice(plan: ImportPlan) -> str:
    """The options of `samizdat import` that answer what is asked about columns."""
    return plugins.advise(plan)


def insist_on_status(plan: ImportPlan) -> None:
    """Raises ImportRefused for the first file whose people we would only take for subscribed."""
    for file in plan.in_order():
        if file.status_source == "assumed":
            problem = Problem("ask_status", file.name)
            raise ImportRefused(problem.code, problem.sentence(), dict(problem.values))


def show_again(plan: ImportPlan, files: Sequence[DetectedFile]) -> None:
    """Gives a plan that was kept the examples of its columns: they are a person's data, and are never kept with it."""
    shown = {(file.member, column.index): column for file in files for column in file.columns}
    for file in plan.files:
        for column in file.columns:
            if fresh := shown.get((file.member, column.index)):
                column.example, column.seen = fresh.example, fresh.seen
                plugins.ask_again(column)


def fingerprints(
    index_keys: Iterable[bytes],
    list_id: int,
    import_files: Sequence[ImportFile],
    options: ImportOptions = NO_OPTIONS,
) -> list[bytes]:
    """Under each of these keys: a keyed hash over what the files hold, which list they go to and what was asked of
    them. It tells that the same export is given again.

    Keyed, because a hash of a known export would prove that this house has it.
    """
    whole = hashlib.sha256()
    for held in (import_file for import_file in import_files if isinstance(import_file, HeldUpload)):
        whole.update(hashlib.sha256(held.data).digest())
    for uploaded in (import_file for import_file in import_files if isinstance(import_file, UploadedFile)):
        whole.update(uploaded.mark.encode())
    paths = [import_file for import_file in import_files if not isinstance(import_file, HeldUpload | UploadedFile)]
    for path in _files(paths):
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    if options != NO_OPTIONS:
        whole.update(repr((options.update_only, sorted(options.tags))).encode())
    if options.appeals:
        whole.update(options.appeals.encode())
    if options.audience is not None:
        whole.update(f"audience {options.audience}".encode())
    return [seal.keyed_hash(key, f"import:{list_id}:{whole.hexdigest()}") for key in index_keys]


def _files(import_files: Sequence[str | os.PathLike[str]]) -> Iterator[Path]:
    for import_file in map(Path, import_files):
        if import_file.is_dir():
            yield from sorted(path for path in import_file.rglob("*") if path.is_file())
        else:
            yield import_file
