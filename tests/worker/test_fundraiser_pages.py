"""The public page of a fundraiser follows what the team changes, and its sums follow day by day."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from samizdat.core.donations import PaymentMethod, PublicFundraiser
from samizdat.core.money import Money
from samizdat.events.actions import record
from samizdat.fundraising import actions
from samizdat.fundraising.actions import Wanted
from samizdat.fundraising.models import Fundraiser
from samizdat.fundraising.queries import details_of
from samizdat.publicdb.models import DonationPage
from samizdat.publicdb.signed_rows import is_ours
from samizdat.worker.publishing import fundraisers, publish, unsigned
from samizdat.worker.schedule import event_handlers
from tests.conftest import NOW

pytestmark = pytest.mark.django_db
TOMORROW = NOW + timedelta(days=1)
CARD = PaymentMethod(id="", kind="link", name="Card", address="https://pay.example")


@pytest.fixture
def fundraiser(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> Fundraiser:
    monkeypatch.setattr(fundraisers, "EVERY", 0.0)
    monkeypatch.setitem(fundraisers._look, "next", 0.0)
    publish.missing_places(NOW)
    opened = actions.open_fundraiser(lantern, "en", Wanted("Dry the archive"), now=NOW)
    follow()
    return opened


def follow() -> None:
    while event_handlers.follow(NOW):
        pass


def shown() -> PublicFundraiser:
    page = DonationPage.objects.get()
    assert is_ours(page)
    return msgspec.json.decode(page.details, type=PublicFundraiser)


def test_a_replaced_provider_is_replaced_on_the_page(fundraiser: Fundraiser) -> None:
    card = actions.put_method(fundraiser, CARD, now=NOW)
    follow()
    assert [method.address for method in shown().details.methods] == ["https://pay.example"]
    actions.put_method(fundraiser, replace(card, address="https://other.example"), now=NOW)
    follow()
    assert [method.address for method in shown().details.methods] == ["https://other.example"]
    actions.pause_method(fundraiser, card.id, is_paused=True, now=NOW)
    follow()
    assert not shown().details.methods
    assert DonationPage.objects.get().slug == details_of(fundraiser).slug


def test_the_page_shows_sums_from_the_next_day_on(fundraiser: Fundraiser) -> None:
    card = actions.put_method(fundraiser, CARD, now=NOW)
    actions.add_to_day(fundraiser, card.id, NOW.date(), Money(273000, "EUR"), 88, now=NOW)
    follow()
    fundraisers.sums(NOW)
    assert shown().progress is None
    assert fundraisers.sums(TOMORROW) == 1
    progress = shown().progress
    assert progress is not None and (progress.minor, progress.count) == (273000, 88)
    assert fundraisers.sums(TOMORROW) == 0, "nothing is written where nothing changed"


def test_a_closed_fundraiser_says_so(fundraiser: Fundraiser) -> None:
    actions.close(fundraiser, now=NOW)
    follow()
    assert shown().details.closed == NOW.date()
    actions.reopen(fundraiser, now=NOW)
    follow()
    assert shown().details.closed is None


def test_a_page_that_was_lost_or_altered_comes_again(lantern: Any, fundraiser: Fundraiser) -> None:
    before = DonationPage.objects.get().details
    DonationPage.objects.all().delete()
    record("publicdb.lost", lantern, now=NOW)
    follow()
    assert DonationPage.objects.get().details == before
    DonationPage.objects.update(details=before.replace("Dry", "Burn"))
    unsigned.throw_out(NOW)
    assert not DonationPage.objects.exists()
    follow()
    assert DonationPage.objects.get().details == before
