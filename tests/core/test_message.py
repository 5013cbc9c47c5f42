"""Slots: whatever stands in one, it stays there, and reads back as it was meant."""

import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from quopri import decodestring
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from samizdat.core.content.merge import MergeCondition
from samizdat.core.content.message import (
    ALIKE,
    ENCODERS,
    ESCAPES,
    MARK,
    CompiledContent,
    ConditionalParts,
    MessageMaker,
    Unmakeable,
    ValueSlot,
    as_link,
    differences,
    dumps,
    encoded_words,
    loads,
    make_out,
    once,
    one_line,
    phrase,
    quoted,
    slot_values,
    soft_lines,
)
from samizdat.core.fields import in_letter

NASTY = [
    "D'Arcy",
    "Jo <3",
    "Smith & Co",
    '"Smith & Co"',
    'O"Neil \\ Sons',
    "Жанна д’Арк",
    "王小明",
    "Nguyễn Thị Minh Khai",
    "👩‍👩‍👧 family",
    "محمد عبد الله",
    "\u202eevil\u202c",
    "שָׁלוֹם",
    "Ada\r\nBcc: all@example.org",
    "Ada\nX: y",
    "Ada\r\n\r\n<html>",
    "Ada\x00Lovelace",
    "Ada\u2028Lovelace",
    "x" * 200,
    "ж" * 200,
    "👍" * 70,
    "lone \ud83d half",
    "=?utf-8?q?Ada?=",
    "=20",
    "a=b",
    ".hidden",
    "--=_abcdefgh1234",
    "-dash",
    "From here on",
    "F",
    "  two  blanks ",
    "\ttab\t",
    "a@b.org, c@d.org",
    "group: a@b.org;",
    "(comment)",
    "<script>alert(1)</script>",
    "{{ FNAME }} *|LNAME|*",
    "%0d%0aBcc: x",
    "?=",
    "_under_score_",
    "e\u0301 combining",
]


def expected(name: str) -> str:
    return " ".join(one_line(name).split())


def to_header(name: str, address: str = "ada@example.org") -> bytes:
    compiled = CompiledContent(
        (b"To: ", b"<", b">\r\n\r\nbody\r\n"),
        (ValueSlot("phrase", "TO_NAME"), ValueSlot("address", "EMAIL")),
        to_name=(ValueSlot("phrase", "FNAME"),),
    )
    return make_out(compiled, {"FNAME": name, "EMAIL": address})


def read_phrase(message: EmailMessage, header: str = "To") -> str:
    """The name in an address header. Blanks between encoded words do not count (RFC 2047 section 6.2).

    The newer parser of the standard library counts them in a phrase, so for several words the older one is asked.
    """
    (raw,) = [str(value) for name, value in message.raw_items() if name == header]
    if raw.count("=?utf-8?") < 2:
        return str(message[header].addresses[0].display_name)
    return str(make_header(decode_header(raw.rpartition("<")[0]))).strip()


@pytest.mark.parametrize("name", NASTY)
def test_a_name_in_the_to_header_reads_back_and_adds_nothing(name: str) -> None:
    message = message_from_bytes(to_header(name), policy=policy.default)
    assert message.keys() == ["To"]
    (mailbox,) = message["To"].addresses
    assert mailbox.addr_spec == "ada@example.org"
    assert read_phrase(message) == expected(in_letter(name))
    assert message.get_content() == "body\r\n"


@given(st.text(alphabet=st.characters(), max_size=120))
def test_any_name_at_all_stays_a_name(name: str) -> None:
    raw = to_header(name)
    head, _, body = raw.partition(b"\r\n\r\n")
    assert body == b"body\r\n"
    assert all(re.match(rb"(?:To:| )", line) for line in head.split(b"\r\n"))
    assert all(len(line) <= 78 for line in head.split(b"\r\n"))
    message = message_from_bytes(raw, policy=policy.default)
    assert message.keys() == ["To"]
    assert [address.addr_spec for address in message["To"].addresses] == ["ada@example.org"]


@pytest.mark.parametrize(
    "address", ["ada@example.org", "o'hara+x@example.org", '"two words"@example.org', "аня@example.org"]
)
def test_an_address_stands_as_it_is(address: str) -> None:
    raw = to_header("Ada", address)
    assert f"To: Ada <{address}>".encode() in raw


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "a@b\r\nBcc: c@d",
        "a@b>, <c@d",
        "a b@c",
        "a@b,c@d",
        "a@b c",
        "\ud800@b",
        "a@b\x00",
        '"a\r\n"@b',
        "a\u2028b@c\u2028",
    ],
)
def test_what_is_no_address_makes_one_message_impossible_and_no_other(address: str) -> None:
    with pytest.raises(Unmakeable) as caught:
        to_header("Ada", address)
    assert caught.value.code == "address"


@pytest.mark.parametrize("value", ["", "a\r\nb", "a\nb", " a", "a ", "é", "x" * 1_000])
def test_a_ready_header_value_never_carries_a_line_end(value: str) -> None:
    with pytest.raises(Unmakeable):
        ENCODERS["raw"](value)


@given(st.text(alphabet=st.characters(), max_size=300), st.sampled_from(["html", "attr", "link", "url", "text"]))
def test_a_value_in_a_body_decodes_to_itself_escaped_and_bends_no_line(value: str, kind: str) -> None:
    coded = ENCODERS[kind](value)
    lines = coded.split(b"\r\n")
    assert all(len(line) <= 76 for line in lines)
    assert all(not line.startswith((b".", b"-", b"From")) for line in lines)
    assert all(re.fullmatch(rb"[\x21-\x7e]*", line) for line in lines)
    assert all(line.endswith(b"=") for line in lines[:-1])
    assert len(lines[-1]) <= 75  # room for the soft break that follows
    assert decodestring(coded).decode() == ESCAPES[kind](value)


@given(st.text(alphabet=st.characters(), max_size=80))
def test_the_short_ways_through_the_encoders_give_what_the_long_ones_give(value: str) -> None:
    for text in (value, "Ada", "Fay", "https://x.example.org/l/" + "ab" * 26, value + "@example.org"):
        for kind in ("html", "attr", "text", "url"):
            assert decodestring(ENCODERS[kind](text)).decode() == ESCAPES[kind](text)


@given(st.binary(max_size=400).filter(lambda data: b"\n" not in data and b"\r" not in data))
@example(b"\0" * 24 + b"!\x80")  # A cut before what would go on with a character, where none began.
def test_quoted_printable_is_undone_by_the_standard_library(data: bytes) -> None:
    assert decodestring(quoted(data)) == data


@given(st.text(max_size=200))
def test_a_character_is_not_torn_over_two_lines(text: str) -> None:
    coded = b"".join(b"=%02X" % byte for byte in text.encode())
    for line in soft_lines(coded):
        decodestring(line).decode()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100))
def test_encoded_words_read_as_the_text_wherever_they_are_cut(text: str) -> None:
    words = encoded_words(one_line(text))
    assert all(len(word) <= 75 for word in words)
    header = message_from_bytes(("Subject: " + "\r\n ".join(words) + "\r\n\r\n").encode(), policy=policy.default)
    assert str(header["Subject"]) == one_line(text)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("https://example.org/a?b=c&d", "https://example.org/a?b=c&amp;d"),
        ("mailto:a@b.org", "mailto:a@b.org"),
        ("javascript:alert(1)", ""),
        ("JaVaScRiPt:alert(1)", ""),
        ("data:text/html,x", ""),
        ("https://x.org/ onclick=y", ""),
        ('https://x.org/"><script>', ""),
        ("//x.org", ""),
    ],
)
def test_a_readers_own_link_is_a_link_or_nothing(value: str, kept: str) -> None:
    assert as_link(value) == kept


@given(st.text(max_size=200) | st.sampled_from(["Ada", "Jo <3", "https://lantern.example/u/" + "ab" * 26, "a\x00b&"]))
def test_a_value_that_is_encoded_once_is_what_each_place_would_have_made_of_it(text: str) -> None:
    kinds = sorted(ALIKE)
    assert once(kinds)(text) == [ENCODERS[kind](text) for kind in kinds]


def test_an_empty_name_leaves_the_address_alone() -> None:
    assert phrase("  ") == ""
    assert to_header("\r\n").startswith(b"To: <ada@example.org>\r\n")


PLAIN = CompiledContent(
    (b"To: <", b">\r\n\r\nDear=20=\r\n", b"=\r\n!\r\nBye=20=\r\n", b"=\r\n.\r\n"),
    (ValueSlot("address", "EMAIL"), ValueSlot("text", "FNAME", "friend"), ValueSlot("text", "FNAME", "friend")),
    fields=("FNAME",),
)


def test_a_default_stands_for_an_empty_value() -> None:
    assert make_out(PLAIN, {"EMAIL": "a@b.org", "FNAME": ""}).count(b"friend") == 2


def test_two_messages_differ_only_in_declared_slots() -> None:
    assert differences(PLAIN) == (("address", "EMAIL"), ("text", "FNAME"), ("text", "FNAME"))
    for name in NASTY:
        message = make_out(PLAIN, {"EMAIL": "a@b.org", "FNAME": name})
        found = slot_values(PLAIN, message)
        assert found is not None
        assert found[1] == found[2]
        assert decodestring(found[1]).decode() == one_line(in_letter(name) or "friend")


@pytest.mark.parametrize("kind", ["html", "attr", "text", "subject", "subject_start", "phrase"])
@pytest.mark.parametrize(
    "value",
    [
        "closed: https://evil.example/a",
        "evil.example",
        "evil\u00ad.example",
        "ask a@b.org",
        "one\ntwo",
        "\u202elive",
        "a" * 101,
    ],
)
def test_who_has_a_long_value_or_one_with_a_link_reads_the_stand_in(kind: Any, value: str) -> None:
    maker = MessageMaker(CompiledContent((b"", b""), (ValueSlot(kind, "CITY", "Riga"),)))
    assert maker({"CITY": value}) == maker({"CITY": ""}) != maker({"CITY": "Oslo"})


def test_who_has_a_long_day_reads_the_stand_in() -> None:
    slot = ValueSlot("text", "BIRTHDAY|en|j F", "soon")
    maker = MessageMaker(CompiledContent((b"", b""), (slot,)))
    values = ("2026-11-25", "25.11. at https://evil.example", "")
    assert [decodestring(maker({"BIRTHDAY": value})) for value in values] == [b"25 November", b"soon", b"soon"]


def test_a_link_is_the_address_of_a_button_and_no_text() -> None:
    link, text, beside = (ValueSlot(kind, "SITE", "none") for kind in ("link", "html", "text_link"))
    compiled = CompiledContent((b"", b" ", b" ", b""), (link, text, beside))
    assert make_out(compiled, {"SITE": "https://ada.example/"}) == b"https://ada.example/ none https://ada.example/"
    assert make_out(compiled, {"SITE": "Ada"}) == b" Ada Ada"


def test_a_message_changed_outside_of_its_slots_is_found_out() -> None:
    message = make_out(PLAIN, {"EMAIL": "a@b.org", "FNAME": "Ada"})
    assert slot_values(PLAIN, message.replace(b"Bye", b"Hi!")) is None
    assert slot_values(PLAIN, message + b"x") is None
    assert slot_values(PLAIN, b"X: y\r\n" + message) is None


# {% if CITY = Riga %}R{% if FNAME %}n{% endif %}{% else %}other{% endif %}!
CHOOSING = CompiledContent(
    (b"<", b"R=\r\n", b"n=\r\n", b"", b"other=\r\n", b"!\r\n"),
    (MARK, MARK, MARK, MARK, MARK),
    (
        ConditionalParts(((MergeCondition("CITY", "=", "Riga"), 0, 3), (None, 3, 4))),
        ConditionalParts(((MergeCondition("FNAME", "has"), 1, 2),)),
    ),
)


@pytest.mark.parametrize(
    ("values", "body"),
    [
        ({"CITY": "Riga", "FNAME": "Ada"}, b"<R=\r\nn=\r\n!\r\n"),
        ({"CITY": "Riga"}, b"<R=\r\n!\r\n"),
        ({"CITY": "Oslo", "FNAME": "Ada"}, b"<other=\r\n!\r\n"),
        ({}, b"<other=\r\n!\r\n"),
    ],
)
def test_conditions_choose_between_runs_of_parts(values: dict[str, str], body: bytes) -> None:
    maker = MessageMaker(CHOOSING)
    assert maker(values) == body
    assert maker(values) == body  # from the kept order
    assert {"CITY", "FNAME"} <= maker.needs


@pytest.mark.parametrize("slots", [0, 1_900])
def test_many_conditions_do_not_fill_the_memory(slots: int) -> None:
    marks = 2 * 12
    compiled = CompiledContent(
        (b"",) * (marks + slots + 1),
        (*(MARK,) * marks, *[ValueSlot("html", "FNAME")] * slots),
        tuple(ConditionalParts(((MergeCondition(f"F{i}", "has"), 2 * i, 2 * i + 1),)) for i in range(12)),
    )
    maker = MessageMaker(compiled)
    for number in range(4_096 if slots == 0 else 50):
        maker({f"F{i}": "x" for i in range(12) if number >> i & 1})
    assert 1 <= len(maker._orders) <= 40_000 / (marks + 1 + 2 * slots)


def test_an_edition_is_kept_and_read_back_the_same() -> None:
    for compiled in (PLAIN, CHOOSING):
        assert loads(dumps(compiled)) == compiled


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"format":9}',
        b"\x80\x04N.",
        dumps(PLAIN)[:-5],
        dumps(PLAIN).replace(b'"html"', b'"x"').replace(b'"text"', b'"x"'),
    ],
)
def test_damaged_editions_are_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"Upgrade, or restore it\."):
        loads(data)


def test_the_way_to_the_preferences_is_the_way_out_until_there_is_one() -> None:
    compiled = CompiledContent((b"<", b">"), (ValueSlot("attr", "PREFERENCES_URL"),))
    assert make_out(compiled, {"UNSUB_URL": "https://x.org/l"}) == b"<https://x.org/l>"


# --- what an editor may write a thousand times ---


def links(default: str = "{}") -> CompiledContent:
    slots = tuple(ValueSlot("url", "CITY", default.format(number)) for number in range(1_900))
    return CompiledContent((b"\r\n\r\n<a href=3D", *[b"=\r\n>=\r\n"] * 1_900), slots, fields=("CITY",))


def test_an_address_has_no_value_that_is_longer_than_addresses_are() -> None:
    compiled = CompiledContent((b"\r\n\r\n", b"\r\n"), (ValueSlot("url", "CITY", "nowhere"),), fields=("CITY",))
    assert b"nowhere" in make_out(compiled, {"CITY": "ж" * 301})
    assert b"%D0%B6" in make_out(compiled, {"CITY": "ж" * 300})


def test_a_subscriber_whose_values_make_an_email_too_large_gets_none() -> None:
    assert len(make_out(links(), {"CITY": "Riga"})) < 100_000
    with pytest.raises(Unmakeable) as refused:
        make_out(links(), {"CITY": "ж" * 300})
    assert refused.value.code == "too_large"


def test_a_value_with_a_thousand_defaults_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[str] = []
    maker = MessageMaker(links())
    monkeypatch.setitem(ENCODERS, "url", lambda text: encoded.append(text) or text.encode())
    assert maker({"CITY": "Riga"}).count(b"Riga") == 1_900
    assert encoded == ["Riga"]
    assert maker({})[-30:] == make_out(links(), {})[-30:]


def test_a_condition_that_stands_in_a_thousand_places_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    split: list[str] = []
    monkeypatch.setattr("samizdat.core.content.message.folded_groups", lambda text: split.append(text) or {text})
    asked = [MergeCondition("TAGGED:", "any", "spring" if place % 2 else "winter") for place in range(1_000)]
    asked += [MergeCondition("TAGGED:", "any", "summer")]
    branches = tuple((condition, 2 * place, 2 * place + 1) for place, condition in enumerate(asked))
    compiled = CompiledContent((b"\r\n\r\n", *[b"x"] * 2_002), (MARK,) * 2_002, (ConditionalParts(branches),))
    maker = MessageMaker(compiled)
    for tags in ("summer", "summer", "other"):
        maker({"TAGGED:": tags})
    assert sorted(split) == ["other", "spring", "summer", "summer", "summer", "winter"]
