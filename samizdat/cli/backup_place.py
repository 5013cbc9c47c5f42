"""The place of backups that a command line names."""

from pathlib import Path

from samizdat import plugins
from samizdat.cli.output import first_line


def opened(text: str, password_file: str | None) -> "plugins.Place":
    """text: a folder, or the URL of a place. Errors: PlaceError."""
    url = text if ":" in text.partition("/")[0] else Path(text).absolute().as_uri()
    return plugins.open_place(url, first_line(password_file) if password_file else "")
