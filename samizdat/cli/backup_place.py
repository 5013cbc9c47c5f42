"""The place of backups that a command line names."""

from pathlib import Path

from samizdat import plugins
from samizdat.cli.output import first_line


def opened(text: str, password_file: str | None) -> "plugins.Place":
    """text: a folder, or the URL of a place. Errors: PlaceError."""
    url = text if ":" in text.partition("/")[0] else Path(text).absolute().as_uri()
    return plugins.open_place(url, _secret(password_file) if password_file else "")


def _secret(file: str) -> str:
    """The first line: a password. All of it where it's a private key, for SFTP."""
    first = first_line(file)
    return Path(file).read_text("utf-8-sig") if first.startswith("-----BEGIN ") else first
