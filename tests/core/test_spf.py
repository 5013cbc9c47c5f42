"""What receivers make of an SPF record."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.mail import spf
from samizdat.core.mail.spf import Ask, read

HOSTS = {"mail.lantern.example", "lantern.example"}


def zone(records: dict[str, str | list[str]], silent: frozenset[str] = frozenset()) -> Ask:
    """TXT records by name, an address for each of HOSTS, and names for which no server answers."""

    def ask(name: str, kind: str) -> list[str] | None:
        if name in silent:
            return None
        texts = records.get(name, [])
        if kind == "TXT":
            return [texts] if isinstance(texts, str) else texts
        return ["192.0.2.1"] if kind in ("A", "MX") and name in HOSTS else []

    return ask


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", ""),
        ("v=spf1 ip6:2001:db8::/32 ~all", ""),
        ("V=SPF1 A:mail.lantern.example/24//64 MX -ALL", ""),
        ("v=spf1 include:relay.example exp=why.lantern.example ~all", ""),
        ("v=spf1 redirect=relay.example", ""),
        ("v=spf1 exists:%{i}.list.example -all", ""),
        ("v=spf1 -all", "nobody"),
        ("v=spf1", "nobody"),
        ("v=spf1 all", "everyone"),
        ("v=spf1 ip4:0.0.0.0/0 -all", "everyone"),
        ("v=spf1 include:open.example -all", "everyone"),
        ("v=spf1 ip4:192.0.2.300 -all", "syntax"),
        ("v=spf1 ip4:2001:db8::1 -all", "syntax"),
        ("v=spf1 include -all", "syntax"),
        ("v=spf1 ipv4:192.0.2.1 -all", "syntax"),
        ("v=spf1; a; -all", "syntax"),
        ("v=spf1 mx include:nobody.example -all", "include"),
        ("v=spf1 mx include:deep.example -all", "include"),
        ("v=spf1 a:one.example a:two.example mx -all", ""),
        ("v=spf1 a:one.example a:two.example a:three.example -all", "void"),
        ("v=spf1 include:loop.example -all", "lookups"),
        ("v=spf1 " + "mx " * 11 + "-all", "lookups"),
        ("v=spf1 " + "mx " * 10 + "-all", ""),
        ("v=DKIM1; p=abc", "missing"),
    ],
)
def test_a_record_is_read_as_a_receiver_reads_it(record: str, code: str) -> None:
    others = {
        "relay.example": "v=spf1 ip4:198.51.100.0/24 -all",
        "open.example": "v=spf1 +all",
        "deep.example": "v=spf1 include:nobody.example -all",
        "loop.example": "v=spf1 include:loop.example -all",
    }
    assert read("lantern.example", zone({"lantern.example": record, **others})).code == code


def test_two_records_are_one_too_many() -> None:
    result = read("lantern.example", zone({"lantern.example": ["v=spf1 a -all", "v=spf1 mx ~all", "a note"]}))
    assert (result.code, result.detail) == ("several", "2")
    assert spf.merged(result.texts) == "v=spf1 a mx ~all"


def test_look_ups_of_included_records_count() -> None:
    records: dict[str, str | list[str]] = {
        "lantern.example": "v=spf1 include:relay.example mx -all",
        "relay.example": "v=spf1 a:mail.lantern.example",
    }
    result = read("lantern.example", zone(records))
    assert (result.code, result.lookups, result.includes) == ("", 3, {"relay.example"})


def test_a_server_that_does_not_answer_hides_no_mistake_beside_it() -> None:
    silent = frozenset({"relay.example"})
    text = {"lantern.example": "v=spf1 include:relay.example -all"}
    assert read("lantern.example", zone(text, silent)).code == "unanswered"
    text = {"lantern.example": "v=spf1 include:relay.example wrong -all"}
    assert read("lantern.example", zone(text, silent)).code == "syntax"


def test_what_to_publish_keeps_what_was_right() -> None:
    record = "v=spf1 a include:gone.example mx:x.example -all"
    assert spf.without(record, ["gone.example"]) == "v=spf1 a mx:x.example -all"
    assert spf.including("v=spf1 a -all", "relay.example") == "v=spf1 include:relay.example a -all"
    assert spf.for_everyone_no_more("v=spf1 a +all") == "v=spf1 a ~all"


@given(st.text(string.ascii_lowercase + string.digits + ":=/.%{}+-~? ", max_size=200))
def test_no_record_breaks_the_reader_or_makes_it_ask_for_long(text: str) -> None:
    result = read("lantern.example", lambda _name, kind: [f"v=spf1 {text}"] if kind == "TXT" else [])
    assert result.lookups <= spf.MOST_LOOKUPS + 1
