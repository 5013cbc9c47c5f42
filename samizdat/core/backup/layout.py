"""How files of backups are called at a place."""

import re
from datetime import UTC, datetime

PIECES, SETS = "pieces", "sets"

_SET = re.compile(r"sets/([0-9]{8}t[0-9]{6})-([0-9a-f]{8})\.age")
_PIECE = re.compile(r"pieces/[0-9a-f]{2}/([0-9a-f]{64})\.age")
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
