"""Clicks are counted where enough people who have long been subscribed get the letter, and nowhere else."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat import dbclock
from samizdat.audience.models import Subscription
from samizdat.campaigns import counted_links
from samizdat.campaigns.edition_details import counted_versions
from samizdat.campaigns.models import AnswerTotal, Campaign, LinkTotal
from samizdat.core.crypto.tokens import target_key
from samizdat.delivery import click_stats
from samizdat.delivery.actions import release
from samizdat.publicdb import queries
from samizdat.vault import keyring
from tests.delivery.conftest import House

URL = "https://paper.example/flood"


def long_subscribed(count: int) -> None:
    """So many of the readers have been so for thirty days, all others since today."""
    today = dbclock.now().date()
    Subscription.objects.update(since=today)
    rows = list(Subscription.objects.order_by("subscriber").values_list("subscriber", flat=True)[:count])
    Subscription.objects.filter(subscriber__in=rows).update(since=today - timedelta(days=30))


def released(house: House, **how: Any) -> Campaign:
    return release(house.draft(f"[Read]({URL})", links="counted", **how), now=dbclock.now())


def press(campaign: Campaign, code: str) -> None:
    counted_links.add_up(campaign.organization, code.encode(), dbclock.now().date(), {code: 21})


def test_nineteen_own_addresses_and_one_reader_tell_no_click(house: House) -> None:
    house.people(20)
    long_subscribed(20)
    campaign = released(house)
    codes = counted_links.UrlCodes(house.keys.link, campaign.edition.pk)
    press(campaign, codes.click(0))
    press(campaign, codes.answer(0))
    assert not LinkTotal.objects.exists() and not AnswerTotal.objects.exists(), "not even counted"
    found = queries.target(codes.click(0), "lantern.example", target_key(keyring.keys(campaign.organization).link))
    assert found is not None and found[1] == {"to": URL, "uncounted": True}
    assert [(one.few, one.spans) for one in click_stats.links(campaign)] == [(True, [])]


@pytest.mark.parametrize(("settled", "counts"), [(199, False), (200, True)])
def test_addresses_made_for_one_letter_do_not_count_toward_the_floor(house: House, settled: int, counts: bool) -> None:
    house.people(260)
    long_subscribed(settled)
    campaign = released(house)
    press(campaign, counted_links.UrlCodes(house.keys.link, campaign.edition.pk).click(0))
    assert LinkTotal.objects.exists() is counts
    assert counted_versions(campaign.edition) == ({0} if counts else set())


def test_what_is_counted_is_said_once_enough_have_it(house: House) -> None:
    """A letter that is stopped after its first reader would tell of this one."""
    house.people(200)
    long_subscribed(200)
    campaign = released(house)
    press(campaign, counted_links.UrlCodes(house.keys.link, campaign.edition.pk).click(0))
    Campaign.objects.filter(pk=campaign.pk).update(accepted=199, pending=1)
    campaign.refresh_from_db()
    assert [row.shown_total for row in click_stats.links(campaign)] == ["<20"]
    Campaign.objects.filter(pk=campaign.pk).update(accepted=200, pending=0)
    campaign.refresh_from_db()
    assert [row.shown_total for row in click_stats.links(campaign)] == ["20"]
