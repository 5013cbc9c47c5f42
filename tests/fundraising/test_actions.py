"""A fundraiser is opened, changed and closed; its sums are sealed, and what was typed is read or refused."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from samizdat.core.crypto.seal import SealBroken
from samizdat.core.donations import PaymentMethod, totals
from samizdat.core.money import Money
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.fundraising import actions
from samizdat.fundraising.actions import Wanted
from samizdat.fundraising.errors import FundraisingError
from samizdat.fundraising.models import Fundraiser
from samizdat.fundraising.queries import details_of, fundraiser_numbered, fundraisers, method_named, sums_of
from tests.conftest import NOW

pytestmark = pytest.mark.django_db
TODAY = NOW.date()
CARD = PaymentMethod(id="", kind="link", name="Card", address="https://pay.example/{amount}", statement="N L Kultur")


@pytest.fixture
def fundraiser(lantern: Any) -> Fundraiser:
    wanted = Wanted("Dry the archive", "Paper and fans.", goal="4,200", suggested="5, 15, 40", until=TODAY)
    return actions.open_fundraiser(lantern, "en", wanted, now=NOW)


def refusal(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(FundraisingError) as refused:
        args[0](*args[1:], now=NOW, **kwargs)
    return refused.value.code


def test_a_fundraiser_stands_as_it_was_typed_and_says_nothing_in_the_clear(
    lantern: Any, fundraiser: Fundraiser
) -> None:
    details = details_of(fundraiser)
    assert (details.goal, details.suggested, details.until) == (420000, (500, 1500, 4000), TODAY)
    row = Fundraiser.objects.get()
    assert b"archive" not in bytes(row.details_sealed)
    other = actions.open_fundraiser(lantern, "en", Wanted("Another one"), now=NOW)
    other.details_sealed = row.details_sealed
    with pytest.raises(SealBroken):
        details_of(other)


def test_another_language_adds_its_texts_and_keeps_the_rest(fundraiser: Fundraiser) -> None:
    details = actions.change(fundraiser, "ru", Wanted("Просушим архив"), now=NOW)
    assert {code: text.title for code, text in details.texts.items()} == {
        "en": "Dry the archive",
        "ru": "Просушим архив",
    }
    assert details.goal == 420000
    actions.remove_text(fundraiser, "ru", now=NOW)
    assert [*details_of(fundraiser).texts] == ["en"]
    assert refusal(actions.remove_text, fundraiser, "en") == "language"


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (Wanted(""), "title"),
        (Wanted("x" * 121), "title"),
        (Wanted("T", story="x" * 1501), "story"),
        (Wanted("T", goal="lots"), "goal"),
        (Wanted("T", goal="-5"), "goal"),
        (Wanted("T", goal="5 USD"), "goal"),
        (Wanted("T", currency="XYZ"), "currency"),
        (Wanted("T", suggested="1, 2, 3, 4, 5, 6"), "suggested"),
        (Wanted("T", until=TODAY - timedelta(days=1)), "until"),
    ],
)
def test_what_makes_no_sense_is_refused_beside_its_field(lantern: Any, wanted: Wanted, code: str) -> None:
    assert refusal(actions.open_fundraiser, lantern, "en", wanted) == code
    assert not fundraisers(lantern)


def test_another_currency_takes_the_goal_and_the_amounts_anew(fundraiser: Fundraiser) -> None:
    assert refusal(actions.change, fundraiser, "en", Wanted(currency="GEL")) == "currency"
    details = actions.change(fundraiser, "en", Wanted(currency="jpy", goal="500,000", suggested="1000"), now=NOW)
    assert (details.currency, details.goal, details.suggested) == ("JPY", 500000, (1000,))


def test_a_closed_fundraiser_can_be_opened_again(fundraiser: Fundraiser) -> None:
    assert refusal(actions.reopen, fundraiser) == "open"
    actions.close(fundraiser, now=NOW)
    assert details_of(Fundraiser.objects.get()).closed == TODAY
    actions.reopen(fundraiser, now=NOW)
    assert details_of(Fundraiser.objects.get()).closed is None


def test_a_payment_method_keeps_its_test_until_the_money_goes_elsewhere(fundraiser: Fundraiser) -> None:
    card = actions.put_method(fundraiser, CARD, now=NOW)
    actions.note_test_payment(fundraiser, card.id, now=NOW)
    renamed = actions.put_method(fundraiser, replace(card, name="Bank card"), now=NOW)
    assert renamed.tested == NOW
    moved = actions.put_method(fundraiser, replace(renamed, address="https://other.example"), now=NOW)
    assert moved.tested is None and moved.id == card.id
    assert [method.name for method in details_of(Fundraiser.objects.get()).methods] == ["Bank card"]


def test_payment_methods_are_ordered_paused_and_removed(fundraiser: Fundraiser) -> None:
    card = actions.put_method(fundraiser, CARD, now=NOW)
    cash = actions.put_method(fundraiser, replace(CARD, kind="other", name="Cash", lines="At the office"), now=NOW)
    actions.order_methods(fundraiser, [cash.id], now=NOW)
    actions.pause_method(fundraiser, card.id, is_paused=True, now=NOW)
    details = details_of(Fundraiser.objects.get())
    assert [(method.name, method.is_paused) for method in details.methods] == [("Cash", False), ("Card", True)]
    assert method_named(details, "CARD").id == card.id
    actions.remove_method(fundraiser, card.id, now=NOW)
    assert [method.name for method in details_of(Fundraiser.objects.get()).methods] == ["Cash"]


@pytest.mark.parametrize(
    ("method", "code"),
    [
        (replace(CARD, name=" "), "name"),
        (replace(CARD, address="http://pay.example"), "address"),
        (replace(CARD, address="https://pay.example/{email}"), "address"),
        (replace(CARD, monthly=False, once=False), "monthly"),
        (replace(CARD, never=("Russia",)), "countries"),
        (replace(CARD, kind="bank", address="DE88370400440532013000"), "address"),
        (replace(CARD, kind="bank", address="DE89370400440532013000"), "holder"),
        (replace(CARD, kind="bank", address="DE89370400440532013000", holder="L", bic="X"), "bic"),
        (replace(CARD, kind="crypto", address="short"), "address"),
        (replace(CARD, kind="other"), "lines"),
    ],
)
def test_a_payment_method_that_leads_nowhere_is_refused(
    fundraiser: Fundraiser, method: PaymentMethod, code: str
) -> None:
    assert refusal(actions.put_method, fundraiser, method) == code
    assert not details_of(Fundraiser.objects.get()).methods


def test_two_methods_have_two_names(fundraiser: Fundraiser) -> None:
    actions.put_method(fundraiser, CARD, now=NOW)
    assert refusal(actions.put_method, fundraiser, replace(CARD, name="card")) == "name"


def test_donations_become_the_sum_of_their_day_and_nothing_else_is_kept(fundraiser: Fundraiser) -> None:
    card = actions.put_method(fundraiser, CARD, now=NOW)
    for minor in (1234, 5678, -1234):
        actions.add_to_day(fundraiser, card.id, TODAY, Money(minor, "EUR"), 1, now=NOW)
    row = Fundraiser.objects.get()
    assert totals(sums_of(row))["EUR"].minor == 5678
    assert len(sums_of(row)[card.id]["EUR"]) == 1
    assert b"5678" not in bytes(row.sums_sealed)
    said = [detail_of(event) for event in Event.objects.filter(kind="fundraiser.sums_changed")]
    assert said == [{}, {}, {}], "no event says an amount"


def test_a_day_in_the_future_or_long_ago_is_refused(fundraiser: Fundraiser) -> None:
    for day in (TODAY + timedelta(days=2), TODAY - timedelta(days=2000)):
        assert refusal(actions.add_to_day, fundraiser, "card", day, Money(1, "EUR")) == "day"


def test_a_fundraiser_of_another_organization_is_not_found(lantern: Any, fundraiser: Fundraiser) -> None:
    assert fundraiser_numbered(lantern, fundraiser.pk) == fundraiser
    with pytest.raises(FundraisingError):
        fundraiser_numbered(lantern, fundraiser.pk + 1)
