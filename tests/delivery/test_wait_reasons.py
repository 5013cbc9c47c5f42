"""When a campaign waits although a route lives: quiet hours, its first wave, a limit that is used up, a warm-up."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from samizdat.campaigns.models import Campaign
from samizdat.core.mail.ledger import unpack_numbers
from samizdat.delivery import queries
from samizdat.delivery.actions import change_route, pause, resume, wait_reasons
from samizdat.delivery.actions.releasing import ReleaseWave
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.errors import WrongPace
from samizdat.delivery.models import Chunk, Route
from samizdat.events.models import Event
from tests.delivery.conftest import FIRST_NUMBER, House, Running, run_until_still, until
from tests.delivery.test_pace import a_day_later
from tests.delivery.test_sending import books_balance
from tests.smtp_server import ScriptedServer, delay


def now() -> datetime:
    return datetime.now(UTC)


def around(begin: int, end: int) -> str:
    """Hours that begin and end so many minutes from now, by the clock in UTC."""
    return f"{now() + timedelta(minutes=begin):%H:%M}-{now() + timedelta(minutes=end):%H:%M} UTC"


def state(campaign: Campaign) -> tuple[str, str]:
    campaign.refresh_from_db()
    return campaign.state, campaign.reason


def kinds() -> list[str]:
    return list(Event.objects.filter(kind__startswith="campaign.").order_by("pk").values_list("kind", flat=True))


# --- quiet hours ---


def test_in_quiet_hours_nothing_leaves_and_the_campaign_says_until_when(house: House, server: ScriptedServer) -> None:
    house.people(20)
    house.route(server)
    campaign = house.released(quiet=around(-60, 90))
    ended = run_until_still(campaign.pk)
    assert (ended["state"], ended["reason"], ended["pending"]) == ("waiting", "quiet", 20)
    assert timedelta(minutes=88) < datetime.fromisoformat(ended["waits_until"]) - now() <= timedelta(minutes=90)
    assert not server.messages
    books_balance(campaign)
    Campaign.objects.update(quiet_hours=around(-60, -1))
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    assert kinds()[-4:] == ["campaign.waits", "campaign.wait_over", "campaign.first_sent", "campaign.finished"]


def test_quiet_hours_that_begin_stop_a_campaign_on_its_way(house: House, server: ScriptedServer) -> None:
    house.people(400)
    house.route(server, rate="40/s")
    campaign = house.released()
    with Running():
        until(lambda: len(server.messages) >= 20)
        Campaign.objects.update(quiet_hours=around(-1, 60))
        until(lambda: state(campaign) == ("waiting", "quiet"))
        until(lambda: not Chunk.objects.filter(state=Chunk.CLAIMED).exists())
        taken = len(server.messages)
    assert len(server.messages) == taken < 400
    books_balance(campaign)


def test_quiet_hours_of_the_organization_hold_in_its_zone_and_a_campaign_may_do_without(
    house: House, server: ScriptedServer
) -> None:
    house.people(5)
    house.route(server)
    house.organization.timezone, house.organization.quiet_hours = "Asia/Tokyo", "09:00-18:00"
    house.organization.save()
    row: dict[str, Any] = {"quiet_hours": "", "organization__quiet_hours": "09:00-18:00"}
    row["organization__timezone"] = "Asia/Tokyo"
    in_tokyo = wait_reasons.quiet_of(row, datetime(2026, 11, 25, 3, 0, tzinfo=UTC))
    assert in_tokyo == wait_reasons.WaitReason("quiet", datetime(2026, 11, 25, 9, 0, tzinfo=UTC))
    assert wait_reasons.quiet_of(row, datetime(2026, 11, 25, 9, 0, tzinfo=UTC)) is None
    assert wait_reasons.quiet_of(row | {"quiet_hours": "none"}, datetime(2026, 11, 25, 3, 0, tzinfo=UTC)) is None
    assert run_campaign(house.released(quiet="none").pk, 30)["ended"] == "finished"


def test_quiet_hours_begin_for_senders_a_moment_early_and_end_on_time() -> None:
    row = {"quiet_hours": "22:00-07:00 UTC", "organization__quiet_hours": ""}
    end = datetime(2026, 11, 26, 7, 0, tzinfo=UTC)
    assert wait_reasons.quiet_of(row, end - timedelta(seconds=1)) == wait_reasons.WaitReason("quiet", end)
    assert wait_reasons.quiet_of(row, end) is None
    assert wait_reasons.quiet_of(row, end.replace(day=25, hour=21, minute=59, second=59)) == wait_reasons.WaitReason(
        "quiet", end
    )


@pytest.mark.parametrize("text", ["night", "22:00-07:00 Mars/Olympus", "22:00"])
def test_quiet_hours_that_are_none_release_nothing(house: House, server: ScriptedServer, text: str) -> None:
    house.people(2)
    house.route(server)
    with pytest.raises(WrongPace):
        house.released(quiet=text)
    assert not Chunk.objects.exists()


# --- the first wave ---


def test_a_first_wave_goes_then_the_campaign_waits_and_goes_on_by_itself(house: House, server: ScriptedServer) -> None:
    house.people(700)
    house.route(server)
    campaign = house.released(wave=ReleaseWave(10, 30, 5))
    ended = run_until_still(campaign.pk)
    assert (ended["state"], ended["reason"], ended["accepted"], ended["pending"]) == ("waiting", "wave", 70, 630)
    # Its people are from the whole list, not from its beginning.
    reached = sorted(house.number(address) for address in server.counts())
    assert reached[-1] > FIRST_NUMBER + 600 and reached[0] < FIRST_NUMBER + 100
    left = datetime.fromisoformat(ended["waits_until"]) - now()
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    books_balance(campaign)
    Campaign.objects.update(canary_until=now())
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    assert len(server.counts()) == 700 and set(server.counts().values()) == {1}
    told = ["campaign.wave_sent", "campaign.waits", "campaign.wave_passed", "campaign.wait_over", "campaign.finished"]
    assert kinds()[-5:] == told
    books_balance(campaign)


def test_a_person_may_let_the_rest_go_before_the_hold_is_over(house: House, server: ScriptedServer) -> None:
    house.people(40)
    house.route(server)
    campaign = house.released(wave=ReleaseWave(25, 30, 5))
    assert run_until_still(campaign.pk)["accepted"] == 10
    resume(campaign, now=now())
    assert run_campaign(campaign.pk, 120)["accepted"] == 40


def test_too_many_refusals_in_the_first_wave_hold_the_rest_back_until_a_person_has_looked(
    house: House, server: ScriptedServer
) -> None:
    house.people(300)
    server.on("rcpt", "550 5.1.1 no such user", when=lambda moment: house.number(moment.recipient) % 4 == 0)
    house.route(server)
    campaign = house.released(wave=ReleaseWave(40, 30, 5))
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["reason"]) == ("paused", "refusals")
    assert ended["refused"] and ended["accepted"] + ended["refused"] <= 120
    books_balance(campaign)
    resume(campaign, now=now())
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"] + ended["refused"]) == ("finished", 300)


def test_a_wave_of_everybody_there_is_holds_nobody_back(house: House, server: ScriptedServer) -> None:
    house.people(1)
    house.route(server)
    assert run_campaign(house.released(wave=ReleaseWave(10, 30, 5)).pk, 30)["ended"] == "finished"


def test_a_campaign_paused_in_its_first_wave_goes_on_with_it(house: House, server: ScriptedServer) -> None:
    house.people(50)
    house.route(server)
    campaign = house.released(wave=ReleaseWave(20, 30, 5))
    pause(campaign, now=now())
    resume(campaign, now=now())
    ended = run_until_still(campaign.pk)
    assert (ended["reason"], ended["accepted"]) == ("wave", 10)


@pytest.mark.parametrize(
    "wave", [ReleaseWave(100), ReleaseWave(-1), ReleaseWave(10, -5), ReleaseWave(10, 30, 101), ReleaseWave(10, 10**6)]
)
def test_a_first_wave_that_makes_no_sense_releases_nothing(
    house: House, server: ScriptedServer, wave: ReleaseWave
) -> None:
    house.people(2)
    house.route(server)
    with pytest.raises(WrongPace):
        house.released(wave=wave)
    assert not Chunk.objects.exists()


# --- limits and warm-ups ---


def test_when_every_route_has_used_its_limit_the_campaign_says_until_when(house: House, server: ScriptedServer) -> None:
    house.people(30)
    route = house.route(server, rate="20/d")
    campaign = house.released()
    with Running():
        until(lambda: state(campaign) == ("waiting", "limit"))
        assert campaign.waits_until is not None
        assert timedelta(hours=23) < campaign.waits_until - now() < timedelta(hours=25)
        change_route(route, now=now(), rate="1000/d")
        until(lambda: state(campaign)[0] == "finished")
    assert set(server.counts().values()) == {1} and len(server.messages) == 30


def test_a_warm_up_sends_its_volume_to_the_newest_first_and_the_rest_by_other_routes(
    house: House, server: ScriptedServer, second: ScriptedServer
) -> None:
    from samizdat.audience.models import Subscription
    from tests.conftest import TODAY

    addresses = house.people(60)
    Subscription.objects.all().update(since=TODAY - timedelta(days=400))
    newest = {house.number(address) for address in addresses[40:55]}
    for row in Subscription.objects.all():
        if row.subscriber.number in newest:
            Subscription.objects.filter(pk=row.pk).update(since=TODAY)
    house.route(server, "fresh", priority=1, warm_up="15,30,60")
    house.route(second, "known", priority=2)
    campaign = house.released()
    first = Chunk.objects.order_by("pk").first()
    assert first is not None and set(unpack_numbers(bytes(first.numbers))[:15]) == newest
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    assert {house.number(address) for address in server.counts()} == newest
    assert len(second.messages) == 45


def test_what_is_over_todays_share_of_a_warm_up_follows_on_the_next_day(house: House, server: ScriptedServer) -> None:
    house.people(40)
    route = house.route(server, warm_up="10, 30")
    campaign = house.released()
    ended = run_until_still(campaign.pk)
    assert (ended["state"], ended["reason"], ended["accepted"]) == ("waiting", "warm_up", 10)
    assert datetime.fromisoformat(ended["waits_until"]) - now() <= timedelta(days=1)
    a_day_later(route)
    Route.objects.update(warm_since=route.warm_since - timedelta(days=1))
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    assert queries.status(campaign)["accepted"] == 40


def test_what_was_drawn_for_a_new_domain_is_not_taken_from_a_route_that_takes_long_to_connect(
    house: House, server: ScriptedServer
) -> None:
    """A relay abroad greets after a second: until then the sender has looked around twice."""
    from samizdat.delivery.actions import domains

    house.people(45)
    house.route(server)
    server.on("banner", delay(1.2))
    row = domains.add_domain(house.organization, "lantern.example", now=now(), algorithms=())
    domains.warm_up(row, "15,20,100", now=now())
    campaign = house.released()
    with Running():
        until(lambda: [queries.status(campaign)[name] for name in ("reason", "accepted")] == ["warm_up", 15])
    assert kinds().count("campaign.waits") == 1
    books_balance(campaign)


def test_a_new_domain_sends_its_share_of_the_day_whatever_the_route(
    house: House, server: ScriptedServer, second: ScriptedServer
) -> None:
    from samizdat.delivery.actions import domains
    from samizdat.delivery.models import SendingDomain

    house.people(45)
    house.route(server, rate="10/d", priority=1)
    house.route(second, "other", priority=2)
    row = domains.add_domain(house.organization, "lantern.example", now=now(), algorithms=())
    domains.warm_up(row, "15,20,100", now=now())
    campaign = house.released()
    with Running():
        until(lambda: [queries.status(campaign)[name] for name in ("reason", "accepted")] == ["warm_up", 15])
    assert len(server.messages) + len(second.messages) == 15
    books_balance(campaign)
    SendingDomain.objects.update(warm_since=row.warm_since - timedelta(days=1), spent="")
    with Running():
        until(lambda: queries.status(campaign)["accepted"] == 35)
    domains.warm_up(row, "", now=now())
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    assert len({*server.counts(), *second.counts()}) == 45
