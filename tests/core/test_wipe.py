"""Keys are written over in memory where they lie."""

import os

import pytest

from samizdat.core.crypto.wipe import wipe


@pytest.mark.parametrize("length", [2, 31, 32, 33, 4096, 100_000])
def test_a_text_is_zeros_where_it_lay(length: int) -> None:
    secret, beside = os.urandom(length), os.urandom(length)
    before = memoryview(beside).tobytes()
    wipe(secret)
    assert secret == bytes(length) and beside == before


def test_what_python_shares_stays() -> None:
    wipe(b"", bytes([97]))
    assert bytes([97]) == b"a"
