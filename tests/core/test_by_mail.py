"""What a plain email asks for; nothing that a program or a list sent asks for anything."""

from datetime import UTC, datetime

import pytest

from samizdat.core.mail.by_mail import Command, command, is_recent, numbered, of_number, read

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("leave", Command("leave")),
        ("Отписаться", Command("leave")),
        ("pause", Command("pause", "30")),
        ("pause 14", Command("pause", "14")),
        ("пауза-7", Command("pause", "7")),
        ("digest", Command("often", "digest")),
        ("language-ru", Command("language", "ru")),
        ("subscribe", Command("subscribe")),
        ("subscribe-friday-letter", Command("subscribe", "friday-letter")),
        ("text", Command("format", "t")),
        ("html", Command("format")),
        ("DATA", Command("data")),
    ],
)
def test_a_word_is_a_command(words: str, asked: Command) -> None:
    assert command(words) == asked


@pytest.mark.parametrize(
    "words",
    [
        "",
        "Stop by on Friday",
        "All good here",
        "data for you",
        "Re: leave",
        "pause tomorrow",
        "language klingon",
        "pause 99999",
    ],
)
def test_a_subject_of_a_person_is_none(words: str) -> None:
    assert command(words) is None


@pytest.mark.parametrize(
    "asked",
    [
        Command("leave"), Command("pause", "400"), Command("often", "monthly"), Command("language", "ru"),
        Command("language", "ckb"), Command("format", "t"), Command("format"), Command("data"), Command("help"),
    ],
)  # fmt: skip
def test_a_command_fits_into_a_token(asked: Command) -> None:
    assert numbered(asked) < 2**32 and of_number(numbered(asked)) == asked


def letter(body: str = "", **headers: str) -> bytes:
    lines = {"From": "Ada <ada@a.example>", "To": "news@lantern.example", "Subject": "leave"} | headers
    return (
        "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items()) + f"\r\n{body}\r\n"
    ).encode()


def test_a_message_says_who_asks_for_what_and_of_whom() -> None:
    request = read(letter("YES!\r\n\r\n> Someone asked", Subject="=?utf-8?b?0L7RgtC/0LjRgdCw0YLRjNGB0Y8=?="))
    assert request is not None and request.yes
    assert (request.sender, request.to, request.subject) == ("ada@a.example", ("news@lantern.example",), "отписаться")


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto-Submitted": "auto-replied"},
        {"Precedence": "bulk"},
        {"Precedence": "list"},
        {"List-Id": "<friends.example>"},
        {"List-Unsubscribe": "<mailto:x@y.example>"},
        {"X-Autoreply": "yes"},
        {"Return-Path": "<>"},
        {"Subject": "Out of office: leave"},
        {"X-Loop": "ada@a.example"},
    ],
)
def test_a_program_asks_for_nothing(headers: dict[str, str]) -> None:
    assert read(letter("yes", **headers)) is None


@pytest.mark.parametrize(
    "body", ["Yesterday I was away", "I say yes to everything", "", "> yes", "I am on vacation. Yes."]
)
def test_only_a_yes_that_stands_alone_is_one(body: str) -> None:
    request = read(letter(body))
    assert request is not None and not request.yes


@pytest.mark.parametrize("body", ["yes", "Yes.", "ДА", "\r\n\r\n  yes  \r\nAda", "Так!"])
def test_a_yes_in_a_few_languages_is_one(body: str) -> None:
    request = read(letter(body, Content_Type="text/plain; charset=utf-8", Content_Transfer_Encoding="8bit"))
    assert request is not None and request.yes


@pytest.mark.parametrize(
    ("date", "recent"),
    [
        ("Mon, 30 Nov 2026 10:00:00 +0000", True),
        ("Mon, 23 Nov 2026 10:00:00 +0000", False),
        ("Tue, 1 Dec 2026 10:00:00 +0000", False),
        ("nonsense", False),
    ],
)
def test_a_message_counts_for_three_days(date: str, recent: bool) -> None:
    assert is_recent(date, NOW) is recent


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        (b"ada@a.example", "ada@a.example"),
        (b"Ada <ada@a.example>", "ada@a.example"),
        ("Ада <ada@a.example>".encode(), "ada@a.example"),
        (b"=?utf-8?q?grace=40a=2Eexample?= <ada@a.example>", "ada@a.example"),
        (b"=?utf-8?q?grace=40a=2Eexample_=28?= <ada@a.example>", "ada@a.example"),
        (b'"grace@a.example" <ada@a.example>', ""),
        (b"grace@a.example, ada@a.example", ""),
        (b"<'grace@a.example>", ""),
        (b"<grace@a.example> Ada", ""),
        (b'"grace@a.example" <' + b"a" * 2000 + b"@a.example>", ""),
    ],
)
def test_a_name_is_not_taken_for_the_sender(header: bytes, sender: str) -> None:
    request = read(b"From: " + header + b"\r\nTo: news@lantern.example\r\nSubject: leave\r\n\r\n")
    assert request is not None and request.sender == sender
