"""What comes back from a process that may have been taken over."""

import pytest

from samizdat.core import json_values


@pytest.mark.parametrize("text", [b'["a\\ud800b", "\\\\ud800"]', b'["a\xed\xa0\x80b", "\\\\ud800"]'])
def test_half_a_character_comes_back_as_a_question_mark(text: bytes) -> None:
    assert json_values.unpacked(tuple[str, ...], text, b"", 10) == ("a?b", "\\ud800")


def test_a_whole_character_of_two_halves_comes_back() -> None:
    text, _beside = json_values.packed(("🏮", "ж"))
    assert b"\\ud83c" in text and json_values.unpacked(tuple[str, ...], text, b"", 10) == ("🏮", "ж")


@pytest.mark.parametrize("text", [b'["\\ud800", "b", "c"]', b"[" * 100_000 + b'"\\ud800"' + b"]" * 100_000])
def test_what_has_half_a_character_has_limits_too(text: bytes) -> None:
    with pytest.raises(ValueError):
        json_values.unpacked(tuple[str, ...], text, b"", 2)
