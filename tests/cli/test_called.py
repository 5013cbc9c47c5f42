"""What the command says is so, and names commands as the person called them."""

import pytest

from samizdat.cli.instance import _about_the_key
from tests.cli.conftest import House
from tests.conftest import PASSWORD


@pytest.fixture(scope="module")
def here(house: House) -> House:
    house.say("list", "new", "Letter")
    (house.folder / "letter.md").write_text("# Hello\n")
    return house


def test_commands_are_named_as_this_one_was_called(here: House) -> None:
    assert "`samizdat init " in here("list", "ls", SAMIZDAT_DATA="nowhere", DATABASE_URL="").err
    assert "`./run init " in here("list", "ls", SAMIZDAT_DATA="nowhere", DATABASE_URL="", SAMIZDAT_COMMAND="./run").err


def test_an_invitation_leads_to_where_the_desk_is_served(here: House) -> None:
    (here.data / "desk-address").write_text("http://127.0.0.1:8760")
    link = here.say("person", "add", "vera@lantern.example", "--role", "viewer")["invitation"]
    assert link.startswith("http://127.0.0.1:8760/invitation/")


def test_the_only_admin_gets_a_new_password_on_the_machine(here: House) -> None:
    email = here.say("person", "ls")["people"][0]["email"]
    (here.folder / "new").write_text(PASSWORD + " anew\n")
    (here.folder / "new").chmod(0o600)
    told = here("person", "password", email, "--password-file", "new")
    assert told.code == 0
    assert "was signed out everywhere" in told.out
    assert here("person", "password", "who@lantern.example", "--password-file", "new").code == 1


def test_a_letter_without_subject_is_not_begun(here: House) -> None:
    words = ("--list", "Letter", "--from", "L <letter@lantern.example>", "--body", "letter.md", "--subject", " ")
    told = here("campaign", "new", *words)
    assert told.code == 1
    assert "--subject" in told.err


def test_who_was_not_asked_for_a_second_copy_has_not_declined_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMIZDAT_KEY_FILE", "/somewhere/data.key")
    assert "There is no second copy" in _about_the_key(True, None, declined=True)[0]
    assert "Save a second copy now" in _about_the_key(True, None, declined=False)[0]


def test_every_command_is_named_as_this_one_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    from samizdat.cli.__main__ import COMMANDS
    from samizdat.cli.output import as_called

    monkeypatch.setenv("SAMIZDAT_COMMAND", "./run")
    assert [name for name in COMMANDS if as_called(f"Run: samizdat {name}") != f"Run: ./run {name}"] == []
