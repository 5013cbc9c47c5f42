"""What others wrote (names, answers of relays, file names) does nothing to the terminal that shows it."""

import ast
import io
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from samizdat import logs
from samizdat.cli import output

HOSTILE = "Ada\x1b]0;owned\x07\x1b[2J\x9b31m\r\nError: all is lost\u202egnp.exe\u2066"
FOLDER = Path(output.__file__).parent
# They print what is ours alone: the words of the demo, and a script for the shell.
OURS = {"demo/__init__.py", "demo/export.py", "completion.py"}


@pytest.fixture
def context() -> Iterator[output.OutputSettings]:
    with click.Context(click.Command("x"), obj=output.OutputSettings()) as opened:
        yield opened.obj


def _harmless(shown: str, lines: int = 1) -> bool:
    hidden = {"\x1b", "\x07", "\x9b", "\r", "\u202e", "\u2066"}
    return not hidden & set(shown) and len(shown.splitlines()) == lines


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(
    ("show", "lines"),
    [
        (lambda: output.say({}, HOSTILE), 1),
        (lambda: output.say({}, *output.table(("name", "n"), [(HOSTILE, 1), ("Boris", 2)])), 3),
        (lambda: output.note(HOSTILE), 1),
    ],
    ids=["say", "table", "note"],
)
def test_a_name_moves_no_cursor_and_gets_no_line_of_its_own(
    show: Callable[[], None], lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    show()
    shown = "".join(capsys.readouterr())
    assert _harmless(shown, lines)
    assert "[U+001B]" in shown
    assert "[U+202E]" in shown


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602])
def test_a_password_in_a_file_that_others_may_read_or_replace_is_refused(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("a lamp\n")
    file.chmod(mode)
    with pytest.raises(output.CommandFailed, match=f"Others may read the file {file}. Run: chmod 600"):
        output.first_line(str(file))
    file.chmod(0o600)
    assert output.first_line(str(file)) == "a lamp"


def test_a_password_may_come_through_a_pipe(tmp_path: Path) -> None:
    """As bash gives it: --password-file <(pass show relay)."""
    os.mkfifo(tmp_path / "pipe", 0o666)
    (tmp_path / "pipe").chmod(0o666)
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("a lamp\n",))
    writer.start()
    assert output.first_line(str(tmp_path / "pipe")) == "a lamp"
    writer.join()


def test_what_takes_long_says_a_line_each_ten_seconds_where_no_terminal_is(
    context: output.OutputSettings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(output.time, "monotonic", lambda: now)
    with output.progress("Backing up") as shown:
        for now in (1.0, 9.0, 10.0, 12.0, 19.9, 20.0):
            shown.show(now * 100, 4000, int(now * 100))
    assert capsys.readouterr().err.splitlines() == [
        "Backing up:  25 %  1,000 rows, 100 a second, 33 s left",
        "Backing up:  50 %  2,000 rows, 100 a second, 21 s left",
    ]
    context.json, now = True, 0.0
    with output.progress("Backing up") as shown:
        now = 60.0
        shown.show(1, 2, 1)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("context")
def test_an_error_that_quotes_somebody_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.exceptions.Exit):
        output.fail(HOSTILE)
    assert _harmless(capsys.readouterr().err)


@pytest.mark.usefixtures("context")
def test_a_question_that_quotes_somebody_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(click, "confirm", lambda question: asked.append(question) or True)
    output.confirm(f"Remove {HOSTILE}?")
    assert _harmless(asked[0])


def test_a_json_document_says_the_same_and_a_terminal_obeys_nothing_in_it(
    context: output.OutputSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    context.json = True
    output.say({"name": HOSTILE, "tag": "\U000e0041 Привет"})
    shown = capsys.readouterr().out
    assert _harmless(shown)
    assert "Привет" in shown
    assert json.loads(shown) == {"name": HOSTILE, "tag": "\U000e0041 Привет"}


def test_a_log_line_that_quotes_somebody_is_one_line() -> None:
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    handler.addFilter(logs.PeopleFilter())
    handler.handle(logging.LogRecord("samizdat", logging.ERROR, "", 0, "The relay said: %s", (HOSTILE,), None))
    assert _harmless(told.getvalue())


def _prints(path: Path) -> bool:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    return any(ast.unparse(call) in ("print", "click.echo", "click.secho", "sys.stdout.write") for call in calls)


def test_commands_print_by_what_makes_text_harmless() -> None:
    found = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.py") if _prints(path)}
    assert found == {"output.py", *OURS}
