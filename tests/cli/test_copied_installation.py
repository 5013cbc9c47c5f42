"""A copied installation on the command line: what it would send, and that only a plain yes lets it."""

import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection

from tests import moulds
from tests.cli.conftest import House, _database
from tests.conftest import PASSWORD

FENCED = "from samizdat.accounts.models import Organization; Organization.objects.update(sending_locked={})"

# What a copy writes to the places that is released while we have stopped.
TAKE_OVER = """
from samizdat import dbclock, plugins
from samizdat.core.backup import epoch
from samizdat.delivery import backup_places, epochs
now = dbclock.now()
rival = epochs.standing(now).own.next(b"somebody", now)
for each in backup_places.all_places():
    plugins.open_place(each.details.url, "").write(rival.name, epoch.written(rival, epochs._key()))
"""


@pytest.fixture(scope="module")
def copy(house: House) -> House:
    """A house with a campaign that waits for its day and one that is paused, found to be a copy."""
    house.say("list", "new", "Letter")
    (house.folder / "yes.csv").write_text("Email,Status\nada@lantern.example,subscribed\n")
    house.say("import", "yes.csv", "--list", "Letter", "--status", "subscribed")
    house.say("organization", "set", "--url", "https://news.lantern.example", "--postal-address", "1 Quay")
    (house.folder / "letter.md").write_text("# Hello\n\nThe water came at four.\n")
    words = ("--list", "Letter", "--from", "L <letter@lantern.example>", "--body", "letter.md", "--subject")
    for subject in ("Planned", "Paused"):
        house.say("campaign", "new", *words, subject)
    house.say("campaign", "send", "1", "--at", "2099-01-01T10:00")
    house.say("campaign", "send", "2")
    house.say("campaign", "pause", "2")
    house.django(FENCED.format(True))
    return house


def test_a_script_that_asks_for_json_releases_no_copy_without_saying_yes(copy: House) -> None:
    told = copy("release", "--json")
    assert told.code == 1
    assert (told.json["error"], told.json["released"]) == ("not_confirmed", False)
    assert "1 emails would be sent" in told.json["sentence"] and "add --yes" in told.json["sentence"]
    assert [row["id"] for row in told.json["would_send"]] == [1, 2]
    assert copy.say("release", "--dry-run")["fenced"]
    assert copy.say("release", "--yes")["released"]
    assert not copy.say("release", "--dry-run")["fenced"]
    copy.django(FENCED.format(True))


@pytest.mark.parametrize("words", [("resume", "2"), ("settle", "2", "--unsure", "resend"), ("send", "2")])
def test_no_command_says_that_a_campaign_of_a_copy_is_sending(copy: House, words: tuple[str, ...]) -> None:
    told = copy("campaign", *words, SAMIZDAT_COMMAND="./run")
    assert told.code == 1 and "sends no campaign" in told.err and "./run release" in told.err
    assert "is sending" not in told.out
    assert copy("campaign", *words, "--json").json["error"] == "fenced"


def test_a_campaign_that_waits_for_its_day_is_not_said_to_be_under_way_since_then(copy: House) -> None:
    told = copy("release", "--dry-run", SAMIZDAT_COMMAND="./run").out
    assert "due 2099-01-01" in told and "since 20" in told and "since 2099" not in told
    assert "Allow sending: ./run release" in told
    assert "./run release" in copy("doctor", SAMIZDAT_COMMAND="./run").out


def test_the_original_is_not_called_a_copy_after_a_copy_took_over(copy: House, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    copy.say("backup", "place", "add", str(tmp_path / "disk"))
    copy.django(TAKE_OVER)
    told = copy("release", "--dry-run").out
    assert "another copy of this installation may send" in told and "looks like a copy" not in told
    assert "Another copy of this installation took over on" in told
    copy.say("release", "--yes")
    copy.django(FENCED.format(True))


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[House]:
    """An installation of its own, that knows where it runs."""
    for url in _database():
        house = House(tmp_path, url)
        house.init()
        house("doctor")
        yield house


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the database is a file")
def test_a_damaged_copy_is_said_to_be_so_before_anybody_is_told_how_to_release_it(
    installed: House, tmp_path: Path
) -> None:
    (tmp_path / "beside").mkdir()
    copy = House(tmp_path / "beside", "")
    shutil.copytree(installed.data, copy.data)
    shutil.copy2(installed.key, copy.key)
    spoil_an_index(copy.data / "samizdat.sqlite3")
    refused = copy("release", "--dry-run")
    assert refused.code == 1 and "so it can't be released. Damaged tables: audience_subscriber." in refused.err
    assert "Allow sending" not in refused.out + refused.err
    assert copy("release", "--dry-run", "--json").json["error"] == "torn_copy"
    signs = [sign for sign in copy("doctor", "--json").json["signs"] if sign["state"] == "red"]
    assert [sign["subject"] for sign in signs if "damaged" in sign["sentence"]] == ["place"]
    assert not [sign for sign in signs if "rebuilds the index" in sign["sentence"]]


def spoil_an_index(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        index = "SELECT rootpage FROM sqlite_master WHERE type = 'index' AND tbl_name = 'audience_subscriber'"
        page, size = database.execute(index).fetchone()[0], database.execute("PRAGMA page_size").fetchone()[0]
    with open(path, "r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))


@pytest.mark.parametrize("begun", ["init", "import"])
def test_a_copy_of_what_was_only_set_up_is_on_hold(empty_house: House, tmp_path: Path, begun: str) -> None:
    """Nothing has run there yet: neither `serve` nor a send."""
    if begun == "init":
        (tmp_path / "password").touch(mode=0o600)
        (tmp_path / "password").write_text(PASSWORD)
        admin = ("--admin", "clara@lantern.example", "--password-file", "password")
        empty_house.say("init", "--organization", "Northern Lantern", *admin)
    else:  # Of a version that noted nothing at `init`.
        empty_house.init()
        empty_house.say("list", "new", "Letter")
        (tmp_path / "yes.csv").write_text("Email,Status\nada@lantern.example,subscribed\n")
        empty_house.say("import", "yes.csv", "--list", "Letter", "--status", "subscribed")
    assert not empty_house.say("release", "--dry-run")["fenced"]
    with copied(empty_house, tmp_path / "beside") as copy:
        on_hold = copy.say("release", "--dry-run")
        assert on_hold["fenced"] and on_hold["changed"]
    assert not empty_house.say("release", "--dry-run")["fenced"]


@contextmanager
def copied(house: House, folder: Path) -> Iterator[House]:
    """The whole data folder with its key file, and on PostgreSQL the database too, as somebody copies them."""
    folder.mkdir()
    url, name = house.environment["DATABASE_URL"], f"house_{uuid.uuid4().hex[:12]}"
    if url:
        moulds.copy(urlsplit(url).path.removeprefix("/"), name)
    copy = House(folder, moulds.url_of(name) if url else "")
    shutil.copytree(house.data, copy.data)
    shutil.copy2(house.key, copy.key)
    try:
        yield copy
    finally:
        if url:
            moulds.as_admin(f"DROP DATABASE {name} WITH (FORCE)")
