"""Sign-up forms from the command line."""

import pytest

from tests.cli.conftest import House

WORDS = ("--words", "I want these letters.")


@pytest.fixture(scope="module")
def lived(house: House) -> House:
    house.say("list", "new", "Letter")
    house.say("list", "new", "Alarm")
    people = "email,First name,Tags\nada@reader.example,Ada,Books\n"
    (house.folder / "people.csv").write_text(people)
    house.say("import", "people.csv", "--list", "Letter", "--status", "subscribed")
    return house


def test_a_form_is_made_shown_listed_and_switched_off(lived: House) -> None:
    asks = ("--list", "Letter", "--list", "alarm", "--required", "FNAME", "--topic", "books")
    made = lived.say("form", "new", "Our letters", *asks, *WORDS, "--language", "ru", "--appeals", "Ask me.")
    told = {
        name: made[name] for name in ("title", "language", "lists", "fields", "topics", "words", "appeals", "remarks")
    }
    assert told == {
        "title": "Our letters",
        "language": "ru",
        "lists": ["Letter", "Alarm"],
        "fields": [{"tag": "FNAME", "label": "Имя", "kind": "text", "required": True}],
        "topics": ["Books"],
        "words": "I want these letters.",
        "appeals": "Ask me.",
        "remarks": [],
    }
    assert lived.say("form", "show", "our letters") == made == lived.say("form", "show", made["slug"])
    assert [one["slug"] for one in lived.say("form", "ls")["forms"]] == [made["slug"]]
    assert lived.say("list", "appeals", "Alarm") == {"list": "Alarm", "words": "Ask me."}
    assert lived.say("form", "remove", made["slug"], "--yes") == {"removed": True}
    assert lived.say("list", "appeals", "Alarm", "--words", "Ask me, too.")["words"] == "Ask me, too."
    assert lived.say("list", "appeals", "Alarm", "--words", "")["words"] == ""
    assert lived.say("form", "ls") == {"forms": []}


@pytest.mark.parametrize(
    ("asks", "sentence"),
    [
        (("--list", "Nobody"), "There is no list"),
        (("--list", "Letter", "--field", "CITY"), "There's no field CITY. Fields:"),
        (("--list", "Letter", "--topic", "Films"), "There's no tag Films."),
        (("--list", "Letter", "--intro", "x" * 200), "shorten"),
    ],
)
def test_what_is_not_there_is_one_sentence(lived: House, asks: tuple[str, ...], sentence: str) -> None:
    refused = lived("form", "new", "F", *asks, *WORDS)
    assert refused.code == 1 and sentence in refused.err + refused.out
