"""Each word of the command from the very beginning: it imports what it needs. Everywhere else tests/warm.py helps."""

from types import SimpleNamespace

import pytest

from samizdat.cli.__main__ import COMMANDS
from samizdat.cli.house import read_password
from samizdat.cli.output import Failed
from tests.cli.conftest import House

LETTER = "# Hello\n\nThe [whole story](https://lantern.example/story) is on our page.\n"
SENDER = "Northern Lantern <letter@lantern.example>"


def test_nobody_answers_when_asked_for_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_question: str) -> str:
        raise EOFError

    monkeypatch.setattr("samizdat.cli.house.settings", lambda: SimpleNamespace(json=False))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("getpass.getpass", closed)
    with pytest.raises(Failed, match="--password-file"):
        read_password(None, "Password: ")


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


STARTS = {
    "import": "import people.csv --list Letter --status subscribed",
    "export": "export --to all.csv --format csv --plain --reason moving",
    "subscribers": "subscribers show olga@reader.example",
    "campaign": "campaign send 1 --wait",
    "route": "route ls",
    "list": "list ls",
    "form": "form ls",
    "segment": "segment ls",
    "tag": "tag ls",
    "organisation": "organisation show",
    "person": "person add vera@lantern.example --role viewer",
    "doctor": "doctor",
    "upgrade": "upgrade",
    "completion": "completion bash",
    "paper": "paper record",
    "domain": "domain check --help",
    "template": "template ls",
    "archive": "archive pages",
    "demo": "demo --help",
    "worker": "worker --help",
}
# Started cold by the tests that are about them: below, and in tests/worker/test_supervisor.py.
ELSEWHERE = {"init", "serve"}


# The driver of a database is imported by all words alike, so these say it for PostgreSQL.
BOTH = {"import", "campaign", "worker"}


@pytest.mark.parametrize(
    "word", [word if word in BOTH else pytest.param(word, marks=pytest.mark.once) for word in STARTS]
)
def test_a_word_starts_from_nothing(lived: House, word: str) -> None:
    done = lived.cold("-m", "samizdat.cli", *STARTS[word].split())
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr


def test_a_house_is_founded_from_nothing(empty_house: House) -> None:
    (empty_house.folder / "password").write_text("correct horse battery staple")
    words = "init --organisation Lantern --admin clara@lantern.example --password-file password"
    done = empty_house.cold("-m", "samizdat.cli", *words.split())
    assert done.returncode == 0, done.stderr
    assert empty_house.key.stat().st_mode & 0o777 == 0o600
    assert not list(empty_house.data.rglob("*.key"))
    assert empty_house.say("list", "ls") == {"lists": []}


def test_no_word_is_left_out() -> None:
    assert set(STARTS) | ELSEWHERE == set(COMMANDS)
