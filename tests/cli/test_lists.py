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


def test_a_welcome_email_is_written_switched_on_and_off(house: Any) -> None:
    house.say("list", "new", "News")
    assert house("list", "welcome", "News", "--on", "--json").json["error"] == "no_draft"
    words = ("--subject", "Welcome", "--from", "Lantern <news@lantern.example>", "--body", "-")
    refused = house("campaign", "new", "--list", "News", "--welcome", "--appeal", *words, "--json", feed="Hello.\n")
    assert refused.json["error"] == "welcome_to_all"
    draft = house("campaign", "new", "--list", "News", "--welcome", *words, "--json", feed="Hello.\n").json["id"]
    assert house("campaign", "send", str(draft), "--json").json["error"] == "welcome"
    shown = house.say("list", "welcome", "News")
    assert (shown["state"], shown["draft"], shown["on"]) == ("off", draft, None)
    on = house.say("list", "welcome", "News", "--on")
    assert (on["state"], on["draft"], on["on"], on["sent"], on["waiting"]) == ("on", None, draft, 0, 0)
    assert "on; 0 sent" in house("list", "welcome", "News").out
    assert house.say("list", "welcome", "News", "--off")["state"] == "off"
    assert house("list", "welcome", "News", "--off").code == 1
