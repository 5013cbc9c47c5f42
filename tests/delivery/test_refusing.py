"""A mailbox provider that refuses us: nobody is marked, it is put off, and what waits goes out once that is mended."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from samizdat.campaigns.models import Campaign
from samizdat.cli.campaign.status import books, status_of
from samizdat.core.crypto import seal
from samizdat.core.mail.outcome import Refused
from samizdat.core.mail.retry_schedule import LATER
from samizdat.delivery import queries
from samizdat.delivery.actions import resume, route_refusals, send_probe
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.models import Chunk, Delivery, HeldRefusals, ProviderRefusal, Retry, Worker
from samizdat.events.models import Event
from tests.delivery.conftest import House, Running, until
from tests.delivery.test_kills import Child
from tests.delivery.test_sending import books_balance
from tests.smtp_server import ScriptedServer

NO_DMARC = (
    "550 5.7.40 The sender's domain lantern.example does not have a DMARC record. For more information, go to "
    "https://support.google.com/a?p=sender-guidelines 4fb4d7f45d1cf-61d gsmtp"
)
NO_MAILBOX = "550 5.1.1 No such mailbox"


def now() -> datetime:
    return datetime.now(UTC)


def people_at(house: House, domain: str, count: int) -> list[str]:
    """So many more subscribers with mailboxes at one domain."""
    from samizdat.audience import sealed_subscribers
    from samizdat.audience.models import Subscriber, row_id
    from samizdat.core.mail import address as addresses

    numbers = [house.number(address) for address in house.people(count)]
    found = []
    for number in numbers:
        address = f"reader{number}@{domain}"
        row = Subscriber.objects.get(pk=row_id(house.organization.id, number))
        values = {seal.ADDRESS: address, house.field: f"Reader {number}"}
        row.email_index, row.provider = house.keys.blind(address), addresses.provider(domain)
        row.sealed = sealed_subscribers.sealed(house.keys, values, number, row.email_index)
        row.save(update_fields=["sealed", "email_index", "provider"])
        found.append(address)
    return found


def refuse(server: ScriptedServer, answer: str, *domains: str, stage: str = "final", **how: Any) -> None:
    server.on(stage, answer, when=lambda moment: moment.recipient.endswith(tuple(f"@{one}" for one in domains)), **how)


def test_readers_of_a_provider_that_misses_a_record_wait_and_get_the_letter_once_it_is_there(
    house: House, server: ScriptedServer
) -> None:
    others, theirs = house.people(40), people_at(house, "gmail.com", 60)
    refuse(server, NO_DMARC, "gmail.com")
    house.route(server, connections=2)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["state"], ended["reason"]) == ("provider", "waiting", "provider")
    assert (ended["accepted"], ended["refused"], ended["deferred"], ended["pending"]) == (40, 0, 60, 0)
    assert server.counts() == dict.fromkeys(others, 1)
    assert len([line for line in server.commands if "gmail.com" in line]) <= 20 + 2 * 2 + 2
    [row] = ProviderRefusal.objects.all()
    assert (row.reason, row.lifted) == ("dmarc", None) and row.count == 20
    told = " ".join(books(status_of(campaign)))
    assert "Gmail rejects our emails, 20 in the same words (550 5.7.40" in told and "60 subscribers are waiting" in told
    assert "Publish what `samizdat domain records DOMAIN` prints." in told and f"campaign resume {campaign.pk}" in told
    assert Event.objects.filter(kind="campaign.provider_blocks").count() == 1
    books_balance(campaign)
    server.forget()
    campaign.refresh_from_db()
    resume(campaign, now=now())
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["refused"]) == ("finished", 100, 0)
    assert server.counts() == dict.fromkeys([*others, *theirs], 1)
    books_balance(campaign)


def test_an_answer_in_no_table_that_twenty_readers_of_a_provider_get_marks_none_of_them(
    house: House, server: ScriptedServer
) -> None:
    house.people(10)
    people_at(house, "mail.ru", 30)
    refuse(server, "550 Sorry, we have had enough of you today", "mail.ru", stage="rcpt")
    house.route(server, connections=1)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["refused"], ended["deferred"]) == ("provider", 10, 0, 30)
    books_balance(campaign)


def test_a_domain_that_nobody_knows_is_put_off_as_well_and_its_name_is_sealed(
    house: House, server: ScriptedServer
) -> None:
    people_at(house, "small.example", 25)
    refuse(server, "554 go away", "small.example")
    house.route(server, connections=1)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["refused"], ended["deferred"]) == ("provider", 0, 25)
    [row] = ProviderRefusal.objects.all()
    assert row.provider == 0 and b"small" not in bytes(row.domain_sealed) + bytes(row.answer_sealed) + bytes(row.digest)
    [shown] = queries.provider_refusals(campaign)
    assert (shown.provider, shown.count, shown.waiting) == ("small.example", 20, 25)
    assert "small.example" in shown.sentence and "554 go away" in shown.sentence


def test_those_who_are_refused_while_others_of_their_provider_are_accepted_were_refused_themselves(
    house: House, server: ScriptedServer
) -> None:
    theirs = people_at(house, "gmail.com", 90)
    dead = {address for place, address in enumerate(theirs) if place % 3 == 0}
    server.on("rcpt", "550 5.7.1 not you", when=lambda moment: moment.recipient in dead)
    house.route(server, connections=1)
    ended = run_campaign(house.released().pk, 120)
    assert (ended["ended"], ended["accepted"], ended["refused"]) == ("finished", 60, 30)
    assert not ProviderRefusal.objects.exists()


def test_a_few_dead_mailboxes_of_a_small_domain_are_theirs_and_the_campaign_ends(
    house: House, server: ScriptedServer
) -> None:
    house.people(5)
    people_at(house, "closed.example", 40)
    refuse(server, NO_MAILBOX, "closed.example", stage="rcpt")
    house.route(server)
    ended = run_campaign(house.released().pk, 120)
    assert (ended["ended"], ended["accepted"], ended["refused"]) == ("finished", 5, 40)
    assert not ProviderRefusal.objects.exists()


def test_a_whole_domain_without_mailboxes_waits_until_a_person_believes_it(
    house: House, server: ScriptedServer
) -> None:
    house.people(5)
    people_at(house, "gmail.com", 130)
    refuse(server, NO_MAILBOX, "gmail.com", stage="rcpt")
    house.route(server, connections=2)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["refused"], ended["deferred"]) == ("provider", 0, 130)
    [shown] = queries.provider_refusals(campaign)
    assert (shown.reason, shown.count) == ("mailbox", 100)
    campaign.refresh_from_db()
    resume(campaign, now=now())
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["refused"]) == ("finished", 5, 130)
    books_balance(campaign)


def test_three_readers_of_a_provider_that_speaks_of_us_are_not_marked_either(
    house: House, server: ScriptedServer
) -> None:
    house.people(5)
    people_at(house, "gmail.com", 3)
    refuse(server, NO_DMARC, "gmail.com")
    house.route(server)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["refused"], ended["deferred"]) == ("provider", 5, 0, 3)


def test_a_test_that_the_provider_accepts_lets_the_others_go(house: House, server: ScriptedServer) -> None:
    theirs = people_at(house, "gmail.com", 25)
    refuse(server, NO_DMARC, "gmail.com")
    route = house.route(server)
    campaign = house.released()
    assert run_campaign(campaign.pk, 120)["ended"] == "provider"
    assert not send_probe(route, "clara@gmail.com", now=now()).ok
    campaign.refresh_from_db()
    assert campaign.state == "waiting"
    server.forget()
    assert send_probe(route, "clara@gmail.com", now=now()).ok
    assert run_campaign(campaign.pk, 120)["accepted"] == 25
    assert set(theirs) <= set(server.counts())


def test_who_waits_for_a_provider_for_weeks_is_not_given_up_and_has_not_been_tried(
    house: House, server: ScriptedServer
) -> None:
    people_at(house, "gmail.com", 25)
    refuse(server, NO_DMARC, "gmail.com")
    house.route(server)
    campaign = house.released()
    assert run_campaign(campaign.pk, 120)["ended"] == "provider"
    assert set(Retry.objects.values_list("tries", "due")) == {(0, LATER)}
    Retry.objects.update(first=now() - timedelta(days=30))
    campaign.refresh_from_db()
    resume(campaign, now=now())
    ended = run_campaign(campaign.pk, 120)  # Nothing was mended: it is put off once more.
    assert (ended["ended"], ended["refused"], ended["deferred"]) == ("provider", 0, 25)
    server.forget()
    server.on("final", "451 4.3.0 later", times=1)
    Retry.objects.update(first=now() - timedelta(days=30))
    campaign.refresh_from_db()
    resume(campaign, now=now())
    with Running():
        until(lambda: Campaign.objects.get(pk=campaign.pk).accepted == 24)
    campaign.refresh_from_db()
    assert (campaign.refused, campaign.deferred) == (0, 1)
    books_balance(campaign)


def test_killed_before_it_was_known_whose_refusals_they_are_nobody_is_refused(
    house: House, server: ScriptedServer, second: ScriptedServer
) -> None:
    theirs = people_at(house, "gmail.com", 12)
    refuse(server, NO_DMARC, "gmail.com")
    house.route(server, connections=1, rate="30/s")
    campaign = house.released()
    with Running():
        until(lambda: len([line for line in server.commands if line.startswith("DATA")]) >= 3)
    campaign.refresh_from_db()
    assert (campaign.refused, Delivery.objects.filter(state=3).count()) == (0, 0)
    books_balance(campaign)
    assert len(theirs) == campaign.pending + campaign.deferred


def test_the_next_route_takes_what_a_provider_refuses_from_the_first(
    house: House, server: ScriptedServer, second: ScriptedServer
) -> None:
    theirs = people_at(house, "outlook.com", 30)
    refuse(server, "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent (S3140).", "outlook.com")
    house.route(server, "first", priority=1)
    house.route(second, "second", priority=2)
    ended = run_campaign(house.released().pk, 120)
    assert (ended["ended"], ended["accepted"]) == ("finished", 30)
    assert second.counts() == dict.fromkeys(theirs, 1) and not ProviderRefusal.objects.exists()


@pytest.mark.parametrize("answer", [NO_DMARC, "554 5.7.9 Message not accepted for policy reasons", "550 no"])
def test_several_domains_of_one_provider_are_its_own_refusal_and_not_the_routes(
    house: House, server: ScriptedServer, answer: str
) -> None:
    house.people(20)
    domains = ("yahoo.com", "yahoo.de", "aol.com", "ymail.com", "rocketmail.com", "yahoo.fr")
    for domain in domains:
        people_at(house, domain, 5)
    refuse(server, answer, *domains)
    route = house.route(server)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["refused"], ended["deferred"]) == ("provider", 20, 0, 30)
    route.refresh_from_db()
    assert route.state == "live"


# --- several senders, which only PostgreSQL has ---


@pytest.fixture
def cut(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """Its campaigns are cut into chunks of two, so that several senders share them."""
    monkeypatch.setattr("samizdat.delivery.actions.chunks.CHUNK", 2)
    return house


@pytest.fixture
def shared(cut: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """Two senders that share a route's connections at once, and not after the first one's lease."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one sender at a time")
    monkeypatch.setattr("samizdat.delivery.engine.rate_limiter.RENEW", 0.0)
    return cut


def sent_by_two(campaign: Campaign) -> None:
    with Running(), Running():
        until(lambda: not Campaign.objects.filter(pk=campaign.pk, state="sending").exists())
    campaign.refresh_from_db()
    books_balance(campaign)


@pytest.mark.parametrize("answer", ["554 5.7.9 Message not accepted for policy reasons", "550 Enough of you today"])
def test_two_senders_that_a_provider_refuses_twelve_readers_each_put_it_off(
    shared: House, server: ScriptedServer, answer: str
) -> None:
    others, theirs = shared.people(6), people_at(shared, "mail.ru", 24)
    refuse(server, answer, "mail.ru")
    shared.route(server, connections=2, rate="5/s")
    with Running(), Running():
        until(lambda: Worker.objects.filter(ended=None).count() == 2)
        campaign = shared.released()
        until(lambda: not Campaign.objects.filter(pk=campaign.pk, state="sending").exists())
    campaign.refresh_from_db()
    books_balance(campaign)
    assert (campaign.state, campaign.reason) == ("waiting", "provider")
    assert (campaign.refused, campaign.deferred, campaign.accepted) == (0, 24, 6)
    [row] = ProviderRefusal.objects.all()
    assert row.count >= 20 and Event.objects.filter(kind="campaign.provider_blocks").count() == 1
    server.forget()
    resume(campaign, now=now())
    sent_by_two(campaign)
    assert (campaign.state, campaign.accepted, campaign.refused) == ("finished", 30, 0)
    assert server.counts() == dict.fromkeys([*others, *theirs], 1)


def test_two_senders_end_a_campaign_of_which_a_few_were_refused(shared: House, server: ScriptedServer) -> None:
    people_at(shared, "mail.ru", 14)
    refuse(server, "550 Enough of you today", "mail.ru")
    shared.route(server, connections=2, rate="10/s")
    campaign = shared.released()
    sent_by_two(campaign)
    assert (campaign.state, campaign.refused) == ("finished", 14)
    assert not ProviderRefusal.objects.exists()


def test_what_one_of_two_senders_held_when_it_was_killed_is_tried_again_and_nobody_is_refused(
    shared: House, server: ScriptedServer
) -> None:
    people_at(shared, "mail.ru", 30)
    refuse(server, "550 Enough of you today", "mail.ru", stage="rcpt")
    shared.route(server, connections=2, rate="2/s")
    killed = Child()
    try:
        with Running():
            until(lambda: Worker.objects.filter(ended=None).count() == 2)
            campaign = shared.released()
            until(lambda: HeldRefusals.objects.values("worker").distinct().count() == 2)
            killed.kill()
            until(lambda: Campaign.objects.get(pk=campaign.pk).state == "waiting")
    finally:
        killed.process.kill()
    campaign.refresh_from_db()
    assert (campaign.refused, campaign.deferred, campaign.unsure) == (0, 30, 0)
    books_balance(campaign)


def held(count: int, provider: str = "mail.ru", words: str = "550 no") -> route_refusals.HeldReplies:
    return route_refusals.HeldReplies(provider, words, count, 20)


NOT_YET, DECIDED = route_refusals.MergedRefusals([]), route_refusals.MergedRefusals([], settles=True)


class Senders:
    """Rows of two senders of one campaign, each with a chunk in hand, and what they tell each other."""

    def __init__(self, house: House) -> None:
        house.people(4)
        self.edition = house.released().edition.pk
        self.workers = [
            Worker.objects.create(boot=b"b" * 16, folder=b"f" * 16, journal=f"worker-{place}", started=now()).pk
            for place in range(2)
        ]
        for chunk, worker in zip(Chunk.objects.filter(edition=self.edition), self.workers, strict=False):
            Chunk.objects.filter(pk=chunk.pk).update(state=Chunk.CLAIMED, worker=worker)

    def say(
        self, place: int, *groups: route_refusals.HeldReplies, settles: bool = True
    ) -> route_refusals.MergedRefusals:
        return route_refusals.count_together(self.edition, self.workers[place], groups, settles=settles)


def test_the_first_of_two_senders_that_is_done_waits_for_the_other_and_both_find_the_sum(cut: House) -> None:
    senders = Senders(cut)
    assert senders.say(0, held(19)) == NOT_YET
    told = senders.say(1, held(19))
    assert list(told.put_off) == [("mail.ru", "550 no", 38)] and not told.settles
    route_refusals.put_off(senders.edition, "mail.ru", Refused(550, "no", "recipient"), 38, now())
    senders.say(1)
    assert list(senders.say(0, held(19)).put_off) == [
        ("mail.ru", "550 no", 19)
    ]  # Its rows are gone, what it did is not.


def test_two_senders_that_hold_a_few_decide_when_both_are_done(cut: House) -> None:
    senders = Senders(cut)
    assert not senders.say(0, held(9)).settles
    assert not senders.say(1, held(5), settles=False).settles
    assert not senders.say(0, held(9)).settles
    assert senders.say(1, held(5)) == DECIDED
    assert senders.say(0, held(9)) == DECIDED


def test_other_words_of_a_provider_and_other_providers_are_counted_by_themselves(cut: House) -> None:
    senders = Senders(cut)
    senders.say(0, held(12), held(12, "gmail.com"), held(12, words="550 other"))
    told = senders.say(1, held(12, "yandex.ru"), held(12, words="550 more"), held(8, "gmail.com"))
    assert list(told.put_off) == [("gmail.com", "550 no", 20)]


def test_an_email_that_a_provider_accepts_from_one_sender_makes_the_others_refusals_the_readers_own(
    cut: House,
) -> None:
    senders = Senders(cut)
    senders.say(0, held(12), held(3, "gmail.com"))
    [watched] = route_refusals.held_elsewhere([senders.edition], senders.workers[1]).values()
    digest = route_refusals.digest_of(cut.organization, "mail.ru")
    assert digest in watched and len(watched) == 2
    route_refusals.accepted_elsewhere(senders.edition, digest, senders.workers[1])
    assert not senders.say(1, held(12)).put_off
    assert senders.say(0, held(12), held(3, "gmail.com")).accepted == {"mail.ru"}
    assert not senders.say(0, held(1)).accepted  # It was heard once.


def test_what_a_sender_held_that_has_ended_counts_no_more(cut: House) -> None:
    senders = Senders(cut)
    senders.say(0, held(12))
    Worker.objects.filter(pk=senders.workers[0]).update(ended=now())
    assert not senders.say(1, held(12)).put_off
