"""The welcome email of a list: whoever confirms gets it, once, and nobody else does."""

from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from samizdat.accounts.actions import add_person, change_settings, give_role
from samizdat.accounts.models import Person
from samizdat.audience import actions as audience
from samizdat.audience import queries as audience_queries
from samizdat.audience.actions import forms, tags_for
from samizdat.audience.models import Subscriber, SubscriberTag, Suppression
from samizdat.campaigns import translations
from samizdat.campaigns.actions import save
from samizdat.campaigns.approval import NotApproved, ask, bond_of
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import REPLACED, WELCOME, Campaign, Edition
from samizdat.campaigns.opened import open_campaign
from samizdat.campaigns.queries import is_public
from samizdat.core.crypto import tokens
from samizdat.core.mail.ledger import pack_numbers
from samizdat.delivery import actions
from samizdat.delivery.actions import running, welcome
from samizdat.delivery.actions.second_person import agree
from samizdat.delivery.errors import NotReleasable
from samizdat.delivery.models import Chunk, MinuteTotal, Retry
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.worker.inbox import unsubscribes
from samizdat.worker.publishing import publish
from tests.conftest import PASSWORD, TODAY
from tests.delivery.conftest import House, Running, run_until_still, until
from tests.delivery.test_kills import Child
from tests.delivery.test_sending import books_balance
from tests.smtp_server import ScriptedServer
from tests.worker.conftest import say

TEXT = "Glad to have you. We write every Friday.\n"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def house(house: House) -> House:
    change_settings(house.organization, by=None, now=now(), postal_address="Brivibas 1, Riga")
    publish.publish_place(house.organization)
    return house


def written(house: House, text: str = TEXT) -> Campaign:
    """A welcome email as somebody wrote it."""
    campaign = welcome.begin(house.list, now=now())
    draft = draft_of(campaign).with_(subject="Welcome", body=text, format="markdown", from_email="news@lantern.example")
    save(campaign, draft, version=campaign.version, by=None, now=now())
    return Campaign.objects.get(pk=campaign.pk)


def switched_on(house: House, text: str = TEXT) -> Campaign:
    return welcome.switch_on(written(house, text), now=now())


def signed_up(house: House, address: str, day: date | None = None) -> tuple[Subscriber, str]:
    """They asked for the list; and the link that the mail has for them."""
    keys = house.keys
    assert keys.link is not None
    subscriber = audience.sign_up(house.organization, address, house.list, wording="I want it", now=now())
    number = forms.dated(house.list.id, day or now().date())
    return subscriber, tokens.make(keys.link, "confirm", number, subscriber.number)


def pressed(house: House, *links: str) -> None:
    for link in links:
        say(house.organization, "confirm", token=link, at=now().isoformat())
    unsubscribes.take(now())


def confirmed(house: House, address: str) -> Subscriber:
    _waiting, link = signed_up(house, address)
    pressed(house, link)
    subscriber = audience_queries.subscriber_at(house.organization, address)
    assert subscriber is not None
    return subscriber


def counts(campaign: Campaign) -> dict[str, int]:
    campaign.refresh_from_db()
    names = ("frozen", "accepted", "pending", "suppressed", "cancelled", "deferred")
    return {name: value for name in names if (value := getattr(campaign, name))}


def read(server: ScriptedServer) -> list[EmailMessage]:
    return [message_from_bytes(mail.content, policy=policy.default) for mail in server.messages]  # type: ignore[misc]


def test_whoever_confirms_gets_it_with_all_that_a_campaign_has(house: House, server: ScriptedServer) -> None:
    house.people(3)  # They were here before.
    house.route(server)
    campaign = switched_on(house)
    assert counts(campaign) == {}
    assert welcome.status(house.list).state == "on"
    confirmed(house, "ada@example.org")
    assert welcome.status(house.list).waiting == 1
    run_until_still(campaign.pk)
    (mail,) = read(server)
    assert server.counts() == {"ada@example.org": 1}
    assert mail["subject"] == "Welcome"
    assert "https://lantern.example" in mail["List-Unsubscribe"]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    for said in ("Glad to have you", "Brivibas 1, Riga", "https://lantern.example/u/", "https://lantern.example/p/"):
        assert said in text, text
    assert (welcome.status(house.list).sent, welcome.status(house.list).waiting) == (1, 0)


def test_it_says_what_is_for_a_tag_to_whoever_has_it_when_they_confirm(house: House, server: ScriptedServer) -> None:
    house.route(server)
    board = tags_for(house.organization, ["Board"])["Board"]
    campaign = switched_on(house, TEXT + '\n{% if tagged "Board" %}We meet at 7.{% endif %}\n')
    subscriber, link = signed_up(house, "ada@example.org")
    SubscriberTag.objects.create(subscriber=subscriber, tag_id=board)
    pressed(house, link)
    confirmed(house, "boris@example.org")
    run_until_still(campaign.pk)
    readers = {mail["to"] for mail in read(server) if "We meet at 7" in str(mail.get_body(("plain",)))}
    assert counts(campaign) == {"frozen": 2, "accepted": 2}
    assert len(readers) == 1 and "ada@" in readers.pop()


def test_it_stays_on_and_the_next_one_gets_it_too(house: House, server: ScriptedServer) -> None:
    house.route(server)
    campaign = switched_on(house)
    with Running():
        for name in ("ada", "boris", "clara"):
            confirmed(house, f"{name}@example.org")
            until(lambda name=name: server.counts().get(f"{name}@example.org"))
        until(lambda: counts(campaign) == {"frozen": 3, "accepted": 3})
    campaign.refresh_from_db()
    assert campaign.state == "sending"
    assert set(server.counts().values()) == {1}
    assert not Event.objects.filter(kind="campaign.finished").exists()


def test_imports_staff_and_restores_bring_nobody_one(house: House) -> None:
    campaign = switched_on(house)
    house.people(2)
    audience.add_subscriber(house.organization, "dmitri@example.org", house.list, consent="said so", now=now())
    ada = audience.sign_up(house.organization, "ada@example.org", house.list, wording="w", now=now())
    audience.confirm(ada, house.list, now=now())  # As the desk and renewals write it.
    assert counts(campaign) == {}


def test_a_link_that_is_pressed_again_brings_no_second_one(house: House) -> None:
    campaign = switched_on(house)
    _ada, link = signed_up(house, "ada@example.org")
    pressed(house, link, link)
    pressed(house, link)
    assert counts(campaign) == {"frozen": 1, "pending": 1}


def test_whoever_leaves_and_comes_back_is_not_welcomed_again(house: House) -> None:
    campaign = switched_on(house)
    ada = confirmed(house, "ada@example.org")
    audience.unsubscribe(ada, house.list, now=now())
    again = confirmed(house, "ada@example.org")
    assert again.pk == ada.pk
    assert audience.verdict(ada, house.list, now()).reason == "confirmed"
    assert counts(campaign) == {"frozen": 1, "pending": 1}


def test_nor_is_who_had_confirmed_before_it_was_switched_on(house: House) -> None:
    ada = confirmed(house, "ada@example.org")
    campaign = switched_on(house)
    audience.unsubscribe(ada, house.list, now=now())
    confirmed(house, "ada@example.org")
    assert counts(campaign) == {}


def test_whoever_has_left_or_is_suppressed_meanwhile_gets_none(house: House, server: ScriptedServer) -> None:
    house.route(server)
    campaign = switched_on(house)
    ada, boris = confirmed(house, "ada@example.org"), confirmed(house, "boris@example.org")
    confirmed(house, "clara@example.org")
    audience.unsubscribe(ada, house.list, now=now())
    audience.suppress(house.organization, reason="complaint", subscriber=boris, now=now())
    assert Suppression.objects.exists()
    run_until_still(campaign.pk)
    assert server.counts() == {"clara@example.org": 1}
    assert counts(campaign) == {"frozen": 3, "accepted": 1, "suppressed": 2}
    assert welcome.status(house.list).skipped == 2


def test_the_one_of_another_list_stays_with_it(house: House) -> None:
    campaign = switched_on(house)
    other = audience.new_list(house.organization, "Other", now=now())
    house.list = other
    confirmed(house, "ada@example.org")
    assert counts(campaign) == {}


def test_without_a_route_it_waits_and_goes_once_there_is_one(house: House, server: ScriptedServer) -> None:
    campaign = switched_on(house)
    confirmed(house, "ada@example.org")
    with Running():
        until(lambda: Campaign.objects.get(pk=campaign.pk).state == "waiting")
        assert welcome.status(house.list).state == "waiting"
        house.route(server)
        until(lambda: server.counts().get("ada@example.org") == 1)


def test_after_seven_days_it_is_dropped_and_counted(house: House, server: ScriptedServer) -> None:
    campaign = switched_on(house)
    confirmed(house, "ada@example.org")
    boris = confirmed(house, "boris@example.org")
    ada = Chunk.objects.order_by("pk")[0]
    Chunk.objects.filter(pk=ada.pk).update(owed=now().date() - timedelta(days=1))
    assert welcome.drop_late(now()) == 0
    assert welcome.drop_late(now() + timedelta(days=7)) == 1
    assert counts(campaign) == {"frozen": 2, "pending": 1, "cancelled": 1}
    assert welcome.status(house.list).dropped == 1
    (event,) = Event.objects.select_related("organization").filter(kind="list.welcome_dropped")
    assert (event.about, detail_of(event)["count"]) == (house.list.id, 1)
    house.route(server)
    run_until_still(campaign.pk)
    assert server.counts() == {audience_queries.address_of(boris): 1}


def test_many_are_dropped_in_portions_and_after_a_kill_the_rest(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = switched_on(house)
    for name in ("ada", "boris", "clara"):
        confirmed(house, f"{name}@example.org")
    late = now() + timedelta(days=8)
    assert welcome.drop_late(late, seconds=0) == 1, "the others in the next look"
    genuine, portions = running._cancel_chunk, []

    def killed(*args: Any) -> int:
        portions.append(args)
        if len(portions) == 2:
            raise KeyboardInterrupt
        return genuine(*args)

    monkeypatch.setattr(running, "_cancel_chunk", killed)
    with pytest.raises(KeyboardInterrupt):
        welcome.drop_late(late)
    assert counts(campaign) == {"frozen": 3, "pending": 1, "cancelled": 2}
    assert welcome.drop_late(late) == 1
    assert counts(campaign) == {"frozen": 3, "cancelled": 3}


def test_one_that_was_tried_and_put_off_is_dropped_after_seven_days(house: House, server: ScriptedServer) -> None:
    house.route(server)
    server.on("rcpt", "451 4.7.1 Greylisted", recipient="ada@example.org", times=1)
    campaign = switched_on(house)
    confirmed(house, "ada@example.org")
    run_until_still(campaign.pk)
    assert counts(campaign) == {"frozen": 1, "deferred": 1}
    assert welcome.drop_late(now() + timedelta(days=6)) == 0
    assert welcome.drop_late(now() + timedelta(days=8)) == 1
    assert counts(campaign) == {"frozen": 1, "cancelled": 1}
    assert not Retry.objects.exists()


def test_one_that_was_put_off_is_tried_again_though_others_came_since(house: House, server: ScriptedServer) -> None:
    house.route(server)
    server.on("rcpt", "451 4.7.1 Greylisted", recipient="ada@example.org", times=1)
    server.on("rcpt", "451 4.7.1 Greylisted", recipient="boris@example.org", times=1)
    campaign = switched_on(house)
    with Running():
        confirmed(house, "ada@example.org")
        until(lambda: counts(campaign).get("deferred") == 1)
        Retry.objects.update(due=now())
        until(lambda: counts(campaign).get("accepted") == 1)
        confirmed(house, "boris@example.org")
        until(lambda: counts(campaign).get("deferred") == 1)
        Retry.objects.update(due=now())
        until(lambda: counts(campaign) == {"frozen": 2, "accepted": 2})
    assert server.counts() == {"ada@example.org": 1, "boris@example.org": 1}


def test_switched_off_nobody_gets_it_and_who_waited_is_counted(house: House, server: ScriptedServer) -> None:
    campaign = switched_on(house)
    confirmed(house, "ada@example.org")
    assert welcome.switch_off(house.list, now=now()) == 1
    confirmed(house, "boris@example.org")
    assert counts(campaign) == {"frozen": 1, "cancelled": 1}
    status = welcome.status(house.list)
    assert (status.state, status.dropped) == ("off", 1)
    house.route(server)
    with Running():
        confirmed(house, "clara@example.org")
    assert not server.messages


def test_a_new_one_takes_over_and_who_waits_gets_the_one_before(house: House, server: ScriptedServer) -> None:
    before = switched_on(house, "The first text.\n")
    confirmed(house, "ada@example.org")
    copied = welcome.begin(house.list, now=now())
    assert draft_of(copied).body == "The first text.\n"
    assert copied.pk != before.pk and copied.welcome == WELCOME
    assert welcome.begin(house.list, now=now()).pk == copied.pk
    draft = draft_of(copied).with_(body="The second text.\n")
    save(copied, draft, version=copied.version, by=None, now=now())
    after = welcome.switch_on(Campaign.objects.get(pk=copied.pk), now=now())
    confirmed(house, "boris@example.org")
    house.route(server)
    with Running():
        until(lambda: len(server.messages) == 2)
        until(lambda: Campaign.objects.get(pk=before.pk).state == "finished")
    said = {mail["to"]: mail.get_body(("plain",)).get_content() for mail in read(server)}  # type: ignore[union-attr]
    texts = {address.partition("@")[0][-5:].strip("<"): "first" in text for address, text in said.items()}
    assert list(texts.values()).count(True) == 1 and len(said) == 2
    before.refresh_from_db()
    after.refresh_from_db()
    assert (before.welcome, before.state, after.welcome, after.state) == (REPLACED, "finished", WELCOME, "sending")
    assert welcome.status(house.list).sent == 2


def test_it_is_a_second_persons_text_where_the_organization_asks_for_that(house: House) -> None:
    change_settings(house.organization, by=None, now=now(), requires_approval=True)
    clara, dmitri = colleague(house, "clara"), colleague(house, "dmitri")
    campaign = written(house)
    with pytest.raises(NotApproved):
        welcome.switch_on(campaign, now=now(), by=clara)
    ask(campaign, by=clara, now=now())
    agree(campaign, bond_of(open_campaign(campaign)), 0, by=dmitri, now=now())
    with pytest.raises(NotApproved):
        welcome.switch_on(campaign, now=now(), by=dmitri)
    save(campaign, draft_of(campaign).with_(body="Other words.\n"), version=campaign.version, by=clara, now=now())
    with pytest.raises(NotApproved):
        welcome.switch_on(Campaign.objects.get(pk=campaign.pk), now=now(), by=clara)
    campaign = Campaign.objects.get(pk=campaign.pk)
    agree(campaign, bond_of(open_campaign(campaign)), 0, by=dmitri, now=now())
    assert welcome.switch_on(campaign, now=now(), by=clara).state == "sending"


def colleague(house: House, name: str) -> Person:
    person = add_person(f"{name}@lantern.example", password=PASSWORD, today=TODAY)
    give_role(person, house.organization, "editor", by=None, now=now())
    return person


def test_what_was_agreed_to_for_the_list_is_not_agreed_to_as_a_welcome(house: House) -> None:
    """Whoever writes the database makes one of the other: columns stand in the open."""
    change_settings(house.organization, by=None, now=now(), requires_approval=True)
    clara, dmitri = colleague(house, "clara"), colleague(house, "dmitri")
    house.people(3)
    campaign = house.draft()
    agree(campaign, bond_of(open_campaign(campaign)), 3, by=dmitri, now=now())
    Campaign.objects.filter(pk=campaign.pk).update(welcome=WELCOME)
    with pytest.raises(NotApproved):
        actions.release(Campaign.objects.get(pk=campaign.pk), now=now(), by=clara)


def test_a_campaign_becomes_no_welcome_by_a_column(house: House) -> None:
    house.people(2)
    campaign = house.released()
    Campaign.objects.filter(pk=campaign.pk).update(welcome=WELCOME)
    confirmed(house, "ada@example.org")
    assert counts(campaign) == {"frozen": 2, "pending": 2}


def test_a_welcome_is_of_its_list_by_its_seal(house: House) -> None:
    campaign = switched_on(house)
    other = audience.new_list(house.organization, "Other", now=now())
    Campaign.objects.filter(pk=campaign.pk).update(list=other)
    house.list = other
    confirmed(house, "ada@example.org")
    assert counts(campaign) == {}


def test_one_that_was_switched_off_comes_on_by_no_column(house: House) -> None:
    campaign = switched_on(house)
    welcome.switch_off(house.list, now=now())
    Campaign.objects.filter(pk=campaign.pk).update(state="sending")
    ada = confirmed(house, "ada@example.org")
    assert counts(campaign) == {}
    assert audience.verdict(ada, house.list, now()).reason == "confirmed", "and nobody's confirmation waits for that"


def test_one_that_the_database_called_finished_is_replaced_and_switched_off_as_any(
    house: House, server: ScriptedServer
) -> None:
    """Petr's number stood in the first one: an admin replaced it, and later switched the second one off."""
    house.route(server)
    first = switched_on(house, "Call Petr.\n")
    Campaign.objects.filter(pk=first.pk).update(state="finished")
    second = switched_on(house)
    Campaign.objects.filter(pk=first.pk).update(state="sending", released=now() + timedelta(days=1))
    confirmed(house, "ada@example.org")
    assert (counts(first), counts(second)) == ({}, {"frozen": 1, "pending": 1})
    Campaign.objects.filter(pk=first.pk).update(state="finished")
    assert welcome.switch_off(house.list, now=now()) == 1
    Campaign.objects.filter(pk=first.pk).update(state="sending")
    with Running():
        confirmed(house, "boris@example.org")
    assert not server.messages and counts(first) == {}


def test_one_that_waits_for_its_route_goes_to_nobody_once_it_is_off_whatever_its_row_said(
    house: House, server: ScriptedServer
) -> None:
    first = switched_on(house)
    confirmed(house, "ada@example.org")
    Campaign.objects.filter(pk=first.pk).update(state="draft")
    welcome.switch_off(house.list, now=now())
    Campaign.objects.filter(pk=first.pk).update(state="sending")
    house.route(server)
    run_until_still(first.pk)
    assert not server.messages


def test_nobody_is_added_by_whoever_writes_the_database(house: House, server: ScriptedServer) -> None:
    house.people(1)
    house.route(server)
    campaign = switched_on(house)
    number = Subscriber.objects.get().number
    Chunk.objects.create(
        edition=campaign.edition,
        position=7,
        size=1,
        remaining=1,
        numbers=pack_numbers([number]),
        owed=now().date(),
    )
    Campaign.objects.filter(pk=campaign.pk).update(frozen=1, pending=1)
    with Running():
        until(lambda: Campaign.objects.get(pk=campaign.pk).state == "paused")
    assert not server.messages


def test_text_that_the_database_was_given_is_sent_to_nobody(house: House, server: ScriptedServer) -> None:
    house.route(server)
    campaign, other = switched_on(house), house.draft(body="Send money.\n")
    theirs = Edition.objects.get(campaign=actions.release(other, now=now())) if house.people(1) else None
    assert theirs is not None
    Edition.objects.filter(campaign=campaign).update(compiled_sealed=theirs.compiled_sealed)
    actions.cancel(other, now=now())
    confirmed(house, "ada@example.org")
    with Running():
        until(lambda: Campaign.objects.get(pk=campaign.pk).state == "paused")
    assert "ada@example.org" not in server.counts()


def test_readers_get_it_in_their_language(house: House, server: ScriptedServer) -> None:
    house.route(server)
    campaign = written(house)
    version = translations.add(campaign, "ru", by=None, now=now())
    draft = draft_of(version, draft_of(campaign)).with_(subject="Добро пожаловать", body="Мы пишем по пятницам.\n")
    save(version, draft, version=version.version, by=None, now=now())
    campaign = welcome.switch_on(Campaign.objects.get(pk=campaign.pk), now=now())
    ada, link = signed_up(house, "ada@example.org")
    Subscriber.objects.filter(pk=ada.pk).update(language="ru")
    pressed(house, link)
    confirmed(house, "boris@example.org")
    run_until_still(campaign.pk)
    assert sorted(mail["subject"] for mail in read(server)) == ["Welcome", "Добро пожаловать"]


def test_it_is_read_on_the_web_by_its_link_alone(house: House, server: ScriptedServer) -> None:
    house.route(server)
    campaign = switched_on(house)
    confirmed(house, "ada@example.org")
    run_until_still(campaign.pk)
    assert not Campaign.objects.get(pk=campaign.pk).is_listed and is_public(Campaign.objects.get(pk=campaign.pk))


def test_it_has_no_schedule(house: House) -> None:
    campaign = written(house)
    with pytest.raises(NotReleasable):
        actions.release(campaign, now=now(), at=now() + timedelta(hours=1))


def test_switching_it_on_and_off_is_in_the_log(house: House) -> None:
    switched_on(house)
    confirmed(house, "ada@example.org")
    welcome.switch_off(house.list, now=now())
    kinds = ("list.welcome_on", "list.welcome_off")
    rows = Event.objects.select_related("organization").filter(kind__in=kinds).order_by("id")
    assert [(row.kind, row.about) for row in rows] == [(kind, house.list.id) for kind in kinds]
    assert detail_of(rows[1]) == {"dropped": 1}


def test_a_kill_while_somebody_confirms_leaves_both_or_neither(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = switched_on(house)
    _ada, link = signed_up(house, "ada@example.org")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(welcome, "write_chunks", killed)
        with pytest.raises(KeyboardInterrupt):
            pressed(house, link)
    assert counts(campaign) == {}
    unsubscribes.take(now())
    assert counts(campaign) == {"frozen": 1, "pending": 1}


def test_nothing_says_in_which_minute_somebody_confirmed(house: House, server: ScriptedServer) -> None:
    house.route(server)
    campaign = switched_on(house)
    confirmed(house, "ada@example.org")
    run_until_still(campaign.pk)
    (total,) = MinuteTotal.objects.filter(edition__campaign=campaign)
    assert (total.accepted, total.minute.hour, total.minute.minute) == (1, 0, 0)


@pytest.mark.kill
def test_kills_lose_nobody_and_nobody_has_it_twice(house: House, server: ScriptedServer) -> None:
    server.latency = 0.02
    house.route(server, connections=3)
    campaign, everybody = switched_on(house), []

    def confirm(count: int) -> None:
        addresses = [f"reader{len(everybody) + place}@example.org" for place in range(count)]
        everybody.extend(addresses)
        pressed(house, *(signed_up(house, address)[1] for address in addresses))

    def died(child: Child) -> bool:
        """A sender that got its whole work done in fewer steps has some more to do: how many it takes is the
        machine's affair."""
        if not child.ended and not counts(campaign).get("pending"):
            confirm(3)
        return child.ended

    for step in ("after S", "after a claim", "before a result is written", "before R", "after a chunk is let go"):
        confirm(24)
        child = Child(die=[step, 3])
        until(lambda child=child: died(child))
        child.kill()
        books_balance(campaign)
    child = Child()
    until(lambda: not counts(campaign).get("pending") and not Chunk.objects.exclude(state=Chunk.DONE).exists())
    child.stop()
    books_balance(campaign)
    campaign.refresh_from_db()
    assert campaign.frozen == len(everybody) == campaign.accepted + campaign.unsure
    assert campaign.state == "sending" and welcome.status(house.list).unsure == campaign.unsure
    assert {*server.counts().values()} == {1}
    never = {*everybody} - {*server.counts()}
    assert len(never) <= campaign.unsure, "whoever did not get it is in doubt, and said so"
