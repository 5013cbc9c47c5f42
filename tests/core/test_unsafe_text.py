"""Text of somebody else's among ours."""

import pytest

from samizdat.core.unsafe_text import marked


@pytest.mark.once
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ада Lovelace", "Ада Lovelace"),
        ("\u202egnp.exe", "[U+202E]gnp.exe"),
        ("a\u2066b\u2069\u200bc\ufeff", "a[U+2066]b[U+2069][U+200B]c[U+FEFF]"),
        ("\x1b[31mred\x00", "[U+001B][31mred[U+0000]"),
        ("Ada\U000e0041", "Ada[U+E0041]"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("می\u200cخواهم \u200fעדה", "می\u200cخواهم \u200fעדה"),
    ],
)
def test_signs_that_act_on_the_text_around_are_shown_by_number(text: str, shown: str) -> None:
    assert marked(text) == shown
