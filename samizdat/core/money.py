"""Amounts of money in minor units (cents, kopecks), so that sums are exact.

Decimals of a currency: ISO 4217, https://www.six-group.com/en/products-services/financial-information/data-standards.html
"""

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal, NamedTuple

# Active currencies of ISO 4217 by their decimals; without funds, metals and codes for tests.
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_TWO_DECIMALS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP "
    "CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES "
    "KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK "
    "NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB "
    "TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
DECIMALS = {
    code: digits
    for digits, codes in enumerate((_NO_DECIMALS, "", _TWO_DECIMALS, _THREE_DECIMALS))
    for code in codes.split()
}

# Of any amount and any sum: it fits a signed column of 64 bits, with room to add many of them.
MOST = 10**15

# How people write a currency beside an amount. Signs that several currencies share name none of them.
_SIGNS = {"€": "EUR", "£": "GBP", "₽": "RUB", "₴": "UAH", "₸": "KZT", "₾": "GEL", "₺": "TRY", "₪": "ILS", "₹": "INR"}
_SHARED = frozenset({"$", "¥"})
# Separators: Arabic has its own (U+066B, U+066C), Swiss German and others an apostrophe.
_DECIMAL_SIGNS = ".,\u066b"
_GROUP_SIGNS = ".,'\u066c\u2019 "
_NUMBER = re.compile(r"[0-9.,'\u066b\u066c\u2019 ]*[0-9]")

Fault = Literal["empty", "no number", "negative", "zero", "too much", "too exact", "ambiguous", "other currency"]


class AmountError(ValueError):
    """What a person wrote is no amount of this currency. `fault` says why, `currency` which other one it names."""

    def __init__(self, fault: Fault, currency: str = "") -> None:
        super().__init__(fault)
        self.fault, self.currency = fault, currency


class Money(NamedTuple):
    """So many minor units of a currency: Money(1250, "EUR") are 12.50 euros, Money(1250, "JPY") are 1250 yen."""

    minor: int
    currency: str

    def __str__(self) -> str:
        """For machines: "12.50 EUR", with all decimals of the currency and no grouping."""
        return f"{as_decimal(self)} {self.currency}"


def as_decimal(money: Money) -> Decimal:
    """With the decimals of its currency: Decimal("12.50"), Decimal("1250"), Decimal("1.250")."""
    return Decimal(money.minor).scaleb(-DECIMALS[money.currency])


def from_decimal(number: Decimal, currency: str) -> Money:
    """Exactly that. AmountError where it has more decimals than the currency, or isn't a number."""
    if not number.is_finite():
        raise AmountError("no number")
    if abs(number.adjusted()) > 20 and number:  # Scaling 1e999999 would need that many digits.
        raise AmountError("too much" if number.adjusted() > 0 else "too exact")
    minor = number.scaleb(DECIMALS[currency])
    if minor != minor.to_integral_value():
        raise AmountError("too exact")
    if abs(minor) > MOST:
        raise AmountError("too much")
    return Money(int(minor), currency)


def parse(text: str, currency: str) -> Money:
    """What a person typed, in any of the usual ways: 1,234.50 and 1.234,50 and 1 234,5 and ١٬٢٣٤٫٥٠ and €1234.50.

    One separator with three digits behind it groups thousands, as nobody writes cents with three digits; a currency
    with three decimals has to be written with all separators. Raises AmountError; above zero alone is an amount.
    """
    number = _number(_without_currency(_plain(text), currency))
    money = from_decimal(_read(number, DECIMALS[currency]), currency)
    if money.minor == 0:
        raise AmountError("zero")
    return money


def parse_several(text: str, currency: str) -> list[Money]:
    """Suggested amounts as people write them in one field: "5, 15, 40" and "5; 12,50; 40" and "5 15 40".

    A semicolon or a line end parts them wherever there is one; else a comma with a space; else a comma; else a space.
    """
    parts = next((re.split(by, text.strip()) for by in (r"[;\n]", r"[,،] ", r"[,،]") if re.search(by, text)), None)
    return [parse(part, currency) for part in (text.split() if parts is None else parts) if part.strip()]


def total(amounts: Iterable[Money]) -> dict[str, int]:
    """Minor units by currency; amounts of different ones aren't added."""
    sums: dict[str, int] = {}
    for minor, currency in amounts:
        sums[currency] = sums.get(currency, 0) + minor
    return sums


def _plain(text: str) -> str:
    """With digits from 0 to 9, simple spaces and the usual minus sign."""
    letters = []
    for letter in unicodedata.normalize("NFKC", text).strip():
        digit = unicodedata.decimal(letter, None)
        letters.append(str(digit) if digit is not None else " " if letter.isspace() else letter)
    plain = "".join(letters).replace("\u2212", "-")
    # Marks of direction come along when an amount is copied out of Arabic or Hebrew text.
    return "".join(letter for letter in plain if unicodedata.category(letter) != "Cf").strip()


def _without_currency(text: str, currency: str) -> str:
    """The number alone, where the currency beside it is the one that is asked for."""
    for sign, code in _SIGNS.items():
        if sign in text and code != currency:
            raise AmountError("other currency", code)
    for word in re.findall(r"[A-Za-z]{3,}", text):
        if word.upper() in DECIMALS and word.upper() != currency:
            raise AmountError("other currency", word.upper())
    own = [re.escape(currency), *map(re.escape, _SHARED), *(sign for sign, code in _SIGNS.items() if code == currency)]
    return re.sub("|".join(own), "", text, count=1, flags=re.IGNORECASE).strip()


def _number(text: str) -> str:
    if not text:
        raise AmountError("empty")
    if re.fullmatch(r"[-(].*[0-9]\)?", text):
        raise AmountError("negative")
    if not _NUMBER.fullmatch(text):
        raise AmountError("no number")
    return text


def _read(number: str, decimals: int) -> Decimal:
    """A number of digits and separators. The last separator is the decimal one, unless it can only group."""
    signs = [letter for letter in number if not letter.isdigit()]
    if not signs:
        return Decimal(number)
    last = max(number.rfind(sign) for sign in signs)
    whole, sign, rest = number[:last], number[last], number[last + 1 :]
    groups = len(rest) == 3 and sign in _GROUP_SIGNS and (sign in whole or not set(signs) - {sign})
    if groups and decimals == 3 and sign in _DECIMAL_SIGNS and sign not in whole:
        raise AmountError("ambiguous")
    if groups:
        return Decimal(_ungrouped(number, sign))
    if sign not in _DECIMAL_SIGNS or sign in whole:
        raise AmountError("no number")
    grouping = {letter for letter in whole if not letter.isdigit()}
    if len(grouping) > 1:
        raise AmountError("no number")
    return Decimal(f"{_ungrouped(whole, grouping.pop()) if grouping else whole or '0'}.{rest}")


def _ungrouped(whole: str, sign: str) -> str:
    """Without its separators, where these stand as somebody would put them: Indian amounts group by two (12,34,567)."""
    first, *others = whole.split(sign)
    if not re.fullmatch(r"[0-9]{1,3}", first) or not all(re.fullmatch(r"[0-9]{2,3}", group) for group in others):
        raise AmountError("no number")
    if len(others[-1]) != 3:
        raise AmountError("no number")
    return first + "".join(others)
