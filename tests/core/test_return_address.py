"""Where bounces of one message go."""

import pytest

from samizdat.core.crypto.tokens import LinkKey, make
from samizdat.core.mail.return_address import LOCAL_PART, is_short_enough, token_in, with_token

TOKEN = make(LinkKey(7, b"k" * 32), "return", 3, 41)


@pytest.mark.parametrize(("address", "expected"), [("a@b.example", "a+t@b.example"), ("", "")])
def test_a_token_goes_before_the_at(address: str, expected: str) -> None:
    assert with_token(address, "t") == expected


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
