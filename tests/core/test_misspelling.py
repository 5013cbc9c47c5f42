"""Guesses about addresses: what was probably meant, and what is probably one mailbox."""

import pytest

from samizdat.core.mail import address
from samizdat.core.mail.misspelling import LARGE, REAL, TYPED, canonical, is_one_stroke, likely, meant


@pytest.mark.parametrize(
    ("typed", "better"),
    [
        ("gmial.com", "gmail.com"), ("gmai.com", "gmail.com"), ("gmaill.com", "gmail.com"), ("gnail.com", "gmail.com"),
        ("gmail.con", "gmail.com"), ("hotmial.com", "hotmail.com"), ("yandx.ru", "yandex.ru"), ("mial.ru", "mail.ru"),
        ("gmail.ru", "gmail.com"), ("ramber.ru", "rambler.ru"), ("t-onlin.de", "t-online.de"),
    ],
)  # fmt: skip
def test_a_slip_of_one_stroke_is_noticed(typed: str, better: str) -> None:
    assert likely(typed) == better and meant(f"ada@{typed}") == f"ada@{better}"


@pytest.mark.parametrize(
    "domain", [*LARGE, *sorted(REAL), "lantern.example", "mail.su", "mail.by", "gmx.at", "ya.ru", "bk.ru"]
)
def test_a_domain_that_exists_is_left_alone(domain: str) -> None:
    assert likely(domain) is None and meant(f"ada@{domain}") is None


def test_no_provider_of_the_house_is_taken_for_a_slip_and_what_is_meant_is_one() -> None:
    assert [host for host in address._PROVIDER_OF if likely(host)] == []
    assert all(address.provider(host) for host in TYPED.values())


def test_one_stroke_is_one_stroke() -> None:
    assert not is_one_stroke("gmail.com", "gmail.com")
    assert not is_one_stroke("gmaiil.co", "gmail.com") and not is_one_stroke("", "ab") and is_one_stroke("", "a")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada.L@gmail.com", "adal@gmail.com"), ("ada+news@gmail.com", "ada@googlemail.com"),
        ("ada+x@outlook.com", "ADA@outlook.com"), ("ada+1@yandex.ru", "ada@yandex.ru"),
    ],
)  # fmt: skip
def test_addresses_of_one_mailbox_have_one_form(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


def test_where_a_plus_or_dots_may_be_another_mailbox_they_stay() -> None:
    assert canonical("ada+x@post.example") == "ada+x@post.example"
    assert canonical("a.da@mail.ru") != canonical("ada@mail.ru") and canonical("+@gmail.com") == "+@gmail.com"
