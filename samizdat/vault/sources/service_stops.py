"""How often each key service had been stopped when this server last heard of it, in a file of the data folder: a stop
that was over before `samizdat serve` asked again is noticed by the next answer."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from samizdat import modes
from samizdat.options import data_folder

FILE = "key-services"


def was_stopped(before: Mapping[str, int], now: Mapping[str, int]) -> bool:
    """Whether one of them was stopped in between. Numbers are by the certificate of the service; one that wasn't there
    before, or that counts anew, says nothing."""
    return any(number > before.get(certificate, number) for certificate, number in now.items())


def was_missed(now: Mapping[str, int]) -> bool:
    """Whether one was stopped since `remember`; also where nobody can tell, for what was remembered is damaged."""
    before = _remembered()
    return before is None or was_stopped(before, now)


def remember(now: Mapping[str, int]) -> None:
    """Once what a stop asks for is done. Errors: OSError."""
    before = _remembered() or {}
    after = {**before, **now}
    if before == after and _path().exists():
        return
    new = _path().with_name(f"{FILE}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        modes.give_to_owner_of(new.parent, file.fileno())
        file.write(json.dumps(after, sort_keys=True).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(_path())


def _remembered() -> dict[str, int] | None:
    """Empty: nothing was heard yet. None: it can't be read."""
    try:
        known = json.loads(_path().read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(known, dict) or not all(type(number) is int for number in known.values()):
        return None
    return known


def _path() -> Path:
    return data_folder() / FILE
