"""Age keys as commands take them: on the command line, or in a file."""

from collections.abc import Iterable, Iterator
from pathlib import Path


def keys_of(recipients: Iterable[str]) -> Iterator[str]:
    """Keys as given, or the lines of a file of them."""
    for text in recipients:
        if text.startswith(("age1", "ssh-", "AGE-")) or not Path(text).is_file():
            yield text
            continue
        lines = Path(text).read_text("utf-8-sig").splitlines()
        yield from (line.strip() for line in lines if line.strip() and not line.startswith("#"))
