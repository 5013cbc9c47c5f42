"""backup and restore: an installation that is gone is there again, on either database, and sends nothing by itself."""

import json
import re
import shutil
import subprocess
import sys
import unicodedata
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pyrage
import pytest
from django.db import connection

from samizdat.backup import restoring
from samizdat.core.zstd import zstd
from samizdat.delivery.engine.locks import FileLock
from tests import moulds
from tests.cli.conftest import House

COUNTS = """
import json
from django.db import connections
from samizdat.backup.tables import copied_tables
counts = {}
for table in copied_tables(["default", "publicdb"]):
    with connections[table.database].cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table.name}")
        counts[table.name] = cursor.fetchone()[0]
print(json.dumps(counts))
"""
TOKEN = """
from samizdat.accounts.models import Organization
from samizdat.audience.models import NUMBER_MASK, Subscriber
from samizdat.core.crypto import tokens
from samizdat.vault import keyring
keys = keyring.keys(Organization.objects.get())
number = Subscriber.objects.order_by("id").first().id & NUMBER_MASK
"""
MAKE = TOKEN + 'print(tokens.make(keys.link, "leave", 1, number))'
READ = TOKEN + 'assert tokens.read(keys.links, "leave", {token!r}).number == number'

# Of a closed account: two sealed pieces.
NOTICE = bytes(range(256)) * 6_000
TESTS = """
from samizdat.events.models import Event
print(Event.objects.filter(kind__startswith="installation.backup_test").count())
"""


def printed(house: House, code: str) -> str:
    """What code inside of a house prints."""
    head = "from samizdat.cli.bootstrap import open_house; open_house()\n"
    done = subprocess.run(
        [sys.executable, "-c", head + code], cwd=house.folder, env=house.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def living(house: House) -> House:
    """Northern Lantern with subscribers, a campaign that is being sent and one that is planned."""
    house.say("list", "new", "Letter")
    (house.folder / "yes.csv").write_text(
        "Email,Status\n" + "".join(f"reader{n}@post.example,subscribed\n" for n in range(30))
    )
    house.say("import", "yes.csv", "--list", "Letter", "--status", "subscribed")
    house.say("subscribers", "unsubscribe", "-", "--list", "Letter", feed="reader3@post.example\n")
    house.say("organization", "set", "--url", "https://news.lantern.example", "--postal-address", "1 Quay")
    (house.folder / "out").mkdir()
    house.say("route", "add", "paper", f"folder://{house.folder}/out")
    (house.folder / "letter.md").write_text("# Hello\n\nThe water came at four.\n")
    words = ("--list", "Letter", "--from", "L <letter@lantern.example>", "--body", "letter.md", "--subject")
    for subject in ("Sent", "Planned"):
        house.say("campaign", "new", *words, subject)
    house.say("campaign", "send", "1", "--wait")
    house.say("campaign", "send", "2", "--at", "2099-01-01T10:00")
    (house.folder / "notice.png").write_bytes(NOTICE)
    house.say("rescue", "case", "new", "--provider", "mailchimp", "--closed", "2026-11-20", "--country", "LV")
    house.say("rescue", "case", "evidence", "1", "notice.png", "--words", "The notice")
    house.say("rescue", "case", "sent", "1", "return", "--day", "2026-11-21")
    house.django("from samizdat.events import chain; chain.append()")
    return house


@pytest.fixture(scope="module")
def written(living: House) -> Path:
    """A backup of it for its key file."""
    place = living.folder / "backups"
    place.mkdir()
    living.made["backup"] = living.say("backup", "--to", str(place))
    return place


Elsewhere = Callable[[str], House]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    """elsewhere("sqlite" or "postgresql"): a server with nothing on it."""
    names = list[str]()

    def make(vendor: str) -> House:
        (tmp_path / "b").mkdir(exist_ok=True)
        if vendor == "sqlite":
            house = House(tmp_path / "b", "")
            house.under = () if connection.vendor == "sqlite" else ("env",)  # Warm processes have the run's database.
            return house
        names.append(f"house_{uuid.uuid4().hex[:12]}")
        moulds.as_admin(f"CREATE DATABASE {names[-1]}")
        return House(tmp_path / "b", moulds.url_of(names[-1]))

    yield make
    for name in names:
        moulds.as_admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


VENDORS = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.skipif(connection.vendor == "sqlite", reason="no server")),
]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_restored_installation_has_every_row_and_sends_nothing_until_released(
    living: House, written: Path, elsewhere: Elsewhere, vendor: str
) -> None:
    there = elsewhere(vendor)
    answer = there.say("restore", str(written), "--key-file", str(living.key))
    assert answer["copy"] == living.made["backup"]["copy"] and there.key.read_bytes() == living.key.read_bytes()
    assert not answer["ahead_of_clock"]
    assert answer["fingerprint"] == living.made["backup"]["fingerprint"]
    before, after = (json.loads(printed(house, COUNTS)) for house in (living, there))
    # The log of each organization says that it was restored.
    assert after == before | {"events_event": before["events_event"] + 1}
    assert there.say("subscribers", "count", "--list", "Letter", "--status", "subscribed")["count"] == 29
    assert there.say("log", "check")["whole"]
    printed(there, READ.format(token=printed(living, MAKE)))
    there.say("rescue", "case", "fetch", "1", "1", "--to", "notice.png")
    assert (there.folder / "notice.png").read_bytes() == NOTICE, "evidence of a case is whole"
    assert there.say("rescue", "case", "show", "1") == living.say("rescue", "case", "show", "1")
    on_hold = there.say("release", "--dry-run")
    assert on_hold["fenced"] and [row["id"] for row in on_hold["would_send"]] == [2]
    refused = there("campaign", "send", "2", "--json")
    assert refused.json["error"] == "fenced"
    # New rows get new numbers.
    assert there.say(
        "subscribers", "add", "-", "--list", "Letter", "--consent", "at the fair", feed="new@post.example\n"
    )
    assert there.say("campaign", "new", *words_of(there, living))["id"] == 3
    assert there.say("release", "--yes")["released"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_on_the_day_that_server_and_domain_are_lost_each_step_is_done_from_a_backup(
    living: House, written: Path, elsewhere: Elsewhere, vendor: str
) -> None:
    there, url, name = elsewhere(vendor), "https://news.beacon.example", "beacon.example"

    def states() -> dict[str, str]:
        return {step["step"]: step["state"] for step in there.say("move", "--no-check")["steps"]}

    there.say("restore", str(written), "--key-file", str(living.key))
    begun = there.say("move", "--to", url, "--domain", name, "--no-check")
    assert (begun["old_domain"], begun["from"]) == ("lantern.example", "https://news.lantern.example")
    assert (begun["next"], begun["steps"][0]["state"]) == ("released", "done"), "it came here by the restore"
    there.say("release", "--yes")
    there.say("organization", "set", "--url", url)
    for key in there.say("domain", "add", name)["keys"]:
        there.say("domain", "published", name, key["selector"])
    there.say("domain", "activate", name)
    there.say("domain", "spare", name)
    there.say("domain", "switch", name, "--from", "lantern.example", "--yes")
    there.say("domain", "warm-up", name, "standard")
    [letter] = there.say("move", "--announce")["campaigns"]
    (there.folder / "copies").mkdir()
    there.say("backup", "place", "add", str(there.folder / "copies"))
    there.say("backup")
    assert {code for code, state in states().items() if state != "done"} == {
        "answers", "records", "old_links", "announcement",  # Other people's servers and a person have to say so.
    }  # fmt: skip
    there.say("campaign", "send", str(letter), "--wait")
    assert states()["announcement"] == "done"
    printed(there, READ.format(token=printed(living, MAKE)))


def words_of(there: House, living: House) -> tuple[str, ...]:
    letter = str(living.folder / "letter.md")
    return ("--list", "Letter", "--from", "L <letter@lantern.example>", "--body", letter, "--subject", "New")


def test_a_restore_test_passes_and_says_what_it_did(living: House, written: Path) -> None:
    answer = living.say("backup", "test", "--from", str(written))
    (tested,) = answer["places"]
    assert answer["passed"] and tested["passed"] and tested["opened"]
    made = living.made["backup"]
    assert tested["copy"] == made["copy"]
    assert any(path.is_file() for path in (living.data / "journals").rglob("*"))
    assert tested["rows"] == made["rows"] == sum(made["tables"].values()), "parts of files are no rows"
    assert tested["steps"] == ["restore", "count", "check", "compose"]
    # Of the campaign that went out and the one that is planned, to subscribers at random.
    assert (tested["subscribers"], tested["campaigns"], tested["emails"]) == (30, 2, 10)
    assert not (living.data / "restore-test").exists()
    said = living("backup", "test", "--from", str(written))
    assert said.code == 0 and "The restore test passed" in said.out and "10 emails composed" in said.out


def test_a_restore_test_says_what_it_could_not_look_at_of_a_locked_organization(living: House, tmp_path: Path) -> None:
    living.say("keys", "lock")
    try:
        living.say("backup", "--to", str(tmp_path))
        said = living("backup", "test", "--from", str(tmp_path))
    finally:
        living.say("keys", "unlock")
    assert said.code == 0 and "30 subscribers" in said.out and "no email composed" in said.out
    assert "The keys of 1 organization are locked, so its rows were restored and counted, but log" in said.out


def test_a_restore_test_of_a_damaged_backup_fails_and_says_what_to_do(
    living: House, written: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(written, damaged)
    piece = max((damaged / "pieces").rglob("*.age"), key=lambda path: path.stat().st_size)
    data = bytearray(piece.read_bytes())
    data[-1] ^= 1
    piece.write_bytes(data)
    refused = living("backup", "test", "--from", str(damaged), "--json")
    assert (refused.code, refused.json["error"]) == (1, "damaged")
    assert piece.name in refused.json["places"][0]["what"]
    said = living("backup", "test", "--from", str(damaged))
    assert said.code == 1 and piece.name in said.err and "back up again" in said.err
    # What it says is right: the file is written anew, and then all is well.
    piece.unlink()
    living.say("backup", "--to", str(damaged))
    assert living.say("backup", "test", "--from", str(damaged))["passed"]


def test_a_secret_key_of_somebody_else_says_nothing_of_a_backup(living: House, tmp_path: Path) -> None:
    offline, other = (pyrage.x25519.Identity.generate() for _key in range(2))
    place = tmp_path / "place"
    place.mkdir()
    living.say("backup", "--to", str(place), "--recipient", str(offline.to_public()))
    (tmp_path / "other.txt").write_text(f"{other}\n")
    (tmp_path / "offline.txt").write_text(f"{offline}\n")
    tests = int(printed(living, TESTS))
    refused = living("backup", "test", "--from", str(place), "--identity", str(tmp_path / "other.txt"), "--json")
    assert refused.json["error"] == "foreign_identity" and "--identity" in refused.json["sentence"]
    opened = living.say("backup", "test", "--from", str(place), "--identity", str(tmp_path / "offline.txt"))
    assert opened["places"][0]["opened"]
    assert int(printed(living, TESTS)) == tests + 1


def test_without_a_place_there_is_nothing_to_test(living: House) -> None:
    refused = living("backup", "test", "--json")
    assert (refused.code, refused.json["error"]) == (1, "no_place")


@pytest.mark.skipif(connection.vendor == "sqlite", reason="no server")
def test_what_was_on_postgresql_goes_by_sqlite_back_to_postgresql(
    living: House, written: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    small = elsewhere("sqlite")
    small.say("restore", str(written), "--key-file", str(living.key))
    second = tmp_path / "second"
    second.mkdir()
    assert small.say("backup", "--to", str(second))["engine"] == "sqlite"
    large = elsewhere("postgresql")
    large.data, large.key = large.folder / "large", large.folder / "large.key"
    large.environment["SAMIZDAT_DATA"] = str(large.data)
    large.say("restore", str(second), "--key-file", str(living.key))
    before, after = (json.loads(printed(house, COUNTS)) for house in (small, large))
    assert after == before | {"events_event": before["events_event"] + 1}
    assert large.say("log", "check")["whole"]


def test_with_its_secret_key_alone_a_backup_for_recipients_is_restored(
    living: House, tmp_path: Path, elsewhere: Elsewhere
) -> None:
    offline, place = pyrage.x25519.Identity.generate(), tmp_path / "backups"
    place.mkdir()
    (tmp_path / "identity.txt").write_text(f"# created: 2026-11-25\n{offline}\n")
    written = living.say("backup", "--to", str(place), "--recipient", str(offline.to_public()))
    assert written["recipients"] == [str(offline.to_public())]
    shown = living("backup", "--to", str(place), "--recipient", str(offline.to_public())).out.splitlines()
    assert f"It opens with the secret key of {offline.to_public()}." in shown
    there = elsewhere("sqlite")
    no_key = there("restore", str(place), "--json")
    assert no_key.json["error"] == "no_key"
    assert "samizdat keys recover" in no_key.json["sentence"]
    no_identity = there("restore", str(place), "--key-file", str(living.key), "--json")
    assert no_identity.json["error"] == "no_identity" and str(offline.to_public()) in no_identity.json["sentence"]
    restored = there.say("restore", str(place), "--identity", str(tmp_path / "identity.txt"))
    assert restored["fingerprint"] == written["fingerprint"]
    assert there.key.read_bytes() == living.key.read_bytes() and there.key.stat().st_mode & 0o777 == 0o600
    assert there.say("subscribers", "show", "reader1@post.example")


@pytest.mark.once
def test_with_a_passphrase_of_odd_characters_a_backup_is_restored_however_it_is_typed(
    living: House, written: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    passphrase = "Дом у реки № 12 – é ß 🔥 حبر"
    (tmp_path / "typed").write_text(passphrase)
    (tmp_path / "typed").chmod(0o600)
    (tmp_path / "elsewhere").write_text(unicodedata.normalize("NFD", f" {passphrase} ") + "\r\n")
    (tmp_path / "wrong").write_text(passphrase.replace("é", "e"))
    for name in ("typed", "elsewhere", "wrong"):
        (tmp_path / name).chmod(0o600)
    key = tmp_path / "protected.key"
    living.say("keys", "passphrase", "--passphrase-file", str(tmp_path / "typed"), "--to", str(key))
    there, words = elsewhere("sqlite"), ("restore", str(written), "--key-file", str(key), "--json")
    refused = there(*words, SAMIZDAT_PASSPHRASE_FILE=str(tmp_path / "wrong"))
    assert refused.code == 1 and "passphrase" in refused.json["sentence"] and not there.data.exists()
    assert there(*words, SAMIZDAT_PASSPHRASE_FILE=str(tmp_path / "elsewhere")).code == 0
    assert there.key.read_bytes() == key.read_bytes(), "it still needs its passphrase"


@pytest.mark.once
def test_whose_key_file_is_lost_restores_with_enough_shares_and_is_told_how_many_are_missing(
    living: House, written: Path, elsewhere: Elsewhere
) -> None:
    shares = living.say("keys", "shares", "--threshold", "2", "--of", "3")["shares"]
    there = elsewhere("sqlite")
    refused = there("restore", str(written), "--json")
    assert refused.json["error"] == "no_key" and "keys recover" in refused.json["sentence"]
    for feed in (shares[0], f"{shares[0]}\n\n{altered(shares[1])}"):
        refused = there("keys", "recover", "--json", feed=feed + "\n")
        assert refused.code == 1 and re.fullmatch(r".+\.", refused.json["sentence"]), refused.out
        assert not there.key.exists()
    there.say("keys", "recover", feed="\n\n".join(shares[1:]) + "\n")
    assert there.say("restore", str(written))["fingerprint"] == living.made["backup"]["fingerprint"]


def altered(share: str) -> str:
    """With its last two words exchanged."""
    *before, one, other = share.split()
    return " ".join([*before, other, one])


@pytest.mark.once
def test_nothing_in_a_backup_names_a_subscriber(written: Path) -> None:
    content = b"".join(path.read_bytes() for path in written.rglob("*.age"))
    assert b"reader1@post.example" not in content and b"Lantern" not in content


# -- bad input ---------------------------------------------------------------------------------------------------------


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def largest(place: Path, folder: str) -> Path:
    return max((place / folder).rglob("*.age"), key=lambda path: path.stat().st_size)


@pytest.mark.once
@pytest.mark.parametrize(
    ("folder", "harm", "error"),
    [
        ("pieces", flip, "damaged"),
        ("pieces", cut, "missing_pieces"),
        ("pieces", Path.unlink, "missing_pieces"),
        ("sets", flip, "damaged"),
        ("sets", cut, "damaged"),
        ("sets", Path.unlink, "no_copy"),
        ("sets", lambda path: path.rename(path.with_name(f"20991231t235959{path.name[15:]}")), "renamed_copy"),
    ],
    ids=["flipped", "cut", "gone", "manifest flipped", "manifest cut", "manifest gone", "manifest renamed"],
)
def test_a_backup_that_was_harmed_is_refused_in_a_sentence_and_leaves_nothing(
    living: House,
    written: Path,
    elsewhere: Elsewhere,
    tmp_path: Path,
    folder: str,
    harm: Callable[[Path], Any],
    error: str,
) -> None:
    place = tmp_path / "harmed"
    shutil.copytree(written, place)
    harm(largest(place, folder))
    there = elsewhere("sqlite")
    refused = there("restore", str(place), "--key-file", str(living.key), "--json")
    assert (refused.code, refused.json["error"]) == (1, error), refused.out
    assert re.fullmatch(r"[^.]+.*\.", refused.json["sentence"])
    assert not there.data.exists() and not there.key.exists()
    assert [path.name for path in there.folder.iterdir()] == []


@pytest.mark.once
def test_a_damaged_backup_is_refused_with_the_name_of_the_one_before(
    living: House, written: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    place = tmp_path / "two"
    shutil.copytree(written, place)
    before = set(place.rglob("*.age"))
    living.say("tag", "add", "Oslo", "--addresses", str(addresses(tmp_path)))
    living.say("backup", "--to", str(place))
    harmed = max(set((place / "pieces").rglob("*.age")) - before, key=lambda path: path.stat().st_size)
    flip(harmed)
    there, key = elsewhere("sqlite"), ("--key-file", str(living.key))
    refused = there("restore", str(place), *key, "--json")
    sentence = refused.json["sentence"]
    assert refused.json["error"] == "damaged" and harmed.name in sentence
    assert "Copy this file again" in sentence and "older copy" not in sentence
    option = sentence.partition("The one before: ")[2]
    assert there.say("restore", str(place), *key, *option.split())["copy"] == living.made["backup"]["copy"]


@pytest.mark.once
def test_a_newer_backup_that_is_not_whole_is_passed_over_and_named(
    living: House, written: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    place = tmp_path / "two"
    shutil.copytree(written, place)
    there_before = set(place.rglob("*.age"))
    living.say("tag", "add", "Riga", "--addresses", str(addresses(tmp_path)))
    newer = living.say("backup", "--to", str(place))
    (new_piece, *_others) = set((place / "pieces").rglob("*.age")) - there_before
    new_piece.unlink()
    answer = elsewhere("sqlite").say("restore", str(place), "--key-file", str(living.key))
    assert answer["copy"] == living.made["backup"]["copy"]
    assert [unusable["path"] for unusable in answer["passed_over"]] == [newer["copy"]]


LATER = """
import datetime
from samizdat.cli import __main__, bootstrap
now = bootstrap.now
bootstrap.now = lambda: now() + datetime.timedelta(hours={hours})
__main__.main()
"""


@pytest.mark.once
@pytest.mark.parametrize("hours", [20, 9000])
def test_a_backup_that_is_ahead_of_the_clock_is_restored_and_said_to_be(
    living: House, elsewhere: Elsewhere, tmp_path: Path, hours: int
) -> None:
    place = tmp_path / "ahead"
    place.mkdir()
    done = living.cold("-c", LATER.format(hours=hours), "backup", "--to", str(place), environment=living.environment)
    assert done.returncode == 0, done.stderr
    result = elsewhere("sqlite")("restore", str(place), "--key-file", str(living.key))
    assert result.code == 0 and "This backup's time is ahead of this server's clock" in result.out, result.err


def addresses(folder: Path) -> Path:
    path = folder / "addresses.txt"
    path.write_text("reader1@post.example\n")
    return path


@pytest.mark.once
def test_the_key_file_of_another_installation_opens_nothing(
    written: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    key = tmp_path / "other.key"
    key.write_text("samizdat instance key 1\n" + "a" * 52 + "\n")
    key.chmod(0o600)
    there = elsewhere("sqlite")
    refused = there("restore", str(written), "--key-file", str(key), "--json")
    assert refused.json["error"] == "other_key" and not there.data.exists()


def test_a_backup_of_another_version_is_refused(living: House, tmp_path: Path, elsewhere: Elsewhere) -> None:
    place = tmp_path / "newer"
    place.mkdir()
    row = 'connection.cursor().execute("{} django_migrations {}")'
    head = "from django.db import connection; "
    new = row.format("INSERT INTO", "(app, name, applied) VALUES ('audience', '0099_newer', '2026-11-25 12:00:00')")
    # The program itself refuses such a database, so the backup is written by the code below the command.
    code = (
        head + new + "; from samizdat.backup.writing import write_copy; from samizdat import plugins, dbclock; "
        f"write_copy(plugins.open_place('{place.as_uri()}'), databases=['default', 'publicdb'], "
        "now=dbclock.asked()); " + row.format("DELETE FROM", "WHERE name = '0099_newer'")
    )
    living.django(code)
    there = elsewhere("sqlite")
    refused = there("restore", str(place), "--key-file", str(living.key), "--json")
    assert refused.json["error"] == "newer_copy" and not there.data.exists()


def test_nothing_is_overwritten(living: House, written: Path, elsewhere: Elsewhere) -> None:
    before = printed(living, COUNTS)
    refused = living("restore", str(written), "--json")
    assert (refused.code, refused.json["error"]) == (1, "not_empty")
    if url := living.environment["DATABASE_URL"]:
        there = elsewhere("sqlite")
        there.environment["DATABASE_URL"] = url
        refused = there("restore", str(written), "--key-file", str(living.key), "--json")
        assert refused.json["error"] == "not_empty" and not there.data.exists()
    assert printed(living, COUNTS) == before


@pytest.mark.once
def test_another_key_file_in_its_place_is_left_alone(living: House, written: Path, elsewhere: Elsewhere) -> None:
    there = elsewhere("sqlite")
    there.key.write_text("samizdat instance key 1\n" + "a" * 52 + "\n")
    there.key.chmod(0o600)
    refused = there("restore", str(written), "--key-file", str(living.key), "--json")
    assert refused.json["error"] == "other_key_file" and not there.data.exists()


@pytest.mark.once
def test_what_a_killed_restore_left_is_thrown_away(living: House, written: Path, elsewhere: Elsewhere) -> None:
    there = elsewhere("sqlite")
    left = there.data.with_name("data.restoring")
    left.mkdir()
    (left / "samizdat.sqlite3").write_bytes(b"half")
    there.say("restore", str(written), "--key-file", str(living.key))
    assert not left.exists() and there.data.exists()


@pytest.mark.parametrize("vendor", VENDORS)
def test_of_two_restores_at_once_the_second_is_refused_and_takes_nothing_from_the_first(
    living: House, written: Path, elsewhere: Elsewhere, vendor: str
) -> None:
    there, words = elsewhere(vendor), ("restore", str(written), "--key-file", str(living.key))
    staging = there.data.with_name("data.restoring")
    staging.mkdir()
    (staging / "samizdat.sqlite3").write_bytes(b"being written")
    lock = FileLock(staging / "restore.lock")
    assert lock.take()
    refused = there(*words, "--json")
    assert (refused.code, refused.json["error"]) == (1, "restore_runs")
    assert (staging / "samizdat.sqlite3").read_bytes() == b"being written"
    lock.release()
    if vendor == "postgresql":  # Of another data folder, into the same database.
        with psycopg.connect(there.environment["DATABASE_URL"]) as other:
            other.execute("SELECT pg_advisory_lock(%s)", [restoring.RESTORE_LOCK])
            refused = there(*words, "--json")
        assert (refused.code, refused.json["error"]) == (1, "restore_runs")
    assert there.say(*words)["data"] == str(there.data)
    assert not staging.exists() and not (there.data / "restore.lock").exists()


@pytest.mark.once
def test_the_handbook_makes_the_secret_key_of_a_key_file(living: House, written: Path, tmp_path: Path) -> None:
    """By its lines alone, without our code, a piece opens."""
    text = (Path(__file__).parent.parent.parent / "docs/backup-format.md").read_text()
    (tmp_path / "identity.py").write_text(text.partition("```python\n")[2].partition("```")[0])
    done = subprocess.run(
        [sys.executable, "identity.py", str(living.key)], cwd=tmp_path, capture_output=True, text=True
    )
    identity = pyrage.x25519.Identity.from_str(done.stdout.strip())
    content = zstd.decompress(pyrage.decrypt(largest(written, "pieces").read_bytes(), [identity]))
    assert msgspec.msgpack.decode(content)[0] == 1


@pytest.mark.once
@pytest.mark.skipif(not (shutil.which("age") and shutil.which("zstd")), reason="age isn't installed here")
def test_age_itself_opens_a_backup_by_the_commands_of_the_handbook(living: House, tmp_path: Path) -> None:
    offline, place = pyrage.x25519.Identity.generate(), tmp_path / "backups"
    place.mkdir()
    (tmp_path / "identity.txt").write_text(f"{offline}\n")
    written = living.say("backup", "--to", str(place), "--recipient", str(offline.to_public()))
    opened = f"age -d -i identity.txt {place}/{written['copy']} | zstd -d | tail -n 1"
    manifest = json.loads(run(opened, tmp_path))
    assert manifest["totals"]["audience_subscriber"] == 30
    key = run(f"{opened} | jq -r .key | base64 -d | age -d -i identity.txt", tmp_path)
    assert key == living.key.read_bytes()
    name = next(entry["groups"][0]["pieces"][0][0] for entry in manifest["tables"] if entry["name"] == "vault_proof")
    content = run(f"age -d -i identity.txt {place}/pieces/{name[:2]}/{name}.age | zstd -d", tmp_path)
    assert msgspec.msgpack.decode(content)[1] == "vault_proof"


def run(command: str, folder: Path) -> bytes:
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=folder, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_older_backup_brings_no_key_back_that_was_destroyed_after_it(
    empty_house: House, elsewhere: Elsewhere, vendor: str
) -> None:
    house = empty_house
    house.init()
    place = house.folder / "backups"
    place.mkdir()
    before = house.say("backup", "--to", str(place))
    name = house.say("keys", "strict", "status")["organization"]
    house.say("keys", "destroy", name, "--yes-destroy", name)
    house.say("backup", "--to", str(place))
    there = elsewhere(vendor)
    answer = there.say("restore", str(place), "--key-file", str(house.key), "--copy", before["copy"])
    assert (answer["destroyed"], answer["destroyed_again"]) == ([name], [name])
    assert "were destroyed" in there("list", "ls").err
