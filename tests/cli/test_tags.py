"""Tags from the command line."""

import pytest

from tests.cli.conftest import House


@pytest.fixture(scope="module")
def lived(house: House) -> House:
    house.say("list", "new", "Letter")
    (house.folder / "people.csv").write_text(
        "email,City\nada@r.example,Riga\nboris@r.example,Minsk\neva@r.example,Riga\n"
    )
    house.say("import", "people.csv", "--list", "Letter", "--status", "subscribed")
    house.say("segment", "add", "Riga", "--where", '{"field": {"number": "CITY", "op": "is", "value": "Riga"}}')
    return house


def test_a_tag_is_given_and_taken_by_addresses_and_by_a_segment(lived: House) -> None:
    given = lived.say(
        "tag", "add", "Press", "--addresses", "-", feed="ADA@r.example\n\nboris@r.example\nnew@r.example\n"
    )
    assert given == {"given": 3, "found": 2, "unknown": 1, "changed": 2}
    assert lived.say("tag", "add", "press", "--segment", "Riga")["changed"] == 1
    assert lived.say("tag", "ls") == {"tags": [{"name": "Press", "count": 3}]}
    (lived.folder / "some.txt").write_text("ada@r.example\n")
    assert lived.say("tag", "remove", "Press", "--addresses", "some.txt")["changed"] == 1
    assert lived.say("tag", "remove", "Press", "--segment", "Riga") == {
        "given": 2, "found": 2, "unknown": 0, "changed": 1,
    }  # fmt: skip
    assert lived.say("subscribers", "count", "--list", "Letter", "--tag", "Press") == {"count": 1}


def test_what_is_wrong_is_one_sentence_and_changes_nothing(lived: House) -> None:
    for words, code in (
        (("add", "Press", "--addresses", "-"), "bad_address"),
        (("remove", "Nobody", "--segment", "Riga"), "no_such_tag"),
        (("add", "Press", "--segment", "Nowhere"), "no_such_segment"),
        (("add", " ", "--segment", "Riga"), "no_name"),
    ):
        done = lived("tag", *words, "--json", feed="eva@r.example\nno address\n")
        assert done.code == 1 and code in done.out
    assert lived("tag", "add", "Press").code == 2
