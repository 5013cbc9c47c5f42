"""Each word of the command from the very beginning: it imports what it needs. Everywhere else tests/warm.py helps."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from samizdat.cli.instance import read_password
from samizdat.cli.output import CommandFailed
from tests.cli.conftest import House

LETTER = "# Hello\n\nThe [whole story](https://lantern.example/story) is on our page.\n"
SENDER = "Northern Lantern <letter@lantern.example>"


def test_nobody_answers_when_asked_for_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_question: str) -> str:
        raise EOFError

    monkeypatch.setattr("samizdat.cli.instance.settings", lambda: SimpleNamespace(json=False))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("getpass.getpass", closed)
    with pytest.raises(CommandFailed, match="--password-file"):
        read_password(None, "Password: ")


def test_a_password_that_is_too_short_is_asked_for_again_and_the_length_is_said_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["short", "four unrelated words", "four unrelated worms", *["four unrelated words"] * 2])
    asked: list[str] = []
    monkeypatch.setattr("samizdat.cli.instance.settings", lambda: SimpleNamespace(json=False))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("getpass.getpass", lambda question: [asked.append(question), next(typed)][1])
    assert read_password(None, "Password for ada@lantern.example") == "four unrelated words"
    assert asked[0] == "Password for ada@lantern.example (at least 14 characters): "
    said = capsys.readouterr().err
    assert "shorter than 14 characters" in said and "don't match" in said


@pytest.fixture(scope="module")
def lived(house: House) -> House:
    """A list, a way out, a letter, and files to bring in."""
    house.say("list", "new", "Letter")
    (house.folder / "people.csv").write_text("email\nada@reader.example\n")
    (house.folder / "out").mkdir()
    house.say("route", "add", "paper", f"folder://{house.folder}/out")
    (house.folder / "letter.md").write_text(LETTER)
    house.say("subscribers", "add", "olga@reader.example", "--list", "Letter", "--consent", "on paper")
    words = ("--list", "Letter", "--subject", "News", "--from", SENDER, "--body", "letter.md")
    assert house.say("campaign", "new", *words)["id"] == 1
    return house


# That no module needs another one to be imported first is for tests/test_arrows.py; here are ways into most of them.
STARTS = {
    "import": "import people.csv --list Letter --status subscribed",
    "campaign": "campaign send 1 --wait",
    "doctor": "doctor",
    "worker": "worker --help",
}


@pytest.mark.parametrize("word", STARTS)
def test_a_word_starts_from_nothing(lived: House, word: str) -> None:
    done = lived.cold("-m", "samizdat.cli", *STARTS[word].split())
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_database_that_is_gone_is_not_made_anew_beside_what_subscribers_sent(tmp_path: Path, is_empty: bool) -> None:
    gone = House(tmp_path, "")
    gone.init()
    (gone.data / "newest").write_text("{}")  # As `serve` leaves it.
    public = (gone.data / "public.sqlite3").read_bytes()
    for path in gone.data.glob("samizdat.sqlite3*"):
        path.unlink()
    if is_empty:
        (gone.data / "samizdat.sqlite3").touch()
    admin = ("--admin", "eva@lantern.example", "--password-file", "-")
    for words in (["doctor"], ["upgrade"], ["release", "--dry-run"], ["init", "--organization", "New", *admin]):
        refused = gone(*words)
        assert refused.code == 1 and "restore the newest backup" in refused.err, words
    assert (gone.data / "public.sqlite3").read_bytes() == public
