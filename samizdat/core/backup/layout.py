"""How files of backups are called at a place."""

import re
from datetime import UTC, datetime

from samizdat.core.backup.tail import TailName

PIECES, SETS, TAILS = "pieces", "sets", "tails"

_SET = re.compile(r"sets/([0-9]{8}t[0-9]{6})-([0-9a-f]{8})\.age")
_PIECE = re.compile(r"pieces/[0-9a-f]{2}/([0-9a-f]{64})\.age")
_TAIL = re.compile(r"tails/[0-9]{8}t[0-9]{6}-[0-9a-f]{8}/([0-9]{6})-([0-9]{8})-([0-9a-f]{32})\.age")
_TAILED = re.compile(r"tails/([0-9]{8}t[0-9]{6}-[0-9a-f]{8})/.+")
_TIME = "%Y%m%dt%H%M%S"


def piece_path(name: str) -> str:
    return f"{PIECES}/{name[:2]}/{name}.age"


def piece_name(path: str) -> str | None:
    """None of a file that is no piece."""
    match = _PIECE.fullmatch(path)
    return match[1] if match else None


def set_path(time: datetime, digest: str) -> str:
    """time: with a zone; digest: hex digits, of which eight are written."""
    return f"{SETS}/{time.astimezone(UTC).strftime(_TIME)}-{digest[:8]}.age"


def set_time(path: str) -> datetime | None:
    """None of a file that is no copy."""
    match = _SET.fullmatch(path)
    return datetime.strptime(match[1], _TIME).replace(tzinfo=UTC) if match else None


def tail_folder(path: str) -> str:
    """Where the tail of a copy lies. path: of its manifest."""
    return f"{TAILS}/{path.removeprefix(f'{SETS}/').removesuffix('.age')}"


def tail_path(path: str, run: int, number: int, digest: str) -> str:
    """path: of the manifest that it continues."""
    return f"{tail_folder(path)}/{run:06d}-{number:08d}-{digest}.age"


def base_path(path: str) -> str:
    """What a tail begins from: of which rows the copy has which state."""
    return f"{tail_folder(path)}/base.age"


def tail_name(path: str) -> TailName | None:
    """None of a file that is no part of a tail."""
    match = _TAIL.fullmatch(path)
    return TailName(int(match[1]), int(match[2]), match[3], path) if match else None


def tailed_set(path: str) -> str | None:
    """The manifest of the copy whose tail this file belongs to; None of another file."""
    match = _TAILED.fullmatch(path)
    return f"{SETS}/{match[1]}.age" if match else None
