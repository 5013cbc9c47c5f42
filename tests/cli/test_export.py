"""`samizdat export`, and its file coming back: words that others' scripts rely on."""

import io
import stat
import zipfile
from pathlib import Path

import pyrage
import pytest

from tests.cli.conftest import House

KEY = pyrage.x25519.Identity.generate()
PUBLIC, SECRET = str(KEY.to_public()), str(KEY)


@pytest.fixture(scope="module")
def furnished(house: House) -> House:
    house.say("list", "new", "Letter")
    house.say(
        "subscribers",
        "add",
        "-",
        "--list",
        "Letter",
        "--consent",
        "At the fair.",
        feed="ada@post.example\nbo@post.example\n",
    )
    return house


def test_it_is_sealed_or_plain_with_a_reason_and_nothing_else(furnished: House) -> None:
    for words in (
        ("--to", "x.zip"),
        ("--to", "x.zip", "--plain"),
        ("--to", "x.zip", "--plain", "--reason", " "),
        ("--to", "x.zip", "--recipient", PUBLIC, "--plain", "--reason", "x"),
        ("--to", "x.zip", "--recipient", PUBLIC, "--passphrase"),
        ("--to", "x.zip", "--passphrase", "--plain", "--reason", "x"),
        ("--recipient", PUBLIC),
        ("--to", "x.zip", "--recipient", PUBLIC, "--format", "doc"),
    ):
        assert furnished("export", *words).code == 2, words
    wrong = furnished("export", "--to", "x.zip", "--recipient", "age1nokey", "--json")
    assert (wrong.code, wrong.json["error"]) == (1, "bad_recipient")
    assert not (furnished.folder / "x.zip").exists()


def test_a_plain_zip_is_for_its_owner_alone_and_comes_back_into_an_empty_house(
    furnished: House, empty_house: House
) -> None:
    said = furnished.say("export", "--to", "all.zip", "--plain", "--reason", "We move.")
    assert (said["sealed"], said["format"], said["counts"]["subscribers"]) == (False, "samizdat", 2)
    path = furnished.folder / "all.zip"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.stat().st_size == said["bytes"]
    assert not list(furnished.folder.glob(".*.part"))
    empty_house.init()
    assert empty_house.say("import", str(path), "--dry-run")["added"] == 2
    assert empty_house.say("list", "ls")["lists"] == []
    assert empty_house.say("import", str(path))["added"] == 2
    assert empty_house.say("subscribers", "count", "--list", "Letter", "--status", "subscribed") == {"count": 2}
    assert empty_house.say("import", str(path))["unchanged"] == 2


def test_a_sealed_one_needs_its_key_file(furnished: House) -> None:
    assert furnished.say("export", "--to", "all.zip.age", "--recipient", PUBLIC)["sealed"]
    sealed = str(furnished.folder / "all.zip.age")
    assert furnished("import", sealed, "--json").json["error"] == "sealed_file"
    (furnished.folder / "key.txt").write_text(f"# public key: {PUBLIC}\n{SECRET}\n")
    again = furnished("import", sealed, "--identity", str(furnished.folder / "key.txt"), "--json")
    assert again.json["error"] == "not_empty"  # It opened, and the house has its subscribers already.


@pytest.mark.parametrize(
    ("form", "member"), [("mailchimp", "subscribed_email"), ("csv", "subscribers.csv"), ("xlsx", "xl/")]
)
def test_the_other_formats_are_zips_with_what_their_readers_look_for(furnished: House, form: str, member: str) -> None:
    furnished.say("export", "--to", f"{form}.zip", "--format", form, "--plain", "--reason", "x")
    assert any(name.startswith(member) for name in zipfile.ZipFile(furnished.folder / f"{form}.zip").namelist())


def test_an_address_that_was_planted_nowhere_is_said_so(furnished: House) -> None:
    assert furnished("export", "--whose", "ada@post.example", "--json").json["error"] == "not_planted"


def test_a_torn_export_is_one_sentence_without_a_list(furnished: House, tmp_path: Path) -> None:
    furnished.say("export", "--to", "torn.zip", "--plain", "--reason", "x")
    data = (furnished.folder / "torn.zip").read_bytes()
    (tmp_path / "torn.zip").write_bytes(data[:-40])
    torn = furnished("import", str(tmp_path / "torn.zip"), "--json")
    assert (torn.code, torn.json["error"]) == (1, "torn_file")


def test_a_passphrase_is_made_shown_once_and_opens_the_file_in_another_house(
    furnished: House, empty_house: House, tmp_path: Path
) -> None:
    made = furnished("export", "--to", "p.zip.age", "--passphrase", "--json")
    assert made.json["sealed"] and not made.json["recipients"]
    words = made.err.partition("shown this once: ")[2].split()[0]
    assert words not in made.out and len(words) == 29
    path, secret = furnished.folder / "p.zip.age", tmp_path / "secret.txt"
    assert zipfile.ZipFile(io.BytesIO(pyrage.passphrase.decrypt(path.read_bytes(), words))).namelist()
    secret.write_text(words)
    empty_house.init()
    assert empty_house("import", str(path)).code == 1
    assert empty_house.say("import", str(path), "--identity", str(secret), "--dry-run")["rows"] == 2
