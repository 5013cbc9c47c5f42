"""What a field of each kind holds, and in which form."""

import pytest

from samizdat.core import fields
from samizdat.core.fields import BadValue, code, read, with_choices

CITIES = {"Riga": 1, "Рига": 2}

KEPT = [
    ("text", "  a word ", "a word"),
    ("number", "1 234,50", "1234.5"),
    ("number", "-0", "0"),
    ("number", "+7", "7"),
    ("number", "100", "100"),
    ("date", "2026-11-25", "2026-11-25"),
    ("date", "25.11.2026", "2026-11-25"),
    ("date", "11/25/2026", "2026-11-25"),
    ("date", "2024-02-29 10:00:00", "2024-02-29"),
    ("choice", "riga", "Riga"),
    ("yesno", "Да", "yes"),
    ("yesno", "0", "no"),
    ("address", "Lāčplēša 1\nRīga", "Lāčplēša 1\nRīga"),
    ("phone", "+371 (20) 00-00-00", "+37120000000"),
    ("link", "https://lantern.example/a?b=c", "https://lantern.example/a?b=c"),
    ("language", "pt_BR", "pt-br"),
]


@pytest.mark.parametrize(("kind", "typed", "kept"), KEPT)
def test_what_is_typed_is_kept_in_one_form(kind: str, typed: str, kept: str) -> None:
    assert read(kind, typed, CITIES) == kept
    assert read(kind, kept, CITIES) == kept


@pytest.mark.parametrize("kind", fields.KINDS)
def test_nothing_stays_nothing(kind: str) -> None:
    assert read(kind, "  ", CITIES) == "" and code(kind, "", CITIES) is None


REFUSED = [
    ("number", "twelve", "bad_number"),
    ("number", "1e9", "bad_number"),
    ("number", "9" * 16, "bad_number"),
    ("number", "١٢.٥.٣", "bad_number"),
    ("date", "2026-02-30", "bad_date"),
    ("date", "tomorrow", "bad_date"),
    ("choice", "Paris", "bad_choice"),
    ("yesno", "perhaps", "bad_yesno"),
    ("phone", "call me", "bad_phone"),
    ("link", "javascript:alert(1)", "bad_link"),
    ("link", "lantern.example", "bad_link"),
    ("language", "Klingonisch", "bad_language"),
    ("text", "x" * 1001, "too_long"),
]


@pytest.mark.parametrize(("kind", "typed", "why"), REFUSED)
def test_what_does_not_fit_is_refused_with_a_sentence_that_does_not_repeat_it(kind: str, typed: str, why: str) -> None:
    with pytest.raises(BadValue) as refused:
        read(kind, typed, CITIES)
    assert refused.value.code == why and typed not in str(refused.value) and str(refused.value).endswith(".")
    assert code(kind, typed, CITIES) is None


CODES = [
    ("number", "12.5", 12_500),
    ("number", "-3", -3_000),
    ("number", "0.0004", 0),
    ("date", "1984-05-23", 19840523),
    ("choice", "Рига", 2),
    ("yesno", "yes", 1),
    ("yesno", "no", 0),
    ("text", "12", None),
    ("phone", "+37120000000", None),
]


@pytest.mark.parametrize(("kind", "kept", "number"), CODES)
def test_a_readable_value_is_one_number(kind: str, kept: str, number: int | None) -> None:
    assert code(kind, kept, CITIES) == number


def test_a_choice_keeps_its_code_whatever_comes_and_goes() -> None:
    first = with_choices({}, ["Riga", "Minsk", "Riga", ""])
    assert first == {"Riga": 1, "Minsk": 2}
    assert with_choices(first, ["Tallinn", "Minsk"]) == {"Tallinn": 3, "Minsk": 2}
    assert with_choices({"Riga": 1}, ["Riga", "Minsk"], highest=2) == {"Riga": 1, "Minsk": 3}
