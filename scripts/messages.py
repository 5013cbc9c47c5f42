"""Collects what is to be translated and compiles the translations. `.venv/bin/python scripts/messages.py`.

    python scripts/messages.py           brings every .po up to date with the code and compiles it
    python scripts/messages.py --check   changes nothing; says what is stale, empty or fuzzy, and fails then

The tables of core and of the importers hold plain English sentences that the doors translate by code; makemessages
cannot see that, so it reads a copy of the code in which every sentence of TABLES stands marked under its table, and
what a transport or a condition of segments says of itself under its class.
"""

import argparse
import gettext
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.settings")

import django  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.management.commands import makemessages  # noqa: E402

django.setup()

from samizdat import plugins  # noqa: E402
from samizdat.core.segment import registry  # noqa: E402

LANGUAGES = ("ru",)

# Folder with a `locale` of its own -> folders below it that have theirs or are not code to translate.
# The public process knows its own catalogue alone, and the house does not load it.
CATALOGUES = {"samizdat": ("samizdat/public",), "samizdat/public": ()}

# Where sentences stand that reach gettext as a value: module, name of the table (code -> sentence).
TABLES = (
    ("samizdat.core.mail.address", "_SENTENCES"),
    ("samizdat.core.mail.dkim", "BAD_KEYS"),
    ("samizdat.core.fields", "_SENTENCES"),
    ("samizdat.core.content.mergetable", "WORDS"),
    ("samizdat.core.content.problems", "SENTENCES"),
    ("samizdat.core.mail.outcome", "ACTORS"),
    ("samizdat.core.mail.outcome", "REASONS"),
    ("samizdat.core.mail.refusals", "REASONS"),
    ("samizdat.core.mail.suppression_rules", "REASONS"),
    ("samizdat.core.mail.suppression_rules", "HELD"),
    ("samizdat.core.mail.rate", "SENTENCES"),
    ("samizdat.core.mail.sender_check", "SENTENCES"),
    ("samizdat.core.segment.errors", "SENTENCES"),
    ("samizdat.core.segment.describe", "JOINTS"),
    ("samizdat.core.content.templates.notes", "SENTENCES"),
    ("samizdat.core.imports", "SENTENCES"),
    ("samizdat.plugins", "SENTENCES"),
    ("samizdat.transports.base", "SENTENCES"),
    ("samizdat.transports.webhooks", "SENTENCES"),
    ("samizdat.places.base", "SENTENCES"),
    ("samizdat.importers.accounts.base", "SENTENCES"),
    ("samizdat.health.words", "SENTENCES"),
    ("samizdat.health.words", "PLACES"),
    ("samizdat.health.words", "STATES"),
)

# Words of Django's that we say otherwise, marked under the file that shows them: its short Russian weekdays are "Чтв",
# and a moment here reads "чт 26 ноября, 10:00". Ours win, because LOCALE_PATHS comes first.
BORROWED = ("samizdat.web.templatetags.desk", ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))

TOOLS = ("xgettext", "msguniq", "msgmerge", "msgattrib", "msgfmt")


class CannotRun(Exception):
    """A sentence that says what to install."""


# -- reading a catalogue ----------------------------------------


@dataclass(slots=True)
class Entry:
    """One message: `texts` has one text, or one for each plural form."""

    context: str = ""
    english: str = ""
    plural: str = ""
    texts: dict[int, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.context, self.english, self.plural


def entries(text: str) -> list[Entry]:
    """Every live message of a .po, the header left out. What is commented out (#~) is no message."""
    found = []
    for block in text.split("\n\n"):
        entry = _entry(block)
        if entry.english:
            found.append(entry)
    return found


def _entry(block: str) -> Entry:
    entry, into = Entry(), ""
    raw: dict[str, str] = {}
    for line in block.splitlines():
        if line.startswith("#,"):
            entry.flags |= {flag.strip() for flag in line[2:].split(",")}
        elif line.startswith("#") or not line.strip():
            continue
        elif line.startswith('"'):
            raw[into] += _unquoted(line)
        else:
            into, _, rest = line.partition(" ")
            raw[into] = _unquoted(rest)
    entry.context, entry.english, entry.plural = (raw.get(name, "") for name in ("msgctxt", "msgid", "msgid_plural"))
    texts = (name for name in raw if name.startswith("msgstr"))
    entry.texts = {int(name[7:-1] or 0) if name[6:] else 0: raw[name] for name in texts}
    return entry


def _unquoted(text: str) -> str:
    inner = text.strip()[1:-1]
    return inner.replace('\\"', '"').replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\")


# -- collecting ----------------------------------------


class Command(makemessages.Command):
    """Django's, with the short name that tables of words use, and blind to settings: folders alone decide."""

    settings_available = False
    xgettext_options = [*makemessages.Command.xgettext_options, "--keyword=lazy"]


def collected(folder: str, language: str) -> str:
    """What the .po of this folder should be now: the old texts, brought up to date with the code."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        _copy_code(copy, folder)
        with chdir(copy):
            _make_messages(language)
        return _quiet((copy / po(folder, language)).read_text(encoding="utf-8"))


def po(folder: str, language: str) -> Path:
    return Path(folder, "locale", language, "LC_MESSAGES", "django.po")


def _copy_code(copy: Path, folder: str) -> None:
    elsewhere = CATALOGUES[folder]
    for path in sorted((HERE / folder).rglob("*")):
        place = path.relative_to(HERE)
        if path.suffix not in (".py", ".html", ".po") or any(place.is_relative_to(other) for other in elsewhere):
            continue
        (copy / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy / place)
    (copy / folder / "locale").mkdir(exist_ok=True)
    for module, name in TABLES:
        _mark(copy, module, table(module, name).values())
    for plug in [*transports(), *map(type, plugins.webhooks().values())]:
        _mark(copy, plug.__module__, plug.sentences())
    for kind in registry.kinds():
        for context, sentence in kind.sentences():
            _mark(copy, kind.__module__, [sentence], context)
    _mark(copy, *BORROWED)


def table(module: str, name: str) -> Mapping[str, str]:
    """A table of sentences, by the names in TABLES."""
    found: Mapping[str, str] = getattr(importlib.import_module(module), name)
    return found


def transports() -> list[type[plugins.BaseTransport]]:
    """Ways out, whose own words stand in forms."""
    return list(dict.fromkeys(plugins.transports().values()))


def _mark(copy: Path, module: str, sentences: Iterable[str], context: str = "") -> None:
    """Adds the sentences to the end of a module of the copy, as literals that makemessages finds."""
    place = copy / (module.replace(".", "/") + ".py")
    call = f"pgettext({context!r}, " if context else "gettext_noop("
    if place.exists():
        with place.open("a", encoding="utf-8") as file:
            file.writelines(f"{call}{sentence!r})\n" for sentence in sentences)


def _make_messages(language: str) -> None:
    # One line a text and no line numbers: a change of the code elsewhere changes nothing here.
    call_command(Command(), locale=[language], no_obsolete=True, no_wrap=True, add_location="file", verbosity=0)


def _quiet(text: str) -> str:
    """Without the moment at which it was made: two people who run this get the same file."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith('"POT-Creation-Date:'))


# -- compiling ----------------------------------------


def compile_po(source: Path, target: Path) -> None:
    command = ["msgfmt", "--check-format", "--output-file", str(target), str(source)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise CannotRun(f"{source.name} is no catalogue. Correct it and run this again.\n{done.stderr.strip()}")


def texts_of(compiled: Path) -> dict[Any, str]:
    """What a .mo says. Compared instead of bytes, which differ between versions of msgfmt."""
    with compiled.open("rb") as file:
        return dict(gettext.GNUTranslations(file)._catalog)  # type: ignore[attr-defined]


# -- the two ways to run ----------------------------------------


def refresh() -> None:
    """Writes every .po and .mo anew."""
    _need_tools()
    for folder, language in _all():
        place = HERE / po(folder, language)
        text = collected(folder, language)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        compile_po(place, place.with_suffix(".mo"))


def complaints() -> list[str]:
    """What keeps the catalogues from being whole, a sentence each; empty when all is well."""
    _need_tools()
    return [sentence for folder, language in _all() for sentence in _complaints(folder, language)]


def _complaints(folder: str, language: str) -> Iterator[str]:
    place = po(folder, language)
    if not (HERE / place).exists():
        yield f"{place} is missing. Run scripts/messages.py."
        return
    here = entries((HERE / place).read_text(encoding="utf-8"))
    known, wanted = {entry.key for entry in here}, {entry.key for entry in entries(collected(folder, language))}
    for key in sorted(wanted - known):
        yield f"{place} lacks “{key[1]}”. Run scripts/messages.py and translate it."
    for key in sorted(known - wanted):
        yield f"{place} has “{key[1]}”, which the code no longer says. Run scripts/messages.py."
    for entry in here:
        if "fuzzy" in entry.flags:
            yield f"{place}: “{entry.english}” was only guessed. Correct it and take the word fuzzy away."
        if not all(entry.texts.values()):
            yield f"{place}: “{entry.english}” is not translated. Write it."
    yield from _stale(place)


def _stale(place: Path) -> Iterator[str]:
    compiled = (HERE / place).with_suffix(".mo")
    with tempfile.TemporaryDirectory() as name:
        fresh = Path(name, "fresh.mo")
        compile_po(HERE / place, fresh)
        if not compiled.exists() or texts_of(compiled) != texts_of(fresh):
            yield f"{place.with_suffix('.mo')} is not what the .po says. Run scripts/messages.py."


def _all() -> list[tuple[str, str]]:
    return [(folder, language) for folder in CATALOGUES for language in LANGUAGES]


def _need_tools() -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise CannotRun(f"{', '.join(missing)} cannot be found. Install gettext: apt-get install gettext")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when something is missing")
    try:
        if not parser.parse_args().check:
            refresh()
        found = complaints()
    except CannotRun as reason:
        raise SystemExit(str(reason)) from None
    if found:
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    main()
