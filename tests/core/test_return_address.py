"""Where bounces of one message go."""

import pytest

from samizdat.core.crypto.tokens import LinkKey, make
from samizdat.core.mail.address import BadAddress
from samizdat.core.mail.return_address import (
    LOCAL_PART,
    is_short_enough,
    normalized,
    token_in,
    with_token,
    without_token,
)

TOKEN = make(LinkKey(7, b"k" * 32), "return", 3, 41)


@pytest.mark.parametrize(
    ("address", "expected"), [("a@b.example", "a+t@b.example"), ("@b.example", "t@b.example"), ("", "")]
)
def test_a_token_goes_before_the_at(address: str, expected: str) -> None:
    assert with_token(address, "t") == expected


def test_of_a_domain_that_is_all_ours_the_token_is_read_out_again_and_mail_without_has_an_address() -> None:
    assert normalized(" @Bounces.Example ") == "@bounces.example"
    assert token_in(with_token("@bounces.example", TOKEN)) == TOKEN
    assert is_short_enough("@bounces.example")
    assert without_token("@bounces.example") == "bounces@bounces.example"
    assert without_token("back@lantern.example") == "back@lantern.example"


@pytest.mark.parametrize("text", ["@", "@nowhere", "@a b.example", "@a@b.example", "lantern.example"])
def test_what_is_no_domain_and_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        normalized(text)


def test_the_token_is_read_out_again() -> None:
    assert token_in(with_token("bounces@lantern.example", TOKEN)) == TOKEN
    assert token_in(f"<bounces+old+{TOKEN}@lantern.example>") == TOKEN
    assert token_in(f"{TOKEN}@bounces.lantern.example") == TOKEN


@pytest.mark.parametrize("address", ["", "bounces@lantern.example", "bounces+news@lantern.example", "<>", "@"])
def test_an_address_without_one_has_none(address: str) -> None:
    assert token_in(address) == ""


def test_a_mail_server_takes_the_longest_address_that_is_short_enough() -> None:
    longest = next(f"{'b' * many}@b.example" for many in range(64, 0, -1) if is_short_enough(f"{'b' * many}@b.example"))
    assert len(with_token(longest, TOKEN).partition("@")[0]) == LOCAL_PART
