"""The newest sealed copy of each organization's settings, noted in the data folder: in the database an older one opens
as well as the newest (accounts/sealed_settings.py)."""

import shutil
from pathlib import Path

from samizdat import modes
from samizdat.options import data_folder


def _path(organization: int) -> Path:
    return data_folder() / "settings" / str(organization)


def noted(organization: int) -> bytes:
    """b"" for none, or where this process may not read it."""
    try:
        return _path(organization).read_bytes()
    except OSError:
        return b""


def note(organization: int, copy: bytes) -> None:
    """Errors: OSError."""
    path = _path(organization)
    modes.make_folder(path.parent)
    modes.replace_file(path, copy)


def forget() -> None:
    """The database is taken as it is, with settings of then."""
    shutil.rmtree(data_folder() / "settings", ignore_errors=True)
