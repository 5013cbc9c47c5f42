"""`samizdat list archive`, `restore` and `rm`."""

from typing import Any


def test_a_list_is_archived_restored_and_removed_with_its_subscribers(house: Any) -> None:
    house.say("list", "new", "Old news")
    house.say("subscribers", "add", "ada@old.example", "--list", "Old news", "--consent", "At the fair.")
    assert house("list", "rm", "Old news", "--with-subscribers", "--yes").code == 1
    house.say("list", "archive", "Old news")
    refused = house("subscribers", "add", "bo@old.example", "--list", "Old news", "--consent", "x", "--json")
    assert (refused.code, refused.json["error"]) == (1, "list_archived")
    assert "Old news (archived)" in house("list", "ls").out
    house.say("list", "restore", "Old news")
    house.say("list", "archive", "Old news")
    asked = house("list", "rm", "Old news", "--json")
    assert asked.json["error"] == "list_in_use" and "1 of them on no other list" in asked.json["sentence"]
    gone = house.say("list", "rm", "Old news", "--with-subscribers", "--yes")
    assert (gone["removed"], gone["alone"]) == (1, 1)
    assert "Old news" not in house("list", "ls").out
    shown = house.say("subscribers", "show", "ada@old.example")
    assert [(row["list"], row["status"]) for row in shown["lists"]] == [("Old news", "unsubscribed")]
    assert house.say("list", "new", "Old news")["name"] == "Old news"
