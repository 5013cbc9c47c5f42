"""What a reader may ask for, and how long a list keeps things, on the command line."""

import json

import pytest

from samizdat.core import consent
from tests.cli.conftest import House


@pytest.fixture(scope="module")
def lived(house: House) -> House:
    house.say("list", "new", "Letter")
    house.say("subscribers", "add", "olga@reader.example", "--list", "Letter", "--consent", "on paper")
    house.say("subscribers", "add", "pia@reader.example", "--list", "Letter", "--consent", "on paper")
    return house


def test_a_readers_file_is_printed_or_written_and_nowhere_else(lived: House) -> None:
    assert lived.say("subscribers", "access", "olga@reader.example")["about"]["address"] == "olga@reader.example"
    for name in ("olga.json", "olga.html"):
        lived.say("subscribers", "access", "olga@reader.example", "--to", str(lived.folder / name))
        path = lived.folder / name
        assert "olga@reader.example" in path.read_text() and path.stat().st_mode & 0o777 == 0o600
    assert json.loads((lived.folder / "olga.json").read_text())["consent"][0]["wording"] == "on paper"
    refused = lived("subscribers", "access", "olga@reader.example", "--to", "olga.pdf")
    assert refused.code == 1 and ".json" in refused.err + refused.out
    assert lived("subscribers", "access", "nobody@reader.example").code == 1


def test_an_address_is_corrected_and_an_objection_taken_up(lived: House) -> None:
    assert lived.say("subscribers", "correct", "pia@reader.example", "--address", "pia@new.example")["moved"]
    assert lived("subscribers", "correct", "pia@new.example", "--address", "olga@reader.example").code == 1
    assert lived("subscribers", "correct", "pia@new.example", "--set", "NOBODY=x").code == 1
    assert lived.say("subscribers", "object", "pia@new.example", "--reason", "Enough.") == {"objected": True}
    assert lived.say("subscribers", "show", "pia@new.example")["suppressed"] == "objected"


def test_a_yes_to_appeals_is_told_apart_from_one_to_letters(lived: House) -> None:
    words = ("rosa@reader.example", "--list", "Letter", "--consent", "will give", "--purpose", "fundraising")
    refused = lived("subscribers", "add", *words)
    assert refused.code == 1 and "Subscribe them first, then add appeals" in refused.err + refused.out
    lived.say("subscribers", "add", *words[:-2])
    lived.say("subscribers", "add", *words)
    shown = lived.say("subscribers", "show", "rosa@reader.example")
    assert {one["purpose"]: one["wording"] for one in shown["consent"]} == dict.fromkeys(consent.PURPOSES, "will give")
    assert [one["appeals"] for one in shown["lists"]] == ["yes"]
    left = lived.say("subscribers", "unsubscribe", *words[:3], "--purpose", "fundraising")
    assert left == {"unsubscribed": 1}
    assert lived.say("subscribers", "show", "rosa@reader.example")["lists"][0]["status"] == "subscribed"
    told = lived("subscribers", "show", "rosa@reader.example").out
    assert "withdrawn  Letter (fundraising appeals)  by desk" in told and "fundraising appeals too" not in told


def test_rules_of_a_list_are_shown_before_they_are_kept(lived: House) -> None:
    assert lived.say("list", "keep", "Letter")["left_days"] is None
    looked = lived.say("list", "keep", "Letter", "--left-days", "30", "--dry-run")
    assert (looked["changed"], looked["would_go"]["people"]) == (False, 0)
    assert lived.say("list", "keep", "Letter", "--left-days", "30")["changed"]
    assert lived.say("list", "keep", "Letter")["left_days"] == 30
    assert lived("list", "keep", "Letter", "--left-days", "1").code == 1
    assert lived.say("list", "keep", "Letter", "--for-ever")["left_days"] is None


def test_a_list_says_and_takes_when_its_digest_is_made(lived: House) -> None:
    assert lived.say("list", "digest", "Letter") == {"list": "Letter", "when": "fri", "due": None, "readers": 0}
    assert lived.say("list", "digest", "Letter", "--when", "month")["due"][8:10] == "01"
    assert lived.say("list", "digest", "Letter", "--when", "off")["when"] == "off"


@pytest.mark.parametrize(("language", "word"), [("en", "Drafted on"), ("ru", "Составлено")])
def test_a_paper_is_drafted_in_either_language(lived: House, language: str, word: str) -> None:
    drafted = lived.say("paper", "notice", "--language", language)
    assert "Letter" in drafted["text"] and drafted["gaps"]
    assert word in drafted["text"]


def test_erasing_says_until_when_backups_may_hold_the_subscriber(lived: House) -> None:
    erased = lived.say("subscribers", "erase", "olga@reader.example", "--yes")
    assert erased["erased"] and len(erased["backups_until"]) == 10
