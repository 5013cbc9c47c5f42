"""Files of the data folder that go along: mail that waits for the worker, and journals of senders."""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from samizdat import mail_spool
from samizdat.backup.errors import BackupRefused
from samizdat.backup.sources import CopiedTable
from samizdat.core.backup.manifest import FOLDER
from samizdat.core.backup.rows import Row
from samizdat.delivery.engine import journal
from samizdat.options import data_folder

SPOOL = CopiedTable("spool", FOLDER, ("path", "offset", "data"), ("text", "number", "bytes"), ("path", "offset"))
JOURNALS = CopiedTable("journals", FOLDER, SPOOL.columns, SPOOL.kinds, SPOOL.key)

# Bytes of files that make a piece.
PART = 4 << 20
# Seconds: a journal that was put aside since then may hold answers that the snapshot has not.
LATELY = 3600.0


def spool() -> Iterator[list[Row]]:
    """Read before the snapshot: what the worker takes up meanwhile is in the database as well, and nothing is lost."""
    portions = mail_spool.waiting(mail_spool.folder())
    return parts_of(path for portion in portions for path in portion)


def journals(since: float) -> Iterator[list[Row]]:
    """Read after the snapshot: they know of all that was sent until then. since: when it was, in seconds since 1970."""
    kept = [path for path in journal.kept_folder().iterdir() if _changed(path) > since - LATELY]
    current = [path for path in journal.folder().iterdir() if path.is_file()]
    return parts_of(sorted([*current, *kept]))


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def parts_of(files: Iterable[Path]) -> Iterator[list[Row]]:
    held, size = list[Row](), 0
    for path in files:
        name = path.relative_to(data_folder()).as_posix()
        for offset, data in _read(path):
            held.append((name, offset, data))
            size += len(data)
            if size >= PART:
                yield held
                held, size = [], 0
    if held:
        yield held


def part_of(path: Path, begin: int, end: int) -> list[Row]:
    """Errors: FileNotFoundError, of a file that has gone meanwhile."""
    name, rows = path.relative_to(data_folder()).as_posix(), list[Row]()
    with open(path, "rb") as file:
        file.seek(begin)
        while begin < end and (data := file.read(min(PART, end - begin))):
            rows.append((name, begin, data))
            begin += len(data)
    return rows


def _read(path: Path) -> Iterator[tuple[int, bytes]]:
    """A file that has gone meanwhile was taken up, and is in the database."""
    try:
        with open(path, "rb") as file:
            offset = 0
            while (data := file.read(PART)) or not offset:
                yield offset, data
                offset += len(data)
                if len(data) < PART:
                    return
    except FileNotFoundError:
        return


def put_back(folder: Path, rows: Iterable[Row]) -> None:
    """Writes parts of files into a data folder. Errors: BackupRefused, of a name that leads out of it."""
    for name, offset, data in rows:
        path = _inside(folder, name)
        if not isinstance(offset, int) or not isinstance(data, bytes):
            raise _odd_name()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(data)


def go_on(folder: Path, gone: Iterable[Row], rows: Sequence[Row]) -> None:
    """What a tail says of files in a data folder; a journal that was put aside meanwhile is moved along. Errors:
    BackupRefused, as above."""
    for (name,) in gone:
        _inside(folder, name).unlink(missing_ok=True)
    for name in {row[0] for row in rows}:
        path = _inside(folder, name)
        before = path.parent.parent / path.name
        if path.parent.name == journal.KEPT and before.is_file():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            before.replace(path)
    put_back(folder, rows)


def _inside(folder: Path, name: object) -> Path:
    parts = str(name).split("/")
    if parts[0] not in (mail_spool.FOLDER, "journals") or {"", ".", ".."} & set(parts):
        raise _odd_name()
    return folder.joinpath(*parts)


def _odd_name() -> BackupRefused:
    return BackupRefused(
        "damaged", "A file in this backup has a name that no backup writes. Restore another backup with --copy."
    )


def now() -> float:
    """Seconds since 1970 by the clock that files are dated with."""
    return time.time()
