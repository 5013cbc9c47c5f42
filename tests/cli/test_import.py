"""`samizdat import` of lists whose columns say who left: what stops it, what it prints, and what that leads to."""

import shlex
from pathlib import Path
from typing import Any

import pytest

EXPORTS = Path(__file__).parent.parent / "payloads" / "subscribers-csv"
SHAPES = Path(__file__).parent.parent / "payloads" / "odd-lists"


def of_nobody_known(name: str, folder: Path) -> Path:
    """A list as a service writes it, but for the labels by which the service is known."""
    text = (SHAPES / name).read_text().replace("can2_", "").replace('"Contact ID"', '"Key"')
    text = text.replace('"No Bulk Emails (User Opt Out)"', '"No Bulk Emails"').replace('"On Hold"', '"Address on hold"')
    (folder / name).write_text(text)
    return folder / name


@pytest.fixture
def letter(house: Any, request: pytest.FixtureRequest) -> str:
    house.say("list", "new", name := request.node.name[:60])
    return name


def test_what_a_column_says_stops_the_import_and_the_printed_options_bring_the_right_ones_in(
    house: Any, letter: str, tmp_path: Path
) -> None:
    words = ("import", str(of_nobody_known("civicrm_export.csv", tmp_path)), "--list", letter)
    stopped = house(*words, "--status", "subscribed", "--json")
    assert (stopped.code, stopped.json["error"]) == (1, "ask_columns")
    assert "Do Not Email" in stopped.json["sentence"] and "--status" not in stopped.json["options"]
    assert house.say("subscribers", "count", "--list", letter)["count"] == 0
    options = shlex.split(stopped.json["options"])
    asked = house(*words, *options)
    assert asked.code == 1 and "a column shows as unsubscribed stay unsubscribed" in asked.err
    assert "--status subscribed" not in asked.out + asked.err
    brought = house.say(*words, *options, "--status", "subscribed")
    counts = {name: brought[name] for name in ("rows", "added", "updated", "unchanged", "rejected")}
    assert counts == {"rows": 5, "added": 5, "updated": 0, "unchanged": 0, "rejected": 0}
    assert (brought["subscribed"], brought["unsubscribed"], brought["cleaned"]) == (1, 3, 1)


def test_a_look_shows_every_column_and_every_word_of_it(house: Any, letter: str, tmp_path: Path) -> None:
    words = ("import", str(of_nobody_known("actionnetwork.csv", tmp_path)), "--list", letter, "--dry-run")
    looked = house(*words)
    assert looked.code == 1
    assert "subscription_status" in looked.out and "bouncing" in looked.out and "zip_code" in looked.out
    document = house(*words, "--json").json
    told = next(column for column in document["columns"] if column["column"] == "subscription_status")
    assert told["asks"] and told["becomes"] == "status"
    assert {word["word"]: (word["means"], word["rows"]) for word in told["words"]} == {
        "subscribed": ("subscribed", 1),
        "unsubscribed": ("unsubscribed", 1),
        "bouncing": ("cleaned", 1),
        "spam complaint": ("complained", 1),
    }
    seen = house.say(*words, *shlex.split(document["options"]))
    assert (seen["rows"], seen["subscribed"], seen["dry_run"]) == (4, 1, True)
    assert not any(column["asks"] for column in seen["columns"])


def test_a_word_is_explained_in_one_option_wherever_it_stands(house: Any, letter: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("email,Standing\nann@a.example,gold\nbob@a.example,off\ncyd@a.example,off\n")
    words = ("import", str(path), "--list", letter, "--map", "Standing=status")
    asked = house(*words, "--status", "subscribed")
    assert asked.code == 1 and "gold, off" in asked.err and "Standing: gold=STATUS" in asked.err
    made = house.say(*words, "--means", "off=unsubscribed", "--means", "gold=subscribed")
    assert (made["subscribed"], made["unsubscribed"]) == (1, 2)


def test_cells_with_names_quotes_and_semicolons_are_read_as_addresses(house: Any, letter: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        "Email,City\nAnn One <ann@c.example>,Riga\n'bob@c.example',Riga\ncyd@c.example;,Riga\n"
        "dan@c.example <dan@c.example>,Riga\n"
        # Whose these are nobody knows.
        "two@c.example three@c.example,\nada boris@c.example,\nBcc: everybody@c.example,\n"
        "mallory@c.example <eve@c.example>,\n"
    )
    made = house.say("import", str(path), "--list", letter, "--status", "subscribed")
    assert (made["added"], made["rejected"]) == (4, 4)
    assert house.say("subscribers", "show", "bob@c.example")["address"] == "bob@c.example"


def test_where_no_row_can_come_in_the_first_reason_is_said_with_its_line(
    house: Any, letter: str, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    path.write_text("Email,City\nann@a.example bob@a.example,Riga\nbob@a.example ann@a.example,Riga\n")
    refused = house("import", str(path), "--list", letter, "--status", "subscribed", "--json")
    assert (refused.code, refused.json["error"]) == (1, "no_address_rows")
    assert refused.json["sentence"].startswith("list.csv, line 2: There is more than one @ here")


@pytest.mark.parametrize("answer", [(), ("--map", "Group=ignore"), ("--map", "Group=field:GROUP")])
def test_what_a_column_held_in_an_earlier_file_does_not_hide_that_somebody_left(
    house: Any, tmp_path: Path, answer: tuple[str, ...]
) -> None:
    name = f"Letter {' '.join(answer)}"
    house.say("list", "new", name)
    file = tmp_path / "people.csv"
    words = ("import", str(file), "--list", name, "--status", "subscribed")
    file.write_text("Email,Name,Group\nann@reader.example,Ann,Riga\nbob@reader.example,Bob,Oslo\n")
    house.say(*words, *answer)
    file.write_text("Email,Name,Group\neve@reader.example,Eve,Riga\ncyd@reader.example,Cyd,unsubscribed\n")
    asked = house(*words, "--json")
    assert asked.code == 1 and asked.json["error"] == "ask_columns" and "Group" in asked.json["sentence"]


def test_donations_are_left_out_with_the_reason_in_a_look_that_asks_as_well(house: Any, letter: str) -> None:
    words = ("import", str(SHAPES / "other_crm.json"), "--list", letter, "--dry-run")
    said = "Left out: last_donation, lifetime_amount. It shows who gave money, which can put people on trial."
    assert said in house(*words).out
    assert any(said in warning for warning in house(*words, "--json").json["warnings"])
    seen = house.say(
        *words, "--map", "do_not_email=status", "--map", "consent.email=status", "--means", "granted=subscribed"
    )
    assert any(said in warning for warning in seen["warnings"])


def test_only_those_on_the_list_are_updated_and_the_numbers_add_up(house: Any, letter: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("email\nann@e.example\nbob@e.example\n")
    house.say("subscribers", "add", "ann@e.example", "--list", letter, "--consent", "by telephone")
    words = ("import", str(path), "--list", letter, "--tag", "Book fair", "--tag", "Riga", "--update-only")
    for look in (["--dry-run"], []):
        made = house.say(*words, *look)
        assert (made["rows"], made["added"], made["updated"], made["skipped"]) == (2, 0, 1, 1)
    assert house.say("subscribers", "show", "ann@e.example")["tags"] == ["Book fair", "Riga"]
    assert house.say("subscribers", "count", "--list", letter)["count"] == 1
    assert "1  skipped" in house(*words).out


def test_an_appeal_reaches_those_whose_consent_covered_appeals(house: Any, letter: str) -> None:
    words = ("import", *map(str, sorted(EXPORTS.glob("mailchimp-*.csv"))), "--list", letter)
    refused = house(*words, "--appeals", " ", "--json")
    assert (refused.code, refused.json["error"]) == (1, "appeals_words")
    brought = house.say(*words)
    sender = ("--from", "Lantern <news@lantern.example>")
    appeal = ("campaign", "new", "--list", letter, "--subject", "Help", *sender, "--body", "-", "--appeal")
    campaign = str(house(*appeal, "--json", feed="Hello.\n").json["id"])
    assert brought["subscribed"] and house.say("campaign", "audience", campaign)["may"] == 0
    assert house.say(*words, "--appeals", "Write to me when you need money.")["updated"] == brought["subscribed"]
    assert house.say("campaign", "audience", campaign)["may"] == brought["subscribed"]


def test_a_look_names_the_service_that_a_file_comes_from(house: Any, letter: str, tmp_path: Path) -> None:
    words = ("import", str(SHAPES / "phplist.csv"), "--list", letter, "--dry-run")
    assert "Recognized as an export from phpList." in house(*words).out
    assert house.say(*words)["recognized"] == "phpList"
    cards = tmp_path / "contacts.vcf"
    cards.write_text("BEGIN:VCARD\nVERSION:3.0\nN:One;Ann;;;\nEMAIL:ann@v.example\nEND:VCARD\n")
    made = house.say("import", str(cards), "--list", letter, "--status", "subscribed", "--basis", "They wrote to us.")
    assert (made["added"], made["subscribed"]) == (1, 1)
    assert any("is an address book" in warning for warning in made["warnings"])
