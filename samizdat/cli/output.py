"""What every command shares: --json, --organization, sentences on failure, exit codes, progress.

Exit codes (design.md, section 8): 0 done, 1 refused or failed with a sentence that says what to do, 2 wrong usage.
With --json one document is printed on standard output and nothing else there; nothing is asked.
"""

import functools
import json
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import click

from samizdat.cli.secret_arguments import SHOWN, asked_for, was_shown
from samizdat.core.unsafe_text import escaped, one_line
from samizdat.options import option


class CommandFailed(Exception):
    """A command cannot do what was asked. `code` for scripts, the text for the person, `document` beside them.

    `lines` is what was found out all the same: for standard output, as if it had gone well.
    """

    def __init__(
        self,
        sentence: str,
        code: str = "failed",
        document: Mapping[str, object] | None = None,
        lines: Sequence[str] = (),
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.document = document or {}
        self.lines = lines


@dataclass
class OutputSettings:
    """The options every command takes, wherever on the line they stand."""

    json: bool = False
    organization: str | None = None
    debug: bool = False
    yes: bool = False
    notes: list[str] = field(default_factory=list)


def settings() -> OutputSettings:
    return click.get_current_context().ensure_object(OutputSettings)


# A sentence of ours names commands as `samizdat WORD`; in a clone they are called by ./run, which says so.
_OURS = re.compile(
    r"\bsamizdat (?=(?:init|serve|worker|doctor|upgrade|person|domain|list|import|rescue|export|subscribers|segment|"
    r"tag|paper|log|change|campaign|template|archive|route|bounce|mail|report|seed|inbox|demo|backup|restore|release|move|organization|"
    r"form|completion|keys|keyservice|api-key|standing-copy|webhook|fundraiser)\b)"
)


def called() -> str:
    """How this command was called."""
    return option("SAMIZDAT_COMMAND") or "samizdat"


def as_called(line: str) -> str:
    return _OURS.sub(lambda _: called() + " ", line)


def say(document: object, *lines: str) -> None:
    """Prints the document with --json, the lines otherwise: each is one line, since names, answers of relays and what
    subscribers write are others' words, and a terminal obeys what is hidden in them."""
    if settings().json:
        print_document(document)
    else:
        for line in lines:
            print(as_called(one_line(line)), flush=True)


def print_document(document: object) -> None:
    """One line of JSON, also without --json: for what is a document for each of many."""
    print(escaped(json.dumps(document, ensure_ascii=False, default=_as_json)), flush=True)


def _as_json(value: object) -> str | list[object]:
    """What JSON has no type for: moments as ISO 8601, a translation as its text.

    Anything else is a fault of ours, and no script gets it as Python writes it: tests/cli/test_documents.py calls
    every command.
    """
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    from django.utils.functional import Promise

    if isinstance(value, Promise):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no value of a JSON document.")


def note(line: str) -> None:
    """A word beside the result: on standard error, so that scripts are not disturbed."""
    print(as_called(one_line(line)), file=sys.stderr, flush=True)


def _remember(name: str) -> Callable[[click.Context, click.Parameter, object], None]:
    def callback(context: click.Context, _parameter: click.Parameter, value: object) -> None:
        if value:
            setattr(context.ensure_object(OutputSettings), name, value)

    return callback


def common(command: Callable[..., Any], chooses: bool = True) -> Callable[..., Any]:
    """Adds --json, --organization, --yes and --debug, and turns what goes wrong into a sentence.

    chooses=False for `init`, whose own --organization names the one to found.
    """
    for flags, name, text in (
        (("--json",), "json", "Print one JSON document."),
        (("--yes", "-y"), "yes", "Don't ask for confirmation."),
        (("--debug",), "debug", "Show tracebacks."),
    ):
        option = click.option(*flags, is_flag=True, expose_value=False, callback=_remember(name), help=text)
        command = option(command)
    if chooses:
        command = click.option(
            "--organization",
            "organization_slug",
            metavar="SLUG",
            expose_value=False,
            callback=_remember("organization"),
            help="Which organization, when there are several.",
        )(command)

    @functools.wraps(command)
    def guarded(*arguments: object, **options: object) -> Any:
        try:
            done = command(*arguments, **asked_for(options))
            if was_shown():  # Not beside a failure, which is one sentence.
                note(SHOWN)
            return done
        except (click.exceptions.Exit, click.exceptions.Abort, click.UsageError):
            raise
        except KeyboardInterrupt:
            fail("Stopped. What was done so far is kept. Run the same command again to continue.", "stopped")
        except BrokenPipeError:
            os._exit(1)  # The reader of our output is gone; there is nobody to tell.
        except Exception as error:
            if settings().debug or os.environ.get("SAMIZDAT_DEBUG"):
                raise
            from samizdat.cli.sentences import sentence_for  # Only what fails waits for it.

            code, sentence, document = sentence_for(error)
            fail(sentence, code, document, getattr(error, "lines", ()))

    return guarded


def fail(
    sentence: str, code: str = "failed", document: Mapping[str, object] | None = None, lines: Sequence[str] = ()
) -> None:
    say({**(document or {}), "error": code, "sentence": sentence}, *lines)
    if not settings().json:
        note(sentence)
    click.get_current_context().exit(1)


def first_line(file: str) -> str:
    """A password out of its file. Failed when there is none in it, and when everybody may read it."""
    with Path(file).open(encoding="utf-8-sig") as opened:
        mode, lines = os.fstat(opened.fileno()).st_mode, opened.read().splitlines()
    if stat.S_ISREG(mode) and mode & stat.S_IRWXO:  # A pipe or a terminal is nobody else's.
        raise CommandFailed(f"Others may read the file {file}. Run: chmod 600 {file}", "open_file")
    if not lines or not lines[0]:
        raise CommandFailed(f"The first line of {file} has no password. Write it there and try again.", "no_password")
    return lines[0]


def confirm(question: str, document: Mapping[str, object] | None = None) -> None:
    """Asks before something that cannot be taken back; --yes answers for the person.

    So does --json, unless what is asked about comes as a `document`: then only --yes does, and a script that did not
    say it gets to read the document.
    """
    options = settings()
    if options.yes or (options.json and document is None):
        return
    if options.json or not sys.stdin.isatty():
        raise CommandFailed(f"{question} In a script, add --yes.", "not_confirmed", document)
    if not click.confirm(one_line(question)):
        raise CommandFailed("Nothing was changed.", "not_confirmed")


# Seconds between two lines where no terminal is: enough to see that it goes on, and little in the mail of cron.
LINE_EVERY = 10.0


class ProgressLine:
    """One line on standard error: done, whole, rows a second, time left. Without a terminal, as in a pipe or by cron, a
    line each LINE_EVERY seconds, so that what is quick says nothing. Silent with --json."""

    def __init__(self, label: str, unit: str) -> None:
        self._label, self._unit = one_line(label), unit
        self._started = self._shown = time.monotonic()
        self._first: float | None = None
        self.is_terminal, self.on = sys.stderr.isatty(), not settings().json

    def show(self, done: float, whole: float | None, count: int) -> None:
        """done and whole in any one measure (bytes, messages); count is what is shown per second."""
        now = time.monotonic()
        if self._first is None:
            self._first = done
        if not self.on or not self._is_due(now - self._shown, whole is not None and done >= whole):
            return
        self._shown = now
        seconds = max(now - self._started, 0.001)
        fresh = done - self._first
        left = f", {seconds * (whole - done) / fresh:.0f} s left" if whole and fresh > 0 else ""
        share = f"{100 * done / whole:3.0f} %  " if whole else ""
        line = f"{self._label}: {share}{count:,} {self._unit}, {count / seconds:,.0f} a second{left}"
        if self.is_terminal:
            print(f"\r{line}   ", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def _is_due(self, since: float, ends: bool) -> bool:
        return since >= 0.2 or ends if self.is_terminal else since >= LINE_EVERY

    def end(self) -> None:
        if self.on and self.is_terminal:
            print("\r" + " " * 78 + "\r", end="", file=sys.stderr, flush=True)


@contextmanager
def progress(label: str, unit: str = "rows") -> Iterator[ProgressLine]:
    shown = ProgressLine(label, unit)
    try:
        yield shown
    finally:
        shown.end()


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else one_line(str(value))


def table(heading: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> list[str]:
    """Lines of a plain table; numbers to the right."""
    cells = [heading, *[tuple(_cell(cell) for cell in row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heading))]
    right = [bool(rows) and all(isinstance(row[column], int) for row in rows) for column in range(len(heading))]
    return [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]
