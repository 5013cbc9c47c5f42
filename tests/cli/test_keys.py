"""keys: from a file to a passphrase, to paper and back, as somebody does it at a terminal."""

import os
import pty
import re
import select
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samizdat.vault import shares
from samizdat.vault.sources.key_file import text_of
from tests.cli.conftest import House, _database
from tests.conftest import TODAY

OTHER_KEY = bytes(range(32))
PASSPHRASE = "шесть несвязанных слов 🦉 зонт"


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[House]:
    """A house of its own: its key file is moved about."""
    for url in _database():
        house = House(tmp_path, url)
        house.init()
        yield house


def file_with(text: str, folder: Path, name: str = "typed") -> Path:
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def shares_of(house: House, threshold: int = 2, count: int = 3) -> list[str]:
    words: list[str] = house.say("keys", "shares", "--threshold", str(threshold), "--of", str(count))["shares"]
    return words


def kinds(house: House) -> list[str]:
    code = (
        "from samizdat.events.models import Event; "
        "print(*Event.objects.filter(kind__startswith='keys.').order_by('id').values_list('kind', flat=True))"
    )
    done = house.cold("-c", "from samizdat.cli.bootstrap import open_house; open_house(); " + code)
    return done.stdout.split()


# -- shares ------------------------------------------------------------------------------------------------------------


def test_a_lost_key_file_comes_back_from_paper(installed: House) -> None:
    before = installed.key.read_bytes()
    shares = shares_of(installed)
    shown = installed.say("keys", "show")
    assert [row["practiced"] for row in shown["share_sets"]] == [None]
    tried = installed.say("keys", "practice", feed="\n".join(shares[1:]))
    assert (tried["opens"], tried["shares"]) == (True, [2, 3])
    assert installed.say("keys", "show")["share_sets"][0]["practiced"]
    assert kinds(installed) == ["keys.shares_created", "keys.shares_practiced"]
    installed.key.unlink()
    assert "keys recover" in installed("list", "ls").err
    recovered = installed.say("keys", "recover", feed="\n".join([shares[2], shares[0]]).upper())
    assert (recovered["opens"], recovered["fingerprint"]) == (True, shown["fingerprint"])
    assert installed.key.read_bytes() == before
    assert stat.S_IMODE(installed.key.stat().st_mode) == 0o600
    assert installed("list", "ls").code == 0


def test_a_key_file_that_is_there_is_never_overwritten(house: House) -> None:
    before = house.key.read_bytes()
    shares = shares_of(house)
    refused = house("keys", "recover", feed="\n".join(shares))
    assert (refused.code, "nothing is overwritten" in refused.err) == (1, True)
    assert house.key.read_bytes() == before
    elsewhere = house.folder / "elsewhere.key"
    house.say("keys", "recover", "--to", str(elsewhere), feed="\n".join(shares))
    assert elsewhere.read_bytes() == before
    inside = house("keys", "recover", "--to", str(house.data / "copy.key"), feed="\n".join(shares))
    assert "inside the data folder" in inside.err


def test_shares_are_stored_nowhere_and_shown_one_after_the_other(house: House) -> None:
    shown = house("keys", "shares", "--threshold", "2", "--of", "3")
    words = re.findall(r"^ *1 (\w+) +2 (\w+) +3 academic$", shown.out, re.MULTILINE)
    assert len(words) == 3 and len(set(words)) == 1
    assert "Key share 3 of 3" in shown.out
    rare = re.findall(r" 7 (\w+)", shown.out)[0].encode()
    kept = [path for path in house.data.rglob("*") if path.is_file() and b" " + rare + b" " in path.read_bytes()]
    assert kept == []


def test_a_page_for_each_share_loads_nothing_from_elsewhere(house: House) -> None:
    folder = house.folder / "pages"
    words = ("keys", "shares", "--threshold", "2", "--of", "3", "--to", str(folder), "--language", "ru")
    made = house.say(*words)
    assert made["files"] == [str(folder / f"share-{number}-of-3.html") for number in (1, 2, 3)]
    assert "shares" not in made
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for number, path in enumerate(map(Path, made["files"]), 1):
        page = path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert f"Часть ключа {number} из 3" in page and "любых 2 частей" in page
        assert made["fingerprint"] in page and "<svg" in page
        assert len(re.findall(r"<li>[a-z]+</li>", page)) == 33
        assert re.findall(r"(?:src|href)=|url\(|https?://(?!www\.w3\.org)", page) == []
        assert "Northern Lantern" not in page
    again = house(*words)
    assert (again.code, "exists already" in again.err) == (1, True)


@pytest.mark.parametrize(
    ("feed", "sentence"),
    [
        (lambda shares, _others: shares[0], "1 more needed"),
        (lambda _shares, _others: "", "No share was entered"),
        (lambda shares, _others: f"{shares[0]}\n{shares[0]}", "entered already"),
        (lambda shares, others: f"{shares[0]}\n{others[1]}", "another set"),
        (lambda shares, _others: shares[0].replace(shares[0].split()[9], "zzzz"), "isn't a word of the list"),
        (lambda shares, _others: " ".join(shares[0].split()[:-1]), "these are 32"),
    ],
    ids=["too few", "none", "twice", "two sets", "no word", "a word missing"],
)
def test_shares_that_will_not_do_are_one_sentence(house: House, feed: Any, sentence: str) -> None:
    shares, others = shares_of(house), shares_of(house)
    refused = house("keys", "practice", feed=feed(shares, others))
    assert refused.code == 1 and sentence in refused.err, refused.err
    assert refused.out == ""


def test_shares_of_another_installation_are_named_and_write_nothing(installed: House) -> None:
    others = shares.make(OTHER_KEY, 2, 3, TODAY, [])[1]
    tried = installed("keys", "practice", feed="\n".join(others))
    assert tried.code == 1 and "another installation" in tried.err
    installed.key.unlink()
    recovered = installed("keys", "recover", feed="\n".join(others))
    assert recovered.code == 1 and "5adpf-4hquh" in recovered.err
    assert not installed.key.exists()


def test_words_may_be_typed_in_lines_of_a_few(house: House) -> None:
    typed = []
    for share in shares_of(house)[:2]:
        words = share.split()
        typed += [" ".join(words[at : at + 3]) for at in range(0, 33, 3)]
    assert house.say("keys", "practice", feed="\n".join(typed))["shares"] == [1, 2]


# -- a passphrase ------------------------------------------------------------------------------------------------------


def test_a_key_file_gets_a_passphrase_and_the_old_one_stays(installed: House) -> None:
    before = installed.key.read_bytes()
    typed = file_with(PASSPHRASE, installed.folder)
    made = installed.say("keys", "passphrase", "--passphrase-file", str(typed))
    new = Path(made["key_file"])
    assert installed.key.read_bytes() == before and new == installed.key.with_name("data.key.new")
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    fingerprint = installed.say("keys", "show")["fingerprint"]
    assert f"installation {fingerprint}\n" in new.read_text()
    first = new.read_text()
    new.replace(installed.key)
    refused = installed("list", "ls")
    assert (refused.code, "SAMIZDAT_PASSPHRASE_FILE" in refused.err) == (1, True)
    opened = installed("keys", "show", "--json", SAMIZDAT_PASSPHRASE_FILE=str(typed)).json
    assert (opened["source"], opened["fingerprint"]) == ("passphrase", fingerprint)
    wrong = file_with("not this one", installed.folder, "wrong")
    assert "Caps Lock" in installed("list", "ls", SAMIZDAT_PASSPHRASE_FILE=str(wrong)).err
    other = file_with("another set of unrelated words", installed.folder, "other")
    words = ("keys", "passphrase", "--passphrase-file", str(other))
    assert installed(*words, SAMIZDAT_PASSPHRASE_FILE=str(typed)).code == 0
    salts = [text.splitlines()[2].split()[-1] for text in (first, new.read_text())]
    assert len({*salts, "a" * 26}) == 3
    new.replace(installed.key)
    assert installed("list", "ls", SAMIZDAT_PASSPHRASE_FILE=str(other)).code == 0


def test_a_passphrase_that_is_easily_guessed_writes_nothing(house: House) -> None:
    typed = file_with("hunter2", house.folder, "weak")
    refused = house("keys", "passphrase", "--passphrase-file", str(typed))
    assert refused.code == 1 and "16 characters" in refused.err
    assert not house.key.with_name("data.key.new").exists()


def at_terminal(house: House, *words: str, answers: list[str]) -> str:
    """What somebody sees who answers each question that ends in a colon."""
    number, terminal = pty.fork()
    if number == 0:
        os.chdir(house.folder)
        os.execve(sys.executable, [sys.executable, "-m", "samizdat.cli", *words], house.environment)
    shown, left = "", list(answers)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            part = os.read(terminal, 4096).decode()
        except OSError:
            break
        shown += part
        if left and shown.endswith(": "):
            os.write(terminal, left.pop(0).encode() + b"\n")
            shown += "\n"
    os.close(terminal)
    os.waitpid(number, 0)
    return shown


def test_a_passphrase_is_typed_unseen_and_asked_for_again(installed: House) -> None:
    shown = at_terminal(installed, "keys", "passphrase", answers=["too short", PASSPHRASE, PASSPHRASE])
    assert "16 characters" in shown and "opens with the new passphrase" in shown
    assert PASSPHRASE not in shown
    installed.key.with_name("data.key.new").replace(installed.key)
    shown = at_terminal(installed, "list", "ls", answers=["not this one", PASSPHRASE])
    assert "This isn't it." in shown and "Caps Lock" not in shown and PASSPHRASE not in shown


# -- a command ---------------------------------------------------------------------------------------------------------


def test_the_key_comes_from_a_command(installed: House) -> None:
    away = installed.key.rename(installed.folder / "away")
    line = f"cat '{away}'"
    shown = installed("keys", "show", "--json", SAMIZDAT_KEY_COMMAND=line).json
    assert shown["source"] == "command"
    signs = installed("doctor", "--json", SAMIZDAT_KEY_COMMAND=line).json["signs"]
    assert [sign["state"] for sign in signs if sign["subject"] == "key file"] == ["good", "good"]


def test_a_command_that_prints_the_key_of_another_database_is_named(house: House) -> None:
    line = f"cat '{file_with(text_of(OTHER_KEY), house.folder, 'other.key')}'"
    refused = house("list", "ls", SAMIZDAT_KEY_COMMAND=line)
    assert refused.code == 1 and "SAMIZDAT_KEY_COMMAND" in refused.err
    refused = house("keys", "shares", "--threshold", "2", "--of", "3", SAMIZDAT_KEY_COMMAND=line)
    assert refused.code == 1 and "SAMIZDAT_KEY_COMMAND" in refused.err


def test_an_installation_is_made_with_the_key_of_a_command(empty_house: House) -> None:
    """As where `pass` has it: nothing of it is ever on the disk."""
    key = empty_house.folder / "away"
    key.write_text("samizdat instance key 1\naaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq\n")
    password = file_with("a long enough password", empty_house.folder)
    words = ("--organization", "Northern Lantern", "--admin", "clara@lantern.example", "--password-file", str(password))
    made = empty_house("init", *words, "--json", SAMIZDAT_KEY_COMMAND=f"cat '{key}'")
    assert made.code == 0, made.err
    assert not empty_house.key.exists()
    assert empty_house("list", "ls", SAMIZDAT_KEY_COMMAND=f"cat '{key}'").code == 0


# -- a lock, and a strict organization ---------------------------------------------------------------------------------


def test_an_organization_that_is_not_locked_is_said_to_be_so_and_nobody_is_asked(house: House) -> None:
    result = house("keys", "unlock")
    assert (result.code, result.out, result.err) == (0, "northern-lantern: already unlocked.\n", "")
    house.say("keys", "lock")
    asked = house("keys", "unlock")
    assert asked.code == 1 and "Unlock northern-lantern?" in asked.err
    assert house.say("keys", "unlock")["changed"] == ["northern-lantern"]


def test_one_whose_keys_were_destroyed_keeps_no_other_one_locked(installed: House) -> None:
    installed.say("keys", "destroy", "northern-lantern", "--yes-destroy", "northern-lantern")
    installed.say("init", "--organization", "Southern Lantern", "--admin", "clara@lantern.example")
    installed.say("keys", "lock", "--organization", "southern-lantern")
    result = installed.say("keys", "unlock", "--all")
    assert result["changed"] == ["southern-lantern"]
    assert {row["organization"]: row.get("why") for row in result["organizations"]} == {
        "southern-lantern": None,
        "northern-lantern": "keys_destroyed",
    }
    refused = installed("keys", "unlock", "--organization", "northern-lantern")
    assert refused.code == 1 and "were destroyed" in refused.err and "Unlock" not in refused.err


def test_what_cannot_be_made_strict_is_refused_before_any_warning(installed: House) -> None:
    alone = installed("keys", "strict", "on", "--yes")
    assert alone.code == 1 and alone.err.startswith("At least two people")
    installed.say("keys", "lock")
    locked = installed("keys", "strict", "on", "--yes")
    assert locked.code == 1 and locked.err.startswith("The keys of this organization are locked.")
    assert "forgotten" not in locked.err


def test_a_passphrase_that_does_not_count_yet_is_set_anew_and_not_changed(installed: House) -> None:
    email, typed = "clara@lantern.example", str(file_with(PASSPHRASE, installed.folder))
    change = ("keys", "strict", "change", email, "--new-passphrase-file", typed)
    refused = installed(*change)
    assert refused.code == 1 and f"has no passphrase here. Set one: samizdat keys strict add {email}" in refused.err
    installed.say("keys", "strict", "add", email, "--new-passphrase-file", typed)
    refused = installed(*change)
    assert refused.code == 1 and "doesn't count yet, so it needs no present one. Set another one: samizdat keys " in (
        refused.err
    )
    installed.say("keys", "strict", "add", email, "--new-passphrase-file", typed)


# -- another instance key ----------------------------------------------------------------------------------------------


def test_what_comes_after_a_new_instance_key_names_each_key_and_shares_where_there_were_some(installed: House) -> None:
    first = installed("keys", "rotate", "instance", "--yes")
    assert first.code == 0 and "samizdat keys shares" not in first.out, first.err
    for name in ("data", "index", "links"):
        assert f"samizdat keys rotate {name}" in first.out
    assert "--organization" not in first.out
    shares_of(installed, 3, 5)
    installed.say("init", "--organization", "Southern Lantern", "--admin", "clara@lantern.example")
    second = installed("keys", "rotate", "instance", "--yes")
    assert "those on paper open nothing here any more: samizdat keys shares --threshold 3 --of 5" in second.out
    assert "Run each for each organization: --organization northern-lantern, southern-lantern." in second.out
