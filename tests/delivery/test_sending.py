"""From release to the last answer, against a real SMTP server on loopback."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from typing import Any

import pytest
from django.db.models import Sum

from samizdat.accounts import settings_note
from samizdat.accounts.actions import change_settings
from samizdat.campaigns.models import Campaign
from samizdat.core.crypto.tokens import read
from samizdat.delivery import queries
from samizdat.delivery.actions import cancel, pause, release, resume, settle
from samizdat.delivery.engine import claimer
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.models import Chunk, Retry, Worker
from samizdat.vault.errors import KeyRefused
from tests.conftest import NOW
from tests.delivery.conftest import House, Running, run_until_still, until
from tests.smtp_server import HANG_UP, ScriptedServer


def now() -> datetime:
    return datetime.now(UTC)


def books_balance(campaign: Campaign) -> None:
    """Columns, rows and chunks tell the same story."""
    campaign.refresh_from_db()
    counted = queries.recount(campaign)
    assert counted.adds_up
    assert counted == queries.report(campaign).books
    first = Chunk.objects.filter(edition__campaign=campaign, retry=False)
    assert (first.aggregate(left=Sum("remaining"))["left"] or 0) == campaign.pending


def test_everybody_gets_the_letter_once_and_the_books_balance(house: House, server: ScriptedServer) -> None:
    addresses = house.people(1203)
    house.route(server)
    campaign = house.released()
    assert (campaign.state, campaign.frozen, campaign.pending) == ("sending", 1203, 1203)
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["state"], ended["accepted"]) == ("finished", "finished", 1203)
    assert ended["by_route"]["main"] == {
        "accepted": 1203,
        "refused": 0,
        "unsure": 0,
        "deferred": 0,
        "state": "live",
        "reason": "",
    }
    assert sorted(server.counts()) == sorted(addresses)
    assert set(server.counts().values()) == {1}
    assert not server.violations
    books_balance(campaign)
    assert not Chunk.objects.exclude(state=Chunk.DONE).exists()
    assert not Worker.objects.filter(ended=None).exists()


def test_a_message_carries_the_values_and_tokens_of_its_own_reader(house: House, server: ScriptedServer) -> None:
    address = house.people(3)[1]
    house.route(server)
    campaign = house.released()
    run_campaign(campaign.pk, 120)
    caught = next(message for message in server.messages if message.recipient == address)
    message = message_from_bytes(caught.content)
    edition, number = campaign.edition.pk, house.number(address)
    leave = message["List-Unsubscribe"].strip("<>").removeprefix("https://lantern.example/u/")
    identity = message["Message-ID"].strip("<>").partition("@")[0]
    for purpose, token in (("leave", leave), ("message-id", identity)):
        told = read(house.keys.links, purpose, token)
        assert (told.edition, told.number) == (edition, number)
    assert message["To"] == f"Reader {number} <{address}>"
    assert caught.sender == "news@lantern.example"
    assert f"Reader {number}" in message.get_payload(0).get_payload(decode=True).decode()


def test_conditions_on_groups_and_tags_are_asked_of_each_reader(house: House, server: ScriptedServer) -> None:
    from samizdat.audience.actions import add_tags
    from samizdat.audience.queries import subscriber_at

    both, water, nobody = house.people(3)
    for address, tags in ((both, ["Topics: Law", "Topics: Water", "Volunteer"]), (water, ["Topics: Water"])):
        found = subscriber_at(house.organization, address)
        assert found is not None
        add_tags(found, tags, now=now())
    house.route(server)
    groups = "*|INTERESTED:Topics:Law,Birds|*LAW*|ELSE:|*REST*|END:INTERESTED|*"
    campaign = house.draft(groups + ' {% if tagged "volunteer" %}HELPS{% endif %}')
    release(campaign, now=now())
    run_campaign(campaign.pk, 120)
    texts = {one.recipient: message_from_bytes(one.content).get_payload(0).as_string() for one in server.messages}
    said = {address: [word for word in ("LAW", "REST", "HELPS") if word in text] for address, text in texts.items()}
    assert said == {both: ["LAW", "HELPS"], water: ["REST"], nobody: ["REST"]}


def test_bounces_do_not_go_to_an_address_that_somebody_wrote_into_the_database(
    house: House, server: ScriptedServer
) -> None:
    """They name readers."""
    house.people(1)
    house.route(server)
    campaign = house.released()
    type(house.organization).objects.update(return_address="thief@evil.example", public_url="https://evil.example")
    run_campaign(campaign.pk, 120)
    [message] = server.messages
    assert "evil" not in message.sender and b"evil" not in message.content


def test_a_letter_that_was_released_when_from_was_enough_gives_no_reader_away(
    house: House, server: ScriptedServer
) -> None:
    house.people(1)
    house.route(server)
    campaign = house.released()
    change_settings(house.organization, by=None, now=NOW, public_url="https://other.example")
    run_campaign(campaign.pk, 120)
    assert [message.sender for message in server.messages] == [""]


def test_a_campaign_stops_where_nobody_knows_any_more_where_its_links_lead(
    house: House, server: ScriptedServer
) -> None:
    house.people(1)
    house.route(server)
    campaign = house.released()
    type(house.organization).objects.update(settings_sealed=b"", public_url="https://evil.example")
    settings_note.forget()
    assert run_campaign(campaign.pk, 120)["state"] == "paused"
    assert not server.messages
    change_settings(house.organization, by=None, now=NOW, public_url="https://lantern.example")
    resume(campaign, now=datetime.now(UTC))
    run_campaign(campaign.pk, 120)
    assert len(server.messages) == 1 and b"evil" not in server.messages[0].content


def test_bounces_come_back_to_the_return_address_with_the_readers_token(house: House, server: ScriptedServer) -> None:
    change_settings(house.organization, by=None, now=NOW, return_address="bounce@lantern.example")
    address = house.people(1)[0]
    house.route(server)
    campaign = house.released()
    run_campaign(campaign.pk, 120)
    local, _, domain = server.messages[0].sender.partition("@")
    assert (local.partition("+")[0], domain) == ("bounce", "lantern.example")
    assert read(house.keys.links, "return", local.partition("+")[2]).number == house.number(address)


def test_of_a_domain_that_is_all_ours_the_whole_local_part_is_the_token(house: House, server: ScriptedServer) -> None:
    change_settings(house.organization, by=None, now=NOW, return_address="@bounces.lantern.example")
    address = house.people(1)[0]
    house.route(server)
    run_campaign(house.released().pk, 120)
    local, _, domain = server.messages[0].sender.partition("@")
    assert domain == "bounces.lantern.example"
    assert read(house.keys.links, "return", local).number == house.number(address)


def test_a_clear_no_is_booked_with_the_servers_words_and_without_the_address(
    house: House, server: ScriptedServer
) -> None:
    addresses = house.people(20)
    server.on("rcpt", f"550 5.1.1 <{addresses[3]}> no such user", recipient=addresses[3])
    house.route(server)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["accepted"], ended["refused"]) == (19, 1)
    assert queries.delivery_of(campaign, house.number(addresses[3])) == ("refused", "no_such_mailbox", 550)
    (said,) = queries.answers(campaign)
    assert said.count == 1 and "no such user" in said.text and "@" not in said.text
    books_balance(campaign)


def test_a_deferred_message_is_tried_again_when_it_is_due(house: House, server: ScriptedServer) -> None:
    addresses = house.people(5)
    server.on("rcpt", "450 4.2.1 greylisted, come back", recipient=addresses[2], times=1)
    house.route(server)
    campaign = house.released()
    ended = run_until_still(campaign.pk)
    assert (ended["state"], ended["accepted"], ended["deferred"]) == ("sending", 4, 1)
    books_balance(campaign)
    retry = Retry.objects.get()
    assert timedelta(minutes=4) < retry.due - now() <= timedelta(minutes=5)
    Retry.objects.update(due=now())
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["deferred"]) == ("finished", 5, 0)
    assert server.copies(addresses[2]) == 1
    assert not Retry.objects.exists()
    books_balance(campaign)


def test_who_is_deferred_for_four_days_is_refused_as_expired(house: House, server: ScriptedServer) -> None:
    address = house.people(2)[0]
    server.on("rcpt", "450 4.2.2 mailbox full", recipient=address)
    house.route(server)
    campaign = house.released()
    run_until_still(campaign.pk)
    Retry.objects.update(due=now(), first=now() - timedelta(days=4))
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["refused"]) == ("finished", 1, 1)
    assert queries.delivery_of(campaign, house.number(address)) == ("refused", "expired", 450)
    books_balance(campaign)


def test_silence_after_the_last_dot_is_shown_and_resent_once_with_the_same_identity(
    house: House, server: ScriptedServer
) -> None:
    address = house.people(10)[4]
    server.on("final", HANG_UP, recipient=address, times=1)
    house.route(server)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["unsure"]) == ("finished", 10, 0)
    copies = [message_from_bytes(m.content)["Message-ID"] for m in server.messages if m.recipient == address]
    assert len(copies) == 2 and copies[0] == copies[1]
    books_balance(campaign)


def test_silence_is_held_where_the_campaign_says_so_and_a_person_settles_it(
    house: House, server: ScriptedServer
) -> None:
    address = house.people(10)[4]
    server.on("final", HANG_UP, recipient=address, times=1)
    house.route(server)
    campaign = house.released()
    Campaign.objects.update(unsure_policy="hold")
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["unsure"]) == ("finished", 9, 1)
    assert server.copies(address) == 1
    books_balance(campaign)
    assert settle(campaign, "resend", now=now()).state == "sending"
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["unsure"]) == ("finished", 10, 0)
    books_balance(campaign)


def test_a_relay_that_always_hangs_up_gets_no_third_copy(house: House, server: ScriptedServer) -> None:
    # The last one: where an envelope follows the dot, a hang-up means a server that dies of that, and a person decides.
    last = house.people(8)[-1]
    server.on("final", HANG_UP, recipient=last)
    house.route(server)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["unsure"]) == ("finished", 7, 1)
    assert server.copies(last) == 2
    books_balance(campaign)


def test_when_the_first_route_is_closed_the_rest_goes_by_the_second_and_nobody_is_blamed(
    house: House, server: ScriptedServer, second: ScriptedServer
) -> None:
    addresses = house.people(400)
    server.on("mail", "550 5.7.1 This account has been suspended", after=120)
    house.route(server, "first", priority=1)
    house.route(second, "second", priority=2)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["refused"]) == ("finished", 400, 0)
    assert (ended["by_route"]["first"]["state"], ended["by_route"]["first"]["reason"]) == ("dead", "suspended")
    assert ended["by_route"]["first"]["accepted"] == len(server.messages)
    assert ended["by_route"]["second"]["accepted"] == len(second.messages) > 0
    assert server.counts() + second.counts() == dict.fromkeys(addresses, 1)
    row = queries.routes(house.organization)[0]
    assert "suspended" in row.sentence and row.values["answer"]
    books_balance(campaign)


def test_when_the_relay_is_gone_the_next_one_takes_over(
    house: House, server: ScriptedServer, second: ScriptedServer
) -> None:
    addresses = house.people(300)
    server.die_after(100)
    house.route(server, "first", priority=1)
    house.route(second, "second", priority=2)
    campaign = house.released()
    Campaign.objects.update(unsure_policy="hold")
    ended = run_campaign(campaign.pk, 120)
    assert ended["ended"] == "finished"
    assert ended["accepted"] + ended["unsure"] == 300
    assert ended["by_route"]["first"]["state"] == "dead"
    # Whoever was cut off after the last dot may have it or not, and is shown; everybody else has it once.
    got = server.counts() + second.counts()
    assert set(got.values()) == {1}
    assert len(set(addresses) - set(got)) <= ended["unsure"]
    books_balance(campaign)


def test_without_a_living_route_the_campaign_waits_and_goes_on_when_one_is_back(
    house: House, server: ScriptedServer, running: type[Running]
) -> None:
    from samizdat.delivery.actions import resume_route

    house.people(50)
    server.on("auth", "535 5.7.8 no")
    server.on("mail", "550 5.7.1 account suspended", times=8)
    route = house.route(server)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["state"], ended["reason"]) == ("no_route", "waiting", "no_route")
    assert ended["pending"] == 50
    books_balance(campaign)
    server.forget()
    with running():
        resume_route(route, now=now())
        until(lambda: Campaign.objects.get(pk=campaign.pk).state == "finished")
    assert len(server.messages) == 50
    books_balance(campaign)


def test_a_subscriber_who_left_after_release_gets_no_message(house: House, server: ScriptedServer) -> None:
    addresses = house.people(30)
    house.route(server)
    campaign = house.released()
    house.leave(addresses[7])
    ended = run_campaign(campaign.pk, 120)
    assert (ended["accepted"], ended["suppressed"]) == (29, 1)
    assert server.copies(addresses[7]) == 0
    assert queries.delivery_of(campaign, house.number(addresses[7])) == ("suppressed", "suppressed", 0)
    books_balance(campaign)


def test_an_erased_or_suppressed_subscriber_gets_no_message(house: House, server: ScriptedServer) -> None:
    from samizdat.audience.models import Subscriber, Suppression, row_id
    from tests.conftest import TODAY

    addresses = house.people(30)
    house.route(server)
    campaign = house.released()
    Subscriber.objects.filter(pk=row_id(house.organization.pk, house.number(addresses[1]))).delete()
    Suppression.objects.create(
        organization=house.organization, email_index=house.keys.blind(addresses[2]), reason="complaint", day=TODAY
    )
    ended = run_campaign(campaign.pk, 120)
    assert (ended["accepted"], ended["suppressed"]) == (28, 2)
    assert not {addresses[1], addresses[2]} & set(server.counts())
    books_balance(campaign)


def test_pausing_bites_within_two_slices_and_resuming_goes_on(
    house: House, server: ScriptedServer, running: type[Running]
) -> None:
    addresses = house.people(900)
    # Slow, so that little goes out between the look at it and the pause, however busy this machine is.
    server.latency = 0.05
    house.route(server, connections=4)
    campaign = house.released()
    with running():
        until(lambda: len(server.messages) > 60)
        at_pause = len(server.messages)
        pause(campaign, now=now())
        until(lambda: not Chunk.objects.filter(state=Chunk.CLAIMED).exists())
        assert len(server.messages) - at_pause <= 2 * 50 + 2 * 4
        campaign.refresh_from_db()
        assert campaign.state == "paused" and campaign.accepted == len(server.messages)
        books_balance(campaign)
        server.latency = 0.0
        resume(campaign, now=now())
        until(lambda: Campaign.objects.get(pk=campaign.pk).state == "finished")
    assert server.counts() == dict.fromkeys(addresses, 1)
    books_balance(campaign)


def test_cancelling_books_exactly_those_who_were_still_owed(
    house: House, server: ScriptedServer, running: type[Running]
) -> None:
    addresses = house.people(1500)
    server.latency = 0.03
    server.on("rcpt", "450 4.2.1 later", recipient=addresses[0])
    house.route(server, connections=4)
    campaign = house.released()
    with running():
        until(lambda: len(server.messages) > 100)
        cancel(campaign, now=now())
        until(lambda: Campaign.objects.get(pk=campaign.pk).pending == 0)
    campaign.refresh_from_db()
    assert campaign.state == "cancelled"
    assert campaign.accepted == len(server.messages)
    assert campaign.cancelled == 1500 - campaign.accepted and campaign.deferred == 0
    books_balance(campaign)
    assert run_campaign(campaign.pk, 5)["ended"] == "cancelled"


def test_a_fenced_house_sends_nothing(house: House, server: ScriptedServer) -> None:
    house.people(5)
    house.route(server)
    campaign = house.released()
    house.organization.sending_locked = True
    house.organization.save()
    ended = run_campaign(campaign.pk, 5)
    assert ended["ended"] == "fenced" and ended["pending"] == 5
    assert not server.messages


def test_a_rate_is_kept(house: House, server: ScriptedServer) -> None:
    house.people(20)
    house.route(server, rate="10/s")
    campaign = house.released()
    begun = now()
    run_campaign(campaign.pk, 120)
    # Ten at once from the full bucket, ten more in the second after.
    assert len(server.messages) == 20
    assert (now() - begun).total_seconds() >= 1.0


def test_a_finished_campaign_is_told_at_once(house: House, server: ScriptedServer) -> None:
    house.people(2)
    house.route(server)
    campaign = house.released()
    run_campaign(campaign.pk, 120)
    assert run_campaign(campaign.pk, 0)["ended"] == "finished"
    assert Worker.objects.count() == 1


def test_a_folder_takes_letters_too(house: House, tmp_path: Any) -> None:
    from samizdat.delivery.actions import add_route

    house.people(12)
    (tmp_path / "out").mkdir()
    add_route(house.organization, "folder", f"folder://{tmp_path}/out", now=now())
    campaign = house.released()
    assert run_campaign(campaign.pk, 120)["accepted"] == 12
    assert len(list((tmp_path / "out").rglob("*.eml"))) == 12


@pytest.mark.parametrize("at", ["open_edition", "release_log.standing_in_whole_log"])
def test_while_a_key_is_refused_a_campaign_waits_and_is_not_called_altered(
    house: House, server: ScriptedServer, at: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The supervisor is busy or gone: that says nothing about what stands in the database."""
    house.people(3)
    house.route(server)
    refusals = [KeyRefused("The supervisor is gone.")] * 2
    opens = claimer.release_log.standing_in_whole_log if "." in at else claimer.open_edition

    def refused(*asked: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return opens(*asked)

    monkeypatch.setattr(f"samizdat.delivery.engine.claimer.{at}", refused)
    assert run_campaign(house.released().pk, 120)["state"] == "finished"
    assert refusals == [] and len(server.messages) == 3
    assert caplog.text.count("was refused, so its campaign waits") == 1
    assert "altered" not in caplog.text and "cannot be opened" not in caplog.text
