"""What letters and mails to readers say by themselves, with the house's own words in place of ours.

Ours are in core/content/phrases. A house that says something otherwise keeps a folder (SAMIZDAT_WORDS) with a file for
each language, which holds only the words that differ: docs/languages.md.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from samizdat.core.content.phrases import PhraseTable, flat, has_words, known, language_for, spoken
from samizdat.options import option

_HOLE = re.compile(r"%\(\w+\)s")


@dataclass(frozen=True, slots=True)
class PhraseOverrides:
    """A file of the house: the words of it that can be said, and a sentence for each that cannot."""

    words: Mapping[str, str]
    wrong: tuple[str, ...] = ()


def words(language: str) -> PhraseTable:
    """The words for a letter, or a mail to a reader, in this language."""
    return PhraseTable(language, _own(language_for(language)).words)


def words_to(language: str, organization: str) -> PhraseTable:
    """For a mail to one reader: in their language where there are words for it, else in that of the organization."""
    return words(language if has_words(language) else organization)


def wrong() -> Iterator[str]:
    """What is wrong with the house's own words, a sentence each; letters say ours in their place."""
    folder = option("SAMIZDAT_WORDS")
    if folder and not Path(folder).is_dir():
        yield f"{folder} is not there. Make it, or take SAMIZDAT_WORDS away."
    for path in sorted(Path(folder).glob("*.toml")) if folder else ():
        if path.stem in known():
            yield from _own(path.stem).wrong
        else:
            yield f"{path}: there is no language {path.stem} yet. Known are: {', '.join(known())}."


def _own(language: str) -> PhraseOverrides:
    folder = option("SAMIZDAT_WORDS")
    if not folder:
        return PhraseOverrides({})
    path = Path(folder, f"{language}.toml")
    try:
        # A file that was changed is read again, so nothing has to be started anew.
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return PhraseOverrides({})


@lru_cache(maxsize=64)
def _read(path: Path, changed: int) -> PhraseOverrides:
    try:
        parsed = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        return PhraseOverrides({}, (f"{path} cannot be read: {problem}. Letters say our own words.",))
    ours, overrides, wrong = spoken(path.stem).words, dict[str, str](), []
    tables = {table: value for table, value in parsed.items() if isinstance(value, dict)}
    for name, text in flat(tables).items():
        if name not in ours or not isinstance(text, str) or not text.strip():
            wrong.append(f"{path}: there is no word {name}, or it is empty. Take it out.")
        elif sorted(_HOLE.findall(text)) != sorted(_HOLE.findall(ours[name])) or "%" in _HOLE.sub("", text):
            holes = " and ".join(_HOLE.findall(ours[name]))
            wrong.append(f"{path}: {name} needs {holes or 'no %'}, as ours has.")
        else:
            overrides[name] = text
    return PhraseOverrides(overrides, tuple(wrong))
