"""What a fundraiser shows, which ways to pay fit a donor, and sums of donations by day.

A donation is never kept: what came in is added to the sum of its day and way to pay before it is written. None of it
knows a subscriber.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Literal
from urllib.parse import quote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from samizdat.core import money
from samizdat.core.money import Money

# link: a page of a provider. bank: an account by its IBAN. other: whatever has to be copied (an account in other
# countries, cash, post). crypto: an address of a wallet.
Kind = Literal["link", "bank", "other", "crypto"]
KINDS: tuple[Kind, ...] = ("link", "bank", "other", "crypto")
How = Literal["monthly", "once"]

# What is filled into the address of a link.
FILLED_IN = ("{amount}", "{minor}", "{currency}")
# A test payment is believed for so long.
FRESH = timedelta(hours=24)
# Below so many donations no figure is shown: it would tell of single ones (no figure under 20 people).
FEWEST = 20
# Suggested amounts, ways to pay, languages of one fundraiser.
MOST_SUGGESTED, MOST_METHODS, MOST_TEXTS = 5, 12, 40


class FundraiserText(Struct, frozen=True, omit_defaults=True):
    """What donors read, in one language. warning: stands above the amounts; matching: of whoever doubles donations."""

    title: str
    story: str = ""
    warning: str = ""
    matching: str = ""


class PaymentMethod(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A way to pay. `id` stays the same for ever: sums are kept by it.

    address: of a link, with {amount}, {minor} and {currency} where the provider takes them; the IBAN of an account; the
    address of a wallet. lines: what else donors have to know or copy. merchant: whose name they see when they pay;
    statement: what their bank statement says. only, never: countries (ISO 3166-1) from which it can or can't be used.
    tested: when a person last saw a test payment arrive.
    """

    id: str
    kind: Kind
    name: str
    address: str = ""
    holder: str = ""
    bic: str = ""
    lines: str = ""
    merchant: str = ""
    statement: str = ""
    monthly: bool = True
    once: bool = True
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    is_paused: bool = False
    tested: datetime | None = None


class FundraiserDetails(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """slug: in the address of its page, drawn by chance. goal and suggested: minor units. until: the last day, in the
    zone of the organization. texts: by language, that of `language` among them."""

    slug: str = ""
    currency: str = "EUR"
    language: str = "en"
    texts: dict[str, FundraiserText] = {}
    goal: int = 0
    suggested: tuple[int, ...] = ()
    monthly_first: bool = True
    until: date | None = None
    methods: tuple[PaymentMethod, ...] = ()
    closed: date | None = None


class DaySum(Struct, frozen=True, omit_defaults=True):
    """What came in on one day by one way to pay: minor units, less what was given back; and how many donations."""

    minor: int = 0
    count: int = 0


# method -> currency -> day -> sum
type Sums = dict[str, dict[str, dict[date, DaySum]]]


class SumRecord(Struct):
    """The sums of a fundraiser, as they are sealed."""

    sums: dict[str, dict[str, dict[date, DaySum]]] = {}


class PublicFundraiser(Struct, frozen=True, omit_defaults=True):
    """What the public pages know of a fundraiser. progress: of the days before the one on which it was published; None
    while it would tell of single donations."""

    details: FundraiserDetails
    progress: DaySum | None = None


def published(details: FundraiserDetails, sums: Sums, today: date) -> PublicFundraiser:
    """Without paused ways to pay, and without what the team alone needs to know."""
    methods = tuple(replace(method, tested=None) for method in details.methods if not method.is_paused)
    return PublicFundraiser(replace(details, methods=methods), shown_progress(details, sums, today))


def add(sums: Sums, method: str, day: date, amount: Money, count: int = 1) -> None:
    """Adds to the sum of its day; a negative amount was given back."""
    days = sums.setdefault(method, {}).setdefault(amount.currency, {})
    before = days.get(day, DaySum())
    days[day] = DaySum(before.minor + amount.minor, before.count + count)


def totals(sums: Sums, before: date = date.max) -> dict[str, DaySum]:
    """By currency, over all ways to pay; of the days before that one alone."""
    sums_by_currency: dict[str, DaySum] = {}
    for currencies in sums.values():
        for currency, days in currencies.items():
            for day, each in days.items():
                if day < before:
                    so_far = sums_by_currency.get(currency, DaySum())
                    sums_by_currency[currency] = DaySum(so_far.minor + each.minor, so_far.count + each.count)
    return sums_by_currency


def shown_progress(details: FundraiserDetails, sums: Sums, today: date) -> DaySum | None:
    """What the public reads: up to yesterday, so that no change of it tells when somebody donated, and nothing until
    there were enough donations. Other currencies aren't in it."""
    total = totals(sums, today).get(details.currency, DaySum())
    return total if total.count >= FEWEST and total.minor > 0 else None


def is_open(details: FundraiserDetails, today: date) -> bool:
    return details.closed is None and (details.until is None or today <= details.until)


def offered(methods: Iterable[PaymentMethod], country: str, how: How) -> list[PaymentMethod]:
    """Those that can be used from this country in this rhythm, in the order that the team chose. "": nobody was asked,
    since no country makes a difference; XX: any that isn't named."""
    return [
        method
        for method in methods
        if not method.is_paused
        and getattr(method, how)
        and (not method.only or not country or country in method.only)
        and country not in method.never
    ]


def countries_asked(methods: Iterable[PaymentMethod]) -> list[str]:
    """Countries that make a difference, so donors are asked where they pay from; in alphabetical order."""
    return sorted({code for method in methods if not method.is_paused for code in (*method.only, *method.never)})


def is_fresh(method: PaymentMethod, now: datetime) -> bool:
    """Whether somebody saw a test payment arrive within the last 24 hours."""
    return method.tested is not None and timedelta(0) <= now - method.tested <= FRESH


def text_in(details: FundraiserDetails, language: str) -> tuple[str, FundraiserText]:
    """(language, text): the one that is asked for, else the first one."""
    code = language if language in details.texts else details.language
    return code, details.texts[code]


def pay_address(method: PaymentMethod, amount: Money | None) -> str:
    """Where a link leads, with the amount where the provider takes one."""
    values = {"amount": "", "minor": "", "currency": ""}
    if amount is not None:
        values = {"amount": str(money.as_decimal(amount)), "minor": str(amount.minor), "currency": amount.currency}
    address = method.address
    for name, value in values.items():
        address = address.replace("{" + name + "}", quote(value, safe=""))
    return address


def is_web_address(address: str) -> bool:
    """https with a host, without a password in it, and printable."""
    try:
        parts = urlsplit(address)
        return (
            parts.scheme == "https"
            and bool(parts.hostname)
            and not parts.username
            and address.isprintable()
            and " " not in address
            and (parts.port or 443) > 0
        )
    except ValueError:
        return False


def iban(text: str) -> str | None:
    """Without its spaces, in capitals; None where its check digits (ISO 13616, ISO 7064 mod 97-10) are wrong."""
    plain = "".join(text.split()).upper()
    if not (15 <= len(plain) <= 34 and plain.isascii() and plain.isalnum() and plain[:2].isalpha()):
        return None
    if not plain[2:4].isdigit():
        return None
    digits = "".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])
    return plain if int(digits) % 97 == 1 else None


def grouped(code: str) -> str:
    """An IBAN as people read it: in fours."""
    return " ".join(code[at : at + 4] for at in range(0, len(code), 4))


def epc_text(method: PaymentMethod, amount: Money | None, purpose: str) -> str:
    """What the QR code of a SEPA credit transfer holds; "" for other currencies than euros.

    EPC069-12, version 002: the BIC may be missing within the EEA. https://www.europeanpaymentscouncil.eu
    """
    if amount is not None and amount.currency != "EUR":
        return ""
    euros = f"EUR{money.as_decimal(amount)}" if amount is not None and 1 <= amount.minor <= 99_999_999_999 else ""
    holder, reference = _line(method.holder, 70), _line(purpose, 140)
    lines = ["BCD", "002", "1", "SCT", method.bic, holder, method.address, euros, "", "", reference]
    return "\n".join(lines).rstrip("\n")


def _line(text: str, longest: int) -> str:
    return " ".join(text.split())[:longest]


def with_method(details: FundraiserDetails, method: PaymentMethod) -> FundraiserDetails:
    """The one with the same id is written over; a new one comes last."""
    known = [each.id for each in details.methods]
    methods = [method if each.id == method.id else each for each in details.methods]
    return replace(details, methods=(*methods, *([] if method.id in known else [method])))


def reordered(details: FundraiserDetails, first: Sequence[str]) -> FundraiserDetails:
    """Those named come first, in this order; the others keep theirs."""
    rank: Mapping[str, int] = {name: at for at, name in enumerate(first)}
    methods = sorted(details.methods, key=lambda method: rank.get(method.id, len(rank)))
    return replace(details, methods=tuple(methods))
