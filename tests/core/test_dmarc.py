"""Which DMARC policy holds for a domain, and which domains are aligned: the walk of RFC 9989."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.mail import dmarc
from samizdat.core.mail.spf import Ask


def zone(records: dict[str, str | list[str]], silent: str = "") -> Ask:
    """records: by the domain below whose _dmarc they stand."""

    def ask(name: str, kind: str) -> list[str] | None:
        domain = name.removeprefix("_dmarc.")
        if silent and domain == silent:
            return None
        texts = records.get(domain, []) if kind == "TXT" and name.startswith("_dmarc.") else []
        return [texts] if isinstance(texts, str) else texts

    return ask


def test_a_walk_asks_eight_names_at_most() -> None:
    """The example of RFC 9989, 4.10."""
    names = dmarc.walk_names("a.b.c.d.e.f.g.h.i.j.mail.example.com")
    assert names == [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    ]
    assert dmarc.walk_names("lantern.example") == ["lantern.example", "example"]


@given(st.lists(st.sampled_from(["a", "bb", "c3"]), min_size=1, max_size=30).map(".".join))
def test_each_name_of_a_walk_is_above_the_one_before(domain: str) -> None:
    names = dmarc.walk_names(domain)
    assert len(names) <= dmarc.MOST_QUERIES and names[-1] == domain.rpartition(".")[2]
    assert all(before.endswith(f".{name}") for before, name in pairwise(names))


@pytest.mark.parametrize(
    ("records", "policy", "organizational"),
    [
        ({"mail.lantern.example": "v=DMARC1; p=reject"}, "reject", "mail.lantern.example"),
        ({"lantern.example": "v=DMARC1; p=reject"}, "reject", "lantern.example"),
        ({"lantern.example": "v=DMARC1; p=reject; sp=none"}, "none", "lantern.example"),
        ({"lantern.example": "v=DMARC1; sp=quarantine; p=reject; np=none"}, "none", "lantern.example"),
        ({"example": "v=DMARC1; psd=y; p=reject"}, "reject", "lantern.example"),
        ({"lantern.example": "v=DMARC1; p=none", "example": "v=DMARC1; psd=y; p=reject"}, "none", "lantern.example"),
        (
            {"mail.lantern.example": "v=DMARC1; p=none; psd=n", "lantern.example": "v=DMARC1; p=reject"},
            "none",
            "mail.lantern.example",
        ),
        (
            {"mail.lantern.example": "v=DMARC1; p=none", "lantern.example": "v=DMARC1; p=reject"},
            "none",
            "lantern.example",
        ),
        ({"lantern.example": " v = DMARC1 ;pct=50;weird=1;p=Reject;"}, "reject", "lantern.example"),
    ],
)
def test_the_policy_is_that_of_the_domain_or_of_its_organization(
    records: dict[str, str | list[str]], policy: str, organizational: str
) -> None:
    result = dmarc.find("mail.lantern.example", zone(records))
    assert (result.code, result.policy, result.organizational) == ("", policy, organizational)


@pytest.mark.parametrize(
    ("records", "code", "policy"),
    [
        ({}, "missing", ""),
        ({"lantern.example": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}, "several", ""),
        ({"lantern.example": "v=DMARC2; p=none"}, "syntax", ""),
        ({"lantern.example": "v=dmarc1; p=none"}, "syntax", ""),
        ({"lantern.example": "v=DMARC1 p=none"}, "syntax", ""),
        ({"lantern.example": "v=DMARC1"}, "no_policy", ""),
        ({"lantern.example": "v=DMARC1; p=nothing"}, "no_policy", ""),
        ({"lantern.example": "v=DMARC1; p=reject; sp=x"}, "no_policy", ""),
        ({"lantern.example": "v=DMARC1; rua=mailto:dmarc@lantern.example"}, "no_policy", "none"),
        ({"lantern.example": "p=none; v=DMARC1"}, "missing", ""),
    ],
)
def test_a_policy_that_receivers_cannot_use_is_named(
    records: dict[str, str | list[str]], code: str, policy: str
) -> None:
    result = dmarc.find("lantern.example", zone(records))
    assert (result.code, result.policy) == (code, policy)


def test_two_records_of_a_subdomain_leave_the_policy_of_the_organization() -> None:
    records: dict[str, str | list[str]] = {
        "news.lantern.example": ["v=DMARC1; p=none", "v=DMARC1; p=none"],
        "lantern.example": "v=DMARC1; p=reject",
    }
    assert dmarc.find("news.lantern.example", zone(records)).policy == "reject"


def test_a_name_server_that_does_not_answer_is_no_missing_policy() -> None:
    assert dmarc.find("lantern.example", zone({}, silent="example")).code == "unanswered"
    records: dict[str, str | list[str]] = {"lantern.example": "v=DMARC1; p=none"}
    assert dmarc.find("lantern.example", zone(records, silent="example")).code == ""


@pytest.mark.parametrize(
    ("first", "second", "strict", "are"),
    [
        ("lantern.example", "lantern.example", True, True),
        ("news.lantern.example", "lantern.example", True, False),
        ("news.lantern.example", "lantern.example", False, True),
        ("news.lantern.example", "back.lantern.example", False, True),
        ("lantern.example", "bell.example", False, False),
        ("own.lantern.example", "lantern.example", False, False),
    ],
)
def test_domains_of_one_organization_are_aligned(first: str, second: str, strict: bool, are: bool) -> None:
    records: dict[str, str | list[str]] = {
        "lantern.example": "v=DMARC1; p=none",
        "own.lantern.example": "v=DMARC1; p=none; psd=n",
    }
    assert dmarc.aligned(first, second, zone(records), strict=strict) is are


def test_nobody_knows_what_is_aligned_while_no_server_answers() -> None:
    records: dict[str, str | list[str]] = {"lantern.example": "v=DMARC1; p=none"}
    ask = zone(records, silent="example")
    assert dmarc.aligned("news.lantern.example", "lantern.example", ask, strict=False) is None
