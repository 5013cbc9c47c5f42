"""What differs between two messages of one edition, and nothing else."""

from datetime import UTC, datetime

from samizdat.core.content.compile import compile_letter
from samizdat.core.content.message import MessageMaker, slot_values
from samizdat.core.content.render import Content
from samizdat.core.crypto import seal
from samizdat.core.crypto.tokens import LinkKey, Token, read
from samizdat.delivery.message_values import EditionUrls, ValueBuilder, date_text

KEY = LinkKey(7, bytes(range(32)))
PLACE = EditionUrls("https://lantern.example", "lantern.example", "news@lantern.example", archive_slug="november")
NOW = datetime(2026, 11, 25, 12, 34, 56, tzinfo=UTC)


def compiled(**more: object):  # type: ignore[no-untyped-def]
    return compiled_of("Dear {{ FNAME }}, [read]({{ archive }}).", **more)


def compiled_of(body: str, **more: object):  # type: ignore[no-untyped-def]
    content = Content(
        subject="News",
        body=body,
        from_name="Lantern",
        from_address="news@lantern.example",
        to_name="*|FNAME|*",
        fields={"FNAME": "friend"},
        **more,
    )
    proof = compile_letter(content, now=NOW, boundary="x" * 24)
    assert proof.compiled is not None, proof.flaws
    return proof.compiled


def messages(letter, place: EditionUrls, people: dict[int, dict[int, str]]) -> list[bytes]:  # type: ignore[no-untyped-def]
    maker = MessageMaker(letter)
    letterer = ValueBuilder(3, place, KEY, {"FNAME": 16}, maker.needs)
    addressed = letterer.address([(number, seal.pack(values)) for number, values in people.items()])
    for one in addressed:
        one.values["DATE"] = date_text(NOW)
    return [maker(one.values) for one in addressed]


def test_two_messages_differ_only_in_slots() -> None:
    letter = compiled()
    people = {41: {0: "ada@example.org", 16: "Ada"}, 42: {0: "boris@example.org", 16: "Борис, the <b>old</b>"}}
    for message in messages(letter, PLACE, people):
        assert slot_values(letter, message) is not None


def test_the_same_message_made_twice_is_the_same_message() -> None:
    people = {41: {0: "ada@example.org", 16: "Ada"}}
    assert messages(compiled(), PLACE, people) == messages(compiled(), PLACE, people)


def test_every_token_names_edition_and_reader_and_nothing_readable() -> None:
    place = EditionUrls(
        "https://lantern.example",
        "lantern.example",
        "news@lantern.example",
        "bounce@lantern.example",
        "leave@lantern.example",
    )
    maker = MessageMaker(compiled(unsubscribe_mailbox=True))
    (one,) = ValueBuilder(3, place, KEY, {}, maker.needs).address([(41, seal.pack({0: "ada@example.org"}))])
    token = one.values["UNSUB_URL"].removeprefix("https://lantern.example/u/")
    assert (read({7: KEY}, "leave", token).edition, read({7: KEY}, "leave", token).number) == (3, 41)
    assert one.values["LEAVE_MAILTO"] == f"mailto:leave+{token}@lantern.example?subject=leave"
    assert read({7: KEY}, "return", one.sender.partition("+")[2].partition("@")[0]).number == 41
    assert one.values["MESSAGE_ID"].endswith("@lantern.example>")
    assert "41" not in one.values["UNSUB_URL"].removesuffix(token)


def test_the_date_is_told_to_the_minute() -> None:
    assert date_text(NOW) == "Wed, 25 Nov 2026 12:34:00 +0000"


def test_the_link_to_the_settings_is_a_token_of_its_own() -> None:
    letter = compiled()
    letterer = ValueBuilder(3, PLACE, KEY, {"FNAME": 16}, MessageMaker(letter).needs)
    [ada] = letterer.address([(41, seal.pack({0: "ada@example.org"}))])
    token = ada.values["PREFERENCES_URL"].removeprefix("https://lantern.example/p/")
    assert read({7: KEY}, "preferences", token).number == 41
    assert token not in ada.values["UNSUB_URL"]


def test_how_a_reader_wants_their_letters_comes_along() -> None:
    letter = compiled()
    letterer = ValueBuilder(3, PLACE, KEY, {"FNAME": 16}, MessageMaker(letter).needs)
    people = [(41, {0: "ada@example.org", seal.WISHES: "td"}), (42, {0: "boris@example.org"})]
    ada, boris = letterer.address([(number, seal.pack(values)) for number, values in people])
    assert (ada.wishes, boris.wishes) == ("td", "")


def test_a_letter_that_asks_again_has_a_page_to_say_yes_on_and_others_have_none() -> None:
    asking = MessageMaker(compiled_of("Do you want to stay? [Yes]({{ stay }}) or [no]({{ unsubscribe }})."))
    (one,) = ValueBuilder(3, PLACE, KEY, {}, asking.needs).address([(41, seal.pack({0: "ada@example.org"}))])
    token = one.values["STAY_URL"].removeprefix("https://lantern.example/y/")
    assert read({KEY.number: KEY}, "stay", token) == Token(3, 41, KEY.number)
    one.values["DATE"] = date_text(NOW)
    assert b"https://lantern.example/y/" in asking(one.values).replace(b"=\r\n", b"")
    (other,) = ValueBuilder(3, PLACE, KEY, {}, MessageMaker(compiled()).needs).address(
        [(41, seal.pack({0: "a@b.example"}))]
    )
    assert "STAY_URL" not in other.values
