"""Words that name a person or hold a password. What stands in a command line every user of the machine reads in /proc
while it runs, and sudo keeps it in its log. `-` in its place reads it from standard input, or asks."""

import sys
from collections.abc import Callable

import click

SHOWN = (
    "Other users of this server can read command lines, and sudo logs them. Write - in place of "
    "addresses, names and passwords: then they are asked for, or read from standard input."
)
_MARK = "samizdat.shown"


class Dash(str):
    """Stands for what is still to be asked for."""

    def __new__(cls, what: str) -> "Dash":
        dash = super().__new__(cls, "-")
        dash.what = what  # type: ignore[attr-defined]
        return dash


class Private(click.ParamType[str]):
    """A text that is asked for where the command line has `-`; `lines`: the command reads a line for each itself."""

    name = "text"

    def __init__(self, what: str, shows: Callable[[str], bool] = bool, *, lines: bool = False) -> None:
        self.what, self.shows, self.lines = what, shows, lines

    def convert(self, value: str, param: click.Parameter | None, context: click.Context | None) -> str:
        if value == "-" and not self.lines:
            return Dash(self.what)
        if value != "-" and context is not None:
            context.meta[_MARK] = context.meta.get(_MARK, False) or self.shows(value)
        return value


def asked_for(options: dict[str, object]) -> dict[str, object]:
    """The options of a command with what `-` stands for in them, in the order in which its help names them: click reads
    options before arguments."""
    names = [parameter.name or "" for parameter in click.get_current_context().command.params]
    for name in filter(options.__contains__, names):
        value = options[name]
        options[name] = tuple(map(_read, value)) if isinstance(value, tuple) else _read(value)
    return options


def _read(value: object) -> object:
    if not isinstance(value, Dash):
        return value
    what: str = value.what  # type: ignore[attr-defined]
    answer = click.prompt(what, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not answer.strip():
        raise click.UsageError(f"Standard input ends before {what}. Write one line for each -.")
    return answer.strip()


def was_shown() -> bool:
    """Whether this command line showed something that it need not."""
    return bool(click.get_current_context().meta.get(_MARK))


def names_somebody(text: str) -> bool:
    """Of what may be an address, a number or a URL with a user and a password in it."""
    return "@" in text


ADDRESS = Private("the address")
ADDRESSES = Private("the addresses", lines=True)
NAME = Private("the name")
AMOUNT = Private("the amount")  # With its time in sudo's log a bank's data would show who donated.
VALUE = Private("TAG=TEXT")
URL = Private("the URL", names_somebody)
WANTED = Private("the address or number", names_somebody)
CONDITION = Private("the condition", names_somebody, lines=True)
