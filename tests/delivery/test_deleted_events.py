"""Whoever writes the database and has no keys deletes events; nothing is sent that was stopped."""

from datetime import timedelta

import pytest
from django.db import connection

from samizdat import dbclock
from samizdat.audience import actions as audience
from samizdat.audience.consistency import changed_records
from samizdat.audience.models import ConsentRecord, Subscription, Suppression
from samizdat.campaigns.models import Campaign, Edition
from samizdat.core import consent
from samizdat.db import on_sqlite
from samizdat.delivery.actions import cancel, release, start_due, take_back
from samizdat.delivery.models import Chunk, Delivery
from samizdat.events import chain
from samizdat.events.actions import digest, record
from samizdat.events.models import Event
from samizdat.worker.schedule import scheduler
from tests.delivery.conftest import House, run_until_still
from tests.smtp_server import ScriptedServer


@pytest.mark.parametrize("how", ["campaign.unreleased", "campaign.cancelled"])
@pytest.mark.parametrize("attack", ["deleted", "renamed", "linked anew behind it", "parked"])
def test_a_campaign_that_was_stopped_is_not_sent_though_the_event_of_it_is_gone(
    house: House, server: ScriptedServer, how: str, attack: str
) -> None:
    house.people(3)
    house.route(server)
    campaign = house.released(hold_minutes=30)
    chain.append()
    rows = [*Edition.objects.filter(campaign=campaign), *Chunk.objects.filter(edition__campaign=campaign)]
    stop = take_back if how == "campaign.unreleased" else cancel
    stop(campaign, now=dbclock.now())
    stopped = Event.objects.filter(kind=how)
    if attack == "parked":
        stopped.update(position=10**12, link=bytes(32))
    house.draft()
    scheduler.link_chain(dbclock.now())

    assert stopped.update(kind="list.changed") if attack == "renamed" else stopped.delete()
    if attack == "linked anew behind it":
        Event.objects.filter(kind="campaign.released").update(position=None, link=None)
        chain.append()
    Delivery.objects.all().delete()
    Chunk.objects.all().delete()
    Edition.objects.all().delete()
    for row in rows:
        row.save(force_insert=True)
    Campaign.objects.filter(pk=campaign.pk).update(
        state="held",
        reason="",
        frozen=3,
        pending=3,
        cancelled=0,
        not_before=dbclock.now() - timedelta(minutes=1),
        released=dbclock.now(),
    )
    start_due(dbclock.now())
    run_until_still(campaign.pk)
    campaign.refresh_from_db()
    assert (server.messages, campaign.state) == ([], "paused")


def test_that_somebody_unsubscribed_is_not_deleted_unseen(house: House) -> None:
    boris = audience.add_subscriber(
        house.organization, "boris@post.example", house.list, consent="By form.", now=dbclock.now()
    )
    audience.unsubscribe(boris, house.list, now=dbclock.now())
    audience.add_subscriber(house.organization, "ada@post.example", house.list, consent="By form.", now=dbclock.now())
    chain.append()
    ConsentRecord.objects.filter(subscriber=boris.id, kind=consent.KINDS.index("withdrawn")).delete()
    chain.append()
    assert chain.verify(house.organization).reason == "missing"


def test_a_campaign_that_was_undone_is_not_sent_though_the_event_of_it_has_a_number_before_the_release(
    house: House, server: ScriptedServer
) -> None:
    """As whoever writes a PostgreSQL database has it, who sets the sequence back while somebody presses."""
    house.people(3)
    house.route(server)
    earlier = record("list.changed", house.organization, now=dbclock.now(), about=house.list.pk).pk
    Event.objects.filter(pk=earlier).delete()  # A number that nobody has.
    record("list.changed", house.organization, now=dbclock.now(), about=house.list.pk)
    campaign = house.released(hold_minutes=30)
    rows = [*Edition.objects.filter(campaign=campaign), *Chunk.objects.filter(edition__campaign=campaign)]
    as_it_was = Campaign.objects.filter(pk=campaign.pk).values("state", "frozen", "pending", "released").get()
    chain.append()
    take_back(campaign, now=dbclock.now())
    undone = Event.objects.get(kind="campaign.unreleased")
    undone.delete()
    undone.id = earlier
    undone.digest = digest(undone)
    undone.save(force_insert=True)
    chain.append()
    assert chain.verify(house.organization).whole
    for row in rows:
        row.save(force_insert=True)
    Campaign.objects.filter(pk=campaign.pk).update(**as_it_was | {"state": "sending"})
    run_until_still(campaign.pk)
    assert not server.messages


def test_who_complained_gets_nothing_though_their_suppression_is_away_for_the_moments_of_release_and_sending(
    house: House, server: ScriptedServer
) -> None:
    now, organization = dbclock.now(), house.organization
    ada, boris, eve = (
        audience.add_subscriber(organization, f"{name}@post.example", house.list, consent="By form.", now=now)
        for name in ("ada", "boris", "eve")
    )
    for subscriber in (ada, boris, eve):
        audience.suppress(organization, "complaint", subscriber=subscriber, now=now)
    audience.lift(organization, "complaint", subscriber=ada, now=now)
    audience.confirm(boris, house.list, now=now)
    house.route(server)
    Suppression.objects.all().delete()
    Subscription.objects.update(status=1, mail_verdict=1)
    run_until_still(house.released().pk)
    assert sorted(server.counts()) == ["ada@post.example", "boris@post.example"]


def test_who_takes_no_appeals_gets_none_though_their_verdict_was_written_for_the_moments_of_release_and_sending(
    house: House, server: ScriptedServer
) -> None:
    now, organization = dbclock.now(), house.organization
    ada, eve, _cleo = (
        audience.add_subscriber(organization, f"{name}@post.example", house.list, consent="By form.", now=now)
        for name in ("ada", "eve", "cleo")
    )
    for subscriber in (ada, eve):
        audience.agree_to_appeals_of(subscriber, [house.list], now=now)
    audience.unsubscribe(ada, house.list, purpose=consent.APPEALS, now=now)
    audience.agree_to_appeals_of(ada, [house.list], now=now)
    audience.unsubscribe(eve, house.list, purpose=consent.APPEALS, now=now)
    house.route(server)
    Subscription.objects.update(fundraising_verdict=1)
    appeal = house.draft()
    appeal.purpose = consent.PURPOSES.index(consent.APPEALS)
    appeal.save(update_fields=["purpose"])
    release(appeal, now=now)
    run_until_still(appeal.pk)
    assert sorted(server.counts()) == ["ada@post.example"]


def test_who_said_no_gets_nothing_though_their_status_was_written_for_the_moments_of_release_and_sending(
    house: House, server: ScriptedServer
) -> None:
    now, organization = dbclock.now(), house.organization
    _ada, eve, cleo = (
        audience.add_subscriber(organization, f"{name}@post.example", house.list, consent="By form.", now=now)
        for name in ("ada", "eve", "cleo")
    )
    audience.unsubscribe(cleo, house.list, now=now)
    audience.undo_unsubscribe(cleo, house.list, now=now)
    audience.unsubscribe(eve, house.list, now=now)
    house.route(server)
    of_eve = Subscription.objects.filter(subscriber=eve)
    as_it_is = of_eve.values("status", "mail_verdict").get()
    of_eve.update(status=1, mail_verdict=1)
    campaign = house.released()
    run_until_still(campaign.pk)
    of_eve.update(**as_it_is)
    assert sorted(server.counts()) == ["ada@post.example", "cleo@post.example"]


@pytest.mark.parametrize("column", ["list_id = 0", "day = '{day} BC'"])
def test_who_objected_gets_nothing_though_their_objection_was_made_one_that_reads_the_same(
    house: House, server: ScriptedServer, column: str
) -> None:
    """List 0 is none, and was read as all; PostgreSQL has days before Christ, whose text was cut to that of others."""
    if "BC" in column and on_sqlite():
        pytest.skip("SQLite holds days as texts: test_sqlite_values")
    organization, joined = house.organization, dbclock.now() - timedelta(days=100)
    _boris, ada = (
        audience.add_subscriber(organization, f"{name}@post.example", house.list, consent="By form.", now=joined)
        for name in ("boris", "ada")
    )
    left = joined + timedelta(days=5)
    audience.object_to_mail(organization, subscriber=ada, now=left)
    house.route(server)
    chain.append()
    with connection.cursor() as cursor:
        change = f"UPDATE audience_consentrecord SET {column.format(day=left.date())}"
        cursor.execute(f"{change} WHERE subscriber_id = {ada.pk} AND list_id IS NULL")
    # Besides, for the hours of the campaign.
    Suppression.objects.all().delete()
    Subscription.objects.filter(subscriber=ada).update(status=1, mail_verdict=1)
    run_until_still(house.released().pk)
    assert sorted(server.counts()) == ["boris@post.example"]
    chain.append()
    assert chain.verify(organization, {"audience_consentrecord": changed_records}).reason == "digest"
