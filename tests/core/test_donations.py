"""Which ways to pay fit a donor, sums by day, and what the public learns of them."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.donations import (
    FEWEST,
    DaySum,
    FundraiserDetails,
    FundraiserText,
    PaymentMethod,
    Sums,
    add,
    countries_asked,
    epc_text,
    grouped,
    iban,
    is_fresh,
    is_open,
    is_web_address,
    offered,
    pay_address,
    published,
    reordered,
    shown_progress,
    text_in,
    totals,
)
from samizdat.core.money import Money

TODAY = date(2026, 11, 25)
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CARD = PaymentMethod(id="card", kind="link", name="Card", address="https://pay.example/{amount}", never=("RU", "BY"))
RUSSIAN = PaymentMethod(id="mir", kind="link", name="Mir", address="https://mir.example", only=("RU",), monthly=False)
BANK = PaymentMethod(
    id="bank", kind="bank", name="Bank", address="DE02120300000000202051", holder="Lantern e.V.", monthly=False
)
DETAILS = FundraiserDetails(
    slug="0123456789ab", texts={"en": FundraiserText("Dry the archive")}, goal=420000, methods=(CARD, RUSSIAN, BANK)
)


def names(country: str, how: str) -> list[str]:
    return [method.id for method in offered(DETAILS.methods, country, "monthly" if how == "monthly" else "once")]


def test_a_donor_is_offered_what_can_be_used_from_their_country_in_the_order_of_the_team():
    assert names("XX", "once") == ["card", "bank"]
    assert names("RU", "once") == ["mir", "bank"]
    assert names("BY", "once") == ["bank"]
    assert names("XX", "monthly") == ["card"] and names("RU", "monthly") == []
    assert [method.id for method in reordered(DETAILS, ["bank"]).methods] == ["bank", "card", "mir"]


def test_donors_are_only_asked_for_countries_that_make_a_difference():
    assert countries_asked(DETAILS.methods) == ["BY", "RU"]
    assert countries_asked([BANK]) == []


def test_the_public_learns_no_sum_of_today_and_none_of_a_few_donations():
    sums: Sums = {}
    add(sums, "card", TODAY - timedelta(days=1), Money(1500, "EUR"), FEWEST - 1)
    assert shown_progress(DETAILS, sums, TODAY) is None
    add(sums, "bank", TODAY, Money(9900, "EUR"), 50)
    assert shown_progress(DETAILS, sums, TODAY) is None, "what came in today would show when somebody donated"
    add(sums, "bank", TODAY - timedelta(days=1), Money(500, "EUR"))
    assert shown_progress(DETAILS, sums, TODAY) == DaySum(2000, FEWEST)


def test_what_is_published_has_no_paused_method_and_no_time_of_a_test():
    methods = (
        PaymentMethod(id="a", kind="link", name="A", address="https://a.example", is_paused=True),
        PaymentMethod(id="b", kind="link", name="B", address="https://b.example", tested=NOW),
    )
    public = published(FundraiserDetails(texts=DETAILS.texts, methods=methods), {}, TODAY)
    assert [(method.id, method.tested) for method in public.details.methods] == [("b", None)]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(-(10**6), 10**6), st.integers(0, 9))))
def test_sums_are_exact_however_they_came_in(gifts):
    sums: Sums = {}
    for number, (method, minor, count) in enumerate(gifts):
        add(sums, method, TODAY + timedelta(days=number % 5), Money(minor, "JPY"), count)
    total = totals(sums).get("JPY", DaySum())
    assert (total.minor, total.count) == (sum(gift[1] for gift in gifts), sum(gift[2] for gift in gifts))


def test_a_fundraiser_is_over_after_its_last_day_or_once_it_was_closed():
    until = FundraiserDetails(texts=DETAILS.texts, until=TODAY)
    assert is_open(until, TODAY) and not is_open(until, TODAY + timedelta(days=1))
    assert not is_open(FundraiserDetails(texts=DETAILS.texts, closed=TODAY), TODAY)


def test_a_test_payment_is_believed_for_a_day_and_never_from_the_future():
    tested = PaymentMethod(id="a", kind="link", name="A", address="https://a.example", tested=NOW)
    assert is_fresh(tested, NOW) and is_fresh(tested, NOW + timedelta(hours=24))
    assert not is_fresh(tested, NOW + timedelta(hours=24, seconds=1))
    assert not is_fresh(tested, NOW - timedelta(seconds=1)) and not is_fresh(CARD, NOW)


def test_the_amount_is_handed_to_providers_that_take_one():
    assert pay_address(CARD, Money(1250, "EUR")) == "https://pay.example/12.50"
    assert pay_address(CARD, None) == "https://pay.example/"


def test_a_text_that_is_missing_is_shown_in_the_language_of_the_fundraiser():
    assert text_in(DETAILS, "ru") == ("en", FundraiserText("Dry the archive"))


@pytest.mark.parametrize(
    "address",
    [
        "http://pay.example",
        "https://",
        "https://a@pay.example",
        "javascript:alert(1)",
        "https://p.example/a b",
        "",
        "x",
    ],
)
def test_only_whole_addresses_with_https_lead_to_a_payment(address):
    assert not is_web_address(address)
    assert is_web_address("https://pay.example/give?to=lantern")


# Published by the registrar of IBANs (SWIFT, IBAN registry) as examples.
@pytest.mark.parametrize(
    "text", ["DE89 3704 0044 0532 0130 00", "gb29nwbk60161331926819", "NO9386011117947", "GE29NB0000000101904917"]
)
def test_a_right_iban_is_taken_with_and_without_spaces(text):
    number = iban(text)
    assert number == "".join(text.split()).upper()
    assert "".join(grouped(number).split()) == number


@pytest.mark.parametrize(
    "text", ["DE88370400440532013000", "DE89", "", "DE8937040044053201300X!", "8989370400440532013000"]
)
def test_a_wrong_iban_is_refused(text):
    assert iban(text) is None


@given(st.text(max_size=40))
def test_any_text_is_an_iban_or_none(text):
    number = iban(text)
    assert number is None or 15 <= len(number) <= 34


def test_the_code_for_bank_apps_has_the_lines_that_banks_read():
    assert epc_text(BANK, Money(1250, "EUR"), "Dry the\narchive").splitlines() == [
        "BCD", "002", "1", "SCT", "", "Lantern e.V.", "DE02120300000000202051", "EUR12.50", "", "", "Dry the archive",
    ]  # fmt: skip
    assert epc_text(BANK, Money(1250, "USD"), "") == ""
    assert "EUR" not in epc_text(BANK, None, "")
