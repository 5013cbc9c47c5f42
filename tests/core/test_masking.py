"""What looks like an address or a phone number is hidden from who may not see it."""

import pytest

from samizdat.core.mail.masking import MASK, masked


@pytest.mark.parametrize(
    "secret",
    [
        "ada@reader.example",
        "Ada.Ö@пример.рф",
        "ada ＠ reader.example",
        "ada @reader.example",
        "ada@ reader.example",
        "ada(at)reader.example",
        "ada [AT] reader.example",
        "ada%40reader.example",
        "mailto:ada@reader.example?subject=x",
        "a\u200bda\u200b@reader.example",
        "+371 2612 3456",
        "(0371) 2612-3456",
        "+7 (495) 123‑45‑67",
        "26.12.34.56",
        "12\u200b345\u200b678",
        "٠١٢٣٤٥٦٧٨",
    ],
)
def test_an_address_or_phone_number_is_hidden_however_it_is_written(secret: str) -> None:
    seen = masked(f"Call first, {secret}, then write.")
    assert MASK in seen and "Call" in seen and seen.endswith("write.")
    assert not [part for part in ("reader", "ada", "Ada", "пример", "2612", "123", "34", "345", "٣") if part in seen]


@pytest.mark.parametrize(
    "open_",
    ["Riga, LV-1010", "born 1987-04-03", "3.4.1987", "12/31/1999", "2 years, 350 EUR", "1,234,567", "at noon", ""],
)
def test_what_reaches_nobody_stays(open_: str) -> None:
    assert masked(open_) == open_


def test_what_stands_around_it_stays_with_its_lines() -> None:
    assert masked("ask\n ada@reader.example \nfirst; 20261125 too") == f"ask\n {MASK} \nfirst; {MASK} too"
