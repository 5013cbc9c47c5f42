"""Segments from the command line: saved, said, counted, written to, removed; and what is wrong is one sentence."""

import json

import pytest

from tests.cli.conftest import House

RIGA = {
    "all": [
        {"list": {"id": "Letter", "status": "subscribed"}},
        {"field": {"number": "CITY", "op": "is", "value": "Riga"}},
    ]
}
SENDER = "Northern Lantern <letter@lantern.example>"


@pytest.fixture(scope="module")
def lived(house: House) -> House:
    house.say("list", "new", "Letter")
    people = (
        "email,City,Tags\nada@reader.example,Riga,press\nboris@reader.example,Minsk,press\neva@reader.example,Riga,\n"
    )
    (house.folder / "people.csv").write_text(people)
    house.say("import", "people.csv", "--list", "Letter", "--status", "subscribed")
    (house.folder / "letter.md").write_text("# Hello\n\nThe water came.\n")
    house.say("segment", "add", "Riga", "--where", json.dumps(RIGA))
    return house


def test_a_segment_is_saved_said_and_counted(lived: House) -> None:
    assert lived.say("segment", "count", "riga") == {"count": 2}
    assert lived.say("segment", "count", "Riga", "--list", "letter") == {
        "subscribed": 3, "outside": 1, "suppressed": 0, "may": 2,
    }  # fmt: skip
    shown = lived.say("segment", "show", "Riga")
    assert shown["sentence"] == "Everyone who is subscribed to “Letter” and whose “City” is “Riga”."
    assert shown["condition"] == RIGA and shown["broken"] == ""
    assert lived.say("segment", "ls")["segments"] == [
        {"id": shown["id"], "name": "Riga", "sentence": shown["sentence"]}
    ]


def test_what_show_prints_is_what_add_reads(lived: House) -> None:
    printed = lived("segment", "show", "Riga").out.splitlines()[1]
    lived.say("segment", "add", "Copied", "--where", "-", feed=printed)
    (lived.folder / "tree.json").write_text(json.dumps({"any": [{"tag": "press"}, {"share": {"percent": 50}}]}))
    lived.say("segment", "add", "From a file", "--where", "tree.json")
    assert lived.say("segment", "count", "Copied") == {"count": 2}
    first = lived.say("segment", "count", "From a file")
    assert first["count"] in (2, 3) and lived.say("segment", "count", "From a file") == first
    assert lived.say("segment", "remove", "Copied") == {"removed": True}
    assert lived("segment", "count", "Copied").code == 1


def test_a_letter_goes_to_a_segment(lived: House) -> None:
    words = ("--list", "Letter", "--subject", "News", "--from", SENDER, "--body", "letter.md", "--segment", "Riga")
    number = str(lived.say("campaign", "new", *words)["id"])
    whom = lived.say("campaign", "audience", number)
    assert (whom["known"], whom["without"], whom["may"]) == (3, {"outside": 1}, 2)
    (lived.folder / "out").mkdir()
    lived.say("route", "add", "paper", f"folder://{lived.folder}/out")
    sent = lived.say("campaign", "send", number, "--wait")
    assert (sent["frozen"], sent["accepted"], sent["state"]) == (2, 2, "finished")
    condition = json.dumps({"not": {"campaign": int(number)}})
    lived.say("segment", "add", "Not written to", "--where", condition)
    assert lived.say("segment", "count", "Not written to") == {"count": 1}


@pytest.mark.parametrize(
    ("condition", "error", "words"),
    [
        ("{", "not_json", "JSON"),
        ('{"not":' * 100 + '{"tag":1}' + "}" * 100, "too_deep", "Split it into two segments"),
        ('{"opened": 7}', "unknown", "unknown condition"),
        ('{"tag": "Oslo"}', "no_such_tag", "Oslo"),
        ('{"list": {"id": "Nowhere", "status": ""}}', "no_such_list", "Use one of: Letter"),
        ('{"field": {"number": "SHOE", "op": "filled"}}', "no_such_field", "SHOE"),
        ('{"tag": 4711}', "segment_broken", "a tag that no longer exists"),
        ('{"campaign": 4711}', "segment_broken", "campaign"),
        ('{"field": {"number": "CITY", "op": "is", "value": "%s"}}' % ("x" * 5000), "long_value", "200"),
        ("nothing.json", "no_such_file", "no file"),
    ],
)
def test_what_is_no_segment_is_one_sentence(lived: House, condition: str, error: str, words: str) -> None:
    told = lived("segment", "add", "Wrong", "--where", condition, "--json")
    assert (told.code, told.json["error"]) == (1, error)
    assert words in told.json["sentence"] and told.json["sentence"].endswith(".")
    assert lived("segment", "show", "Wrong").code == 1


@pytest.mark.parametrize("option", ["--tag", "--segment"])
def test_a_misspelt_audience_is_not_everybody(lived: House, option: str) -> None:
    words = ("--list", "Letter", "--subject", "News", "--from", SENDER, "--body", "letter.md")
    told = lived("campaign", "new", *words, option, "Rigga")
    assert told.code == 1 and "Rigga" in told.err
