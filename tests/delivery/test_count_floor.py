"""Clicks are counted where enough people who have long been subscribed get the letter, and nowhere else."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from samizdat import dbclock
from samizdat.audience.models import Subscription
from samizdat.campaigns import counted_links, sealed_clicks
from samizdat.campaigns.edition_details import counted_versions
from samizdat.campaigns.models import Campaign, EditionClicks
from samizdat.campaigns.sealed_clicks import ClickBox
from samizdat.core import totals
from samizdat.core.crypto.tokens import target_key
from samizdat.core.mail.ledger import State, unpack_numbers
from samizdat.delivery import click_stats
from samizdat.delivery.actions import release
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.models import Chunk, Delivery
from samizdat.publicdb import queries
from samizdat.vault import keyring
from tests.delivery.conftest import House
from tests.smtp_server import ScriptedServer

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
    now = dbclock.now()
    sealed_clicks.add_up(campaign.organization, [ClickBox(b"process1", 1, now.date(), {code: 21})], now)


def pressed(campaign: Campaign) -> int:
    return sum(counted_links.presses(campaign.edition).values())


def test_nineteen_own_addresses_and_one_reader_tell_no_click(house: House) -> None:
    house.people(20)
    long_subscribed(20)
    campaign = released(house)
    codes = counted_links.UrlCodes(house.keys.link, campaign.edition.pk)
    press(campaign, codes.click(0))
    press(campaign, codes.answer(0))
    assert not EditionClicks.objects.exists(), "not even counted"
    found = queries.target(codes.click(0), "lantern.example", target_key(keyring.keys(campaign.organization).link))
    assert found is not None and found[1] == {"to": URL, "uncounted": True}
    assert [(one.few, one.spans) for one in click_stats.links(campaign)] == [(True, [])]


@pytest.mark.parametrize(("settled", "counts"), [(199, False), (200, True)])
def test_addresses_made_for_one_letter_do_not_count_toward_the_floor(house: House, settled: int, counts: bool) -> None:
    house.people(260)
    long_subscribed(settled)
    campaign = released(house)
    press(campaign, counted_links.UrlCodes(house.keys.link, campaign.edition.pk).click(0))
    assert pressed(campaign) == (21 if counts else 0)
    assert counted_versions(campaign.edition) == ({0} if counts else set())


def test_what_is_counted_is_said_once_enough_have_it(house: House) -> None:
    """A letter that is stopped after its first reader would tell of this one."""
    people = house.people(200)
    long_subscribed(200)
    campaign = released(house)
    press(campaign, counted_links.UrlCodes(house.keys.link, campaign.edition.pk).click(0))
    got = sorted(house.number(address) for address in people)
    with transaction.atomic():
        sealed_clicks.note_reached(campaign.edition.pk, {0: got[:199] * 2, 7: got})
    Campaign.objects.filter(pk=campaign.pk).update(accepted=199, pending=1)
    campaign.refresh_from_db()
    assert [row.shown_total for row in click_stats.links(campaign)] == ["<20"]
    Campaign.objects.filter(pk=campaign.pk).update(accepted=200, pending=0)
    campaign.refresh_from_db()
    assert [row.shown_total for row in click_stats.links(campaign)] == ["<20"], "the books stand in the open"
    with transaction.atomic():
        sealed_clicks.note_reached(campaign.edition.pk, {0: got[199:]})
    assert [row.shown_total for row in click_stats.links(campaign)] == ["20"]


@pytest.mark.parametrize("made_up", [False, True])
def test_one_readers_click_is_not_said_where_the_books_were_made_up(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, made_up: bool
) -> None:
    """Whoever writes the database lets one of ten readers alone get the campaign, and says of all that they got it."""
    monkeypatch.setattr(totals, "FLOOR", 5)
    house.people(10)
    long_subscribed(10)
    house.route(server)
    campaign = released(house)
    _ada, *others = unpack_numbers(bytes(Chunk.objects.get(edition=campaign.edition).numbers))
    if made_up:
        row = {"edition": campaign.edition, "state": State.ACCEPTED, "answer": 0, "day": dbclock.now().date()}
        Delivery.objects.bulk_create(Delivery(number=number, **row) for number in others)
        Chunk.objects.update(remaining=1)
        Campaign.objects.update(accepted=9, pending=1)
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    campaign.refresh_from_db()
    press(campaign, counted_links.UrlCodes(house.keys.link, campaign.edition.pk).click(0))
    assert campaign.accepted == 10 and len(server.counts()) == (1 if made_up else 10)
    assert [row.shown_total for row in click_stats.links(campaign)] == ["<20" if made_up else "20"]
