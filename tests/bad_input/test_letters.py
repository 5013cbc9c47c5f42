"""Letters that cannot go out: each flaw is a sentence, nothing is frozen, and no header gets in by a name."""

from email import message_from_bytes, policy

import pytest

from tests.bad_input.saying import LETTER, SENDER, cases, draft, one_sentence, refuses, rows, rows_of
from tests.cli.conftest import House

LIST = "Letter"


@pytest.fixture(scope="module")
def lists(house: House) -> House:
    """Ada, whose name tries to be a header and markup, is on the list; letters go into a folder."""
    house.say("list", "new", LIST)
    name = '"Ada\r\nBcc: everybody@reader.example"'
    (house.folder / "people.csv").write_bytes(f"email,First Name\r\nada@reader.example,{name}\r\n".encode())
    house.say("import", "people.csv", "--list", LIST, "--status", "subscribed")
    (house.folder / "out").mkdir()
    house.say("route", "add", "paper", f"folder://{house.folder}/out")
    (house.folder / "letter.md").write_text(LETTER)
    return house


def write(house: House, **words: str) -> tuple[str, ...]:
    body = words.pop("body", None)
    if body is not None:
        file = house.folder / words.pop("file", "bad.md")
        file.write_bytes(body.encode("utf-8", "surrogateescape"))
    else:
        file = house.folder / "letter.md"
    told = {"list": LIST, "subject": "News", "from": SENDER, "body": str(file)} | words
    return ("campaign", "new", *(word for name, value in told.items() for word in (f"--{name}", value)))


FLAWED = {
    "a subject of 3,000 characters": ({"subject": "x" * 3000}, "Shorten it"),
    "a header in the subject": ({"subject": "News\r\nBcc: everybody@reader.example"}, "one line"),
    "a tag in the subject that never ends": ({"subject": "Dear {{ FNAME"}, "Close it with }}"),
    "a header in reply-to": ({"reply-to": "a@reader.example\nBcc: b@reader.example"}, "the reply-to address"),
    "a tag that never ends": ({"body": "# Dear {{ FNAME"}, "Close it with }}"),
    "a Mailchimp tag that never ends": ({"body": "Dear *|FNAME, hello"}, "Close it with |*"),
    "a condition that never ends": ({"body": "{% if FNAME %}Dear"}, "{% endif %}"),
    "a Mailchimp condition that never ends": ({"body": "*|IF:FNAME|*Dear"}, "END:IF"),
    "ten thousand open conditions": ({"body": "{% if FNAME %}" * 10_000}, ""),
    "an unknown tag": ({"body": "Dear *|NOSUCHTAG|*"}, "NOSUCHTAG"),
}


@pytest.mark.parametrize(("words", "says"), cases(FLAWED))
def test_a_flawed_letter_is_not_released_and_the_flaw_is_named(lists: House, words: dict[str, str], says: str) -> None:
    number = str(lists.say(*write(lists, **words))["id"])
    before = rows(lists)
    one_sentence(lists("campaign", "send", number), says)
    assert rows(lists) == before


REFUSED = {
    "an empty subject": ({"subject": " "}, "no subject"),
    "a header in the sender's name": (
        {"from": "N\r\nBcc: everybody@reader.example <letter@lantern.example>"},
        "sender",
    ),
    "a header after the sender": ({"from": f"{SENDER}\r\nBcc: everybody@reader.example"}, "sender"),
    "a sender without address": ({"from": "Northern Lantern"}, "sender"),
    "two senders": ({"from": "a@lantern.example, b@lantern.example"}, "sender"),
    "another encoding": ({"body": "\udccf\udcf0\udce8"}, "UTF-8"),
    "no such list": ({"list": "nowhere"}, "nowhere"),
}


@pytest.mark.parametrize(("words", "says"), cases(REFUSED))
def test_what_cannot_be_a_draft_is_refused_and_nothing_is_written(
    lists: House, words: dict[str, str], says: str
) -> None:
    before = rows(lists)
    one_sentence(lists(*write(lists, **words)), says)
    assert rows(lists) == before


def test_a_check_of_a_flawed_letter_ends_with_one_sentence_and_one_document(lists: House) -> None:
    number = draft(lists, LIST)
    lists.say("route", "pause", "paper")
    checked = lists("campaign", "check", number)
    lists.say("route", "resume", "paper")
    assert checked.code == 1
    assert "recipients" in checked.out
    assert len(checked.err.strip().splitlines()) == 1, checked.err
    assert "No sending route is working" in checked.err


def test_markup_that_never_ends_still_makes_a_whole_letter(lists: House) -> None:
    number = str(lists.say(*write(lists, body="<p>Hello <b <i <a href='", file="bad.html"))["id"])
    assert lists.say("campaign", "send", number, "--wait")["accepted"] == 1


def test_a_name_that_would_be_a_header_stays_a_name(lists: House) -> None:
    words = {"subject": "Dear {{ FNAME }}", "body": "Dear {{ FNAME }}"}
    number = str(lists.say(*write(lists, **words))["id"])
    before = set((lists.folder / "out").iterdir())
    assert lists.say("campaign", "send", number, "--wait")["accepted"] == 1
    (file,) = set((lists.folder / "out").iterdir()) - before
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert message["Bcc"] is None
    assert message["To"].addresses[0].addr_spec == "ada@reader.example"
    # A name of two lines is none: the letter says what stands in for it.
    assert str(message["Subject"]).strip() == "Dear" and "everybody" not in file.read_text()
    assert [str(value) for name, value in message.items() if name.lower() in ("from", "sender")] == [SENDER]


def test_a_route_that_is_none_is_refused_without_its_password(lists: House) -> None:
    before = rows_of(lists, "delivery_route")
    assert "secret-word" not in refuses(lists, "route", "add", "bad", "smtp://ada:secret-word@host:99999")["sentence"]
    for url in ("gopher://x", "smtp://h\r\nx:25"):
        one_sentence(lists("route", "add", "bad", url))
    assert rows_of(lists, "delivery_route") == before
