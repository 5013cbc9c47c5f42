"""Shares of a key at a terminal: shown or written as pages, and typed in again."""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samizdat.cli.output import CommandFailed, note, say, settings

if TYPE_CHECKING:
    from samizdat.vault.shares import Collected, SetDetails

# Words of a line that is a whole share by itself.
WHOLE = 20


def document(details: "SetDetails") -> dict[str, object]:
    return {
        "begins_with": details.first_words,
        "threshold": details.threshold,
        "count": details.count,
        "created": details.created,
        "practiced": details.practiced,
    }


def pages_in(folder: Path | None, count: int) -> list[Path]:
    """Files that are to be written; none without a folder. Errors: CommandFailed where one is there."""
    names = [f"share-{number}-of-{count}.html" for number in range(1, count + 1)] if folder else []
    return [new_path(folder / name) for name in names if folder]


def new_path(path: Path) -> Path:
    path = path.absolute()
    if path.exists():
        raise CommandFailed(f"{path} exists already, and nothing is overwritten. Move it away, or use --to.", "exists")
    return path


def write_pages(paths: list[Path], words: list[str], details: "SetDetails", mark: str, language: str) -> None:
    from samizdat.vault import share_pages
    from samizdat.vault.sources.key_file import write_key_text

    paths[0].parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number, path in enumerate(paths, 1):
        write_key_text(path, share_pages.as_html(words[number - 1], number, details, mark, language))


def after_pages(folder: Path, details: "SetDetails") -> list[str]:
    return [
        f"{details.count} pages are in {folder}. Print each for another person.",
        f"Then delete the files: on a disk, they are the key. `samizdat {_practice(details)}` tries the printed ones.",
    ]


def _practice(details: "SetDetails") -> str:
    return "keys strict practice" if details.organization else "keys practice"


def say_new(
    words: list[str], details: "SetDetails", mark: str, folder: Path | None, paths: list[Path], language: str
) -> None:
    """Writes or shows the shares of a set that was just made."""
    facts = {**document(details), "fingerprint": mark}
    if folder:
        write_pages(paths, words, details, mark, language)
        say({**facts, "files": [str(path) for path in paths]}, *after_pages(folder, details))
        return
    if settings().json:
        say({**facts, "shares": words})
        return
    show(words, details, mark)
    note("Nothing of this is stored here. Check that each was copied without a mistake: samizdat " + _practice(details))


def show(words: list[str], details: "SetDetails", mark: str) -> None:
    """Where somebody looks, one after the other."""
    from samizdat.vault import share_pages

    for number, each in enumerate(words, 1):
        say({}, *share_pages.as_lines(each, number, details, mark))
        if number < len(words) and sys.stdin.isatty() and sys.stdout.isatty():
            click.pause("Copy it, then press a key for the next share.", err=True)


def entered(collected: "Collected") -> bytes:
    """The key that the shares on standard input give. Errors: CommandFailed, VaultError."""
    from samizdat.core.crypto.share_words import ShareError

    asks = sys.stdin.isatty() and not settings().json
    _ask_for_share(collected, asks)
    for typed in _shares_in(sys.stdin):
        try:
            collected.add(typed)
        except ShareError as error:
            if not asks:
                raise CommandFailed(str(error), "share_refused") from None
            note(str(error))
        if collected.missing == 0:
            break
        _ask_for_share(collected, asks)
    return collected.key()


def _ask_for_share(collected: "Collected", asks: bool) -> None:
    if asks:
        more = "" if collected.missing is None else f" ({collected.missing} more needed)"
        note(f"Type the words of a share, in one line or several{more}:")


def _shares_in(lines: Iterable[str]) -> Iterator[str]:
    """A share is one long line or several short ones; an empty line ends it."""
    typed: list[str] = []
    for line in lines:
        words = re.findall(r"[^\W\d_]+", line)
        typed += words
        if typed and (len(words) > WHOLE or len(typed) >= 33 or not words):
            yield " ".join(typed)
            typed = []
    if typed:
        yield " ".join(typed)
